/** Judging a whole directory: its sentinels, its lock, and the owners below its first level. */
import * as Effect from "effect/Effect"
import { type Judgement, reconsider } from "../Condemned.ts"
import type { Holding } from "../Holding.ts"
import type { Kind } from "../JudgeInputs.ts"
import type { Layout } from "../Layout.ts"
import type { LockState } from "../LockState.ts"
import type { ProcessInspector } from "../ProcessInspector.ts"
import { SentinelStore } from "../SentinelStore.ts"
import * as Below from "./below.ts"
import * as Examination from "./examination.ts"

export interface Options extends Examination.JudgeOptions {
  readonly layout: Layout
}

/**
 * Source of the lock's state. `held`: this sweep holds it, so no owner does. `claimed`: probed where a sentinel claims it. `asked`:
 * probed also before a directory is condemned.
 */
type KnownLock = "held" | "claimed" | "asked"

export interface Judging {
  readonly context: Examination.JudgeContext
  /** The directory's own sentinels, and its lock. */
  readonly examineTop: (holding: Holding, lock: KnownLock, kind?: Kind) => Effect.Effect<Judgement>
  /** {@link examineTop}, and what lies below the first level. */
  readonly examine: (holding: Holding, lock: KnownLock, kind?: Kind) => Effect.Effect<Below.Examined>
}

export const make: (options: Options) => Effect.Effect<Judging, never, ProcessInspector | SentinelStore> =
  Effect.fnUntraced(function* (options) {
    const store = yield* SentinelStore
    const context = yield* Examination.makeContext(options)
    const isFree = () => Effect.succeed<LockState>("free")
    const underLock = { ...context, probeLock: isFree }

    const examineTop: Judging["examineTop"] = (holding, lock, kind) =>
      Effect.flatMap(Examination.judgeDirectory(lock === "held" ? underLock : context, holding, kind), (judgement) => {
        const { condemned } = judgement
        return condemned === undefined || lock !== "asked"
          ? Effect.succeed(judgement)
          : Effect.map(store.probeLock(holding.path, { byCommand: condemned.claimsLock }), (state) =>
              reconsider(judgement, { lock: state })
            )
      })

    const below = Below.make(store, options.layout, (holding) => examineTop(holding, "asked"))
    const examine: Judging["examine"] = (holding, lock, kind) => Effect.flatMap(examineTop(holding, lock, kind), below)
    return { context, examineTop, examine }
  })
