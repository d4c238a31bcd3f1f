/**
 * Takes the lock of a directory in a worker thread, which then ends while its scope is open. `workerData` has
 * `libraryPath` and `directory`. Prints JSON.
 */
import { Disk } from "@vm-sentinel/core/Disk"
import { Effect, Scope } from "effect"
import { workerData } from "node:worker_threads"
import * as DarwinDisk from "../../src/DarwinDisk.ts"
import { scanning } from "@vm-sentinel/core/test/support/scanning"

const { directory, libraryPath } = workerData
const program = Effect.gen(function* () {
  const disk = yield* Disk
  const scope = yield* Scope.make()
  const options = { mode: "shared", test: true } as const
  const { fd, outlivesThread } = yield* Scope.provide(disk.lock(directory, options), scope)
  // A sweep in a worker makes these calls, too.
  yield* disk.removeTree(`${directory}/tree`)
  yield* disk.scan(
    directory,
    scanning(() => "read", 10)
  )
  return { fd, outlivesThread }
})
const held = await Effect.runPromise(Effect.provide(program, DarwinDisk.layerWith({ libraryPath })))
process.stdout.write(JSON.stringify(held))
