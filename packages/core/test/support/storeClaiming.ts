import { assert } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Disk } from "../../src/Disk.ts"
import { condemnedAt, fresh, textOf } from "./condemning.ts"
import { Interposer } from "./Interposed.ts"
import {
  anonymous,
  claimInto,
  discarding,
  isClaimed,
  places,
  reapingIn,
  reclaimerOf,
  tag,
  untouched,
  workspaceKind
} from "./reaping.ts"
import { ticking } from "./Races.ts"
import type { Tester } from "./storeTester.ts"
import { worldWithoutDirectories } from "./withoutDirectory.ts"

export const tests = <R>({ able, test, world: given }: Tester<R>): void => {
  const world = worldWithoutDirectories(given)
  const { claimedPath, dead, scene } = reapingIn(world)

  for (const where of places) {
    test(`a condemned directory is claimed into ${where}, and removed`, () =>
      Effect.gen(function* () {
        const { condemned, directory, sentinel, sweep, vm } = yield* scene
        yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const claim = yield* claimInto(where, reclaimer, condemned)
            assert.strictEqual(claim.origin, vm)
            assert.strictEqual(claim.state.path, claim.path)
            assert.strictEqual(claim.state.sentinels.length, 1)
            const tree = yield* world.tree(directory)
            assert.notProperty(tree, "vm")
            assert.deepInclude(tree, {
              [`${claim.path.slice(directory.length + 1)}/disk`]: "data",
              [`${claim.path.slice(directory.length + 1)}/.vm-sentinel`]: textOf(sentinel)
            })
            assert.deepStrictEqual(yield* discarding(claim), { stayed: [] })
          })
        )
        assert.deepStrictEqual(yield* world.tree(directory), {})
      }))

    test(`a directory claimed into ${where} is put back whole`, () =>
      Effect.gen(function* () {
        const { condemned, directory, sweep } = yield* scene
        const before = yield* world.tree(directory)
        yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const claim = yield* claimInto(where, reclaimer, condemned)
            yield* claim.restore
            assert.deepInclude(yield* world.tree(directory), untouched)
          })
        )
        assert.deepStrictEqual(yield* world.tree(directory), before)
      }))

    test(`a directory claimed into ${where} isn't put back over another, not even an empty one`, () =>
      Effect.gen(function* () {
        const { condemned, directory, reclaimer, vm } = yield* scene
        const claim = yield* claimInto(where, yield* reclaimer, condemned)
        yield* world.directory(vm)
        const error = yield* Effect.flip(claim.restore)
        assert.deepInclude(error, { _tag: "NameTaken", path: vm, kept: claim.path })
        const tree = yield* world.tree(directory)
        assert.deepInclude(tree, { vm: "directory", [`${claim.path.slice(directory.length + 1)}/disk`]: "data" })
        assert.notProperty(tree, "vm/disk")
        yield* world.remove(vm)
        yield* world.file(vm, "a file")
        assert.strictEqual(yield* tag(claim.restore), "NameTaken")
        yield* world.remove(vm)
        yield* claim.restore
        assert.deepInclude(yield* world.tree(directory), untouched)
      }))

    test(`a directory claimed into ${where} isn't deleted after the scope of the claim, even if it couldn't go back`, () =>
      Effect.gen(function* () {
        const { condemned, directory, reclaimer: opened, vm } = yield* scene
        const reclaimer = yield* opened
        const claim = yield* Effect.scoped(
          Effect.gen(function* () {
            const claim = yield* claimInto(where, reclaimer, condemned)
            yield* world.directory(vm)
            assert.strictEqual(yield* tag(claim.restore), "NameTaken")
            return claim
          })
        )
        assert.strictEqual(yield* tag(discarding(claim)), "Taken")
        assert.property(yield* world.tree(directory), `${claim.path.slice(directory.length + 1)}/disk`)
      }))

    for (const [end, ending] of [
      ["it is done", Effect.void],
      ["it fails", Effect.fail("failed")],
      ["it is interrupted", Effect.interrupt]
    ] as const) {
      test(`a directory claimed into ${where} goes back when the scope of the claim closes: ${end}`, () =>
        Effect.gen(function* () {
          const { condemned, directory, reclaimer: opened, sweep } = yield* scene
          const before = yield* world.tree(directory)
          const reclaimer = yield* opened
          const exit = yield* Effect.exit(Effect.scoped(Effect.andThen(claimInto(where, reclaimer, condemned), ending)))
          assert.strictEqual(Exit.isSuccess(exit), end === "it is done")
          assert.deepInclude(yield* world.tree(directory), untouched)
          const ofSweep = sweep((reclaimer) => Effect.andThen(claimInto(where, reclaimer, condemned), ending))
          yield* Effect.exit(ofSweep)
          assert.deepInclude(anonymous(yield* world.tree(directory)), before)
        }))
    }

    test(`a directory claimed into ${where} stays there when its name was given to another meanwhile`, () =>
      Effect.gen(function* () {
        const { condemned, directory, sweep, vm } = yield* scene
        const path = yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const { path } = yield* claimInto(where, reclaimer, condemned)
            yield* world.file(`${vm}/disk`, "new")
            return path
          })
        )
        assert.deepInclude(yield* world.tree(directory), {
          "vm/disk": "new",
          [`${path.slice(directory.length + 1)}/disk`]: "data"
        })
      }))

    test(`another directory that was put where a claim into ${where} lies is left alone`, () =>
      Effect.gen(function* () {
        const { condemned, directory, sweep } = yield* scene
        const path = yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const { path } = yield* claimInto(where, reclaimer, condemned)
            yield* world.move(path, `${directory}/moved`)
            yield* world.file(`${path}/disk`, "new")
            return path
          })
        )
        const tree = yield* world.tree(directory)
        assert.notProperty(tree, "vm")
        assert.deepInclude(tree, { "moved/disk": "data", [`${path.slice(directory.length + 1)}/disk`]: "new" })
      }))

    // `renameNew`: the change comes between the judgement and the claim. `scan`: between the claim and the second look.
    for (const moment of ["renameNew", "scan"] as const) {
      const changes: ReadonlyArray<readonly [string, (at: string) => ReturnType<typeof world.fifo>]> = [
        ["other bytes in the sentinel", (at) => world.file(`${at}/.vm-sentinel`, textOf(fresh()))],
        [
          "the same bytes in another file",
          (at) =>
            Effect.gen(function* () {
              const text = (yield* world.tree(at))[".vm-sentinel"] ?? ""
              yield* world.file(`${at}/copy`, text)
              yield* world.move(`${at}/copy`, `${at}/.vm-sentinel`)
            })
        ],
        [
          "the same bytes, written again into the same file",
          (at) =>
            Effect.gen(function* () {
              yield* world.file(`${at}/.vm-sentinel`, (yield* world.tree(at))[".vm-sentinel"] ?? "")
              // The clock of a file system may not have moved on since the first time.
              yield* world.setTime(`${at}/.vm-sentinel`, 86_400_000)
            })
        ],
        ["another sentinel", (at) => world.file(`${at}/.vm-sentinel.helper`, textOf(fresh()))],
        ["no sentinel any more", (at) => world.remove(`${at}/.vm-sentinel`)],
        [
          "a FIFO for a sentinel",
          (at) => Effect.andThen(world.remove(`${at}/.vm-sentinel`), world.fifo(`${at}/.vm-sentinel`))
        ],
        ["brood-box's sentinel too", (at) => world.file(`${at}/.bbox-sentinel`, "17\n/usr/bin/bbox")],
        ["go-microvm's state too", (at) => world.file(`${at}/data/go-microvm-state.json`, "{}")]
      ]
      for (const [change, make] of changes) {
        test(`scenario 41: ${change}, before ${moment}: the claim into ${where} is Changed and goes back`, () =>
          Effect.gen(function* () {
            const { condemned, directory, reclaimer, vm } = yield* scene
            const interposer = yield* Interposer
            let changed: Readonly<Record<string, string>> = {}
            const change = Effect.gen(function* () {
              const at = moment === "scan" ? yield* claimedPath(directory) : vm
              yield* make(at)
              changed = yield* world.tree(at)
            })
            // The filter skips the rename of the workspace and the look under the lock.
            yield* interposer.before(moment, change, (path) => (moment === "scan" ? isClaimed(path) : path === vm))
            assert.strictEqual(yield* tag(claimInto(where, yield* reclaimer, condemned)), "Changed")
            assert.deepStrictEqual(yield* world.tree(vm), changed)
            assert.strictEqual(changed["disk"], "data")
          }))
      }
    }
  }

  test("scenario 41: another directory under the judged name is put back", () =>
    Effect.gen(function* () {
      const { condemned, directory, sentinel, sweep, vm } = yield* scene
      yield* world.move(vm, `${directory}/elsewhere`)
      yield* world.file(`${vm}/.vm-sentinel`, textOf(sentinel))
      yield* world.file(`${vm}/disk`, "new")
      const before = yield* world.tree(directory)
      assert.strictEqual(yield* tag(sweep((reclaimer) => reclaimer.claim(condemned))), "Changed")
      assert.deepStrictEqual(yield* world.tree(directory), before)
    }))

  test("scenario 41: a directory whose owner came and let go of the lock since isn't even moved", () =>
    Effect.gen(function* () {
      const interposer = yield* Interposer
      const { condemned, reclaimer: opened, store, vm } = yield* scene
      if ((yield* store.probeLock(vm)) === "unknown") return
      const reclaimer = yield* opened
      yield* Effect.scoped(Effect.flatMap(reclaimer.claim(condemned), ({ restore }) => restore))
      yield* world.file(`${vm}/.vm-sentinel`, textOf(fresh()))
      yield* interposer.calls
      assert.strictEqual(yield* tag(reclaimer.claim(condemned)), "Changed")
      assert.notInclude(yield* interposer.calls, "renameNew")
    }))

  test("a claim that is to go back where the name was given away stays, whole", () =>
    Effect.gen(function* () {
      const { condemned, directory, sweep, vm } = yield* scene
      const interposer = yield* Interposer
      let path = ""
      const given = Effect.gen(function* () {
        path = yield* claimedPath(directory)
        yield* world.file(`${path}/.vm-sentinel`, textOf(fresh()))
        yield* world.directory(vm)
      })
      yield* interposer.before("scan", given, isClaimed)
      const error = yield* Effect.flip(sweep((reclaimer) => reclaimer.claim(condemned)))
      assert.deepInclude(error, { _tag: "NameTaken", path: vm, kept: path })
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "data", vm: "directory" })
    }))

  test("what is gone, or no directory any more, is Taken, and what is there now is left alone", () =>
    Effect.gen(function* () {
      const { condemned, directory, reclaimer: opened, sweep, vm } = yield* scene
      const interposer = yield* Interposer
      const reclaimer = yield* opened
      yield* interposer.before("renameNew", world.move(vm, `${directory}/elsewhere`), (path) => path === vm)
      assert.strictEqual(yield* tag(reclaimer.claim(condemned)), "Taken")
      const inPlace = sweep((reclaimer) => claimInto("the root, in place", reclaimer, condemned))
      assert.strictEqual(yield* tag(inPlace), "Taken")
      yield* world.symlink(vm, `${directory}/elsewhere`)
      assert.strictEqual(yield* tag(reclaimer.claim(condemned)), "Taken")
      yield* world.remove(vm)
      yield* world.file(vm, "a file")
      assert.strictEqual(yield* tag(reclaimer.claim(condemned)), "Taken")
      assert.deepInclude(yield* world.tree(directory), { vm: "a file", "elsewhere/disk": "data" })
    }))

  test("scenario 48: a directory swapped for a symbolic link right before the claim is Taken, the link goes back", () =>
    Effect.gen(function* () {
      const { condemned, directory, reclaimer, vm } = yield* scene
      const interposer = yield* Interposer
      const swap = Effect.andThen(world.move(vm, `${directory}/elsewhere`), world.symlink(vm, `${directory}/elsewhere`))
      yield* interposer.before("renameNew", swap, (path) => path === vm)
      assert.strictEqual(yield* tag((yield* reclaimer).claim(condemned)), "Taken")
      const tree = yield* world.tree(directory)
      assert.deepInclude(tree, { vm: `-> ${directory}/elsewhere`, "elsewhere/disk": "data" })
    }))

  test("claims nothing that lies elsewhere, and nothing of a sweep's own", () =>
    Effect.gen(function* () {
      const { condemned, directory, reclaimer: opened, store, sweep } = yield* scene
      const before = yield* world.tree(directory)
      const other = yield* world.scratch
      const ofOther = yield* reclaimerOf(store, yield* store.openRoot(other))
      assert.strictEqual(yield* tag(ofOther.claim(condemned)), "Changed")
      assert.deepStrictEqual(yield* world.tree(directory), before)
      const reclaimer = yield* opened
      const { path } = yield* reclaimer.claim(condemned)
      const ofWorkspace = yield* condemnedAt(store, path.replace("/claimed/vm", ""), workspaceKind)
      const ofClaim = yield* condemnedAt(store, path)
      for (const right of [ofWorkspace, ofClaim]) {
        assert.strictEqual(yield* tag(reclaimer.claim(right)), "Changed")
        const inPlace = sweep((reclaimer) => claimInto("the root, in place", reclaimer, right))
        assert.strictEqual(yield* tag(inPlace), "Changed")
      }
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "data" })
      assert.notProperty(yield* world.tree(directory), "vm")
    }))

  test("keeps names of 255 bytes", () =>
    Effect.gen(function* () {
      const { directory, reclaimer: opened, store } = yield* scene
      const name = "x".repeat(255)
      yield* world.file(`${directory}/${name}/.vm-sentinel`, textOf(fresh()))
      const right = yield* condemnedAt(store, `${directory}/${name}`)
      const reclaimer = yield* opened
      yield* Effect.scoped(Effect.flatMap(reclaimer.claim(right), ({ restore }) => restore))
      assert.property(yield* world.tree(directory), name)
      yield* discarding(yield* reclaimer.claim(right))
      assert.notProperty(yield* world.tree(directory), name)
    }))

  able(world.bindMount, "scenario 46: a directory with a mount in it, or on it, is left untouched", (bindMount) =>
    Effect.gen(function* () {
      const { condemned, directory, sweep, vm } = yield* scene
      yield* world.file(`${directory}/source/file`, "source")
      yield* world.directory(`${vm}/mnt`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bindMount(`${directory}/source`, `${vm}/mnt`)
          const before = yield* world.tree(directory)
          for (const where of places) {
            const error = yield* Effect.flip(sweep((reclaimer) => claimInto(where, reclaimer, condemned)))
            assert.deepInclude(error, { _tag: "MountInside", path: vm, mount: `${vm}/mnt` })
          }
          assert.deepStrictEqual(yield* world.tree(directory), before)
        })
      )
      // The mount comes between the look and the rename. The kernel refuses the rename with EBUSY.
      const interposer = yield* Interposer
      yield* interposer.before("renameNew", bindMount(`${directory}/source`, vm), (path) => path === vm)
      assert.strictEqual(yield* tag(sweep((reclaimer) => reclaimer.claim(condemned))), "MountInside")
      assert.deepInclude(yield* world.tree(directory), { "source/file": "source", "vm/file": "source" })
    })
  )

  test("a directory that a sweep claims is locked, and so is its workspace, until its scope closes", () =>
    Effect.gen(function* () {
      const { condemned, store, sweep, vm } = yield* scene
      if ((yield* store.probeLock(vm)) === "unknown") return
      yield* sweep((reclaimer) =>
        Effect.gen(function* () {
          const claim = yield* reclaimer.claim(condemned)
          assert.isTrue(claim.isLocked)
          for (const path of [claim.path.replace("/claimed/vm", ""), claim.path]) {
            assert.strictEqual(yield* store.probeLock(path), "exclusive")
          }
          yield* claim.restore
          assert.strictEqual(yield* store.probeLock(vm), "exclusive")
        })
      )
      assert.strictEqual(yield* store.probeLock(vm), "free")
    }))

  test("scenario 69: a directory whose lock an owner holds isn't claimed, whatever was judged", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const { condemned, directory, store, sweep, vm } = yield* scene
      if ((yield* store.probeLock(vm)) === "unknown") return
      const before = yield* world.tree(directory)
      yield* disk.lock(vm, { mode: "shared", test: false })
      yield* ticking
      for (const where of places) {
        const claimed = yield* Effect.flip(sweep((reclaimer) => claimInto(where, reclaimer, condemned)))
        assert.deepInclude(claimed, { _tag: "LockBusy", mode: "shared" })
      }
      assert.deepStrictEqual(yield* world.tree(directory), before)
    }))

  test("scenario 88: a lock that a stranger holds exclusively is LockBusy, and Taken while another sweep is at work", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const { condemned, directory, store, sweep, vm } = yield* scene
      if ((yield* store.probeLock(vm)) === "unknown") return
      yield* dead(`${directory}/other`)
      const right = yield* condemnedAt(store, `${directory}/other`)
      yield* disk.lock(vm, { mode: "exclusive", test: false })
      const before = yield* world.tree(directory)
      yield* ticking
      const claimed = yield* Effect.flip(sweep((reclaimer) => reclaimer.claim(condemned)))
      assert.deepInclude(claimed, { _tag: "LockBusy", path: vm, mode: "exclusive" })
      yield* sweep((reclaimer) =>
        Effect.gen(function* () {
          yield* reclaimer.claim(right)
          assert.strictEqual(yield* tag(sweep((other) => other.claim(condemned))), "Taken")
        })
      )
      const inRoot = sweep((reclaimer) => claimInto("the root, in place", reclaimer, condemned))
      assert.strictEqual(yield* tag(inRoot), "Taken", "without a workspace it can't be told")
      yield* world.file(`${vm}/.vm-sentinel.removing`, textOf(fresh()))
      assert.strictEqual(
        yield* tag(sweep((reclaimer) => reclaimer.claim(condemned))),
        "Taken",
        "one that is removed there"
      )
      yield* world.remove(`${vm}/.vm-sentinel.removing`)
      assert.deepStrictEqual(yield* world.tree(directory), before)
    }))
}
