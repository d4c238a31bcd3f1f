/** Tests of the Disk over the libSystem stand-in. */
import { it } from "@effect/vitest"
import type { Disk } from "@vm-sentinel/core/Disk"
import { Effect, type Scope } from "effect"
import { skipped } from "@vm-sentinel/core/test/support/able"
import * as DarwinDisk from "../../src/DarwinDisk.ts"
import { type FileCalls, load } from "../../src/internal/fileCalls.ts"
import * as Shim from "./shim.ts"

export interface Stage {
  readonly shim: Shim.Shim
  readonly calls: FileCalls
  readonly test: (title: string, body: () => Effect.Effect<void, unknown, Disk | Scope.Scope>) => void
}

const patience = 60_000

/** Makes the tests of a file. If the shim can't be built, they show as skipped with the reason. */
export const overShim = async (title: string, make: (stage: Stage) => void): Promise<void> => {
  const shim = Shim.build()
  if (typeof shim === "string") return skipped(title, shim)
  const calls = await Effect.runPromise(load(shim.path))
  if (calls === undefined) throw new Error("a call of the shim can't be bound")
  const layer = DarwinDisk.layerWith({ libraryPath: shim.path })
  make({ shim, calls, test: (title, body) => it.live(title, () => Effect.provide(body(), layer), patience) })
}

/** Wraps the calls. `act` runs before each of the calls that a removal makes. */
export const before = (calls: FileCalls, act: (call: string, name: string) => void): FileCalls => {
  const wrap =
    <A extends ReadonlyArray<unknown>, B>(call: string, body: (...args: A) => B) =>
    (...args: A): B => {
      act(call, args[1] instanceof Buffer ? args[1].toString() : "")
      return body(...args)
    }
  return {
    ...calls,
    openDirectory: wrap("openDirectory", calls.openDirectory),
    openFile: wrap("openFile", calls.openFile),
    openReal: wrap("openReal", calls.openReal),
    flock: wrap("flock", calls.flock),
    unlink: wrap("unlink", calls.unlink),
    removeDirectory: wrap("removeDirectory", calls.removeDirectory),
    rename: wrap("rename", calls.rename),
    permissions: wrap("permissions", calls.permissions),
    list: wrap("list", calls.list)
  }
}
