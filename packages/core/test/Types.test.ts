import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, type Scope, type Stream } from "effect"
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
import { SentinelStore } from "../src/SentinelStore.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as MemorySentinelStore from "../src/testing/MemorySentinelStore.ts"
import { condemnedAt, fresh, textOf } from "./support/condemning.ts"
import { discarding, nothingBelow, reclaimerOf, tag } from "./support/reaping.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only where both types are the same, or, given `false`, where they aren't. */
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
  | "LockBusy"

type Reclaim = ReturnType<typeof Cleanup.reclaim>
type Sweep = ReturnType<typeof Cleanup.sweep>
type Outcomes = ReturnType<typeof Cleanup.outcomes>
type Needed = ProcessInspector | SentinelStore

/** Checked by the compiler alone. */
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

  // The first error of a directory ends all, where that is wanted.
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

/** A delete takes a Condemned, and nothing else will do. None of this is ever run. */
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
  // @ts-expect-error a delete without a judgement
  void reclaimer.claim()
  // @ts-expect-error a judgement isn't the right, and may not have come to one
  void reclaimer.claim(judgement)
  // @ts-expect-error nobody may be condemned
  void reclaimer.claim(judgement.condemned)
  // @ts-expect-error what was looked at
  void reclaimer.claim(state)
  // @ts-expect-error a path
  void reclaimer.claim("/srv/vms/vm")
  // @ts-expect-error a structure
  void reclaimer.claim({ path: right.path, reason: right.reason, difference: () => undefined })
  // @ts-expect-error a claim alone deletes nothing
  void claim.discard(mayRemove)
  // @ts-expect-error nor does what it holds
  void claim.discard(claim.state, mayRemove)
  // @ts-expect-error nobody may be condemned
  void claim.discard(judgement.condemned, mayRemove)
  // @ts-expect-error nor is an inner owner passed over
  void claim.discard(right)
  // @ts-expect-error what a deletion left finishes nothing by itself
  void remains.discard(mayRemove)
  // @ts-expect-error nor does what it holds
  void remains.discard(remains.state, mayRemove)
  // @ts-expect-error nobody may be condemned
  void remains.discard(judgement.condemned, mayRemove)
  // @ts-expect-error what was marked never goes back
  void remains.restore
  // @ts-expect-error nor is a workspace taken over so
  void reclaimer.adopt(state)
  // @ts-expect-error nor a sentinel replaced
  void store.publish("/srv/vms/vm", fresh(), { replacing: state })
  // @ts-expect-error the constructor is private
  void new Condemned(Symbol("Condemned"), state, "pid-dead")
}

/** What a reclaimer gives, and what it holds until a scope closes. */
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
  same<Tag<Effect.Error<ReturnType<Removable["discard"]>>>, "Changed" | "Taken" | "PermissionDenied" | "StoreFailure">(
    true
  )
  same<Removable["isGone"], Effect.Effect<boolean>>(true)
}

type OptionalOf<A> = { [K in keyof A]-?: Record<never, never> extends Pick<A, K> ? K : never }[keyof A]

/** Services have no optional member: a mock and a wrapper reach all of them. */
export const members = (): void => {
  same<OptionalOf<Store>, never>(true)
  same<OptionalOf<Disk["Service"]>, never>(true)
  same<OptionalOf<Reclaimer>, never>(true)
  same<OptionalOf<Removable>, never>(true)
  same<OptionalOf<{ readonly a?: string }>, never>(false)
}

/** Each member, and no other: the compiler refuses one that is missing here, and one too many. */
const membersOfStore: Record<keyof Store, true> = {
  openRoot: true,
  openDirectory: true,
  list: true,
  look: true,
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

/** An effect that was called without types, and needs nothing. */
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
          // A lock that is held is asked for again for a while.
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
