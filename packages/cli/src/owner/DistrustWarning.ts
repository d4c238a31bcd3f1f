/**
 * The warning about a sentinel that no sweep believes.
 *
 * @since 0.1.0
 */
import type { Recorded } from "@vm-sentinel/core/Ownership"
import * as Effect from "effect/Effect"
import type * as Stdio from "effect/Stdio"
import * as ErrorText from "../text/ErrorText.ts"
import * as Output from "../Output.ts"

/**
 * Warns on stderr if no sweep believes a sentinel that was just written.
 *
 * @category writing
 * @since 0.1.0
 */
export const warn = (path: string, { distrust }: Recorded): Effect.Effect<void, never, Stdio.Stdio> =>
  distrust === undefined ? Effect.void : Output.note(ErrorText.ofDistrust(path, distrust))
