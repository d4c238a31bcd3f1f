import { assert } from "@effect/vitest"
import { Effect, type Scope, Stream } from "effect"
import { Disk, type JudgedSentinel, type RemoveTreeOptions } from "../../src/Disk.ts"
import type { FileId } from "../../src/FileId.ts"
import { errno, type Tester } from "./diskTester.ts"
import { scanning } from "./scanning.ts"

const found = (path: string, wanted = (entry: string) => entry.startsWith(".vm-sentinel")) =>
  Disk.use((disk) => Effect.map(Stream.runCollect(disk.find(path, wanted)), (all) => [...all].sort()))

export const tests = <R>({ able, strength, test, world }: Tester<R>): void => {
  const files = (directory: string, names: ReadonlyArray<string>) =>
    Effect.forEach(names, (name) => world.file(`${directory}/${name}`, "x"), { discard: true })

  /** The sentinels of a directory as a judgement would see them. */
  const judging = (path: string, entries: ReadonlyArray<string>) =>
    Disk.use((disk) =>
      Effect.forEach(entries, (entry) =>
        Effect.map(disk.lstat(`${path}/${entry}`), ({ id, modifiedAt, size }) => ({
          entry,
          file: { id, modifiedAt, size }
        }))
      )
    )

  test("a scan tells a directory without subdirectories from one that has some", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      yield* files(directory, ["empty/.vm-sentinel", "full/file"])
      yield* world.symlink(`${directory}/empty/link`, directory)
      yield* world.fifo(`${directory}/empty/fifo`)
      const subdirectories = (path: string) =>
        Effect.map(
          disk.scan(
            path,
            scanning(() => "ignore", 100)
          ),
          ({ subdirectories }) => subdirectories
        )
      assert.strictEqual(yield* subdirectories(`${directory}/empty`), "none")
      yield* world.directory(`${directory}/full/sub`)
      assert.strictEqual(yield* subdirectories(`${directory}/full`), "some")
      yield* disk.removeDirectory(`${directory}/full/sub`)
      assert.strictEqual(yield* subdirectories(`${directory}/full`), "none")
    }))

  test("finds files below the first level, whatever they are, and follows no link", () =>
    Effect.gen(function* () {
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      yield* files(vm, [".vm-sentinel", "file", "a/.vm-sentinel", "a/file", "a/b/c/.vm-sentinel.helper"])
      yield* files(vm, [".vm-sentinel.d/file", ".vm-sentinel.d/.vm-sentinel"])
      yield* files(directory, ["outside/sub/.vm-sentinel"])
      yield* world.symlink(`${vm}/out`, `${directory}/outside`)
      yield* world.symlink(`${vm}/a/out`, `${directory}/outside`)
      yield* world.symlink(`${vm}/a/b/.vm-sentinel`, `${directory}/outside`)
      assert.deepStrictEqual(yield* found(vm), [
        ".vm-sentinel.d/.vm-sentinel",
        "a/.vm-sentinel",
        "a/b/.vm-sentinel",
        "a/b/c/.vm-sentinel.helper"
      ])
      assert.deepStrictEqual(yield* found(vm, (entry) => entry === "none"), [])
      assert.deepStrictEqual(yield* found(`${vm}/a/b/c`), [])
      assert.strictEqual(yield* errno(found(`${directory}/missing`)), "ENOENT")
    }))

  able(world.bindMount, "finds nothing on another mount", (bindMount) =>
    Effect.gen(function* () {
      const directory = yield* world.scratch
      yield* files(directory, ["source/sub/.vm-sentinel", "vm/a/.vm-sentinel"])
      yield* world.directory(`${directory}/vm/a/mounted`)
      yield* bindMount(`${directory}/source`, `${directory}/vm/a/mounted`)
      assert.deepStrictEqual(yield* found(`${directory}/vm`), ["a/.vm-sentinel"])
    })
  )

  able(world.bindMount, "knows the mounts at and below a directory, by every path that leads to it", (bindMount) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      const vm = `${directory}/root/vm`
      for (const name of ["source", "alias", "root/vm/a/mounted", "root/other"])
        yield* world.directory(`${directory}/${name}`)
      const below = (path: string) =>
        Effect.map(disk.mountsBelow(path), (mounts) => mounts.map((mount) => mount.path).sort())
      assert.deepStrictEqual(yield* below(vm), [])
      yield* bindMount(`${directory}/source`, `${vm}/a/mounted`)
      assert.deepStrictEqual(yield* below(vm), [`${vm}/a/mounted`])
      assert.deepStrictEqual(yield* below(`${vm}/a/mounted`), [`${vm}/a/mounted`])
      assert.deepStrictEqual(yield* below(`${directory}/root/other`), [])
      assert.deepStrictEqual(yield* below(`${directory}/missing`), [])
      if (world.mountsCopies === true) return
      yield* bindMount(`${directory}/root`, `${directory}/alias`)
      assert.deepStrictEqual(yield* below(`${directory}/alias/vm`), [`${directory}/alias/vm/a/mounted`])
      assert.deepStrictEqual(yield* below(`${directory}/alias/other`), [])
      assert.deepStrictEqual(yield* below(`${directory}/alias`), [
        `${directory}/alias`,
        `${directory}/alias/vm/a/mounted`
      ])
      const mount = yield* disk.mountInside(`${directory}/alias/vm`)
      assert.strictEqual(mount?.replace("/alias/", "/root/"), `${vm}/a/mounted`)
      assert.isUndefined(yield* disk.mountInside(`${directory}/alias/other`))
      assert.strictEqual(yield* errno(disk.removeDirectory(`${directory}/alias/vm/a/mounted`)), "EBUSY")
    })
  )

  able(world.hungMount, "scenario 82: waits for no file system that is mounted below and doesn't answer", (hungMount) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      yield* files(vm, [".vm-sentinel", "a/.vm-sentinel", "a/b/file"])
      const size = yield* disk.usage(vm)
      for (const point of [`${vm}/hung`, `${vm}/a/b/hung`]) {
        yield* world.directory(point)
        yield* hungMount(point)
      }
      const mounts = yield* disk.mountsBelow(vm)
      assert.sameMembers(
        mounts.map((mount) => mount.path),
        [`${vm}/hung`, `${vm}/a/b/hung`]
      )
      assert.include([`${vm}/hung`, `${vm}/a/b/hung`], yield* disk.mountInside(directory))
      assert.deepStrictEqual(yield* found(vm), ["a/.vm-sentinel"])
      assert.strictEqual(yield* disk.usage(vm), size)
      assert.strictEqual(yield* disk.usage(`${vm}/hung`), 0)
      assert.deepStrictEqual(
        (yield* disk.scan(
          vm,
          scanning((entry) => (entry === ".vm-sentinel" ? "read" : "ignore"), 10)
        )).files.length,
        1
      )
    })
  )

  able(
    world.hungMount,
    "scenario 82: removes no tree in which a file system doesn't answer, and doesn't wait",
    (hungMount) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const vm = `${directory}/vm`
        yield* files(vm, [".vm-sentinel", "a/b/file"])
        for (const point of [`${vm}/a/b/hung`, `${directory}/hung`]) {
          yield* world.directory(point)
          yield* hungMount(point)
        }
        assert.strictEqual(yield* errno(disk.removeTree(vm)), "EXDEV")
        assert.strictEqual(yield* errno(disk.removeTree(`${directory}/hung`)), "EXDEV")
        assert.strictEqual((yield* disk.lstat(`${vm}/.vm-sentinel`)).type, "file")
        const mounts = yield* disk.mountsBelow(directory)
        assert.strictEqual(mounts.length, 2)
      })
  )

  able(world.frozen, "scenario 105: the mark of a deletion stays where another sentinel can't be removed", (freeze) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const tree = `${yield* world.scratch}/tree`
      const last = [".vm-sentinel.a", ".vm-sentinel.z"]
      const mark = ".vm-sentinel.removing"
      for (const stubborn of last) {
        for (const isJudged of [false, true]) {
          yield* files(tree, [...last, mark, "file"])
          const judged = isJudged ? { judged: yield* judging(tree, [mark, ...last]) } : {}
          const failed = Effect.andThen(freeze(`${tree}/${stubborn}`), errno(disk.removeTree(tree, judged)))
          assert.strictEqual(yield* Effect.scoped(failed), "EPERM")
          const left = Object.keys(yield* world.tree(tree))
          assert.includeMembers(left, [stubborn, mark])
          assert.notInclude(left, "file")
        }
      }
      yield* disk.removeTree(tree)
    })
  )

  const top = [".vm-sentinel", ".vm-sentinel.removing"]

  test("scenario 105: a sentinel of the top that isn't as it was judged stays, with its directory", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      yield* files(vm, [...top, ".vm-sentinel.logs/x", "file", "sub/.vm-sentinel"])
      const [sentinel, mark] = yield* judging(vm, top)
      assert.isDefined(sentinel)
      assert.isDefined(mark)
      const { entry, file } = sentinel
      const before = yield* world.tree(vm)
      const others: ReadonlyArray<ReadonlyArray<JudgedSentinel>> = [
        [],
        [mark],
        [mark, { entry: ".vm-sentinel.other", file }],
        [mark, { entry, file: mark.file }],
        [mark, { entry, file: { ...file, id: { ...file.id, dev: `${file.id.dev}1` } } }],
        [mark, { entry, file: { ...file, size: file.size + 1 } }],
        [mark, { entry, file: { ...file, modifiedAt: file.modifiedAt + 1 } }]
      ]
      for (const judged of others) {
        for (const inPlace of [false, true]) {
          const title = JSON.stringify({ judged, inPlace })
          const stayed = yield* disk.removeTree(vm, { mayRemove: () => true, judged, inPlace })
          assert.deepStrictEqual(stayed, ["."], title)
          assert.deepStrictEqual(yield* world.tree(vm), before, title)
        }
      }
      const named: JudgedSentinel = { entry: mark.entry, file: undefined }
      assert.deepStrictEqual(yield* disk.removeTree(vm, { mayRemove: () => true, judged: [sentinel, named] }), [])
      assert.deepStrictEqual(yield* world.tree(directory), {})
    }))

  test("judged sentinels of any number and names go, in whatever order they are given", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      for (const count of [0, 1, 4, 5, 20]) {
        const names = [...top, ".bbox-sentinel", ...Array.from({ length: 20 }, (_, at) => `.vm-sentinel.${at}`)]
        const some = names.slice(0, count)
        yield* files(vm, ["file", "sub/file", ...some])
        const judged = yield* judging(vm, some.toReversed())
        assert.deepStrictEqual(yield* disk.removeTree(vm, { judged }), [])
        assert.deepStrictEqual(yield* world.tree(directory), {})
      }
    }))

  test("a judged sentinel that is gone by now keeps nothing", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      yield* files(vm, [...top, "file"])
      const judged = yield* judging(vm, top)
      yield* world.remove(`${vm}/.vm-sentinel`)
      assert.deepStrictEqual(yield* disk.removeTree(vm, { judged }), [])
      assert.deepStrictEqual(yield* world.tree(directory), {})
    }))

  /** An effect for `mayRemove`, which is called in the middle of a removal. */
  const during = Effect.fnUntraced(function* (effect: ReturnType<typeof world.file>) {
    const services = yield* Effect.context<R | Scope.Scope>()
    return () => Effect.runSyncWith(services)(Effect.orDie(effect))
  })

  for (const [late, what] of [
    [".vm-sentinel.late", "comes"],
    [".vm-sentinel", "is written to"]
  ] as const) {
    test(`scenario 105: a sentinel of the top that ${what} while a tree is removed stays, with its directory`, () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const vm = `${directory}/vm`
        const come = yield* during(world.file(`${vm}/${late}`, "later"))
        for (const inPlace of [false, true]) {
          for (let at = 1; ; at++) {
            yield* files(vm, [...top, "file", "sub/.vm-sentinel"])
            const judged = yield* judging(vm, top)
            let times = 0
            const mayRemove = (): boolean => {
              if (++times === at) come()
              return true
            }
            const stayed = yield* disk.removeTree(vm, { mayRemove, judged, inPlace })
            if (times < at) {
              assert.isAbove(at, 2)
              assert.deepStrictEqual(stayed, [])
              break
            }
            assert.deepStrictEqual(stayed, ["."])
            assert.propertyVal(yield* world.tree(vm), late, "later")
            yield* disk.removeTree(vm)
          }
          assert.deepStrictEqual(yield* world.tree(directory), {})
        }
      }))
  }

  for (const inPlace of [false, true]) {
    const title = inPlace
      ? "in place, a file that comes as a sentinel is unlinked stays, and one that came before goes"
      : "a file that comes as a sentinel is unlinked goes where no owner can take the directory"
    test(`scenario 105: ${title}`, () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const directory = yield* world.scratch
        const vm = `${directory}/vm`
        const come = yield* during(world.file(`${vm}/sub/late`, "x"))
        const results: Array<string> = []
        for (let at = 1; ; at++) {
          yield* files(vm, [...top, "file", "sub/.vm-sentinel", "sub/file"])
          let times = 0
          const mayRemove = (): boolean => {
            if (++times === at) come()
            return true
          }
          const judged = yield* judging(vm, top)
          const result = yield* Effect.match(disk.removeTree(vm, { mayRemove, judged, inPlace }), {
            onFailure: ({ errno }) => errno,
            onSuccess: () => "removed"
          })
          if (times < at) break
          results.push(result)
          const left = Object.keys(yield* world.tree(directory))
          if (result === "removed") assert.deepStrictEqual(left, [])
          else assert.includeMembers(left, ["vm/sub/late", ...top.map((entry) => `vm/${entry}`)])
          if (result !== "removed") yield* disk.removeTree(vm)
        }
        assert.strictEqual(results.at(0), "removed")
        assert.strictEqual(results.at(-1), inPlace ? "ENOTEMPTY" : "removed")
      }))
  }

  able(world.permissions, "doesn't find what it can't look into to be empty", () =>
    Effect.gen(function* () {
      const directory = yield* world.scratch
      yield* files(directory, ["vm/a/b/.vm-sentinel"])
      yield* world.setMode(`${directory}/vm/a/b`, 0)
      assert.strictEqual(yield* errno(found(`${directory}/vm`)), "EACCES")
      yield* world.setMode(`${directory}/vm/a/b`, 0o700)
    })
  )

  test("what an inner sentinel lies in stays, with all above it, and the rest goes", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      yield* files(vm, [".vm-sentinel", "file", "a/file", "a/owned/.vm-sentinel.helper", "a/owned/b/c/disk"])
      yield* files(vm, ["d/file", "d/e/file"])
      const staying = {
        ".vm-sentinel": "x",
        a: "directory",
        "a/owned": "directory",
        "a/owned/.vm-sentinel.helper": "x",
        "a/owned/b": "directory",
        "a/owned/b/c": "directory",
        "a/owned/b/c/disk": "x"
      }
      const { changedAt, id, size } = yield* disk.lstat(`${vm}/a/owned/.vm-sentinel.helper`)
      assert.deepStrictEqual(yield* disk.removeTree(vm), ["a/owned"])
      assert.deepStrictEqual(yield* world.tree(vm), staying)
      const asked: Array<readonly [string, FileId, number, number]> = []
      const mayRemove: RemoveTreeOptions["mayRemove"] = (relative, file) => {
        asked.push([relative, file.id, file.size, file.changedAt])
        return false
      }
      assert.deepStrictEqual(yield* disk.removeTree(vm, { mayRemove }), ["a/owned"])
      assert.deepStrictEqual(asked, [["a/owned/.vm-sentinel.helper", id, size, changedAt]])
      assert.deepStrictEqual(yield* world.tree(vm), staying)
      assert.deepStrictEqual(yield* disk.removeTree(vm, { mayRemove: () => true }), [])
      assert.deepStrictEqual(yield* world.tree(directory), {})
    }))

  test("one refusal keeps what else is accepted beside it, and every subtree that stays is told", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const vm = `${yield* world.scratch}/vm`
      yield* files(vm, ["a/.vm-sentinel", "a/.vm-sentinel.other", "a/disk", "b/c/.bbox-sentinel", "b/d/.vm-sentinel"])
      const mayRemove = (relative: string) => relative === "a/.vm-sentinel" || relative.startsWith("b/d/")
      const kept = yield* disk.removeTree(vm, { mayRemove })
      assert.deepStrictEqual([...kept].sort(), ["a", "b/c"])
      assert.deepStrictEqual(yield* world.tree(vm), {
        a: "directory",
        "a/.vm-sentinel": "x",
        "a/.vm-sentinel.other": "x",
        "a/disk": "x",
        b: "directory",
        "b/c": "directory",
        "b/c/.bbox-sentinel": "x"
      })
    }))

  test("scenario 109: sentinels under given names are asked about, and go last", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      const sentinels = ["vm.pid", ".owner"]
      yield* files(vm, ["vm.pid", ".owner.x", "a/vm.pid", "a/disk", "b/c/.owner", "b/c/disk", "vm.pid.logs/x"])
      const asked: Array<string> = []
      const mayRemove = (relative: string) => {
        asked.push(relative)
        return relative.startsWith("b/")
      }
      assert.deepStrictEqual(yield* disk.removeTree(vm, { mayRemove, sentinels }), ["a"])
      assert.deepStrictEqual([...new Set(asked)].sort(), ["a/vm.pid", "b/c/.owner"])
      assert.deepStrictEqual(yield* world.tree(vm), {
        ".owner.x": "x",
        a: "directory",
        "a/disk": "x",
        "a/vm.pid": "x",
        "vm.pid": "x"
      })
      assert.deepStrictEqual(yield* disk.removeTree(vm), [])
      assert.deepStrictEqual(yield* world.tree(directory), {})
    }))

  test("scenario 89: a directory named like a sentinel goes with the rest, before the sentinels", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const directory = yield* world.scratch
      const vm = `${directory}/vm`
      yield* files(vm, [".vm-sentinel", ".vm-sentinel.zz", ".bbox-sentinel/a/b"])
      yield* files(vm, [".vm-sentinel.logs/x", ".vm-sentinel.logs/.vm-sentinel.logs/y", "sub/.vm-sentinel.logs/z"])
      yield* world.directory(`${vm}/.vm-sentinel.empty`)
      assert.deepStrictEqual(yield* disk.removeTree(vm), [])
      assert.deepStrictEqual(yield* world.tree(directory), {})
      // An inner directory with a sentinel stays, even if its own name is a sentinel's. Therefore the top's sentinel
      // stays, too.
      yield* files(vm, [".vm-sentinel", ".vm-sentinel.logs/.vm-sentinel", ".vm-sentinel.logs/x", "file"])
      assert.deepStrictEqual(yield* disk.removeTree(vm), [".vm-sentinel.logs"])
      assert.deepStrictEqual(yield* world.tree(vm), {
        ".vm-sentinel": "x",
        ".vm-sentinel.logs": "directory",
        ".vm-sentinel.logs/.vm-sentinel": "x",
        ".vm-sentinel.logs/x": "x"
      })
    }))

  able(strength.locks, "an inner directory whose lock is held stays as it is, unless locks don't count", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const vm = `${yield* world.scratch}/vm`
      yield* files(vm, [".vm-sentinel", "a/b/disk", "a/file", "c/disk"])
      for (const mode of ["shared", "exclusive"] as const) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* disk.lock(`${vm}/a/b`, { mode, test: false })
            assert.deepStrictEqual(yield* disk.removeTree(vm), ["a/b"])
            const left = { ".vm-sentinel": "x", a: "directory", "a/b": "directory", "a/b/disk": "x" }
            assert.deepStrictEqual(yield* world.tree(vm), left)
          })
        )
      }
      // `removeTree` never takes the lock of the top directory: its caller holds that lock.
      yield* disk.lock(vm, { mode: "exclusive", test: false })
      yield* disk.lock(`${vm}/a/b`, { mode: "shared", test: false })
      assert.deepStrictEqual(yield* disk.removeTree(vm, { lockInner: false }), [])
      assert.strictEqual(yield* errno(disk.lstat(vm)), "ENOENT")
    })
  )
}
