/**
 * Asks the kernel about processes.
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
 * Why a process has no identity that could be recorded.
 *
 * @category errors
 * @since 0.1.0
 */
export type IdentifyError = NotFound | PermissionDenied | IdentityUnavailable

/**
 * Asks the kernel about processes. Layers: `LinuxProcessInspector`, `DarwinProcessInspector`, and for tests
 * `testing/FakeProcessTable`. Another one is built with {@link make}.
 *
 * @category services
 * @since 0.1.0
 */
export class ProcessInspector extends Context.Service<
  ProcessInspector,
  {
    /** This kernel, and the caller's place in it. What can't be read is missing, not an error. */
    readonly host: Effect.Effect<HostIdentity>
    /** The calling process. */
    readonly self: Effect.Effect<ProcessIdentity, IdentityUnavailable>
    /**
     * The process under `pid`, to be recorded. A thread id and a zombie are `NotFound`: neither can own anything.
     */
    readonly identify: (pid: Pid) => Effect.Effect<ProcessIdentity, IdentifyError>
    /**
     * What the kernel says about `pid` now. Total: every refusal is an answer. All data of one observation come from
     * one process. `wanted` (default `all`) bounds what is read.
     */
    readonly observe: (pid: Pid, wanted?: ObserveDepth) => Effect.Effect<Observation>
    /**
     * Processes that hold the `flock(2)` of a directory, those that can be seen from here: for people, never evidence.
     * Linux: the `lock:` lines of `/proc/<pid>/fdinfo`.
     */
    readonly lockHolders: (directory: FileId) => Effect.Effect<ReadonlyArray<Pid>>
  }
>()("@vm-sentinel/core/ProcessInspector") {}

type Service = ProcessInspector["Service"]

/**
 * What {@link make} needs of a platform.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly host: Service["host"]
  /** PID of the calling process. */
  readonly selfPid: Effect.Effect<Pid, IdentityUnavailable>
  /** Gets numbers from 1 on alone. `kill(2)` reads 0 and below as process groups. */
  readonly observe: (pid: Pid, wanted: ObserveDepth) => Effect.Effect<Observation>
  /** Default: {@link identityOf} what `observe` gives at depth `all`. */
  readonly identify?: Service["identify"]
  /** Default: none, for a kernel that doesn't tell who holds a lock. */
  readonly lockHolders?: Service["lockHolders"]
}

const operation = "identify process"

/** The part of an identity that comes from the host of the process that records it. */
const placeKeys = ["bootId", "hostname", "machineId", "pidNamespace", "pidNamespaceInit", "timeOffset"] as const

interface Recordable {
  readonly process: Present
  readonly startTime: string
}

const recordable = (observation: Observation): Result.Result<Recordable, IdentifyError> => {
  const { _tag, pid } = observation
  if (_tag === "Absent") return Result.fail(new NotFound({ operation, pid }))
  if (_tag === "Hidden") return Result.fail(new PermissionDenied({ operation, pid }))
  if (_tag === "Unavailable") return Result.fail(new IdentityUnavailable({ pid, detail: observation.detail }))
  if (isThread(observation) || isExited(observation)) return Result.fail(new NotFound({ operation, pid }))
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
 * The identity to record of an observed process, or why there is none. Pure.
 *
 * **Gotchas**
 *
 * A path with a replacement character was no UTF-8: it isn't recorded.
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
 * Builds the service from `observe` and from what it is observed in. `identify` and `self` follow from these.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): ProcessInspector["Service"] => {
  const { host, lockHolders = () => Effect.succeed([]), selfPid } = options

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

  return ProcessInspector.of({ host, self, identify, observe, lockHolders })
}
