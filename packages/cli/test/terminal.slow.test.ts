import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import * as FS from "node:fs"
import { fileURLToPath } from "node:url"
import { stripVTControlCharacters } from "node:util"
import * as Text from "../src/Text.ts"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const program = fileURLToPath(new URL("support/terminal.py", import.meta.url))

/** Runs `vm-sentinel ARGS` in a terminal of its own, and types `answer` once asked. */
const atTerminal = (answer: string, args: ReadonlyArray<string>, columns = 80) =>
  Effect.map(
    Cli.execute("python3", [program, `${columns}`, answer, process.execPath, Cli.bin, ...args], {
      env: { TERM: "xterm" }
    }),
    ({ code, stdout }) => ({ code, shown: stripVTControlCharacters(stdout).replaceAll("\r\n", "\n") })
  )

const dead = Effect.fnUntraced(function* (count: number) {
  const root = yield* Roots.scratch
  const sentinel = yield* Roots.deadSentinel
  for (let index = 0; index < count; index++) {
    Roots.file(`${Roots.directory(root, `vm-${index}`)}/.vm-sentinel`, sentinel)
  }
  return root
})

const hasPty = spawnSync("python3", ["-c", "import pty, os; os.waitstatus_to_exitcode"]).status === 0

const timeout = 120_000

describe.skipIf(!hasPty)(
  `at a real terminal${hasPty ? "" : " (skipped: needs python3 with a pty)"}`,
  { timeout },
  () => {
    it.live("a yes removes, and the command ends by itself", () =>
      Effect.gen(function* () {
        const root = yield* dead(12)
        const { code, shown } = yield* atTerminal("y\n", ["sweep", root])
        assert.strictEqual(code, 0)
        assert.match(
          shown,
          /12 of 12 would be removed:[^]*Remove these 12 directories\? \[y\/N\] y\n[^]*12 removed, 0 kept\n$/
        )
        assert.deepStrictEqual(FS.readdirSync(root), [])
      })
    )

    it.live.each([
      ["a no", "n\n", 6],
      ["Ctrl-D", "\u0004", 6],
      ["Ctrl-C", "\u0003", 130]
    ] as const)("%s removes nothing", ([, answer, code]) =>
      Effect.gen(function* () {
        const root = yield* dead(12)
        const result = yield* atTerminal(answer, ["sweep", root])
        assert.strictEqual(result.code, code)
        assert.match(result.shown, /\n$/)
        assert.lengthOf(FS.readdirSync(root), 12)
      })
    )

    it.live.each([80, 200])("no line is wider than %d columns", (columns) =>
      Effect.gen(function* () {
        const root = yield* dead(12)
        Roots.directory(root, "x".repeat(250))
        const { shown } = yield* atTerminal("n\n", ["sweep", root, "--skip", "no such name", `${root}/`], columns)
        for (const line of shown.split(/[\r\n]/)) {
          // Paths are never wrapped.
          if (!line.includes(root)) assert.isAtMost(Text.width(line), columns, line)
        }
      })
    )

    it.live("nobody is asked where stdin is no terminal, and stdin is left as it is", () =>
      Effect.gen(function* () {
        const root = yield* dead(12)
        const script = `{ "$NODE" "$BIN" sweep "$1" 2>&1; echo "code $?"; cat; } <<< "left" | cat`
        const { stdout } = yield* Cli.execute("bash", ["-c", script, "bash", root], {
          env: { NODE: process.execPath, BIN: Cli.bin }
        })
        assert.match(stdout, /12 removed, 0 kept\ncode 0\nleft\n$/)
      })
    )
  }
)
