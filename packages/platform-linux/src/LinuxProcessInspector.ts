/**
 * `ProcessInspector` for Linux: procfs, and the 64-bit process id of pidfs where native code can be loaded.
 *
 * @since 0.1.0
 */
import { PermissionDenied } from "@vm-sentinel/core/Errors"
import { isExited, type Observation, type ObserveDepth } from "@vm-sentinel/core/Observation"
import { type FirstProcess, type HostIdentity, Pid } from "@vm-sentinel/core/ProcessIdentity"
import { identityOf, make as makeInspector, ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readBootId, readMachineId, readVirtualMachine } from "./internal/host.ts"
import { lockHolders } from "./internal/lockHolders.ts"
import * as OpenTree from "./OpenTree.ts"
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
  /** The sysfs. Default: `/sys`. */
  readonly sysRoot?: string
  /** System calls to make otherwise than through `node:fs`. */
  readonly kernel?: Partial<Kernel>
  /** Process file descriptors, as `Pidfd.load` gives them. Default: none, no native code. */
  readonly pidfds?: Pidfd.Pidfds | undefined
  /** Mounts without what is mounted upon them. Default: none, no native code. */
  readonly trees?: OpenTree.Trees | undefined
}

/** How often a process that changes while it is read is read anew, and a call that lacked a resource is made. */
const attempts = 4

/** A live process that `/proc` hides. */
const isKnownByPidfdAlone = (seen: Observation): boolean =>
  seen._tag === "Present" && seen.startTime === undefined && !isExited(seen)

type Facts = Omit<HostIdentity, "hostname" | "machineId" | "virtualMachine">

const firstPid = Pid.make(1)

const make = (source: Procfs.Source): ProcessInspector["Service"] => {
  let trusted: Procfs.Trusted | undefined
  let facts: Facts | undefined
  let machine: Pick<HostIdentity, "machineId" | "virtualMachine"> | undefined

  const look = (pid: Pid, wanted: ObserveDepth): Observation => {
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

  /** Nobody can get its number while the caller lives: two looks at it are at one process. */
  const lookAtFirst = (): { readonly first: FirstProcess | undefined; readonly passing: boolean } => {
    const looks = [look(firstPid, "identity"), look(firstPid, "executable")]
    const seen = looks.filter((look) => look._tag === "Present")
    const startTime = seen.find((process) => process.startTime !== undefined)?.startTime
    const processId64 = seen.find((process) => process.processId64 !== undefined)?.processId64
    return {
      first: startTime === undefined ? undefined : { startTime, ...(processId64 === undefined ? {} : { processId64 }) },
      passing: looks.some((look) => look._tag === "Unavailable")
    }
  }

  /**
   * What can't change while the calling process lives: its own PID namespace never does, and only a process of one thread,
   * which Node isn't, can enter another time namespace.
   */
  const lookAtKernel = (): Facts => {
    const believed = Procfs.checkType(source) === undefined
    const boot = readBootId(source)
    const pidNamespace = believed ? Procfs.readNamespace(source, "pid") : undefined
    const timeOffset = believed ? Procfs.readTimeOffset(source) : undefined
    const { first, passing } = lookAtFirst()
    const seen: Facts = {
      namespaces: "supported",
      ...("value" in boot ? { bootId: boot.value } : { bootIdProblem: boot.problem }),
      ...(pidNamespace === undefined ? {} : { pidNamespace }),
      ...(first === undefined ? {} : { pidNamespaceInit: first }),
      ...(timeOffset === undefined ? {} : { timeOffset })
    }
    // A fact that lacked a resource or a procfs may be there the next time.
    const isPassing = passing || ("problem" in boot && boot.passing) || pidNamespace === undefined
    if (!isPassing) facts = seen
    return seen
  }

  const lookAtMachine = () => {
    const [machineId, virtualMachine] = [readMachineId(source), readVirtualMachine(source)]
    return {
      ...(machineId === undefined ? {} : { machineId }),
      ...(virtualMachine === undefined ? {} : { virtualMachine })
    }
  }

  const lookAtHost = (): HostIdentity => ({
    ...(facts ?? lookAtKernel()),
    ...(machine ??= lookAtMachine()),
    hostname: source.kernel.hostname()
  })

  const { pid } = source.kernel
  return makeInspector({
    host: Effect.sync(lookAtHost),
    selfPid: Effect.succeed(Pid.make(pid)),
    observe: (pid, wanted) => Effect.sync(() => look(pid, wanted)),
    identify: Effect.fn("ProcessInspector.identify")(function* (pid: Pid) {
      const seen = look(pid, "all")
      if (isKnownByPidfdAlone(seen)) return yield* new PermissionDenied({ operation: "identify process", pid })
      return yield* Effect.fromResult(identityOf(seen, lookAtHost()))
    }),
    lockHolders: (directory) => lockHolders(source, directory)
  })
}

/**
 * Reads another procfs than `/proc`, or through other calls: for tests, and for a procfs mounted elsewhere.
 *
 * **Details**
 *
 * The procfs is believed when `statfs(2)` says that it is one, and its `self/status` gives the calling process the number
 * that it has, and no other in a namespace further in: only then is it of the caller's own PID namespace. That is asked
 * before the first observation, and again until it holds. Afterwards `self/status` is asked anew after each reading of a
 * process, since anybody may mount over `/proc`, another namespace's procfs too. What needs no procfs isn't asked again:
 * the 64-bit id comes from the caller's own namespace, and *absent* needs `kill(2)` to say so too.
 *
 * The boot id is the kernel's own: a file that was mounted over it is looked below where that can be, as root with native
 * code, and else it is missing.
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
      // Asked for where something is mounted over the boot id.
      get trees() {
        return options.trees
      },
      sysRoot: options.sysRoot ?? "/sys",
      root: options.root ?? "/proc",
      machineIdFiles: options.machineIdFiles ?? ["/etc/machine-id", "/var/lib/dbus/machine-id"],
      buffer: new Uint8Array(Procfs.bufferBytes)
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
  },
  get trees() {
    return OpenTree.load()
  }
})
