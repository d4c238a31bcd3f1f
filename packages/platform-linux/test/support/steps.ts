/** Runs an effect right before one call of a store to its Disk. A test repeats this for each call in turn. */
import { Disk, DiskError } from "@vm-sentinel/core/Disk"
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import { wrappedDisk } from "@vm-sentinel/core/test/support/wrappedDisk"
import { Effect, Layer } from "effect"
import * as LinuxDisk from "../../src/LinuxDisk.ts"

export interface Steps {
  /** Number of calls so far. */
  calls: number
  readonly at: number
  readonly act: Effect.Effect<unknown>
  /** Whether every `makeDirectory` fails with ENOSPC. */
  readonly isFull: boolean
}

const stepped = (steps: Steps): Layer.Layer<Disk, never, Disk> =>
  Layer.effect(
    Disk,
    Effect.map(Disk, (disk) =>
      wrappedDisk(disk, (method, path) =>
        Effect.suspend(() => {
          steps.calls += 1
          const act = steps.calls === steps.at ? Effect.asVoid(steps.act) : Effect.void
          if (method !== "makeDirectory" || !steps.isFull) return act
          return Effect.andThen(act, Effect.fail(new DiskError({ errno: "ENOSPC", operation: "mkdir", path })))
        })
      )
    )
  )

/** A store over a Disk whose calls are counted in `steps`. */
export const store = (
  steps: Steps,
  disk: Layer.Layer<Disk> = LinuxDisk.layerWith({ pool: false })
): Layer.Layer<SentinelStore.SentinelStore> =>
  Layer.fresh(SentinelStore.layer).pipe(Layer.provide(stepped(steps)), Layer.provide(disk))
