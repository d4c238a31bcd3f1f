/**
 * The service that asks the kernel about processes.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Struct from "effect/Struct"
import { IdentityUnavailable, NotFound, PermissionDenied } from "./Errors.ts"
import type { FileId } from "./FileId.ts"
import { isExited, isThread, type Observation, type Present, type ObserveDepth } from "./Observation.ts"
import { type HostIdentity, isPid, type Pid, ProcessIdentity } from "./ProcessIdentity.ts"

/**
 * Why no identity of a process can be recorded. `NotFound`: no such process, or a zombie or a thread id.
 * `PermissionDenied`: the kernel refused. `IdentityUnavailable`: the kernel could not be asked, or its answer has no
 * usable start.
 *
 * @category errors
 * @since 0.1.0
 */
export type IdentifyError = NotFound | PermissionDenied | IdentityUnavailable

/**
 * Asks the kernel about processes. Layers: `LinuxProcessInspector`, `DarwinProcessInspector`, and for tests
 * `testing/FakeProcessTable`. {@link make} builds the service for another platform. Building a Layer makes no system call
 * and loads no native code: the first call does.
 *
 * @category services
 * @since 0.1.0
 */
export class ProcessInspector extends Context.Service<
  ProcessInspector,
  {
    /** The running kernel, and the caller's namespaces. A datum that can't be read is missing. Never fails. */
    readonly host: Effect.Effect<HostIdentity>
    /** Identity of the calling process. */
    readonly self: Effect.Effect<ProcessIdentity, IdentityUnavailable>
    /**
     * Identity of the process under `pid`, to be recorded. A thread id or a zombie is `NotFound`, because neither can
     * own a directory.
     */
    readonly identify: (pid: Pid) => Effect.Effect<ProcessIdentity, IdentifyError>
    /**
     * The kernel's current answer about `pid`. Never fails, because a refusal is an answer. All data of one observation
     * belong to one process, even if the kernel reuses the PID meanwhile. `wanted` (default `all`) limits which keys
     * are read.
     */
    readonly observe: (pid: Pid, wanted?: ObserveDepth) => Effect.Effect<Observation>
    /**
     * Processes that hold the `flock(2)` of a directory. No judgement depends on them. Linux, `wanted: "some"` (the
     * default): the visible processes that took the lock (`/proc/locks`) or, if all of these have ended, those that
     * inherited it (`/proc/<pid>/fdinfo`). `all` asks for the same of each open file that has the lock, and reads every
     * descriptor of every process. A process is left out if it inherited the lock from a living one that is named.
     */
    readonly lockHolders: (directory: FileId, wanted?: "some" | "all") => Effect.Effect<ReadonlyArray<Pid>>
  }
>()("@vm-sentinel/core/ProcessInspector") {}

type Service = ProcessInspector["Service"]

/**
 * The parts of a platform from which {@link make} builds the service.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly host: Service["host"]
  /** PID of the calling process. */
  readonly selfPid: Effect.Effect<Pid, IdentityUnavailable>
  /** `make` passes only valid PIDs, 1 to 2^31-1. `kill(2)` reads 0 and negative numbers as process groups. */
  readonly observe: (pid: Pid, wanted: ObserveDepth) => Effect.Effect<Observation>
  /** Default: {@link identityOf} of an observation at depth `all`. */
  readonly identify?: Service["identify"]
  /** Default: no processes, for a kernel that doesn't report the holders of a lock. */
  readonly lockHolders?: (directory: FileId, wanted: "some" | "all") => Effect.Effect<ReadonlyArray<Pid>>
}

const operation = "identify process"

/** Keys of an identity that come from the host of the recording process. */
const placeKeys = ["bootId", "hostname", "machineId", "pidNamespace", "pidNamespaceInit", "timeOffset"] as const

interface Recordable {
  readonly process: Present
  readonly startTime: string
}

const recordable = (observation: Observation): Result.Result<Recordable, IdentifyError> => {
  const { _tag, pid } = observation
  if (_tag === "Absent") return Result.fail(new NotFound({ operation, pid, kind: "missing" }))
  if (_tag === "Hidden") return Result.fail(new PermissionDenied({ operation, pid }))
  if (_tag === "Unavailable") return Result.fail(new IdentityUnavailable({ pid, detail: observation.detail }))
  if (isThread(observation) || isExited(observation))
    return Result.fail(new NotFound({ operation, pid, kind: "missing" }))
  const { startTime } = observation
  return startTime === undefined
    ? Result.fail(new IdentityUnavailable({ pid, detail: "the start time is not to be had" }))
    : Result.succeed({ process: observation, startTime })
}

const toIdentity = ({ process, startTime }: Recordable, host: HostIdentity): ProcessIdentity => {
  const { exe } = process
  return new ProcessIdentity({
    ...Struct.pick(host, placeKeys),
    ...Struct.pick(process, ["pid", "processId64", "uid"]),
    startTime,
    ...(exe === undefined || exe.path.includes("\uFFFD") ? {} : { exe })
  })
}

/**
 * The identity to record of an observed process, or the reason why it has none. Pure.
 *
 * **Gotchas**
 *
 * `identityOf` leaves out an executable whose path contains U+FFFD, because the path may not have been UTF-8, and its
 * bytes would be lost.
 *
 * @category getters
 * @since 0.1.0
 */
export const identityOf = (
  observation: Observation,
  host: HostIdentity
): Result.Result<ProcessIdentity, IdentifyError> =>
  Result.map(recordable(observation), (process) => toIdentity(process, host))

/**
 * Builds the service of a platform. `self` is derived from `selfPid` and `identify`, and a missing `identify` from
 * `observe` and `host`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): ProcessInspector["Service"] => {
  const { host, selfPid } = options

  const observe = (pid: Pid, wanted: ObserveDepth = "all"): Effect.Effect<Observation> =>
    isPid(pid)
      ? options.observe(pid, wanted)
      : Effect.succeed({ _tag: "Unavailable", pid, reason: "malformed", detail: `${pid} is not a PID` })

  const identifyByObserving = Effect.fn("ProcessInspector.identify")(function* (pid: Pid) {
    const process = yield* Effect.fromResult(recordable(yield* observe(pid)))
    return toIdentity(process, yield* host)
  })

  const identify = (pid: Pid): Effect.Effect<ProcessIdentity, IdentifyError> =>
    options.identify !== undefined && isPid(pid) ? options.identify(pid) : identifyByObserving(pid)

  const self = Effect.flatMap(selfPid, (pid) =>
    Effect.catchTag(identify(pid), ["NotFound", "PermissionDenied"], ({ message }) =>
      Effect.fail(new IdentityUnavailable({ pid, detail: message }))
    )
  )

  const lockHolders = (directory: FileId, wanted: "some" | "all" = "some") =>
    options.lockHolders?.(directory, wanted) ?? Effect.succeed([])

  return ProcessInspector.of({ host, self, identify, observe, lockHolders })
}
