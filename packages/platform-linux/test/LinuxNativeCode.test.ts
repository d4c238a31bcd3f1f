import { assert, describe, it } from "@effect/vitest"
import { Disk } from "@vm-sentinel/core/Disk"
import { NativeCode } from "@vm-sentinel/core/NativeCode"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { Effect, type Layer, Logger, References, Schema } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { Worker } from "node:worker_threads"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import * as LinuxNativeCode from "../src/LinuxNativeCode.ts"
import * as Pool from "../src/internal/pool.ts"
import * as Scratch from "./support/scratch.ts"

const able = ableIn<never>(it.effect)
const loaded = Pool.pool() === undefined ? new Missing("no C compiler, or no koffi") : {}

describe("the report of native code", () => {
  able(loaded, "names the files of koffi and of this machine's library", () =>
    Effect.gen(function* () {
      const { koffi, library } = yield* LinuxNativeCode.report
      if (koffi._tag !== "Loaded" || library._tag !== "Loaded") return assert.fail("not loaded")
      assert.match(koffi.path, /\/koffi\/index\.cjs$/)
      assert.match(Path.basename(library.path), new RegExp(`^pool-linux-${process.arch}-(glibc|musl)\\.so$`))
      for (const { path } of [koffi, library]) assert.isTrue(Fs.statSync(path).isFile())
    })
  )

  it.effect("says that a worker thread loads none", () =>
    Effect.gen(function* () {
      const told = yield* Effect.callback<unknown>((resume) => {
        const worker = new Worker(new URL("agents/nativeCode.ts", import.meta.url))
        worker.once("message", (message) => resume(Effect.succeed(message)))
        worker.once("error", (error) => resume(Effect.die(error)))
        return Effect.promise(() => worker.terminate())
      })
      const { koffi, library } = yield* Schema.decodeUnknownEffect(NativeCode)(told)
      for (const part of [koffi, library]) assert.strictEqual(part._tag === "Missing" && part.reason, "worker")
    })
  )

  /** What a Disk logs during two looks at a directory. */
  const logged = (disk: Layer.Layer<Disk>, level: "Debug" | "Info") =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => lines.push([logLevel, message]))
      const scratch = yield* Scratch.scratch
      yield* Effect.gen(function* () {
        const { frame, peekMany } = yield* Disk
        yield* frame(scratch)
        yield* peekMany(scratch, ["none"], "file", 100)
        yield* frame(scratch)
      }).pipe(
        Effect.provide(disk),
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, level)
      )
      return lines
    })

  it.effect("is logged once by each Disk that uses it, at debug level", () =>
    Effect.gen(function* () {
      const [line, ...more] = yield* logged(LinuxDisk.layer, "Debug")
      assert.match(JSON.stringify(line), /^\["Debug",.*koffi.*library/)
      assert.deepStrictEqual(more, [])
      assert.deepStrictEqual(yield* logged(LinuxDisk.layer, "Info"), [])
      assert.deepStrictEqual(yield* logged(LinuxDisk.layerWithoutKoffi, "Debug"), [])
    })
  )
})
