/** Observes the owners of a directory, and judges the directory by the observations. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Condemned from "../../Condemned.ts"
import type { DirectoryState, SentinelFile } from "../../DirectoryState.ts"
import {
  defaultKnowledge,
  type Kind,
  type Knowledge,
  type Observed,
  ownerInputs,
  type Reader
} from "../../JudgeInputs.ts"
import type { LockState } from "../../LockState.ts"
import { PidNamespaces, soughtOf } from "../../PidNamespaces.ts"
import type { HostIdentity } from "../../ProcessIdentity.ts"
import { ProcessInspector } from "../../ProcessInspector.ts"
import * as Sentinel from "../../Sentinel.ts"
import { SentinelStore } from "../../SentinelStore.ts"
import { depthFor, hasRecordedId, judge, needed } from "../../Verdict.ts"
import * as Holders from "./holders.ts"

/** Services and operator's knowledge that a judgement uses. */
export interface JudgeContext {
  readonly inspector: ProcessInspector["Service"]
  readonly namespaces: (typeof PidNamespaces)["Service"]
  /** State of the lock of the directory at `path`. `undefined`: the lock is no evidence. */
  readonly probeLock: (path: string) => Effect.Effect<LockState | undefined>
  /** Identity of this host, read once, at the first judgement. */
  readonly host: Effect.Effect<HostIdentity>
  readonly knowledge: Knowledge
  readonly holders: Holders.Holders
  /** Whether each owner is observed, even after one that lives. */
  readonly isThorough: boolean
}

/** The operator's knowledge, by default `defaultKnowledge`. `isThorough`, by default `false`: see {@link JudgeContext}. */
export interface ContextOptions extends Partial<Knowledge> {
  readonly isThorough?: boolean
}

const knowledgeOf = ({ assumeDead, assumeMoved, ...given }: ContextOptions): Knowledge => ({
  legacy: given.legacy ?? defaultKnowledge.legacy,
  lock: given.lock ?? defaultKnowledge.lock,
  shared: given.shared ?? defaultKnowledge.shared,
  ...(assumeMoved === undefined ? {} : { assumeMoved }),
  ...(assumeDead === undefined ? {} : { assumeDead })
})

export const makeContext = Effect.fnUntraced(function* (
  options: ContextOptions
): Effect.fn.Return<JudgeContext, never, ProcessInspector | SentinelStore> {
  const inspector = yield* ProcessInspector
  const store = yield* SentinelStore
  return {
    inspector,
    namespaces: yield* PidNamespaces,
    probeLock: store.probeLock,
    host: yield* Effect.cached(inspector.host),
    knowledge: knowledgeOf(options),
    holders: Holders.make(inspector),
    isThorough: options.isThorough ?? false
  }
})

/** Makes only the observations of one owner that its judgement needs. */
export const observeOwner = Effect.fnUntraced(function* (
  { inspector, namespaces, probeLock }: JudgeContext,
  reader: Reader,
  path: string,
  file: SentinelFile,
  sentinel: Sentinel.Sentinel
): Effect.fn.Return<Observed> {
  const lockState = Sentinel.claimsLock(sentinel) ? yield* probeLock(path) : undefined
  const locked: Observed = lockState === undefined ? {} : { lockState }
  const { process: depth, search } = needed(sentinel, ownerInputs(file, locked), reader)
  const process = depth === undefined ? undefined : yield* inspector.observe(sentinel.pid, depth)
  const observed: Observed = process === undefined ? locked : { ...locked, process }
  if (!search || sentinel._tag !== "V3" || hasRecordedId(sentinel, process)) return observed
  return { ...observed, search: yield* namespaces.prove(soughtOf(sentinel), depthFor(sentinel)) }
})

/**
 * Observes the owners in order, up to the first that is alive. Observes all of them in a workspace, whose lock may prove
 * the end of one that is alive, and if the context is thorough.
 */
const observeOwners = Effect.fnUntraced(function* (
  context: JudgeContext,
  host: HostIdentity,
  { frame, path, sentinels }: DirectoryState,
  kind: Kind
) {
  const isThorough = context.isThorough || kind._tag === "Workspace"
  const reader: Reader = { host, frame, knowledge: context.knowledge }
  const all: Array<Observed> = []
  for (const file of sentinels) {
    if (Result.isFailure(file.content)) {
      all.push({})
      continue
    }
    const sentinel = file.content.success
    const observed = yield* observeOwner(context, reader, path, file, sentinel)
    all.push(observed)
    const isLast = all.length === sentinels.length
    if (!isLast && !isThorough && judge(sentinel, ownerInputs(file, observed), reader).verdict === "alive") break
  }
  return all
})

const directory: Kind = { _tag: "Directory" }

/** Judges a directory that was just read. */
export const judgeDirectory = Effect.fnUntraced(function* (
  context: JudgeContext,
  state: DirectoryState,
  kind: Kind = directory
): Effect.fn.Return<Condemned.Judgement> {
  const host = yield* context.host
  const observed = yield* observeOwners(context, host, state, kind)
  return Condemned.judge({ state, kind, host, knowledge: context.knowledge, observed })
})
