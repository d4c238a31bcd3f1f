/** Runs `sweep` without a process, over the simulated processes and directories of a test. */
import { Effect, Option } from "effect"
import { stripVTControlCharacters } from "node:util"
import * as Sweep from "../../src/sweep/Sweep.ts"
import * as Streams from "./Streams.ts"

export const defaults: Sweep.Options = {
  roots: [],
  dryRun: false,
  json: false,
  quiet: false,
  skip: [],
  sentinelNames: [],
  legacy: "trust",
  lock: "self",
  shared: "keep",
  assumeMoved: Option.none(),
  ifExists: false,
  strict: false,
  sizes: false,
  yes: false,
  maxRemovals: Option.none()
}

/** `typed` is what somebody at a terminal types once asked. Without it there is no terminal. Colours are left out. */
export const sweep = (options: Partial<Sweep.Options>, typed?: Effect.Effect<string>) =>
  Effect.suspend(() => {
    let stdout = ""
    let stderr = ""
    const streams = Streams.layer({
      stdout: (text) => Effect.sync(() => (stdout += text)),
      stderr: (text) => Effect.sync(() => (stderr += text)),
      ...(typed === undefined ? {} : { typed })
    })
    return Sweep.sweep({ ...defaults, ...options }).pipe(
      Effect.provide(streams),
      Effect.match({
        onSuccess: () => 0,
        onFailure: (error) => (error._tag === "Quit" ? error.code : error.message)
      }),
      Effect.map((code) => ({ code, stdout, stderr: stripVTControlCharacters(stderr) }))
    )
  })
