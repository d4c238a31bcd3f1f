/**
 * The command of `run`: its start, its end, and why it couldn't be started.
 *
 * @since 0.1.0
 */
import { errnoOf } from "@vm-sentinel/core/Errno"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process"
import { statSync } from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { Quit } from "../ExitCode.ts"
import * as Output from "../Output.ts"
import * as Text from "../text/Text.ts"

const isFile = (path: string): boolean => {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/**
 * Why a command couldn't be run. `execvp(3)` reports EACCES even for a command that doesn't exist, if a directory of
 * PATH can't be searched, or contains a directory of the command's name.
 */
const reasonOf = (command: string, error: unknown): string => {
  const errno = errnoOf(error)
  if (errno !== "EACCES" || command.includes("/")) return errno
  const directories = (process.env.PATH ?? "").split(Path.delimiter)
  return directories.some((directory) => isFile(Path.join(directory, command))) ? errno : "ENOENT"
}

const words: { readonly [reason: string]: string } = { ENOENT: "not found", EACCES: "permission denied" }

/** The exit code of a shell: 127 for a command that doesn't exist, 126 for one that can't be run. */
const codeOf = (reason: string): number => (reason === "ENOENT" ? 127 : 126)

/**
 * A command that runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Running {
  readonly child: ChildProcess
  readonly pid: Pid
}

const decodePid = Schema.decodeUnknownEffect(Pid)

/** Node throws some errors of `execvp(3)`, and emits the others. */
const spawned = (command: string, args: ReadonlyArray<string>, stdio: StdioOptions) =>
  Effect.flatMap(
    // The child isn't detached, so the command stays in the same session, terminal and process group.
    Effect.try({ try: () => spawn(command, args, { stdio }), catch: (error) => error }),
    (child) =>
      Effect.callback<Running, unknown>((resume) => {
        child.once("spawn", () => resume(Effect.map(decodePid(child.pid), (pid) => ({ child, pid }))))
        // Node also emits `error` for each signal that the kernel refuses to send. Without a listener that ends `run`.
        child.on("error", (error) => resume(Effect.fail(error)))
      })
  )

/**
 * Starts the command. `locks`: the descriptors that the command gets as 3, 4 and so on. Fails with the exit code of a
 * shell.
 *
 * @category running
 * @since 0.1.0
 */
export const start = (command: string, args: ReadonlyArray<string>, locks: ReadonlyArray<number>) =>
  spawned(command, args, ["inherit", "inherit", "inherit", ...locks]).pipe(
    Effect.catch((error) => {
      const reason = reasonOf(command, error)
      return Effect.andThen(
        Output.note(`vm-sentinel: ${Text.escape(command)}: ${words[reason] ?? reason}\n`),
        Effect.fail(new Quit({ code: codeOf(reason) }))
      )
    })
  )

const ofRefusal = (command: string, error: unknown): string =>
  `vm-sentinel: warning: ${Text.escape(command)}: run can't signal it (${errnoOf(error)}): signal it as its own user, or as root\n`

/**
 * Says, at the first signal that the kernel refuses to send, that the command gets none.
 *
 * @category running
 * @since 0.1.0
 */
export const tellRefusal = (command: string, child: ChildProcess) =>
  Effect.callback<string>((resume) => {
    child.once("error", (error) => resume(Effect.succeed(ofRefusal(command, error))))
  }).pipe(Effect.flatMap(Output.note), Effect.forkScoped({ startImmediately: true }))

/**
 * Waits for the end of the command. Its exit code, or 128 plus the number of the signal that ended it.
 *
 * @category running
 * @since 0.1.0
 */
export const exited = (child: ChildProcess) =>
  Effect.callback<number>((resume) => {
    const end = (code: number | null, signal: NodeJS.Signals | null) =>
      resume(Effect.succeed(code ?? 128 + (signal === null ? 0 : Os.constants.signals[signal])))
    if (child.exitCode !== null || child.signalCode !== null) end(child.exitCode, child.signalCode)
    else child.once("exit", end)
  })
