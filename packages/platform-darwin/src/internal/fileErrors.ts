/** Failures of file calls, by the name of their errno: those of `node:fs`, and those that libSystem numbers. */
import { DiskError } from "@vm-sentinel/core/Disk"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { errno as ofProcessCalls } from "./errno.ts"

/** `sys/errno.h` of Darwin. Whatever isn't listed only says that a call failed. */
const numbers = {
  ...ofProcessCalls,
  EBADF: 9,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENOTDIR: 20,
  EISDIR: 21,
  ENOSPC: 28,
  EROFS: 30,
  ELOOP: 62,
  ENAMETOOLONG: 63,
  ENOTEMPTY: 66,
  EDQUOT: 69,
  ESTALE: 70,
  ENOLCK: 77,
  ENOSYS: 78
} as const

const names = new Map<number, string>([
  ...Object.entries(numbers).map(([name, number]) => [number, name] as const),
  [102, "ENOTSUP"]
])

export const nameOf = (errno: number): string => names.get(errno) ?? "EUNKNOWN"

/** An error that has its errno's name as `code`, as those of `node:fs` have. */
export const coded = (code: string, detail = code): Error => Object.assign(new Error(detail), { code })

export const errnoOf = (cause: unknown): string =>
  Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : "EUNKNOWN"

export const failed = (operation: string, path: string, cause: unknown): DiskError =>
  new DiskError({ errno: errnoOf(cause), operation, path, cause })

export const attempt = <A>(operation: string, path: string, call: () => A): Effect.Effect<A, DiskError> =>
  Effect.try({ try: call, catch: (cause) => failed(operation, path, cause) })
