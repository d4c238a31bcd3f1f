import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, type Result, type Scope, type Stream } from "effect"
import { TestClock } from "effect/testing"
import type { Claim, Leftovers, MayRemove, Reclaimer, Removable } from "../src/Reclaimer.ts"
import type * as Cleanup from "../src/Cleanup.ts"
import { Condemned } from "../src/Condemned.ts"
import { Disk } from "../src/Disk.ts"
import type * as Errors from "../src/Errors.ts"
import type { DirectoryState } from "../src/DirectoryState.ts"
import type { Judgement } from "../src/Condemned.ts"
import * as Layout from "../src/Layout.ts"
import type * as Ownership from "../src/Ownership.ts"
import type { Outcome } from "../src/Outcome.ts"
import type { ProcessInspector } from "../src/ProcessInspector.ts"
import type { Reason } from "../src/Reason.ts"
import type { Sentinel } from "../src/Sentinel.ts"
import { SentinelStore } from "../src/SentinelStore.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as MemorySentinelStore from "../src/testing/MemorySentinelStore.ts"
import { condemnedAt, fresh, textOf } from "./support/condemning.ts"
import { discarding, nothingBelow, reclaimerOf, tag } from "./support/reaping.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only if the types are equal or, with `false`, different. */
const same = <A, B>(isSame: Equal<A, B>): boolean => isSame

type Store = SentinelStore["Service"]
type Tag<E> = E extends { readonly _tag: infer T } ? T : never

type RootTags = "NotFound" | "PermissionDenied" | "RefusedRoot" | "StoreFailure"

type Tags =
  | RootTags
  | "OversizedSentinel"
  | "MalformedSentinel"
  | "UnsupportedVersion"
  | "UntrustedSentinel"
  | "MountInside"
  | "Taken"
  | "Changed"
  | "NameTaken"
  | "Immovable"
  | "LockBusy"

type Reclaim = ReturnType<typeof Cleanup.reclaim>
type Sweep = ReturnType<typeof Cleanup.sweep>
type Outcomes = ReturnType<typeof Cleanup.outcomes>
type Needed = ProcessInspector | SentinelStore

/** The compiler checks these types. The code never runs. */
export const channels = (): void => {
  same<Effect.Success<Reclaim>, Outcome>(true)
  same<Effect.Error<Reclaim>, Errors.RootError | Errors.DirectoryError>(true)
  same<Tag<Effect.Error<Reclaim>>, Tags>(true)
  same<Effect.Services<Reclaim>, Needed>(true)

  same<Effect.Success<Sweep>, Cleanup.Report>(true)
  same<Effect.Error<Sweep>, Errors.RootError>(true)
  same<Tag<Effect.Error<Sweep>>, RootTags>(true)
  same<Effect.Services<Sweep>, Needed>(true)

  same<Stream.Success<Outcomes>, Outcome>(true)
  same<Stream.Error<Outcomes>, Errors.RootError>(true)
  same<Stream.Services<Outcomes>, Needed>(true)

  // With `failOnError` the first error of a directory ends the sweep.
  type FailOnError = ReturnType<typeof Cleanup.failOnError>
  same<Effect.Success<FailOnError>, Outcome>(true)
  same<Effect.Error<FailOnError>, Errors.DirectoryError>(true)
  same<Tag<Effect.Error<Sweep> | Effect.Error<FailOnError>>, Tags>(true)

  same<Effect.Services<ReturnType<typeof Cleanup.judge>>, Needed>(true)
  same<Effect.Services<ReturnType<typeof Ownership.record>>, Needed>(true)

  type Three = Errors.PermissionDenied | Errors.NotFound | Errors.OversizedSentinel
  same<Extract<Effect.Error<Reclaim>, Three>, Three>(true)
  same<Extract<Effect.Error<Sweep> | Effect.Error<FailOnError>, Three>, Three>(true)
  same<Effect.Error<Reclaim>, Three>(false)
  same<Effect.Services<Reclaim>, SentinelStore>(false)
}

type LookTags = "NotFound" | "PermissionDenied" | "StoreFailure"
type PublishNewTags = LookTags | "AlreadyOwned" | "Claimed" | "MalformedSentinel"
type UnownedTags = PublishNewTags | "LockBusy"
type ErrorOf<F extends (...args: never) => Effect.Effect<unknown, unknown, unknown>> = Effect.Error<ReturnType<F>>

/** An owner's operation fails with what can happen to it, and nothing else. The code never runs. */
export const owning = (): void => {
  same<Tag<ErrorOf<typeof Ownership.ensureUnowned>>, UnownedTags>(true)
  same<Tag<ErrorOf<typeof Ownership.create>>, UnownedTags | "IdentityUnavailable">(true)
  same<Tag<ErrorOf<typeof Ownership.record>>, UnownedTags | "IdentityUnavailable" | "Changed">(true)
  same<ErrorOf<typeof Ownership.hold>, Ownership.RecordError>(true)
  same<ErrorOf<typeof Ownership.record>, Ownership.RecordError>(true)
  same<ErrorOf<typeof Ownership.release>, Errors.LookError>(true)
  same<Tag<ErrorOf<Store["publish"]>>, PublishNewTags | "Changed">(true)
  same<ErrorOf<Store["release"]>, Errors.LookError>(true)

  const made = (store: Store, sentinel: Sentinel) => store.create("/srv/vms/vm", () => Effect.succeed(sentinel))
  same<Tag<ErrorOf<typeof made>>, PublishNewTags>(true)

  // A published sentinel has a record. No caller has to ask.
  same<Ownership.Recorded["content"], Result.Result<Sentinel, never>>(true)
  same<Effect.Success<ReturnType<Store["publish"]>>["content"], Result.Result<Sentinel, never>>(true)
}

/** A program switches on closed values, and reads no words. The code never runs. */
export const closed = (): void => {
  same<Errors.Claimed["reason"], "swept" | "gone" | "replaced" | "record-lost" | "lock-lost">(true)
  same<Errors.NotFound["kind"], "missing" | "not-a-directory" | "no-sentinel">(true)
  same<Errors.AlreadyOwned["reason"], Errors.OwnedReason>(true)
  same<Exclude<Errors.OwnedReason, Reason>, "path-in-use" | "other-record" | "raced">(true)
  same<Errors.RefusedRoot["rule"], Errors.RootRule>(true)
  same<Errors.UntrustedSentinel["rule"], Errors.DistrustRule>(true)
  same<Errors.StoreFailure["operation"], Errors.Operation>(true)
  same<Errors.OwnedReason | Errors.RootRule | Errors.DistrustRule | Errors.Operation, string>(false)
}

/** A removal takes a `Condemned` and nothing else. The code never runs. */
export const deletes = (
  store: Store,
  state: DirectoryState,
  judgement: Judgement,
  right: Condemned,
  place: {
    readonly reclaimer: Reclaimer
    readonly claim: Claim
    readonly remains: Removable
    readonly mayRemove: MayRemove
  }
): void => {
  const { claim, mayRemove, reclaimer, remains } = place
  void reclaimer.claim(right)
  void claim.discard(right, mayRemove)
  void remains.discard(right, mayRemove)
  void reclaimer.adopt(right)
  // @ts-expect-error a claim without a `Condemned`
  void reclaimer.claim()
  // @ts-expect-error a whole judgement, which may not be dead
  void reclaimer.claim(judgement)
  // @ts-expect-error `condemned` is `undefined` if the judgement isn't dead
  void reclaimer.claim(judgement.condemned)
  // @ts-expect-error a directory's state
  void reclaimer.claim(state)
  // @ts-expect-error a path
  void reclaimer.claim("/srv/vms/vm")
  // @ts-expect-error an object of the same shape
  void reclaimer.claim({ path: right.path, reason: right.reason, difference: () => undefined })
  // @ts-expect-error a claim needs a `Condemned` to delete
  void claim.discard(mayRemove)
  // @ts-expect-error the claim's state
  void claim.discard(claim.state, mayRemove)
  // @ts-expect-error `condemned` is `undefined` if the judgement isn't dead
  void claim.discard(judgement.condemned, mayRemove)
  // @ts-expect-error a deletion needs the rule for owners inside
  void claim.discard(right)
  // @ts-expect-error remains need a `Condemned` to be deleted
  void remains.discard(mayRemove)
  // @ts-expect-error the state of the remains
  void remains.discard(remains.state, mayRemove)
  // @ts-expect-error `condemned` is `undefined` if the judgement isn't dead
  void remains.discard(judgement.condemned, mayRemove)
  // @ts-expect-error a marked directory can't be put back
  void remains.restore
  // @ts-expect-error a directory's state adopts no workspace
  void reclaimer.adopt(state)
  // @ts-expect-error a directory's state replaces no sentinel
  void store.publish("/srv/vms/vm", fresh(), { replacing: state })
  // @ts-expect-error the constructor is private
  void new Condemned(Symbol("Condemned"), state, "pid-dead")
}

/** Results of a reclaimer, with the resources that it holds until a scope closes. */
export const scopes = (): void => {
  type Claiming = ReturnType<Reclaimer["claim"]>
  same<Effect.Success<Claiming>, Claim>(true)
  same<Effect.Error<Claiming>, Errors.ClaimError>(true)
  same<Effect.Services<Claiming>, Scope.Scope>(true)

  type Opening = Leftovers["claimed"][number]["open"]
  same<Effect.Success<Opening>, Claim>(true)
  same<Effect.Error<Opening>, Errors.ResumeError>(true)
  same<Effect.Services<Opening>, Scope.Scope>(true)
  same<Effect.Success<Leftovers["dead"][number]["open"]>, Removable>(true)

  type Adopting = ReturnType<Reclaimer["adopt"]>
  same<Effect.Services<Adopting>, Scope.Scope>(true)
  same<Effect.Services<ReturnType<Reclaimer["leftovers"]>>, never>(true)

  same<Effect.Services<ReturnType<Removable["discard"]>>, never>(true)
  type Discarding = Tag<Effect.Error<ReturnType<Removable["discard"]>>>
  same<Discarding, "Changed" | "Taken" | "MountInside" | "PermissionDenied" | "StoreFailure">(true)
  same<Removable["isGone"], Effect.Effect<boolean>>(true)
}

type OptionalOf<A> = { [K in keyof A]-?: Record<never, never> extends Pick<A, K> ? K : never }[keyof A]

/** Services have no optional members, so a mock or wrapper must provide all of them. */
export const members = (): void => {
  same<OptionalOf<Store>, never>(true)
  same<OptionalOf<Disk["Service"]>, never>(true)
  same<OptionalOf<Reclaimer>, never>(true)
  same<OptionalOf<Removable>, never>(true)
  same<OptionalOf<{ readonly a?: string }>, never>(false)
}

/** The members of the store. The compiler refuses a missing or an additional one. */
const membersOfStore: Record<keyof Store, true> = {
  openRoot: true,
  openDirectory: true,
  list: true,
  look: true,
  inspect: true,
  peekMany: true,
  ownersBelow: true,
  usage: true,
  publish: true,
  create: true,
  release: true,
  lock: true,
  probeLock: true,
  reclaimer: true
}

const root = "/srv/vms"
const vm = `${root}/vm`

const scene = Effect.gen(function* () {
  const [memory, store] = [yield* MemoryDisk, yield* SentinelStore]
  const sentinel = textOf(fresh())
  yield* memory.seed({
    [`${vm}/.vm-sentinel`]: sentinel,
    [`${vm}/disk`]: "disk",
    [`${root}/other/.vm-sentinel`]: sentinel,
    [`${root}/other/disk`]: "other disk"
  })
  const opened = yield* store.openRoot(root)
  const reclaimer = yield* reclaimerOf(store, opened)
  return { memory, store, sentinel, root: opened, reclaimer, right: yield* condemnedAt(store, vm) }
})

const disks = (memory: MemoryDisk["Service"]) =>
  Effect.map(memory.snapshot(root), (found) =>
    Object.entries(found).flatMap(([path, { content }]) => (path.endsWith("/disk") ? [content] : []))
  )

/** Runs an untyped effect that needs no services. */
const forgetting = (effect: Effect.Effect<unknown, unknown, unknown>): Effect.Effect<unknown, unknown> =>
  Effect.provideContext(effect, Context.empty() as Context.Context<unknown>)

describe("a Condemned at run time", () => {
  const inMemory = Layer.merge(MemorySentinelStore.layer, Logger.layer([]))
  const test = (title: string, body: Effect.Effect<void, unknown, Layer.Success<typeof inMemory> | Scope.Scope>) =>
    it.effect(title, () => Effect.provide(Effect.scoped(body), inMemory))

  test(
    "is refused for another directory, though that holds the same bytes",
    Effect.gen(function* () {
      const { memory, reclaimer, right } = yield* scene
      yield* memory.move(vm, "/srv/kept")
      yield* memory.move(`${root}/other`, vm)
      assert.strictEqual(yield* tag(reclaimer.claim(right)), "Changed")
      assert.deepStrictEqual(yield* disks(memory), ["other disk"])
    })
  )

  test(
    "is refused after its sentinel changed: the same bytes in a new file",
    Effect.gen(function* () {
      const { memory, reclaimer, right, sentinel } = yield* scene
      yield* memory.seed({ [`${vm}/copy`]: sentinel })
      yield* memory.move(`${vm}/copy`, `${vm}/.vm-sentinel`)
      assert.strictEqual(yield* tag(reclaimer.claim(right)), "Changed")
      assert.lengthOf(yield* disks(memory), 2)
    })
  )

  test(
    "is refused after its sentinel changed: other bytes in the same file",
    Effect.gen(function* () {
      const { memory, reclaimer, right } = yield* scene
      const before = (yield* memory.snapshot())[`${vm}/.vm-sentinel`]
      yield* memory.seed({ [`${vm}/.vm-sentinel`]: textOf(fresh()) })
      assert.strictEqual((yield* memory.snapshot())[`${vm}/.vm-sentinel`]?.ino, before?.ino)
      assert.strictEqual(yield* tag(reclaimer.claim(right)), "Changed")
      assert.lengthOf(yield* disks(memory), 2)
    })
  )

  test(
    "is refused for the claim of another directory",
    Effect.gen(function* () {
      const { memory, reclaimer, right, store } = yield* scene
      const ofOther = yield* condemnedAt(store, `${root}/other`)
      const claim = yield* reclaimer.claim(right)
      const other = yield* reclaimer.claim(ofOther)
      assert.strictEqual(yield* tag(claim.discard(ofOther, nothingBelow)), "Changed")
      assert.strictEqual(yield* tag(other.discard(right, nothingBelow)), "Changed")
      assert.lengthOf(yield* disks(memory), 2)
      yield* discarding(claim)
      assert.deepStrictEqual(yield* disks(memory), ["other disk"])
    })
  )

  test(
    "can't be imitated: what only looks like one removes nothing",
    Effect.gen(function* () {
      const { memory, reclaimer, right, root, store } = yield* scene
      const inPlace = yield* reclaimerOf(store, root)
      const claim = yield* reclaimer.claim(yield* condemnedAt(store, `${root.path}/other`))
      const entry = ".vm-sentinel-reap.00000000.dead=gone"
      const path = `${root.path}/${entry}`
      yield* memory.seed({ [`${path}/disk`]: "half" })
      const [leftover] = (yield* reclaimer.leftovers({ kind: "dead", entry, path })).dead
      if (leftover === undefined) return assert.fail("nothing is left")
      const remains = yield* leftover.open
      const { reason } = right
      for (const imitation of [
        Object.assign(Object.create(Condemned.prototype), { reason }),
        { reason, path: vm, difference: () => undefined },
        { reason, path, difference: () => undefined }
      ]) {
        assert.isFalse(Condemned.is(imitation))
        for (const [deletion, ...given] of [
          [reclaimer.claim, imitation],
          [inPlace.claim, imitation],
          [claim.discard, imitation, nothingBelow],
          [remains.discard, imitation, nothingBelow],
          [reclaimer.adopt, imitation]
        ]) {
          if (deletion === inPlace.claim) yield* memory.failNext("mkdir", "ENOSPC")
          const done: unknown = typeof deletion === "function" ? Reflect.apply(deletion, undefined, given) : undefined
          if (!Effect.isEffect(done)) return assert.fail("no deletion")
          // The deletion retries a held lock until its timeout.
          const fiber = yield* Effect.forkChild(Effect.exit(Effect.orDie(forgetting(done))))
          yield* TestClock.adjust("1 second")
          assert.strictEqual((yield* Fiber.join(fiber))._tag, "Failure")
        }
      }
      assert.sameMembers(yield* disks(memory), ["disk", "other disk", "half"])
    })
  )
})

const mockedStore = Layer.mock(SentinelStore)({
  look: (path) =>
    Effect.succeed({
      path,
      id: { dev: "1", ino: "2" },
      frame: { id: { dev: "1", ino: "2" } },
      distrust: undefined,
      subdirectories: "none",
      sentinels: [],
      foreign: []
    })
})

describe("services", () => {
  it.effect("a store has at most 14 members", () =>
    Effect.gen(function* () {
      const listed = Object.keys(membersOfStore)
      assert.isAtMost(listed.length, 14)
      assert.sameMembers(Object.keys(yield* SentinelStore), listed)
    }).pipe(Effect.provide(MemorySentinelStore.layer))
  )

  it.effect("a store and a disk are mocked by what a test needs of them", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      assert.strictEqual((yield* store.look(vm, Layout.standard)).path, vm)
      assert.strictEqual((yield* Effect.exit(store.usage(vm)))._tag, "Failure")
      const disk = yield* Disk
      assert.strictEqual((yield* Effect.exit(disk.lstat(vm)))._tag, "Failure")
    }).pipe(Effect.provide(Layer.merge(mockedStore, Layer.mock(Disk)({}))))
  )
})
