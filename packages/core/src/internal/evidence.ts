/** Evidence, as it is gathered, and the verdicts that carry it. */
import { compare, type Comparison } from "../ProcessIdentity.ts"
import type { AliveReason, Compared, Datum, DeadReason, Evidence, UnknownReason, Verdict } from "../Verdict.ts"

export type Notes = { -readonly [K in Datum]?: Compared }

export const compared = (recorded: string | undefined, observed: string | undefined, result: Comparison): Compared => {
  if (recorded === undefined) return observed === undefined ? { result } : { observed, result }
  return observed === undefined ? { recorded, result } : { recorded, observed, result }
}

export const alive = (reason: AliveReason, evidence: Evidence): Verdict => ({ _tag: "Alive", reason, evidence })
export const dead = (reason: DeadReason, evidence: Evidence): Verdict => ({ _tag: "Dead", reason, evidence })
export const unknown = (reason: UnknownReason, evidence: Evidence): Verdict => ({ _tag: "Unknown", reason, evidence })

// Of very many directories most say the same of the host: one object holds it for all of them.
const lately: Notes = {}

export const note = (
  notes: Notes,
  datum: Datum,
  recorded: string | undefined,
  observed: string | undefined
): Comparison => {
  const result = compare(recorded, observed)
  const last = lately[datum]
  notes[datum] =
    last !== undefined && last.recorded === recorded && last.observed === observed && last.result === result
      ? last
      : // What is recorded may be a part of a longer text, and keep the whole of it in memory.
        (lately[datum] = compared(result === "equal" ? observed : recorded, observed, result))
  return result
}
