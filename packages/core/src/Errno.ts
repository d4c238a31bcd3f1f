/**
 * Errors of system calls, identified by the name of the errno. Errors of `node:fs` have that name as `code`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { DiskError } from "./DiskModel.ts"

/** The numbers of the errnos by name, from `node:os` if that module exists. */
const hostErrnos = (): object => {
  const process: unknown = Reflect.get(globalThis, "process")
  if (!Predicate.hasProperty(process, "getBuiltinModule") || !Predicate.isFunction(process.getBuiltinModule)) return {}
  const os: unknown = process.getBuiltinModule("node:os")
  const constants = Predicate.hasProperty(os, "constants") ? os.constants : undefined
  return Predicate.hasProperty(constants, "errno") && Predicate.isObject(constants.errno) ? constants.errno : {}
}

// EAGAIN and EWOULDBLOCK have the same number. `toReversed` makes the map keep EAGAIN, the kernel's own name.
const hostNames = new Map<unknown, string>(
  Object.entries(hostErrnos())
    .toReversed()
    .map(([name, errno]) => [errno, name])
)

/**
 * Name of an errno of the system that this program runs on, `ESRCH` for 3.
 *
 * @category getters
 * @since 0.1.0
 */
export const errnoName = (errno: number): string => hostNames.get(errno) ?? `errno ${errno}`

/**
 * The `code` of an errno that libuv has no name for, such as EDQUOT, ESTALE or ENOLCK. It has the number instead.
 */
const unnamed = /^Unknown system error -(\d+)$/

/**
 * The `code` of an error, such as `ENOENT`. A code with only the number of an errno becomes the name in `node:os`, if
 * there is one. `undefined`: the `code` isn't text.
 *
 * @category getters
 * @since 0.1.0
 */
export const codeOf = (error: unknown): string | undefined => {
  const code = Predicate.hasProperty(error, "code") && Predicate.isString(error.code) ? error.code : undefined
  const number = code === undefined ? undefined : unnamed.exec(code)?.[1]
  return number === undefined ? code : (hostNames.get(Number(number)) ?? code)
}

/**
 * Name of the errno with which a call failed, or `EUNKNOWN`.
 *
 * @category getters
 * @since 0.1.0
 */
export const errnoOf = (cause: unknown): string => codeOf(cause) ?? "EUNKNOWN"

/**
 * Whether the kernel denied permission (EACCES, EPERM).
 *
 * @category guards
 * @since 0.1.0
 */
export const isRefusal = (errno: string): boolean => errno === "EACCES" || errno === "EPERM"

const shortages: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EIO", "EINTR", "EAGAIN"])

/**
 * Whether a call failed with EMFILE, ENFILE, ENOMEM, EIO, EINTR or EAGAIN. The same call may succeed later.
 *
 * @category guards
 * @since 0.1.0
 */
export const isShortage = (errno: string): boolean => shortages.has(errno)

/**
 * Builds an error whose `code` is the name of an errno, as in errors of `node:fs`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const coded = (errno: string, detail: string = errno): Error & { readonly code: string } =>
  Object.assign(new Error(detail), { code: errno })

/**
 * Wraps what a call threw in a `DiskError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const failed = (operation: string, path: string, cause: unknown): DiskError =>
  new DiskError({ errno: errnoOf(cause), operation, path, cause })

/**
 * Makes a synchronous call an Effect. What the call throws becomes a `DiskError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attempt = <A>(operation: string, path: string, call: () => A): Effect.Effect<A, DiskError> =>
  Effect.try({ try: call, catch: (cause) => failed(operation, path, cause) })
