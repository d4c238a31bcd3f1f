/** Real processes that keep writing into a directory, through a descriptor, while it is removed. */
import { assert, describe, it } from "@effect/vitest"
import { Disk } from "@vm-sentinel/core/Disk"
import { ableIn } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import { Duration, Effect, Layer, Result, type Scope } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import { hasCompiler, noCompiler, Programs } from "./support/programs.ts"
import * as Scratch from "./support/scratch.ts"

/** Starts a program that writes until the scope ends. */
const filler = (program: string, directory: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(program, [directory], { stdio: ["ignore", "pipe", "inherit"] })
      const ended = once(child, "exit")
      await once(child.stdout, "data")
      return { child, ended }
    }),
    ({ child, ended }) =>
      Effect.promise(async () => {
        child.kill("SIGKILL")
        await ended
      })
  )

describe("a process that keeps writing into a directory", () => {
  for (const pool of [true, false]) {
    const layer = Layer.mergeAll(Programs.layer, LinuxDisk.layerWith({ pool }))
    ableIn<Disk | Programs | Scope.Scope>((title, test) =>
      it.live(title, () => Effect.provide(test(), layer), 120_000)
    )(
      hasCompiler ? {} : noCompiler,
      `scenario 83: doesn't keep its removal going, nor the others (${pool ? "threads of the pool" : "the calling thread"})`,
      () =>
        Effect.gen(function* () {
          const disk = yield* Disk
          const scratch = yield* Scratch.scratch
          const program = (yield* Programs).helper("filler")
          for (const name of ["a", "full", "z"]) yield* world.file(`${scratch}/${name}/sub/file`, "x")
          const remove = (name: string) =>
            Effect.result(disk.removeTree(`${scratch}/${name}`, { patience: Duration.seconds(1) }))
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* filler(program, `${scratch}/full`)
              yield* filler(program, `${scratch}/full`)
              const [a, full, z] = yield* Effect.all([remove("a"), remove("full"), remove("z")], {
                concurrency: "unbounded"
              })
              assert.isTrue(Result.isSuccess(a) && Result.isSuccess(z))
              // On a busy machine the removal may succeed between two writes.
              if (Result.isFailure(full)) {
                assert.deepInclude(full.failure, { errno: "ENOTEMPTY", path: `${scratch}/full` })
              }
            })
          )
          if (Fs.existsSync(`${scratch}/full`)) yield* disk.removeTree(`${scratch}/full`)
          assert.deepStrictEqual(Fs.readdirSync(scratch), [])
        })
    )
  }
})
