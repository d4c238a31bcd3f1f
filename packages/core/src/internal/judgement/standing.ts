/**
 * Compares the origin of a v3 record (directory, machine, boot, PID namespace) with the reader's. This module observes
 * no process.
 */
import { compareDirectories, describeObserved, describeRecorded, isLasting } from "../../DirectoryFrame.ts"
import type { OwnerInputs, Reader } from "../../JudgeInputs.ts"
import {
  compare,
  compareFirstProcesses,
  type Comparison,
  type FirstProcess,
  type HostIdentity,
  initialPidNamespace
} from "../../ProcessIdentity.ts"
import type { RecordV3, SentinelV3 } from "../../Sentinel.ts"
import { compared, note, type Notes, type Unknown, unknown } from "./evidence.ts"

/** Host names that distributions set by default. Two equal default names don't show that two machines are one. */
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

/** Whether a record is of the directory that it lies in. `moved`: it isn't, but the operator vouches for it. */
type Binding = "bound" | "moved" | "different" | "unbound"

/** The machine and the boot that a record comes from. */
interface Origin {
  /** The record is of an earlier boot of this machine, which alone proves that its process is gone. */
  readonly isRebooted: boolean
  /** The verdict, if no observation of a process can condemn. `undefined`: an observation can condemn. */
  readonly doubt: Unknown | undefined
  /** `unknown`: this boot or an earlier one of this machine. `undefined`: `isRebooted` or a `doubt` decides instead. */
  readonly boot: "this" | "unknown" | undefined
  /** The boot is unknown, and the record has another machine id, which may be that of a container on this machine. */
  readonly isContradicted: boolean
}

export interface Standing extends Origin {
  /** Comparison of the PID namespaces. `unknown` if `boot` is `undefined`. */
  readonly namespace: Comparison
  /** The lock that the record claims is the lock of this directory, and only processes of this kernel can hold it. */
  readonly sharesLock: boolean
}

const bindingOf = (
  { record }: SentinelV3,
  { file }: OwnerInputs,
  { frame, host, knowledge: { assumeMoved = "" } }: Reader,
  notes: Notes
): Binding => {
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

/**
 * Whether both machine ids are those of machines. A container has the machine id of its image, and two hosts may run
 * one image.
 */
const haveOwnMachineIds = (record: RecordV3, { namespaces, pidNamespace }: HostIdentity): boolean =>
  namespaces === "none" || (record.pidNamespace === initialPidNamespace && pidNamespace === initialPidNamespace)

/** Compares the machine ids. `unread`: the record has one, and the reader's own may exist but wasn't read. */
const compareMachines = ({ machineId }: RecordV3, host: HostIdentity, notes: Notes): Comparison | "unread" => {
  const machine = note(notes, "machineId", machineId, host.machineId)
  if (machineId === undefined || host.machineId !== undefined || host.machineIdProblem === undefined) return machine
  notes.machineId = compared(machineId, host.machineIdProblem, "unknown")
  return "unread"
}

/**
 * Compares the machines of record and reader. `undefined`: both are the same machine, or the operator vouches for that
 * by `shared`. Otherwise the verdict `unknown`, because that is false or uncertain.
 */
const judgeMachine = (
  { record }: SentinelV3,
  { host, knowledge: { shared } }: Reader,
  notes: Notes,
  isSameBoot: boolean
): Unknown | undefined => {
  const machine = compareMachines(record, host, notes)
  if (machine === "different") return unknown("other-machine", "machineId", notes)
  const hasName = !defaultHostnames.has(record.hostname)
  const hostname = hasName ? compare(record.hostname, host.hostname) : "unknown"
  notes.hostname = compared(record.hostname, host.hostname, hostname)
  if (hostname === "different") return unknown("other-machine", "hostname", notes)
  if (machine !== "equal") return unknown("machine-unknown", "machineId", notes)
  if (hostname === "unknown") return unknown("machine-unknown", "hostname", notes)
  const { virtualMachine } = host
  const observed = virtualMachine === undefined ? "not known" : virtualMachine ? "yes" : "no"
  const isOwnId = isSameBoot || haveOwnMachineIds(record, host)
  // Two virtual machines restored or forked from one state have one boot id, one machine id and one host name.
  const isCertain = virtualMachine === false && isOwnId
  const isTrusted = !isCertain && shared === "trust"
  notes.virtualMachine = compared(isTrusted ? "trusted" : undefined, observed, "not-applicable")
  if (virtualMachine === false && !isOwnId) {
    notes.pidNamespace = compared(record.pidNamespace, host.pidNamespace, "unknown")
  }
  if (isCertain || isTrusted) return undefined
  return unknown("machine-unknown", virtualMachine === false ? "pidNamespace" : "virtualMachine", notes)
}

const thisBoot: Origin = { isRebooted: false, doubt: undefined, boot: "this", isContradicted: false }
const otherDirectory = (notes: Notes): Unknown => unknown("other-directory", "directory", notes)
const rebooted: Origin = { ...thisBoot, boot: undefined, isRebooted: true }
const doubtful = (doubt: Unknown): Origin => ({ ...thisBoot, boot: undefined, doubt })

const judgeOrigin = (sentinel: SentinelV3, reader: Reader, binding: Binding, notes: Notes): Origin => {
  const { frame, host } = reader
  const { fileSystem } = frame
  const isOwn = binding === "bound" || binding === "moved"
  const boot = note(notes, "bootId", sentinel.record.bootId, host.bootId)
  if (host.bootId === undefined && host.bootIdProblem !== undefined) {
    notes.bootId = compared(sentinel.record.bootId, host.bootIdProblem, "unknown")
  }
  const oneKernel = fileSystem?.oneKernel === true
  if (boot === "equal")
    return oneKernel ? thisBoot : { ...thisBoot, doubt: judgeMachine(sentinel, reader, notes, true) }
  const wasOneKernel = oneKernel && isLasting(fileSystem.type)
  // The directory was this machine's in every boot.
  if (wasOneKernel && isOwn) {
    const machine = compareMachines(sentinel.record, host, notes)
    if (machine === "unread") return doubtful(unknown("machine-unknown", "machineId", notes))
    if (boot === "unknown") return { ...thisBoot, boot: "unknown", isContradicted: machine === "different" }
    return machine === "different" ? doubtful(unknown("other-machine", "machineId", notes)) : rebooted
  }
  if (boot === "unknown") return doubtful(unknown("boot-unknown", "bootId", notes))
  const doubt = judgeMachine(sentinel, reader, notes, false)
  // On a lasting file system of one kernel the directory decides, and this directory may not be the record's own.
  if (wasOneKernel) return doubtful(doubt ?? unknown("machine-unknown", "directory", notes))
  if (doubt !== undefined) return doubtful(doubt)
  return binding === "different" ? doubtful(otherDirectory(notes)) : rebooted
}

/** Describes the first process of a PID namespace, for evidence. */
export const describeFirst = (first: FirstProcess | undefined): string | undefined =>
  first === undefined
    ? undefined
    : `start ${first.startTime}${first.processId64 === undefined ? "" : `, id ${first.processId64}`}`

const judgeNamespace = ({ record }: SentinelV3, host: HostIdentity, notes: Notes): Comparison => {
  if (host.namespaces === "none") {
    notes.pidNamespace = compared(record.pidNamespace, undefined, "not-applicable")
    return "equal"
  }
  const number = note(notes, "pidNamespace", record.pidNamespace, host.pidNamespace)
  if (number !== "equal" || record.pidNamespace === initialPidNamespace) return number
  // The kernel gives a namespace's number to another one within seconds. Their first processes distinguish the two.
  const { pidNamespaceInit, timeOffset } = record
  const first = compareFirstProcesses(pidNamespaceInit, timeOffset, host.pidNamespaceInit, host.timeOffset)
  notes.firstProcess = compared(describeFirst(pidNamespaceInit), describeFirst(host.pidNamespaceInit), first)
  return first
}

export const standingOf = (sentinel: SentinelV3, inputs: OwnerInputs, reader: Reader, notes: Notes): Standing => {
  const { frame, host } = reader
  const binding = bindingOf(sentinel, inputs, reader, notes)
  const origin = judgeOrigin(sentinel, reader, binding, notes)
  const namespace = origin.boot === undefined ? "unknown" : judgeNamespace(sentinel, host, notes)
  const isOther = origin.isContradicted && namespace === "equal"
  const doubt =
    binding === "different"
      ? otherDirectory(notes)
      : isOther
        ? unknown("other-machine", "machineId", notes)
        : origin.doubt
  const oneKernel = frame.fileSystem?.oneKernel === true
  const sharesLock = binding === "bound" && oneKernel && origin.boot !== undefined && host.namespaces !== "none"
  return { ...origin, doubt, namespace, sharesLock }
}

/** Whether the record's PID is one of the reader's PID namespace: the reader can look the process up. */
export const isInReach = ({ namespace }: Standing): boolean => namespace === "equal"

/** Whether a search of all PID namespaces of this kernel would decide. */
export const isSearchable = ({ boot, doubt, namespace }: Standing): boolean =>
  doubt === undefined && boot !== undefined && namespace !== "equal"

/**
 * Whether a free lock proves that the owner closed it. The lock must have been tested. Its holder must be the record's
 * own process or, if the operator vouches for that, a command that keeps the lock that it inherited.
 */
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
