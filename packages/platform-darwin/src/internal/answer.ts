import type { Unavailable } from "@vm-sentinel/core/Observation"
import { classifyErrno } from "./errno.ts"

/**
 * The answer of one source. Only `Gone` means that there is no such process. `Refused` and `Unusable` mean nothing
 * about the process.
 */
export type Answer<A> =
  | { readonly _tag: "Found"; readonly value: A }
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Refused"; readonly detail: string }
  | { readonly _tag: "Unusable"; readonly reason: Unavailable["reason"]; readonly detail: string }

export const found = <A>(value: A): Answer<A> => ({ _tag: "Found", value })

export const gone: Answer<never> = { _tag: "Gone" }

export const unusable = (reason: Unavailable["reason"], detail: string): Answer<never> => ({
  _tag: "Unusable",
  reason,
  detail
})

/**
 * The answer of a call that failed with an errno. It is never `Gone`. A caller for which an errno means that there is
 * no such process checks for that errno first.
 */
export const fromErrno = (call: string, name: string): Answer<never> => {
  const kind = classifyErrno(name)
  const detail = `${call}: ${name}`
  return kind === "refused" ? { _tag: "Refused", detail } : unusable(kind, detail)
}

export const describe = (answer: Answer<unknown>): string | undefined =>
  answer._tag === "Refused" || answer._tag === "Unusable" ? answer.detail : undefined
