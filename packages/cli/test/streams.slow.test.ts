import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const timeout = 60_000

/** Numbers of lines: of 600 bytes each, or with evidence of 1000. They exceed the buffers of a pipe and its reader. */
const many = 900
const manyJudged = 500

const crowded = (count: number, sentinel?: string) =>
  Effect.map(Roots.scratch, (root) => {
    for (let index = 0; index < count; index++) {
      const path = `${root}/${"vm".repeat(118)}-${index}`
      FS.mkdirSync(path, { mode: 0o700 })
      if (sentinel !== undefined) Roots.file(`${path}/.vm-sentinel`, sentinel)
    }
    return root
  })

/** Sends a signal at the first output, before the command can have written everything, and reads the rest. */
const signalled = (args: ReadonlyArray<string>, signal: "SIGINT" | "SIGTERM") =>
  Effect.scoped(
    Effect.flatMap(Cli.start(args), (child) =>
      Effect.callback<Cli.Result>((resume) => {
        let stdout = ""
        let stderr = ""
        child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          if (stdout === "") child.kill(signal)
          stdout += text
        })
        child.once("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
      })
    )
  )

describe.concurrent("stdout", { timeout }, () => {
  it.live("closed by its reader ends the command without a word", () =>
    Effect.gen(function* () {
      const root = yield* crowded(many)
      const json = yield* Cli.shell(`{ "$NODE" "$BIN" list "$1" --json; echo "code $?" >&2; } | head -n 1`, [root])
      assert.strictEqual(json.stderr, "code 141\n")
      assert.match(json.stdout, /^\{"_tag":"Outcome".*\}\n$/)
      const table = yield* Cli.shell(`{ "$NODE" "$BIN" list "$1"; echo "code $?" >&2; } | head -n 1`, [root])
      assert.strictEqual(table.stderr, "code 141\n")
      assert.match(table.stdout, /^NAME .*\n$/)
    })
  )

  it.live("is read to its last line by a slow reader, whatever the exit code is", () =>
    Effect.gen(function* () {
      const root = yield* crowded(many, "no PID\n")
      const slow = `{ "$NODE" "$BIN" list "$1" --json --strict; echo "code $?" >&2; } | { sleep 1; wc -l; }`
      const { stderr, stdout } = yield* Cli.shell(slow, [root])
      assert.deepStrictEqual([stderr, Number(stdout)], ["code 3\n", many + 1])
    })
  )

  it.live("on a full device is an error that says so", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const { code, stderr } = yield* Cli.shell(`"$NODE" "$BIN" list "$1" > /dev/full`, [root])
      assert.strictEqual(code, 1)
      assert.match(stderr, /^vm-sentinel: stdout: ENOSPC; the sweep goes on.*\nvm-sentinel: 0 scanned: .*\n$/)
      const help = yield* Cli.shell(`"$NODE" "$BIN" explain "$1" > /dev/full`, [Roots.directory(root, "vm")])
      assert.deepStrictEqual([help.code, help.stderr], [1, "vm-sentinel: stdout: ENOSPC\n"])
      for (const flag of ["--help", "--version", "--json-schema", "--completions=zsh"]) {
        const printed = yield* Cli.shell(`"$NODE" "$BIN" ${flag} > /dev/full`, [])
        assert.deepStrictEqual([printed.code, printed.stderr], [1, "vm-sentinel: stdout: ENOSPC\n"], flag)
      }
    })
  )
})

describe.concurrent("signals", { timeout }, () => {
  it.live("SIGINT in the middle of a sweep: a summary, 130, and the next sweep finishes", () =>
    Effect.gen(function* () {
      const root = yield* crowded(manyJudged, yield* Roots.deadSentinel)
      const { code, stderr, stdout } = yield* signalled(["sweep", root, "--json"], "SIGINT")
      assert.deepStrictEqual([code, stderr], [130, "vm-sentinel: interrupted; run it again to go on\n"])
      const first = Cli.report(stdout)
      assert.isTrue(first.summary.interrupted)
      assert.isAbove(first.summary.scanned, 0)
      assert.isBelow(first.summary.scanned, manyJudged)
      assert.strictEqual(first.summary.scanned, first.outcomes.length)

      const rest = yield* Cli.run(["sweep", root, "--json"])
      assert.strictEqual(rest.code, 0)
      const second = Cli.report(rest.stdout)
      assert.isUndefined(second.summary.interrupted)
      const removed = [...first.outcomes, ...second.outcomes].filter(({ action }) => action === "removed")
      assert.strictEqual(new Set(removed.map(({ name }) => name)).size, removed.length)
      assert.deepStrictEqual(FS.readdirSync(root), [])
    })
  )

  it.live("SIGTERM likewise", () =>
    Effect.gen(function* () {
      const root = yield* crowded(many)
      const { code, stderr, stdout } = yield* signalled(["list", root, "--json", "--strict"], "SIGTERM")
      assert.deepStrictEqual([code, stderr], [130, ""])
      assert.isTrue(Cli.report(stdout).summary.interrupted)
    })
  )
})
