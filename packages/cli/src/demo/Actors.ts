/**
 * Real processes that own directories. Each process ends with its scope. Each process also ends when this process is
 * killed, because its stdin ends then.
 *
 * @since 0.1.0
 */
import type { Pid } from "@vm-sentinel/core/ProcessIdentity"
import * as Identity from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import { DemoError } from "./DemoError.ts"

/**
 * A process that owns a directory.
 *
 * @category models
 * @since 0.1.0
 */
export interface Actor {
  readonly pid: Pid
  /**
   * Sends SIGKILL, and waits until the process is reaped. After {@link startUnreaped}, it waits until the process is a
   * zombie.
   */
  readonly crash: Effect.Effect<void>
}

const decodePid = Schema.decodeUnknownEffect(Identity.Pid)

/**
 * Decodes a number as a PID.
 *
 * @category decoding
 * @since 0.1.0
 */
const toPid = (value: unknown): Effect.Effect<Pid, DemoError> =>
  Effect.mapError(decodePid(value), () => new DemoError({ problem: `${String(value)} is not a PID` }))

const kill = (child: ChildProcess.ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

const spawn = (
  file: string,
  args: ReadonlyArray<string>,
  stdio: ChildProcess.StdioOptions
): Effect.Effect<ChildProcess.ChildProcess, DemoError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ChildProcess.ChildProcess, DemoError>((resume) => {
      const child = ChildProcess.spawn(file, args, { stdio })
      child.once("spawn", () => resume(Effect.succeed(child)))
      child.once("error", ({ message }) => resume(Effect.fail(new DemoError({ problem: `${file}: ${message}` }))))
    }),
    kill
  )

const firstLine = (child: ChildProcess.ChildProcess): Effect.Effect<string, DemoError> =>
  Effect.callback((resume) => {
    let text = ""
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
      if (text.includes("\n")) resume(Effect.succeed(text.trim()))
    })
    child.once("exit", () => resume(Effect.fail(new DemoError({ problem: "a process ended early" }))))
  })

/**
 * Starts a small process that waits, `cat`.
 *
 * @category running
 * @since 0.1.0
 */
export const start: Effect.Effect<Actor, DemoError, Scope.Scope> = Effect.gen(function* () {
  const child = yield* spawn("cat", [], ["pipe", "ignore", "ignore"])
  return { pid: yield* toPid(child.pid), crash: kill(child) }
})

/**
 * Starts a process of this process's own executable, Node. Succeeds when the script runs. By then the process has
 * started its threads, which take PIDs, too.
 *
 * @category running
 * @since 0.1.0
 */
export const startNode: Effect.Effect<Actor, DemoError, Scope.Scope> = Effect.gen(function* () {
  const script = "console.log(); process.stdin.resume()"
  const child = yield* spawn(process.execPath, ["-e", script], ["pipe", "pipe", "ignore"])
  yield* firstLine(child)
  return { pid: yield* toPid(child.pid), crash: kill(child) }
})

// The shell starts a child, then becomes `cat`, which reaps no child.
const heedless = "cat <&3 >/dev/null & echo $!; exec cat 3<&-"

/**
 * Starts a process whose parent never reaps it, so `crash` leaves a zombie.
 *
 * @category running
 * @since 0.1.0
 */
export const startUnreaped: Effect.Effect<Actor, DemoError, ProcessInspector | Scope.Scope> = Effect.gen(function* () {
  const inspector = yield* ProcessInspector
  const child = yield* spawn("sh", ["-c", heedless], ["pipe", "pipe", "ignore", "pipe"])
  const pid = yield* toPid(Number(yield* firstLine(child)))
  const isZombie = Effect.map(
    inspector.observe(pid),
    (seen) => seen._tag !== "Present" || seen.state === "Z" || seen.state === undefined
  )
  const crash = Effect.sync(() => process.kill(pid, "SIGKILL")).pipe(
    Effect.andThen(Effect.repeat(isZombie, { until: (done) => done, schedule: Schedule.spaced("2 millis") })),
    Effect.asVoid
  )
  return { pid, crash }
})
