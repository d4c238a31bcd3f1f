import { assert, describe, it } from "@effect/vitest"
import { Missing, because } from "@vm-sentinel/core/test/support/able"
import { Effect } from "effect"
import * as ChildProcess from "node:child_process"
import * as FS from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { shells } from "../src/commands/Completions.ts"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

type Shell = (typeof shells)[number]

const support = fileURLToPath(new URL("support/shells/", import.meta.url))

/** Programs that print what a shell offers: `SHELL PROGRAM SCRIPT LINE…`. */
const programs: Record<Shell, ReadonlyArray<string>> = {
  bash: ["--norc", `${support}bash.sh`],
  zsh: ["-f", `${support}zsh.zsh`],
  fish: ["--no-config", `${support}fish.fish`]
}

/** The names that a shell offers at the end of each line, without duplicates. */
const offered = (shell: Shell, script: string, lines: ReadonlyArray<string>, cwd: string) =>
  Effect.map(Cli.execute(shell, [...programs[shell], script, ...lines], { cwd }), ({ stdout }) => {
    const answers = stdout.split(/^\n/m).map((answer) => answer.split("\n").map((name) => Path.basename(name.trim())))
    return lines.map((line, index): readonly [string, ReadonlyArray<string>] => [
      line,
      [...new Set(answers[index])].filter((name) => name !== "").sort()
    ])
  })

const lack = (shell: Shell): Missing | undefined =>
  ChildProcess.spawnSync(shell, ["--version"]).error === undefined ? undefined : new Missing(`no ${shell}`)

const subcommands = ["sweep", "list", "explain", "write", "run", "reclaim", "doctor", "demo"]

describe.each(shells)("completions of %s", (shell) => {
  const missing = lack(shell)
  const test = missing === undefined ? it.live : it.live.skip

  test(because("offer subcommands, flags, values and directories", missing?.reason), () =>
    Effect.gen(function* () {
      const home = yield* Roots.scratch
      const script = `${home}/script`
      FS.writeFileSync(script, (yield* Cli.inProcess(["--completions", shell])).stdout)
      for (const name of ["vms", "vms-old"]) FS.mkdirSync(`${home}/${name}`)
      FS.writeFileSync(`${home}/vmlinuz`, "")
      const expected: Record<string, ReadonlyArray<string>> = {
        sw: ["sweep"],
        "sweep --str": ["--strict"],
        "list --json --legacy ": ["keep", "trust"],
        "--js": ["--json-schema"],
        "explain --comp": ["--completions"],
        "sweep --no-": [],
        ...Object.fromEntries(
          ["sweep", "list", "explain", "reclaim", "write", "run", "sweep --json", "list --skip a"].map((command) => [
            `${command} vm`,
            ["vms", "vms-old"]
          ])
        )
      }
      const lines = ["", ...Object.keys(expected)].map((line) => `vm-sentinel ${line}`)
      const [first, ...others] = yield* offered(shell, script, lines, home)
      assert.includeMembers([...(first?.[1] ?? [])], subcommands)
      assert.deepStrictEqual(
        others,
        Object.entries(expected).map(([line, names]) => [`vm-sentinel ${line}`, names])
      )
    })
  )
})

describe("completions", () => {
  const missing = lack("bash")
  const test = missing === undefined ? it.live : it.live.skip

  test(because("of bash end a directory with a slash", missing?.reason), () =>
    Effect.gen(function* () {
      const home = yield* Roots.scratch
      FS.writeFileSync(`${home}/script`, (yield* Cli.inProcess(["--completions", "bash"])).stdout)
      FS.mkdirSync(`${home}/vms/inner`, { recursive: true })
      const lines = ["vm-sentinel sweep v", "vm-sentinel sweep vms/"]
      const { stdout } = yield* Cli.execute("bash", [...programs.bash, `${home}/script`, ...lines], { cwd: home })
      assert.strictEqual(stdout, "vms/\n\nvms/inner/\n\n")
    })
  )

  it.effect("are printed for the three shells alone", () =>
    Effect.gen(function* () {
      for (const shell of shells) {
        const { code, stderr, stdout } = yield* Cli.inProcess(["--completions", shell])
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.include(stdout, "vm-sentinel")
      }
      assert.strictEqual((yield* Cli.inProcess(["--completions", "tcsh"])).code, 2)
    })
  )
})
