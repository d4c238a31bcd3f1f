/** Judging a whole directory: its sentinels, its lock, and the owners below its first level. */
import * as Effect from "effect/Effect"
import { assumeDead, type Judgement, type Kind, withLock } from "../Condemned.ts"
import type { LockState } from "../Disk.ts"
import type { Holding } from "../Holding.ts"
import type { ProcessInspector } from "../ProcessInspector.ts"
import { SentinelStore } from "../SentinelStore.ts"
import * as Below from "./below.ts"
import * as Examination from "./examination.ts"

export interface Options extends Examination.JudgeOptions {
  readonly sentinelNames?: ReadonlyArray<string>
  readonly assumeDead?: string
}

/**
 * How the lock is known. `held`: by this sweep, so no owner has it. `claimed`: asked where a sentinel says that it is held.
 * `asked`: of each directory that would be condemned.
 */
export type KnownLock = "held" | "claimed" | "asked"

export interface Judging {
  readonly court: Examination.Court
  /** The directory's own sentinels, and its lock. */
  readonly examineTop: (holding: Holding, lock: KnownLock, kind?: Kind) => Effect.Effect<Judgement>
  /** {@link examineTop}, and what lies below the first level. */
  readonly examine: (holding: Holding, lock: KnownLock, kind?: Kind) => Effect.Effect<Below.Examined>
}

export const make: (options: Options) => Effect.Effect<Judging, never, ProcessInspector | SentinelStore> =
  Effect.fnUntraced(function* (options) {
    const { assumeDead: assumption, sentinelNames } = options
    const store = yield* SentinelStore
    const court = yield* Examination.makeCourt(options)
    const isFree = () => Effect.succeed<LockState>("free")
    const assumed = (judgement: Judgement) => (assumption === undefined ? judgement : assumeDead(judgement, assumption))

    const examineTop: Judging["examineTop"] = (holding, lock, kind) => {
      const asked = lock === "held" ? { ...court, probeLock: isFree } : court
      return Effect.flatMap(Examination.examine(asked, holding, kind), (found) => {
        const judgement = assumed(found)
        return judgement.condemned === undefined || lock !== "asked"
          ? Effect.succeed(judgement)
          : Effect.map(store.probeLock(holding.path, { byCommand: judgement.condemned.claimsLock }), (state) =>
              withLock(judgement, state)
            )
      })
    }

    const below = Below.make(store, sentinelNames, (holding) => examineTop(holding, "asked"))
    const examine: Judging["examine"] = (holding, lock, kind) => Effect.flatMap(examineTop(holding, lock, kind), below)
    return { court, examineTop, examine }
  })
