/**
 * Shells that run until their scope ends. What one script mounts, starts or exports stays for the next script of that
 * shell.
 */
import { Effect, type Scope } from "effect"
import * as FS from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { piped } from "@vm-sentinel/platform-linux/test/support/processes"
import { bundle } from "./Bundle.ts"
import * as Cli from "./Cli.ts"
import * as Roots from "./Roots.ts"

/** The first words of a command that runs the rest of its arguments at some place in the system. */
export type Place = ReadonlyArray<string>

/**
 * Which build runs as `vm-sentinel`. `published`: the bundle with native code. `sources`: the TypeScript files.
 * `withoutKoffi`: the bundle in a directory without packages.
 */
export type Way = "published" | "sources" | "withoutKoffi"

export const ways: ReadonlyArray<Way> = ["published", "sources", "withoutKoffi"]

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

const scriptOf = (way: Way) => {
  switch (way) {
    case "published":
      return Effect.succeed(Cli.bin)
    case "sources":
      return Effect.succeed(Cli.source)
    case "withoutKoffi":
      return Effect.map(bundle, ({ dist }) => {
        // Other users must be able to run the command, like an installed one.
        FS.chmodSync(dirname(dist), 0o755)
        return `${dist}/bin.cjs`
      })
  }
}

/**
 * Makes an executable file that runs `vm-sentinel` by `exec`, so the command's process is the one that a shell starts.
 */
export const commandOf: (way: Way) => Effect.Effect<string, never, Scope.Scope> = Effect.fnUntraced(function* (way) {
  const script = yield* scriptOf(way)
  const file = `${yield* Roots.scratch}/vm-sentinel`
  FS.chmodSync(dirname(file), 0o755)
  // pnpm sets NODE_PATH for its scripts. With NODE_PATH, Node would find koffi from every directory.
  FS.writeFileSync(file, `#!/bin/sh\nunset NODE_PATH\nexec ${quoted(process.execPath)} ${quoted(script)} "$@"\n`, {
    mode: 0o755
  })
  return file
})

export interface Answer {
  readonly code: number
  /** Standard output and standard error. */
  readonly text: string
}

export interface Shell {
  readonly pid: number
  /**
   * Runs a script to its end, whatever its exit code. A process that the script leaves running must not write to the
   * output.
   */
  readonly attempt: (script: string) => Effect.Effect<Answer>
  /** The output of a script. An exit code other than 0 is a defect. */
  readonly run: (script: string) => Effect.Effect<string>
  /** The report of a script that runs `vm-sentinel --json`. Lines that aren't JSON are skipped. */
  readonly report: (script: string) => Effect.Effect<Cli.Report>
  /** `ACTION: VERDICT, REASON` of each directory in the report, by name. */
  readonly actions: (script: string) => Effect.Effect<Record<string, string>>
  readonly kill: Effect.Effect<void>
}

const end = "--end of script--"
const loop = `while read -r line; do eval "$line" </dev/null 2>&1; printf '\\n%s %s\\n' '${end}' "$?"; done`

/** Packs a script of several lines into one line that a shell evaluates. */
const inOneLine = (script: string): string => {
  const escaped = script
    .replaceAll("\\", "\\\\")
    .replaceAll("'", String.raw`\0047`)
    .replaceAll("\n", String.raw`\n`)
  return `eval "$(printf %b '${escaped}')"`
}

/** Holds a directory with the library, from sources. */
export const supervisor = fileURLToPath(new URL("../agents/supervisor.ts", import.meta.url))

/**
 * Functions in every shell.
 * `hold DIR`: starts {@link supervisor} on a directory. `$!` is its PID. Returns once it holds the directory.
 * `running DIR [NAME]`: waits until the `vm-sentinel run` that was started last has recorded itself and its command.
 * `locked DIR`, `unlocked DIR`: wait until some process holds, or no process holds, the lock of the directory.
 */
const functions = `
  hold() {
    SAID=$(mktemp); ${quoted(process.execPath)} ${quoted(supervisor)} "$1" >$SAID 2>&1 &
    until grep -q held $SAID; do kill -0 $! || { cat $SAID; return 1; }; sleep 0.01; done
    rm $SAID
  }
  running() { until [ -e "$1/\${2:-.vm-sentinel}.command" ]; do kill -0 $! || return 1; sleep 0.01; done; }
  locked() { while flock -xn "$1" true; do sleep 0.01; done; }
  unlocked() { until flock -xn "$1" true; do sleep 0.01; done; }`

/** Opens a shell in a place, with these variables exported. */
export const open: (place: Place, variables?: Record<string, string>) => Effect.Effect<Shell, never, Scope.Scope> =
  Effect.fnUntraced(function* (place, variables = {}) {
    const [file = "sh", ...args] = [...place, "sh", "-c", loop]
    const { kill, line, pid, write } = yield* Effect.orDie(piped(file, args))
    const attempt = Effect.fnUntraced(function* (script: string) {
      write(inOneLine(script))
      const lines: Array<string> = []
      for (;;) {
        const next = yield* line
        if (next.startsWith(end)) {
          // The loop prints a newline before the end mark.
          const text = lines.join("\n")
          return { code: Number(next.slice(end.length)), text: text.endsWith("\n") ? text.slice(0, -1) : text }
        }
        lines.push(next)
      }
    }, Effect.orDie)
    const run = Effect.fnUntraced(function* (script: string) {
      const { code, text } = yield* attempt(script)
      return code === 0 ? text.trimEnd() : yield* Effect.die(new Error(`ended with ${code}: ${script}\n${text}`))
    })
    const report = (script: string) =>
      Effect.map(run(script), (text) =>
        Cli.report(
          text
            .split("\n")
            .filter((said) => said.startsWith("{"))
            .join("\n")
        )
      )
    yield* run(
      Object.entries(variables)
        .map(([name, value]) => `export ${name}=${quoted(value)}`)
        .join("\n")
    )
    yield* run(functions)
    return { pid, attempt, run, report, actions: (script) => Effect.map(report(script), Cli.actions), kill }
  })
