/** Which Layer is picked at run time. The import of the module must be harmless even if no Layer can work. */
import { assert, describe, it } from "@effect/vitest"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect, Schema } from "effect"
import { execFile } from "node:child_process"
import { hostname } from "node:os"
import { fileURLToPath } from "node:url"
import { skipped } from "@vm-sentinel/core/test/support/able"
import { scriptOf } from "@vm-sentinel/platform-linux/test/support/prebuilt"
import * as Protocol from "@vm-sentinel/platform-linux/test/agents/inspectorProtocol"
import * as DarwinProcessInspector from "../src/DarwinProcessInspector.ts"
import * as Shim from "./support/shim.ts"
import * as Standins from "./support/standins.ts"

const ours = Pid.make(process.pid)
const observe = ProcessInspector.use(({ observe }) => observe(ours))

if (process.platform === "linux") {
  const standins = Standins.make()
  const elsewhere = "the process calls of macOS don't exist on linux"
  const unsupported = { _tag: "Unavailable", pid: ours, reason: "unsupported", detail: elsewhere } as const

  describe("on another system than macOS", () => {
    for (const [name, layer] of [
      ["layer", DarwinProcessInspector.layer],
      ["layerPs", DarwinProcessInspector.layerPs],
      ["layerPs with another sysctl", DarwinProcessInspector.layerPsWith({ sysctlPath: standins.sysctl })]
    ] as const) {
      it.effect(`${name} observes nothing, identifies nobody, and says why`, () =>
        Effect.gen(function* () {
          const { host, identify, observe, self } = yield* ProcessInspector
          for (const wanted of ["existence", "identity", "path", "executable", "all"] as const) {
            assert.deepStrictEqual(yield* observe(ours, wanted), unsupported)
          }
          for (const error of [yield* Effect.flip(self), yield* Effect.flip(identify(ours))]) {
            assert.strictEqual(error._tag, "IdentityUnavailable")
            assert.include(error.message, elsewhere)
          }
          assert.deepStrictEqual(yield* host, { hostname: hostname(), namespaces: "none" })
        }).pipe(Effect.provide(layer))
      )
    }

    it.effect("a library that can't be loaded is replaced by ps where one is named", () =>
      Effect.gen(function* () {
        const observation = yield* observe
        assert.strictEqual(observation._tag, "Present")
        assert.match(observation._tag === "Present" ? (observation.startTime ?? "") : "", /^s:\d+$/)
      }).pipe(
        Effect.provide(
          DarwinProcessInspector.layerWith({
            libraryPath: "/nonexistent/lib.dylib",
            psPath: standins.ps().path,
            maxPid: Standins.maxPid
          })
        )
      )
    )

    it.effect("and makes everything unsupported where none is", () =>
      Effect.gen(function* () {
        const observation = yield* observe
        if (observation._tag !== "Unavailable") return assert.fail(observation._tag)
        assert.strictEqual(observation.reason, "unsupported")
        assert.include(observation.detail, "koffi can't load /nonexistent/lib.dylib")
      }).pipe(Effect.provide(DarwinProcessInspector.layerWith({ libraryPath: "/nonexistent/lib.dylib" })))
    )
  })

  describe("koffi", () => {
    const Asked = Schema.Struct({ observation: Protocol.Observed, self: Schema.String, host: Protocol.Host })
    const Answers = Schema.fromJsonString(
      Schema.Struct({
        pid: Pid,
        answers: Schema.Struct({ default: Asked, ps: Asked, libraryAlone: Asked, both: Asked })
      })
    )

    const script = scriptOf(fileURLToPath(new URL("agents/withoutKoffi.ts", import.meta.url)), "withoutKoffi")
    const shim = Shim.build()
    // Without koffi the library is never opened, so any path is fine.
    const library = typeof shim === "string" ? "/nonexistent/lib.dylib" : shim.path

    const run = (how: string) =>
      Effect.callback<string, Error>((resume) => {
        const args = ["--no-warnings", script, how, library, standins.ps().path, standins.sysctl, standins.ioreg]
        execFile(process.execPath, args, (error, stdout) =>
          resume(error === null ? Effect.succeed(stdout) : Effect.fail(error))
        )
      }).pipe(Effect.flatMap(Schema.decodeEffect(Answers)))

    for (const [how, problem] of [
      ["missing", "koffi can't be loaded: koffi isn't installed where"],
      ["broken", "koffi can't be loaded: koffi:broken: no native module"]
    ] as const) {
      it.effect(`is ${how}: nothing throws, ps stands in, and without it everything is unsupported`, () =>
        Effect.gen(function* () {
          const { answers, pid } = yield* run(how)
          for (const asked of [answers.default, answers.ps]) {
            assert.deepStrictEqual(asked.observation, { ...unsupported, pid })
            assert.strictEqual(asked.self, "Failure")
          }
          const { detail, ...alone } = { detail: "", ...answers.libraryAlone.observation }
          assert.deepStrictEqual(alone, { _tag: "Unavailable", pid, reason: "unsupported" })
          assert.include(detail, problem)
          const { host, observation, self } = answers.both
          if (observation._tag !== "Present") return assert.fail(JSON.stringify(observation))
          assert.match(observation.startTime ?? "", /^s:\d+$/)
          assert.strictEqual(self, "Success")
          assert.isDefined(host.bootId)
          assert.isDefined(host.machineId)
        })
      )
    }
  })
} else skipped("picking between library and ps", Standins.noProcfs)
