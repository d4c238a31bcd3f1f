/**
 * Observes a process through `layer` and prints the observation as JSON. Runs under a policy that forbids the calls.
 * Argument: the PID.
 */
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect } from "effect"
import * as DarwinProcessInspector from "../../src/DarwinProcessInspector.ts"

const observed = ProcessInspector.use(({ observe }) => observe(Pid.make(Number(process.argv[2]))))
const observation = await Effect.runPromise(Effect.provide(observed, DarwinProcessInspector.layer))
process.stdout.write(JSON.stringify(observation))
