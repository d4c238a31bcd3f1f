import { assert, describe, it } from "@effect/vitest"
import { Disk, type DiskError, type LockOptions, type Tree as TreeOptions } from "@vm-sentinel/core/Disk"
import { removal, type Removed } from "@vm-sentinel/core/TreeRemoval"
import { Effect, Fiber, type Layer, Result, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as DiskTest from "@vm-sentinel/core/test/support/DiskTest"
import { ableIn } from "@vm-sentinel/core/test/support/able"
import { scanning } from "@vm-sentinel/core/test/support/scanning"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as DirFd from "../src/internal/dirFd.ts"
import * as DirectoryCalls from "../src/internal/directoryCalls.ts"
import { libc, type LibcAt } from "../src/internal/libc.ts"
import * as Locks from "../src/internal/locks.ts"
import * as Pool from "../src/internal/pool.ts"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import * as Scratch from "./support/scratch.ts"
import * as Tree from "./support/tree.ts"

const hasPool = Pool.pool() !== undefined
const strength = { anyNames: true, locks: true, listing: hasPool, many: hasPool } as const
const withoutPool = { ...strength, listing: false, many: false }

DiskTest.suite("linux", { layer: LinuxDisk.layerWith({ nativeFrom: 0 }), world, strength })
DiskTest.suite("linux, without threads of the pool", {
  layer: LinuxDisk.layerWith({ nativeFrom: 0, pool: false }),
  world,
  strength: withoutPool
})
DiskTest.suite("linux, without koffi", {
  layer: LinuxDisk.layerWithoutKoffi,
  world,
  strength: withoutPool
})

const onDisk = (title: string, test: () => Effect.Effect<void, unknown, Disk | Scope.Scope>): void =>
  it.live(title, () => Effect.provide(test(), LinuxDisk.layer), 60_000)

const able = ableIn(onDisk)

/** Replaces a function of `node:fs`, for every caller, while the effect runs. */
const withCall = <A, E, R>(name: "fsync" | "writeSync", value: unknown, use: Effect.Effect<A, E, R>) => {
  const fs = process.getBuiltinModule("node:fs")
  const replace = (value: unknown) =>
    Effect.sync(() => {
      Object.defineProperty(fs, name, { value })
      process.getBuiltinModule("node:module").syncBuiltinESMExports()
    })
  const real = fs[name]
  return Effect.acquireUseRelease(
    replace(value),
    () => use,
    () => replace(real)
  )
}

const errno = <A, R>(call: Effect.Effect<A, DiskError, R>) =>
  Effect.map(Effect.result(call), (result) => (Result.isFailure(result) ? result.failure.errno : "success"))

/** Makes a tree deeper than PATH_MAX allows, with a file in each directory. */
const makeDeep = (path: string, depth: number): void => {
  Fs.mkdirSync(path, { mode: 0o700 })
  let fd = Fs.openSync(path, Fs.constants.O_DIRECTORY)
  for (let level = 0; level < depth; level++) {
    const at = `/proc/self/fd/${fd}`
    Fs.writeFileSync(`${at}/file`, "x")
    Fs.mkdirSync(`${at}/d`)
    const next = Fs.openSync(`${at}/d`, Fs.constants.O_DIRECTORY)
    Fs.closeSync(fd)
    fd = next
  }
  Fs.closeSync(fd)
}

const native = libc()?.at

const withoutOpenat2 = (native: LibcAt): LibcAt => {
  const missing = () => -Os.constants.errno.ENOSYS
  return { ...native, openInside: missing, openWithoutSymlinks: missing }
}

/** Every way to make calls relative to a descriptor. */
const ways: ReadonlyArray<readonly [string, DirFd.DirFd]> = [
  ["by libc", DirFd.make(native)],
  ["by procfs", DirFd.procfs],
  ["by libc, on a kernel without openat2", DirFd.make(native && withoutOpenat2(native))]
]

/** Runs `act` before each call through an object, and through the objects that its calls return. */
const interposed = <A extends object>(calls: A, act: (name: string, args: ReadonlyArray<unknown>) => void): A =>
  new Proxy(calls, {
    get: (target, key) => {
      const call: unknown = Reflect.get(target, key)
      if (typeof call !== "function") return call
      return (...args: ReadonlyArray<unknown>) => {
        act(String(key), args)
        const result: unknown = Reflect.apply(call, target, args)
        return key === "list" && typeof result === "object" && result !== null ? interposed(result, act) : result
      }
    }
  })

/** A removal that may remove every sentinel below the first level. */
const taskOf = (path: string): TreeOptions => ({ path, mayRemove: () => true })

const removalBy = (at: DirFd.DirFd, task: TreeOptions) =>
  removal(
    DirectoryCalls.make(at),
    task,
    () => true,
    () => 0
  )

/** Runs a removal to its end. `act` runs after each step. */
const stepwise = (
  path: string,
  act: (step: number) => void,
  at: DirFd.DirFd = DirFd.make(native)
): DiskError | undefined => {
  const work = removalBy(at, taskOf(path))
  for (let step = 0; ; step++) {
    const next = work.next()
    if (next.done === true) return next.value.failure
    act(step)
  }
}

const stepwiseOf = (work: ReturnType<typeof removal>): Removed => {
  for (;;) {
    const next = work.next()
    if (next.done === true) return next.value
  }
}

const exclusive: LockOptions = { mode: "exclusive", test: true }

describe("LinuxDisk.removeTree", () => {
  it("the calls of libc are there where koffi is", () => assert.isDefined(native))

  onDisk("removes a tree 5000 deep, deeper than any path, with all descriptors closed again", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const tree = `${yield* Scratch.scratch}/tree`
      makeDeep(tree, 5000)
      Fs.writeFileSync(`${tree}/.vm-sentinel`, "")
      const before = Tree.descriptors()
      yield* disk.removeTree(tree)
      assert.isFalse(Fs.existsSync(tree))
      assert.sameMembers([...Tree.descriptors()], [...before])
    })
  )

  onDisk("removes deep trees side by side, and the last names after all else", () =>
    Effect.gen(function* () {
      const tree = `${yield* Scratch.scratch}/tree`
      Fs.mkdirSync(tree)
      for (const name of ["a", "b", "c"]) makeDeep(`${tree}/${name}`, 200)
      Fs.writeFileSync(`${tree}/.vm-sentinel`, "")
      const failed = stepwise(tree, () => {
        // The sentinel is the last entry to go.
        if (Fs.existsSync(tree) && Tree.entries(tree).length > 0) assert.include(Tree.entries(tree), ".vm-sentinel")
      })
      assert.isUndefined(failed)
      assert.isFalse(Fs.existsSync(tree))
    })
  )

  onDisk(
    "isn't disturbed by what a killed removal of a deep tree had moved up, nor by names made to look like it",
    () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* Scratch.scratch
        const tree = `${scratch}/tree`
        makeDeep(tree, 3000)
        for (let index = 0; index < 20; index++) {
          makeDeep(`${tree}/.vm-sentinel-hoist.${process.pid}.${index}`, 40)
          Fs.writeFileSync(`${tree}/.vm-sentinel-hoist.${index}`, "")
        }
        const moved = () => Tree.entries(tree).filter((name) => /hoist\.[0-9a-f-]{36}\./.test(name))
        let seen: ReadonlyArray<string> = []
        for (let kill = 0; kill < 2; kill++) {
          const work = removalBy(DirFd.make(native), taskOf(tree))
          while (moved().every((name) => seen.includes(name))) assert.isFalse(work.next().done, "it isn't done yet")
          seen = moved()
          const ended: Generator<void, unknown, unknown> = work
          ended.return(undefined)
        }
        yield* disk.removeTree(tree)
        assert.deepStrictEqual(Tree.entries(scratch), [])
      })
  )

  able(world.stubborn, "goes on past what is stuck far below, and ends", (stubborn) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const tree = `${yield* world.scratch}/tree`
      const below = Array.from({ length: 8 }, (_, level) => `d${level}`)
      for (let level = 0; level <= below.length; level++) {
        const at = [tree, ...below.slice(0, level)].join("/")
        for (const name of ["a", "z", "sub/file"]) yield* world.file(`${at}/${name}`, name)
      }
      const stuck = [tree, ...below, "stuck"].join("/")
      yield* stubborn(stuck)
      const error = yield* Effect.flip(disk.removeTree(tree))
      assert.include(["EACCES", "EPERM"], error.errno)
      assert.strictEqual(error.path, `${stuck}/kept`)
      const left = Object.keys(Tree.of(tree)).filter((path) => path !== "")
      const chain = [...below, "stuck", "kept"].map((_, index, all) => `/${all.slice(0, index + 1).join("/")}`)
      assert.sameMembers(left, chain)
    })
  )

  for (const [way, at] of ways) {
    onDisk(
      `scenario 83: ENOTEMPTY by a writer that doesn't stop: fails after 30 s, and finishes when it has stopped (${way})`,
      () =>
        Effect.gen(function* () {
          const scratch = yield* Scratch.scratch
          const tree = `${scratch}/tree`
          yield* world.file(`${tree}/.vm-sentinel`, "")
          yield* world.file(`${tree}/sub/0`, "")
          let written = 0
          // A file is written into the directory right before each attempt to remove the directory.
          const writing = interposed(at, (call, [, name]) => {
            if (call !== "removeDirectory" || name !== "sub") return
            written += 1
            Fs.writeFileSync(`${tree}/sub/${written}`, "")
          })
          // Each attempt takes a second.
          const work = removal(
            DirectoryCalls.make(writing),
            taskOf(tree),
            () => true,
            () => written * 1000
          )
          assert.deepInclude(stepwiseOf(work).failure, { errno: "ENOTEMPTY", path: `${tree}/sub` })
          // A listing may or may not contain a file that is written during the listing.
          assert.oneOf(written, [31, 32])
          assert.deepStrictEqual(Tree.entries(tree), [".vm-sentinel", "sub"])
          assert.isUndefined(stepwise(tree, () => {}, at))
          assert.deepStrictEqual(Tree.entries(scratch), [])
        })
    )
  }

  able(world.bindMount, "a mount that appears while it works is a wall: what is mounted stays whole", (bindMount) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      const [tree, source] = [`${scratch}/tree`, `${scratch}/source`]
      yield* world.file(`${source}/precious`, "precious")
      yield* world.file(`${source}/sub/precious`, "precious")
      for (const name of ["a", "m/mnt", "z"]) yield* world.file(`${tree}/${name}/file`, "")
      yield* world.file(`${tree}/file`, "")
      const before = Tree.of(source)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bindMount(source, `${tree}/m/mnt`)
          yield* bindMount(`${source}/precious`, `${tree}/file`)
          const { id } = yield* disk.lstat(tree)
          assert.include(["EXDEV", "EBUSY"], yield* errno(disk.removeTree(tree, { expected: id })))
          assert.deepStrictEqual(Tree.differences(before, Tree.of(source)), [])
          assert.deepStrictEqual(Tree.entries(tree), ["file", "m"])
        })
      )
      yield* disk.removeTree(tree)
      assert.deepStrictEqual(Tree.entries(scratch), ["source"])
      assert.deepStrictEqual(Tree.differences(before, Tree.of(source)), [])
    })
  )

  able(world.bindMount, "a mount right over the directory that it is in, and over its parent", (bindMount) =>
    Effect.gen(function* () {
      const scratch = yield* Scratch.scratch
      const [tree, source] = [`${scratch}/tree`, `${scratch}/source`]
      yield* world.file(`${source}/precious`, "precious")
      yield* world.file(`${source}/sub/precious`, "precious")
      const before = Tree.of(source)
      yield* world.directory(`${tree}/sub`)
      for (let index = 0; index < 10_000; index++) Fs.writeFileSync(`${tree}/sub/${index}`, "")
      let mounted = 0
      yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Effect.context<Scope.Scope>()
          const failed = stepwise(tree, (step) => {
            if (step !== 2) return
            for (const point of [`${tree}/sub`, tree]) {
              Effect.runSync(Effect.provideContext(bindMount(source, point), context))
              mounted += 1
            }
          })
          assert.strictEqual(mounted, 2, "it takes more than one slice")
          assert.include(["EXDEV", "EBUSY"], failed?.errno)
          assert.deepStrictEqual(Tree.differences(before, Tree.of(source)), [])
        })
      )
      assert.deepStrictEqual(Tree.differences(before, Tree.of(source)), [])
    })
  )

  for (const [way, at] of ways) {
    onDisk(`scenario 48: a directory swapped for a symbolic link, at every step, leads nowhere (${way})`, () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const outside = `${scratch}/outside`
        for (const name of ["precious", "sub/precious", "sub/sub/precious"])
          yield* world.file(`${outside}/${name}`, "x")
        const before = Tree.of(outside)
        let swaps = 0
        for (const swapped of ["tree", "tree/sub", "tree/sub/sub"]) {
          for (let swapAt = 1; ; swapAt++) {
            for (const name of ["a", "sub/a", "sub/sub/a", "sub/sub/b", "z"])
              yield* world.file(`${scratch}/tree/${name}`, "")
            let calls = 0
            const swapping = interposed(at, () => {
              calls += 1
              if (calls !== swapAt || !Fs.existsSync(`${scratch}/${swapped}`)) return
              swaps += 1
              Fs.renameSync(`${scratch}/${swapped}`, `${scratch}/moved`)
              Fs.symlinkSync(`${outside}${swapped.slice(4)}`, `${scratch}/${swapped}`)
            })
            stepwise(`${scratch}/tree`, () => {}, swapping)
            assert.deepStrictEqual(Tree.differences(before, Tree.of(outside)), [], `${swapped}, call ${swapAt}`)
            for (const name of ["tree", "moved"]) Fs.rmSync(`${scratch}/${name}`, { recursive: true, force: true })
            if (calls < swapAt) break
          }
        }
        assert.isAbove(swaps, 20)
      })
    )
  }

  const removers = [
    ["by native code", LinuxDisk.layer],
    ["by libc", LinuxDisk.layerWith({ pool: false })],
    ["by procfs", LinuxDisk.layerWithoutKoffi]
  ] as const
  const eachWay = (
    removers: ReadonlyArray<readonly [way: string, Layer.Layer<Disk>]>,
    title: string,
    test: (disk: Disk["Service"]) => Effect.Effect<void, unknown, Scope.Scope>
  ): void => {
    for (const [way, layer] of removers) {
      it.live(`${title} (${way})`, () => Effect.provide(Disk.use(test), layer), 60_000)
    }
  }

  const heldInner = Effect.fnUntraced(function* (path: string) {
    yield* Effect.provide(
      Disk.use((disk) => disk.lock(path, { mode: "shared", test: false })),
      LinuxDisk.layer
    )
  })

  // Without native code, the directories inside the tree aren't locked.
  eachWay(
    removers.slice(0, 2),
    "scenario 109: what an inner owner holds stays as it is, and all above it, and is told",
    (disk) =>
      Effect.gen(function* () {
        const tree = `${yield* Scratch.scratch}/tree`
        for (const at of ["", "/a", "/a/b", "/a/b/c", "/d", `${"/e".repeat(40)}`, `${"/e".repeat(40)}/inner`])
          for (const name of ["file", "other"]) yield* world.file(`${tree}${at}/${name}`, "x")
        for (const name of [".vm-sentinel", ".vm-sentinel.guest"]) yield* world.file(`${tree}/${name}`, "")
        const below = ["/a/b", `${"/e".repeat(40)}/inner`]
        const before = below.map((path) => Tree.of(`${tree}${path}`))
        const inodes = below.map((path) => Fs.statSync(`${tree}${path}`).ino)
        const stayed = yield* Effect.scoped(
          Effect.gen(function* () {
            for (const path of below) yield* heldInner(`${tree}${path}`)
            return yield* disk.removeTree(tree)
          })
        )
        assert.lengthOf(stayed, 2)
        // The removal moved directories that are too deep to a higher level.
        const places = stayed.toSorted((one) => (one === "a/b" ? -1 : 1)).map((path) => `${tree}/${path}`)
        places.forEach((path, index) => {
          assert.strictEqual(Fs.statSync(path).ino, inodes[index])
          assert.deepStrictEqual(Tree.differences(before[index] ?? {}, Tree.of(path)), [])
        })
        assert.deepStrictEqual(Tree.entries(`${tree}/a`), ["b"])
        assert.includeMembers([...Tree.entries(tree)], [".vm-sentinel", ".vm-sentinel.guest", "a"])
        assert.notInclude(Tree.entries(tree), "d")
        assert.deepStrictEqual(yield* disk.removeTree(tree), [])
        assert.isFalse(Fs.existsSync(tree))
      })
  )

  eachWay(
    removers,
    "scenario 109: an inner sentinel that nobody has judged keeps its directory, and all above it",
    (disk) =>
      Effect.gen(function* () {
        const tree = `${yield* Scratch.scratch}/tree`
        const names = [
          "a/.vm-sentinel",
          "b/c/.vm-sentinel.guest",
          "b/d/.bbox-sentinel",
          `${"e/".repeat(50)}.vm-sentinel`
        ]
        for (const name of names) {
          yield* world.file(`${tree}/${name}`, "")
          for (const beside of ["a", "z"]) yield* world.file(`${tree}/${Path.dirname(name)}/${beside}`, "")
        }
        // A directory is never a sentinel of its parent, whatever its name.
        yield* world.file(`${tree}/f/.vm-sentinel/file`, "")
        yield* world.file(`${tree}/b/.vm-sentinel`, "")
        yield* world.file(`${tree}/.vm-sentinel`, "")
        const before = Tree.of(tree)
        const ids = new Map(
          names.map((name) => [name, Fs.statSync(`${tree}/${name}`, { bigint: true }).ino.toString()])
        )
        const asked: Array<string> = []
        const allowed = new Set(["b/.vm-sentinel", "b/d/.bbox-sentinel"])
        const mayRemove: TreeOptions["mayRemove"] = (relative, { id }) => {
          asked.push(relative)
          if (ids.has(relative)) assert.strictEqual(id.ino, ids.get(relative), relative)
          return allowed.has(relative)
        }
        const stayed = yield* disk.removeTree(tree, { mayRemove })
        assert.sameMembers([...new Set(asked)], [...names, "b/.vm-sentinel"])
        assert.lengthOf(stayed, 3)
        assert.includeMembers([...stayed], ["a", "b/c"])
        const left = Tree.of(tree)
        for (const path of ["/a", "/b/c"]) {
          for (const name of ["", "/a", "/z"])
            assert.strictEqual(left[`${path}${name}`], before[`${path}${name}`], path)
        }
        const deep = stayed.find((path) => path !== "a" && path !== "b/c") ?? ""
        assert.sameMembers([...Tree.entries(`${tree}/${deep}`)], [".vm-sentinel", "a", "z"])
        // A directory keeps its sentinels as long as it holds anything else.
        assert.sameMembers([...Tree.entries(`${tree}/b`)], [".vm-sentinel", "c"])
        assert.notInclude(Tree.entries(tree), "f")
        assert.include(Tree.entries(tree), ".vm-sentinel")
        assert.sameMembers([...(yield* disk.removeTree(tree))], ["a", "b", deep])
        assert.deepStrictEqual(yield* disk.removeTree(tree, { mayRemove: () => true }), [])
        assert.isFalse(Fs.existsSync(tree))
      })
  )

  for (const [way, at] of ways) {
    onDisk(`scenario 109: a sentinel that comes after the look keeps what is left of its directory (${way})`, () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const tree = `${scratch}/tree`
        for (const name of [".vm-sentinel", "sub/a", "sub/b", "sub/c"]) yield* world.file(`${tree}/${name}`, "")
        let unlinked = 0
        const coming = interposed(at, (call) => {
          if (call === "unlink" && ++unlinked === 2) Fs.writeFileSync(`${tree}/sub/.vm-sentinel.late`, "")
        })
        const { failure, stayed } = stepwiseOf(removalBy(coming, { path: tree }))
        assert.isUndefined(failure)
        assert.deepStrictEqual(stayed, ["sub"])
        assert.include(Tree.entries(`${tree}/sub`), ".vm-sentinel.late")
        assert.include(Tree.entries(tree), ".vm-sentinel")
      })
    )
  }

  onDisk("takes no inner lock where it is told not to, and does without where there is none to be had", () =>
    Effect.gen(function* () {
      const scratch = yield* Scratch.scratch
      const tree = `${scratch}/tree`
      for (const [what, at, lockInner] of [
        ["told not to", DirFd.make(native), false],
        ["ENOLCK", { ...DirFd.make(native), flock: () => "ENOLCK" }, true],
        ["EOPNOTSUPP", { ...DirFd.make(native), flock: () => "EOPNOTSUPP" }, true]
      ] as const) {
        yield* world.file(`${tree}/sub/file`, "")
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* heldInner(`${tree}/sub`)
            const removed = stepwiseOf(removalBy(at, { path: tree, lockInner }))
            assert.deepStrictEqual(removed, { failure: undefined, stayed: [] }, what)
          })
        )
      }
    })
  )

  onDisk("native code takes no inner lock where it is told not to", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const tree = `${yield* Scratch.scratch}/tree`
      yield* world.file(`${tree}/sub/file`, "")
      yield* heldInner(`${tree}/sub`)
      assert.deepStrictEqual(yield* disk.removeTree(tree, { lockInner: false }), [])
      assert.isFalse(Fs.existsSync(tree))
    })
  )

  for (const [way, at] of ways) {
    onDisk(`looks through a directory before anything in it goes, and holds its lock until it is gone (${way})`, () =>
      Effect.gen(function* () {
        const tree = `${yield* Scratch.scratch}/tree`
        for (let index = 0; index < 3000; index++) yield* world.file(`${tree}/sub/${index}`, "")
        const states = new Set<string>()
        const watching = interposed(at, (call, [, name]) => {
          if (call === "unlink" || (call === "removeDirectory" && name === "sub")) {
            states.add(Locks.probe(DirFd.make(native), `${tree}/sub`))
          }
        })
        assert.isUndefined(stepwise(tree, () => {}, watching))
        assert.deepStrictEqual([...states], ["exclusive"])
      })
    )
  }

  onDisk("of two that remove the same tree, one is told that it did", () =>
    Effect.gen(function* () {
      const scratch = yield* Scratch.scratch
      const tree = `${scratch}/tree`
      for (let index = 0; index < 100; index++) yield* world.file(`${tree}/${index % 7}/${index}`, "")
      const at = DirFd.make(native)
      // With `lockInner`, one removal would leave the directories that the other one has locked.
      const task = { ...taskOf(tree), lockInner: false }
      const [one, other] = [removalBy(at, task), removalBy(at, task)]
      one.next()
      const results = [stepwiseOf(other), stepwiseOf(one)].map(({ failure }) => failure?.errno ?? "success")
      assert.deepStrictEqual(results.toSorted(), ["ENOENT", "success"])
    })
  )

  it.live("scenario 52: interrupted, it stops between two removals and has closed all it opened", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      const tree = `${scratch}/tree`
      makeDeep(tree, 60)
      for (let index = 0; index < 3000; index++) Fs.writeFileSync(`${tree}/${index}`, "")
      const before = Tree.descriptors()
      const fiber = yield* Effect.forkChild(disk.removeTree(tree))
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      assert.isAbove(Tree.descriptors().length, before.length, "it is at work")
      yield* Fiber.interrupt(fiber)
      assert.sameMembers([...Tree.descriptors()], [...before])
      assert.isAbove(Tree.entries(tree).length, 0)
      yield* disk.removeTree(tree)
      assert.deepStrictEqual(Tree.entries(scratch), [])
      assert.sameMembers([...Tree.descriptors()], [...before])
    }).pipe(Effect.provide(LinuxDisk.layerWith({ pool: false })))
  )

  for (const [way, at] of ways) {
    onDisk(
      `when there are no descriptors left, it fails with all it opened closed, and removes nothing it shouldn't (${way})`,
      () =>
        Effect.gen(function* () {
          const scratch = yield* Scratch.scratch
          makeDeep(`${scratch}/tree`, 20)
          const before = Tree.descriptors()
          for (const opening of ["openPath", "openInside", "list"]) {
            for (let failAt = 1; failAt <= (opening === "openPath" ? 1 : 12); failAt++) {
              let calls = 0
              const exhausted = interposed(at, (call) => {
                if (call !== opening) return
                calls += 1
                if (calls >= failAt) throw Object.assign(new Error("EMFILE"), { code: "EMFILE" })
              })
              const failed = stepwise(`${scratch}/tree`, () => {}, exhausted)
              assert.strictEqual(failed?.errno, "EMFILE", `${opening} ${failAt}`)
              assert.sameMembers([...Tree.descriptors()], [...before], `${opening} ${failAt}`)
            }
          }
          assert.isUndefined(stepwise(`${scratch}/tree`, () => {}, at))
          assert.deepStrictEqual(Tree.entries(scratch), [])
        })
    )
  }
})

describe("LinuxDisk", () => {
  onDisk("measures deeper than a path can say without failing", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      makeDeep(`${scratch}/tree`, 1500)
      assert.isAbove(yield* disk.usage(`${scratch}/tree`), 4096 * 100)
      yield* disk.removeTree(`${scratch}/tree`)
    })
  )

  able(world.bindMount, "scenario 82: knows at once where a mount lies whose directory was renamed", (bindMount) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* world.scratch
      yield* world.directory(`${scratch}/source`)
      yield* world.directory(`${scratch}/before/mnt`)
      yield* bindMount(`${scratch}/source`, `${scratch}/before/mnt`)
      const points = Effect.map(disk.mountsBelow(scratch), (mounts) => mounts.map(({ path }) => path))
      assert.deepStrictEqual(yield* points, [`${scratch}/before/mnt`])
      yield* disk.rename(`${scratch}/before`, `${scratch}/after`)
      assert.deepStrictEqual(yield* points, [`${scratch}/after/mnt`])
      yield* disk.renameNew(`${scratch}/after`, `${scratch}/again`)
      assert.deepStrictEqual(yield* points, [`${scratch}/again/mnt`])
      const move = disk.moveMany(
        scratch,
        [{ from: "again", to: "source/last" }],
        scanning(() => "ignore", 4096)
      )
      const isMoved = (yield* move)[0]?.isMoved === true
      assert.deepStrictEqual(yield* points, [`${scratch}/${isMoved ? "source/last" : "again"}/mnt`])
    })
  )

  able(world.bindMount, "measures what lies on its own file system alone", (bindMount) =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      yield* world.directory(`${scratch}/small/proc`)
      const alone = yield* disk.usage(`${scratch}/small`)
      yield* bindMount("/sys", `${scratch}/small/proc`)
      assert.isAtMost(yield* disk.usage(`${scratch}/small`), alone)
    })
  )

  onDisk("a create that fails on the way leaves nothing, not even where the directory is read-only by then", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      const before = Tree.descriptors()
      for (const name of ["writeSync", "fsync"] as const) {
        for (const code of ["ENOSPC", "EIO", "EDQUOT"]) {
          const failing = (...args: ReadonlyArray<unknown>) => {
            const cause = Object.assign(new Error(code), { code })
            const done = args.at(-1)
            if (typeof done !== "function") throw cause
            done(cause)
          }
          const created = disk.create(`${scratch}/file`, () => Effect.succeed(new Uint8Array(10)))
          assert.strictEqual(yield* errno(withCall(name, failing, created)), code)
          assert.deepStrictEqual(Tree.entries(scratch), [])
          assert.sameMembers([...Tree.descriptors()], [...before])
        }
      }
    })
  )

  onDisk("writes whole what the kernel takes in pieces", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      const { writeSync } = Fs
      const inPieces = (fd: number, bytes: Uint8Array, offset: number) =>
        writeSync(fd, bytes, offset, Math.min(3, bytes.length - offset))
      const bytes = new TextEncoder().encode("in several pieces")
      yield* withCall(
        "writeSync",
        inPieces,
        disk.create(`${scratch}/file`, () => Effect.succeed(bytes))
      )
      assert.strictEqual(Fs.readFileSync(`${scratch}/file`, "utf8"), "in several pieces")
    })
  )

  onDisk("lets the event loop go on while the disk takes its time, and ends nothing halfway", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      const before = Tree.descriptors()
      const { fsync } = Fs
      const held: Array<() => void> = []
      const state = (...args: Parameters<typeof fsync>) => void held.push(() => fsync(...args))
      for (const call of [
        disk.create(`${scratch}/file`, () => Effect.succeed(new Uint8Array(10))),
        disk.syncDirectory(scratch)
      ]) {
        const fiber = yield* withCall("fsync", state, Effect.forkChild(call, { startImmediately: true }))
        assert.lengthOf(held, 1)
        const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        // The interruption gets at least one turn of the event loop.
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        assert.isUndefined(interruption.pollUnsafe())
        for (const release of held.splice(0)) release()
        yield* Fiber.join(interruption)
      }
      assert.lengthOf(Fs.readFileSync(`${scratch}/file`), 10)
      assert.sameMembers([...Tree.descriptors()], [...before])
    })
  )

  onDisk("locks nothing but directories, and follows no link to one", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      yield* world.directory(`${scratch}/directory`)
      yield* world.symlink(`${scratch}/link`, `${scratch}/directory`)
      yield* world.file(`${scratch}/file`, "")
      yield* world.fifo(`${scratch}/fifo`)
      const before = Tree.descriptors()
      for (const name of ["link", "file", "fifo"]) {
        assert.include(
          ["ENOTDIR", "ELOOP"],
          yield* errno(Effect.scoped(disk.lock(`${scratch}/${name}`, exclusive))),
          name
        )
        assert.strictEqual(yield* disk.probeLock(`${scratch}/${name}`), "unknown")
      }
      execFileSync("flock", ["-xn", `${scratch}/directory`, "true"])
      assert.strictEqual(yield* disk.probeLock(`${scratch}/directory`), "free")
      assert.sameMembers([...Tree.descriptors()], [...before])
    })
  )
})
