/** The calls for several directories. A disk may leave out any directory, and `strength.many` that it leaves out none. */
import { assert } from "@effect/vitest"
import * as Arr from "effect/Array"
import { Effect, Exit, Scope } from "effect"
import { Disk, type Locked, type LockOptions, type Scan, type ScanOptions, type Tree } from "../../src/Disk.ts"
import { sameFile } from "../../src/FileId.ts"
import { errno, type Tester } from "./diskTester.ts"
import { scanning } from "./scanning.ts"

const isSentinel = (entry: string): boolean => entry.startsWith(".vm-sentinel")
const options = scanning((entry) => (isSentinel(entry) ? "read" : "ignore"), 4096)

const exclusive: LockOptions = { mode: "exclusive", test: false }

export const scansOf = (locked: ReadonlyArray<Locked>) => locked.map(({ scan }) => scan)

const probe = (path: string) => Disk.use((disk) => disk.probeLock(path))

/** Asserts that each answer is what a `scan` of the directory says, or is missing. Returns the answered directories. */
const compared = (
  root: string,
  names: ReadonlyArray<string>,
  scans: ReadonlyArray<Scan | undefined>,
  by: ScanOptions = options
) =>
  Effect.gen(function* () {
    const disk = yield* Disk
    assert.strictEqual(scans.length, names.length)
    const answered: Array<string> = []
    for (const [index, name] of names.entries()) {
      const scan = scans[index]
      if (scan === undefined) continue
      assert.deepStrictEqual(scan, yield* disk.scan(`${root}/${name}`, by), name)
      answered.push(name)
    }
    return answered
  })

export const tests = <R>({ able, strength, test, world }: Tester<R>): void => {
  const { locks: hasLocks, many: isStrong = false } = strength

  const files = (directory: string, names: ReadonlyArray<string>) =>
    Effect.forEach(names, (name) => world.file(`${directory}/${name}`, name), { discard: true })

  /** Names of plain directories, and of other entries. Makes all but for `missing`. */
  const makeScene = (root: string) =>
    Effect.gen(function* () {
      for (const name of ["plain", "empty", "é"]) yield* world.directory(`${root}/${name}`)
      yield* files(root, ["plain/.vm-sentinel", "plain/vm.log", "é/.vm-sentinel"])
      yield* files(root, ["two/.vm-sentinel", "two/.vm-sentinel.role", "inner/.vm-sentinel", "inner/deep/file"])
      for (let index = 0; index < 40; index++) yield* files(root, [`many/.vm-sentinel.${index}`])
      yield* world.file(`${root}/large/.vm-sentinel`, "x".repeat(2000))
      yield* world.file(`${root}/oversized/.vm-sentinel`, "x".repeat(4097))
      yield* world.file(`${root}/file`, "")
      yield* world.symlink(`${root}/link`, "plain")
      yield* world.symlink(`${root}/dangling`, "nowhere")
      yield* world.fifo(`${root}/fifo`)
      return {
        plain: ["plain", "empty", "two", "inner", "é"],
        odd: ["many", "large", "oversized"],
        other: ["missing", "file", "link", "dangling", "fifo", "x".repeat(256)]
      }
    })

  test("many scans at once say what each alone says, or leave it out", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* world.scratch
      const { odd, other, plain } = yield* makeScene(root)
      const names = ["plain", ...other, ...odd, ...plain] as const
      const answered = yield* compared(root, names, yield* disk.scanMany(root, names, options))
      if (isStrong) assert.includeMembers([...answered], plain)
      assert.notIncludeMembers([...answered], ["missing"])
      for (const bounds of [{ isRead: () => false }, { mostBytes: 3 }, { mostNames: 1 }]) {
        const by = { ...options, ...bounds }
        yield* compared(root, names, yield* disk.scanMany(root, names, by), by)
      }
      const noted = scanning((entry) => (entry === "vm.log" ? "read" : isSentinel(entry) ? "note" : "hint"), 4096)
      yield* compared(root, names, yield* disk.scanMany(root, names, noted), noted)
      const gone = disk.scanMany(`${root}/missing`, ["plain"], options)
      assert.deepStrictEqual(yield* Effect.orElseSucceed(gone, () => [undefined]), [undefined])
    }))

  able(hasLocks, "locks many directories until the scope closes, and leaves out those whose lock is held", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* world.scratch
      const { odd, other, plain } = yield* makeScene(root)
      yield* files(root, ["held/.vm-sentinel", "shared/.vm-sentinel"])
      const names = ["held", ...other, ...plain, "shared", ...odd] as const
      const [holders, scope] = [yield* Scope.make(), yield* Scope.make()]
      yield* Scope.provide(disk.lock(`${root}/held`, exclusive), holders)
      yield* Scope.provide(disk.lock(`${root}/shared`, { ...exclusive, mode: "shared" }), holders)
      const locked = yield* Scope.provide(disk.lockMany(root, names, options), scope)
      const scans = scansOf(locked)
      const answered = yield* compared(root, names, scans)
      const areLocked = Effect.gen(function* () {
        for (const name of answered) {
          assert.strictEqual(yield* probe(`${root}/${name}`), "exclusive", name)
          assert.strictEqual(yield* errno(Effect.scoped(disk.lock(`${root}/${name}`, exclusive))), "EBUSY", name)
        }
      })
      yield* areLocked
      assert.notIncludeMembers([...answered], ["held", "shared"])
      for (const name of [...other, "held", "shared"]) assert.notInclude(answered, name)
      if (isStrong) assert.includeMembers([...answered], plain)
      assert.strictEqual(yield* probe(`${root}/shared`), "shared")
      yield* Scope.close(holders, Exit.void)
      // Nobody waits for a lock that was held.
      for (const name of ["held", "shared"]) assert.strictEqual(yield* probe(`${root}/${name}`), "free", name)
      yield* disk.scanMany(root, names, options)
      // Another call doesn't get what this one holds.
      yield* Effect.scoped(
        Effect.gen(function* () {
          const again = yield* compared(root, names, scansOf(yield* disk.lockMany(root, names, options)))
          for (const name of answered) assert.notInclude(again, name)
          yield* areLocked
        })
      )
      yield* areLocked
      const [first, ...others] = answered
      const release = Effect.forEach(locked, ({ release }, index) => (names[index] === first ? release : Effect.void))
      yield* release
      if (first !== undefined) assert.strictEqual(yield* probe(`${root}/${first}`), "free", first)
      for (const name of others) assert.strictEqual(yield* probe(`${root}/${name}`), "exclusive", name)
      yield* Scope.close(scope, Exit.void)
      for (const name of ["held", ...plain, "shared", ...odd]) {
        assert.strictEqual(yield* probe(`${root}/${name}`), "free", name)
      }
      // A release after the scope touches no lock of a later call.
      yield* Effect.scoped(
        Effect.gen(function* () {
          const again = yield* compared(root, names, scansOf(yield* disk.lockMany(root, names, options)))
          yield* Effect.forEach(locked, ({ release }) => release)
          for (const name of again) assert.strictEqual(yield* probe(`${root}/${name}`), "exclusive", name)
        })
      )
    })
  )

  able(hasLocks, "a lock of many goes with its directory, whatever the directory is called then", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* world.scratch
      yield* files(root, ["a/.vm-sentinel", "b/.vm-sentinel"])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const scans = scansOf(yield* disk.lockMany(root, ["a", "b"], options))
          yield* world.move(`${root}/a`, `${root}/moved`)
          yield* world.directory(`${root}/a`)
          assert.strictEqual(yield* probe(`${root}/a`), "free")
          if (scans[0] !== undefined) assert.strictEqual(yield* probe(`${root}/moved`), "exclusive")
          yield* world.remove(`${root}/b`)
        })
      )
      assert.strictEqual(yield* probe(`${root}/moved`), "free")
    })
  )

  able(!hasLocks, "without locks, leaves out every directory that it is to lock", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* world.scratch
      const { plain } = yield* makeScene(root)
      const names = ["missing", ...plain] as const
      const scans = scansOf(yield* Effect.scoped(disk.lockMany(root, names, options)))
      assert.deepStrictEqual(
        scans,
        names.map(() => undefined)
      )
    })
  )

  test("moves many directories, replaces nothing, and says what a scan of the new name says", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* world.scratch
      yield* files(root, ["a/.vm-sentinel", "b/.vm-sentinel", "b/disk", "c/.vm-sentinel", "d/.vm-sentinel"])
      yield* files(root, ["e/.vm-sentinel", "f/.vm-sentinel", "deep/.vm-sentinel", "full/file", "taken"])
      for (const name of ["place", "unfilled", "plain"]) yield* world.directory(`${root}/${name}`)
      const long = Array.from({ length: 3 }, () => "x".repeat(200))
      yield* world.directory(`${root}/${long.slice(0, 2).join("/")}`)
      const before = yield* world.tree(root)
      const ids = new Map(
        yield* Effect.forEach(Object.keys(before), (path) =>
          Effect.map(disk.lstat(`${root}/${path}`), ({ id }) => [path, id] as const)
        )
      )
      const moves: Arr.NonEmptyReadonlyArray<readonly [from: string, to: string, isTaken: boolean | undefined]> = [
        ["a", "new", true],
        ["c", "unfilled", false],
        ["b", "place/b", true],
        ["missing", "other", false],
        ["d", "full", false],
        ["e", "taken", false],
        ["f", "missing/f", false],
        ["plain", "a", true],
        ["deep", long.join("/"), undefined],
        ["x".repeat(256), "y", false],
        ["d", "z".repeat(256), false],
        ["d", "", false]
      ]
      const moved = yield* disk.moveMany(
        root,
        Arr.map(moves, ([from, to]) => ({ from, to })),
        options
      )
      assert.strictEqual(moved.length, moves.length)
      const after = yield* world.tree(root)
      const expected: Record<string, string> = { ...before }
      for (const [index, [from, to, isTaken]] of moves.entries()) {
        const { isMoved, scan } = moved[index] ?? assert.fail("no answer")
        if (isTaken === false) assert.isFalse(isMoved, from)
        if (isTaken === true && isStrong) assert.isTrue(isMoved, from)
        if (!isMoved) {
          assert.isUndefined(scan, from)
          continue
        }
        if (isStrong && isTaken === true) assert.isDefined(scan, from)
        assert.isTrue(sameFile((yield* disk.lstat(`${root}/${to}`)).id, ids.get(from) ?? assert.fail(from)), from)
        if (scan !== undefined) assert.deepStrictEqual(scan, yield* disk.scan(`${root}/${to}`, options), from)
        const paths = Object.entries(before).filter(([path]) => path === from || path.startsWith(`${from}/`))
        for (const [path, content] of paths) {
          if (ids.get(path) !== undefined && expected[path] === content) delete expected[path]
          expected[`${to}${path.slice(from.length)}`] = content
        }
      }
      assert.deepStrictEqual(after, expected)
    }))

  /** A tree of a directory as a judgement of its sentinels would give it. */
  const judgedTree = (path: string, rest: Partial<Tree> = {}) =>
    Disk.use((disk) =>
      Effect.gen(function* () {
        const entries = (yield* disk.entries(path)).map(({ entry }) => entry).filter(isSentinel)
        const judged = yield* Effect.forEach(entries, (entry) =>
          Effect.map(disk.lstat(`${path}/${entry}`), ({ id, modifiedAt, size }) => ({
            entry,
            file: { id, modifiedAt, size }
          }))
        )
        const tree: Tree = { path, judged, expected: (yield* disk.lstat(path)).id, ...rest }
        return tree
      })
    )

  test("removes many trees, or leaves them with their sentinels", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* world.scratch
      const at = (name: string) => `${root}/${name}`
      for (const name of ["plain", "two", "inner", "other", "unjudged", "replaced", "owned", "named"]) {
        yield* files(at(name), [".vm-sentinel", "disk", "logs/a", "logs/b/c"])
      }
      yield* files(at("two"), [".vm-sentinel.role"])
      yield* files(at("owned"), ["a/b/.vm-sentinel", "a/b/disk"])
      yield* files(at("named"), ["a/vm.pid"])
      yield* world.directory(at("empty"))
      yield* world.file(at("file"), "")
      yield* world.file(at("outside/file"), "outside")
      yield* world.symlink(at("link"), "outside")
      yield* world.symlink(at("plain/out"), "../outside")
      assert.deepStrictEqual(yield* disk.removeMany([]), [])
      const replaced = yield* judgedTree(at("replaced"))
      yield* world.file(at("replaced/.vm-sentinel"), "of another owner")
      const { id } = yield* disk.lstat(at("outside"))
      const staying = ["other", "unjudged", "replaced", "owned", "named"]
      const kept = yield* Effect.forEach(staying, (name) => world.tree(at(name)))
      const trees: ReadonlyArray<Tree> = [
        yield* judgedTree(at("plain")),
        yield* judgedTree(at("other"), { expected: id }),
        yield* judgedTree(at("two")),
        yield* judgedTree(at("unjudged"), { judged: [] }),
        replaced,
        yield* judgedTree(at("owned")),
        { path: at("missing") },
        { path: at("file") },
        { path: at("link") },
        yield* judgedTree(at("empty")),
        yield* judgedTree(at("inner"))
      ]
      const removed = yield* disk.removeMany(trees)
      assert.strictEqual(removed.length, trees.length)
      const left = yield* world.tree(root)
      const areGone = trees.map(({ path }) => !(path.slice(root.length + 1) in left))
      const mayGo = new Set(["plain", "two", "empty", "inner"].map(at))
      for (const [index, { path }] of trees.entries()) {
        const isGone = removed[index] ?? assert.fail("no answer")
        if (isGone) assert.isTrue(areGone[index], path)
        if (isStrong || !mayGo.has(path)) assert.strictEqual(isGone, mayGo.has(path), path)
      }
      assert.deepStrictEqual(yield* disk.removeMany([yield* judgedTree(at("named"), { sentinels: ["vm.pid"] })]), [
        false
      ])
      for (const [index, name] of staying.entries()) {
        const now = yield* world.tree(at(name))
        const names = name === "owned" ? [".vm-sentinel", "a/b/.vm-sentinel", "a/b/disk"] : [".vm-sentinel"]
        if (name === "named") names.push("a/vm.pid")
        for (const sentinel of names) assert.strictEqual(now[sentinel], kept[index]?.[sentinel], `${name}/${sentinel}`)
        // Nothing in such a directory may be touched.
        if (["other", "unjudged", "replaced"].includes(name)) assert.deepStrictEqual(now, kept[index], name)
      }
      assert.strictEqual((yield* world.tree(root))["outside/file"], "outside")
    }))

  able(hasLocks, "of many trees, one with a held inner lock stays, with its sentinel", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* world.scratch
      for (const name of ["a", "b"]) yield* files(`${root}/${name}`, [".vm-sentinel", "vm/disk", "logs/a"])
      yield* disk.lock(`${root}/a/vm`, { ...exclusive, mode: "shared" })
      const trees = [yield* judgedTree(`${root}/a`), yield* judgedTree(`${root}/b`)]
      const [one, other] = yield* disk.removeMany(trees)
      assert.isFalse(one)
      const left = yield* world.tree(root)
      assert.deepInclude(left, { "a/.vm-sentinel": ".vm-sentinel", "a/vm/disk": "vm/disk" })
      assert.strictEqual("b" in left, other === false)
      if (isStrong) assert.isTrue(other)
    })
  )

  test("of many trees, a large one is gone, or left to removeTree", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const root = yield* world.scratch
      yield* files(root, ["large/.vm-sentinel", "small/.vm-sentinel"])
      for (let index = 0; index < 3000; index++) yield* world.file(`${root}/large/${index % 3}/${index}`, "")
      const trees = [yield* judgedTree(`${root}/large`), yield* judgedTree(`${root}/small`)]
      const [isGone] = yield* disk.removeMany(trees)
      const left = yield* world.tree(root)
      assert.strictEqual("large" in left, isGone === false)
      if (isGone === true) return
      assert.strictEqual(left["large/.vm-sentinel"], "large/.vm-sentinel")
      assert.deepStrictEqual(yield* disk.removeTree(`${root}/large`, trees[0]), [])
      assert.notProperty(yield* world.tree(root), "large")
    }))
}
