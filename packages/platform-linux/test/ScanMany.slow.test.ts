/**
 * With native code, `scanMany`, `lockMany` and `moveMany` say what `scan` says or leave a directory out, and leave no
 * descriptor open. The conformance suite tests what they do to plain directories.
 */
import { assert, describe, it } from "@effect/vitest"
import { Disk, type Scan } from "@vm-sentinel/core/Disk"
import * as Arr from "effect/Array"
import { Effect, Exit, Fiber, Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { scansOf } from "@vm-sentinel/core/test/support/diskMany"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import { scanning } from "@vm-sentinel/core/test/support/scanning"
import { encodePath } from "../src/internal/bytePath.ts"
import { withKoffi } from "../src/internal/koffi.ts"
import * as Pool from "../src/internal/pool.ts"
import * as ScanMany from "../src/internal/scanMany.ts"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import * as Scratch from "./support/scratch.ts"
import * as Tree from "./support/tree.ts"
import { hasCompiler, noCompiler, Programs } from "./support/programs.ts"

const file = ".vm-sentinel"
const options = scanning((entry) => (entry.startsWith(file) ? "read" : "ignore"), 4096)

const pool = Pool.pool()
/** The native call, made in this thread. */
const lookHere = withKoffi((koffi) => koffi.load(Pool.libraryOf(koffi)).func("void vm_sentinel_look(void *)"))

const able = ableIn<Disk | Scope.Scope>((title, test) =>
  it.live(title, () => Effect.provide(test(), LinuxDisk.layerWith()), 60_000)
)
const compiled = pool === undefined ? new Missing("no C compiler, or no koffi") : pool
const whenCompiled = (title: string, test: (pool: Pool.Pool) => Effect.Effect<void, unknown, Disk | Scope.Scope>) =>
  able(compiled, title, test)

const named = (count: number, prefix = "vm") => Arr.makeBy(count, (index) => `${prefix}-${index}`)

const makePlain = (path: string, content = "1\n") => {
  Fs.mkdirSync(encodePath(path), { mode: 0o700 })
  Fs.writeFileSync(encodePath(`${path}/${file}`), content, { mode: 0o600 })
}

const makePlainRoot = (names: ReadonlyArray<string>) =>
  Effect.map(Scratch.scratch, (root) => {
    Fs.chmodSync(root, 0o755)
    for (const name of names) makePlain(`${root}/${name}`, name)
    return root
  })

const opened = () => [...Tree.descriptors()].toSorted()

/** The numbers of the open descriptors. */
const numbersOfOpen = () => Fs.readdirSync("/proc/self/fd").filter((fd) => Fs.existsSync(`/proc/self/fd/${fd}`))

const plainWith = (change: (path: string) => void) => (path: string) => {
  makePlain(path)
  change(path)
}

const without = (change: (path: string) => void) => (path: string) => {
  Fs.mkdirSync(path, { mode: 0o700 })
  change(path)
}

/** Functions that make a directory which is told. */
const told: Readonly<Record<string, (path: string) => void>> = {
  plain: (path) => makePlain(path),
  empty: without(() => undefined),
  "two sentinels": plainWith((path) => Fs.writeFileSync(`${path}/${file}.a`, "2")),
  "an empty sentinel": (path) => makePlain(path, ""),
  "a sentinel of 1000 bytes": (path) => makePlain(path, "x".repeat(1000)),
  "names of 1008 bytes": without((path) => {
    for (const name of "abcd") Fs.writeFileSync(`${path}/${name.repeat(250)}`, "")
  }),
  "names of 255 bytes": plainWith((path) => {
    for (const name of "ab") Fs.writeFileSync(`${path}/${name.repeat(255)}`, "")
  }),
  "names that aren't UTF-8": plainWith((path) => {
    Fs.writeFileSync(Buffer.concat([Buffer.from(`${path}/${file}.`), Buffer.of(0xff, 0x80, 0x0a)]), "3")
  }),
  "not UTF-8 \udcff\udc80": (path) => makePlain(path),
  ["x".repeat(255)]: (path) => makePlain(path),
  "with inner directories": plainWith((path) => Fs.mkdirSync(`${path}/a/b`, { recursive: true })),
  "with a link and a FIFO": plainWith((path) => {
    Fs.symlinkSync("nowhere", `${path}/link`)
    execFileSync("mkfifo", [`${path}/fifo`])
  }),
  "a sentinel that all may write": plainWith((path) => Fs.chmodSync(`${path}/${file}`, 0o4666)),
  "an old sentinel": plainWith((path) => Fs.utimesSync(`${path}/${file}`, -86_400.5, -86_400.25)),
  "a sentinel with hard links": plainWith((path) => Fs.linkSync(`${path}/${file}`, `${path}/second`)),
  "of mode 1500": plainWith((path) => Fs.chmodSync(path, 0o1500))
}

/** Functions that make what is left out. */
const leftOut: Readonly<Record<string, (path: string) => void>> = {
  missing: () => undefined,
  "a file": (path) => Fs.writeFileSync(path, ""),
  "a link": (path) => Fs.symlinkSync("plain", path),
  "a FIFO": (path) => void execFileSync("mkfifo", [path]),
  "three sentinels": plainWith((path) => {
    for (const name of "ab") Fs.writeFileSync(`${path}/${file}.${name}`, name)
  }),
  "a sentinel of 1001 bytes": (path) => makePlain(path, "x".repeat(1001)),
  "a sentinel with a hole": plainWith((path) => Fs.truncateSync(`${path}/${file}`, 5 * 1024 ** 3)),
  "names of 1009 bytes": without((path) => {
    for (const name of "abc") Fs.writeFileSync(`${path}/${name.repeat(250)}`, "")
    Fs.writeFileSync(`${path}/${"d".repeat(251)}`, "")
  }),
  "many names": plainWith((path) => {
    for (let index = 0; index < 600; index++) Fs.writeFileSync(`${path}/${index}`, "")
  }),
  "a FIFO as its sentinel": without((path) => void execFileSync("mkfifo", [`${path}/${file}`])),
  "a link as its sentinel": without((path) => Fs.symlinkSync(`../plain/${file}`, `${path}/${file}`)),
  "a dangling link as its sentinel": without((path) => Fs.symlinkSync("nowhere", `${path}/${file}`)),
  "a directory as its sentinel": without((path) => Fs.mkdirSync(`${path}/${file}`)),
  "writable by its group": plainWith((path) => Fs.chmodSync(path, 0o770)),
  "writable by all": plainWith((path) => Fs.chmodSync(path, 0o707)),
  "sticky and writable by all": plainWith((path) => Fs.chmodSync(path, 0o1777)),
  ...(process.geteuid?.() === 0
    ? {
        "of another owner": plainWith((path) => Fs.chownSync(path, 12_345, 0)),
        "of an owner with a large number": plainWith((path) => Fs.chownSync(path, 4_000_000_000, 0))
      }
    : {})
}

/** Names that no directory can have. */
const noNames = ["", "plain\0", "\0plain", "plain\0empty", "x".repeat(256), "x".repeat(5000), "\ud800"]

const isThere = (path: string): boolean => !path.includes("\0") && Fs.existsSync(encodePath(path))

const makeKinds = Effect.map(Scratch.scratch, (root) => {
  for (const [name, make] of Object.entries({ ...told, ...leftOut })) make(`${root}/${name}`)
  return root
})

/** Asserts that each answer is that of `scan`. Returns the names with an answer. */
const answered = Effect.fnUntraced(function* (
  root: string,
  names: ReadonlyArray<string>,
  scans: ReadonlyArray<Scan | undefined>
) {
  const disk = yield* Disk
  assert.strictEqual(scans.length, names.length)
  const found: Array<string> = []
  for (const [index, name] of names.entries()) {
    const scan = scans[index]
    if (scan === undefined) continue
    assert.deepStrictEqual(scan, yield* disk.scan(`${root}/${name}`, options), name)
    found.push(name)
  }
  return found
})

/** All kinds, in pages. A left-out directory comes into memory that has just held another answer. */
const pages: ReadonlyArray<Arr.NonEmptyReadonlyArray<string>> = [
  ["plain", ...Object.keys(told)],
  ["plain", ...Object.keys(leftOut), ...noNames],
  ["plain", ...Object.keys(told).toReversed()]
]

/** A scanner over calls that may be replaced, and its closes. `root` stays open. */
const makeScanner = (root: string, calls: Partial<Pool.Pool>, native: Pool.Pool) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => Fs.openSync(root, "r")),
      (fd) => Effect.sync(() => Fs.closeSync(fd))
    ),
    (fd) => {
      const closed: Array<number> = []
      const scanner = ScanMany.make(
        () => ({ ...native, ...calls }),
        (fd) => {
          closed.push(fd)
          Fs.closeSync(fd)
        }
      )
      return { fd, closed, scanner }
    }
  )

const refused: Pool.Call = (_, ended) => ended(false)

/** A call that does `most` directories, at once and in this thread. */
const lookAtMost = (memory: Uint8Array, most: number): void => {
  const numbers = new Int32Array(memory.buffer)
  const count = numbers[Pool.header.count] ?? 0
  const end = Math.min(count, (numbers[4] ?? 0) + most)
  numbers[Pool.header.count] = end
  lookHere?.(memory)
  numbers[Pool.header.count] = count
  // A busy machine may take a call for fewer.
  numbers[Pool.header.isDone] = numbers[4] === count ? 1 : 0
}

describe("scanMany, lockMany and moveMany by native code", () => {
  whenCompiled("say of each directory what a scan says, or leave it out: scanMany", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* makeKinds
      for (const names of pages) {
        const scans = yield* disk.scanMany(root, names, options)
        assert.deepStrictEqual(
          yield* answered(root, names, scans),
          names.filter((name) => name in told)
        )
      }
    })
  )

  whenCompiled("say of each directory what a scan says, or leave it out: lockMany", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* makeKinds
      for (const page of pages) {
        // A second lock of one directory would be refused.
        const names = Arr.dedupe(page)
        const before = opened()
        const locked = yield* Effect.scoped(
          Effect.gen(function* () {
            const found = yield* answered(root, names, scansOf(yield* disk.lockMany(root, names, options)))
            for (const name of found) assert.strictEqual(yield* disk.probeLock(`${root}/${name}`), "exclusive", name)
            return found
          })
        )
        assert.deepStrictEqual(
          locked,
          names.filter((name) => name in told)
        )
        for (const name of locked) assert.strictEqual(yield* disk.probeLock(`${root}/${name}`), "free", name)
        assert.deepStrictEqual(opened(), before)
      }
    })
  )

  whenCompiled("say of each directory what a scan says, or leave it out: moveMany", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* makeKinds
      Fs.mkdirSync(`${root}/to`)
      const all: Arr.NonEmptyReadonlyArray<string> = ["plain", ...Object.keys(told), ...noNames]
      const names = Arr.dedupe(all)
      const before = opened()
      const moved = yield* disk.moveMany(
        root,
        Arr.map(names, (from) => ({ from, to: `to/${from}` })),
        options
      )
      assert.deepStrictEqual(
        names.filter((_, index) => moved[index]?.isMoved === true),
        names.filter((name) => name in told)
      )
      for (const [index, name] of names.entries()) {
        assert.strictEqual(isThere(`${root}/to/${name}`) && name !== "", name in told, name)
        if (name in told) {
          assert.isFalse(isThere(`${root}/${name}`), name)
          assert.deepStrictEqual(moved[index]?.scan, yield* disk.scan(`${root}/to/${name}`, options), name)
        }
      }
      const odd: ReadonlyArray<string> = ["three sentinels", "many names", "writable by all"]
      const places = ["a\0", "x".repeat(256), `${"y/".repeat(300)}z`, "to/plain"]
      for (const from of odd) {
        for (const to of places) {
          assert.deepStrictEqual(yield* disk.moveMany(root, [{ from, to }], options), [
            { isMoved: false, scan: undefined }
          ])
        }
        assert.deepStrictEqual(yield* disk.moveMany(root, [{ from, to: `to/${from}` }], options), [
          { isMoved: true, scan: undefined }
        ])
      }
      assert.deepStrictEqual(opened(), before)
    })
  )

  able(
    compiled instanceof Missing ? compiled : world.bindMount,
    "leave out a mount point, and say of a directory above one what a scan says",
    (bindMount) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const root = yield* world.scratch
        for (const name of ["source", "above", "point", "plain"]) makePlain(`${root}/${name}`, name)
        Fs.mkdirSync(`${root}/above/inner`)
        yield* bindMount(`${root}/source`, `${root}/above/inner`)
        yield* bindMount(`${root}/source`, `${root}/point`)
        const names = ["above", "point", "plain"] as const
        assert.deepStrictEqual(yield* answered(root, names, yield* disk.scanMany(root, names, options)), [
          "above",
          "plain"
        ])
        yield* Effect.scoped(
          Effect.gen(function* () {
            const scans = scansOf(yield* disk.lockMany(root, names, options))
            assert.deepStrictEqual(yield* answered(root, names, scans), ["above", "plain"])
            assert.strictEqual(yield* disk.probeLock(`${root}/source`), "free")
          })
        )
        const [moved] = yield* disk.moveMany(root, [{ from: "point", to: "new" }], options)
        assert.deepStrictEqual(moved, { isMoved: false, scan: undefined })
        assert.isFalse(isThere(`${root}/new`))
      })
  )

  whenCompiled("do nothing for more than a page, and all for a whole page", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const names = named(ScanMany.maxPage + 1)
      const root = yield* makePlainRoot(names)
      Fs.mkdirSync(`${root}/to`)
      const moves = Arr.map(names, (from) => ({ from, to: `to/${from}` }))
      const none = names.map(() => undefined)
      assert.deepStrictEqual(yield* disk.scanMany(root, names, options), none)
      yield* Effect.scoped(
        Effect.gen(function* () {
          assert.deepStrictEqual(scansOf(yield* disk.lockMany(root, names, options)), none)
          for (const name of names) assert.strictEqual(yield* disk.probeLock(`${root}/${name}`), "free", name)
        })
      )
      const before = Tree.of(root)
      assert.isTrue((yield* disk.moveMany(root, moves, options)).every(({ isMoved }) => !isMoved))
      assert.deepStrictEqual(Tree.differences(before, Tree.of(root)), [])
      const page = named(ScanMany.maxPage)
      assert.deepStrictEqual(yield* answered(root, page, yield* disk.scanMany(root, page, options)), page)
      const locked = scansOf(yield* Effect.scoped(disk.lockMany(root, page, options)))
      assert.deepStrictEqual(yield* answered(root, page, locked), page)
      const moved = yield* disk.moveMany(
        root,
        Arr.map(page, (from) => ({ from, to: `to/${from}` })),
        options
      )
      assert.isTrue(moved.every(({ isMoved }) => isMoved))
    })
  )

  const seteuid = process.seteuid?.bind(process)
  const isRoot = process.geteuid?.() === 0 && seteuid !== undefined
  able(
    compiled instanceof Missing || isRoot ? compiled : new Missing("not root, or no seteuid(2)"),
    "answer a user who may not read it all, and may not ask for no trace",
    () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const names = ["readable", "hidden file", "hidden", "own"] as const
        const root = yield* makePlainRoot(names)
        for (const name of ["readable", "hidden file", "own"]) Fs.chmodSync(`${root}/${name}`, 0o755)
        for (const name of ["readable", "own"]) Fs.chmodSync(`${root}/${name}/${file}`, 0o644)
        Fs.chownSync(`${root}/own`, 65_534, 0)
        const asOther = <A, E, R>(use: Effect.Effect<A, E, R>) =>
          Effect.acquireUseRelease(
            Effect.sync(() => seteuid?.(65_534)),
            () => use,
            () => Effect.sync(() => seteuid?.(0))
          )
        const scans = yield* asOther(disk.scanMany(root, names, options))
        assert.deepStrictEqual(yield* answered(root, names, scans), ["readable", "own"])
        const locked = scansOf(yield* asOther(Effect.scoped(disk.lockMany(root, names, options))))
        assert.deepStrictEqual(yield* answered(root, names, locked), ["readable", "own"])
        // A user other than root trusts its own files and root's.
        assert.isUndefined((yield* disk.scanMany(root, ["own"], options))[0])
      })
  )

  whenCompiled("close every lock with the scope, of a removed directory too, and let no program inherit it", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const names = named(8)
      const root = yield* makePlainRoot(names)
      const before = opened()
      const numbers = new Set(numbersOfOpen())
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* answered(root, names, scansOf(yield* disk.lockMany(root, names, options)))
          const locks = numbersOfOpen().filter((fd) => !numbers.has(fd))
          assert.lengthOf(locks, names.length)
          for (const fd of locks) {
            const flags = /^flags:\s*(\d+)$/m.exec(Fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? ""
            assert.notStrictEqual(Number.parseInt(flags, 8) & 0o2000000, 0, fd)
          }
          Fs.rmSync(`${root}/vm-0`, { recursive: true })
          Fs.renameSync(`${root}/vm-1`, `${root}/moved`)
          assert.include(opened(), `${root}/vm-0 (deleted)`)
        })
      )
      assert.deepStrictEqual(opened(), before)
      assert.strictEqual(yield* disk.probeLock(`${root}/moved`), "free")
    })
  )

  whenCompiled("hold the locks of one call while others come and go", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const groups = Array.from({ length: 7 }, (_, index) => named(4, `group-${index}`))
      const root = yield* makePlainRoot(groups.flat())
      const before = opened()
      const scopes: Array<Scope.Closeable> = []
      for (const group of groups) {
        const scope = yield* Scope.make()
        const scans = scansOf(yield* Scope.provide(disk.lockMany(root, group, options), scope))
        assert.deepStrictEqual(yield* answered(root, group, scans), group)
        scopes.push(scope)
      }
      for (const [index, scope] of scopes.entries()) {
        yield* Scope.close(scope, Exit.void)
        for (const [other, group] of groups.entries()) {
          for (const name of group) {
            assert.strictEqual(yield* disk.probeLock(`${root}/${name}`), other <= index ? "free" : "exclusive", name)
          }
        }
        yield* disk.scanMany(root, groups[index] ?? assert.fail("no group"), options)
      }
      assert.deepStrictEqual(opened(), before)
    })
  )

  for (const [unlocking, isRefused] of [
    ["a thread closes them", false],
    ["this thread closes them", true]
  ] as const) {
    whenCompiled(`close the locks of a call that koffi doesn't continue: ${unlocking}`, (native) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const names = named(6)
        const root = yield* makePlainRoot(names)
        let calls = 0
        const look: Pool.Call = (memory, ended) => {
          calls += 1
          if (calls === 1) lookAtMost(memory, 3)
          ended(calls === 1)
        }
        const unlock = isRefused ? refused : native.unlock
        const { closed, fd, scanner } = yield* makeScanner(root, { look, unlock }, native)
        const before = opened()
        yield* Effect.scoped(
          Effect.gen(function* () {
            const scans = scansOf(yield* scanner.lock(fd, names, options))
            assert.isAtMost(scans.length, 3)
            assert.isAtLeast(scans.length, 1)
            for (const [index, name] of names.entries()) {
              const state = index < scans.length ? "exclusive" : "free"
              assert.strictEqual(yield* disk.probeLock(`${root}/${name}`), state, name)
            }
            assert.lengthOf(opened(), before.length + scans.length)
          })
        )
        assert.deepStrictEqual(opened(), before)
        assert.strictEqual(closed.length > 0, isRefused)
        for (const name of names) assert.strictEqual(yield* disk.probeLock(`${root}/${name}`), "free", name)
      })
    )
  }

  whenCompiled("answer for nothing, close nothing and move nothing where koffi refuses the call", (native) =>
    Effect.gen(function* () {
      const names = named(4)
      const root = yield* makePlainRoot(names)
      const { closed, fd, scanner } = yield* makeScanner(root, { look: refused, unlock: refused }, native)
      const before = opened()
      const tree = Tree.of(root)
      assert.deepStrictEqual(yield* scanner.look(fd, names, options), [])
      assert.deepStrictEqual(yield* Effect.scoped(scanner.lock(fd, names, options)), [])
      const moves = Arr.map(names, (from) => ({ from, to: `${from}-new` }))
      assert.deepStrictEqual(yield* scanner.move(fd, moves, options), [])
      assert.deepStrictEqual([closed, opened()], [[], before])
      assert.deepStrictEqual(Tree.differences(tree, Tree.of(root)), [])
    })
  )

  whenCompiled("close all that they locked when they are interrupted, and not before the call has ended", (native) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const names = named(6)
      const root = yield* makePlainRoot(names)
      const pending: Array<() => void> = []
      const look: Pool.Call = (memory, ended) => {
        lookAtMost(memory, 2)
        pending.push(() => ended(true))
      }
      const { fd, scanner } = yield* makeScanner(root, { look }, native)
      const before = opened()
      const fiber = yield* Effect.forkChild(Effect.scoped(scanner.lock(fd, names, options)), {
        startImmediately: true
      })
      const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(interruption.pollUnsafe())
      assert.isAbove(opened().length, before.length)
      while (interruption.pollUnsafe() === undefined) {
        for (const end of pending.splice(0)) end()
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      assert.deepStrictEqual(opened(), before)
      for (let round = 0; round < 50; round++) {
        const fiber = yield* Effect.forkChild(Effect.scoped(disk.lockMany(root, names, options)), {
          startImmediately: true
        })
        for (let turn = 0; turn < round % 5; turn++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
      }
      assert.deepStrictEqual(opened(), before)
      for (const name of names) assert.strictEqual(yield* disk.probeLock(`${root}/${name}`), "free", name)
    })
  )

  able(
    hasCompiler ? compiled : noCompiler,
    "tell no directory but the one that they locked, and unlock that one, if another takes its place",
    (native) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const root = yield* makePlainRoot(["one", "other", "plain"])
        const library = (yield* Programs).library("look")
        const exchanging = withKoffi((koffi) => koffi.load(library).func("void vm_sentinel_look(void *)"))
        const look: Pool.Call = (memory, ended) => {
          exchanging?.(memory)
          ended(true)
        }
        const { fd, scanner } = yield* makeScanner(root, { look }, native)
        const { ino } = Fs.statSync(`${root}/one`)
        const before = opened()
        yield* Effect.scoped(
          Effect.gen(function* () {
            const names = ["one", "plain"] as const
            const scans = scansOf(yield* scanner.lock(fd, names, options))
            assert.deepStrictEqual(yield* answered(root, names, scans), ["plain"])
            // Two exchanges, one for each lock.
            assert.strictEqual(Fs.statSync(`${root}/one`).ino, ino)
            assert.strictEqual(yield* disk.probeLock(`${root}/one`), "exclusive")
            assert.strictEqual(yield* disk.probeLock(`${root}/other`), "free")
          })
        )
        assert.deepStrictEqual(opened(), before)
        assert.strictEqual(yield* disk.probeLock(`${root}/one`), "free")
      }).pipe(Effect.provide(Programs.layer))
  )
})
