/** Support for the tests of claims and removals by a store. */
import { assert } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber } from "effect"
import type { Reclaimer, Removable } from "../../src/Reclaimer.ts"
import type { Condemned } from "../../src/Condemned.ts"
import type { Kind } from "../../src/JudgeInputs.ts"
import * as Layout from "../../src/Layout.ts"
import type { Entry, Root } from "../../src/Root.ts"
import type { Sentinel } from "../../src/Sentinel.ts"
import { SentinelStore } from "../../src/SentinelStore.ts"
import { condemned, condemnedAt, fresh, textOf } from "./condemning.ts"
import { Interposer } from "./Interposed.ts"
import type { World } from "./World.ts"

export const workspaceKind: Kind = { _tag: "Workspace" }

export const remainsKind: Kind = { _tag: "Remains", tags: [] }

export const nothingBelow = () => false

/** The sweep's own sentinel. It is the same whatever lock the sweep has. */
export const own = (sentinel: Sentinel) => () => Effect.succeed(sentinel)

export const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

interface Refusal {
  readonly _tag: string
  readonly kind?: string
  readonly reason?: string
  readonly rule?: string
}

/** The tag of an error and, if it has one, its reason, rule or kind. */
export const refusal = <A, E extends Refusal, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag, kind, reason = kind, rule = reason }) =>
    rule === undefined ? _tag : `${_tag}: ${rule}`
  )

export const nonces = /\.vm-sentinel-reap\.[0-9a-f]{8,32}/g
const tags = /\/dead\/[0-9a-f]{8,32}=/g

/** A tree whose paths have `WS` for the random names of workspaces, and no tags of judged sentinels. */
export const anonymous = (tree: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(tree).map(([path, kind]) => [path.replace(nonces, "WS").replace(tags, "/dead/"), kind])
  )

export const isClaimed = (path: string): boolean => /claimed[/=]vm$/.test(path)

const isMarked = (path: string): boolean => /dead(\/|\/[0-9a-f]+=|=)vm$/.test(path)

/** Destination of claimed directories. Without a workspace a sweep claims in the root. */
export type Where = "a workspace" | "the root, in place"

export const places: ReadonlyArray<Where> = ["a workspace", "the root, in place"]

/** Claims a directory into a workspace or, if there is no space for a workspace, into the root. */
export const claimInto = (where: Where, reclaimer: Reclaimer, condemned: Condemned) =>
  Effect.andThen(
    where === "a workspace" ? Effect.void : Interposer.use(({ fail }) => fail("makeDirectory", "ENOSPC")),
    reclaimer.claim(condemned)
  )

/** Judges a claimed or marked directory and deletes it. */
export const discarding = (removable: Removable, kind?: Kind) =>
  Effect.flatMap(condemned(removable.state, kind), (right) => removable.discard(right, nothingBelow))

/** Interrupts a deletion right before its first removal. */
export const interrupting = Effect.fnUntraced(function* (removable: Removable, kind?: Kind) {
  const interposer = yield* Interposer
  const right = yield* condemned(removable.state, kind)
  const begun = yield* Deferred.make<void>()
  yield* interposer.before("removeTree", Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
  const deleting = yield* Effect.forkChild(removable.discard(right, nothingBelow))
  yield* Deferred.await(begun)
  yield* Fiber.interrupt(deleting)
  const exit = yield* Fiber.await(deleting)
  assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
})

export const reclaimerOf = (store: SentinelStore["Service"], root: Root, sentinel: Sentinel = fresh()) =>
  store.reclaimer(root, { self: own(sentinel), layout: Layout.standard })

/** The scene's VM at its original path. */
export const untouched = { vm: "directory", "vm/disk": "data" }

export const workspaceName = `.vm-sentinel-reap.${"0123456789abcdef".repeat(2)}`

const workspaceEntry = (directory: string): Entry => ({
  kind: "workspace",
  entry: workspaceName,
  path: `${directory}/${workspaceName}`
})

export const reapingIn = <R>(world: World<R>) => {
  /** A root and its store. Each `sweep` makes its own reclaimer. */
  const empty = Effect.gen(function* () {
    const store = yield* SentinelStore
    const directory = yield* world.scratch
    const root = yield* store.openRoot(directory)
    const reclaimer = reclaimerOf(store, root)
    /** One sweep, from its start to its end. */
    const sweep = <A, E, R2>(use: (reclaimer: Reclaimer) => Effect.Effect<A, E, R2>) =>
      Effect.scoped(Effect.flatMap(reclaimer, use))
    return { store, directory, root, reclaimer, sweep }
  })

  /** Makes the directory of a VM whose owner is dead. */
  const dead = Effect.fnUntraced(function* (path: string, sentinel: Sentinel = fresh()) {
    yield* world.file(`${path}/.vm-sentinel`, textOf(sentinel))
    yield* world.file(`${path}/disk`, "data")
  })

  /** A root with the directory of one dead VM. */
  const scene = Effect.gen(function* () {
    const made = yield* empty
    const vm = `${made.directory}/vm`
    const sentinel = fresh()
    yield* dead(vm, sentinel)
    return { ...made, vm, sentinel, condemned: yield* condemnedAt(made.store, vm) }
  })

  /** Makes a workspace as a killed sweep leaves it. Nobody holds its lock. It has a sentinel only if one is given. */
  const abandoned = Effect.fnUntraced(function* (directory: string, sentinel?: Sentinel) {
    const entry = workspaceEntry(directory)
    for (const name of ["claimed", "dead"]) yield* world.directory(`${entry.path}/${name}`)
    if (sentinel !== undefined) yield* world.file(`${entry.path}/.vm-sentinel`, textOf(sentinel))
    return entry
  })

  /**
   * Returns the entry and the path under which a killed sweep leaves a directory. Makes the workspace if the directory
   * lies in one. Makes nothing in the root.
   */
  const left = Effect.fnUntraced(function* (where: Where, kind: "claimed" | "dead", directory: string, name: string) {
    const inRoot = `.vm-sentinel-reap.0123abcd.${kind}=${name}`
    const entry: Entry =
      where === "a workspace" ? yield* abandoned(directory) : { kind, entry: inRoot, path: `${directory}/${inRoot}` }
    return { entry, path: where === "a workspace" ? `${entry.path}/${kind}/${name}` : entry.path }
  })

  const pathOf = (is: (path: string) => boolean) => (directory: string) =>
    Effect.map(world.tree(directory), (tree) => `${directory}/${Object.keys(tree).find(is) ?? "none"}`)

  return {
    empty,
    dead,
    scene,
    abandoned,
    left,
    /** Path of the one claimed directory. */
    claimedPath: pathOf(isClaimed),
    /** Path of the one marked directory. */
    markedPath: pathOf(isMarked)
  }
}
