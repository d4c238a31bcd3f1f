import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Disk } from "../../src/Disk.ts"
import { tagOf } from "../../src/DirectoryState.ts"
import * as Layout from "../../src/Layout.ts"
import { condemned, condemnedAt, fresh, textOf } from "./condemning.ts"
import { Interposer } from "./Interposed.ts"
import {
  anonymous,
  discarding,
  interrupting,
  nonces,
  nothingBelow,
  places,
  reapingIn,
  remainsKind,
  tag,
  untouched,
  workspaceKind
} from "./reaping.ts"
import { ticking } from "./Races.ts"
import type { Tester } from "./storeTester.ts"
import { worldWithoutDirectories } from "./withoutDirectory.ts"

export const tests = <R>({ able, test, world: given }: Tester<R>): void => {
  const world = worldWithoutDirectories(given)
  const { abandoned, empty, left, markedPath, scene } = reapingIn(world)

  for (const where of places) {
    /** Makes a directory that a killed sweep had claimed. */
    const killed = Effect.gen(function* () {
      const made = yield* scene
      const { entry, path } = yield* left(where, "claimed", made.directory, "vm")
      yield* world.move(made.vm, path)
      return { ...made, entry, path }
    })

    test(`what was claimed into ${where} by a killed sweep is taken up again, once`, () =>
      Effect.gen(function* () {
        const { directory, entry, path, reclaimer: opened, vm } = yield* killed
        const before = yield* world.tree(directory)
        const reclaimer = yield* opened
        const { claimed, dead } = yield* reclaimer.leftovers(entry)
        assert.deepStrictEqual(dead, [])
        const [leftover] = claimed
        if (leftover === undefined) return assert.fail("nothing is left")
        assert.deepInclude(leftover, { name: "vm", path })
        assert.deepStrictEqual(yield* world.tree(directory), before, "nothing is touched before it is opened")
        const claim = yield* leftover.open
        assert.deepInclude(claim, { origin: vm, path })
        assert.strictEqual(claim.state.sentinels.length, 1)
        assert.deepStrictEqual(yield* discarding(claim), { stayed: [] })
        assert.strictEqual(yield* tag(discarding(claim)), "Taken")
        assert.strictEqual(yield* tag(leftover.open), "Taken")
        assert.notProperty(yield* world.tree(directory), "vm")
      }))

    test(`what was claimed into ${where} by a killed sweep goes back unless it is marked`, () =>
      Effect.gen(function* () {
        const { directory, entry, reclaimer: opened } = yield* killed
        const reclaimer = yield* opened
        const open = Effect.flatMap(reclaimer.leftovers(entry), ({ claimed }) =>
          Effect.forEach(claimed, (leftover) => leftover.open)
        )
        yield* Effect.scoped(open)
        assert.deepInclude(yield* world.tree(directory), untouched)
      }))

    test(`what a killed sweep left in ${where} is Taken while another sweep has it`, () =>
      Effect.gen(function* () {
        const { directory, entry, path, reclaimer, store, sweep } = yield* killed
        if ((yield* store.probeLock(directory)) === "unknown") return
        yield* ticking
        const [mine] = (yield* (yield* reclaimer).leftovers(entry)).claimed
        if (mine === undefined) return assert.fail("nothing is left")
        yield* mine.open
        const other = sweep(({ leftovers }) =>
          Effect.flatMap(leftovers(entry), ({ claimed }) => Effect.forEach(claimed, ({ open }) => open))
        )
        assert.strictEqual(yield* tag(other), "Taken")
        assert.deepInclude(yield* world.tree(path), { disk: "data" })
      }))

    test(`remains in ${where} are gone when all was removed before the interrupt, and not before`, () =>
      Effect.gen(function* () {
        const { directory, reclaimer: opened } = yield* empty
        const { entry, path } = yield* left(where, "dead", directory, "vm")
        yield* world.file(`${path}/disk`, "half")
        const reclaimer = yield* opened
        const { dead } = yield* reclaimer.leftovers(entry)
        const [leftover] = dead
        if (leftover === undefined) return assert.fail("nothing is left")
        const remains = yield* leftover.open
        assert.isFalse(yield* remains.isGone)
        yield* interrupting(remains, remainsKind)
        assert.isFalse(yield* remains.isGone)
        yield* world.remove(yield* markedPath(directory))
        assert.strictEqual(yield* remains.isGone, remains.isLocked || where === "a workspace")
      }))
  }

  /** Makes directories that a killed sweep had marked in its workspace. */
  const deletions = Effect.fnUntraced(function* (...names: ReadonlyArray<string>) {
    const made = yield* scene
    const { path } = yield* abandoned(made.directory)
    for (const name of names) yield* world.file(`${path}/dead/${name}/disk`, "half")
    return { ...made, path, right: yield* condemnedAt(made.store, path, workspaceKind) }
  })

  test("finishes a deletion by the judgement of what is left, and by no other", () =>
    Effect.gen(function* () {
      const { directory, right, store, sweep, vm } = yield* deletions("gone", "missing", "other")
      yield* sweep((reclaimer) =>
        Effect.gen(function* () {
          const { dead } = yield* reclaimer.adopt(right)
          const [ofGone, ofMissing, ofOther] = dead
          if (ofGone === undefined || ofMissing === undefined || ofOther === undefined) return assert.fail("too few")
          assert.deepInclude(ofGone, { name: "gone", tags: [] })
          yield* world.remove(ofMissing.path)
          assert.strictEqual(yield* tag(ofMissing.open), "Taken")
          const [gone, other] = [yield* ofGone.open, yield* ofOther.open]
          assert.strictEqual(gone.path, ofGone.path)
          const ofVm = yield* condemnedAt(store, vm)
          assert.strictEqual(yield* tag(gone.discard(ofVm, nothingBelow)), "Changed", "another's")
          const ofNeighbour = yield* condemned(other.state, remainsKind)
          assert.strictEqual(yield* tag(gone.discard(ofNeighbour, nothingBelow)), "Changed", "its neighbour's")
          const tree = anonymous(yield* world.tree(directory))
          assert.deepInclude(tree, { "WS/dead/gone/disk": "half", "vm/disk": "data" })
          assert.deepStrictEqual(yield* discarding(gone, remainsKind), { stayed: [] })
          yield* discarding(other, remainsKind)
          assert.strictEqual(yield* tag(discarding(gone, remainsKind)), "Taken")
        })
      )
      assert.notMatch(Object.keys(yield* world.tree(directory)).join(" "), nonces)
    }))

  test("a sentinel that came after the mark isn't one of those that were judged", () =>
    Effect.gen(function* () {
      const { directory, reclaimer, store, vm } = yield* scene
      const { sentinels } = yield* store.look(vm, Layout.standard)
      const workspace = yield* abandoned(directory)
      const marked = `${workspace.path}/dead/${sentinels.map(tagOf).join("")}=vm`
      yield* world.move(vm, marked)
      const [leftover] = (yield* (yield* reclaimer).leftovers(workspace)).dead
      if (leftover === undefined) return assert.fail("nothing is left")
      const opened = Effect.scoped(Effect.map(leftover.open, ({ state }) => state.sentinels.map(tagOf)))
      assert.deepStrictEqual(yield* opened, leftover.tags)
      yield* world.file(`${marked}/.vm-sentinel.late`, textOf(fresh()))
      assert.deepStrictEqual(
        (yield* opened).map((tag) => leftover.tags.includes(tag)),
        [true, false]
      )
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/dead/vm/disk": "data" })
    }))

  for (const where of places) {
    for (const entry of [".vm-sentinel", ".vm-sentinel.late", ".bbox-sentinel"]) {
      test(`scenario 108: ${entry} that an owner without locks publishes as the deletion of remains in ${where} goes on stays`, () =>
        Effect.gen(function* () {
          const { directory, reclaimer: opened, vm } = yield* scene
          const { entry: found, path } = yield* left(where, "dead", directory, "vm")
          yield* world.move(vm, path)
          const [leftover] = (yield* (yield* opened).leftovers(found)).dead
          if (leftover === undefined) return assert.fail("nothing is left")
          const late = `${textOf(fresh())} `
          const interposer = yield* Interposer
          const discarded = Effect.gen(function* () {
            const remains = yield* leftover.open
            const come = Effect.flatMap(markedPath(directory), (marked) => world.file(`${marked}/${entry}`, late))
            yield* interposer.before("removeTree", come)
            assert.deepStrictEqual(yield* discarding(remains, remainsKind), { stayed: ["."] })
            assert.isFalse(yield* remains.isGone)
          })
          yield* Effect.scoped(discarded)
          const tree = yield* world.tree(yield* markedPath(directory))
          assert.hasAllKeys(tree, [...new Set([".vm-sentinel", "disk", entry])])
          assert.strictEqual(tree[entry], late)
        }))
    }
  }

  for (const errno of ["ENOTDIR", "ELOOP"]) {
    test(`scenario 50: ${errno} of an entry below remains is told as the failure of their deletion`, () =>
      Effect.gen(function* () {
        const { directory, reclaimer } = yield* empty
        const { entry, path } = yield* left("the root, in place", "dead", directory, "vm")
        yield* world.file(`${path}/sub/disk`, "half")
        const [leftover] = (yield* (yield* reclaimer).leftovers(entry)).dead
        if (leftover === undefined) return assert.fail("nothing is left")
        const interposer = yield* Interposer
        for (const [below, expected] of [
          ["/sub", "StoreFailure"],
          ["", "Taken"]
        ] as const) {
          yield* interposer.fail("removeTree", errno, () => true, below)
          const discarded = Effect.flatMap(leftover.open, (remains) => discarding(remains, remainsKind))
          assert.strictEqual(yield* tag(Effect.scoped(discarded)), expected)
          yield* world.move(yield* markedPath(directory), path)
        }
        assert.deepInclude(yield* world.tree(path), { "sub/disk": "half" })
      }))
  }

  test("finishes a deletion marked in place, once", () =>
    Effect.gen(function* () {
      const { directory, reclaimer, store, vm } = yield* scene
      const { entry, path } = yield* left("the root, in place", "dead", directory, "gone")
      yield* world.file(`${path}/disk`, "half")
      const { claimed, dead } = yield* (yield* reclaimer).leftovers(entry)
      assert.deepStrictEqual(claimed, [])
      const [leftover] = dead
      if (leftover === undefined) return assert.fail("nothing is left")
      assert.deepInclude(leftover, { name: "gone", path, tags: [] })
      const remains = yield* leftover.open
      const ofVm = yield* condemnedAt(store, vm)
      assert.strictEqual(yield* tag(remains.discard(ofVm, nothingBelow)), "Changed")
      assert.deepInclude(yield* world.tree(path), { disk: "half" })
      yield* discarding(remains, remainsKind)
      assert.strictEqual(yield* tag(leftover.open), "Taken")
      assert.strictEqual(yield* tag(discarding(remains, remainsKind)), "Taken")
      const tree = yield* world.tree(directory)
      assert.notInclude(Object.keys(tree).join(" "), "dead=")
      assert.deepInclude(tree, untouched)
    }))

  test("scenario 88: remains whose lock a stranger holds are LockBusy, however it is held", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const { path, right, store, sweep } = yield* deletions("gone")
      if ((yield* store.probeLock(path)) === "unknown") return
      yield* ticking
      yield* sweep((reclaimer) =>
        Effect.gen(function* () {
          const [leftover] = (yield* reclaimer.adopt(right)).dead
          if (leftover === undefined) return assert.fail("nothing is left")
          for (const mode of ["shared", "exclusive"] as const) {
            const held = disk.lock(leftover.path, { mode, test: false })
            const error = yield* Effect.flip(Effect.scoped(Effect.andThen(held, leftover.open)))
            assert.deepInclude(error, { _tag: "LockBusy", mode })
          }
        })
      )
    }))

  able(world.bindMount, "finishes no deletion across a mount", (bindMount) =>
    Effect.gen(function* () {
      const { directory, path, right, sweep } = yield* deletions("gone")
      yield* world.file(`${directory}/source/file`, "source")
      yield* world.directory(`${path}/dead/gone/mnt`)
      yield* sweep((reclaimer) =>
        Effect.gen(function* () {
          const [leftover] = (yield* reclaimer.adopt(right)).dead
          if (leftover === undefined) return assert.fail("nothing is left")
          const remains = yield* leftover.open
          yield* bindMount(`${directory}/source`, `${leftover.path}/mnt`)
          assert.strictEqual(yield* tag(discarding(remains, remainsKind)), "MountInside")
          assert.deepInclude(anonymous(yield* world.tree(directory)), {
            "source/file": "source",
            "WS/dead/gone/disk": "half",
            "WS/dead/gone/mnt/file": "source"
          })
        })
      )
    })
  )

  for (const name of ["claimed", "dead"]) {
    able(world.hungMount, `scenario 82: waits for no mount on the ${name}/ of an abandoned workspace`, (hang) =>
      Effect.gen(function* () {
        const { directory, path, reclaimer, right } = yield* deletions("gone")
        yield* world.directory(`${path}/claimed`)
        yield* hang(`${path}/${name}`)
        const taken = yield* reclaimer
        const entry = { kind: "workspace", entry: path.slice(directory.length + 1), path } as const
        assert.strictEqual(yield* tag(taken.leftovers(entry)), "MountInside")
        assert.strictEqual(yield* tag(Effect.scoped(taken.adopt(right))), "MountInside")
      })
    )
  }

  for (const where of places) {
    for (const kind of ["claimed", "dead"] as const) {
      able(
        world.hungMount,
        `scenario 82: waits for no mount on or in what a killed sweep left, ${kind} in ${where}`,
        (hang) =>
          Effect.gen(function* () {
            const { directory, reclaimer } = yield* empty
            const { entry, path } = yield* left(where, kind, directory, "vm")
            yield* world.file(`${path}/.vm-sentinel`, textOf(fresh()))
            yield* world.directory(`${path}/mnt`)
            const { claimed, dead } = yield* (yield* reclaimer).leftovers(entry)
            const [leftover] = [...claimed, ...dead]
            if (leftover === undefined) return assert.fail("nothing is left")
            const onIt = Effect.andThen(hang(path), tag(leftover.open))
            assert.strictEqual(yield* Effect.scoped(onIt), "MountInside")
            yield* hang(`${path}/mnt`)
            const removable = yield* leftover.open
            assert.strictEqual(removable.state.mount, `${path}/mnt`)
            assert.strictEqual(
              yield* tag(discarding(removable, kind === "dead" ? remainsKind : undefined)),
              "MountInside"
            )
          })
      )
    }
  }
}
