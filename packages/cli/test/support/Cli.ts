/** Runs the real command as a process. */
import { Line } from "@vm-sentinel/core/Outcome"
import type { Outcome, Summary } from "@vm-sentinel/core/Outcome"
import { ConfigProvider, Effect, Schema } from "effect"
import type { Scope } from "effect"
import * as ChildProcess from "node:child_process"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import { main } from "../../src/Main.ts"
import * as Lines from "./Lines.ts"
import * as Streams from "./Streams.ts"

export const source = fileURLToPath(new URL("../../src/bin.ts", import.meta.url))
/** `scripts/prebuilt.ts` sets the variable to the directory of the published build. If it is unset, the sources run. */
const { SENTINEL_TEST_PREBUILT: prebuilt } = process.env
export const bin = prebuilt === undefined ? source : `${prebuilt}/command/bin.cjs`
export const launcher = fileURLToPath(new URL("../../src/vm-sentinel.sh", import.meta.url))

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  readonly cwd?: string
  readonly env?: Record<string, string>
}

const environment = (options: Options) => ({ ...process.env, NO_COLOR: "", ...options.env })

/** Runs a command to its end. */
export const execute = (file: string, args: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Result> =>
  Effect.callback((resume) => {
    const child = ChildProcess.spawn(file, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: environment(options),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd })
    })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    child.once("error", (error) => resume(Effect.die(error)))
    child.once("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Checks each line that `--json` prints by the JSON Schema. */
const checked =
  (args: ReadonlyArray<string>) =>
  (result: Effect.Effect<Result>): Effect.Effect<Result> =>
    args.slice(0, args.indexOf("--") >>> 0).includes("--json")
      ? Effect.tap(result, ({ stdout }) => Effect.sync(() => Lines.check(stdout)))
      : result

/** Runs `vm-sentinel ARGS` to its end. */
export const run = (args: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Result> =>
  checked(args)(execute(process.execPath, [bin, ...args], options))

export interface InProcess {
  /** All environment variables that settings are read from. */
  readonly env?: Record<string, string>
  /** Columns of the terminal that stdout is. `undefined` if stdout isn't a terminal. */
  readonly columns?: number
}

/** Runs the same command line in this process, which takes less time than a process of its own. */
export const inProcess = (args: ReadonlyArray<string>, { columns, env = {} }: InProcess = {}): Effect.Effect<Result> =>
  Effect.suspend(() => {
    let stdout = ""
    let stderr = ""
    const recording = Streams.layer(
      {
        stdout: (text) => Effect.sync(() => (stdout += text)),
        stderr: (text) => Effect.sync(() => (stderr += text))
      },
      args,
      columns
    )
    return main.pipe(
      Effect.provide(recording),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
      Effect.match({ onSuccess: () => 0, onFailure: ({ code }) => code }),
      Effect.map((code) => ({ code, stdout, stderr }))
    )
  }).pipe(checked(args))

/** Runs a shell script in which `$NODE $BIN` is `vm-sentinel`. The script may pipe or close the command's output. */
export const shell = (script: string, args: ReadonlyArray<string> = []): Effect.Effect<Result> =>
  execute("sh", ["-c", script, "sh", ...args], { env: { NODE: process.execPath, BIN: bin } })

/** Starts `vm-sentinel ARGS`. The end of the scope kills the process. */
export const start = (
  args: ReadonlyArray<string>,
  options: Options = {}
): Effect.Effect<ChildProcess.ChildProcessByStdio<null, Readable, Readable>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(process.execPath, [bin, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        env: environment(options)
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const decode = Schema.decodeUnknownSync(Line, { onExcessProperty: "error" })

export interface Report {
  readonly outcomes: ReadonlyArray<Outcome>
  readonly summary: Summary
}

/** Decodes the JSON lines by the schema. The last line is the only summary. */
export const report = (stdout: string): Report => {
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => decode(JSON.parse(line)))
  const outcomes = lines.flatMap((line) => (line._tag === "Outcome" ? [line] : []))
  const summary = lines.at(-1)
  if (summary?._tag !== "Summary" || outcomes.length !== lines.length - 1) throw new Error(`no last summary: ${stdout}`)
  return { outcomes, summary }
}

/** `ACTION: VERDICT, REASON` of each directory, by name. */
export const actions = ({ outcomes }: Report): Record<string, string> =>
  Object.fromEntries(outcomes.map(({ action, name, reason, verdict }) => [name, `${action}: ${verdict}, ${reason}`]))
