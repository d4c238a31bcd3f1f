/** Evidence, as it is gathered, and the verdicts that carry it. */
import type { Compared, Datum, Evidence, Verdict } from "../Evidence.ts"
import { compare, type Comparison } from "../ProcessIdentity.ts"
import type { AliveReason, DeadReason, UnknownReason } from "../Reason.ts"

export type Notes = { -readonly [K in Datum]?: Compared }

export const compared = (recorded: string | undefined, observed: string | undefined, result: Comparison): Compared => {
  if (recorded === undefined) return observed === undefined ? { result } : { observed, result }
  return observed === undefined ? { recorded, result } : { recorded, observed, result }
}

export const alive = (reason: AliveReason, evidence: Evidence): Verdict => ({ verdict: "alive", reason, evidence })
export const dead = (reason: DeadReason, evidence: Evidence): Verdict => ({ verdict: "dead", reason, evidence })
export const unknown = (reason: UnknownReason, evidence: Evidence): Verdict => ({
  verdict: "unknown",
  reason,
  evidence
})

export const note = (
  notes: Notes,
  datum: Datum,
  recorded: string | undefined,
  observed: string | undefined
): Comparison => {
  const result = compare(recorded, observed)
  // The recorded text may be a part of a longer one, and keep the whole of it in memory.
  notes[datum] = compared(result === "equal" ? observed : recorded, observed, result)
  return result
}
