/**
 * `run`: holds a directory while a command runs.
 *
 * @since 0.1.0
 */
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process"
import { statSync } from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { Quit } from "./ExitCode.ts"
import * as Output from "./Output.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly directory: string
  readonly command: ReadonlyArray<string>
  readonly sentinelName: Option.Option<string>
}

const isFile = (path: string): boolean => {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/**
 * Why a command couldn't be run. Of one that is nowhere `execvp(3)` says EACCES, too, where a directory of PATH can't be
 * searched, or has a directory of that name.
 */
const reasonOf = (command: string, { code, message }: NodeJS.ErrnoException): string => {
  if (code !== "EACCES" || command.includes("/")) return code ?? message
  const directories = (process.env.PATH ?? "").split(Path.delimiter)
  return directories.some((directory) => isFile(Path.join(directory, command))) ? code : "ENOENT"
}

/** As a shell does: 127 for a command that isn't there, 126 for one that can't be run. */
const codeOf = (reason: string): number => (reason === "ENOENT" ? 127 : 126)

/** `lock`: descriptor that the command finds as its descriptor 3. */
const start = (command: string, args: ReadonlyArray<string>, lock: number | undefined) =>
  Effect.callback<ChildProcess, NodeJS.ErrnoException>((resume) => {
    const stdio: StdioOptions = ["inherit", "inherit", "inherit", ...(lock === undefined ? [] : [lock])]
    // The same session, terminal and process group.
    const child = spawn(command, args, { stdio })
    child.once("spawn", () => resume(Effect.succeed(child)))
    child.once("error", (error) => resume(Effect.fail(error)))
  })

const passed: ReadonlyArray<NodeJS.Signals> = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH"]
/** What a terminal sends to the whole process group: the command has it already. */
const ofTerminal: ReadonlyArray<NodeJS.Signals> = ["SIGINT", "SIGQUIT"]

/**
 * Passes on the signals that only this process got, as long as the command runs. Nobody else hears them meanwhile: the
 * command says what they mean.
 */
const passSignals = (child: ChildProcess): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const signals = [...passed, ...ofTerminal].map((signal) => {
        const others = process.rawListeners(signal).filter(Predicate.isFunction)
        const pass = () => {
          if (!process.stdin.isTTY || passed.includes(signal)) child.kill(signal)
        }
        process.removeAllListeners(signal)
        process.on(signal, pass)
        return { signal, others, pass }
      })
      return () => {
        for (const { others, pass, signal } of signals) {
          process.off(signal, pass)
          for (const other of others) process.on(signal, () => other.call(process, signal))
        }
      }
    }),
    (stop) => Effect.sync(stop)
  )

const exited = (child: ChildProcess) =>
  Effect.callback<number>((resume) => {
    const end = (code: number | null, signal: NodeJS.Signals | null) =>
      resume(Effect.succeed(code ?? 128 + (signal === null ? 0 : Os.constants.signals[signal])))
    if (child.exitCode !== null || child.signalCode !== null) end(child.exitCode, child.signalCode)
    else child.once("exit", end)
  })

/**
 * Ends with the command's own exit code, 128 and the signal's number where one ended it. The sentinels stay: they say
 * dead from then on.
 *
 * @category running
 * @since 0.1.0
 */
export const run: (
  options: Options
) => Effect.Effect<void, Ownership.RecordError | Quit, Output.Output | ProcessInspector | SentinelStore> = Effect.fn(
  "run"
)(
  function* ({ command: [command = "", ...args], directory, sentinelName }) {
    const path = Path.resolve(directory)
    const named = Option.isNone(sentinelName) ? {} : { sentinelName: sentinelName.value }
    const { lock } = yield* Ownership.hold(path, named)
    // Were this process killed, the command would still hold the lock. No other child does: it is closed on exec.
    const child = yield* start(command, args, lock?.fd).pipe(
      Effect.catch((error) => {
        const reason = reasonOf(command, error)
        const said = Output.note(`vm-sentinel: ${command}: ${reason}\n`)
        return Effect.andThen(said, Effect.fail(new Quit({ code: codeOf(reason) })))
      })
    )
    yield* passSignals(child)
    const held = lock === undefined ? {} : { lock }
    yield* Ownership.record(path, { ...named, ...held, pid: Pid.make(child.pid ?? 0), role: "command" }).pipe(
      // A command that is done already needs no record of its own.
      Effect.catchTag("NotFound", () => Effect.void),
      Effect.onError(() => Effect.sync(() => child.kill("SIGTERM")))
    )
    const code = yield* exited(child)
    if (code !== 0) return yield* new Quit({ code })
  },
  // An interruption is a signal, and a signal is the command's to answer.
  Effect.uninterruptible,
  Effect.scoped
)
