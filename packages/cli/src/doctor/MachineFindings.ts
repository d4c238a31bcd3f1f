/**
 * The findings about this machine: what a sweep can prove with the kernel's answers. Pure.
 *
 * @since 0.1.0
 */
import type { IdentityUnavailable } from "@vm-sentinel/core/Errors"
import type { NativeCode, NativePart } from "@vm-sentinel/core/NativeCode"
import type { NamespaceProof } from "@vm-sentinel/core/PidNamespaces"
import { type HostIdentity, initialPidNamespace, type ProcessIdentity } from "@vm-sentinel/core/ProcessIdentity"
import type { Sight } from "@vm-sentinel/core/Prospect"
import * as Result from "effect/Result"
import { type Finding, limited, not, ok } from "./Finding.ts"

/**
 * The kernel's answers, and which native code was loaded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Readings {
  readonly host: HostIdentity
  /** The identity that this process would record of itself. */
  readonly self: Result.Result<ProcessIdentity, IdentityUnavailable>
  readonly sight: Sight
  readonly native: NativeCode
}

const processes = ({ sight: { absent } }: Readings): Finding => {
  const what = "processes"
  if (absent._tag === "Absent") return ok(what, "a process that is gone is told from one that is hidden")
  if (absent._tag === "Present") return not(what, `process ${absent.pid} is there, which can't be`)
  const advice = "mount a procfs of this PID namespace at /proc (`unshare` takes --mount-proc)"
  return absent._tag === "Unavailable" && absent.reason === "no-procfs"
    ? not(what, absent.detail, advice)
    : not(what, absent.detail)
}

const identity = ({ host, native, self }: Readings): Finding => {
  const what = "identity"
  if (Result.isFailure(self)) return not(what, `no owner can be recorded here: ${self.failure.message}`)
  if (self.success.processId64 !== undefined) {
    return ok(what, "each process has a 64-bit id, which this boot gives once")
  }
  const step = host.namespaces === "none" && self.success.startTime.startsWith("s:") ? "1 s" : "10 ms"
  const why = `processes are told apart by their start alone: two of one PID within ${step} look the same`
  if (native.koffi._tag === "Missing") return limited(what, why, "install koffi, which reads 64-bit ids")
  return host.namespaces === "none" ? limited(what, why) : limited(what, why, "Linux 6.9 and later have 64-bit ids")
}

const bootId = ({ host }: Readings): Finding => {
  const what = "boot id"
  if (host.bootId !== undefined) return ok(what, `${host.bootId}, the kernel's own`)
  return limited(
    what,
    `${host.bootIdProblem ?? "it can't be read"}: an earlier boot can't be told from this one`,
    host.namespaces === "none" ? undefined : "with koffi, root reads the kernel's own below what covers it"
  )
}

const machineId = ({ host }: Readings): Finding => {
  const what = "machine id"
  const advice = host.namespaces === "none" ? undefined : "`systemd-machine-id-setup` makes one"
  return host.machineId === undefined
    ? limited(what, "there is none: on shared file systems nothing is proved", advice)
    : ok(what, `${host.machineId}, host name ${host.hostname}`)
}

const pidNamespace = ({ host }: Readings): Finding => {
  const what = "PID namespace"
  const { pidNamespace, pidNamespaceInit } = host
  if (pidNamespace === undefined) return limited(what, "it can't be read: no recorded PID is known to be one of it")
  if (pidNamespace === initialPidNamespace) return ok(what, `${pidNamespace}, the kernel's first`)
  return pidNamespaceInit === undefined
    ? limited(what, `${pidNamespace}, whose first process can't be read: a later one may have its number`)
    : ok(what, `${pidNamespace}, told from later ones by its first process`)
}

const timeOffset = ({ host }: Readings): Finding =>
  host.timeOffset === undefined
    ? limited("time offset", "it can't be read: starts of processes can't be compared")
    : ok("time offset", `${host.timeOffset} ns`)

const whyOf = (proof: NamespaceProof): string =>
  (proof._tag === "Incomplete" ? proof.why : undefined) ?? "no proof, and no reason"

const search = ({ host, sight: { byId, byNamespace } }: Readings): Finding => {
  const what = "search"
  const isFirst = host.pidNamespace === initialPidNamespace
  const advice = isFirst ? "run as root" : "sweep from the host, or let owners hold the lock of their directory (`run`)"
  if (byNamespace._tag === "Gone") return ok(what, "every process of the kernel is seen, whatever its PID namespace")
  const why = whyOf(byNamespace)
  if (byId._tag === "Gone") return limited(what, `by 64-bit ids alone, not by PID namespaces: ${why}`, advice)
  return limited(what, `owners of other PID namespaces aren't proved gone: ${why}`, advice)
}

const part = (what: string, native: NativePart, without: string, advice?: string): Finding =>
  native._tag === "Loaded" ? ok(what, native.path) : limited(what, `${native.detail}: ${without}`, advice)

const nativeCode = ({ host, native }: Readings): ReadonlyArray<Finding> =>
  host.namespaces === "none"
    ? [
        part("koffi", native.koffi, "no locks, no file systems and no 64-bit ids", "install koffi"),
        part("libSystem", native.library, "no locks, no file systems and no 64-bit ids")
      ]
    : [
        part("koffi", native.koffi, "locks need `flock` of util-linux, and there are no 64-bit ids", "install koffi"),
        part("library", native.library, "the same results, in more time")
      ]

/**
 * The findings about the machine.
 *
 * @category judging
 * @since 0.1.0
 */
export const make = (readings: Readings): ReadonlyArray<Finding> => [
  processes(readings),
  identity(readings),
  bootId(readings),
  machineId(readings),
  ...(readings.host.namespaces === "none" ? [] : [pidNamespace(readings), timeOffset(readings), search(readings)]),
  ...nativeCode(readings)
]
