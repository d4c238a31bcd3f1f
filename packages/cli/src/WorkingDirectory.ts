/**
 * Paths relative to the working directory of the command.
 *
 * @since 0.1.0
 */
import { coded, errnoOf } from "@vm-sentinel/core/Errno"
import { StoreFailure } from "@vm-sentinel/core/Errors"
import * as Effect from "effect/Effect"
import * as Path from "node:path"

/**
 * Makes a path absolute. Fails for a relative path if the working directory can't be told, such as one that was
 * removed.
 *
 * @category converting
 * @since 0.1.0
 */
export const absolute = (path: string): Effect.Effect<string, StoreFailure> =>
  Effect.try({
    try: () => Path.resolve(path),
    catch: (cause) => {
      const errno = errnoOf(cause)
      return new StoreFailure({ operation: "read working directory", path, errno, cause: coded(errno) })
    }
  })
