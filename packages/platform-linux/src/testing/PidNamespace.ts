/**
 * Recycles real PIDs for tests and demonstrations, in a PID namespace of one's own, where the next PID can be chosen.
 * Needs util-linux's `unshare`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as NodeChildProcess from "node:child_process"
import * as NodeFS from "node:fs"
import * as NodeReadline from "node:readline"

/**
 * No PID namespace can be created here, or a program in one failed. `problem` describes which.
 *
 * @category errors
 * @since 0.1.0
 */
export class PidNamespaceError extends Schema.TaggedError<PidNamespaceError>(
  "@vm-sentinel/platform-linux/PidNamespaceError"
)("PidNamespaceError", { problem: Schema.String }) {
  override get message(): string {
    return this.problem
  }
}

const lastPidFile = "/proc/sys/kernel/ns_last_pid"

// With --kill-child the namespace's first process dies with `unshare`, and every other process of the namespace with
// the first.
const unshareOptions = ["--pid", "--fork", "--mount-proc", "--kill-child"]

/** Root with CAP_SYS_ADMIN needs only a PID namespace. Everybody else needs a user namespace around it. */
const ways: ReadonlyArray<ReadonlyArray<string>> = [unshareOptions, ["--user", "--map-root-user", ...unshareOptions]]

const stop = (child: NodeChildProcess.ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

/** Runs a command to its end. Succeeds with its standard output as text, fails with its standard error. */
const execute = (command: string, args: ReadonlyArray<string>): Effect.Effect<string, PidNamespaceError> =>
  Effect.callback((resume) => {
    const child = NodeChildProcess.execFile(command, args, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resume(
        error === null
          ? Effect.succeed(stdout)
          : Effect.fail(new PidNamespaceError({ problem: stderr.trim() === "" ? error.message : stderr.trim() }))
      )
    )
    return stop(child)
  })

/**
 * The first arguments of `unshare` that create a PID namespace here and allow its PIDs to be chosen. The effect tries
 * them.
 *
 * @category getters
 * @since 0.1.0
 */
export const unshareArguments: Effect.Effect<ReadonlyArray<string>, PidNamespaceError> = Effect.suspend(() =>
  Effect.firstSuccessOf(
    ways.map((way) => execute("unshare", [...way, "sh", "-c", `echo 100 >${lastPidFile}`]).pipe(Effect.as(way)))
  )
)

/**
 * Why PIDs can't be recycled here. `undefined`: they can.
 *
 * @category getters
 * @since 0.1.0
 */
export const unavailable: Effect.Effect<string | undefined> = unshareArguments.pipe(
  Effect.as(undefined),
  Effect.catch(({ problem }) => Effect.succeed(problem))
)

/**
 * Whether PIDs can be recycled here.
 *
 * @category getters
 * @since 0.1.0
 */
export const available: Effect.Effect<boolean> = Effect.map(unavailable, (problem) => problem === undefined)

const parseJson = (text: string): Effect.Effect<unknown, PidNamespaceError> =>
  Effect.try({
    try: () => {
      const value: unknown = JSON.parse(text)
      return value
    },
    catch: () => new PidNamespaceError({ problem: `not JSON: ${text.slice(0, 200)}` })
  })

/**
 * Runs a Node script to its end as PID 1 of a new PID namespace, with a `/proc` of that namespace. Succeeds with the
 * JSON that the script writes to standard output. Interruption kills every process in the namespace.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fn("PidNamespace.run")(function* (script: string, args: ReadonlyArray<string> = []) {
  const way = yield* unshareArguments
  return yield* parseJson(yield* execute("unshare", [...way, process.execPath, script, ...args]))
})

/**
 * A running Node script that answers each line of JSON on its standard input with a line of JSON on its standard
 * output.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  /** Sends one request and waits for the answer. Requests must not overlap. */
  readonly request: (message: unknown) => Effect.Effect<unknown, PidNamespaceError>
}

/**
 * Starts the script of a {@link Session} under another command, such as `unshare` with its arguments. Closing the scope
 * kills the command.
 *
 * @category running
 * @since 0.1.0
 */
export const sessionUnder = Effect.fn("PidNamespace.sessionUnder")(function* (
  command: ReadonlyArray<string>,
  script: string,
  args: ReadonlyArray<string> = []
): Effect.fn.Return<Session, PidNamespaceError, Scope.Scope> {
  const [file, ...rest] = [...command, process.execPath, script, ...args]
  if (file === undefined) return yield* new PidNamespaceError({ problem: "no command" })
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => NodeChildProcess.spawn(file, rest, { stdio: ["pipe", "pipe", "pipe"] })),
    stop
  )
  let complaints = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints = `${complaints}${text}`.slice(-2000)
  })
  // Both errors also end standard output, which makes a waiting request fail.
  child.on("error", (error) => (complaints += error.message))
  child.stdin.on("error", (error) => (complaints += error.message))
  let ended = false
  const lines = NodeReadline.createInterface({ input: child.stdout }).once("close", () => (ended = true))
  // A failed request waits for the exit of the process. Standard output ends before the process does, and a process
  // that is still exiting counts as alive.
  const over = Effect.andThen(
    stop(child),
    Effect.suspend(() => new PidNamespaceError({ problem: `the script ended: ${complaints}` }))
  )
  const receive = Effect.callback<string, PidNamespaceError>((resume) => {
    const onLine = (line: string) => done(Effect.succeed(line))
    const onClose = () => done(over)
    const done = (effect: Effect.Effect<string, PidNamespaceError>) => {
      lines.off("line", onLine)
      lines.off("close", onClose)
      resume(effect)
    }
    if (ended) return onClose()
    lines.on("line", onLine)
    lines.on("close", onClose)
    return Effect.sync(() => {
      lines.off("line", onLine)
      lines.off("close", onClose)
    })
  })
  const send = (message: unknown) => Effect.sync(() => child.stdin.write(`${JSON.stringify(message)}\n`))
  return {
    request: (message) => send(message).pipe(Effect.andThen(receive), Effect.andThen(parseJson))
  }
})

/**
 * Starts the script of a {@link Session} as PID 1 of a new PID namespace. Closing the scope kills every process in the
 * namespace.
 *
 * @category running
 * @since 0.1.0
 */
export const session = Effect.fn("PidNamespace.session")(function* (script: string, args: ReadonlyArray<string> = []) {
  return yield* sessionUnder(["unshare", ...(yield* unshareArguments)], script, args)
})

/**
 * A child process that is reaped as soon as it ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface Child {
  readonly pid: number
  /** Kills the process and waits until it is reaped. Its PID is free afterwards. */
  readonly end: Effect.Effect<void>
}

/**
 * A program for {@link start} and {@link recycle}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Program {
  readonly file: string
  readonly args?: ReadonlyArray<string>
  /** `argv[0]` of the program. Default: `file`. */
  readonly argv0?: string
  /** User and group id of the process. Default: those of the caller. */
  readonly uid?: number
}

/**
 * Starts a program. Succeeds once the process exists.
 *
 * @category running
 * @since 0.1.0
 */
export const start = (program: Program): Effect.Effect<Child, PidNamespaceError> =>
  Effect.suspend(() => {
    const child = NodeChildProcess.spawn(program.file, program.args ?? [], {
      stdio: "ignore",
      ...(program.argv0 === undefined ? {} : { argv0: program.argv0 }),
      ...(program.uid === undefined ? {} : { uid: program.uid, gid: program.uid })
    })
    child.on("error", () => {})
    const { pid } = child
    return pid === undefined
      ? Effect.fail(new PidNamespaceError({ problem: `${program.file} can't be started` }))
      : Effect.succeed({ pid, end: stop(child) })
  })

/**
 * Start of a process in clock ticks since boot, `proc_pid_stat(5)` field 22. `undefined`: no such process.
 *
 * @category getters
 * @since 0.1.0
 */
export const startTicks = (pid: number): string | undefined => {
  try {
    const stat = NodeFS.readFileSync(`/proc/${pid}/stat`, "latin1")
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]
  } catch {
    return undefined
  }
}

/**
 * Options of {@link recycle}.
 *
 * @category models
 * @since 0.1.0
 */
export interface RecycleOptions {
  /** Start ticks that the new process must not have. The program is started again until the clock has moved on. */
  readonly otherThan?: string | undefined
  /** Maximum number of starts. Default: 1000. */
  readonly attempts?: number
}

/**
 * Starts a program under a free PID. Writes `pid - 1` to `ns_last_pid`, after which the kernel gives `pid` to the next
 * task. The caller must run in a PID namespace of its own. A thread that begins meanwhile may take the PID. Then
 * `recycle` kills the program and starts it again.
 *
 * @category running
 * @since 0.1.0
 */
export const recycle = Effect.fn("PidNamespace.recycle")(function* (
  pid: number,
  program: Program,
  { attempts = 1000, otherThan }: RecycleOptions = {}
): Effect.fn.Return<Child, PidNamespaceError> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    yield* Effect.try({
      try: () => NodeFS.writeFileSync(lastPidFile, `${pid - 1}`),
      catch: (error) => new PidNamespaceError({ problem: `${lastPidFile}: ${String(error)}` })
    })
    const child = yield* start(program)
    if (child.pid === pid && (otherThan === undefined || startTicks(pid) !== otherThan)) return child
    yield* child.end
  }
  return yield* new PidNamespaceError({ problem: `PID ${pid} was not given out in ${attempts} attempts` })
})
