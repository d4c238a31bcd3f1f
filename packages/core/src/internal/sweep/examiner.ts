/** Judges a whole directory: its sentinels, its lock, and the owners below its first level. */
import * as Effect from "effect/Effect"
import * as Struct from "effect/Struct"
import { type Judgement, reconsider, withHolder } from "../../Condemned.ts"
import type { DirectoryState } from "../../DirectoryState.ts"
import type { LockBusy } from "../../Errors.ts"
import type { Kind } from "../../JudgeInputs.ts"
import type { Layout } from "../../Layout.ts"
import type { LockState } from "../../LockState.ts"
import type { ProcessInspector } from "../../ProcessInspector.ts"
import { SentinelStore } from "../../SentinelStore.ts"
import * as OwnersBelow from "./ownersBelow.ts"
import * as JudgeDirectory from "./judgeDirectory.ts"

export interface Options extends JudgeDirectory.ContextOptions {
  readonly layout: Layout
  /** `false`: makes unreadable directories of the calling user readable, to look for owners in them. */
  readonly dryRun: boolean
}

/**
 * Source of the lock's state. `held`: this sweep holds the lock, so no owner does. `claimed`: the lock is probed for
 * each sentinel that claims a lock. `asked`: the lock is also probed before a directory is condemned.
 */
type KnownLock = "held" | "claimed" | "asked"

export interface Examiner {
  readonly context: JudgeDirectory.JudgeContext
  /** Judges the directory's own sentinels and its lock, and names who holds the lock. */
  readonly examineTop: (state: DirectoryState, lock: KnownLock, kind?: Kind) => Effect.Effect<Judgement>
  /** {@link examineTop} without `assumeDead`, which is about one directory, and not about those below or above it. */
  readonly examineUnassumed: (state: DirectoryState, lock: KnownLock) => Effect.Effect<Judgement>
  /** The judgement of a condemned directory whose lock turned out to be held. Names the holder. */
  readonly underLockOf: (judgement: Judgement, mode: LockBusy["mode"]) => Effect.Effect<Judgement>
  /** Runs {@link examineTop}, then examines the mounts that the look has seen and the owners below the first level. */
  readonly examine: (state: DirectoryState, lock: KnownLock, kind?: Kind) => Effect.Effect<OwnersBelow.Examined>
}

export const make: (options: Options) => Effect.Effect<Examiner, never, ProcessInspector | SentinelStore> =
  Effect.fnUntraced(function* (options) {
    const store = yield* SentinelStore
    const context = yield* JudgeDirectory.makeContext(options)
    const isFree = () => Effect.succeed<LockState>("free")
    const withoutWord = { ...context, knowledge: Struct.omit(context.knowledge, ["assumeDead"]) }

    const nameHolder = (judgement: Judgement): Effect.Effect<Judgement> =>
      judgement.reason === "lock-held"
        ? Effect.map(context.holders.name(judgement.state.id), (holder) =>
            holder === undefined ? judgement : withHolder(judgement, holder)
          )
        : Effect.succeed(judgement)

    const judgeBy =
      (context: JudgeDirectory.JudgeContext): Examiner["examineTop"] =>
      (state, lock, kind) => {
        const known = lock === "held" ? { ...context, probeLock: isFree } : context
        return JudgeDirectory.judgeDirectory(known, state, kind).pipe(
          Effect.flatMap((judgement) =>
            judgement.condemned === undefined || lock !== "asked"
              ? Effect.succeed(judgement)
              : Effect.map(store.probeLock(state.path), (state) => reconsider(judgement, { lock: state }))
          ),
          Effect.flatMap(nameHolder)
        )
      }

    const examineTop = judgeBy(context)
    const examineUnassumed = judgeBy(withoutWord)

    const below = OwnersBelow.make(store, options.layout, (state) => examineUnassumed(state, "asked"), !options.dryRun)
    const examine: Examiner["examine"] = (state, lock, kind) =>
      Effect.flatMap(examineTop(state, lock, kind), (judgement) =>
        below(state.mount === undefined ? judgement : reconsider(judgement, { mount: state.mount }))
      )
    const underLockOf: Examiner["underLockOf"] = (judgement, mode = "exclusive") =>
      nameHolder(reconsider(judgement, { lock: mode }))
    return { context, examineTop, examineUnassumed, examine, underLockOf }
  })
