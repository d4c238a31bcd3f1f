/**
 * Finds a process of an earlier `run` of a directory.
 *
 * @since 0.1.0
 */
import type { SentinelFile } from "@vm-sentinel/core/DirectoryState"
import { AlreadyOwned } from "@vm-sentinel/core/Errors"
import type { FileId } from "@vm-sentinel/core/FileId"
import * as Layout from "@vm-sentinel/core/Layout"
import * as Ownership from "@vm-sentinel/core/Ownership"
import type { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Effect from "effect/Effect"
import { ownLine } from "./Ancestors.ts"

/**
 * The directory before `run` takes it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Before {
  readonly sentinels: ReadonlyArray<SentinelFile>
  /** The processes that hold its lock as owners do, as far as they are visible. `undefined`: there are none. */
  readonly holders: ReadonlyArray<Pid> | undefined
}

/**
 * Looks at a directory before `run` takes it. `name`: base name of the sentinels.
 *
 * @category looking
 * @since 0.1.0
 */
export const beforeOf: (path: string, name: string) => Effect.Effect<Before, never, ProcessInspector | SentinelStore> =
  Effect.fnUntraced(function* (path, name) {
    const store = yield* SentinelStore
    const { lockHolders } = yield* ProcessInspector
    const found = yield* Effect.option(store.look(path, Layout.ofNames([name])))
    // `hold` reports what is wrong with the directory.
    if (found._tag === "None") return { sentinels: [], holders: undefined }
    // A probe and an owner that takes the lock hold it exclusively, for a moment.
    const isHeld = (yield* store.probeLock(path)) === "shared"
    const { id, sentinels } = found.value
    return { sentinels, holders: isHeld ? yield* lockHolders(id, "all") : undefined }
  })

/**
 * The options of a record of the command.
 *
 * @category models
 * @since 0.1.0
 */
export type CommandRecord = Pick<Ownership.RecordOptions, "legacy" | "lock" | "role" | "sentinelName">

/**
 * Fails if the sentinel of an earlier command names a process that may live. Removes that sentinel if only the sentinel
 * of the earlier `run` proves the command gone: `run` was the first process of a PID namespace. The caller replaces the
 * sentinel of the earlier `run` next, and the proof with it. Does nothing if the lock is held, since
 * {@link ensureUnlocked} then names the holder.
 *
 * @category looking
 * @since 0.1.0
 */
export const ensureOver = Effect.fnUntraced(function* (
  path: string,
  name: string,
  { holders, sentinels }: Before,
  record: CommandRecord
) {
  const own = SentinelName.ofRole(name, "command")
  if (holders !== undefined || !sentinels.some(({ entry }) => SentinelName.isRecordOf(own, entry))) return
  yield* Ownership.releaseEnded(path, record)
  yield* Ownership.ensureUnowned(path, record)
})

/** Milliseconds. A process that only probes the lock releases it within this time. */
const probing = 50

/**
 * The visible processes that hold the lock beside this one. An earlier command may have come since `before`. `id`: the
 * locked directory.
 */
const presentHolders = Effect.fnUntraced(function* (id: FileId, before: Before, line: ReadonlySet<number>) {
  const { lockHolders } = yield* ProcessInspector
  const look = Effect.map(lockHolders(id, "all"), (holders) => holders.filter((pid) => !line.has(pid)))
  const found = yield* look
  const isKnown = (pid: Pid) => before.holders?.includes(pid) === true
  return found.every(isKnown) ? found : yield* Effect.delay(look, probing)
})

/**
 * Fails if a process that no sentinel names may hold the lock for an earlier command. Such a process was started by that
 * command, and may outlive it. Two kinds of holders are no earlier command: a living owner of another role, and a process
 * that this one descends from, such as a `run` under another sentinel name. If the lock was held before, and no holder is
 * visible, any living owner of another role counts as the holder. `held`: what this process holds.
 *
 * @category looking
 * @since 0.1.0
 */
export const ensureUnlocked = Effect.fnUntraced(function* (
  path: string,
  name: string,
  before: Before,
  held: Ownership.Held,
  record: CommandRecord
) {
  const { holders, sentinels } = before
  const own = [name, SentinelName.ofRole(name, "command")]
  const isOwn = (entry: string) => own.some((name) => SentinelName.isRecordOf(name, entry))
  const entries = sentinels.map(({ entry }) => entry)
  if (held.lock === undefined || !(held.file.hasReplaced || entries.some(isOwn))) return
  const line = ownLine()
  const present = yield* presentHolders(held.lock.id, before, line)
  if (holders === undefined && present.length === 0) return
  const rivals = [...new Set([...(holders ?? []).filter((pid) => !line.has(pid)), ...present])]
  if (holders !== undefined && holders.length > 0 && rivals.length === 0) return
  const explained = new Set<number>()
  for (const entry of entries.filter((entry) => !isOwn(entry))) {
    // `run` holds the lock, so the lock is no evidence here.
    const owned = yield* Effect.flip(
      Ownership.ensureUnowned(path, { ...record, role: entry.slice(`${name}.`.length) })
    ).pipe(Effect.option)
    if (owned._tag === "None" || owned.value._tag !== "AlreadyOwned" || owned.value.verdict !== "alive") continue
    // No holder is visible, so any living owner may be the one.
    if (rivals.length === 0) return
    if (owned.value.owner !== undefined) explained.add(owned.value.owner)
  }
  const unexplained = rivals.filter((pid) => !explained.has(pid))
  if (rivals.length > 0 && unexplained.length === 0) return
  const [owner] = unexplained
  const whose = owner === undefined ? {} : { owner }
  return yield* new AlreadyOwned({ path, verdict: "alive", reason: "lock-held", ...whose })
})
