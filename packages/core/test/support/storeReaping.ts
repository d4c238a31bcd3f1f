import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Claim, Removable } from "../../src/Reclaimer.ts"
import { tagOf } from "../../src/DirectoryState.ts"
import * as Layout from "../../src/Layout.ts"
import { condemnedAt, fresh, judge, textOf } from "./condemning.ts"
import { Interposer } from "./Interposed.ts"
import {
  anonymous,
  claimInto,
  discarding,
  interrupting,
  nothingBelow,
  places,
  reapingIn,
  tag,
  workspaceKind
} from "./reaping.ts"
import type { Tester } from "./storeTester.ts"
import { worldWithoutDirectories } from "./withoutDirectory.ts"

/** Claims a directory and puts it back. The lock is free at the end. */
const restoring = <E, R>(claiming: Effect.Effect<Claim, E, R>) =>
  Effect.scoped(Effect.tap(claiming, ({ restore }) => restore))

export const tests = <R>({ able, test, world: given }: Tester<R>): void => {
  const world = worldWithoutDirectories(given)
  const { dead, empty, markedPath, scene } = reapingIn(world)

  able(world.bindMount, "scenario 46: a mount made after the claim isn't emptied", (bindMount) =>
    Effect.gen(function* () {
      const { condemned, directory, reclaimer } = yield* scene
      const interposer = yield* Interposer
      yield* world.file(`${directory}/source/file`, "source")
      const claim = yield* (yield* reclaimer).claim(condemned)
      yield* world.directory(`${claim.path}/mnt`)
      const mount = Effect.flatMap(markedPath(directory), (path) => bindMount(`${directory}/source`, `${path}/mnt`))
      yield* interposer.before("removeTree", mount)
      assert.strictEqual(yield* tag(discarding(claim)), "StoreFailure")
      assert.deepInclude(yield* world.tree(directory), { "source/file": "source" })
    })
  )

  test("discards nothing by the judgement of another directory", () =>
    Effect.gen(function* () {
      const { condemned: ofOrigin, directory, reclaimer, store } = yield* scene
      yield* world.file(`${directory}/other/.vm-sentinel`, textOf(fresh()))
      const ofOther = yield* condemnedAt(store, `${directory}/other`)
      const claim = yield* (yield* reclaimer).claim(ofOrigin)
      const other = yield* claimInto("the root, in place", yield* reclaimer, ofOther)
      assert.strictEqual(yield* tag(claim.discard(ofOther, nothingBelow)), "Changed")
      assert.strictEqual(yield* tag(other.discard(ofOrigin, nothingBelow)), "Changed")
      const forged = { ...claim, state: other.state }
      assert.strictEqual(yield* tag(forged.discard(ofOther, nothingBelow)), "Changed")
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "data" })
    }))

  test("discards nothing by the judgement of another time", () =>
    Effect.gen(function* () {
      const { condemned: earlier, directory, reclaimer, store, vm } = yield* scene
      yield* world.file(`${vm}/.vm-sentinel`, textOf(fresh()))
      const claim = yield* (yield* reclaimer).claim(yield* condemnedAt(store, vm))
      assert.strictEqual(yield* tag(claim.discard(earlier, nothingBelow)), "Changed")
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "data" })
    }))

  test("discards no other directory that was put where the claim lies", () =>
    Effect.gen(function* () {
      const { condemned, directory, sweep } = yield* scene
      yield* sweep((reclaimer) =>
        Effect.gen(function* () {
          const claim = yield* reclaimer.claim(condemned)
          yield* world.move(claim.path, `${directory}/moved`)
          yield* world.file(`${claim.path}/disk`, "new")
          assert.strictEqual(yield* tag(discarding(claim)), "Changed")
          assert.isFalse(yield* claim.isGone)
        })
      )
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "new", "moved/disk": "data" })
    }))

  test("deletes only the directory that was claimed, though another takes its place at the last moment", () =>
    Effect.gen(function* () {
      const { condemned, directory, sweep } = yield* scene
      const interposer = yield* Interposer
      yield* sweep((reclaimer) =>
        Effect.gen(function* () {
          const claim = yield* reclaimer.claim(condemned)
          const swap = Effect.andThen(
            world.move(claim.path, `${directory}/moved`),
            world.file(`${claim.path}/disk`, "new")
          )
          yield* interposer.before("renameNew", swap)
          yield* interposer.calls
          assert.strictEqual(yield* tag(discarding(claim)), "Changed")
          assert.notInclude(yield* interposer.calls, "removeTree")
        })
      )
      // The directory that took the place returns to `claimed`, where a sweep judges it. It isn't marked.
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "new", "moved/disk": "data" })
    }))

  for (const where of places) {
    for (const entry of [".vm-sentinel", ".vm-sentinel.late", ".bbox-sentinel"]) {
      test(`scenario 108: ${entry} that an owner without locks publishes as the deletion of a claim into ${where} begins stays`, () =>
        Effect.gen(function* () {
          const { condemned, directory, sweep } = yield* scene
          const interposer = yield* Interposer
          const late = `${textOf(fresh())} `
          yield* sweep((reclaimer) =>
            Effect.gen(function* () {
              const claim = yield* claimInto(where, reclaimer, condemned)
              const come = Effect.flatMap(markedPath(directory), (path) => world.file(`${path}/${entry}`, late))
              yield* interposer.before("removeTree", come)
              assert.deepStrictEqual(yield* discarding(claim), { stayed: ["."] })
              assert.isFalse(yield* claim.isGone)
            })
          )
          const left = yield* world.tree(yield* markedPath(directory))
          assert.hasAllKeys(left, [...new Set([".vm-sentinel", "disk", entry])])
          assert.strictEqual(left[entry], late)
        }))
    }
  }

  for (const [what, below, expected, left] of [
    ["the top", "", "Changed", "WS/claimed/vm/disk"],
    ["an entry below it", "/sub", "StoreFailure", "WS/dead/vm/disk"]
  ] as const) {
    test(`ESTALE of ${what} while a tree is removed is ${expected}`, () =>
      Effect.gen(function* () {
        const { condemned, directory, sweep } = yield* scene
        const interposer = yield* Interposer
        yield* interposer.fail("removeTree", "ESTALE", () => true, below)
        const told = yield* sweep((reclaimer) => tag(Effect.flatMap(reclaimer.claim(condemned), discarding)))
        assert.strictEqual(told, expected)
        assert.deepInclude(anonymous(yield* world.tree(directory)), { [left]: "data" })
      }))
  }

  test("a group removes what is condemned twice, and leaves the rest as it was, or leaves all of it", () =>
    Effect.gen(function* () {
      const { directory, store, sweep } = yield* empty
      const names = ["dead", "changed", "alive", "inner"] as const
      for (const name of names) yield* dead(`${directory}/${name}`)
      yield* world.file(`${directory}/inner/sub/file`, "inner")
      const judgements = yield* Effect.forEach(names, (name) =>
        Effect.map(store.look(`${directory}/${name}`, Layout.standard), (state) => judge(state))
      )
      yield* world.file(`${directory}/changed/.vm-sentinel`, textOf(fresh()))
      const before = yield* world.tree(directory)
      const answers = yield* sweep((reclaimer) =>
        reclaimer.removeMany(judgements, {
          interruptible: Effect.interruptible,
          judge: (state) => Effect.succeed(judge(state, undefined, state.path.endsWith("alive")))
        })
      )
      const [ofDead, ofChanged, ofAlive, ofInner] = answers.map((answer) => answer?._tag)
      assert.include(["Removed", undefined], ofDead)
      assert.strictEqual(ofAlive, ofDead === undefined ? undefined : "Kept")
      assert.isUndefined(ofChanged)
      assert.isUndefined(ofInner)
      const isLeft = (path: string) => ofDead === undefined || !/^dead(\/|$)/.test(path)
      const left = Object.entries(before).filter(([path]) => isLeft(path))
      assert.deepStrictEqual(yield* world.tree(directory), Object.fromEntries(left))
    }))

  test("a claim whose directory is elsewhere now deletes nothing", () =>
    Effect.gen(function* () {
      const { condemned, directory, reclaimer } = yield* scene
      const claim = yield* (yield* reclaimer).claim(condemned)
      yield* world.move(claim.path, `${directory}/moved`)
      assert.strictEqual(yield* tag(discarding(claim)), "Taken")
      assert.deepInclude(yield* world.tree(directory), { "moved/disk": "data" })
    }))

  for (const where of places) {
    test(`a directory claimed into ${where} that went back is safe from its claim`, () =>
      Effect.gen(function* () {
        const { condemned, directory, sweep } = yield* scene
        const before = yield* world.tree(directory)
        const escaped = yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const restored = yield* restoring(claimInto(where, reclaimer, condemned))
            assert.strictEqual(yield* tag(discarding(restored)), "Taken")
            return yield* claimInto(where, reclaimer, condemned)
          })
        )
        assert.strictEqual(yield* tag(discarding(escaped)), "Taken")
        assert.deepStrictEqual(yield* world.tree(directory), before)
      }))

    test(`a directory claimed into ${where} is safe from a claim whose scope has closed, though it had to stay there`, () =>
      Effect.gen(function* () {
        const { condemned, directory, sweep, vm } = yield* scene
        const closed = yield* sweep((reclaimer) =>
          Effect.tap(claimInto(where, reclaimer, condemned), () => world.file(`${vm}/disk`, "new"))
        )
        const before = yield* world.tree(directory)
        assert.strictEqual(yield* tag(discarding(closed)), "Taken")
        assert.deepStrictEqual(yield* world.tree(directory), before)
      }))

    test(`a directory claimed into ${where} goes back when its deletion was refused`, () =>
      Effect.gen(function* () {
        const { condemned, directory, store, sweep } = yield* scene
        yield* world.file(`${directory}/other/.vm-sentinel`, textOf(fresh()))
        const ofOther = yield* condemnedAt(store, `${directory}/other`)
        const before = yield* world.tree(directory)
        const refused = sweep((reclaimer) =>
          Effect.flatMap(claimInto(where, reclaimer, condemned), (claim) => claim.discard(ofOther, nothingBelow))
        )
        assert.strictEqual(yield* tag(refused), "Changed")
        assert.deepStrictEqual(yield* world.tree(directory), before)
      }))

    for (const [how, deleting] of [
      ["was interrupted", (claim: Claim) => interrupting(claim)],
      [
        "failed",
        (claim: Claim) =>
          Effect.gen(function* () {
            yield* Interposer.use(({ fail }) => fail("removeTree", "EIO"))
            assert.strictEqual(yield* tag(discarding(claim)), "StoreFailure")
          })
      ]
    ] as const) {
      test(`a directory claimed into ${where} never goes back when its deletion ${how}`, () =>
        Effect.gen(function* () {
          const { condemned, directory, sweep } = yield* scene
          const marked = yield* sweep((reclaimer) =>
            Effect.gen(function* () {
              yield* deleting(yield* claimInto(where, reclaimer, condemned))
              return yield* markedPath(directory)
            })
          )
          const tree = yield* world.tree(directory)
          assert.notProperty(tree, "vm")
          assert.deepInclude(tree, { [`${marked.slice(directory.length + 1)}/disk`]: "data" })
        }))
    }
  }

  able(
    world.stubborn,
    "scenario 50: what can't be removed stays marked, with its sentinel, and is finished later",
    (stubborn) =>
      Effect.gen(function* () {
        const { condemned, directory, store, sweep, vm } = yield* scene
        const path = yield* Effect.scoped(
          Effect.gen(function* () {
            yield* stubborn(`${vm}/stubborn`)
            const marked = yield* sweep((reclaimer) =>
              Effect.gen(function* () {
                const claim = yield* reclaimer.claim(condemned)
                assert.strictEqual(yield* tag(discarding(claim)), "PermissionDenied")
                const marked = yield* markedPath(directory)
                assert.deepStrictEqual(Object.keys(yield* world.tree(marked)), [
                  ".vm-sentinel",
                  "stubborn",
                  "stubborn/kept"
                ])
                assert.deepStrictEqual(
                  marked.slice(marked.lastIndexOf("/") + 1),
                  `${claim.state.sentinels.map(tagOf).join("")}=vm`
                )
                return marked
              })
            )
            yield* world.setMode(directory, 0o700)
            return marked.slice(0, marked.indexOf("/dead/"))
          })
        )
        const right = yield* condemnedAt(store, path, workspaceKind)
        yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const { claimed, dead } = yield* reclaimer.adopt(right)
            assert.deepStrictEqual(claimed, [])
            const [leftover] = dead
            if (leftover === undefined) return assert.fail("nothing is left")
            assert.strictEqual(leftover.name, "vm")
            if ((yield* world.tree(leftover.path))["stubborn"] !== undefined) {
              yield* world.setMode(`${leftover.path}/stubborn`, 0o777)
            }
            yield* discarding(yield* leftover.open, { _tag: "Remains", tags: leftover.tags })
          })
        )
        assert.deepStrictEqual(yield* world.tree(directory), {})
      })
  )

  for (const where of places) {
    /** Whether no other sweep can reach the remains. In the root, only a lock keeps other sweeps away. */
    const isSole = ({ isLocked }: Removable) => isLocked || where === "a workspace"

    test(`a claim into ${where} isn't gone before it is marked, nor after an interrupted deletion that left something`, () =>
      Effect.gen(function* () {
        const { condemned, directory, reclaimer } = yield* scene
        const claim = yield* claimInto(where, yield* reclaimer, condemned)
        assert.isFalse(yield* claim.isGone)
        yield* interrupting(claim)
        assert.isFalse(yield* claim.isGone)
        yield* world.remove(`${yield* markedPath(directory)}/disk`)
        assert.isFalse(yield* claim.isGone)
      }))

    test(`a claim into ${where} that went back, or was moved away unmarked, isn't gone`, () =>
      Effect.gen(function* () {
        const { condemned, directory, reclaimer: opened } = yield* scene
        const reclaimer = yield* opened
        const restored = yield* restoring(claimInto(where, reclaimer, condemned))
        assert.isFalse(yield* restored.isGone)
        const moved = yield* claimInto(where, reclaimer, condemned)
        yield* world.move(moved.path, `${directory}/moved`)
        assert.isFalse(yield* moved.isGone)
      }))

    test(`a claim into ${where} is gone when all was removed before the interrupt`, () =>
      Effect.gen(function* () {
        const { condemned, directory, reclaimer } = yield* scene
        const claim = yield* claimInto(where, yield* reclaimer, condemned)
        yield* interrupting(claim)
        yield* world.remove(yield* markedPath(directory))
        assert.strictEqual(yield* claim.isGone, isSole(claim))
      }))
  }

  test("a claim that went back deletes nothing of the next claim, though that lies where it lay", () =>
    Effect.gen(function* () {
      const { condemned, directory, reclaimer: opened } = yield* scene
      const reclaimer = yield* opened
      const restored = yield* restoring(reclaimer.claim(condemned))
      const claim = yield* reclaimer.claim(condemned)
      assert.strictEqual(restored.path, claim.path)
      assert.strictEqual(yield* tag(discarding(restored)), "Taken")
      yield* restored.restore
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "data" })
      assert.deepStrictEqual(yield* discarding(claim), { stayed: [] })
    }))

  test("a claim isn't gone whose workspace another sweep has taken: the other one will tell", () =>
    Effect.gen(function* () {
      const { condemned, directory, reclaimer } = yield* scene
      const claim = yield* (yield* reclaimer).claim(condemned)
      yield* interrupting(claim)
      yield* world.move(claim.path.replace("/claimed/vm", ""), `${directory}/.vm-sentinel-reap.0123`)
      assert.isFalse(yield* claim.isGone)
      yield* world.remove(yield* markedPath(directory))
      assert.isFalse(yield* claim.isGone)
    }))
}
