import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Condemned, Kind } from "../../src/Condemned.ts"
import { Disk, type DiskError } from "../../src/Disk.ts"
import { tagOf } from "../../src/Holding.ts"
import type { Sentinel } from "../../src/Sentinel.ts"
import { type Claim, type OwnSentinel, type Root, SentinelStore, type Workspace } from "../../src/SentinelStore.ts"
import { undirectedIn } from "./undirected.ts"
import { condemned, condemnedAt, fresh, textOf } from "./condemning.ts"
import { Interposer } from "./Interposed.ts"
import { ticking } from "./Stage.ts"
import type { Tester } from "./storeTester.ts"

const workspaceKind: Kind = { _tag: "Workspace" }
const remainsKind: Kind = { _tag: "Remains", tags: [] }

const nothingBelow = () => false

const isClaimed = (path: string): boolean => /claimed[/=]vm$/.test(path)

/** The sweep's own sentinel, whatever lock it has. */
const own = (sentinel: Sentinel) => () => Effect.succeed(sentinel)

const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

const nonces = /\.vm-sentinel-reap\.[0-9a-f]{8,32}/g
const tags = /\/dead\/[0-9a-f]{8,32}=/g

/** A tree with the random part of the names of workspaces left out, and what names the sentinels that were judged. */
const anonymous = (tree: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(tree).map(([path, kind]) => [path.replace(nonces, "WS").replace(tags, "/dead/"), kind])
  )

/** A store each of whose calls gives up its lock at once: what lies on the disk is tested here. */
const unlocked = Effect.map(SentinelStore, (store) => ({
  ...store,
  openWorkspace: (root: Root, sentinel: OwnSentinel) => Effect.scoped(store.openWorkspace(root, sentinel)),
  adopt: (root: Root, workspace: Condemned, sentinel: OwnSentinel) =>
    Effect.scoped(store.adopt(root, workspace, sentinel)),
  claim: (place: Workspace | Root, condemned: Condemned) => Effect.scoped(store.claim(place, condemned)),
  resumeClaim: (place: Workspace | Root, entry: string) => Effect.scoped(store.resumeClaim(place, entry)),
  resumeDead: (place: Workspace | Root, entry: string) => Effect.scoped(store.resumeDead(place, entry))
}))

export const tests = <R>({ able, test, world: given }: Tester<R>): void => {
  const world = undirectedIn(given)

  /** A root with one VM, dead, and a workspace. */
  const scene = Effect.gen(function* () {
    const store = yield* unlocked
    const directory = yield* world.scratch
    const vm = `${directory}/vm`
    const sentinel = fresh()
    yield* world.file(`${vm}/.vm-sentinel`, textOf(sentinel))
    yield* world.file(`${vm}/disk`, "data")
    const root = yield* store.openRoot(directory)
    const workspace = yield* store.openWorkspace(root, own(fresh()))
    return { store, directory, root, sentinel, vm, workspace, condemned: yield* condemnedAt(store, vm) }
  })

  const untouched = { vm: "directory", "vm/disk": "data" }

  const discarding = Effect.fnUntraced(function* (store: Pick<SentinelStore["Service"], "discard">, claim: Claim) {
    return yield* store.discard(claim, yield* condemned(claim.holding), nothingBelow)
  })

  /** Judges what a killed sweep marked, and finishes it. */
  const finishing = Effect.fnUntraced(function* (
    store: Effect.Success<typeof unlocked>,
    place: Workspace | Root,
    entry: string
  ) {
    const remains = yield* store.resumeDead(place, entry)
    const right = yield* condemned(remains.holding, { _tag: "Remains", tags: remains.tags })
    return yield* store.finish(place, remains, right, nothingBelow)
  })

  test("a workspace is born with its sentinel, is ours alone, and goes without a trace", () =>
    Effect.gen(function* () {
      const [disk, store] = [yield* Disk, yield* unlocked]
      const directory = yield* world.scratch
      const root = yield* store.openRoot(directory)
      const sentinel = fresh()
      const workspace = yield* store.openWorkspace(root, own(sentinel))
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
        const [interposer, store] = [yield* Interposer, yield* unlocked]
        const directory = yield* world.scratch
        const root = yield* store.openRoot(directory)
        for (const errno of ["ENOSPC", "EIO"]) {
          yield* interposer.fail(method, errno)
          assert.deepInclude(yield* Effect.flip(store.openWorkspace(root, own(fresh()))), {
            _tag: "StoreFailure",
            errno
          })
          assert.deepStrictEqual(yield* world.tree(directory), {})
        }
        yield* interposer.fail(method, "EACCES")
        assert.strictEqual(yield* tag(store.openWorkspace(root, own(fresh()))), "PermissionDenied")
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
        const right = yield* condemnedAt(store, workspace.path, workspaceKind)
        const sentinel = fresh()
        const adopted = yield* store.adopt(root, right, own(sentinel))
        assert.notStrictEqual(adopted.path, workspace.path)
        assert.deepStrictEqual(yield* store.leftovers(adopted), { claimed: ["vm"], dead: [] })
        const tree = anonymous(yield* world.tree(directory))
        assert.strictEqual(tree["WS/.vm-sentinel"], textOf(sentinel))
        assert.notInclude(Object.keys(tree).join(" "), "old-")
        assert.strictEqual(yield* tag(store.adopt(root, right, own(fresh()))), "Taken")
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
      const once = yield* store.adopt(root, yield* condemnedAt(store, workspace.path, workspaceKind), own(fresh()))
      yield* world.file(`${once.path}/.vm-sentinel.old-4567cdef`, textOf(fresh()))
      const twice = yield* store.adopt(root, yield* condemnedAt(store, once.path, workspaceKind), own(fresh()))
      yield* store.restore(yield* store.resumeClaim(twice, "vm"))
      yield* store.closeWorkspace(twice)
      assert.deepInclude(yield* world.tree(directory), untouched)
      assert.notMatch(Object.keys(yield* world.tree(directory)).join(" "), nonces)
    }))

  test("a workspace whose sweep isn't gone after all is put back", () =>
    Effect.gen(function* () {
      const { directory, root, store, workspace } = yield* scene
      const right = yield* condemnedAt(store, workspace.path, workspaceKind)
      yield* world.file(`${workspace.path}/.vm-sentinel`, textOf(fresh()))
      const before = yield* world.tree(directory)
      assert.strictEqual(yield* tag(store.adopt(root, right, own(fresh()))), "Changed")
      assert.deepStrictEqual(yield* world.tree(directory), before)
    }))

  test("an unfinished workspace is removed when it is a minute old, and not before", () =>
    Effect.gen(function* () {
      const [disk, store] = [yield* Disk, yield* unlocked]
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
      const [interposer, store] = [yield* Interposer, yield* unlocked]
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
        assert.strictEqual(yield* tag(store.resumeClaim(place, entry)), "Taken")
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
            // The look under the lock, before the rename, isn't meant.
            yield* interposer.before(moment, change, (path) => moment !== "scan" || isClaimed(path))
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
      yield* interposer.before("scan", given, isClaimed)
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
      const ofWorkspace = yield* condemnedAt(store, workspace.path, workspaceKind)
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
      const mounted = `${claim.grave}/mnt`
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
      assert.strictEqual(yield* tag(store.discard(claim, ofOther, nothingBelow)), "Changed")
      const other = yield* store.claim(root, ofOther)
      assert.strictEqual(yield* tag(store.discard(other, ofOrigin, nothingBelow)), "Changed")
      assert.strictEqual(
        yield* tag(store.discard({ ...claim, holding: other.holding }, ofOther, nothingBelow)),
        "Changed"
      )
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
            assert.deepStrictEqual(Object.keys(yield* world.tree(claim.grave)), [
              ".vm-sentinel",
              "stubborn",
              "stubborn/kept"
            ])
            yield* store.closeWorkspace(workspace)
            yield* world.setMode(directory, 0o700)
          })
        )
        const right = yield* condemnedAt(store, workspace.path, workspaceKind)
        const adopted = yield* store.adopt(root, right, own(fresh()))
        const { claimed, dead } = yield* store.leftovers(adopted)
        assert.deepStrictEqual(claimed, [])
        const [entry = ""] = dead
        assert.match(entry, /^[0-9a-f]{8}=vm$/)
        if ((yield* world.tree(adopted.path))[`dead/${entry}/stubborn`] !== undefined) {
          yield* world.setMode(`${adopted.path}/dead/${entry}/stubborn`, 0o700)
        }
        yield* finishing(store, adopted, entry)
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
        const discarding = store.discard(claim, ofClaim, nothingBelow, Effect.interruptible)
        deleting = yield* Effect.forkChild(discarding, { uninterruptible: true })
        const exit = yield* Fiber.await(deleting)
        if (isTold) assert.deepStrictEqual(exit, Exit.succeed({ stayed: [] }))
        else assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        const isLeft = Object.keys(yield* world.tree(directory)).some((path) => /[/=]vm\/disk$/.test(path))
        assert.strictEqual(isLeft, !isTold)
      }))
  }

  test("finishes a deletion by the judgement of what is left, and by no other", () =>
    Effect.gen(function* () {
      const { directory, store, vm, workspace } = yield* scene
      yield* world.file(`${workspace.path}/dead/gone/disk`, "half")
      yield* world.file(`${workspace.path}/dead/other/disk`, "half")
      const gone = yield* store.resumeDead(workspace, "gone")
      const other = yield* store.resumeDead(workspace, "other")
      assert.deepInclude(gone, { name: "gone", path: `${workspace.path}/dead/gone`, tags: [] })
      const ofVm = yield* condemnedAt(store, vm)
      assert.strictEqual(yield* tag(store.finish(workspace, gone, ofVm, nothingBelow)), "Changed", "another's")
      const ofOther = yield* condemned(other.holding, remainsKind)
      assert.strictEqual(yield* tag(store.finish(workspace, gone, ofOther, nothingBelow)), "Changed", "its neighbour's")
      assert.strictEqual(yield* tag(store.resumeDead(workspace, "missing")), "Taken")
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/dead/gone/disk": "half", "vm/disk": "data" })
      assert.deepStrictEqual(yield* finishing(store, workspace, "gone"), { stayed: [] })
      yield* finishing(store, workspace, "other")
      const again = store.finish(workspace, gone, yield* condemned(gone.holding, remainsKind), nothingBelow)
      assert.strictEqual(yield* tag(again), "Taken")
      yield* store.closeWorkspace(workspace)
      assert.notMatch(Object.keys(yield* world.tree(directory)).join(" "), nonces)
    }))

  test("a sentinel that came after the mark isn't one of those that were judged", () =>
    Effect.gen(function* () {
      const { condemned: right, directory, store, workspace } = yield* scene
      const claim = yield* store.claim(workspace, right)
      yield* world.move(claim.path, claim.grave)
      const entry = claim.grave.slice(claim.grave.lastIndexOf("/") + 1)
      const before = yield* store.resumeDead(workspace, entry)
      assert.deepStrictEqual(before.holding.sentinels.map(tagOf), before.tags)
      yield* world.file(`${claim.grave}/.vm-sentinel.late`, textOf(fresh()))
      const after = yield* store.resumeDead(workspace, entry)
      assert.deepStrictEqual(
        after.holding.sentinels.map((file) => after.tags.includes(tagOf(file))),
        [true, false]
      )
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/dead/vm/disk": "data" })
    }))

  test("finishes a deletion marked in place, once", () =>
    Effect.gen(function* () {
      const { directory, root, store, vm } = yield* scene
      const entry = ".vm-sentinel-reap.0123abcd.dead=gone"
      yield* world.file(`${directory}/${entry}/disk`, "half")
      const remains = yield* store.resumeDead(root, entry)
      const ofVm = yield* condemnedAt(store, vm)
      assert.strictEqual(yield* tag(store.finish(root, remains, ofVm, nothingBelow)), "Changed")
      assert.deepInclude(yield* world.tree(directory), { [`${entry}/disk`]: "half", "vm/disk": "data" })
      yield* finishing(store, root, entry)
      assert.strictEqual(yield* tag(store.resumeDead(root, entry)), "Taken")
      assert.notInclude(Object.keys(yield* world.tree(directory)).join(" "), "dead=")
    }))

  test("a directory that a sweep claims is locked, and so is its workspace, until its scope closes", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const { condemned: right, root, vm } = yield* scene
      if ((yield* store.probeLock(vm)) === "unknown") return
      yield* Effect.scoped(
        Effect.gen(function* () {
          const workspace = yield* store.openWorkspace(root, own(fresh()))
          assert.isTrue(workspace.isLocked)
          const claim = yield* store.claim(workspace, right)
          assert.isTrue(claim.isLocked)
          for (const path of [workspace.path, claim.path]) {
            assert.strictEqual(yield* store.probeLock(path), "exclusive")
          }
          yield* store.restore(claim)
        })
      )
      assert.strictEqual(yield* store.probeLock(vm), "free")
    }))

  test("scenario 69: a directory whose lock an owner holds isn't claimed, whatever was judged", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const disk = yield* Disk
      const { condemned: right, directory, vm, workspace } = yield* scene
      if ((yield* store.probeLock(vm)) === "unknown") return
      const before = yield* world.tree(directory)
      yield* disk.lock(vm, { mode: "shared", byCommand: true, test: false })
      yield* ticking
      const claimed = yield* Effect.flip(Effect.scoped(store.claim(workspace, right)))
      assert.strictEqual(claimed._tag, "LockBusy")
      assert.deepStrictEqual(yield* world.tree(directory), before)
    }))

  able(world.bindMount, "finishes no deletion across a mount", (bindMount) =>
    Effect.gen(function* () {
      const { directory, root, store, workspace } = yield* scene
      yield* world.file(`${directory}/source/file`, "source")
      yield* world.directory(`${workspace.path}/dead/gone/mnt`)
      const right = yield* condemnedAt(store, workspace.path, workspaceKind)
      const adopted = yield* store.adopt(root, right, own(fresh()))
      yield* bindMount(`${directory}/source`, `${adopted.path}/dead/gone/mnt`)
      const error = yield* Effect.flip(finishing(store, adopted, "gone"))
      assert.strictEqual(error._tag, "StoreFailure")
      assert.deepInclude(anonymous(yield* world.tree(directory)), {
        "source/file": "source",
        "WS/dead/gone/mnt/file": "source"
      })
    })
  )
}
