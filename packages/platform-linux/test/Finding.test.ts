/** Searches for files below the first level of a directory, and for the place of a directory. */
import { assert, describe, it } from "@effect/vitest"
import { Disk, type DiskError } from "@vm-sentinel/core/Disk"
import { Effect, Fiber, Result, type Scope, Stream } from "effect"
import * as Fs from "node:fs"
import { ableIn } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as DirFd from "../src/internal/dirFd.ts"
import * as Finding from "../src/internal/finding.ts"
import { libc } from "../src/internal/libc.ts"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import * as Scratch from "./support/scratch.ts"
import * as Tree from "./support/tree.ts"
import * as Mounts from "./support/mounts.ts"

const wanted = (entry: string): boolean => entry === ".vm-sentinel" || entry.startsWith(".vm-sentinel.")

const errno = <A, R>(call: Effect.Effect<A, DiskError, R>) =>
  Effect.map(Effect.result(call), (result) => (Result.isFailure(result) ? result.failure.errno : "success"))

const find = (path: string) => Disk.use((disk) => Stream.runCollect(disk.find(path, wanted)))
const location = (path: string) => Disk.use((disk) => disk.location(path))

/** Everything that a search finds through these calls. */
const findAll = (at: DirFd.DirFd, path: string): ReadonlyArray<string> => {
  const finder = Finding.make(at, path, wanted, new Set())
  const found: Array<string> = []
  try {
    for (;;) {
      const work = finder.next(() => false)
      let step = work.next()
      while (step.done !== true) step = work.next()
      if (step.value === undefined) return found
      found.push(step.value)
    }
  } finally {
    finder.close()
  }
}

/**
 * Makes a tree deeper than PATH_MAX allows. Each directory has files that are listed before and after the next
 * directory, whatever order the file system lists them in.
 */
const makeDeep = (
  path: string,
  depth: number,
  filesAt: (level: number) => number,
  role = ""
): ReadonlyArray<string> => {
  Fs.mkdirSync(path, { mode: 0o700 })
  let fd = Fs.openSync(path, Fs.constants.O_DIRECTORY)
  const made: Array<string> = []
  for (let level = 0; level < depth; level++) {
    const at = `/proc/self/fd/${fd}`
    for (let file = 0; file < filesAt(level); file++) {
      Fs.writeFileSync(`${at}/.vm-sentinel.${role}${file}`, "")
      if (level > 0) made.push(`${"d/".repeat(level)}.vm-sentinel.${role}${file}`)
    }
    for (const side of ["a", "z"]) {
      Fs.mkdirSync(`${at}/${side}`)
      Fs.writeFileSync(`${at}/${side}/.vm-sentinel`, "")
      made.push(`${"d/".repeat(level)}${side}/.vm-sentinel`)
    }
    Fs.mkdirSync(`${at}/d`)
    const next = Fs.openSync(`${at}/d`, Fs.constants.O_DIRECTORY)
    Fs.closeSync(fd)
    fd = next
  }
  Fs.closeSync(fd)
  return made
}

const ways = [
  ["by libc", DirFd.make(libc()?.at)],
  ["by procfs", DirFd.procfs]
] as const

/** Wraps the calls. `act` runs before every call of one kind. */
const before = (at: DirFd.DirFd, act: (name: string) => void): DirFd.DirFd => ({
  ...at,
  openInside: (fd, name) => {
    act(DirFd.textOf(name))
    return at.openInside(fd, name)
  }
})

for (const [way, layer] of [
  ["with koffi", LinuxDisk.layer],
  ["without koffi", LinuxDisk.layerWithoutKoffi]
] as const) {
  const onDisk = (title: string, test: () => Effect.Effect<void, unknown, Disk | Scope.Scope>) =>
    it.live(title, () => Effect.provide(test(), layer), 60_000)
  const able = ableIn<Disk | Scope.Scope>(onDisk)

  describe(`LinuxDisk.find, ${way}`, () => {
    onDisk("finds names below the first level alone, whatever else there is", () =>
      Effect.gen(function* () {
        const vm = `${yield* world.scratch}/vm`
        const names = ["a/.vm-sentinel", "a/b/.vm-sentinel.guest", "c/d/e/f/.vm-sentinel", "a b/\n/.vm-sentinel"]
        for (const name of names) yield* world.file(`${vm}/${name}`, "")
        for (const name of [".vm-sentinel", ".vm-sentinel.guest", "file", "a/vm-sentinel", "c/.vm-sentinel-tmp.1"])
          yield* world.file(`${vm}/${name}`, "")
        yield* world.symlink(`${vm}/c/.vm-sentinel`, "nowhere")
        // A directory is never a sentinel, whatever its name.
        yield* world.directory(`${vm}/c/.vm-sentinel.directory`)
        yield* world.file(`${vm}/c/.vm-sentinel.directory/.vm-sentinel`, "")
        yield* world.symlink(`${vm}/link`, `${vm}/c`)
        yield* world.symlink(`${vm}/a/up`, "..")
        const expected = [...names, "c/.vm-sentinel", "c/.vm-sentinel.directory/.vm-sentinel"]
        assert.sameMembers(yield* find(vm), expected)
        assert.deepStrictEqual(yield* find(`${vm}/c/d/e/f`), [])
        for (const name of ["file", "link"]) assert.include(["ENOTDIR", "ELOOP"], yield* errno(find(`${vm}/${name}`)))
        assert.strictEqual(yield* errno(find(`${vm}/missing`)), "ENOENT")
      })
    )

    able(world.rawFile, "keeps the bytes of names", (rawFile) =>
      Effect.gen(function* () {
        const vm = `${yield* world.scratch}/vm`
        yield* world.directory(vm)
        Fs.mkdirSync(Buffer.from(`${vm}/od\xff`, "latin1"))
        Fs.writeFileSync(Buffer.from(`${vm}/od\xff/.vm-sentinel`, "latin1"), "")
        yield* rawFile(vm, Uint8Array.of(0xfe), "")
        assert.deepStrictEqual(yield* find(vm), ["od\udcff/.vm-sentinel"])
      })
    )

    able(world.bindMount, "enters no mount, not even of the same device", (bindMount) =>
      Effect.gen(function* () {
        const scratch = yield* world.scratch
        for (const name of ["source/.vm-sentinel", "vm/sub/own/.vm-sentinel"])
          yield* world.file(`${scratch}/${name}`, "")
        yield* world.directory(`${scratch}/vm/sub/mounted`)
        yield* bindMount(`${scratch}/source`, `${scratch}/vm/sub/mounted`)
        assert.deepStrictEqual(yield* find(`${scratch}/vm`), ["sub/own/.vm-sentinel"])
        assert.deepStrictEqual(yield* find(`${scratch}/vm/sub/mounted`), [])
      })
    )

    able(world.bindMount, "fails at a mount that the mount table doesn't show yet", (bindMount) =>
      Effect.gen(function* () {
        const scratch = yield* world.scratch
        yield* world.directory(`${scratch}/source`)
        yield* world.directory(`${scratch}/old/sub/mounted`)
        yield* bindMount(`${scratch}/source`, `${scratch}/old/sub/mounted`)
        assert.deepStrictEqual(yield* find(`${scratch}/old`), [])
        // The kernel doesn't report that a mount has moved with its directory.
        Fs.renameSync(`${scratch}/old`, `${scratch}/new`)
        const searched = yield* errno(find(`${scratch}/new`))
        const shown = yield* Disk.use((disk) => disk.mountsBelow(`${scratch}/new`))
        // Without koffi the search may have read the table anew, and has passed over the mount.
        if (searched !== "EXDEV") assert.deepStrictEqual([searched, shown.length], ["success", 1])
      })
    )

    onDisk("ended early has closed all it opened, and lets the event loop go on", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const vm = `${yield* Scratch.scratch}/vm`
        for (let index = 0; index < 3000; index++) Fs.mkdirSync(`${vm}/sub/${index}`, { recursive: true })
        Fs.mkdirSync(`${vm}/sub/1/2/3/4/5`, { recursive: true })
        Fs.writeFileSync(`${vm}/sub/1/2/3/4/5/.vm-sentinel`, "")
        // The first call opens the mount table, which stays open.
        yield* disk.mountsBelow(vm)
        const descriptors = Tree.descriptors()
        const first = yield* Stream.runHead(disk.find(vm, wanted))
        assert.deepStrictEqual(first._tag === "Some" && first.value, "sub/1/2/3/4/5/.vm-sentinel")
        assert.sameMembers([...Tree.descriptors()], [...descriptors])
        let turns = 0
        const turning = Effect.forever(
          Effect.promise(() => new Promise<void>((resolve) => setImmediate(() => resolve(void (turns += 1)))))
        )
        const searching = Stream.runCollect(disk.find(vm, wanted))
        yield* Effect.raceFirst(searching, turning)
        assert.isAbove(turns, 2)
        assert.sameMembers([...Tree.descriptors()], [...descriptors])
        const fiber = yield* Effect.forkChild(searching, { startImmediately: true })
        yield* Effect.yieldNow
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* Fiber.interrupt(fiber)
        assert.sameMembers([...Tree.descriptors()], [...descriptors])
      })
    )
  })

  describe(`LinuxDisk.location, ${way}`, () => {
    able(Mounts.tmpfs, "is where a directory lies on its file system", () =>
      Effect.gen(function* () {
        const scratch = yield* world.scratch
        yield* Mounts.mounted(["-t", "tmpfs", "tmpfs"], `${scratch}/a b\\040`)
        Fs.mkdirSync(`${scratch}/a b\\040/x/y z`, { recursive: true })
        assert.strictEqual(yield* location(`${scratch}/a b\\040`), "/")
        assert.strictEqual(yield* location(`${scratch}/a b\\040/x/y z`), "/x/y z")
        assert.strictEqual(yield* errno(location(`${scratch}/missing`)), "ENOENT")
        yield* world.file(`${scratch}/file`, "")
        assert.strictEqual(yield* errno(location(`${scratch}/file`)), "ENOTDIR")
      })
    )

    able(world.bindMount, "through a bind mount shows where what is mounted has been moved meanwhile", (bindMount) =>
      Effect.gen(function* () {
        const scratch = yield* world.scratch
        for (const vm of ["vm1", "v m\t\\2", "od\udcff"]) {
          const reap = `${scratch}/root/.vm-sentinel-reap.x/dead`
          const bytes = (path: string) => Buffer.from(path.replace("\udcff", "\xff"), "latin1")
          for (const directory of [`${scratch}/root/${vm}/sub`, reap, `${scratch}/volume`])
            Fs.mkdirSync(bytes(directory), { recursive: true })
          yield* Effect.scoped(
            Effect.gen(function* () {
              const root = yield* location(`${scratch}/root`)
              // The kernel accepts these names as bytes. mount(8) accepts only text.
              const plain = `${scratch}/root/plain`
              Fs.renameSync(bytes(`${scratch}/root/${vm}`), plain)
              yield* bindMount(plain, `${scratch}/volume`)
              assert.strictEqual(yield* location(`${scratch}/volume/sub`), `${root}/plain/sub`)
              Fs.renameSync(plain, bytes(`${reap}/${vm}`))
              const expected = `${root}/.vm-sentinel-reap.x/dead/${vm}`
              assert.strictEqual(yield* location(`${scratch}/volume`), expected)
              assert.strictEqual(yield* location(`${scratch}/volume/sub`), `${expected}/sub`)
              // A directory without another mount has the place that its path names.
              assert.strictEqual(yield* location(`${reap}/${vm}/sub`), `${expected}/sub`)
              Fs.rmdirSync(bytes(`${reap}/${vm}/sub`))
              Fs.rmdirSync(bytes(`${reap}/${vm}`))
              assert.strictEqual(yield* location(`${scratch}/volume`), `${expected}//deleted`)
            })
          )
        }
      })
    )
  })
}

describe("finding", () => {
  for (const [way, at] of ways) {
    it.live(`goes as deep as it is, with few descriptors open, and leaves nothing out (${way})`, () =>
      Effect.gen(function* () {
        const vm = `${yield* Scratch.scratch}/vm`
        const made = makeDeep(vm, 300, () => 3)
        const descriptors = Tree.descriptors().length
        let most = 0
        const counting = before(at, () => (most = Math.max(most, Tree.descriptors().length - descriptors)))
        const found = findAll(counting, vm)
        assert.strictEqual(found.length, made.length)
        assert.sameMembers([...found], [...made])
        assert.isBelow(most, 40)
        assert.strictEqual(Tree.descriptors().length, descriptors)
      })
    )

    it.live(`goes on where it was, though a directory takes several reads (${way})`, () =>
      Effect.gen(function* () {
        const vm = `${yield* world.scratch}/vm`
        const made = makeDeep(vm, 36, (level) => (level < 2 ? 600 : 1), "x".repeat(100))
        const found = findAll(at, vm)
        assert.strictEqual(found.length, made.length)
        assert.strictEqual(new Set(found).size, made.length)
      })
    )

    it.live(`fails where a directory can't be read, and passes over what goes away (${way})`, () =>
      Effect.gen(function* () {
        const vm = `${yield* world.scratch}/vm`
        for (const name of ["a", "b", "c"]) yield* world.file(`${vm}/${name}/sub/.vm-sentinel`, "")
        const descriptors = Tree.descriptors().length
        const refusing = before(at, (name) => {
          if (name === "b") throw Object.assign(new Error("EACCES"), { code: "EACCES" })
        })
        assert.throws(() => findAll(refusing, vm), "EACCES")
        const vanishing = before(at, (name) => {
          if (name === "b") Fs.rmSync(`${vm}/b`, { recursive: true })
        })
        assert.sameMembers([...findAll(vanishing, vm)], ["a/sub/.vm-sentinel", "c/sub/.vm-sentinel"])
        const replacing = before(at, (name) => {
          if (name !== "c") return
          Fs.renameSync(`${vm}/c`, `${vm}/../moved`)
          Fs.symlinkSync(`${vm}/../moved`, `${vm}/c`)
        })
        assert.deepStrictEqual(findAll(replacing, vm), ["a/sub/.vm-sentinel"])
        assert.strictEqual(Tree.descriptors().length, descriptors)
      })
    )

    it.live(`says so when far below a directory was moved away from the one above it (${way})`, () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const vm = `${scratch}/vm`
        Fs.mkdirSync(`${vm}${"/d".repeat(60)}`, { recursive: true })
        let opened = 0
        const moving = before(at, (name) => {
          if (name === "d" && ++opened === 60) Fs.renameSync(`${vm}/d/d/d`, `${scratch}/moved`)
        })
        const descriptors = Tree.descriptors().length
        assert.throws(() => findAll(moving, vm), "it was moved")
        assert.strictEqual(Tree.descriptors().length, descriptors)
      })
    )
  }
})
