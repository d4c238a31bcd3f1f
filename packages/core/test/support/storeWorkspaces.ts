import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Disk } from "../../src/Disk.ts"
import * as Layout from "../../src/Layout.ts"
import type { Reclaimer } from "../../src/Reclaimer.ts"
import type { SentinelStore } from "../../src/SentinelStore.ts"
import { condemnedAt, fresh, judge, textOf } from "./condemning.ts"
import { Interposer } from "./Interposed.ts"
import { anonymous, discarding, nonces, reapingIn, reclaimerOf, tag, untouched, workspaceKind } from "./reaping.ts"
import { ticking } from "./Races.ts"
import type { Tester } from "./storeTester.ts"
import { worldWithoutDirectories } from "./withoutDirectory.ts"

const isStaged = (path: string): boolean => path.endsWith(".new")

export const tests = <R>({ test, world: given }: Tester<R>): void => {
  const world = worldWithoutDirectories(given)
  const { abandoned, dead, empty, scene } = reapingIn(world)

  test("a workspace is born at the first claim with its sentinel, is ours alone, and goes without a trace", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const { condemned, directory, root, sentinel, store } = yield* scene
      const ofSweep = fresh()
      const before = yield* world.tree(directory)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const reclaimer = yield* reclaimerOf(store, root, ofSweep)
          assert.deepStrictEqual(yield* world.tree(directory), before)
          const claim = yield* reclaimer.claim(condemned)
          assert.deepStrictEqual(anonymous(yield* world.tree(directory)), {
            WS: "directory",
            "WS/.vm-sentinel": textOf(ofSweep),
            "WS/claimed": "directory",
            "WS/claimed/vm": "directory",
            "WS/claimed/vm/.vm-sentinel": textOf(sentinel),
            "WS/claimed/vm/disk": "data",
            "WS/dead": "directory"
          })
          const path = claim.path.replace("/claimed/vm", "")
          const entry = path.slice(directory.length + 1)
          assert.strictEqual((yield* disk.lstat(path)).mode, 0o700)
          yield* claim.restore
          assert.deepStrictEqual(yield* reclaimer.leftovers({ kind: "workspace", entry, path }), {
            claimed: [],
            dead: []
          })
        })
      )
      assert.deepStrictEqual(yield* world.tree(directory), before)
    }))

  test("a sweep has one workspace, though it claims several directories at once", () =>
    Effect.gen(function* () {
      const interposer = yield* Interposer
      const { directory, store, sweep } = yield* empty
      const names = ["a", "b", "c"]
      yield* Effect.forEach(names, (name) => dead(`${directory}/${name}`))
      const rights = yield* Effect.forEach(names, (name) => condemnedAt(store, `${directory}/${name}`))
      yield* sweep((reclaimer) =>
        Effect.gen(function* () {
          // The other claims arrive while the first one makes the workspace.
          yield* interposer.before("makeDirectory", Effect.yieldNow)
          yield* Effect.forEach(rights, reclaimer.claim, { concurrency: "unbounded" })
          const tree = Object.keys(yield* world.tree(directory))
          assert.lengthOf(
            tree.filter((path) => !path.includes("/")),
            1
          )
          assert.lengthOf(
            tree.filter((path) => /\/claimed\/[abc]$/.test(path)),
            3
          )
        })
      )
      assert.sameMembers(
        Object.keys(yield* world.tree(directory)).filter((path) => !path.includes("/")),
        names
      )
    }))

  test("a workspace that somebody removed is nothing to clean up", () =>
    Effect.gen(function* () {
      const { condemned, directory, sweep } = yield* scene
      yield* sweep((reclaimer) =>
        Effect.gen(function* () {
          const claim = yield* reclaimer.claim(condemned)
          yield* claim.restore
          yield* world.remove(claim.path.replace("/claimed/vm", ""))
        })
      )
      assert.deepInclude(yield* world.tree(directory), untouched)
    }))

  for (const method of ["makeDirectory", "create", "link", "renameNew"] as const) {
    test(`a workspace that can't be made (${method}) leaves nothing, and the next claim tries again`, () =>
      Effect.gen(function* () {
        const interposer = yield* Interposer
        const { condemned, directory, reclaimer: opened } = yield* scene
        const before = yield* world.tree(directory)
        const reclaimer = yield* opened
        yield* interposer.fail(method, "EIO")
        assert.deepInclude(yield* Effect.flip(reclaimer.claim(condemned)), { _tag: "StoreFailure", errno: "EIO" })
        assert.deepStrictEqual(yield* world.tree(directory), before)
        yield* interposer.fail(method, "EACCES")
        assert.strictEqual(yield* tag(reclaimer.claim(condemned)), "PermissionDenied")
        assert.deepStrictEqual(yield* world.tree(directory), before)
        for (const errno of ["ENOSPC", "EDQUOT"]) {
          yield* interposer.fail(method, errno)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const claim = yield* reclaimer.claim(condemned)
              // Without space for a workspace, the sweep claims in the root.
              assert.sameMembers(Object.keys(anonymous(yield* world.tree(directory))), [
                "WS.claimed=vm",
                "WS.claimed=vm/.vm-sentinel",
                "WS.claimed=vm/disk"
              ])
              yield* claim.restore
            })
          )
        }
        yield* reclaimer.claim(condemned)
        assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "data" })
      }))
  }

  test("a workspace whose rename can't be made sure of leaves nothing", () =>
    Effect.gen(function* () {
      const interposer = yield* Interposer
      const { condemned, directory, reclaimer } = yield* scene
      const before = yield* world.tree(directory)
      yield* interposer.fail("syncDirectory", "EIO", (path) => path === directory)
      assert.strictEqual(yield* tag((yield* reclaimer).claim(condemned)), "StoreFailure")
      assert.deepStrictEqual(yield* world.tree(directory), before)
    }))

  test("a workspace that can't be made lets go of its lock at once", () =>
    Effect.gen(function* () {
      const interposer = yield* Interposer
      const { condemned, directory, reclaimer, store, vm } = yield* scene
      if ((yield* store.probeLock(vm)) === "unknown") return
      const elsewhere = `${directory}/elsewhere`
      const keep = Effect.gen(function* () {
        const staged = Object.keys(yield* world.tree(directory)).find(isStaged)
        yield* world.move(`${directory}/${staged}`, elsewhere)
      })
      yield* interposer.fail("renameNew", "EIO", isStaged)
      yield* interposer.before("removeTree", keep, isStaged)
      assert.strictEqual(yield* tag((yield* reclaimer).claim(condemned)), "StoreFailure")
      assert.property(yield* world.tree(elsewhere), ".vm-sentinel")
      assert.strictEqual(yield* store.probeLock(elsewhere), "free")
    }))

  test("a workspace that something had to stay in is given up", () =>
    Effect.gen(function* () {
      const { condemned, directory, sweep, vm } = yield* scene
      yield* sweep((reclaimer) => Effect.andThen(reclaimer.claim(condemned), world.directory(vm)))
      assert.sameMembers(Object.keys(anonymous(yield* world.tree(directory))), [
        "WS",
        "WS/claimed",
        "WS/claimed/vm",
        "WS/claimed/vm/.vm-sentinel",
        "WS/claimed/vm/disk",
        "WS/dead",
        "vm"
      ])
    }))

  for (const isInherited of [true, false]) {
    test(`an abandoned workspace ${isInherited ? "with the sentinel of a dead sweep" : "without a sentinel"} is taken over, once`, () =>
      Effect.gen(function* () {
        const { directory, root, store, sweep } = yield* empty
        const { path } = yield* abandoned(directory, isInherited ? fresh() : undefined)
        yield* dead(`${path}/claimed/vm`)
        const right = yield* condemnedAt(store, path, workspaceKind)
        const sentinel = fresh()
        yield* Effect.scoped(
          Effect.gen(function* () {
            const reclaimer = yield* reclaimerOf(store, root, sentinel)
            const { claimed, dead } = yield* reclaimer.adopt(right)
            assert.deepStrictEqual(dead, [])
            const [leftover] = claimed
            if (leftover === undefined) return assert.fail("nothing is left")
            assert.deepInclude(leftover, { name: "vm" })
            assert.isFalse(leftover.path.startsWith(path))
            const tree = anonymous(yield* world.tree(directory))
            assert.strictEqual(tree["WS/.vm-sentinel"], textOf(sentinel))
            assert.notInclude(Object.keys(tree).join(" "), "old-")
            assert.strictEqual(yield* tag(sweep((other) => other.adopt(right))), "Taken")
            yield* discarding(yield* leftover.open)
          })
        )
        assert.deepStrictEqual(yield* world.tree(directory), {})
      }))
  }

  // The adoption was killed after it moved the old sentinel aside, or after it published the new one.
  for (const files of [
    { ".vm-sentinel.old-0123abcd": textOf(fresh()), ".vm-sentinel-tmp.1": "half" },
    { ".vm-sentinel": textOf(fresh()), ".vm-sentinel.old-4567cdef": textOf(fresh()) }
  ]) {
    const names = Object.keys(files).join(", ")
    test(`a workspace whose taking over was itself cut short (${names}) is still taken over`, () =>
      Effect.gen(function* () {
        const { directory, store, sweep } = yield* empty
        const { path } = yield* abandoned(directory)
        yield* dead(`${path}/claimed/vm`)
        for (const [name, text] of Object.entries(files)) yield* world.file(`${path}/${name}`, text)
        const right = yield* condemnedAt(store, path, workspaceKind)
        yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const { claimed } = yield* reclaimer.adopt(right)
            for (const { open } of claimed) yield* (yield* open).restore
          })
        )
        assert.deepInclude(yield* world.tree(directory), untouched)
        assert.notMatch(Object.keys(yield* world.tree(directory)).join(" "), nonces)
      }))
  }

  for (const moment of ["before it is looked at", "before it is renamed"]) {
    test(`a workspace whose sweep isn't gone after all (${moment}) is left where it was`, () =>
      Effect.gen(function* () {
        const interposer = yield* Interposer
        const { directory, store, sweep } = yield* empty
        const { path } = yield* abandoned(directory, fresh())
        const right = yield* condemnedAt(store, path, workspaceKind)
        const alive = textOf(fresh())
        const before = yield* world.tree(directory)
        const come = world.file(`${path}/.vm-sentinel`, alive)
        yield* moment === "before it is renamed" ? interposer.before("rename", come, (from) => from === path) : come
        assert.strictEqual(yield* tag(sweep((reclaimer) => reclaimer.adopt(right))), "Changed")
        assert.deepStrictEqual(yield* world.tree(directory), {
          ...before,
          [`${path.slice(directory.length + 1)}/.vm-sentinel`]: alive
        })
      }))
  }

  const entry = ".vm-sentinel-reap.0.new"

  /** Judges a directory, then removes it as an unfinished one. `alive`: whether its owners live. */
  const discardingStaged = (reclaimer: Reclaimer, store: SentinelStore["Service"], path: string, alive = false) =>
    Effect.flatMap(Effect.option(store.look(path, Layout.standard)), (found) =>
      found._tag === "None" ? Effect.void : reclaimer.discardStaged(judge(found.value, undefined, alive))
    )

  test("an unfinished workspace is removed when it is a minute old, and not before", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const { directory, reclaimer: made, store } = yield* empty
      const reclaimer = yield* made
      const path = `${directory}/${entry}`
      yield* world.file(`${path}/.vm-sentinel`, "17")
      yield* world.directory(`${path}/claimed`)
      yield* world.setTime(path, 1000)
      yield* TestClock.setTime(60_999)
      yield* discardingStaged(reclaimer, store, path)
      assert.strictEqual((yield* disk.lstat(path)).type, "directory")
      yield* TestClock.setTime(61_000)
      const judgement = judge(yield* store.look(path, Layout.standard))
      yield* reclaimer.discardStaged(judgement)
      assert.deepStrictEqual(yield* world.tree(directory), {})
      yield* reclaimer.discardStaged(judgement)
    }))

  test("scenario 97: an unfinished workspace dated in the future is removed: the clock was set back since", () =>
    Effect.gen(function* () {
      const { directory, reclaimer: made, store } = yield* empty
      const reclaimer = yield* made
      const path = `${directory}/${entry}`
      yield* world.directory(`${path}/claimed`)
      yield* world.file(`${path}/.vm-sentinel-tmp.0`, "half")
      yield* world.setTime(path, Date.UTC(2035, 0, 1))
      yield* TestClock.setTime(Date.UTC(2034, 11, 31, 23, 59, 0, 1))
      yield* discardingStaged(reclaimer, store, path)
      assert.property(yield* world.tree(directory), entry)
      yield* TestClock.setTime(Date.UTC(2034, 11, 31, 23, 59))
      yield* discardingStaged(reclaimer, store, path)
      assert.deepStrictEqual(yield* world.tree(directory), {})
    }))

  test("an unfinished workspace whose creator lives isn't removed, whatever its date", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const { directory, reclaimer: made, store } = yield* empty
      if ((yield* store.probeLock(directory)) === "unknown") return
      const reclaimer = yield* made
      const path = `${directory}/${entry}`
      yield* world.directory(path)
      yield* ticking
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      for (const year of [2000, 2035]) {
        yield* world.setTime(path, Date.UTC(year, 0, 1))
        yield* Effect.scoped(
          Effect.andThen(disk.lock(path, { mode: "exclusive", test: false }), discardingStaged(reclaimer, store, path))
        )
        assert.property(yield* world.tree(directory), entry)
      }
    }))

  test("an unfinished directory that is finished after all is left alone", () =>
    Effect.gen(function* () {
      const interposer = yield* Interposer
      const { directory, reclaimer: made, store } = yield* empty
      const reclaimer = yield* made
      yield* world.file(`${directory}/${entry}/.vm-sentinel`, "17")
      yield* world.setTime(`${directory}/${entry}`, 0)
      yield* TestClock.setTime(3_600_000)
      yield* interposer.before("rename", world.move(`${directory}/${entry}`, `${directory}/vm`))
      yield* discardingStaged(reclaimer, store, `${directory}/${entry}`)
      assert.deepStrictEqual(yield* world.tree(directory), { vm: "directory", "vm/.vm-sentinel": "17" })
    }))

  for (const [what, files, alive] of [
    ["whose owner lives", { ".vm-sentinel": "17", disk: "data" }, true],
    ["without a sentinel that holds something else", { ".vm-sentinel-tmp.0": "half", disk: "data" }, false],
    ["with a malformed sentinel", { ".vm-sentinel": "" }, false]
  ] as const) {
    test(`a directory under the name of an unfinished one, ${what}, stays as it is`, () =>
      Effect.gen(function* () {
        const { directory, reclaimer: made, store } = yield* empty
        const reclaimer = yield* made
        const path = `${directory}/${entry}`
        for (const [name, content] of Object.entries(files)) yield* world.file(`${path}/${name}`, content)
        yield* world.setTime(path, 0)
        yield* TestClock.setTime(3_600_000)
        const before = yield* world.tree(directory)
        yield* discardingStaged(reclaimer, store, path, alive)
        assert.deepStrictEqual(yield* world.tree(directory), before)
      }))
  }

  test("a directory under the name of an unfinished one that an owner takes after its judgement stays", () =>
    Effect.gen(function* () {
      const interposer = yield* Interposer
      const { directory, reclaimer: made, store } = yield* empty
      const reclaimer = yield* made
      const path = `${directory}/${entry}`
      yield* world.file(`${path}/.vm-sentinel`, "17")
      yield* world.setTime(path, 0)
      yield* TestClock.setTime(3_600_000)
      yield* interposer.before("rename", world.file(`${path}/.vm-sentinel`, textOf(fresh())))
      yield* discardingStaged(reclaimer, store, path)
      assert.hasAllKeys(yield* world.tree(directory), [entry, `${entry}/.vm-sentinel`])
    }))
}
