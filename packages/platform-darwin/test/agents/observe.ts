/** Observes a process by `layer`, and prints what it is as JSON. Run where a policy forbids it. Argument: the PID. */
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect } from "effect"
import * as DarwinProcessInspector from "../../src/DarwinProcessInspector.ts"

const observed = ProcessInspector.use(({ observe }) => observe(Pid.make(Number(process.argv[2]))))
const observation = await Effect.runPromise(Effect.provide(observed, DarwinProcessInspector.layer))
process.stdout.write(JSON.stringify(observation))
