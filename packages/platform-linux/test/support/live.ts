import { it } from "@effect/vitest"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { Effect, type Scope } from "effect"
import { because } from "@vm-sentinel/core/test/support/able"
import * as Real from "./realLayers.ts"

type Test = () => Effect.Effect<void, unknown, ProcessInspector | SentinelStore | Scope.Scope>

/** A test on the real disk, with real processes and the real clock. */
export const live = (title: string, test: Test): void => liveUnless(undefined, title, test)

/** The same as {@link live}, skipped if there is a reason. */
export const liveUnless = (reason: string | undefined, title: string, test: Test): void =>
  it.live.skipIf(reason !== undefined)(because(title, reason), () => Effect.provide(test(), Real.layer), 60_000)
