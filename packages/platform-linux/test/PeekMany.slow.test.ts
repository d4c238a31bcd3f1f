/** With native code, `peekMany` gives the same answers as without, closes no descriptor early, and leaves none open. */
import { assert, describe, it } from "@effect/vitest"
import { Disk, type Peek } from "@vm-sentinel/core/Disk"
import * as Arr from "effect/Array"
import { Arbitrary, Context, Effect, Fiber, Layer, Schema, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { runs } from "@vm-sentinel/core/test/support/property"
import { encodePath } from "../src/internal/bytePath.ts"
import { withKoffi } from "../src/internal/koffi.ts"
import * as PeekMany from "../src/internal/peekMany.ts"
import * as Pool from "../src/internal/pool.ts"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import * as Agents from "./support/sweepers.ts"
import * as Scratch from "./support/scratch.ts"
import * as Places from "./support/sweepersElsewhere.ts"
import { trace } from "./support/trace.ts"
import * as Tree from "./support/tree.ts"
import { hasCompiler, noCompiler, Programs } from "./support/programs.ts"

const file = ".vm-sentinel"
const limit = 4096

const able = ableIn<Scope.Scope>((title, test) => it.live(title, test, 60_000))
const compiled = Pool.pool() === undefined ? new Missing("no C compiler, or no koffi") : {}
const whenCompiled = (title: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  able(compiled, title, test)

const diskOf = (options: LinuxDisk.Options) =>
  Effect.map(Layer.build(LinuxDisk.layerWith(options)), (context) => Context.get(context, Disk))

const peekMany = (disk: Disk["Service"], root: string, names: ReadonlyArray<string>, most = limit) =>
  Arr.isReadonlyArrayNonEmpty(names) ? disk.peekMany(root, names, file, most) : Effect.succeed([])

const named = (count: number, prefix = "vm") => Array.from({ length: count }, (_, index) => `${prefix}-${index}`)

const contentsOf = (peeks: ReadonlyArray<Peek | undefined>) => peeks.map((peek) => peek?.content)

const makePlain = (path: string, content: string | Buffer) => {
  Fs.mkdirSync(encodePath(path), { mode: 0o700 })
  Fs.writeFileSync(encodePath(`${path}/${file}`), content)
}

/** Functions that make a directory, by its kind. */
const kinds: Readonly<Record<string, (path: string) => void>> = {
  missing: () => undefined,
  empty: (path) => Fs.mkdirSync(path),
  "a file": (path) => Fs.writeFileSync(path, ""),
  "a link": (path) => Fs.symlinkSync("vm-0", path),
  "a dangling link": (path) => Fs.symlinkSync("nowhere", path),
  "a FIFO": (path) => void execFileSync("mkfifo", [path]),
  "with a link": (path) => {
    Fs.mkdirSync(path)
    Fs.symlinkSync(`../vm-0/${file}`, `${path}/${file}`)
  },
  "with a FIFO": (path) => {
    Fs.mkdirSync(path)
    execFileSync("mkfifo", [`${path}/${file}`])
  },
  "with a directory": (path) => Fs.mkdirSync(`${path}/${file}`, { recursive: true }),
  "with an empty file": (path) => makePlain(path, ""),
  "with a long file": (path) => makePlain(path, "1".repeat(PeekMany.contentBytes)),
  "with a longer file": (path) => makePlain(path, "1".repeat(PeekMany.contentBytes + 1)),
  "with the longest file": (path) => makePlain(path, "1".repeat(limit)),
  oversized: (path) => makePlain(path, "1".repeat(limit + 1)),
  "with every byte": (path) => makePlain(path, Buffer.from(Array.from({ length: 2 * 256 }, (_, index) => index % 256))),
  "not UTF-8 \udcff\udc80": (path) => makePlain(path, "1"),
  "夜 🦀 é": (path) => makePlain(path, "2"),
  ["x".repeat(255)]: (path) => makePlain(path, "3"),
  ["é".repeat(127)]: (path) => makePlain(path, "4"),
  "hard links": (path) => {
    makePlain(path, "5")
    Fs.linkSync(`${path}/${file}`, `${path}/second`)
  },
  "open to all": (path) => {
    makePlain(path, "6")
    Fs.chmodSync(path, 0o7777)
    Fs.chmodSync(`${path}/${file}`, 0o4666)
  },
  old: (path) => {
    makePlain(path, "7")
    Fs.utimesSync(`${path}/${file}`, -86_400.5, -86_400.25)
  },
  "unreadable file": (path) => {
    makePlain(path, "8")
    Fs.chmodSync(`${path}/${file}`, 0o000)
  },
  "unreadable directory": (path) => {
    makePlain(path, "9")
    Fs.chmodSync(path, 0o000)
  },
  "of another owner": (path) => {
    makePlain(path, "10")
    if (process.geteuid?.() !== 0) return
    Fs.chownSync(path, 12_345, 4_000_000_000)
    Fs.chownSync(`${path}/${file}`, 4_000_000_000, 12_345)
  }
}

/** Names that no directory can have. */
const noNames = ["vm-0\0", "\0vm-0", "vm-0\0vm-1", "x".repeat(256), "x".repeat(5000), "\ud800"]

const makeRoot = (plain: ReadonlyArray<string>) =>
  Effect.map(Scratch.scratch, (root) => {
    Fs.chmodSync(root, 0o755)
    for (const name of plain) makePlain(`${root}/${name}`, name)
    for (const [name, make] of Object.entries(kinds)) make(`${root}/${name}`)
    return root
  })

/** Compares the answers of a Disk with native code with those of a Disk without. */
const bothWays = Effect.map(
  Effect.all([diskOf({}), diskOf({ pool: false })]),
  ([native, plain]) =>
    (root: string, names: ReadonlyArray<string>, most = limit) =>
      Effect.map(Effect.all([peekMany(native, root, names, most), peekMany(plain, root, names, most)]), (answers) => {
        assert.deepStrictEqual(answers[0], answers[1])
        return answers[0]
      })
)

/** Blocks all threads of Node's pool on a FIFO, until the returned effect runs. */
const busyPool = Effect.gen(function* () {
  const path = `${yield* Scratch.scratch}/fifo`
  execFileSync("mkfifo", [path])
  const threads = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4)
  const opening = Array.from(
    { length: threads },
    () => new Promise<void>((resolve) => Fs.open(path, "r", (_, fd) => Fs.close(fd, () => resolve())))
  )
  // An open of a FIFO for reading and writing never blocks.
  const release = Effect.promise(async () => {
    const fd = Fs.openSync(path, "r+")
    await Promise.all(opening)
    Fs.closeSync(fd)
  })
  const once = yield* Effect.cached(release)
  return yield* Effect.acquireRelease(Effect.succeed(once), () => once)
})

const opened = () => [...Tree.descriptors()].toSorted()

/** Number of threads in which a command opens sentinels. */
const readers = (log: string, args: ReadonlyArray<string>) =>
  Effect.map(trace(log, [process.execPath, Agents.command, ...args]), () => {
    const found = [...Fs.readFileSync(log, "utf8").matchAll(/^(\d+) +openat\(.*\/\.vm-sentinel"/gm)]
    return new Set(found.map(([, thread]) => thread)).size
  })

describe("peekMany by native code", () => {
  able(
    compiled instanceof Missing ? compiled : Places.noStrace === undefined ? {} : new Missing(Places.noStrace),
    "is made by another thread of the command, for many directories; for few there is none",
    () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const own = `${process.pid}\n${Fs.readlinkSync("/proc/self/exe")}\n`
        for (const [root, count] of [
          ["many", 1000],
          ["few", PeekMany.minPage - 1]
        ] as const) {
          Fs.mkdirSync(`${scratch}/${root}`)
          for (const name of named(count)) makePlain(`${scratch}/${root}/${name}`, own)
        }
        assert.strictEqual(yield* readers(`${scratch}/log`, ["list", `${scratch}/few`]), 1)
        assert.isAbove(yield* readers(`${scratch}/log`, ["list", `${scratch}/many`]), 1)
      })
  )

  whenCompiled("answers as it does without, whatever a directory and its file are", () =>
    Effect.gen(function* () {
      const plain = named(PeekMany.minPage)
      const odd = [...Object.keys(kinds), ...noNames]
      const [root, peek] = [yield* makeRoot(plain), yield* bothWays]
      const told = contentsOf(yield* peek(root, [...plain, ...Object.keys(kinds)]))
      assert.deepStrictEqual(told.slice(0, plain.length), plain)
      assert.isAtLeast(told.filter((content) => content !== undefined).length, plain.length + 12)
      for (const name of odd) {
        const answers = yield* peek(root, [...plain, name])
        assert.deepStrictEqual(contentsOf(answers.slice(0, -1)), plain, name)
      }
    })
  )

  const seteuid = process.seteuid?.bind(process)
  const isAble = process.geteuid?.() === 0 && seteuid !== undefined
  able(
    compiled instanceof Missing || isAble ? compiled : new Missing("not root, or no seteuid(2)"),
    "answers as it does without to a user who may not read it all, and may not ask for no trace",
    () =>
      Effect.gen(function* () {
        const plain = named(PeekMany.minPage)
        const [root, peek] = [yield* makeRoot(plain), yield* bothWays]
        for (const name of plain.slice(1)) Fs.chmodSync(`${root}/${name}`, 0o755)
        const names = [...plain, ...Object.keys(kinds)]
        const told = contentsOf(
          yield* Effect.acquireUseRelease(
            Effect.sync(() => seteuid?.(65_534)),
            () => peek(root, names),
            () => Effect.sync(() => seteuid?.(0))
          )
        )
        assert.deepStrictEqual(told.slice(0, plain.length), [undefined, ...plain.slice(1)])
      })
  )

  whenCompiled("answers as it does without, whatever the number of directories, their order, and the limit", () =>
    Effect.gen(function* () {
      const plain = named(PeekMany.maxPage)
      const [root, peek] = [yield* makeRoot(plain), yield* bothWays]
      for (const count of [1, 63, 64, 511, 512]) {
        assert.deepStrictEqual(contentsOf(yield* peek(root, plain.slice(0, count))), plain.slice(0, count))
      }
      const Case = Schema.Struct({
        count: Schema.Literals([1, 63, 64, 65, 200, 512, 513, 600]),
        odd: Schema.Array(Schema.Literals([...Object.keys(kinds), ...noNames])),
        at: Schema.Literals([0, 0.3, 1]),
        limit: Schema.Literals([0, 4, PeekMany.contentBytes - 1, PeekMany.contentBytes, limit, 10_000])
      })
      const property = ({ at, count, limit, odd }: typeof Case.Type) =>
        Effect.gen(function* () {
          const names = [...plain, ...plain].slice(0, count)
          const place = Math.round(at * count)
          const all = [...names.slice(0, place), ...odd, ...names.slice(place)].slice(0, count)
          return (yield* peek(root, all, limit)).length === count
        })
      const result = yield* Arbitrary.checkEffect(Arbitrary.schema(Case), property, runs(200).arbitrary)
      assert.isUndefined(Arbitrary.formatCheckFailure(result))
    })
  )

  able(
    hasCompiler ? compiled : noCompiler,
    "answers a page by as many calls as it takes, interruptible between two",
    () =>
      Effect.gen(function* () {
        const names = named(PeekMany.minPage)
        const root = yield* makeRoot(names)
        const library = (yield* Programs).library("peek")
        const peek = withKoffi((koffi) => koffi.load(library).func("void vm_sentinel_peek(void *)"))
        const fd = yield* Effect.acquireRelease(
          Effect.sync(() => Fs.openSync(root, "r")),
          (fd) => Effect.sync(() => Fs.closeSync(fd))
        )
        let calls = 0
        let last = Number.POSITIVE_INFINITY
        const slow: Pool.Call = (memory, ended) => {
          calls += 1
          peek?.(memory)
          if (calls < last) ended(true)
          else setImmediate(() => ended(true))
        }
        const peeker = PeekMany.make(() => ({ list: slow, peek: slow, look: slow, unlock: slow, remove: slow }))
        assert.deepStrictEqual(contentsOf(yield* peeker(fd, names, file, limit)), names)
        assert.strictEqual(calls, names.length)
        last = calls + 3
        const fiber = yield* Effect.forkChild(peeker(fd, names, file, limit), { startImmediately: true })
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(calls, last)
      }).pipe(Effect.provide(Programs.layer))
  )

  whenCompiled("fails as it does without for a root that isn't there, or is a link", () =>
    Effect.gen(function* () {
      const root = yield* Scratch.scratch
      Fs.symlinkSync(root, `${root}/link`)
      const disks = [yield* diskOf({}), yield* diskOf({ pool: false })]
      const all = named(PeekMany.minPage)
      for (const name of ["missing", "link"]) {
        const errors = yield* Effect.forEach(disks, (disk) => Effect.flip(peekMany(disk, `${root}/${name}`, all)))
        assert.strictEqual(errors[0]?.errno, errors[1]?.errno)
        assert.include(["ENOENT", "ENOTDIR"], errors[0]?.errno)
      }
    })
  )

  whenCompiled("waits for a thread while all are busy, and then answers for each page by itself", () =>
    Effect.gen(function* () {
      const names = named(800)
      const root = yield* makeRoot(names)
      const disk = yield* diskOf({})
      const release = yield* busyPool
      const pages = [names.slice(0, 512), names.slice(512), names.slice(100, 200), names.slice(0, 63)]
      const fibers = yield* Effect.forEach(pages, (page) =>
        Effect.forkChild(peekMany(disk, root, page), { startImmediately: true })
      )
      yield* Fiber.join(fibers[3] ?? assert.fail("no fiber"))
      assert.deepStrictEqual(
        fibers.map((fiber) => fiber.pollUnsafe() === undefined),
        [true, true, true, false]
      )
      yield* release
      assert.deepStrictEqual((yield* Fiber.joinAll(fibers)).map(contentsOf), pages)
    })
  )

  whenCompiled("is done without where koffi has no call left", () =>
    Effect.gen(function* () {
      const names = named(PeekMany.minPage)
      const root = yield* makeRoot(names)
      const disk = yield* diskOf({})
      const before = opened()
      const release = yield* busyPool
      const fibers = yield* Effect.forEach(Array.from({ length: 300 }), () =>
        Effect.forkChild(peekMany(disk, root, names), { startImmediately: true })
      )
      const last = yield* Fiber.join(fibers[299] ?? assert.fail("no fiber"))
      assert.deepStrictEqual(contentsOf(last), names)
      assert.isUndefined(fibers[0]?.pollUnsafe())
      yield* release
      for (const fiber of fibers) assert.deepStrictEqual(contentsOf(yield* Fiber.join(fiber)), names)
      assert.deepStrictEqual(opened(), before)
    })
  )

  whenCompiled("keeps the root open until the call has ended, however early it is interrupted", () =>
    Effect.gen(function* () {
      const names = named(PeekMany.maxPage)
      const root = yield* makeRoot(names)
      const disk = yield* diskOf({})
      const before = opened()
      const release = yield* busyPool
      const fiber = yield* Effect.forkChild(peekMany(disk, root, names), { startImmediately: true })
      const interrupted = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(interrupted.pollUnsafe())
      assert.include(opened(), root)
      // The interrupted call still uses its memory, so this call must use other memory.
      const other = yield* Effect.forkChild(peekMany(disk, root, names.toReversed()), { startImmediately: true })
      yield* release
      yield* Fiber.join(interrupted)
      assert.deepStrictEqual(contentsOf(yield* Fiber.join(other)), names.toReversed())
      assert.deepStrictEqual(opened(), before)
    })
  )

  whenCompiled("leaves no descriptor open", () =>
    Effect.gen(function* () {
      const names = named(PeekMany.minPage)
      const root = yield* makeRoot(names)
      const disk = yield* diskOf({})
      const all = [...names, ...Object.keys(kinds), ...noNames]
      const before = opened()
      for (let count = 0; count < 20; count++) {
        yield* Effect.all([peekMany(disk, root, all), peekMany(disk, root, all, 0)], { concurrency: 2 })
        const fiber = yield* Effect.forkChild(peekMany(disk, root, all), { startImmediately: true })
        yield* Fiber.interrupt(fiber)
      }
      assert.deepStrictEqual(opened(), before)
    })
  )
})
