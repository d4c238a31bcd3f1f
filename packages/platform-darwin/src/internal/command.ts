/** Runs one short command. The result is its output, its error output and its exit code, or why there are none. */
import { codeOf } from "@vm-sentinel/core/Errno"
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"

export type Ran =
  | { readonly _tag: "Exited"; readonly code: number; readonly stdout: string; readonly stderr: string }
  /** The command didn't start, for the reason in `errno`. */
  | { readonly _tag: "NotStarted"; readonly errno: string }
  /** The command was killed, or took longer than 10 seconds. */
  | { readonly _tag: "Broken"; readonly detail: string }

/**
 * The whole environment of a command, which inherits nothing. `LC_TIME` and `TZ` fix the text of a time. `LC_CTYPE`
 * preserves names outside of ASCII.
 */
const env = { LC_CTYPE: "UTF-8", LC_TIME: "C", TZ: "UTC" }

const timeout = "10 seconds"

const text = (stream: Stream.Stream<Uint8Array, PlatformError.PlatformError>) =>
  Stream.mkString(Stream.decodeText(stream))

const toRan = (error: PlatformError.PlatformError): Ran => {
  const { reason } = error
  const errno = codeOf(reason.cause)
  return reason._tag !== "BadArgument" && reason.method === "spawn" && errno !== undefined
    ? { _tag: "NotStarted", errno }
    : { _tag: "Broken", detail: error.message }
}

/** Runs `path`, an absolute path, and never fails. */
export const run = Effect.fnUntraced(
  function* (
    path: string,
    args: ReadonlyArray<string>
  ): Effect.fn.Return<Ran, PlatformError.PlatformError, ChildProcessSpawner> {
    const spawner = yield* ChildProcessSpawner
    return yield* Effect.scoped(
      Effect.gen(function* () {
        // If the command had a process group of its own, the spawner would wait for the whole group, which may outlive
        // the command.
        const command = ChildProcess.make(path, args, { env, extendEnv: false, detached: false, stdin: "ignore" })
        const handle = yield* spawner.spawn(command)
        const [stdout, stderr, code] = yield* Effect.all([text(handle.stdout), text(handle.stderr), handle.exitCode], {
          concurrency: "unbounded"
        })
        return { _tag: "Exited", code, stdout, stderr } as const
      })
    )
  },
  Effect.catch((error) => Effect.succeed(toRan(error))),
  Effect.timeoutOrElse({
    duration: timeout,
    orElse: () => Effect.succeed<Ran>({ _tag: "Broken", detail: `no answer in ${timeout}` })
  })
)
