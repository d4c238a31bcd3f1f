/** Tests of directories that can't be renamed. */
import { assert } from "@effect/vitest"
import { Effect, Layer, type Scope, Struct } from "effect"
import * as Layout from "../../src/Layout.ts"
import type { Reclaimer } from "../../src/Reclaimer.ts"
import type { Condemned } from "../../src/Condemned.ts"
import { Disk, DiskError, make as makeDisk } from "../../src/Disk.ts"
import { emptiedTag } from "../../src/internal/store/unmoved.ts"
import * as SentinelStore from "../../src/SentinelStore.ts"
import { condemnedAt, fresh, textOf } from "./condemning.ts"
import { Interposer } from "./Interposed.ts"
import {
  anonymous,
  discarding,
  interrupting,
  nonces,
  nothingBelow,
  reapingIn,
  refusal,
  reclaimerOf,
  remainsKind,
  tag
} from "./reaping.ts"
import { ticking } from "./Races.ts"
import type { Tester } from "./storeTester.ts"
import { worldWithoutDirectories } from "./withoutDirectory.ts"

const isVm = (path: string): boolean => path.endsWith("/vm")

/** Options of a probe that may start a program to ask for the lock. */

/** Earlier directories of the same name. The file system may reuse their inode. */
const others = { another: { id: { dev: "1", ino: "1" } }, earlier: { birth: "1" } } as const

/** Claims a directory whose rename is refused. */
const claimUnmoved = (reclaimer: Reclaimer, condemned: Condemned, errno = "EXDEV") =>
  Effect.andThen(
    Interposer.use(({ fail }) => fail("renameNew", errno, isVm)),
    reclaimer.claim(condemned)
  )

export const tests = <R>({ test, world: given }: Tester<R>): void => {
  const world = worldWithoutDirectories(given)
  const { abandoned, scene } = reapingIn(world)

  /** Makes the scene if the file system has locks. Without locks a sweep removes nothing in place. */
  const locked = <E, R2>(use: (made: Effect.Success<typeof scene>) => Effect.Effect<void, E, R2>) =>
    Effect.flatMap(scene, (made) =>
      Effect.flatMap(made.store.probeLock(made.vm), (state) => (state === "unknown" ? Effect.void : use(made)))
    )

  /** Starts to delete the directory in place, and stops the sweep before it has removed anything. */
  const begun = ({ condemned, sweep }: Effect.Success<typeof scene>) =>
    sweep((reclaimer) => Effect.flatMap(claimUnmoved(reclaimer, condemned), (claim) => interrupting(claim)))

  const marked = ({ sentinel }: Effect.Success<typeof scene>) => ({
    vm: "directory",
    "vm/.vm-sentinel.removing": textOf(sentinel),
    "vm/disk": "data"
  })

  for (const errno of ["EXDEV", "ENAMETOOLONG", "ENOSPC", "EDQUOT"]) {
    test(`scenario 86: a directory that a rename refuses (${errno}) is removed where it lies, if it can be locked`, () =>
      Effect.gen(function* () {
        const { condemned, directory, store, sweep, vm } = yield* scene
        const before = yield* world.tree(directory)
        const hasLocks = (yield* store.probeLock(vm)) !== "unknown"
        const removed = sweep((reclaimer) =>
          Effect.gen(function* () {
            const claim = yield* claimUnmoved(reclaimer, condemned, errno)
            assert.deepInclude(claim, { path: vm, origin: vm, isLocked: true })
            assert.strictEqual(yield* store.probeLock(vm), "exclusive")
            assert.deepInclude(yield* world.tree(directory), before)
            assert.isFalse(yield* claim.isGone)
            assert.deepStrictEqual(yield* discarding(claim), { stayed: [] })
            assert.isTrue(yield* claim.isGone)
          })
        )
        if (hasLocks) {
          yield* removed
          return assert.deepStrictEqual(yield* world.tree(directory), {})
        }
        const error = yield* sweep((reclaimer) => Effect.flip(claimUnmoved(reclaimer, condemned, errno)))
        assert.deepInclude(error, { _tag: "Immovable", path: vm, errno })
        assert.include(error.message, "remove it by hand")
        assert.deepStrictEqual(yield* world.tree(directory), before)
      }))
  }

  test("scenario 86: a directory that a rename refuses stays where a lock doesn't keep others out", () =>
    locked(({ condemned, directory, root, vm }) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const before = yield* world.tree(directory)
        // This Disk acts like a file system on which a second open gets the lock, too.
        const untested = Disk.of({
          ...disk,
          lock: (path, options) => Effect.map(disk.lock(path, options), (held) => ({ ...held, tested: false }))
        })
        const store = yield* SentinelStore.SentinelStore.pipe(
          Effect.provide(Layer.provide(Layer.fresh(SentinelStore.layer), Layer.succeed(Disk, untested)))
        )
        const claiming = Effect.flatMap(reclaimerOf(store, root), (reclaimer) =>
          Effect.flip(claimUnmoved(reclaimer, condemned))
        )
        assert.deepInclude(yield* Effect.scoped(claiming), { _tag: "Immovable", path: vm, errno: "EXDEV" })
        assert.deepStrictEqual(yield* world.tree(directory), before)
      })
    ))

  test("scenario 97: a name that leaves no room for a longer one is removed where it lies, on a full file system", () =>
    locked(({ condemned, directory, sweep }) =>
      Effect.gen(function* () {
        yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            yield* Interposer.use(({ fail }) => fail("makeDirectory", "ENOSPC"))
            const claim = yield* claimUnmoved(reclaimer, condemned, "ENAMETOOLONG")
            assert.strictEqual(claim.path, claim.origin)
            yield* discarding(claim)
          })
        )
        assert.deepStrictEqual(yield* world.tree(directory), {})
      })
    ))

  test("a directory claimed where it lies stays as it was, unless it is marked", () =>
    locked(({ condemned, directory, store, sweep, vm }) =>
      Effect.gen(function* () {
        const before = yield* world.tree(directory)
        const closed = yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const restored = yield* Effect.scoped(
              Effect.tap(claimUnmoved(reclaimer, condemned), ({ restore }) => restore)
            )
            assert.strictEqual(yield* tag(discarding(restored)), "Taken")
            assert.isFalse(yield* restored.isGone)
            const claim = yield* claimUnmoved(reclaimer, condemned)
            yield* world.file(`${directory}/other/.vm-sentinel`, textOf(fresh()))
            const ofOther = yield* condemnedAt(store, `${directory}/other`)
            assert.strictEqual(yield* tag(claim.discard(ofOther, nothingBelow)), "Changed")
            yield* world.remove(`${directory}/other`)
            return claim
          })
        )
        assert.strictEqual(yield* tag(discarding(closed)), "Taken")
        assert.deepStrictEqual(yield* world.tree(directory), before)
        assert.strictEqual(yield* store.probeLock(vm), "free")
      })
    ))

  test("a deletion where the directory lies marks it by its sentinel's name, and never goes back", () =>
    locked((made) =>
      Effect.gen(function* () {
        const { condemned, directory, sweep, vm } = made
        yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const claim = yield* claimUnmoved(reclaimer, condemned)
            yield* interrupting(claim)
            assert.isFalse(yield* claim.isGone)
            assert.deepInclude(yield* world.tree(directory), marked(made))
            assert.notProperty(yield* world.tree(vm), ".vm-sentinel")
            yield* claim.restore
            yield* world.remove(vm)
            assert.isTrue(yield* claim.isGone)
          })
        )
        assert.deepStrictEqual(yield* world.tree(directory), {})
      })
    ))

  for (const isMovable of [true, false]) {
    test(`scenario 105: a deletion that was begun where the directory lies is finished by the next sweep, whose rename ${isMovable ? "works" : "is refused"}`, () =>
      locked((made) =>
        Effect.gen(function* () {
          const { directory, store, sweep, vm } = made
          yield* begun(made)
          assert.deepStrictEqual(yield* world.tree(directory), marked(made))
          for (const name of [".vm-sentinel", ".bbox-sentinel"]) {
            const { foreign, sentinels } = yield* store.look(vm, Layout.ofNames([name]))
            assert.deepStrictEqual([sentinels.map(({ entry }) => entry), foreign], [[".vm-sentinel.removing"], []])
          }
          const right = yield* condemnedAt(store, vm)
          yield* sweep((reclaimer) =>
            Effect.gen(function* () {
              const claim = yield* isMovable ? reclaimer.claim(right) : claimUnmoved(reclaimer, right)
              assert.strictEqual(claim.path === vm, !isMovable)
              assert.deepStrictEqual(yield* discarding(claim), { stayed: [] })
            })
          )
          assert.deepStrictEqual(yield* world.tree(directory), {})
        })
      ))
  }

  test("scenario 105: an owner that comes by path to a deletion that was begun where the directory lies is Claimed", () =>
    locked((made) =>
      Effect.gen(function* () {
        const { directory, store, vm } = made
        yield* begun(made)
        const born = () => Effect.succeed(fresh())
        assert.strictEqual(yield* refusal(Effect.scoped(store.lock(vm))), "Claimed: swept")
        assert.strictEqual(yield* refusal(store.publish(vm, fresh())), "Claimed: swept")
        assert.strictEqual(
          yield* refusal(store.publish(vm, fresh(), { entry: ".vm-sentinel.helper" })),
          "Claimed: swept"
        )
        assert.strictEqual(yield* refusal(store.create(vm, born)), "Claimed: swept")
        assert.deepStrictEqual(yield* world.tree(directory), marked(made))
      })
    ))

  test("scenario 105: the record that an owner without locks publishes right after the mark is unlinked stays", () =>
    locked(({ condemned, directory, root, store, vm }) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const late = fresh()
        let published: Readonly<Record<string, string>> = {}
        const come = store.publish(vm, late).pipe(
          Effect.andThen(world.tree(vm)),
          Effect.map((tree) => (published = tree)),
          Effect.provideContext(yield* Effect.context<R | Scope.Scope>()),
          Effect.orDie
        )
        const ofSweep = makeDisk({
          ...Struct.omit(disk, ["removeTree"]),
          unlink: (path) =>
            Effect.andThen(disk.unlink(path), path === `${vm}/.vm-sentinel.removing` ? come : Effect.void),
          renameNew: (from, to) =>
            from === vm
              ? Effect.fail(new DiskError({ errno: "EXDEV", operation: "rename", path: from }))
              : disk.renameNew(from, to)
        })
        const sweeping = yield* SentinelStore.SentinelStore.pipe(
          Effect.provide(Layer.provide(Layer.fresh(SentinelStore.layer), Layer.succeed(Disk, ofSweep)))
        )
        const removing = Effect.gen(function* () {
          const claim = yield* (yield* reclaimerOf(sweeping, root)).claim(condemned)
          assert.deepStrictEqual(yield* discarding(claim), { stayed: ["."] })
          assert.isFalse(yield* claim.isGone)
        })
        yield* Effect.scoped(removing)
        assert.deepStrictEqual(Object.keys(published), [".vm-sentinel"])
        assert.include(published[".vm-sentinel"], late.record.nonce)
        assert.deepStrictEqual(yield* world.tree(vm), published)
        assert.deepStrictEqual(Object.keys(yield* world.tree(directory)), ["vm", "vm/.vm-sentinel"])
      })
    ))

  test("scenario 105: a mark that was written to stays, and so does a directory with a sentinel that wasn't judged", () =>
    locked(({ directory, store, sweep, vm }) =>
      Effect.gen(function* () {
        const interposer = yield* Interposer
        const before = yield* world.tree(vm)
        for (const entry of [".vm-sentinel.removing", ".vm-sentinel.late", ".bbox-sentinel"]) {
          const right = yield* condemnedAt(store, vm)
          const discarded = sweep((reclaimer) =>
            Effect.gen(function* () {
              const claim = yield* claimUnmoved(reclaimer, right)
              yield* interposer.before("removeTree", world.file(`${vm}/${entry}`, `${textOf(fresh())} `), isVm)
              return yield* discarding(claim)
            })
          )
          assert.deepStrictEqual(yield* discarded, { stayed: ["."] }, entry)
          const left = yield* world.tree(vm)
          assert.includeMembers(Object.keys(left), [entry, ".vm-sentinel.removing", "disk"])
          if (entry === ".vm-sentinel.removing") yield* world.file(`${vm}/${entry}`, before[".vm-sentinel"] ?? "")
          else yield* world.remove(`${vm}/${entry}`)
          yield* world.move(`${vm}/.vm-sentinel.removing`, `${vm}/.vm-sentinel`)
          assert.deepStrictEqual(yield* world.tree(vm), before)
        }
        assert.deepStrictEqual(Object.keys(yield* world.tree(directory)).toSorted(), [
          "vm",
          "vm/.vm-sentinel",
          "vm/disk"
        ])
      })
    ))

  test("scenario 105: the sweep that finishes a deletion where the directory lies keeps a sentinel that it didn't judge", () =>
    locked((made) =>
      Effect.gen(function* () {
        const { directory, store, sweep, vm } = made
        yield* begun(made)
        const right = yield* condemnedAt(store, vm)
        const interposer = yield* Interposer
        const late = textOf(fresh())
        yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const claim = yield* claimUnmoved(reclaimer, right)
            yield* interposer.before("removeTree", world.file(`${vm}/.vm-sentinel`, late), isVm)
            assert.deepStrictEqual(yield* discarding(claim), { stayed: ["."] })
          })
        )
        assert.deepStrictEqual(yield* world.tree(directory), { ...marked(made), "vm/.vm-sentinel": late })
      })
    ))

  test("a judged sentinel goes where the directory lies, although a killed writer left a second link to it", () =>
    locked(({ directory, store, sweep, vm }) =>
      Effect.gen(function* () {
        yield* world.hardLink(`${vm}/.vm-sentinel-tmp.0123abcd`, `${vm}/.vm-sentinel`)
        const right = yield* condemnedAt(store, vm)
        yield* sweep((reclaimer) =>
          Effect.gen(function* () {
            const claim = yield* claimUnmoved(reclaimer, right)
            assert.deepStrictEqual(yield* discarding(claim), { stayed: [] })
          })
        )
        assert.deepStrictEqual(yield* world.tree(directory), {})
      })
    ))

  test("nobody publishes the mark itself", () =>
    Effect.gen(function* () {
      const { directory, store, vm } = yield* scene
      const before = yield* world.tree(directory)
      const entry = ".vm-sentinel.removing"
      assert.strictEqual(yield* tag(store.publish(vm, fresh(), { entry })), "MalformedSentinel")
      assert.deepStrictEqual(yield* world.tree(directory), before)
    }))

  const removing = (path: string): boolean => path.endsWith("/.vm-sentinel")

  for (const [change, make] of [
    ["another sentinel", (vm: string) => world.file(`${vm}/.vm-sentinel.helper`, textOf(fresh()))],
    ["other bytes in the sentinel", (vm: string) => world.file(`${vm}/.vm-sentinel`, textOf(fresh()))],
    ["brood-box's sentinel too", (vm: string) => world.file(`${vm}/.bbox-sentinel`, "17\n/usr/bin/bbox")]
  ] as const) {
    test(`scenario 41: ${change}, by somebody who locks nothing, right before the mark: Changed, and no mark stays`, () =>
      locked(({ condemned, directory, sweep, vm }) =>
        Effect.gen(function* () {
          let changed: Readonly<Record<string, string>> = {}
          const come = Effect.andThen(
            make(vm),
            Effect.map(world.tree(vm), (tree) => (changed = tree))
          )
          const interposer = yield* Interposer
          const discarded = sweep((reclaimer) =>
            Effect.gen(function* () {
              const claim = yield* claimUnmoved(reclaimer, condemned)
              yield* interposer.before("renameNew", come, removing)
              return yield* discarding(claim)
            })
          )
          assert.strictEqual(yield* tag(discarded), "Changed")
          assert.deepStrictEqual(yield* world.tree(vm), changed)
          assert.strictEqual(changed["disk"], "data")
          assert.notMatch(Object.keys(yield* world.tree(directory)).join(" "), nonces)
        })
      ))
  }

  test("scenario 41: a record published right after the mark keeps the directory, mark and all", () =>
    locked(({ condemned, directory, sweep, vm }) =>
      Effect.gen(function* () {
        const interposer = yield* Interposer
        const late = textOf(fresh())
        const discarded = sweep((reclaimer) =>
          Effect.gen(function* () {
            const claim = yield* claimUnmoved(reclaimer, condemned)
            yield* interposer.before("scan", world.file(`${vm}/.vm-sentinel`, late), isVm)
            return yield* discarding(claim)
          })
        )
        assert.strictEqual(yield* tag(discarded), "Changed")
        assert.deepInclude(yield* world.tree(directory), { "vm/.vm-sentinel": late, "vm/disk": "data" })
      })
    ))

  test("the mark is taken back where the look after it fails", () =>
    locked(({ condemned, directory, sweep, vm }) =>
      Effect.gen(function* () {
        const interposer = yield* Interposer
        const before = yield* world.tree(vm)
        const discarded = sweep((reclaimer) =>
          Effect.gen(function* () {
            const claim = yield* claimUnmoved(reclaimer, condemned)
            yield* interposer.fail("scan", "EIO", isVm)
            return yield* discarding(claim)
          })
        )
        assert.strictEqual(yield* tag(discarded), "StoreFailure")
        assert.deepStrictEqual(yield* world.tree(vm), before)
        assert.notMatch(Object.keys(yield* world.tree(directory)).join(" "), nonces)
      })
    ))

  test("a writer that locks nothing takes its record back where the directory was marked meanwhile", () =>
    locked((made) =>
      Effect.gen(function* () {
        const { directory, store, vm } = made
        const interposer = yield* Interposer
        yield* interposer.before("syncDirectory", Effect.andThen(world.remove(`${vm}/.vm-sentinel`), mark(vm)), isVm)
        const published = store.publish(vm, fresh(), { entry: ".vm-sentinel.helper" })
        assert.strictEqual(yield* refusal(published), "Claimed: swept")
        assert.sameMembers(Object.keys(yield* world.tree(directory)), ["vm", "vm/.vm-sentinel.removing", "vm/disk"])
      })
    ))

  const mark = (vm: string) => world.file(`${vm}/.vm-sentinel.removing`, textOf(fresh()))

  test("scenario 48: another directory in the place of one that was claimed where it lay is left alone", () =>
    locked(({ condemned, directory, sweep, vm }) =>
      Effect.gen(function* () {
        const swap = Effect.andThen(world.move(vm, `${directory}/moved`), world.file(`${vm}/disk`, "new"))
        const interposer = yield* Interposer
        for (const method of ["lstat", "removeTree"] as const) {
          const discarded = sweep((reclaimer) =>
            Effect.gen(function* () {
              const claim = yield* claimUnmoved(reclaimer, condemned)
              yield* interposer.before(method, swap, isVm)
              const right = yield* Effect.exit(discarding(claim))
              assert.isFalse(yield* claim.isGone)
              return yield* right
            })
          )
          assert.strictEqual(yield* tag(discarded), "Changed", method)
          assert.deepInclude(yield* world.tree(directory), { "vm/disk": "new", "moved/disk": "data" })
          yield* world.remove(vm)
          yield* world.move(`${directory}/moved`, vm)
        }
      })
    ))

  /** Makes what a sweep leaves if it is killed while it deletes a directory in place. */
  const noted = Effect.fnUntraced(function* (of: "vm" | keyof typeof others) {
    const made = yield* scene
    const { directory, vm } = made
    const workspace = yield* abandoned(directory)
    const stat = yield* Disk.use((disk) => disk.lstat(vm))
    const tag = emptiedTag(of === "vm" ? stat : { ...stat, ...others[of] })
    yield* world.directory(`${workspace.path}/dead/${tag}00000000=vm`)
    const [leftover] = (yield* (yield* made.reclaimer).leftovers(workspace)).dead
    if (leftover === undefined) return yield* Effect.die("nothing is left")
    return { ...made, leftover }
  })

  const finishing = ({ leftover }: Effect.Success<ReturnType<typeof noted>>) =>
    Effect.flatMap(leftover.open, (remains) => discarding(remains, remainsKind))

  test("a directory that was emptied where it lay is removed by the note of it", () =>
    Effect.gen(function* () {
      const made = yield* noted("vm")
      yield* world.remove(`${made.vm}/.vm-sentinel`)
      yield* world.remove(`${made.vm}/disk`)
      assert.deepStrictEqual(yield* finishing(made), { stayed: [] })
      const tree = anonymous(yield* world.tree(made.directory))
      assert.notProperty(tree, "vm")
      assert.notMatch(Object.keys(tree).join(" "), /dead\//)
    }))

  test("a note is of the directory as it is marked: for the mark overlayfs makes a copy of it, with another birth", () =>
    locked(({ condemned, root, vm }) =>
      Effect.gen(function* () {
        const disk = yield* Disk
        let birth = "1"
        const made: Array<string> = []
        const copying = Disk.of({
          ...disk,
          lstat: (path) => Effect.map(disk.lstat(path), (stat) => (path === vm ? { ...stat, birth } : stat)),
          renameNew: (from, to) =>
            from === vm
              ? Effect.fail(new DiskError({ errno: "EXDEV", operation: "rename", path: from }))
              : Effect.tap(disk.renameNew(from, to), () =>
                  Effect.sync(() => (birth = to.endsWith(".vm-sentinel.removing") ? "2" : birth))
                ),
          makeDirectory: (path) => Effect.tap(disk.makeDirectory(path), () => Effect.sync(() => made.push(path)))
        })
        const store = yield* SentinelStore.SentinelStore.pipe(
          Effect.provide(Layer.provide(Layer.fresh(SentinelStore.layer), Layer.succeed(Disk, copying)))
        )
        const { id } = yield* disk.lstat(vm)
        const removing = Effect.flatMap(reclaimerOf(store, root), (reclaimer) => reclaimer.claim(condemned))
        yield* Effect.scoped(Effect.flatMap(removing, (claim) => discarding(claim)))
        const tagged = made.filter((path) => path.endsWith("00000000=vm")).map((path) => path.split("/dead/")[1])
        assert.deepStrictEqual(tagged, [`${emptiedTag({ id, birth: "2" })}00000000=vm`])
      })
    ))

  test("a note of a directory that isn't empty, or is another, removes nothing but itself", () =>
    Effect.gen(function* () {
      for (const of of ["vm", "another", "earlier"] as const) {
        const made = yield* noted(of)
        if (of !== "vm") {
          yield* world.remove(`${made.vm}/.vm-sentinel`)
          yield* world.remove(`${made.vm}/disk`)
        }
        const before = yield* world.tree(made.vm)
        assert.strictEqual(yield* tag(finishing(made)), "Taken")
        assert.deepStrictEqual(yield* world.tree(made.vm), before)
        assert.notMatch(Object.keys(anonymous(yield* world.tree(made.directory))).join(" "), /dead\//)
      }
    }))

  test("a note removes no directory that an owner has locked and not yet written into", () =>
    Effect.gen(function* () {
      const made = yield* noted("vm")
      const { store, vm } = made
      if ((yield* store.probeLock(vm)) === "unknown") return
      yield* ticking
      yield* world.remove(`${vm}/.vm-sentinel`)
      yield* world.remove(`${vm}/disk`)
      const taken = Effect.andThen(
        Disk.use((disk) => disk.lock(vm, { mode: "shared", test: false })),
        tag(finishing(made))
      )
      assert.strictEqual(yield* Effect.scoped(taken), "Taken")
      assert.deepStrictEqual(yield* world.tree(vm), {})
      // The note stays, because that owner may end without having written anything.
      assert.deepStrictEqual(yield* finishing(made), { stayed: [] })
      assert.notProperty(yield* world.tree(made.directory), "vm")
    }))
}
