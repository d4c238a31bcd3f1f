/**
 * Looks at several directories of a root at once, locks or renames them first if asked. `undefined`, or a missing
 * answer: that directory has to be looked at by itself.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DirectoryState } from "../../DirectoryState.ts"
import type { Disk, Principal, Scan, ScanOptions } from "../../Disk.ts"
import type { Layout } from "../../Layout.ts"
import { type Lookup, optionsOf } from "./lookup.ts"

/** A directory of the root. `judged`: its state at the judgement. */
interface Item {
  readonly entry: string
  readonly judged?: DirectoryState
}

type Items = Arr.NonEmptyReadonlyArray<Item>

type States = ReadonlyArray<DirectoryState | undefined>

/** `release` closes the lock of the directory. */
interface Locked {
  readonly release: Effect.Effect<void>
  readonly state: DirectoryState | undefined
}

/** `isMoved: false`: nothing was renamed. */
interface Moved {
  readonly isMoved: boolean
  readonly state: DirectoryState | undefined
}

const nameOf = ({ entry }: Item): string => entry

export type LookupMany = ReturnType<typeof make>

export const make = (disk: Disk["Service"], { stateOfScan }: Lookup) => {
  /** Runs `ask` with the options of a scan in `root`. An error leaves every directory to other calls. */
  const asking = <A, R>(
    root: string,
    { sentinels }: Layout,
    ask: (options: ScanOptions, principal: Principal) => Effect.Effect<ReadonlyArray<A>, unknown, R>
  ): Effect.Effect<ReadonlyArray<A>, never, R> =>
    disk.principal.pipe(
      Effect.flatMap((principal) => ask(optionsOf(root, sentinels, principal, []), principal)),
      Effect.orElseSucceed((): ReadonlyArray<A> => [])
    )

  const statesOf =
    (folder: string, items: Items, layout: Layout, principal: Principal) =>
    (scans: ReadonlyArray<Scan | undefined>): States =>
      items.map(({ entry, judged }, index) => {
        const scan = scans[index]
        return scan && stateOfScan(`${folder}/${entry}`, scan, layout, principal, judged)
      })

  const look = (root: string, items: Items, layout: Layout): Effect.Effect<States> =>
    asking(root, layout, (options, principal) =>
      Effect.map(disk.scanMany(root, Arr.map(items, nameOf), options), statesOf(root, items, layout, principal))
    )

  /** Locks the directories exclusively first. The scope closes the locks that weren't released. */
  const lock = (root: string, items: Items, layout: Layout): Effect.Effect<ReadonlyArray<Locked>, never, Scope.Scope> =>
    asking(root, layout, (options, principal) =>
      Effect.map(disk.lockMany(root, Arr.map(items, nameOf), options), (locked) => {
        const scans = locked.map(({ scan }) => scan)
        const states = statesOf(root, items, layout, principal)(scans)
        return locked.map(({ release }, index) => ({ release, state: states[index] }))
      })
    )

  /** Renames the directories into `folder` first. `folder` is relative to `root`. */
  const move = (root: string, folder: string, items: Items, layout: Layout): Effect.Effect<ReadonlyArray<Moved>> =>
    asking(root, layout, (options, principal) => {
      const moves = Arr.map(items, ({ entry }) => ({ from: entry, to: `${folder}/${entry}` }))
      return Effect.map(disk.moveMany(root, moves, options), (moved) => {
        const scans = moved.map(({ scan }) => scan)
        const states = statesOf(`${root}/${folder}`, items, layout, principal)(scans)
        return moved.map(({ isMoved }, index) => ({ isMoved, state: states[index] }))
      })
    })

  return { look, lock, move }
}
