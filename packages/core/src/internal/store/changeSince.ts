/** Compares a directory with the one that was judged. */
import { Condemned } from "../../Condemned.ts"
import type { DirectoryState } from "../../DirectoryState.ts"

/**
 * Describes what changed since the judgement. `undefined`: nothing changed. Checks the class of `condemned`, because a
 * caller in JavaScript may pass an object that only has the shape of a `Condemned`.
 */
export const changeSince = (condemned: Condemned, now: DirectoryState): string | undefined =>
  Condemned.is(condemned) ? condemned.difference(now) : "no judgement has condemned it"
