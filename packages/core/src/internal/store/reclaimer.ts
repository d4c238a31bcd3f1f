/** Claims directories of one root into a workspace, made at the first claim, and opens leftovers of killed sweeps. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Leftovers, Reclaimer, ReclaimerOptions } from "../../Reclaimer.ts"
import type { Disk } from "../../Disk.ts"
import type { PermissionDenied, StoreFailure } from "../../Errors.ts"
import { type Layout, withStandard } from "../../Layout.ts"
import type { Root } from "../../Root.ts"
import * as SentinelName from "../../SentinelName.ts"
import type { Claims } from "./claims.ts"
import type { Destination, Destinations } from "./destination.ts"
import type * as LeftoversOf from "./leftovers.ts"
import type { Lookup } from "./lookup.ts"
import * as LookupMany from "./lookupMany.ts"
import * as RemoveMany from "./removeMany.ts"
import { isUnmountedBelow } from "./unmounted.ts"
import { isFull, type Workspace, type Workspaces } from "./workspaces.ts"

const none: Leftovers = { claimed: [], dead: [] }

export const make = (
  disk: Disk["Service"],
  lookup: Lookup,
  workspaces: Workspaces,
  claims: Claims,
  destinations: Destinations,
  openers: LeftoversOf.Leftovers
) => {
  const claimedAt = (
    destination: Destination,
    path: string,
    name: string,
    layout: Layout
  ): Leftovers["claimed"][number] => ({
    name,
    path,
    open: openers.resume(destination, path, name, layout)
  })

  const deadAt = (
    destination: Destination,
    path: string,
    marked: SentinelName.Marked,
    layout: Layout
  ): Leftovers["dead"][number] => ({
    name: marked.name,
    path,
    tags: marked.tags,
    open: openers.resumeDead(destination, path, marked, layout)
  })

  const lookupMany = LookupMany.make(disk, lookup)
  const removeMany = RemoveMany.make(disk, lookupMany, claims, destinations)

  /** `isOurs`: this sweep adopted the workspace, and no other sweep has its contents. */
  const inWorkspace = (root: Root, workspace: Workspace, layout: Layout, isOurs: boolean) =>
    Effect.map(workspaces.contents(workspace.path), ({ claimed, dead }): Leftovers => {
      const destination: Destination = { root: root.path, workspace, hasOthers: Effect.succeed(!isOurs) }
      return {
        claimed: claimed.map((name) => claimedAt(destination, `${workspace.path}/claimed/${name}`, name, layout)),
        dead: dead.map((entry) =>
          deadAt(destination, `${workspace.path}/dead/${entry}`, SentinelName.parseMarked(entry), layout)
        )
      }
    })

  return Effect.fnUntraced(function* (
    root: Root,
    { layout, self }: ReclaimerOptions
  ): Effect.fn.Return<Reclaimer, never, Scope.Scope> {
    // Finalizers run in reverse order. This scope is older than the claims' scopes: the workspace closes after them.
    const scope = yield* Scope.fork(yield* Effect.scope)
    const gate = Semaphore.makeUnsafe(1)
    let made: Workspace | undefined
    // The answer is cached. Asking for each busy lock would take long, since a root may have many names.
    const others = yield* Effect.cachedWithTTL(
      Effect.suspend(() => workspaces.hasOthers(root, made?.path)),
      "1 second"
    )
    // Without a workspace, on a full file system, a sweep can't tell another sweep from any other process.
    const inRoot: Destination = { root: root.path, workspace: undefined, hasOthers: Effect.succeed(true) }

    const openOnce = Effect.suspend(() =>
      made === undefined
        ? Effect.acquireRelease(workspaces.open(root, self), workspaces.close).pipe(
            Scope.provide(scope),
            Effect.tap((workspace) => Effect.sync(() => (made = workspace)))
          )
        : Effect.succeed(made)
    )
    /**
     * The first claim makes the workspace: a sweep of a root without dead directories writes nothing. After a failure
     * the next claim tries again.
     */
    const destination: Effect.Effect<Destination, PermissionDenied | StoreFailure> = gate
      .withPermits(1)(openOnce)
      .pipe(
        Effect.map((workspace): Destination => ({ root: root.path, workspace, hasOthers: others })),
        // A full file system needs removals most: a claim in `root` takes no space.
        Effect.catchTag("StoreFailure", (error) => (isFull(error) ? Effect.succeed(inRoot) : Effect.fail(error)))
      )

    const leftovers: Reclaimer["leftovers"] = (entry) => {
      const { path } = entry
      const reap = SentinelName.parseReap(entry.entry)
      switch (reap?.kind) {
        case "workspace":
          return inWorkspace(root, { path, isLocked: false }, layout, false)
        case "claimed":
          return Effect.succeed({ ...none, claimed: [claimedAt(inRoot, path, reap.name, layout)] })
        case "dead":
          return Effect.succeed({ ...none, dead: [deadAt(inRoot, path, reap, layout)] })
        default:
          return Effect.succeed(none)
      }
    }

    return {
      claim: (condemned) => Effect.flatMap(destination, (destination) => claims.claim(destination, condemned, layout)),
      // With a mount below the root, every directory is looked at by itself.
      lookMany: (entries) =>
        Effect.flatMap(isUnmountedBelow(disk, root.path), (isUnmounted) =>
          isUnmounted ? lookupMany.look(root.path, entries, layout) : Effect.succeed(entries.map(() => undefined))
        ),
      removeMany: (judgements, options) =>
        Effect.matchEffect(destination, {
          onFailure: () => Effect.succeed(judgements.map(() => undefined)),
          onSuccess: (destination) => removeMany(destination, judgements, layout, options)
        }),
      leftovers,
      adopt: (condemned) =>
        Effect.acquireRelease(workspaces.adopt(root, condemned, self), workspaces.close).pipe(
          Effect.flatMap((workspace) => inWorkspace(root, workspace, layout, true))
        ),
      discardStaged: (judgement) => workspaces.discardStaged(judgement, withStandard(layout))
    }
  })
}
