import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import * as FS from "node:fs"
import { fileURLToPath } from "node:url"
import { stripVTControlCharacters } from "node:util"
import * as Text from "../src/text/Text.ts"
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

/** Runs a bash script in a terminal, with a directory and a command's script. Types Ctrl-C once the command asks. */
const runAtTerminal = Effect.fnUntraced(function* (script: string, command: string) {
  const directory = Roots.directory(yield* Roots.scratch, "vm")
  const { code, stdout } = yield* Cli.execute(
    "python3",
    [program, "80", "\u0003", "bash", "-c", script, directory, command],
    { env: { NODE: process.execPath, BIN: Cli.bin } }
  )
  return { code, shown: stdout.replaceAll("\r\n", "\n") }
})

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

    it.live("Ctrl-C reaches the command of run once, wherever stdin comes from", () =>
      Effect.gen(function* () {
        for (const stdin of ["/dev/null", "/dev/tty"]) {
          // `run` passes SIGUSR1 on after the SIGINT that came before.
          const { code, shown } = yield* runAtTerminal(
            `exec "$NODE" "$BIN" run "$0" -- sh -c "$1" "$0" <${stdin}`,
            `trap 'n=$((n+1))' INT; trap 'echo "SIGINT: $n"; exit 0' USR1
            while [ ! -e "$0/.vm-sentinel.command" ]; do :; done; echo "[y/N]"
            while [ -z "$n" ]; do :; done; kill -USR1 $PPID; while :; do :; done`
          )
          assert.include(shown, "SIGINT: 1\n", stdin)
          assert.strictEqual(code, 0)
        }
      })
    )

    it.live("Ctrl-C reaches a command of run that has left its process group", () =>
      Effect.gen(function* () {
        const { code, shown } = yield* runAtTerminal(
          'exec "$NODE" "$BIN" run "$0" -- setsid sh -c "$1" "$0"',
          `trap 'echo passed; exit 3' INT; while [ ! -e "$0/.vm-sentinel.command" ]; do :; done; echo "[y/N]"
          while [ -e "$0" ]; do :; done`
        )
        assert.include(shown, "passed\n")
        assert.strictEqual(code, 3)
      })
    )

    it.live("run in the background passes SIGINT on", () =>
      Effect.gen(function* () {
        const { code, shown } = yield* runAtTerminal(
          'set -m; "$NODE" "$BIN" run "$0" -- sh -c "$1" "$0" & wait $!',
          `trap 'echo passed; exit 3' INT; kill -INT $PPID; while :; do :; done`
        )
        assert.include(shown, "passed\n")
        assert.strictEqual(code, 3)
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
