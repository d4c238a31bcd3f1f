/**
 * `ProcessInspector` for Linux, by procfs and, if native code can be loaded, by the 64-bit process id of pidfs. Its
 * Layers also search the whole kernel for processes of other PID namespaces.
 *
 * @since 0.1.0
 */
import { PermissionDenied } from "@vm-sentinel/core/Errors"
import { isExited, type Observation, type ObserveDepth } from "@vm-sentinel/core/Observation"
import { PidNamespaces } from "@vm-sentinel/core/PidNamespaces"
import { type FirstProcess, type HostIdentity, Pid } from "@vm-sentinel/core/ProcessIdentity"
import { identityOf, make as makeInspector, ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type HostSource, readBootId, readMachineId, readVirtualMachine } from "./internal/host.ts"
import * as KernelSearch from "./internal/kernelSearch.ts"
import { isDefault } from "./internal/koffi.ts"
import { lockHolders } from "./internal/lockHolders.ts"
import * as OpenTree from "./OpenTree.ts"
import { probe } from "./internal/probe.ts"
import * as Procfs from "./internal/procfs.ts"
import { type Kernel, live } from "./Kernel.ts"
import * as Pidfd from "./Pidfd.ts"

/**
 * The paths and calls of {@link layerWith}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Mount point of the procfs. Default: `/proc`. */
  readonly root?: string
  /**
   * Files with the machine id, `machine-id(5)`, tried in order. Default: `/etc/machine-id`, `/var/lib/dbus/machine-id`.
   */
  readonly machineIdFiles?: ReadonlyArray<string>
  /** Mount point of the sysfs. Default: `/sys`. */
  readonly sysRoot?: string
  /** System calls that replace those of `Kernel.live`. */
  readonly kernel?: Partial<Kernel>
  /** `Pidfd.load`, called at the first look at a process. Default: no native code. */
  readonly pidfds?: (() => Pidfd.Pidfds | undefined) | undefined
  /**
   * `OpenTree.load`, called if another file covers the kernel's boot id. It opens `/proc` without the mounts on top of
   * it. Default: no native code.
   */
  readonly trees?: (() => OpenTree.Trees | undefined) | undefined
}

/**
 * Maximum number of looks at one process. Another look follows if the process changed during the last one, if a call
 * lacked a resource, or if `/proc/<pid>` is missing although `kill(2)` finds a process.
 */
const attempts = 4

/** Whether a process lives and `/proc` hides it, so that only its pidfd could be read. */
const isKnownByPidfdAlone = (seen: Observation): boolean =>
  seen._tag === "Present" && seen.startTime === undefined && !isExited(seen)

type Machine = Pick<HostIdentity, "machineId" | "machineIdProblem" | "virtualMachine">
type Facts = Omit<HostIdentity, "hostname" | keyof Machine>

const firstPid = Pid.make(1)

const none = () => undefined

const make = (source: HostSource): ProcessInspector["Service"] => {
  let trusted: Procfs.Trusted | undefined
  let facts: Facts | undefined
  let machine: Machine | undefined

  const look = (pid: Pid, wanted: ObserveDepth): Observation => {
    if (trusted === undefined) {
      const doubt = Procfs.checkType(source) ?? Procfs.checkNamespace(source)
      if (doubt !== undefined) return { _tag: "Unavailable", pid, ...doubt }
    }
    const known = trusted ?? Procfs.trust(source)
    if (!known.isTransient) trusted = known
    let answer = probe(source, known, pid, wanted, false)
    for (let attempt = 1; answer._tag === "Again" && attempt < attempts; attempt++) {
      answer = probe(source, known, pid, wanted, true)
    }
    return answer._tag === "Again" ? answer.otherwise : answer
  }

  /**
   * Looks at PID 1 twice. Both looks see the same process. PID 1 can't be recycled while the caller lives, because the
   * end of PID 1 kills every process of the namespace.
   */
  const lookAtFirst = (): { readonly first: FirstProcess | undefined; readonly isTransient: boolean } => {
    const looks = [look(firstPid, "identity"), look(firstPid, "executable")]
    const seen = looks.filter((look) => look._tag === "Present")
    const startTime = seen.find((process) => process.startTime !== undefined)?.startTime
    const processId64 = seen.find((process) => process.processId64 !== undefined)?.processId64
    return {
      first: startTime === undefined ? undefined : { startTime, ...(processId64 === undefined ? {} : { processId64 }) },
      isTransient: looks.some((look) => look._tag === "Unavailable")
    }
  }

  /**
   * Facts that can't change while the calling process lives. Its own PID namespace never changes. Only a
   * single-threaded process can enter another time namespace, and Node has several threads.
   */
  const lookAtKernel = (): Facts => {
    const believed = Procfs.checkType(source) === undefined
    const boot = readBootId(source)
    const pidNamespace = believed ? Procfs.readNamespace(source, "pid") : undefined
    const timeOffset = believed ? Procfs.readTimeOffset(source) : undefined
    const { first, isTransient } = lookAtFirst()
    const seen: Facts = {
      namespaces: "supported",
      ...("value" in boot ? { bootId: boot.value } : { bootIdProblem: boot.problem }),
      ...(pidNamespace === undefined ? {} : { pidNamespace }),
      ...(first === undefined ? {} : { pidNamespaceInit: first }),
      ...(timeOffset === undefined ? {} : { timeOffset })
    }
    // Nothing is kept if a look at PID 1 gave `Unavailable`, if the boot id was missing for want of a resource, or if
    // the PID namespace is unknown. The next look may find that fact.
    const isUncertain = isTransient || ("problem" in boot && boot.isTransient) || pidNamespace === undefined
    if (!isUncertain) facts = seen
    return seen
  }

  const lookAtMachine = (): Machine => {
    const [id, virtualMachine] = [readMachineId(source), readVirtualMachine(source)]
    const isUnread = "problem" in id && id.isTransient
    const seen: Machine = {
      ...("value" in id ? { machineId: id.value } : isUnread ? { machineIdProblem: id.problem } : {}),
      ...(virtualMachine === undefined ? {} : { virtualMachine })
    }
    // The next look may find what this one didn't.
    if (!isUnread && virtualMachine !== undefined) machine = seen
    return seen
  }

  const lookAtHost = (): HostIdentity => ({
    ...(facts ?? lookAtKernel()),
    ...(machine ?? lookAtMachine()),
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
    lockHolders: (directory, wanted) => lockHolders(source, directory, wanted)
  })
}

/**
 * The inspector over another procfs than `/proc` or over other system calls, for tests and for a procfs that is mounted
 * elsewhere.
 *
 * **Details**
 *
 * The procfs is trusted if `statfs(2)` reports procfs, and if `self/status` shows the caller's own PID and no second
 * PID of the caller in a nested namespace. Only the procfs of the caller's own PID namespace passes the second check.
 * Both checks run before the first observation, and are repeated until they pass. Later the check of `self/status`
 * follows each reading of a process, because another namespace's procfs may be mounted over `/proc` at any time.
 * Answers that need no procfs aren't checked. The 64-bit id comes from the caller's own namespace, and *absent* also
 * needs ESRCH of `kill(2)`.
 *
 * The boot id is the kernel's own. If a file is mounted over it, root with native code reads below that mount. Without
 * root or native code the boot id is then missing.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options = {}): Layer.Layer<ProcessInspector> =>
  Layer.effectContext(
    Effect.sync(() => {
      const source: HostSource = {
        kernel: { ...live, ...options.kernel },
        pidfds: options.pidfds ?? none,
        trees: options.trees ?? none,
        sysRoot: options.sysRoot ?? "/sys",
        root: options.root ?? "/proc",
        machineIdFiles: options.machineIdFiles ?? ["/etc/machine-id", "/var/lib/dbus/machine-id"],
        buffer: new Uint8Array(Procfs.bufferBytes)
      }
      const inspector = make(source)
      return Context.make(ProcessInspector, inspector).pipe(
        Context.add(PidNamespaces, KernelSearch.make(source, inspector))
      )
    })
  )

/**
 * The inspector over procfs alone, without native code. It can't distinguish two processes that had the same PID and
 * started within one tick of 10 ms.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProcfs: Layer.Layer<ProcessInspector> = layerWith()

/**
 * The best inspector for this machine. Reads the 64-bit process id if koffi loads and the kernel has that id (6.9 and
 * later, 64-bit). Without koffi, and in a worker thread, it is {@link layerProcfs}. koffi aborts the process if a
 * worker is terminated while koffi loads.
 *
 * **Details**
 *
 * Like every Layer of this module, it also provides `PidNamespaces`: a search of `/proc` for a process of another PID
 * namespace, which takes a few µs for each process of the kernel. A reader finds the process if it sees the process.
 * The proof that the process is gone has two forms:
 *
 * - By its 64-bit id. That needs the procfs of the initial PID namespace without `hidepid`, native code and Linux 6.9,
 *   but no privilege.
 * - By its namespace. That needs the same procfs, and the right to read `ns/pid` of every process outside of the initial
 *   namespace. If a later namespace has the number of the recorded one, the right to read its first process is enough.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ProcessInspector> = layerWith(
  isDefault ? { pidfds: Pidfd.load, trees: OpenTree.load } : {}
)
