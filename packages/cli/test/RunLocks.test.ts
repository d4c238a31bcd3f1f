import { assert, describe, it } from "@effect/vitest"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { MemoryDisk } from "@vm-sentinel/core/testing/MemoryDisk"
import * as Simulation from "@vm-sentinel/core/testing/Simulation"
import { Effect, Option } from "effect"
import * as FS from "node:fs"
import { run } from "../src/owner/Run.ts"
import * as Roots from "./support/Roots.ts"
import * as Streams from "./support/Streams.ts"

const root = "/srv/vms"
const vm = `${root}/vm`

describe("run", () => {
  it.live("starts no command whose lock would be that of another directory, which has taken the path meanwhile", () =>
    Effect.gen(function* () {
      const [memory, store, scratch] = [yield* MemoryDisk, yield* SentinelStore, yield* Roots.scratch]
      yield* Simulation.seed({ [`${vm}/disk`]: "", [`${root}/other/disk`]: "" })
      const swap = Effect.andThen(memory.move(vm, `${root}/moved`), memory.move(`${root}/other`, vm))
      let locks = 0
      // The second lock is the one for the command.
      const lock = (path: string) =>
        Effect.andThen(
          Effect.suspend(() => ((locks += 1) === 2 ? swap : Effect.void)),
          store.lock(path)
        )
      const command = ["touch", `${scratch}/started`]
      const error = yield* run({ directory: vm, command, sentinelName: Option.none(), legacy: "trust" }).pipe(
        Effect.provideService(SentinelStore, { ...store, lock }),
        Effect.provide(Streams.layer({ stderr: () => Effect.void })),
        Effect.flip
      )
      assert.deepInclude(error, { _tag: "Claimed", path: vm, reason: "replaced" })
      assert.isFalse(FS.existsSync(`${scratch}/started`))
      assert.deepStrictEqual(yield* Simulation.names(vm), ["disk"])
    }).pipe(Effect.provide(Simulation.layer))
  )
})
