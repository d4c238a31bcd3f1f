/** Long synchronous work in slices, so that the event loop gets its turn and a fiber can be interrupted between two. */
import type { DiskError } from "@vm-sentinel/core/Disk"
import * as Effect from "effect/Effect"
import { failed } from "./fileErrors.ts"

/** Milliseconds of work at a stretch. */
const length = 3

/** Tells, cheaply, when a slice is used up: looks at the clock once in a few calls. */
export const makeSlice = (): (() => boolean) => {
  let count = 0
  let until = performance.now() + length
  return () => {
    count += 1
    if (count % 8 !== 0 || performance.now() < until) return false
    until = performance.now() + length
    return true
  }
}

/** Runs a generator to its end, giving way at each `yield`. Ended early, its `finally` blocks run. */
export const sliced = <A>(
  operation: string,
  path: string,
  start: () => Generator<void, A>
): Effect.Effect<A, DiskError> =>
  Effect.acquireUseRelease(
    Effect.sync(start),
    Effect.fnUntraced(function* (work) {
      const next = Effect.try({ try: () => work.next(), catch: (cause) => failed(operation, path, cause) })
      for (;;) {
        const step = yield* next
        if (step.done === true) return step.value
        yield* Effect.yieldNow
      }
    }),
    (work) =>
      Effect.sync(() => {
        const end: Generator<void, unknown, unknown> = work
        end.return(undefined)
      })
  )
