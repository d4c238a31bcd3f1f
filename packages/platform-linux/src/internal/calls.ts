/** Synchronous `node:fs` calls as Effects that fail with the errno. */
import { DiskError } from "@vm-sentinel/core/Disk"
import * as Effect from "effect/Effect"
import { errnoOf } from "./stat.ts"

export const failed = (operation: string, path: string, cause: unknown): DiskError =>
  new DiskError({ errno: errnoOf(cause), operation, path, cause })

export const attempt = <A>(operation: string, path: string, call: () => A): Effect.Effect<A, DiskError> =>
  Effect.try({ try: call, catch: (cause) => failed(operation, path, cause) })
