/**
 * `run`: holds a directory while a command runs.
 *
 * @since 0.1.0
 */
import { errnoOf } from "@vm-sentinel/core/Errno"
import { AlreadyOwned, Claimed, type ClaimedReason } from "@vm-sentinel/core/Errors"
import * as Layout from "@vm-sentinel/core/Layout"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process"
import { statSync } from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { ExitCode, Quit } from "../ExitCode.ts"
import * as DistrustWarning from "./DistrustWarning.ts"
import * as ErrorText from "../text/ErrorText.ts"
import { isForeground } from "./Foreground.ts"
import * as Output from "../Output.ts"
import * as Text from "../text/Text.ts"
import * as WorkingDirectory from "../WorkingDirectory.ts"

/**
 * Options of {@link run}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly directory: string
  /** The command and its arguments. */
  readonly command: ReadonlyArray<string>
  readonly sentinelName: Option.Option<string>
  /** `keep`: doesn't replace a v1 or v2 sentinel. */
  readonly legacy: "trust" | "keep"
}

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

/** A command that runs. */
interface Running {
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

/** Starts the command. `lock`: the descriptor that the command gets as descriptor 3. */
const start = (command: string, args: ReadonlyArray<string>, lock: number | undefined) =>
  spawned(command, args, ["inherit", "inherit", "inherit", ...(lock === undefined ? [] : [lock])]).pipe(
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

/** Says, at the first signal that the kernel refuses to send, that the command gets none. */
const tellRefusal = (command: string, child: ChildProcess) =>
  Effect.callback<string>((resume) => {
    child.once("error", (error) => resume(Effect.succeed(ofRefusal(command, error))))
  }).pipe(Effect.flatMap(Output.note), Effect.forkScoped({ startImmediately: true }))

const forwardedSignals: ReadonlyArray<NodeJS.Signals> = [
  "SIGTERM",
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGCONT",
  "SIGWINCH"
]
/** Signals that a terminal sends to its whole foreground group, which then includes the command. */
const groupSignals: ReadonlyArray<NodeJS.Signals> = ["SIGINT", "SIGQUIT"]

/** Signals that ask a process to end. */
const endingSignals: ReadonlySet<NodeJS.Signals> = new Set(["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"])

interface Signals {
  /** The first signal that came before the command was started, and asks for its end. */
  readonly early: Effect.Effect<NodeJS.Signals | undefined>
  /** Begins to pass signals to the command: those that only this process gets, and those that came earlier. */
  readonly passTo: (child: ChildProcess) => Effect.Effect<void>
}

/**
 * Listens to signals until the scope closes. Removes all other listeners for that time, so that the command alone
 * decides what a signal means.
 */
const listen: Effect.Effect<Signals, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const early: Array<NodeJS.Signals> = []
    let receiver: ChildProcess | undefined
    const pass = (signal: NodeJS.Signals) => {
      if (receiver === undefined) early.push(signal)
      // A command in the foreground already has a signal from the terminal. A `kill` of this process alone looks the same.
      else if (forwardedSignals.includes(signal) || !isForeground(receiver.pid)) receiver.kill(signal)
    }
    const signals = [...forwardedSignals, ...groupSignals].map((signal) => {
      const others = process.listeners(signal)
      const listener = () => pass(signal)
      // A signal without any listener is no longer caught, and one that was caught before is lost.
      process.on(signal, listener)
      for (const other of others) process.off(signal, other)
      return { signal, others, listener }
    })
    return {
      early: Effect.sync(() => early.find((signal) => endingSignals.has(signal))),
      passTo: (child: ChildProcess) =>
        Effect.sync(() => {
          receiver = child
          for (const signal of early) child.kill(signal)
        }),
      stop: () => {
        for (const { listener, others, signal } of signals) {
          for (const other of others) process.on(signal, other)
          process.off(signal, listener)
        }
      }
    }
  }),
  ({ stop }) => Effect.sync(stop)
)

const withoutReaping =
  "vm-sentinel: run is the first process here, and can't reap what it inherits without koffi: start it under an init\n"

/**
 * Reaps orphans. As the first process of a container, this process is the parent of all of them, and only a parent can
 * reap. Node reaps the command itself, and would miss its end if other code reaped it.
 */
const reapOrphans: (command: Pid) => Effect.Effect<void, never, Output.Output | Scope.Scope> = Effect.fnUntraced(
  function* (command) {
    if (process.pid !== 1 || process.platform !== "linux") return
    const Orphans = yield* Effect.promise(() => import("@vm-sentinel/platform-linux/Orphans"))
    const waits = Orphans.load()
    if (waits === undefined) return yield* Output.note(withoutReaping)
    const own = new Set([command])
    const reap = () => void Orphans.reapAll(waits, own)
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("SIGCHLD", reap)),
      () => Effect.sync(() => process.off("SIGCHLD", reap))
    )
    // This call reaps the orphans that ended before the listener was added.
    reap()
  }
)

/**
 * What became of a directory that somebody has changed while the command started. The other reasons are no change of the
 * path: a sweep has the directory, or somebody has the lock, although this process holds both.
 */
const changes: { readonly [reason in ClaimedReason]?: string } = {
  gone: "not there any more",
  replaced: "another directory has its path now",
  "record-lost": "the command's sentinel was removed at once"
}

const ofUnrecorded = (path: string, change: string): string =>
  `vm-sentinel: warning: ${Text.escape(path)}: ${change}, so the command isn't recorded, and runs on\n`

/** Records the command. A command whose directory was changed meanwhile runs on without a sentinel. */
const recordCommand = (path: string, options: Ownership.RecordOptions) =>
  Ownership.record(path, options).pipe(
    // A command that has already ended needs no record.
    Effect.catchTag("NotFound", (error) =>
      error.pid === undefined ? Effect.fail(new Claimed({ path, reason: "gone" })) : Effect.void
    ),
    Effect.catchTag("Claimed", (error) => {
      const change = changes[error.reason]
      return change === undefined ? Effect.fail(error) : Output.note(ofUnrecorded(path, change))
    })
  )

const exited = (child: ChildProcess) =>
  Effect.callback<number>((resume) => {
    const end = (code: number | null, signal: NodeJS.Signals | null) =>
      resume(Effect.succeed(code ?? 128 + (signal === null ? 0 : Os.constants.signals[signal])))
    if (child.exitCode !== null || child.signalCode !== null) end(child.exitCode, child.signalCode)
    else child.once("exit", end)
  })

const lineOf = (cause: Cause.Cause<ErrorText.CommandError>): string =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () => (Cause.hasDies(cause) ? ErrorText.ofDefect(Cause.pretty(cause)) : ""),
    onSome: (error) => ErrorText.line(error)
  })

/**
 * Tells why `run` fails, asks the command to end, and fails once the command has ended. Until then only the record and
 * the lock of this process may protect the directory, and the end of a container's first process ends the command.
 */
const failAfter = (child: ChildProcess, cause: Cause.Cause<ErrorText.CommandError>) =>
  Effect.gen(function* () {
    yield* Output.note(lineOf(cause))
    yield* Effect.sync(() => child.kill("SIGTERM"))
    yield* exited(child)
    return yield* Cause.hasInterruptsOnly(cause) ? Effect.interrupt : new Quit({ code: ExitCode.failed })
  })

/** The directory before `run` takes it. */
interface Before {
  /** Names of its sentinels. */
  readonly entries: ReadonlyArray<string>
  /** The processes that hold its lock as owners do, as far as they are visible. `undefined`: there are none. */
  readonly holders: ReadonlyArray<Pid> | undefined
}

const beforeOf: (path: string, name: string) => Effect.Effect<Before, never, ProcessInspector | SentinelStore> =
  Effect.fnUntraced(function* (path, name) {
    const store = yield* SentinelStore
    const { lockHolders } = yield* ProcessInspector
    const found = yield* Effect.option(store.look(path, Layout.ofNames([name])))
    // `hold` reports what is wrong with the directory.
    if (found._tag === "None") return { entries: [], holders: undefined }
    // A probe and an owner that takes the lock hold it exclusively, for a moment.
    const isHeld = (yield* store.probeLock(path)) === "shared"
    return {
      entries: found.value.sentinels.map(({ entry }) => entry),
      holders: isHeld ? yield* lockHolders(found.value.id) : undefined
    }
  })

/** The options of a record of CMD. */
type CommandRecord = Pick<Ownership.RecordOptions, "legacy" | "lock" | "role" | "sentinelName">

/**
 * Fails if an earlier command may live that no record names. A process that the command started may hold the lock, after
 * the command and `run` have ended. An owner of another role explains the lock if it lives by its process.
 */
const ensureUnlocked = Effect.fnUntraced(function* (
  path: string,
  name: string,
  { entries, holders }: Before,
  record: CommandRecord
) {
  const own = new Set([name, SentinelName.ofRole(name, "command")])
  if (holders === undefined || !entries.some((entry) => own.has(entry))) return
  for (const entry of entries.filter((entry) => !own.has(entry))) {
    // `run` holds the lock, so the lock is no evidence here.
    const owned = yield* Effect.flip(
      Ownership.ensureUnowned(path, { ...record, role: entry.slice(`${name}.`.length) })
    ).pipe(Effect.option)
    if (owned._tag === "Some" && owned.value._tag === "AlreadyOwned" && owned.value.verdict === "alive") return
  }
  const [owner] = holders
  const whose = owner === undefined ? {} : { owner }
  return yield* new AlreadyOwned({ path, verdict: "alive", reason: "lock-held", ...whose })
})

/** Removes the sentinel of a `run` that has started no command. */
const withdraw = (path: string, file: Ownership.Recorded) =>
  Ownership.release(path, file).pipe(
    Effect.catchTag("NotFound", () => Effect.void),
    Effect.catch((error) => Output.note(ErrorText.line(error)))
  )

/**
 * Holds a directory while a command runs: a sentinel for this process, one for the command, and the lock. Ends with the
 * command's exit code, or with 128 plus the number of the signal that ended the command. The sentinels stay, so a sweep
 * may remove the directory unless another process still holds the lock. If a signal came first, an earlier command may
 * live, or the command couldn't be started, `run` withdraws the sentinel of this process, unless that has replaced the
 * sentinel of a dead owner. As the first process of a PID namespace, this process reaps the orphans that it inherits.
 *
 * @category running
 * @since 0.1.0
 */
export const run: (
  options: Options
) => Effect.Effect<void, Ownership.RecordError | Quit, Output.Output | ProcessInspector | SentinelStore> = Effect.fn(
  "run"
)(
  function* ({ command: [command = "", ...args], directory, legacy, sentinelName }) {
    const path = yield* WorkingDirectory.absolute(directory)
    const named = { legacy, ...(Option.isNone(sentinelName) ? {} : { sentinelName: sentinelName.value }) }
    const signals = yield* listen
    const name = Option.getOrElse(sentinelName, () => SentinelName.defaultName)
    const before = yield* beforeOf(path, name)
    const scope = yield* Scope.make()
    const { file, lock } = yield* Scope.provide(Ownership.hold(path, named), scope)
    const letGo = Scope.close(scope, Exit.void)
    const record = { ...named, ...(lock === undefined ? {} : { lock }), role: "command" }
    const started = Effect.gen(function* () {
      yield* DistrustWarning.warn(path, file)
      // These checks find an earlier command that may still live, before a new one starts.
      yield* Ownership.ensureUnowned(path, record)
      yield* ensureUnlocked(path, name, before, record)
      // `hold` takes up to 5 s. After a signal in this time no command is wanted.
      const early = yield* signals.early
      if (early !== undefined) return yield* new Quit({ code: 128 + Os.constants.signals[early] })
      // The command inherits the lock, and holds it even if this process is killed. No other child inherits the lock,
      // because the descriptor is closed on exec.
      return yield* start(command, args, lock?.fd)
    })
    // Without a command, DIR stays as it was. If this process has replaced the sentinel of a dead owner, its own stays,
    // with its claim on the lock, which the end of the process releases.
    const { child, pid } = yield* Effect.onError(started, () =>
      before.entries.includes(name) ? Effect.void : Effect.andThen(withdraw(path, file), letGo)
    )
    yield* Effect.addFinalizer(() => letGo)
    const recorded = Effect.gen(function* () {
      yield* tellRefusal(command, child)
      yield* signals.passTo(child)
      yield* reapOrphans(pid)
      yield* recordCommand(path, { ...record, pid })
    })
    yield* Effect.catchCause(recorded, (cause) => failAfter(child, cause))
    const code = yield* exited(child)
    if (code !== 0) return yield* new Quit({ code })
  },
  // An interruption comes from a signal, and the command decides what a signal means.
  Effect.uninterruptible,
  Effect.scoped
)
