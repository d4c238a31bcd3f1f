#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { main } from "./Main.ts"
import * as Output from "./Output.ts"

NodeRuntime.runMain(Effect.provide(main(process.argv.slice(2)), Output.layer), { disableErrorReporting: true })
