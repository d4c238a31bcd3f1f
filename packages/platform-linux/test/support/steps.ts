/** Something else that happens right before one call of a store to its Disk: every interleaving, one after the other. */
import { Disk, DiskError } from "@vm-sentinel/core/Disk"
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import { wrappedDisk } from "@vm-sentinel/core/test/support/wrappedDisk"
import { Effect, Layer } from "effect"
import * as LinuxDisk from "../../src/LinuxDisk.ts"

export interface Steps {
  /** Calls that were made. */
  calls: number
  readonly at: number
  readonly act: Effect.Effect<unknown>
  /** There is no room for a directory. */
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

/** A store that is stepped through. */
export const store = (
  steps: Steps,
  disk: Layer.Layer<Disk> = LinuxDisk.layerWith({ pool: false })
): Layer.Layer<SentinelStore.SentinelStore> =>
  Layer.fresh(SentinelStore.layer).pipe(Layer.provide(stepped(steps)), Layer.provide(disk))
