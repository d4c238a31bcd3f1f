#!/usr/bin/env -S node --max-semi-space-size=1
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { main } from "./Main.ts"
import * as Output from "./Output.ts"

// The flag above: what a sweep makes for one directory is garbage by the next. A small young generation keeps the memory
// of a long sweep near that of a short one.
NodeRuntime.runMain(Effect.provide(main(process.argv.slice(2)), Output.layer), { disableErrorReporting: true })
