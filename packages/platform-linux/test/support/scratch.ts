import { Effect, type Scope } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"

const memory = "/dev/shm"

const isThere = ((): boolean => {
  try {
    Fs.accessSync(memory, Fs.constants.W_OK)
    return true
  } catch {
    return false
  }
})()

export const base = isThere ? memory : Os.tmpdir()

/** An empty directory, for trees whose size matters. It is in memory if the machine has `/dev/shm`. */
export const scratch: Effect.Effect<string, unknown, Scope.Scope> = isThere
  ? Effect.acquireRelease(
      Effect.sync(() => Fs.mkdtempSync(Path.join(base, "vm-sentinel-test-"))),
      (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
    )
  : world.scratch
