/** Where a v3 record was made, as far as the host alone can tell: directory, boot and PID namespace. */
import { compareDirectories, describeObserved, describeRecorded, isLasting } from "../DirectoryFrame.ts"
import type { OwnerInputs, Reader } from "../JudgeInputs.ts"
import {
  compare,
  compareFirstProcesses,
  type Comparison,
  type FirstProcess,
  type HostIdentity,
  initialPidNamespace
} from "../ProcessIdentity.ts"
import type { UnknownReason } from "../Reason.ts"
import type { SentinelV3 } from "../Sentinel.ts"
import { compared, note, type Notes } from "./evidence.ts"

/** Names that many machines have. Two equal ones say nothing. */
const defaultHostnames: ReadonlySet<string> = new Set([
  "",
  "(none)",
  "localhost",
  "localhost.localdomain",
  "localhost4",
  "localhost6",
  "alpine",
  "archlinux",
  "debian",
  "fedora",
  "linux",
  "nixos",
  "raspberrypi",
  "ubuntu"
])

type Place = "bound" | "moved" | "different" | "unbound"

/** Which boot of which machine. */
interface Boot {
  /** The record is of an earlier boot of this machine: nothing else needs to be known. */
  readonly isRebooted: boolean
  /** The reason why no process condemns. */
  readonly cap: UnknownReason | undefined
  /** `unknown`: this boot or an earlier one of this machine. `undefined`: it doesn't matter, or may be another machine's. */
  readonly boot: "this" | "unknown" | undefined
  /** The boot is unknown, and another machine's id was recorded, which may be that of a container. */
  readonly isContradicted: boolean
}

export interface Standing extends Boot {
  /** Comparison of the PID namespaces, where the boot leaves it open. */
  readonly namespace: Comparison
  /** The lock that a record claims is the one of this directory, and of this kernel alone. */
  readonly sharesLock: boolean
}

const noteDirectory = (
  { record }: SentinelV3,
  { file }: OwnerInputs,
  { frame, host, knowledge: { assumeMoved = "" } }: Reader,
  notes: Notes
): Place => {
  const binding = compareDirectories(record.directory, frame, file, compare(record.bootId, host.bootId))
  notes.directory = compared(
    record.directory === undefined ? undefined : describeRecorded(record.directory),
    describeObserved(frame, file),
    binding === "bound" ? "equal" : binding === "different" ? "different" : "unknown"
  )
  if (binding !== "different" || assumeMoved.trim() === "") return binding
  notes.moved = { recorded: "other-directory", observed: assumeMoved, result: "not-applicable" }
  return "moved"
}

/** Whether the host names the one machine that wrote the record: the reason why not, or `undefined` where it does. */
const noteMachine = (
  { record }: SentinelV3,
  { host, knowledge: { shared } }: Reader,
  notes: Notes
): UnknownReason | undefined => {
  const machine = note(notes, "machineId", record.machineId, host.machineId)
  if (machine === "different") return "other-machine"
  const hasName = !defaultHostnames.has(record.hostname)
  const hostname = hasName ? compare(record.hostname, host.hostname) : "unknown"
  notes.hostname = compared(record.hostname, host.hostname, hostname)
  if (hostname === "different") return "other-machine"
  if (machine === "unknown" || hostname === "unknown") return "machine-unknown"
  const { virtualMachine } = host
  const observed = virtualMachine === undefined ? "not known" : virtualMachine ? "yes" : "no"
  const isTrusted = virtualMachine !== false && shared === "trust"
  notes.virtualMachine = compared(isTrusted ? "trusted" : undefined, observed, "not-applicable")
  // A restored or forked state gives two running kernels one boot id, one machine id and one name.
  return virtualMachine === false || isTrusted ? undefined : "machine-unknown"
}

const plainBoot: Boot = { isRebooted: false, cap: undefined, boot: "this", isContradicted: false }

const judgeBoot = (sentinel: SentinelV3, reader: Reader, place: Place, notes: Notes): Boot => {
  const { frame, host } = reader
  const { fileSystem } = frame
  const isOwn = place === "bound" || place === "moved"
  const boot = note(notes, "bootId", sentinel.record.bootId, host.bootId)
  if (host.bootId === undefined && host.bootIdProblem !== undefined) {
    notes.bootId = compared(sentinel.record.bootId, host.bootIdProblem, "unknown")
  }
  const oneKernel = fileSystem?.oneKernel === true
  if (boot === "equal") return oneKernel ? plainBoot : { ...plainBoot, cap: noteMachine(sentinel, reader, notes) }
  const wasOneKernel = oneKernel && isLasting(fileSystem.type)
  if (boot === "unknown") {
    if (!wasOneKernel || !isOwn) return { ...plainBoot, boot: undefined, cap: "boot-unknown" }
    const isContradicted = note(notes, "machineId", sentinel.record.machineId, host.machineId) === "different"
    return { ...plainBoot, boot: "unknown", isContradicted }
  }
  if (wasOneKernel && isOwn) {
    const machine = note(notes, "machineId", sentinel.record.machineId, host.machineId)
    return machine === "different"
      ? { ...plainBoot, boot: undefined, cap: "other-machine" }
      : { ...plainBoot, boot: undefined, isRebooted: true }
  }
  const cap = noteMachine(sentinel, reader, notes)
  // The directory decides on such a file system, and it isn't known to be the record's own.
  if (wasOneKernel) return { ...plainBoot, boot: undefined, cap: cap ?? "machine-unknown" }
  return { ...plainBoot, boot: undefined, cap, isRebooted: cap === undefined && place !== "different" }
}

/** A first process in words. */
export const describeFirst = (first: FirstProcess | undefined): string | undefined =>
  first === undefined
    ? undefined
    : `start ${first.startTime}${first.processId64 === undefined ? "" : `, id ${first.processId64}`}`

const noteNamespace = ({ record }: SentinelV3, host: HostIdentity, notes: Notes): Comparison => {
  if (host.namespaces === "none") {
    notes.pidNamespace = compared(record.pidNamespace, undefined, "not-applicable")
    return "equal"
  }
  const number = note(notes, "pidNamespace", record.pidNamespace, host.pidNamespace)
  if (number !== "equal" || record.pidNamespace === initialPidNamespace) return number
  // The kernel gives the number again within seconds; its first process tells which namespace had it.
  const { pidNamespaceInit, timeOffset } = record
  const first = compareFirstProcesses(pidNamespaceInit, timeOffset, host.pidNamespaceInit, host.timeOffset)
  notes.firstProcess = compared(describeFirst(pidNamespaceInit), describeFirst(host.pidNamespaceInit), first)
  return first
}

export const standingOf = (sentinel: SentinelV3, inputs: OwnerInputs, reader: Reader, notes: Notes): Standing => {
  const { frame, host } = reader
  const place = noteDirectory(sentinel, inputs, reader, notes)
  const found = judgeBoot(sentinel, reader, place, notes)
  const namespace = found.boot === undefined ? "unknown" : noteNamespace(sentinel, host, notes)
  const isOther = found.isContradicted && namespace === "equal"
  const cap = place === "different" ? "other-directory" : isOther ? "other-machine" : found.cap
  const oneKernel = frame.fileSystem?.oneKernel === true
  const sharesLock = place === "bound" && oneKernel && found.boot !== undefined && host.namespaces !== "none"
  return { ...found, cap, namespace, sharesLock }
}

/** Whether the process can be looked up by its PID. */
export const isInReach = ({ namespace }: Standing): boolean => namespace === "equal"

/** Whether a search of the whole kernel would decide. */
export const isSearchable = ({ boot, cap, namespace }: Standing): boolean =>
  cap === undefined && boot !== undefined && namespace !== "equal"

/** A free lock proves that its holder closed it, where the record's own process was the holder. */
export const isLockFree = (
  { record: { lock } }: SentinelV3,
  { observed: { lockState } }: OwnerInputs,
  { knowledge: { lock: known } }: Reader,
  { isContradicted, sharesLock }: Standing
): boolean =>
  lockState === "free" &&
  sharesLock &&
  !isContradicted &&
  lock?.tested === true &&
  (lock.holder === "self" || known === "inherited")
