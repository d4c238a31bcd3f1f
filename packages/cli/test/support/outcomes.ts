import type { Outcome } from "@vm-sentinel/core/Outcome"

/** The outcome of a directory with a living owner, changed by `rest`. */
export const outcome = (name: string, rest: Partial<Outcome> = {}): Outcome => ({
  _tag: "Outcome",
  name,
  path: `/vms/${name}`,
  action: "kept",
  verdict: "alive",
  reason: "matches",
  evidence: {},
  ...rest
})
