/**
 * `ProcessInspector` for Linux: procfs, and the 64-bit process id of pidfs where native code can be loaded.
 *
 * @since 0.1.0
 */
import { IdentityUnavailable, NotFound, PermissionDenied } from "@vm-sentinel/core/Errors"
import type { Observation, Present, Wanted } from "@vm-sentinel/core/Observation"
import { type HostIdentity, isPid, Pid, ProcessIdentity } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { probe } from "./internal/probe.ts"
import * as Procfs from "./internal/procfs.ts"
import { type Kernel, live } from "./Kernel.ts"
import * as Pidfd from "./Pidfd.ts"

/**
 * What to read, and through what.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The procfs. Default: `/proc`. */
  readonly root?: string
  /** Tried in order, `machine-id(5)`. Default: `/etc/machine-id`, `/var/lib/dbus/machine-id`. */
  readonly machineIdFiles?: ReadonlyArray<string>
  /** System calls to make otherwise than through `node:fs`. */
  readonly kernel?: Partial<Kernel>
  /** Process file descriptors, as `Pidfd.load` gives them. Default: none, no native code. */
  readonly pidfds?: Pidfd.Pidfds | undefined
}

/** How often a process that changes while it is read is read anew, and a call that lacked a resource is made. */
const attempts = 4

const isNobody = ({ pid, state, tgid, threads }: Present): boolean =>
  (tgid !== undefined && tgid !== pid) || ((state === "Z" || state === "X") && threads !== undefined && threads <= 1)

const identityOf = (process: Present & { readonly startTime: string }, host: HostIdentity): ProcessIdentity => {
  const { exe, pid, processId64, startTime, uid } = process
  const { bootId, hostname, machineId, pidNamespace, timeNamespace } = host
  return new ProcessIdentity({
    pid,
    startTime,
    hostname,
    ...(processId64 === undefined ? {} : { processId64 }),
    ...(bootId === undefined ? {} : { bootId }),
    ...(pidNamespace === undefined ? {} : { pidNamespace }),
    ...(timeNamespace === undefined ? {} : { timeNamespace }),
    ...(machineId === undefined ? {} : { machineId }),
    ...(uid === undefined ? {} : { uid }),
    // A path that isn't UTF-8 was decoded with replacement characters: not a path to record.
    ...(exe === undefined || exe.path.includes("\uFFFD") ? {} : { exe })
  })
}

const hasStart = (process: Present): process is Present & { readonly startTime: string } =>
  process.startTime !== undefined

const make = (source: Procfs.Source): ProcessInspector["Service"] => {
  let trusted: Procfs.Trusted | undefined
  let facts: Procfs.Facts | undefined

  const look = (pid: Pid, wanted: Wanted): Observation => {
    // kill(2) reads 0 and below as process groups: what isn't a PID never gets as far as the kernel.
    if (!isPid(pid)) return { _tag: "Unavailable", pid, reason: "malformed", detail: `${pid} is not a PID` }
    if (trusted === undefined) {
      const doubt = Procfs.checkType(source) ?? Procfs.checkNamespace(source)
      if (doubt !== undefined) return { _tag: "Unavailable", pid, ...doubt }
      trusted = Procfs.trust(source)
    }
    let answer = probe(source, trusted, pid, wanted, false)
    for (let attempt = 1; answer._tag === "Again" && attempt < attempts; attempt++) {
      answer = probe(source, trusted, pid, wanted, true)
    }
    return answer._tag === "Again" ? answer.otherwise : answer
  }

  const lookAtHost = (): HostIdentity => {
    if (facts === undefined) {
      const read = Procfs.readFacts(source)
      if (read.bootId === undefined || read.pidNamespace === undefined) {
        return { ...read, hostname: source.kernel.hostname() }
      }
      facts = read
    }
    return { ...facts, hostname: source.kernel.hostname() }
  }

  const identify = Effect.fnUntraced(function* (pid: Pid) {
    const operation = "identify process"
    const seen = look(pid, "all")
    switch (seen._tag) {
      case "Present":
        if (isNobody(seen)) return yield* new NotFound({ operation, pid })
        return hasStart(seen) ? identityOf(seen, lookAtHost()) : yield* new PermissionDenied({ operation, pid })
      case "Absent":
        return yield* new NotFound({ operation, pid })
      case "Hidden":
        return yield* new PermissionDenied({ operation, pid })
      case "Unavailable":
        return yield* new IdentityUnavailable({ pid, detail: seen.detail })
    }
  })

  const { pid } = source.kernel
  return ProcessInspector.of({
    host: Effect.sync(lookAtHost),
    self: identify(Pid.make(pid)).pipe(
      Effect.catchTag(["NotFound", "PermissionDenied"], ({ message }) =>
        Effect.fail(new IdentityUnavailable({ pid, detail: message }))
      )
    ),
    identify,
    observe: (pid, wanted = "all") => Effect.sync(() => look(pid, wanted))
  })
}

/**
 * Reads another procfs than `/proc`, or through other calls: for tests, and for a procfs mounted elsewhere.
 *
 * **Details**
 *
 * The procfs is believed when `statfs(2)` says that it is one and its `self` names the calling process: only then is it
 * of the caller's own PID namespace. That is asked before the first observation, and again until it holds. Afterwards
 * `self` is asked anew after each reading of a process, since anybody may mount over `/proc`. What needs no procfs isn't
 * asked again: the 64-bit id comes from the caller's own namespace, and *absent* needs `kill(2)` to say so too.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAt = (options: Options = {}): Layer.Layer<ProcessInspector> =>
  Layer.sync(ProcessInspector, () =>
    make({
      kernel: { ...live, ...options.kernel },
      // Asked for when the first process is looked at.
      get pidfds() {
        return options.pidfds
      },
      root: options.root ?? "/proc",
      machineIdFiles: options.machineIdFiles ?? ["/etc/machine-id", "/var/lib/dbus/machine-id"]
    })
  )

/**
 * Procfs alone, without native code. Two processes that got one number within one tick of 10 ms can't be told apart.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProcfs: Layer.Layer<ProcessInspector> = layerAt()

/**
 * The best that can be had: with the 64-bit process id where koffi can be loaded and the kernel has it (6.9 and later,
 * 64-bit), else as {@link layerProcfs}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ProcessInspector> = layerAt({
  get pidfds() {
    return Pidfd.load()
  }
})
