/**
 * `run`: holds a directory while a command runs.
 *
 * @since 0.1.0
 */
import type { HeldLock } from "@vm-sentinel/core/Disk"
import { Claimed, type ClaimedReason } from "@vm-sentinel/core/Errors"
import { sameFile } from "@vm-sentinel/core/FileId"
import * as Ownership from "@vm-sentinel/core/Ownership"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { ChildProcess } from "node:child_process"
import * as Os from "node:os"
import { ExitCode, Quit } from "../ExitCode.ts"
import * as Output from "../Output.ts"
import * as ErrorText from "../text/ErrorText.ts"
import * as Text from "../text/Text.ts"
import * as WorkingDirectory from "../WorkingDirectory.ts"
import * as Command from "./Command.ts"
import * as DistrustWarning from "./DistrustWarning.ts"
import * as EarlierCommand from "./EarlierCommand.ts"
import { inheritedLocks } from "./InheritedLocks.ts"
import { reapOrphans } from "./Reaping.ts"
import { listen } from "./Signals.ts"

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

/**
 * The changes of a directory that don't end a command, in words. The other reasons do: a sweep has the directory, or
 * another process has the lock. Neither can happen while this process holds the lock.
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
    yield* Command.exited(child)
    return yield* Cause.hasInterruptsOnly(cause) ? Effect.interrupt : new Quit({ code: ExitCode.failed })
  })

/**
 * The lock for the command, of the directory that `own` has locked. `undefined`: the platform or the file system has
 * none.
 */
const commandLock = (path: string, own: HeldLock) =>
  SentinelStore.use((store) => store.lock(path)).pipe(
    Effect.filterOrFail(
      ({ id }) => sameFile(id, own.id),
      () => new Claimed({ path, reason: "replaced" })
    ),
    Effect.catchTag("LockUnsupported", () => Effect.succeed(undefined))
  )

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
    const inherited = yield* Effect.sync(inheritedLocks)
    const name = Option.getOrElse(sentinelName, () => SentinelName.defaultName)
    const before = yield* EarlierCommand.beforeOf(path, name)
    yield* EarlierCommand.ensureOver(path, name, before, { ...named, role: "command" })
    const scope = yield* Scope.make()
    const held = yield* Scope.provide(Ownership.hold(path, named), scope)
    const { file, lock } = held
    const letGo = Scope.close(scope, Exit.void)
    const started = Effect.gen(function* () {
      // The command can free a lock that it inherits, by LOCK_UN of flock(2). It gets one of its own.
      const given = lock === undefined ? undefined : yield* Scope.provide(commandLock(path, lock), scope)
      const record = { ...named, ...(given === undefined ? {} : { lock: given }), role: "command" }
      yield* DistrustWarning.warn(path, file)
      // These checks find an earlier command that may still live, before a new one starts.
      yield* Ownership.ensureUnowned(path, record)
      // The lock was free when this process took it, so no earlier command has it.
      if (lock?.wasExclusive !== true) yield* EarlierCommand.ensureUnlocked(path, name, before, held, record)
      // `hold` takes up to 5 s. After a signal in this time no command is wanted.
      const early = yield* signals.early
      if (early !== undefined) return yield* new Quit({ code: 128 + Os.constants.signals[early] })
      // The command inherits the lock, and holds it even if this process is killed. No other child inherits the lock,
      // because the descriptor is closed on exec. The directory of an outer `run` is the command's, too.
      const locks = [...(given?.fd === undefined ? [] : [given.fd]), ...inherited]
      return { ...(yield* Command.start(command, args, locks)), record }
    })
    // Without a command, DIR stays as it was. If this process has replaced the sentinel of a dead owner, its own stays,
    // with its claim on the lock, which the end of the process releases.
    const { child, pid, record } = yield* Effect.onError(started, () =>
      file.hasReplaced ? Effect.void : Effect.andThen(withdraw(path, file), letGo)
    )
    // The lock stays held, and claimed, until this process ends. Its end proves to a reader in another PID namespace that
    // the owner is gone.
    const recorded = Effect.gen(function* () {
      yield* Command.tellRefusal(command, child)
      yield* signals.passTo(child)
      yield* reapOrphans(pid)
      yield* recordCommand(path, { ...record, pid })
    })
    yield* Effect.catchCause(recorded, (cause) => failAfter(child, cause))
    const code = yield* Command.exited(child)
    if (code !== 0) return yield* new Quit({ code })
  },
  // An interruption comes from a signal, and the command decides what a signal means.
  Effect.uninterruptible,
  Effect.scoped
)
