/** Something else that happens right before one call of a store to its Disk: every interleaving, one after the other. */
import { Disk, DiskError } from "@vm-sentinel/core/Disk"
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import { Effect, Layer, Stream } from "effect"
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
    Effect.map(Disk, (disk) => {
      const step = Effect.suspend(() => {
        steps.calls += 1
        return steps.calls === steps.at ? steps.act : Effect.void
      })
      const before =
        <A extends ReadonlyArray<unknown>, B, E, R>(call: (...args: A) => Effect.Effect<B, E, R>) =>
        (...args: A): Effect.Effect<B, E, R> =>
          Effect.andThen(
            step,
            Effect.suspend(() => call(...args))
          )
      const full = (path: string) => Effect.fail(new DiskError({ errno: "ENOSPC", operation: "mkdir", path }))
      return Disk.of({
        ...disk,
        realPath: before(disk.realPath),
        lstat: before(disk.lstat),
        entries: before(disk.entries),
        list: before(disk.list),
        scan: before(disk.scan),
        peekMany: before(disk.peekMany),
        read: before(disk.read),
        create: before(disk.create),
        link: before(disk.link),
        rename: before(disk.rename),
        renameNew: before(disk.renameNew),
        unlink: before(disk.unlink),
        makeDirectory: before(steps.isFull ? full : disk.makeDirectory),
        removeDirectory: before(disk.removeDirectory),
        syncDirectory: before(disk.syncDirectory),
        removeTree: before(disk.removeTree),
        frame: before(disk.frame),
        find: (path, wanted) => Stream.unwrap(Effect.as(step, disk.find(path, wanted))),
        location: before(disk.location),
        mountInside: before(disk.mountInside),
        lock: before(disk.lock),
        probeLock: before(disk.probeLock)
      })
    })
  )

/** A store that is stepped through. */
export const store = (
  steps: Steps,
  disk: Layer.Layer<Disk> = LinuxDisk.layerWith({ pool: false })
): Layer.Layer<SentinelStore.SentinelStore> =>
  Layer.fresh(SentinelStore.layer).pipe(Layer.provide(stepped(steps)), Layer.provide(disk))
