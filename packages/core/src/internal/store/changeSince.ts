/** Compares a directory with the one that was judged. */
import * as Result from "effect/Result"
import { Condemned } from "../../Condemned.ts"
import type { DirectoryState } from "../../DirectoryState.ts"
import { Changed, type StoreFailure } from "../../Errors.ts"

/**
 * Describes what changed since the judgement. `undefined`: nothing changed. Checks the class of `condemned`, because a
 * caller in JavaScript may pass an object that only has the shape of a `Condemned`.
 */
export const changeSince = (condemned: Condemned, now: DirectoryState): string | undefined =>
  Condemned.is(condemned) ? condemned.difference(now) : "no judgement has condemned it"

/** The error for a directory that differs from the judged one. A sentinel that couldn't be read may be unchanged. */
export const changedTo = (path: string, problem: string, { sentinels }: DirectoryState): Changed | StoreFailure => {
  const unread = sentinels.flatMap(({ content }) =>
    Result.isFailure(content) && content.failure._tag === "StoreFailure" ? [content.failure] : []
  )
  return unread[0] ?? new Changed({ path, problem })
}
