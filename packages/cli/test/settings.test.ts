import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

/** A root with a dead v2 owner, one under a name of its own, and a sentinel that nobody can read. */
const mixed = Effect.gen(function* () {
  const root = yield* Roots.scratch
  yield* Roots.dead(Roots.directory(root, "legacy"), { format: "v2" })
  yield* Roots.dead(Roots.directory(root, "other"), { sentinelName: ".mine" })
  Roots.file(`${Roots.directory(root, "malformed")}/.vm-sentinel`, "hello\n")
  return root
})

describe("a setting", () => {
  it.live("is the default of its flag, and the flag wins", () =>
    Effect.gen(function* () {
      const root = yield* mixed
      const run = (env: Record<string, string>, ...args: ReadonlyArray<string>) =>
        Effect.map(Cli.inProcess(["list", root, ...args], { env: { VM_SENTINEL_JSON: "1", ...env } }), (result) => ({
          ...result,
          ...Cli.report(result.stdout),
          actions: Cli.actions(Cli.report(result.stdout))
        }))

      const plain = { legacy: "would-remove: dead, pid-dead", malformed: "kept: unknown, malformed-sentinel" }
      assert.include((yield* run({})).actions, plain)
      assert.include((yield* run({ VM_SENTINEL_LEGACY: "" })).actions, plain)

      const keep = { VM_SENTINEL_LEGACY: "keep" }
      assert.include((yield* run(keep)).actions, { legacy: "kept: unknown, legacy-kept" })
      assert.include((yield* run(keep, "--legacy", "trust")).actions, plain)

      const names = { VM_SENTINEL_SENTINEL_NAME: ".none:.mine" }
      assert.include((yield* run(names)).actions, { other: "would-remove: dead, pid-dead" })
      assert.include((yield* run(names, "--sentinel-name", ".vm-sentinel")).actions, plain)

      const skip = { VM_SENTINEL_SKIP: "legacy:other" }
      assert.include((yield* run(skip)).actions, { legacy: "kept: none, skipped", other: "kept: none, skipped" })
      assert.include((yield* run(skip, "--skip", "malformed")).actions, {
        legacy: "would-remove: dead, pid-dead",
        malformed: "kept: none, skipped"
      })

      const strict = { VM_SENTINEL_STRICT: "on" }
      assert.strictEqual((yield* run(strict)).code, 3)
      assert.strictEqual((yield* run(strict, "--strict=false")).code, 0)

      const vouched = yield* run({ VM_SENTINEL_LOCK: "inherited", VM_SENTINEL_SHARED: "trust", VM_SENTINEL_SIZES: "y" })
      assert.include(vouched.summary, { lock: "inherited", shared: "trust" })
      assert.property(vouched.summary, "bytesKept")
      const withdrawn = yield* run(
        { VM_SENTINEL_LOCK: "inherited", VM_SENTINEL_SHARED: "trust" },
        "--lock",
        "self",
        "--shared",
        "keep"
      )
      assert.doesNotHaveAnyKeys(withdrawn.summary, ["lock", "shared"])
    })
  )

  it.live("of --if-exists and --json is obeyed by a command that fails, too", () =>
    Effect.gen(function* () {
      const missing = `${yield* Roots.scratch}/none`
      const run = (args: ReadonlyArray<string>, env: Record<string, string>) => Cli.inProcess(args, { env })
      const tolerant = yield* run(["list", missing], { VM_SENTINEL_IF_EXISTS: "true" })
      const strict = yield* run(["list", missing, "--if-exists=no"], { VM_SENTINEL_IF_EXISTS: "true" })
      assert.deepStrictEqual([tolerant.code, strict.code], [0, 1])

      const json = { VM_SENTINEL_JSON: "yes" }
      assert.match((yield* run(["list", missing], json)).stdout, /^\{"_tag":"Failure".*\}\n$/)
      for (const args of [["list"], ["lst", "."], ["--log-level", "info", "explain", missing]])
        assert.match((yield* run(args, json)).stdout, /^\{"_tag":"Failure".*\}\n$/, args.join(" "))
      for (const args of [
        ["list", missing, "--json=false"],
        ["write", missing, "--pid", "1"],
        ["--log-level", "info", "write", missing, "--pid", "1"],
        ["--log-level=info", "write", missing, "--pid", "1"],
        ["demo", "--nope"],
        ["run", missing, "--", "true"],
        ["run", missing]
      ]) {
        const { code, stderr, stdout } = yield* run(args, json)
        assert.strictEqual(stdout, "", args.join(" "))
        assert.notStrictEqual(code, 0)
        assert.notStrictEqual(stderr, "")
      }
    })
  )

  it.live("names the sentinel that write writes, and must then be one name", () =>
    Effect.gen(function* () {
      const vm = Roots.directory(yield* Roots.scratch, "vm")
      const pid = `${process.pid}`
      const write = (name: string) =>
        Cli.inProcess(["write", vm, "--pid", pid], { env: { VM_SENTINEL_SENTINEL_NAME: name } })
      const several = yield* write(".a:.b")
      assert.strictEqual(several.code, 2)
      assert.include(several.stderr, 'VM_SENTINEL_SENTINEL_NAME: ".a:.b"')
      assert.strictEqual((yield* write(".a")).code, 0)
      assert.deepStrictEqual(FS.readdirSync(vm).sort(), [".a", "console.log"])
    })
  )

  it.effect("with an invalid value is a usage error that names the variable", () =>
    Effect.gen(function* () {
      for (const [variable, value] of [
        ["VM_SENTINEL_LEGACY", "maybe"],
        ["VM_SENTINEL_LOCK", "held"],
        ["VM_SENTINEL_SHARED", "yes"],
        ["VM_SENTINEL_JSON", "json"],
        ["VM_SENTINEL_STRICT", "2"],
        ["VM_SENTINEL_IF_EXISTS", " "],
        ["VM_SENTINEL_SIZES", "TRUE"],
        ["VM_SENTINEL_SKIP", "a/b"],
        // Texts that the flag refuses, too.
        ["VM_SENTINEL_MAX_REMOVALS", "0x10"],
        ["VM_SENTINEL_MAX_REMOVALS", " 5"],
        ["VM_SENTINEL_MAX_REMOVALS", "-1"],
        ["VM_SENTINEL_SENTINEL_NAME", ".vm-sentinel:"]
      ] as const) {
        const { code, stderr, stdout } = yield* Cli.inProcess(["sweep", "/nowhere"], { env: { [variable]: value } })
        assert.deepStrictEqual([code, stdout], [2, ""], variable)
        assert.include(stderr, `Invalid value for ${variable}: "${value}". Expected `)
        assert.include(stderr, "USAGE")
      }
    })
  )

  it.live("that no flag has is a usage error, which names the nearest one", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const vm = Roots.directory(root, "vm")
      yield* Roots.dead(vm)
      for (const [variable, nearest] of [
        ["VM_SENTINEL_SKIPS", "VM_SENTINEL_SKIP"],
        ["VM_SENTINEL_MAX_REMOVAL", "VM_SENTINEL_MAX_REMOVALS"],
        ["VM_SENTINEL__STRICT", "VM_SENTINEL_STRICT"],
        ["VM_SENTINEL_SKIP_1", "VM_SENTINEL_SKIP"],
        ["VM_SENTINEL_SERVICE_HOST", undefined],
        // No variable can assert a fact, or choose between judging and removing.
        ["VM_SENTINEL_ASSUME_DEAD", undefined],
        ["VM_SENTINEL_ASSUME_MOVED", undefined],
        ["VM_SENTINEL_YES", undefined],
        ["VM_SENTINEL_DRY_RUN", undefined]
      ] as const) {
        const hint = nearest === undefined ? "" : `. Did you mean ${nearest}?`
        const message = `Unknown variable: ${variable}${hint}`
        for (const args of [
          ["sweep", root],
          ["reclaim", vm],
          ["run", vm, "--", "true"]
        ]) {
          const { code, stderr, stdout } = yield* Cli.inProcess(args, { env: { [variable]: "1" } })
          assert.deepStrictEqual([code, stdout, stderr], [2, "", `\nERROR\n  ${message}\n`], args.join(" "))
        }
        const { stdout } = yield* Cli.inProcess(["list", root, "--json"], { env: { [variable]: "1" } })
        assert.deepStrictEqual(JSON.parse(stdout), { _tag: "Failure", error: { _tag: "Usage", message } })
      }
      assert.deepStrictEqual(FS.readdirSync(root), ["vm"])
    })
  )

  it.live("that no flag has is no matter without a value, nor for help", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const code = (args: ReadonlyArray<string>, env: Record<string, string>) =>
        Effect.map(Cli.inProcess(args, { env }), ({ code }) => code)
      assert.strictEqual(yield* code(["sweep", root], { VM_SENTINEL_SKIPS: "", VM_SENTINELS: "1" }), 0)
      assert.strictEqual(yield* code(["sweep", "--help"], { VM_SENTINEL_SKIPS: "a" }), 0)
    })
  )
})
