/**
 * Paths relative to the working directory of the command.
 *
 * @since 0.1.0
 */
import { coded, errnoOf } from "@vm-sentinel/core/Errno"
import { StoreFailure } from "@vm-sentinel/core/Errors"
import * as Effect from "effect/Effect"
import * as Path from "node:path"

/** `node:path` takes `LINK/..` for the directory of the link. The kernel takes it for the one above the link's target. */
const hasAscent = /(?:^|\/)\.\.(?:\/|$)/

const resolve = (path: string): string => {
  if (!hasAscent.test(path)) return Path.resolve(path)
  return Path.isAbsolute(path) ? path : `${process.cwd()}/${path}`
}

/**
 * Makes a path absolute. A `..` stays, for the kernel to resolve. Fails for a relative path if the working directory
 * can't be told, such as one that was removed.
 *
 * @category converting
 * @since 0.1.0
 */
export const absolute = (path: string): Effect.Effect<string, StoreFailure> =>
  Effect.try({
    try: () => resolve(path),
    catch: (cause) => {
      const errno = errnoOf(cause)
      return new StoreFailure({ operation: "read working directory", path, errno, cause: coded(errno) })
    }
  })
