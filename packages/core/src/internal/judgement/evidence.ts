/** Collects evidence, and makes the verdicts that carry evidence. */
import type { Compared, Datum, Evidence, Verdict } from "../../Evidence.ts"
import { compare, type Comparison } from "../../ProcessIdentity.ts"
import type { AliveReason, DeadReason, UnknownReason } from "../../Reason.ts"

export type Unknown = Extract<Verdict, { readonly verdict: "unknown" }>

export type Notes = { -readonly [K in Datum]?: Compared }

export const compared = (recorded: string | undefined, observed: string | undefined, result: Comparison): Compared => {
  if (recorded === undefined) return observed === undefined ? { result } : { observed, result }
  return observed === undefined ? { recorded, result } : { recorded, observed, result }
}

export const alive = (reason: AliveReason, decidedBy: Datum, evidence: Evidence): Verdict => ({
  verdict: "alive",
  reason,
  decidedBy,
  evidence
})
export const dead = (reason: DeadReason, decidedBy: Datum, evidence: Evidence): Verdict => ({
  verdict: "dead",
  reason,
  decidedBy,
  evidence
})
export const unknown = (reason: UnknownReason, decidedBy: Datum, evidence: Evidence): Unknown => ({
  verdict: "unknown",
  reason,
  decidedBy,
  evidence
})

/** Compares two values, and notes both under the name of their datum. */
export const note = (
  notes: Notes,
  datum: Datum,
  recorded: string | undefined,
  observed: string | undefined
): Comparison => {
  const result = compare(recorded, observed)
  // `recorded` may be a slice of a longer string, and V8 keeps that whole string in memory for a slice.
  notes[datum] = compared(result === "equal" ? observed : recorded, observed, result)
  return result
}
