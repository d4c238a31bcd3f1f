/** How a listing by native code handles the kernel's answers, and how it ends early. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Fiber, Schema, Stream } from "effect"
import type { DirectoryEntry, Listing as DiskListing } from "@vm-sentinel/core/Disk"
import * as Os from "node:os"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { runs } from "@vm-sentinel/core/test/support/property"
import { encodePath } from "../src/internal/bytePath.ts"
import { withKoffi } from "../src/internal/koffi.ts"
import * as Listing from "../src/internal/listing.ts"
import type { Call } from "../src/internal/pool.ts"
import { hasCompiler, Programs } from "./support/programs.ts"

/** Constants of `linux/fs_types.h`. */
const types = { unknown: 0, fifo: 1, device: 2, directory: 4, file: 8, symlink: 10, socket: 12 } as const

const Drawn = Schema.Struct({
  name: Schema.Literals([
    "a",
    "vm-1",
    "夜",
    "\uFFFD",
    "\udcff",
    "a\udc80b",
    "x".repeat(255),
    "🦀",
    ".a",
    "..",
    ".",
    "..a"
  ]),
  type: Schema.Literals(["unknown", "fifo", "device", "directory", "file", "symlink", "socket"]),
  ino: Schema.Literals([1n, 2n, 3n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 53n, 2n ** 64n - 1n])
})
type Drawn = typeof Drawn.Type

const Case = Schema.Struct({
  drawn: Schema.Array(Drawn),
  /** With 50 or 400 repetitions the entries may exceed the first buffer. */
  times: Schema.Literals([1, 1, 1, 50, 400]),
  block: Schema.Literals([1, 300, 2 ** 30]),
  isSlow: Schema.Boolean
})

/** A `struct linux_dirent64`. The bytes after the name's NUL are arbitrary. */
const recordOf = ({ ino, name, type }: Drawn): Buffer => {
  const bytes = Buffer.from(encodePath(name))
  const record = Buffer.alloc(Math.ceil((20 + bytes.length) / 8) * 8, 0x7a)
  const view = new DataView(record.buffer, record.byteOffset)
  const isLittle = Os.endianness() === "LE"
  view.setBigUint64(0, ino, isLittle)
  view.setUint16(16, record.length, isLittle)
  record[18] = types[type]
  bytes.copy(record, 19)
  record[19 + bytes.length] = 0
  return record
}

interface Kernel {
  /** Largest number of bytes that one call returns. A call returns at least one record. */
  readonly block?: number
  /** Errno after the last record. */
  readonly error?: number
  /** Whether each call exceeds the time limit of a listing. */
  readonly isSlow?: boolean
}

interface Machine {
  readonly list: Call
  /** Number of calls since `tell`. */
  readonly calls: () => number
  readonly tell: (entries: ReadonlyArray<Drawn>, kernel?: Kernel) => void
}

const machine = Effect.gen(function* () {
  const path = (yield* Programs).library("listing")
  const made = withKoffi((koffi): Machine => {
    const library = koffi.load(path)
    const tell = library.func("void tell(const void *, uint32_t, uint32_t, int, int)")
    const list = library.func("void vm_sentinel_list(void *)")
    let calls = 0
    return {
      list: (memory, ended) => {
        calls += 1
        list(memory)
        ended(true)
      },
      calls: () => calls,
      tell: (entries, { block = 2 ** 30, error = 0, isSlow = false } = {}) => {
        calls = 0
        const records = Buffer.concat(entries.map(recordOf))
        tell(records, records.length, block, error, isSlow ? 1 : 0)
      }
    }
  })
  return made ?? assert.fail("no koffi")
})

const able = ableIn<Programs>((title, test) => it.effect(title, () => Effect.provide(test(), Programs.layer), 60_000))
const hasKoffi = withKoffi(() => true) !== undefined
const whenCompiled = (title: string, test: () => Effect.Effect<void, unknown, Programs>) =>
  able(hasCompiler && hasKoffi ? {} : new Missing("no C compiler, or no koffi"), title, test)

const othersOf = ({ visible }: DiskListing) => Stream.runCollect(visible)
const keyOf = ({ entry, type }: DirectoryEntry) => `${entry} ${type}`

const isHidden = ({ name }: Drawn) => name.startsWith(".")

/** The expected order of these entries. */
const expectedOf = (entries: ReadonlyArray<Drawn>) => {
  const all = entries.filter(({ name }) => name !== "." && name !== "..")
  const shown = all.filter((entry) => !isHidden(entry)).toSorted((a, b) => (a.ino < b.ino ? -1 : a.ino > b.ino ? 1 : 0))
  const hidden = all.filter(isHidden).map(({ name, type }) => `${name} ${type}`)
  return { hidden: hidden.toSorted(), shown: shown.map(({ name, type }) => `${name} ${type}`) }
}

describe("a listing by native code", () => {
  whenCompiled("has every name and type, in the order of the inodes, and of one inode in that of the kernel", () =>
    Effect.gen(function* () {
      const { calls, list, tell } = yield* machine
      let most = 0
      const property = ({ block, drawn, isSlow, times }: typeof Case.Type) =>
        Effect.gen(function* () {
          const repeated = Array.from({ length: times }, () => drawn).flat()
          // The suffix gives each entry a name of its own.
          const entries = repeated.map(({ ino, name, type }, index) => {
            return { ino, name: name.startsWith(".") ? name : `${name.slice(0, 240)}-${index}`, type }
          })
          tell(entries, { block, isSlow })
          const listing = yield* Listing.read(list, "/root", 0, 0)
          most = Math.max(most, calls())
          if (listing === undefined) return assert.fail("it ended early")
          const names = listing.hidden.map(({ entry }) => entry)
          assert.deepStrictEqual(names, names.toSorted())
          const { hidden, shown } = expectedOf(entries)
          assert.deepStrictEqual(listing.hidden.map(keyOf).toSorted(), hidden)
          assert.deepStrictEqual((yield* othersOf(listing)).map(keyOf), shown)
          assert.deepStrictEqual((yield* othersOf(listing)).map(keyOf), shown, "pulled again")
          return true
        })
      const result = yield* Arbitrary.checkEffect(Arbitrary.schema(Case), property, runs(300).arbitrary)
      assert.isUndefined(Arbitrary.formatCheckFailure(result))
      assert.isAbove(most, 10)
    })
  )

  whenCompiled("takes no more memory than that of very many names, whatever size the directory says it has", () =>
    Effect.gen(function* () {
      const { list, tell } = yield* machine
      for (const size of [0, 4096, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
        tell([{ name: "a", type: "directory", ino: 1n }])
        const measured: Call = (memory, ended) => {
          assert.isAtMost(memory.byteLength, 2 ** 26 + 64)
          list(memory, ended)
        }
        const listing = yield* Listing.read(measured, "/root", 0, size)
        assert.deepStrictEqual(listing && (yield* othersOf(listing)), [{ entry: "a", type: "directory" }])
      }
    })
  )

  whenCompiled("fails as the kernel does, whatever it told before", () =>
    Effect.gen(function* () {
      const { list, tell } = yield* machine
      tell([{ name: "a", type: "directory", ino: 1n }], { error: Os.constants.errno.EIO })
      const { errno, operation, path } = yield* Effect.flip(Listing.read(list, "/root", 0, 0))
      assert.deepStrictEqual({ errno, operation, path }, { errno: "EIO", operation: "readdir", path: "/root" })
    })
  )

  it.effect("isn't where koffi makes no other call", () =>
    Effect.gen(function* () {
      const list: Call = (_, ended) => ended(false)
      assert.isUndefined(yield* Listing.read(list, "/root", 0, 0))
    })
  )

  it.effect(
    "uses the descriptor and the memory no more once it was interrupted, and not before the call has ended",
    () =>
      Effect.gen(function* () {
        const callbacks: Array<(wasMade: boolean) => void> = []
        // A call that ends without an answer makes the listing call again.
        const list: Call = (_, ended) => void callbacks.push(ended)
        const fiber = yield* Effect.forkChild(Listing.read(list, "/root", 0, 0), { startImmediately: true })
        callbacks.shift()?.(true)
        yield* Effect.yieldNow
        assert.strictEqual(callbacks.length, 1)
        const interrupted = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        yield* Effect.yieldNow
        assert.isUndefined(interrupted.pollUnsafe())
        callbacks.shift()?.(true)
        yield* Fiber.await(interrupted)
        assert.strictEqual(callbacks.length, 0)
        assert.isDefined(fiber.pollUnsafe())
      })
  )
})
