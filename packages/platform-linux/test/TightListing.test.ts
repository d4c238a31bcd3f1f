import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import type { DirectoryEntry, Listing } from "@vm-sentinel/core/Disk"
import * as Os from "node:os"
import { runs } from "../../core/test/support/property.ts"
import { encodePath } from "../src/internal/bytePath.ts"
import * as TightListing from "../src/internal/tightListing.ts"

/** `linux/fs_types.h`, written down once more. */
const types = { unknown: 0, fifo: 1, device: 2, directory: 4, file: 8, symlink: 10, socket: 12 } as const

const Drawn = Schema.Struct({
  name: Schema.Literals([
    "a",
    "b",
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
  ino: Schema.Literals([1, 2, 3, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1, 2 ** 60, 2 ** 60])
})
type Drawn = typeof Drawn.Type

/** `struct linux_dirent64`. What follows the name's NUL is anything. */
const recordOf = ({ ino, name, type }: Drawn): Buffer => {
  const bytes = Buffer.from(encodePath(name))
  const record = Buffer.alloc(Math.ceil((20 + bytes.length) / 8) * 8, 0x7a)
  const view = new DataView(record.buffer, record.byteOffset)
  const isLittle = Os.endianness() === "LE"
  view.setBigUint64(0, BigInt(ino), isLittle)
  view.setUint16(16, record.length, isLittle)
  record[18] = types[type]
  bytes.copy(record, 19)
  record[19 + bytes.length] = 0
  return record
}

/** Answers so many records at a time, as a kernel would. */
const kernelOf = (entries: ReadonlyArray<Drawn>, atOnce: number) => {
  const left = entries.map(recordOf)
  return (into: Buffer) => {
    const filled = Buffer.concat(left.splice(0, atOnce))
    return filled.copy(into.fill(0xff))
  }
}

const listingOf = (entries: ReadonlyArray<Drawn>, atOnce: number): Listing => {
  const reading = TightListing.read(kernelOf(entries, atOnce))
  for (;;) {
    const step = reading.next()
    if (step.done === true) return step.value
  }
}

const othersOf = ({ entry, size }: Listing) => Array.from({ length: size }, (_, index) => entry(index))

describe("a tight listing", () => {
  it.effect.prop(
    "has every name and type, in the order of the inodes, of very large ones as exactly as 53 bits can tell",
    { drawn: Arbitrary.schema(Schema.Array(Drawn)), atOnce: Arbitrary.schema(Schema.Literals([1, 2, 20])) },
    ({ atOnce, drawn }) =>
      Effect.sync(() => {
        const isHidden = ({ name }: Drawn) => name.startsWith(".")
        // So that each has a name of its own.
        const entries = drawn.map((entry, index) =>
          isHidden(entry) ? entry : { ...entry, name: `${entry.name.slice(0, 240)}-${index}` }
        )
        const listing = listingOf(entries, atOnce)
        const hidden = entries.filter((entry) => isHidden(entry) && entry.name !== "." && entry.name !== "..")
        const keyOf = ({ entry, type }: DirectoryEntry) => `${entry} ${type}`
        assert.deepStrictEqual(
          listing.hidden.map(keyOf).toSorted(),
          hidden.map(({ name, type }) => `${name} ${type}`).toSorted()
        )
        const names = listing.hidden.map(({ entry }) => entry)
        assert.deepStrictEqual(names, names.toSorted())
        const others = entries.filter((entry) => !isHidden(entry))
        const listed = othersOf(listing)
        assert.deepStrictEqual(
          listed.map(keyOf).toSorted(),
          others.map(({ name, type }) => `${name} ${type}`).toSorted()
        )
        const inodes = new Map(others.map(({ ino, name }) => [name, ino]))
        const ordered = listed.map(({ entry }) => inodes.get(entry) ?? Number.NaN)
        const range = Math.max(...ordered) - Math.min(...ordered)
        const leeway = (range + 1) * ordered.length <= 2 ** 52 ? 0 : (range * ordered.length) / 2 ** 51
        ordered.forEach((ino, index) => assert.isAtMost((ordered[index - 1] ?? ino) - ino, leeway))
      }),
    runs(300)
  )

  it("lets others have their turn while very many are put in order", () => {
    const count = 100_000
    const entries = Array.from({ length: count }, (_, index): Drawn => {
      return { name: "a", type: index === 0 ? "file" : "directory", ino: index % 3 === 0 ? 2 : index % 3 === 1 ? 3 : 1 }
    })
    const fill = kernelOf(entries, 256)
    let isFilled = false
    const reading = TightListing.read((into) => {
      const filled = fill(into)
      isFilled = filled === 0
      return filled
    })
    let turns = 0
    for (;;) {
      const step = reading.next()
      if (step.done === true) {
        // The first of those with the middle number.
        assert.deepStrictEqual(step.value.entry(Math.floor(count / 3)), { entry: "a", type: "file" })
        break
      }
      if (isFilled) turns += 1
    }
    assert.isAbove(turns, 0)
  })
})
