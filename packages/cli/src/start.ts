/** Runs the command as the program of this process. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { main } from "./Main.ts"
import * as Output from "./Output.ts"

export const start = (): void =>
  NodeRuntime.runMain(Effect.provide(main, Output.layer), { disableErrorReporting: true })
