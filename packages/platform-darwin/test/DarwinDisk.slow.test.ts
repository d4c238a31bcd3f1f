/** The conformance suite of `Disk`, and the abilities that only the implementation of macOS has. */
import { assert, describe, it } from "@effect/vitest"
import { Disk, type DiskError, type RemoveTreeOptions } from "@vm-sentinel/core/Disk"
import { type Removed, removal } from "@vm-sentinel/core/TreeRemoval"
import { Effect, Fiber, Result } from "effect"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as DiskTest from "@vm-sentinel/core/test/support/DiskTest"
import { orUndefined } from "@vm-sentinel/core/test/support/able"
import { world as nodeWorld } from "@vm-sentinel/core/test/support/NodeWorld"
import * as Scratch from "@vm-sentinel/platform-linux/test/support/scratch"
import * as Tree from "@vm-sentinel/platform-linux/test/support/tree"
import * as DarwinDisk from "../src/DarwinDisk.ts"
import { coded } from "@vm-sentinel/core/Errno"
import * as DirectoryCalls from "../src/internal/directoryCalls.ts"
import type { FileCalls } from "../src/internal/fileCalls.ts"
import { world } from "./support/darwinWorld.ts"
import { before, overShim } from "./support/overShim.ts"
import { answers } from "./support/shim.ts"

const portable = { anyNames: false, locks: false, frames: false, changeTimes: false } as const

const errno = <A, R>(call: Effect.Effect<A, DiskError, R>) =>
  Effect.map(Effect.result(call), (result) => (Result.isFailure(result) ? result.failure.errno : "success"))

/** Makes a tree whose deepest path is longer than PATH_MAX, with a file in each directory. */
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

/** Runs a removal to its end. */
const remove = (calls: FileCalls, path: string, options: RemoveTreeOptions = {}): Removed => {
  const work = removal(
    DirectoryCalls.make(calls),
    { ...options, path },
    () => false,
    () => 0
  )
  for (;;) {
    const next = work.next()
    if (next.done === true) return next.value
  }
}

await overShim("over the shim", ({ calls, shim, test: onDisk }) => {
  const layer = DarwinDisk.layerWith({ libraryPath: shim.path })
  const [EPERM, ENOTSUP, EINVAL] = [1, 45, 22]

  DiskTest.suite("macOS, over the shim", { layer, world, strength: { anyNames: false, locks: true } })

  describe("DarwinDisk.removeTree, over the shim", () => {
    for (const [how, refuse] of [
      ["by descriptor", Effect.void],
      ["by path where the descriptor can't be read", shim.refuse("getattrlistbulk", ENOTSUP)],
      ["by path where it answers in another layout", shim.refuse("getattrlistbulk", answers.alien)]
    ] as const) {
      onDisk(`removes a tree 2000 deep, listed ${how}, with all descriptors closed again`, () =>
        Effect.gen(function* () {
          yield* refuse
          const disk = yield* Disk
          const tree = `${yield* Scratch.scratch}/tree`
          makeDeep(tree, 2000)
          Fs.writeFileSync(`${tree}/.vm-sentinel`, "")
          const open = Tree.descriptors()
          yield* disk.removeTree(tree)
          assert.isFalse(Fs.existsSync(tree))
          assert.sameMembers([...Tree.descriptors()], [...open])
        })
      )
    }

    onDisk("never has more than a few dozen directories open, and removes the last names after all else", () =>
      Effect.gen(function* () {
        const tree = `${yield* Scratch.scratch}/tree`
        Fs.mkdirSync(tree)
        for (const name of ["a", "b", "c"]) makeDeep(`${tree}/${name}`, 150)
        Fs.writeFileSync(`${tree}/.vm-sentinel`, "")
        const open = Tree.descriptors().length
        let most = 0
        const watched = before(calls, () => {
          most = Math.max(most, Tree.descriptors().length - open)
          const left = Tree.entries(tree)
          if (left.length > 0) assert.include(left, ".vm-sentinel")
        })
        assert.isUndefined(remove(watched, tree).failure)
        assert.isFalse(Fs.existsSync(tree))
        assert.isAtLeast(most, 32)
        assert.isAtMost(most, 35)
      })
    )

    onDisk("removes names that aren't UTF-8, and more than one batch of them", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* Scratch.scratch
        const tree = `${scratch}/tree`
        Fs.mkdirSync(`${tree}/sub`, { recursive: true })
        for (let index = 0; index < 2000; index++) {
          Fs.writeFileSync(Buffer.concat([Buffer.from(`${tree}/sub/${index}`), Buffer.of(0xff)]), "")
        }
        yield* disk.removeTree(tree)
        assert.deepStrictEqual(Tree.entries(scratch), [])
      })
    )

    onDisk("a directory swapped for a symbolic link, at every step, leads nowhere", () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const outside = `${scratch}/outside`
        for (const name of ["precious", "sub/precious", "sub/sub/precious"])
          yield* world.file(`${outside}/${name}`, "x")
        const untouched = Tree.of(outside)
        let swaps = 0
        for (const listed of ["descriptor", "path"]) {
          for (const swapped of ["tree", "tree/sub", "tree/sub/sub"]) {
            for (let at = 1; ; at++) {
              for (const name of ["a", "sub/a", "sub/sub/a", "sub/sub/b", "z"]) {
                yield* world.file(`${scratch}/tree/${name}`, "")
              }
              let count = 0
              const acting = before(calls, () => {
                count += 1
                if (count !== at || !Fs.existsSync(`${scratch}/${swapped}`)) return
                swaps += 1
                Fs.renameSync(`${scratch}/${swapped}`, `${scratch}/moved`)
                Fs.symlinkSync(`${outside}${swapped.slice(4)}`, `${scratch}/${swapped}`)
              })
              const list = (fd: number) => {
                acting.list(fd)
                throw coded("ENOTSUP")
              }
              remove(listed === "path" ? { ...acting, list } : acting, `${scratch}/tree`)
              assert.deepStrictEqual(Tree.differences(untouched, Tree.of(outside)), [], `${swapped}, call ${at}`)
              for (const name of ["tree", "moved"]) Fs.rmSync(`${scratch}/${name}`, { recursive: true, force: true })
              if (count < at) break
            }
          }
        }
        assert.isAbove(swaps, 40)
      })
    )

    onDisk("follows no symbolic link on the way to the tree", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* Scratch.scratch
        yield* world.file(`${scratch}/real/tree/file`, "x")
        yield* world.symlink(`${scratch}/link`, `${scratch}/real`)
        assert.strictEqual(yield* errno(disk.removeTree(`${scratch}/link/tree`)), "ELOOP")
        for (const path of ["/", `${scratch}/real/tree/.`, `${scratch}/real/tree/..`]) {
          assert.strictEqual(yield* errno(disk.removeTree(path)), "EBUSY")
        }
        assert.isTrue(Fs.existsSync(`${scratch}/real/tree/file`))
      })
    )

    onDisk("of two that remove the same tree, one is told that it did", () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const tree = `${scratch}/tree`
        for (let index = 0; index < 100; index++) yield* world.file(`${tree}/${index % 7}/${index}`, "")
        let other: DiskError | undefined
        let count = 0
        const interrupted = before(calls, () => {
          count += 1
          if (count === 20) other = remove(calls, tree, { lockInner: false }).failure
        })
        const one = remove(interrupted, tree, { lockInner: false }).failure
        assert.isUndefined(other)
        assert.strictEqual(one?.errno, "ENOENT")
        assert.deepStrictEqual(Tree.entries(scratch), [])
      })
    )

    onDisk("interrupted, it stops between two removals and has closed all it opened", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* Scratch.scratch
        const tree = `${scratch}/tree`
        makeDeep(tree, 60)
        for (let index = 0; index < 3000; index++) Fs.writeFileSync(`${tree}/${index}`, "")
        const open = Tree.descriptors()
        const fiber = yield* Effect.forkChild(disk.removeTree(tree))
        yield* Effect.yieldNow
        yield* Effect.yieldNow
        assert.isAbove(Tree.descriptors().length, open.length, "it is at work")
        yield* Fiber.interrupt(fiber)
        assert.sameMembers([...Tree.descriptors()], [...open])
        assert.isAbove(Tree.entries(tree).length, 0)
        yield* disk.removeTree(tree)
        assert.deepStrictEqual(Tree.entries(scratch), [])
      })
    )

    onDisk("any call that fails is the failure, with all descriptors closed, and the sentinel stays", () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const tree = `${scratch}/tree`
        const open = Tree.descriptors()
        for (let at = 1; ; at++) {
          for (const name of ["a", "sub/a", "sub/sub/a", ".vm-sentinel"]) yield* world.file(`${tree}/${name}`, "")
          let count = 0
          const failing = before(calls, () => {
            count += 1
            if (count === at) throw coded("EMFILE")
          })
          const failed = remove(failing, tree).failure
          assert.sameMembers([...Tree.descriptors()], [...open], `call ${at}`)
          if (count < at) {
            assert.isUndefined(failed)
            break
          }
          assert.strictEqual(failed?.errno, "EMFILE", `call ${at}`)
          assert.isTrue(Fs.existsSync(tree), `call ${at}`)
          if (Tree.entries(tree).length > 0) assert.include(Tree.entries(tree), ".vm-sentinel", `call ${at}`)
        }
        assert.deepStrictEqual(Tree.entries(scratch), [])
      })
    )

    onDisk("scenario 101: what flags of our own keep goes: files, directories, and what lies in them", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const tree = `${yield* Scratch.scratch}/tree`
        const [immutable, append, hidden] = [2, 4, 0x8000]
        for (const name of ["file", "log", "frozen/file", "closed/file", "plain"]) {
          yield* world.file(`${tree}/${name}`, "", 0o400)
        }
        Fs.chmodSync(`${tree}/closed`, 0o500)
        yield* shim.setFlags(`${tree}/file`, immutable + hidden)
        yield* shim.setFlags(`${tree}/log`, append)
        for (const name of ["frozen", "closed"]) yield* shim.setFlags(`${tree}/${name}`, immutable)
        assert.isTrue(yield* disk.permit(`${tree}/closed`))
        assert.isFalse(yield* disk.permit(`${tree}/closed`))
        assert.isFalse(yield* disk.permit(`${tree}/plain`))
        assert.deepStrictEqual(yield* disk.removeTree(tree), [])
        assert.isFalse(Fs.existsSync(tree))
      })
    )

    onDisk("what another user's flags keep, and what can't be told, stays", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const tree = `${yield* Scratch.scratch}/tree`
        yield* world.file(`${tree}/file`, "")
        yield* shim.setFlags(`${tree}/file`, 2)
        for (const answer of [EPERM, answers.alien]) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* shim.refuse("getattrlistat", answer)
              assert.strictEqual(yield* errno(disk.removeTree(tree)), "EPERM")
            })
          )
        }
        yield* orUndefined(world.setOwner)?.(`${tree}/file`, 4321) ?? Effect.void
        if (orUndefined(world.setOwner) !== undefined) {
          assert.strictEqual(yield* errno(disk.removeTree(tree)), "EPERM")
          yield* orUndefined(world.setOwner)?.(`${tree}/file`, 0) ?? Effect.void
        }
        yield* disk.removeTree(tree)
        assert.isFalse(Fs.existsSync(tree))
      })
    )

    onDisk("goes on past what it may not remove", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const tree = `${yield* Scratch.scratch}/tree`
        yield* world.file(`${tree}/sub/file`, "")
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* shim.refuse("unlinkat", EPERM)
            const error = yield* Effect.flip(disk.removeTree(tree))
            assert.deepInclude(error, { errno: "EPERM", path: `${tree}/sub/file` })
          })
        )
        yield* disk.removeTree(tree)
        assert.isFalse(Fs.existsSync(tree))
      })
    )
  })

  describe("DarwinDisk, over the shim", () => {
    onDisk("looks before it renames where there is no RENAME_EXCL", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* world.scratch
        for (const refusal of [ENOTSUP, EINVAL]) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* shim.refuse("renameatx_np", refusal)
              yield* world.file(`${scratch}/a/file`, "")
              yield* world.directory(`${scratch}/b`)
              assert.strictEqual(yield* errno(disk.renameNew(`${scratch}/a`, `${scratch}/b`)), "EEXIST")
              yield* disk.renameNew(`${scratch}/a`, `${scratch}/c`)
              assert.deepStrictEqual(Tree.entries(scratch), ["b", "c"])
              yield* world.remove(`${scratch}/c`)
            })
          )
        }
        yield* shim.refuse("renameatx_np", EPERM)
        assert.strictEqual(yield* errno(disk.renameNew(`${scratch}/b`, `${scratch}/d`)), "EPERM")
      })
    )
  })
})

if (process.platform === "darwin") {
  const strength = { anyNames: false, locks: true }
  DiskTest.suite("macOS", { layer: DarwinDisk.layer, world: nodeWorld, strength })
}

const nowhere = DarwinDisk.layerWith({ libraryPath: "/nonexistent/lib.dylib" })
DiskTest.suite("macOS, without its library", { layer: nowhere, world: nodeWorld, strength: portable })

it("importing and using it where there is no koffi doesn't throw", () => {
  const script = `
    import { registerHooks } from "node:module"
    registerHooks({
      resolve: (specifier, context, next) => {
        if (specifier === "koffi") throw new Error("no koffi")
        return next(specifier, context)
      }
    })
    const { layer } = await import(${JSON.stringify(new URL("../src/DarwinDisk.ts", import.meta.url).href)})
    const { Effect } = await import("effect")
    const { Disk } = await import("@vm-sentinel/core/Disk")
    await Effect.runPromise(Effect.provide(Disk.use((disk) => disk.frame("/")), layer))
    console.log("used")`
  const args = ["--no-warnings", "--input-type=module", "-e", script]
  const { stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8", cwd: import.meta.dirname })
  assert.strictEqual(stdout, "used\n", stderr)
})
