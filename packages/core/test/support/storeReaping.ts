import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Disk, type DiskError } from "../../src/Disk.ts"
import { type Claim, type Root, SentinelStore, type Workspace } from "../../src/SentinelStore.ts"
import { condemned, condemnedAt, fresh, textOf } from "./condemning.ts"
import { Interposer } from "./Interposed.ts"
import type { Tester } from "./storeTester.ts"

const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

const nonces = /\.vm-sentinel-reap\.[0-9a-f]{8,32}/g

/** A tree with the random part of the names of workspaces left out. */
const anonymous = (tree: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(tree).map(([path, kind]) => [path.replace(nonces, "WS"), kind]))

export const tests = <R>({ able, test, world }: Tester<R>): void => {
  /** A root with one VM, dead, and a workspace. */
  const scene = Effect.gen(function* () {
    const store = yield* SentinelStore
    const directory = yield* world.scratch
    const vm = `${directory}/vm`
    const sentinel = fresh()
    yield* world.file(`${vm}/.vm-sentinel`, textOf(sentinel))
    yield* world.file(`${vm}/disk`, "data")
    const root = yield* store.openRoot(directory)
    const workspace = yield* store.openWorkspace(root, fresh())
    return { store, directory, root, sentinel, vm, workspace, condemned: yield* condemnedAt(store, vm) }
  })

  const untouched = { vm: "directory", "vm/disk": "data" }

  const discarding = Effect.fnUntraced(function* (store: SentinelStore["Service"], claim: Claim) {
    return yield* store.discard(claim, yield* condemned(claim.holding))
  })

  test("a workspace is born with its sentinel, is ours alone, and goes without a trace", () =>
    Effect.gen(function* () {
      const [disk, store] = [yield* Disk, yield* SentinelStore]
      const directory = yield* world.scratch
      const root = yield* store.openRoot(directory)
      const sentinel = fresh()
      const workspace = yield* store.openWorkspace(root, sentinel)
      assert.deepStrictEqual(anonymous(yield* world.tree(directory)), {
        WS: "directory",
        "WS/.vm-sentinel": textOf(sentinel),
        "WS/claimed": "directory",
        "WS/dead": "directory"
      })
      assert.strictEqual((yield* disk.lstat(workspace.path)).mode, 0o700)
      assert.strictEqual(workspace.root, directory)
      assert.deepStrictEqual(yield* store.leftovers(workspace), { claimed: [], dead: [] })
      yield* store.closeWorkspace(workspace)
      assert.deepStrictEqual(yield* world.tree(directory), {})
      yield* store.closeWorkspace(workspace)
    }))

  for (const method of ["makeDirectory", "create", "link", "renameNew"] as const) {
    test(`a workspace that can't be made (${method}) leaves nothing`, () =>
      Effect.gen(function* () {
        const [interposer, store] = [yield* Interposer, yield* SentinelStore]
        const directory = yield* world.scratch
        const root = yield* store.openRoot(directory)
        for (const errno of ["ENOSPC", "EIO"]) {
          yield* interposer.fail(method, errno)
          assert.deepInclude(yield* Effect.flip(store.openWorkspace(root, fresh())), { _tag: "StoreFailure", errno })
          assert.deepStrictEqual(yield* world.tree(directory), {})
        }
        yield* interposer.fail(method, "EACCES")
        assert.strictEqual(yield* tag(store.openWorkspace(root, fresh())), "PermissionDenied")
      }))
  }

  test("a workspace that something had to stay in is given up", () =>
    Effect.gen(function* () {
      const { condemned, directory, store, workspace } = yield* scene
      yield* store.claim(workspace, condemned)
      yield* store.closeWorkspace(workspace)
      assert.deepStrictEqual(Object.keys(anonymous(yield* world.tree(directory))), [
        "WS",
        "WS/claimed",
        "WS/claimed/vm",
        "WS/claimed/vm/.vm-sentinel",
        "WS/claimed/vm/disk",
        "WS/dead"
      ])
    }))

  for (const isInherited of [true, false]) {
    test(`an abandoned workspace ${isInherited ? "with the sentinel of a dead sweep" : "without a sentinel"} is taken over, once`, () =>
      Effect.gen(function* () {
        const { condemned, directory, root, store, workspace } = yield* scene
        yield* store.claim(workspace, condemned)
        if (!isInherited) yield* store.closeWorkspace(workspace)
        const right = yield* condemnedAt(store, workspace.path, "workspace")
        const sentinel = fresh()
        const adopted = yield* store.adopt(root, right, sentinel)
        assert.notStrictEqual(adopted.path, workspace.path)
        assert.deepStrictEqual(yield* store.leftovers(adopted), { claimed: ["vm"], dead: [] })
        const tree = anonymous(yield* world.tree(directory))
        assert.strictEqual(tree["WS/.vm-sentinel"], textOf(sentinel))
        assert.notInclude(Object.keys(tree).join(" "), "old-")
        assert.strictEqual(yield* tag(store.adopt(root, right, fresh())), "Taken")
        const claim = yield* store.resumeClaim(adopted, "vm")
        yield* discarding(store, claim)
        yield* store.closeWorkspace(adopted)
        assert.deepStrictEqual(yield* world.tree(directory), {})
      }))
  }

  test("a workspace whose taking over was itself cut short is still taken over", () =>
    Effect.gen(function* () {
      const { condemned, directory, root, store, workspace } = yield* scene
      yield* store.claim(workspace, condemned)
      // Killed after the old sentinel was moved aside, and again after the new one appeared.
      yield* world.move(`${workspace.path}/.vm-sentinel`, `${workspace.path}/.vm-sentinel.old-0123abcd`)
      yield* world.file(`${workspace.path}/.vm-sentinel-tmp.1`, "half")
      const once = yield* store.adopt(root, yield* condemnedAt(store, workspace.path, "workspace"), fresh())
      yield* world.file(`${once.path}/.vm-sentinel.old-4567cdef`, textOf(fresh()))
      const twice = yield* store.adopt(root, yield* condemnedAt(store, once.path, "workspace"), fresh())
      yield* store.restore(yield* store.resumeClaim(twice, "vm"))
      yield* store.closeWorkspace(twice)
      assert.deepInclude(yield* world.tree(directory), untouched)
      assert.notMatch(Object.keys(yield* world.tree(directory)).join(" "), nonces)
    }))

  test("a workspace whose sweep isn't gone after all is put back", () =>
    Effect.gen(function* () {
      const { directory, root, store, workspace } = yield* scene
      const right = yield* condemnedAt(store, workspace.path, "workspace")
      yield* world.file(`${workspace.path}/.vm-sentinel`, textOf(fresh()))
      const before = yield* world.tree(directory)
      assert.strictEqual(yield* tag(store.adopt(root, right, fresh())), "Changed")
      assert.deepStrictEqual(yield* world.tree(directory), before)
    }))

  test("an unfinished workspace is removed when it is a minute old, and not before", () =>
    Effect.gen(function* () {
      const [disk, store] = [yield* Disk, yield* SentinelStore]
      const directory = yield* world.scratch
      const entry = ".vm-sentinel-reap.0.new"
      const path = `${directory}/${entry}`
      yield* world.file(`${path}/.vm-sentinel`, "17")
      yield* world.directory(`${path}/claimed`)
      const staged = { kind: "staged", entry, path } as const
      yield* world.setTime(path, 1000)
      yield* TestClock.setTime(60_999)
      yield* store.discardStaged(staged)
      assert.strictEqual((yield* disk.lstat(path)).type, "directory")
      yield* TestClock.setTime(61_000)
      yield* store.discardStaged(staged)
      assert.deepStrictEqual(yield* world.tree(directory), {})
      yield* store.discardStaged(staged)
    }))

  test("an unfinished directory that is finished after all is left alone", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      const entry = ".vm-sentinel-reap.0.new"
      yield* world.file(`${directory}/${entry}/.vm-sentinel`, "17")
      yield* world.setTime(`${directory}/${entry}`, 0)
      yield* TestClock.setTime(3_600_000)
      yield* interposer.before("rename", world.move(`${directory}/${entry}`, `${directory}/vm`))
      yield* store.discardStaged({ kind: "staged", entry, path: `${directory}/${entry}` })
      assert.deepStrictEqual(yield* world.tree(directory), { vm: "directory", "vm/.vm-sentinel": "17" })
    }))

  for (const where of ["a workspace", "the root, in place"]) {
    const pick = (workspace: Workspace, root: Root) => (where === "a workspace" ? workspace : root)

    test(`a condemned directory is claimed into ${where}, and removed`, () =>
      Effect.gen(function* () {
        const { condemned, directory, root, sentinel, store, vm, workspace } = yield* scene
        const claim = yield* store.claim(pick(workspace, root), condemned)
        assert.deepInclude(claim, { entry: "vm", origin: vm })
        assert.strictEqual(claim.holding.sentinels.length, 1)
        const tree = yield* world.tree(directory)
        assert.notProperty(tree, "vm")
        assert.deepInclude(tree, {
          [`${claim.path.slice(directory.length + 1)}/disk`]: "data",
          [`${claim.path.slice(directory.length + 1)}/.vm-sentinel`]: textOf(sentinel)
        })
        yield* discarding(store, claim)
        yield* store.closeWorkspace(workspace)
        assert.deepStrictEqual(yield* world.tree(directory), {})
      }))

    test(`a directory claimed into ${where} is put back whole`, () =>
      Effect.gen(function* () {
        const { condemned, directory, root, store, workspace } = yield* scene
        const before = yield* world.tree(directory)
        yield* store.restore(yield* store.claim(pick(workspace, root), condemned))
        assert.deepStrictEqual(yield* world.tree(directory), before)
      }))

    test(`a directory claimed into ${where} isn't put back over another, not even an empty one`, () =>
      Effect.gen(function* () {
        const { condemned, directory, root, store, vm, workspace } = yield* scene
        const claim = yield* store.claim(pick(workspace, root), condemned)
        yield* world.directory(vm)
        const error = yield* Effect.flip(store.restore(claim))
        assert.deepInclude(error, { _tag: "NameTaken", path: vm, kept: claim.path })
        const tree = yield* world.tree(directory)
        assert.deepInclude(tree, { vm: "directory", [`${claim.path.slice(directory.length + 1)}/disk`]: "data" })
        assert.notProperty(tree, "vm/disk")
        yield* world.remove(vm)
        yield* world.file(vm, "a file")
        assert.strictEqual(yield* tag(store.restore(claim)), "NameTaken")
        yield* world.remove(vm)
        yield* store.restore(claim)
        assert.deepInclude(yield* world.tree(directory), untouched)
      }))

    test(`what was claimed into ${where} is taken up again`, () =>
      Effect.gen(function* () {
        const { condemned, directory, root, store, vm, workspace } = yield* scene
        const place = pick(workspace, root)
        const claim = yield* store.claim(place, condemned)
        const entry = place === root ? claim.path.slice(directory.length + 1) : "vm"
        const resumed = yield* store.resumeClaim(place, entry)
        assert.deepInclude(resumed, { entry: "vm", origin: vm, path: claim.path })
        assert.deepStrictEqual(resumed.holding, claim.holding)
        yield* discarding(store, resumed)
        assert.strictEqual(yield* tag(discarding(store, claim)), "Taken")
        assert.strictEqual(yield* tag(store.resumeClaim(place, entry)), "NotFound")
      }))

    // What may happen between the judgement and the claim, and between the claim and the second look.
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
            const { condemned, directory, root, store, vm, workspace } = yield* scene
            const interposer = yield* Interposer
            let changed: Readonly<Record<string, string>> = {}
            const change = Effect.gen(function* () {
              const at = moment === "scan" ? yield* claimedPath(directory) : vm
              yield* make(at)
              changed = yield* world.tree(at)
            })
            yield* interposer.before(moment, change)
            assert.strictEqual(yield* tag(store.claim(pick(workspace, root), condemned)), "Changed")
            assert.deepStrictEqual(yield* world.tree(vm), changed)
            assert.strictEqual(changed["disk"], "data")
          }))
      }
    }
  }

  /** Where the one claimed directory lies. */
  const claimedPath = (directory: string) =>
    Effect.map(world.tree(directory), (tree) => {
      const found = Object.keys(tree).find((path) => /(claimed\/|claimed=)vm$/.test(path))
      return `${directory}/${found ?? "none claimed"}`
    })

  test("scenario 41: another directory under the judged name is put back", () =>
    Effect.gen(function* () {
      const { condemned, directory, sentinel, store, vm, workspace } = yield* scene
      yield* world.move(vm, `${directory}/elsewhere`)
      yield* world.file(`${vm}/.vm-sentinel`, textOf(sentinel))
      yield* world.file(`${vm}/disk`, "new")
      const before = yield* world.tree(directory)
      assert.strictEqual(yield* tag(store.claim(workspace, condemned)), "Changed")
      assert.deepStrictEqual(yield* world.tree(directory), before)
    }))

  test("a claim that is to go back where the name was given away stays, whole", () =>
    Effect.gen(function* () {
      const { condemned, directory, store, vm, workspace } = yield* scene
      const interposer = yield* Interposer
      const given = Effect.gen(function* () {
        yield* world.file(`${yield* claimedPath(directory)}/.vm-sentinel`, textOf(fresh()))
        yield* world.directory(vm)
      })
      yield* interposer.before("scan", given)
      const error = yield* Effect.flip(store.claim(workspace, condemned))
      assert.deepInclude(error, { _tag: "NameTaken", path: vm, kept: `${workspace.path}/claimed/vm` })
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "data", vm: "directory" })
    }))

  test("what is gone, or no directory any more, is Taken, and what is there now is left alone", () =>
    Effect.gen(function* () {
      const { condemned, directory, root, store, vm, workspace } = yield* scene
      const interposer = yield* Interposer
      yield* interposer.before("renameNew", world.move(vm, `${directory}/elsewhere`))
      assert.strictEqual(yield* tag(store.claim(workspace, condemned)), "Taken")
      assert.strictEqual(yield* tag(store.claim(root, condemned)), "Taken")
      yield* world.symlink(vm, `${directory}/elsewhere`)
      assert.strictEqual(yield* tag(store.claim(workspace, condemned)), "Taken")
      yield* world.remove(vm)
      yield* world.file(vm, "a file")
      assert.strictEqual(yield* tag(store.claim(workspace, condemned)), "Taken")
      assert.deepInclude(yield* world.tree(directory), { vm: "a file", "elsewhere/disk": "data" })
    }))

  test("scenario 48: a directory swapped for a symbolic link right before the claim is Taken, the link goes back", () =>
    Effect.gen(function* () {
      const { condemned, directory, store, vm, workspace } = yield* scene
      const interposer = yield* Interposer
      const swap = Effect.andThen(world.move(vm, `${directory}/elsewhere`), world.symlink(vm, `${directory}/elsewhere`))
      yield* interposer.before("renameNew", swap)
      assert.strictEqual(yield* tag(store.claim(workspace, condemned)), "Taken")
      const tree = yield* world.tree(directory)
      assert.deepInclude(tree, { vm: `-> ${directory}/elsewhere`, "elsewhere/disk": "data" })
    }))

  test("claims nothing that lies elsewhere, and nothing of a sweep's own", () =>
    Effect.gen(function* () {
      const { condemned, directory, root, store, vm, workspace } = yield* scene
      const other = yield* world.scratch
      const otherRoot = yield* store.openRoot(other)
      assert.strictEqual(yield* tag(store.claim(otherRoot, condemned)), "Changed")
      yield* store.claim(workspace, condemned)
      const ofWorkspace = yield* condemnedAt(store, workspace.path, "workspace")
      for (const place of [workspace, root]) {
        assert.strictEqual(yield* tag(store.claim(place, ofWorkspace)), "Changed")
      }
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "data" })
      assert.notProperty(yield* world.tree(directory), vm)
    }))

  test("keeps names of 255 bytes", () =>
    Effect.gen(function* () {
      const { directory, store, workspace } = yield* scene
      const vm = `${directory}/${"x".repeat(255)}`
      yield* world.file(`${vm}/.vm-sentinel`, textOf(fresh()))
      const claim = yield* store.claim(workspace, yield* condemnedAt(store, vm))
      yield* store.restore(claim)
      assert.property(yield* world.tree(directory), "x".repeat(255))
      yield* discarding(store, yield* store.claim(workspace, yield* condemnedAt(store, vm)))
      assert.notProperty(yield* world.tree(directory), "x".repeat(255))
    }))

  able(world.bindMount, "scenario 46: a directory with a mount in it, or on it, is left untouched", (bindMount) =>
    Effect.gen(function* () {
      const { condemned, directory, root, store, vm, workspace } = yield* scene
      yield* world.file(`${directory}/source/file`, "source")
      yield* world.directory(`${vm}/mnt`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* bindMount(`${directory}/source`, `${vm}/mnt`)
          const before = yield* world.tree(directory)
          for (const place of [workspace, root]) {
            const error = yield* Effect.flip(store.claim(place, condemned))
            assert.deepInclude(error, { _tag: "MountInside", path: vm, mount: `${vm}/mnt` })
          }
          assert.deepStrictEqual(yield* world.tree(directory), before)
        })
      )
      // Mounted on it between the look and the rename, which the kernel refuses with EBUSY.
      const interposer = yield* Interposer
      yield* interposer.before("renameNew", bindMount(`${directory}/source`, vm))
      assert.strictEqual(yield* tag(store.claim(workspace, condemned)), "MountInside")
      assert.deepInclude(yield* world.tree(directory), { "source/file": "source", "vm/file": "source" })
    })
  )

  able(world.bindMount, "scenario 46: a mount made after the claim isn't emptied", (bindMount) =>
    Effect.gen(function* () {
      const { condemned, directory, store, workspace } = yield* scene
      yield* world.file(`${directory}/source/file`, "source")
      const claim = yield* store.claim(workspace, condemned)
      const mounted = `${workspace.path}/dead/vm/mnt`
      yield* world.directory(`${claim.path}/mnt`)
      const interposer = yield* Interposer
      yield* interposer.before("removeTree", bindMount(`${directory}/source`, mounted))
      assert.strictEqual(yield* tag(discarding(store, claim)), "StoreFailure")
      assert.deepInclude(yield* world.tree(directory), { "source/file": "source" })
    })
  )

  test("discards nothing by the judgement of another directory, or of another time", () =>
    Effect.gen(function* () {
      const { condemned: ofOrigin, directory, root, store, workspace } = yield* scene
      yield* world.file(`${directory}/other/.vm-sentinel`, textOf(fresh()))
      const ofOther = yield* condemnedAt(store, `${directory}/other`)
      const claim = yield* store.claim(workspace, ofOrigin)
      assert.strictEqual(yield* tag(store.discard(claim, ofOther)), "Changed")
      const other = yield* store.claim(root, ofOther)
      assert.strictEqual(yield* tag(store.discard(other, ofOrigin)), "Changed")
      assert.strictEqual(yield* tag(store.discard({ ...claim, holding: other.holding }, ofOther)), "Changed")
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "data" })
      // Another directory was put where the claim lies.
      yield* world.move(claim.path, `${directory}/moved`)
      yield* world.file(`${claim.path}/disk`, "new")
      assert.strictEqual(yield* tag(discarding(store, claim)), "Changed")
      assert.deepInclude(anonymous(yield* world.tree(directory)), {
        "WS/claimed/vm/disk": "new",
        "moved/disk": "data"
      })
    }))

  test("deletes only the directory that was claimed, though another takes its place at the last moment", () =>
    Effect.gen(function* () {
      const { condemned, directory, store, workspace } = yield* scene
      const claim = yield* store.claim(workspace, condemned)
      const interposer = yield* Interposer
      const swap = Effect.andThen(world.move(claim.path, `${directory}/moved`), world.file(`${claim.path}/disk`, "new"))
      yield* interposer.before("renameNew", swap)
      yield* interposer.calls
      assert.strictEqual(yield* tag(discarding(store, claim)), "Changed")
      assert.notInclude(yield* interposer.calls, "removeTree")
      // What took the place is back there, to be judged, and not among what is to be deleted.
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "new", "moved/disk": "data" })
    }))

  able(
    world.stubborn,
    "scenario 50: what can't be removed stays marked, with its sentinel, and is finished later",
    (stubborn) =>
      Effect.gen(function* () {
        const { condemned, directory, root, store, vm, workspace } = yield* scene
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* stubborn(`${vm}/stubborn`)
            const claim = yield* store.claim(workspace, condemned)
            assert.strictEqual(yield* tag(discarding(store, claim)), "PermissionDenied")
            assert.deepStrictEqual(Object.keys(yield* world.tree(`${workspace.path}/dead/vm`)), [
              ".vm-sentinel",
              "stubborn",
              "stubborn/kept"
            ])
            yield* store.closeWorkspace(workspace)
            yield* world.setMode(directory, 0o700)
          })
        )
        const right = yield* condemnedAt(store, workspace.path, "workspace")
        const adopted = yield* store.adopt(root, right, fresh())
        assert.deepStrictEqual(yield* store.leftovers(adopted), { claimed: [], dead: ["vm"] })
        if ((yield* world.tree(adopted.path))["dead/vm/stubborn"] !== undefined) {
          yield* world.setMode(`${adopted.path}/dead/vm/stubborn`, 0o700)
        }
        yield* store.finish(adopted, right, "vm")
        yield* store.closeWorkspace(adopted)
        assert.deepStrictEqual(yield* world.tree(directory), {})
      })
  )

  for (const [when, meanwhile, isTold] of [
    ["some of it is left", () => Effect.void, false],
    ["all of it is gone, is told so", ({ grave }, disk) => disk.removeTree(grave), true],
    [
      "another sweep has taken it, and will tell",
      (_, disk, { path, root }) => disk.rename(path, `${root}/.vm-sentinel-reap.0123`),
      false
    ]
  ] satisfies ReadonlyArray<
    readonly [
      string,
      (claim: Claim, disk: Disk["Service"], workspace: Workspace) => Effect.Effect<unknown, DiskError>,
      boolean
    ]
  >) {
    test(`who interrupts a deletion where ${when}`, () =>
      Effect.gen(function* () {
        const [disk, interposer] = [yield* Disk, yield* Interposer]
        const { condemned: right, directory, store, workspace } = yield* scene
        const claim = yield* store.claim(workspace, right)
        const ofClaim = yield* condemned(claim.holding)
        let deleting: Fiber.Fiber<unknown, unknown> | undefined
        const interrupt = Effect.gen(function* () {
          yield* interposer.before("lstat", meanwhile(claim, disk, workspace), (path) => path === claim.grave)
          deleting?.interruptUnsafe()
          yield* Effect.yieldNow
        })
        yield* interposer.before("removeTree", interrupt)
        const discarding = store.discard(claim, ofClaim, Effect.interruptible)
        deleting = yield* Effect.forkChild(discarding, { uninterruptible: true })
        const exit = yield* Fiber.await(deleting)
        if (isTold) assert.deepStrictEqual(exit, Exit.void)
        else assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        const isLeft = Object.keys(yield* world.tree(directory)).some((path) => path.endsWith("/vm/disk"))
        assert.strictEqual(isLeft, !isTold)
      }))
  }

  test("finishes a deletion in a workspace by the judgement that it was adopted by, and by no other", () =>
    Effect.gen(function* () {
      const { directory, root, store, vm, workspace } = yield* scene
      yield* world.file(`${workspace.path}/dead/gone/disk`, "half")
      const right = yield* condemnedAt(store, workspace.path, "workspace")
      assert.strictEqual(yield* tag(store.finish(workspace, right, "gone")), "Changed", "not adopted")
      const adopted = yield* store.adopt(root, right, fresh())
      const ofVm = yield* condemnedAt(store, vm)
      assert.strictEqual(yield* tag(store.finish(adopted, ofVm, "gone")), "Changed", "another judgement")
      assert.strictEqual(yield* tag(store.finish({ ...adopted }, right, "gone")), "Changed", "a copy")
      assert.strictEqual(yield* tag(store.finish(adopted, right, "../../vm")), "Changed", "a way out")
      assert.strictEqual(yield* tag(store.finish(adopted, right, "missing")), "Taken")
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/dead/gone/disk": "half", "vm/disk": "data" })
      yield* store.finish(adopted, right, "gone")
      yield* store.closeWorkspace(adopted)
      assert.notMatch(Object.keys(yield* world.tree(directory)).join(" "), nonces)
    }))

  test("finishes a deletion marked in place, once, and nothing that isn't marked so", () =>
    Effect.gen(function* () {
      const { directory, root, store, vm } = yield* scene
      const entry = ".vm-sentinel-reap.0123abcd.dead=gone"
      yield* world.file(`${directory}/${entry}/disk`, "half")
      const right = yield* condemnedAt(store, `${directory}/${entry}`, "remains")
      const ofVm = yield* condemnedAt(store, vm)
      assert.strictEqual(yield* tag(store.finish(root, ofVm, "vm")), "Changed")
      assert.strictEqual(yield* tag(store.finish(root, ofVm, entry)), "Changed")
      assert.strictEqual(yield* tag(store.finish(root, right, "vm")), "Changed")
      assert.deepInclude(yield* world.tree(directory), { [`${entry}/disk`]: "half", "vm/disk": "data" })
      yield* store.finish(root, right, entry)
      assert.strictEqual(yield* tag(store.finish(root, right, entry)), "Taken")
      assert.notInclude(Object.keys(yield* world.tree(directory)).join(" "), "dead=")
    }))

  able(world.bindMount, "finishes no deletion across a mount", (bindMount) =>
    Effect.gen(function* () {
      const { directory, root, store, workspace } = yield* scene
      yield* world.file(`${directory}/source/file`, "source")
      yield* world.directory(`${workspace.path}/dead/gone/mnt`)
      const right = yield* condemnedAt(store, workspace.path, "workspace")
      const adopted = yield* store.adopt(root, right, fresh())
      yield* bindMount(`${directory}/source`, `${adopted.path}/dead/gone/mnt`)
      const error = yield* Effect.flip(store.finish(adopted, right, "gone"))
      assert.strictEqual(error._tag, "StoreFailure")
      assert.deepInclude(anonymous(yield* world.tree(directory)), {
        "source/file": "source",
        "WS/dead/gone/mnt/file": "source"
      })
    })
  )
}
