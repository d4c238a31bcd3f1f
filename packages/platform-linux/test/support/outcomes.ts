import type { Outcome } from "@vm-sentinel/core/Outcome"

/** Action and reason of each directory, by name: `removed pid-dead`. */
export const byName = (outcomes: ReadonlyArray<Outcome>): Readonly<Record<string, string>> =>
  Object.fromEntries(outcomes.map(({ action, name, reason }) => [name, `${action} ${reason}`] as const))
