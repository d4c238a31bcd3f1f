/**
 * Failures of system calls, by the name of their errno. Errors of `node:fs` carry it as `code`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { DiskError } from "./DiskModel.ts"

/**
 * The text that an error carries as `code`, `ENOENT` for instance. `undefined`: it carries none.
 *
 * @category getters
 * @since 0.1.0
 */
export const codeOf = (error: unknown): string | undefined =>
  Predicate.hasProperty(error, "code") && Predicate.isString(error.code) ? error.code : undefined

/**
 * Name of the errno that a call failed with, or `EUNKNOWN`.
 *
 * @category getters
 * @since 0.1.0
 */
export const errnoOf = (cause: unknown): string => codeOf(cause) ?? "EUNKNOWN"

/**
 * Whether the kernel refused the caller.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRefusal = (errno: string): boolean => errno === "EACCES" || errno === "EPERM"

const shortages: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EIO", "EINTR", "EAGAIN"])

/**
 * Whether a call failed for want of resources. The same call may succeed later.
 *
 * @category guards
 * @since 0.1.0
 */
export const isShortage = (errno: string): boolean => shortages.has(errno)

/**
 * An error that carries its errno's name as those of `node:fs` do.
 *
 * @category constructors
 * @since 0.1.0
 */
export const coded = (errno: string, detail: string = errno): Error & { readonly code: string } =>
  Object.assign(new Error(detail), { code: errno })

/**
 * What a call threw, as the error of a Disk.
 *
 * @category constructors
 * @since 0.1.0
 */
export const failed = (operation: string, path: string, cause: unknown): DiskError =>
  new DiskError({ errno: errnoOf(cause), operation, path, cause })

/**
 * A synchronous call as an Effect that fails with the errno.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attempt = <A>(operation: string, path: string, call: () => A): Effect.Effect<A, DiskError> =>
  Effect.try({ try: call, catch: (cause) => failed(operation, path, cause) })
