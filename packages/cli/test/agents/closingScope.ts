/** Holds a directory in a scope, prints `closed` once the scope has closed, and stays: `closingScope.ts DIRECTORY`. */
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Effect } from "effect"
import * as Platform from "../../src/Platform.ts"

const [directory = ""] = process.argv.slice(2)
await Effect.runPromise(Effect.scoped(Ownership.hold(directory)).pipe(Effect.provide(Platform.layer)))
console.log("closed")
setInterval(() => undefined, 1_000_000)
