/** Shells elsewhere in the system, which stay until their scope ends: what is mounted, started and exported in one is there in its next script. */
import { Effect, type Scope } from "effect"
import * as FS from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { piped } from "@vm-sentinel/platform-linux/test/support/processes"
import { bundle } from "./Bundle.ts"
import * as Cli from "./Cli.ts"
import * as Roots from "./Roots.ts"

/** A place in the system: the beginning of a command that runs the rest of it there. */
export type Place = ReadonlyArray<string>

/** What runs as `vm-sentinel`. `published`: bundled, with native code. `withoutKoffi`: bundled, where no package is. */
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
        // Everybody's, as an installed one is.
        FS.chmodSync(dirname(dist), 0o755)
        return `${dist}/bin.cjs`
      })
  }
}

/** An executable file that becomes `vm-sentinel`: its process is the command's own. */
export const commandOf: (way: Way) => Effect.Effect<string, never, Scope.Scope> = Effect.fnUntraced(function* (way) {
  const script = yield* scriptOf(way)
  const file = `${yield* Roots.scratch}/vm-sentinel`
  FS.chmodSync(dirname(file), 0o755)
  // pnpm's own commands set NODE_PATH, by which koffi would be found from anywhere.
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
  /** Runs a script to its end, whatever its code is. Nothing that goes on after it may write. */
  readonly attempt: (script: string) => Effect.Effect<Answer>
  /** What a script says, which must end with 0. */
  readonly run: (script: string) => Effect.Effect<string>
  /** What `vm-sentinel` reports: lines of JSON, the last of them the summary. */
  readonly report: (script: string) => Effect.Effect<Cli.Report>
  /** What became of each name. */
  readonly actions: (script: string) => Effect.Effect<Record<string, string>>
  readonly kill: Effect.Effect<void>
}

const end = "--end of script--"
const loop = `while read -r line; do eval "$line" </dev/null 2>&1; printf '\\n%s %s\\n' '${end}' "$?"; done`

/** One line that a shell evaluates to a script of many. */
const inOneLine = (script: string): string => {
  const escaped = script
    .replaceAll("\\", "\\\\")
    .replaceAll("'", String.raw`\0047`)
    .replaceAll("\n", String.raw`\n`)
  return `eval "$(printf %b '${escaped}')"`
}

/** Holds a directory by the library, from sources. */
export const supervisor = fileURLToPath(new URL("../agents/supervisor.ts", import.meta.url))

/**
 * Of every shell. `hold DIR`: starts a program that holds a directory by the library, from sources: `$!`, once it does.
 * `running DIR [NAME]`: waits until the `run` that was started last has recorded itself and its command.
 * `locked DIR`, `unlocked DIR`: waits until somebody, or nobody, holds the lock.
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

/** A shell in a place, with variables. */
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
          // A newline stands before the end.
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
