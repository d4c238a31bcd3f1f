/**
 * Runs the demonstration in a PID namespace of its own, where PIDs can be recycled.
 *
 * @since 0.1.0
 */
import * as PidNamespace from "@vm-sentinel/platform-linux/testing/PidNamespace"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as FS from "node:fs"
import * as Net from "node:net"
import { DemoError } from "./DemoError.ts"
import type { Recycler } from "./Scene.ts"

const toDemoError = ({ problem }: PidNamespace.PidNamespaceError) => new DemoError({ problem })

/**
 * Arguments of `unshare` that create such a namespace. Fails if the kernel doesn't allow one.
 *
 * @category getters
 * @since 0.1.0
 */
export const unshareArguments: Effect.Effect<ReadonlyArray<string>, DemoError> = Effect.mapError(
  PidNamespace.unshareArguments,
  toDemoError
)

/** Descriptor of a pipe. Its end shows the process inside the namespace that the process outside is gone. */
const lifeline = 3

const ended = (child: ChildProcess.ChildProcess): Effect.Effect<number> =>
  Effect.callback<number>((resume) => {
    const onExit = (code: number | null) => resume(Effect.succeed(code ?? 1))
    if (child.exitCode !== null || child.signalCode !== null) return onExit(child.exitCode)
    child.once("exit", onExit)
    child.once("error", () => onExit(1))
    return Effect.sync(() => child.off("exit", onExit))
  })

/** Lets the process inside the namespace clean up. Kills it after 3 s. */
const dismiss = (child: ChildProcess.ChildProcess): Effect.Effect<void> =>
  Effect.suspend(() => {
    child.stdio[lifeline]?.destroy()
    return ended(child).pipe(
      Effect.interruptible,
      Effect.timeoutOrElse({
        duration: "3 seconds",
        orElse: () =>
          Effect.andThen(
            Effect.sync(() => child.kill("SIGKILL")),
            ended(child)
          )
      }),
      Effect.asVoid
    )
  })

/**
 * Runs this command again, inside the namespace. Succeeds with the exit code.
 *
 * @category running
 * @since 0.1.0
 */
export const again = (
  unshare: ReadonlyArray<string>,
  args: ReadonlyArray<string>
): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [, script = ""] = process.argv
      const command = [...unshare, process.execPath, ...process.execArgv, script, ...args]
      return ChildProcess.spawn("unshare", command, { stdio: ["ignore", "inherit", "inherit", "pipe"] })
    }),
    dismiss
  ).pipe(Effect.flatMap(ended))

/**
 * Completes when the process outside the namespace is gone.
 *
 * @category running
 * @since 0.1.0
 */
export const outsideGone: Effect.Effect<void, DemoError> = Effect.acquireUseRelease(
  Effect.try({
    try: () => new Net.Socket({ fd: lifeline }),
    catch: (error) => new DemoError({ problem: `no process outside: ${String(error)}` })
  }),
  (socket) =>
    Effect.callback<void>((resume) => {
      socket.on("error", () => {})
      socket.once("close", () => resume(Effect.void))
      socket.resume()
    }),
  (socket) => Effect.sync(() => socket.destroy())
)

/**
 * Recycles PIDs of the namespace that this process runs in.
 *
 * @category running
 * @since 0.1.0
 */
export const recycler: Recycler = {
  next: (pid) =>
    Effect.try({
      try: () => FS.writeFileSync("/proc/sys/kernel/ns_last_pid", `${pid}`),
      catch: (error) => new DemoError({ problem: String(error) })
    }),
  recycle: (pid, program, before) =>
    Effect.acquireRelease(PidNamespace.recycle(pid, program, { otherThan: before }), ({ end }) => end).pipe(
      Effect.mapError(toDemoError),
      Effect.asVoid
    ),
  startTicks: PidNamespace.startTicks
}
