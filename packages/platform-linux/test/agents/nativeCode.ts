/** Posts the report of native code from a worker thread. */
import { Effect } from "effect"
import { parentPort } from "node:worker_threads"
import * as LinuxNativeCode from "../../src/LinuxNativeCode.ts"

parentPort?.postMessage(Effect.runSync(LinuxNativeCode.report), [])
