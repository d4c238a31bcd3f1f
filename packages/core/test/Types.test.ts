import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, type Scope, type Stream } from "effect"
import { TestClock } from "effect/testing"
import type * as Cleanup from "../src/Cleanup.ts"
import { Condemned, type Judgement } from "../src/Condemned.ts"
import type * as Errors from "../src/Errors.ts"
import type { Holding } from "../src/Holding.ts"
import type * as Ownership from "../src/Ownership.ts"
import type { Outcome } from "../src/Outcome.ts"
import type { ProcessInspector } from "../src/ProcessInspector.ts"
import {
  type Claim,
  type MayRemove,
  type OwnSentinel,
  type Remains,
  type Root,
  SentinelStore,
  type Workspace
} from "../src/SentinelStore.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as MemorySentinelStore from "../src/testing/MemorySentinelStore.ts"
import { condemned, condemnedAt, fresh, textOf } from "./support/condemning.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only where both types are the same, or, given `false`, where they aren't. */
const same = <A, B>(isSame: Equal<A, B>): boolean => isSame

type Store = SentinelStore["Service"]
type Tag<E> = E extends { readonly _tag: infer T } ? T : never

type Tags =
  | "NotFound"
  | "PermissionDenied"
  | "RefusedRoot"
  | "StoreFailure"
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
  same<Effect.Error<Sweep>, Errors.RootError | Errors.DirectoryError>(true)
  same<Tag<Effect.Error<Sweep>>, Tags>(true)
  same<Effect.Services<Sweep>, Needed>(true)

  same<Stream.Success<Outcomes>, Outcome>(true)
  same<Stream.Error<Outcomes>, Errors.RootError | Errors.DirectoryError>(true)
  same<Stream.Services<Outcomes>, Needed>(true)

  same<Effect.Services<ReturnType<typeof Cleanup.judge>>, Needed>(true)
  same<Effect.Services<ReturnType<typeof Ownership.record>>, Needed>(true)

  type Three = Errors.PermissionDenied | Errors.NotFound | Errors.OversizedSentinel
  same<Extract<Effect.Error<Reclaim>, Three>, Three>(true)
  same<Extract<Effect.Error<Sweep>, Three>, Three>(true)
  same<Effect.Error<Reclaim>, Three>(false)
  same<Effect.Services<Reclaim>, SentinelStore>(false)
}

/** A delete takes a Condemned, and nothing else will do. None of this is ever run. */
export const deletes = (
  store: Store,
  holding: Holding,
  judgement: Judgement,
  right: Condemned,
  place: {
    readonly workspace: Workspace
    readonly root: Root
    readonly claim: Claim
    readonly remains: Remains
    readonly own: OwnSentinel
    readonly mayRemove: MayRemove
  }
): void => {
  const { claim, mayRemove, own, remains, root, workspace } = place
  void store.claim(workspace, right)
  void store.discard(claim, right, mayRemove)
  void store.finish(workspace, remains, right, mayRemove)
  void store.adopt(root, right, own)
  // @ts-expect-error a delete without a judgement
  void store.claim(workspace)
  // @ts-expect-error a judgement isn't the right, and may not have come to one
  void store.claim(workspace, judgement)
  // @ts-expect-error nobody may be condemned
  void store.claim(workspace, judgement.condemned)
  // @ts-expect-error what was looked at
  void store.claim(workspace, holding)
  // @ts-expect-error a path
  void store.claim(workspace, "/srv/vms/vm")
  // @ts-expect-error a structure
  void store.claim(workspace, { path: right.path, reason: right.reason, difference: () => undefined })
  // @ts-expect-error a claim alone deletes nothing
  void store.discard(claim, mayRemove)
  // @ts-expect-error nor does what it holds
  void store.discard(claim, claim.holding, mayRemove)
  // @ts-expect-error nobody may be condemned
  void store.discard(claim, judgement.condemned, mayRemove)
  // @ts-expect-error what a deletion left finishes nothing by itself
  void store.finish(workspace, remains, mayRemove)
  // @ts-expect-error nor does what it holds
  void store.finish(workspace, remains, remains.holding, mayRemove)
  // @ts-expect-error nobody may be condemned
  void store.finish(workspace, remains, judgement.condemned, mayRemove)
  // @ts-expect-error nor is a workspace taken over so
  void store.adopt(root, workspace, own)
  // @ts-expect-error nor a sentinel replaced
  void store.publish("/srv/vms/vm", fresh(), { replacing: holding })
  // @ts-expect-error the constructor is private
  void new Condemned(Symbol("Condemned"), holding, "pid-dead")
}

const root = "/srv/vms"
const vm = `${root}/vm`

const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

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
  const workspace = yield* store.openWorkspace(opened, () => Effect.succeed(fresh()))
  return { memory, store, sentinel, root: opened, workspace, right: yield* condemnedAt(store, vm) }
})

const nothingBelow: MayRemove = () => false

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
      const { memory, right, store, workspace } = yield* scene
      yield* memory.move(vm, "/srv/kept")
      yield* memory.move(`${root}/other`, vm)
      assert.strictEqual(yield* tag(store.claim(workspace, right)), "Changed")
      assert.deepStrictEqual(yield* disks(memory), ["other disk"])
    })
  )

  test(
    "is refused after its sentinel changed: the same bytes in a new file",
    Effect.gen(function* () {
      const { memory, right, sentinel, store, workspace } = yield* scene
      yield* memory.seed({ [`${vm}/copy`]: sentinel })
      yield* memory.move(`${vm}/copy`, `${vm}/.vm-sentinel`)
      assert.strictEqual(yield* tag(store.claim(workspace, right)), "Changed")
      assert.lengthOf(yield* disks(memory), 2)
    })
  )

  test(
    "is refused after its sentinel changed: other bytes in the same file",
    Effect.gen(function* () {
      const { memory, right, store, workspace } = yield* scene
      const before = (yield* memory.snapshot())[`${vm}/.vm-sentinel`]
      yield* memory.seed({ [`${vm}/.vm-sentinel`]: textOf(fresh()) })
      assert.strictEqual((yield* memory.snapshot())[`${vm}/.vm-sentinel`]?.ino, before?.ino)
      assert.strictEqual(yield* tag(store.claim(workspace, right)), "Changed")
      assert.lengthOf(yield* disks(memory), 2)
    })
  )

  test(
    "is refused for the claim of another directory",
    Effect.gen(function* () {
      const { memory, right, store, workspace } = yield* scene
      const ofOther = yield* condemnedAt(store, `${root}/other`)
      const claim = yield* store.claim(workspace, right)
      const other = yield* store.claim(workspace, ofOther)
      assert.strictEqual(yield* tag(store.discard(claim, ofOther, nothingBelow)), "Changed")
      assert.strictEqual(yield* tag(store.discard(other, right, nothingBelow)), "Changed")
      assert.lengthOf(yield* disks(memory), 2)
      yield* store.discard(claim, yield* condemned(claim.holding), nothingBelow)
      assert.deepStrictEqual(yield* disks(memory), ["other disk"])
    })
  )

  test(
    "can't be imitated: what only looks like one removes nothing",
    Effect.gen(function* () {
      const { memory, right, root, store, workspace } = yield* scene
      const claim = yield* store.claim(workspace, yield* condemnedAt(store, `${root.path}/other`))
      const marked = ".vm-sentinel-reap.00000000.dead=gone"
      yield* memory.seed({ [`${root.path}/${marked}/disk`]: "half" })
      const remains = yield* store.resumeDead(root, marked)
      const { reason } = right
      for (const imitation of [
        Object.assign(Object.create(Condemned.prototype), { reason }),
        { reason, path: vm, difference: () => undefined },
        { reason, path: `${root.path}/${marked}`, difference: () => undefined }
      ]) {
        assert.isFalse(Condemned.is(imitation))
        for (const [deletion, ...given] of [
          [store.claim, workspace, imitation],
          [store.claim, root, imitation],
          [store.discard, claim, imitation, nothingBelow],
          [store.finish, root, remains, imitation, nothingBelow],
          [store.adopt, root, imitation, () => Effect.succeed(fresh())]
        ]) {
          const done: unknown = typeof deletion === "function" ? Reflect.apply(deletion, undefined, given) : undefined
          if (!Effect.isEffect(done)) return assert.fail("no deletion")
          // Who asks for a lock that is held asks again for a while.
          const fiber = yield* Effect.forkChild(Effect.exit(Effect.orDie(forgetting(done))))
          yield* TestClock.adjust("1 second")
          assert.strictEqual((yield* Fiber.join(fiber))._tag, "Failure")
        }
      }
      assert.sameMembers(yield* disks(memory), ["disk", "other disk", "half"])
    })
  )
})
