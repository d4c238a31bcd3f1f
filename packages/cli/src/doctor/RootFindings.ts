/**
 * What a sweep of a root can prove and do, by what was read of the root. Pure.
 *
 * @since 0.1.0
 */
import {
  compareDirectories,
  fileToken,
  type FileSystemFrame,
  isLasting,
  toRecord
} from "@vm-sentinel/core/DirectoryFrame"
import {
  type Claimed,
  type LockBusy,
  type LockUnsupported,
  type LookError,
  PermissionDenied,
  type RootError,
  StoreFailure
} from "@vm-sentinel/core/Errors"
import { isRefusal } from "@vm-sentinel/core/Errno"
import type { Evidence } from "@vm-sentinel/core/Evidence"
import type { Prospect } from "@vm-sentinel/core/Prospect"
import type { Ground } from "@vm-sentinel/core/Ground"
import * as Result from "effect/Result"
import * as ErrorText from "../text/ErrorText.ts"
import * as Finding from "./Finding.ts"
import * as Text from "../text/Text.ts"

const { limited, not, ok, untried } = Finding

/**
 * The readings of a root that can be opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Readings {
  readonly path: string
  /** Effective uid of this process. */
  readonly uid: number | undefined
  readonly hasKoffi: boolean
  readonly ground: Ground
  /** Number of directories that sweeps left in the root, or why the root can't be listed. */
  readonly listed: Result.Result<number, RootError>
  /** Whether the lock of the root, once taken, was refused to a second open, or why the lock can't be taken. */
  readonly lock: Result.Result<boolean, Claimed | LockBusy | LockUnsupported | LookError>
  readonly prospects: ReadonlyArray<Prospect>
}

const owner = ({ ground: { permissions }, uid }: Readings): Finding.Finding => {
  const whose = permissions.uid === uid ? "this user's" : permissions.uid === 0 ? "root's" : `uid ${permissions.uid}'s`
  return ok("root", `${whose}, mode ${permissions.mode.toString(8)}: nobody else can change it`)
}

const listing = ({ listed, uid }: Readings): ReadonlyArray<Finding.Finding> => {
  if (Result.isFailure(listed))
    return [not("listing", listed.failure.message, ErrorText.advice(listed.failure, uid === 0))]
  const left = listed.success
  return left === 0
    ? []
    : [ok("leftovers", `${left} of sweeps that run or were killed; the next one goes on with them`)]
}

/** Whether a sweep deletes a directory where it lies, without a workspace, after this errno. */
const isFull = (errno: string): boolean => errno === "ENOSPC" || errno === "EDQUOT"

/** Whether nothing in the root can be removed. */
const isRefused = ({ ground: { room }, listed }: Readings): boolean =>
  Result.isFailure(listed) || (room.refusal !== undefined && !isFull(room.refusal))

const change = ({ ground: { room }, path, uid }: Readings): Finding.Finding => {
  const { bytes, files, refusal } = room
  const free = [
    ...(bytes === undefined ? [] : [`${Text.size(bytes)} free`]),
    ...(files === undefined ? [] : [`${files} files free`])
  ].join(", ")
  if (refusal === undefined) return ok("change", `the kernel refuses no change${free === "" ? "" : `; ${free}`}`)
  const operation = "change root"
  const error = isRefusal(refusal)
    ? new PermissionDenied({ operation, path, errno: refusal })
    : new StoreFailure({ operation, path, errno: refusal })
  const advice = ErrorText.advice(error, uid === 0)
  return isFull(refusal)
    ? limited("change", `${refusal}: directories are deleted where they lie, under their lock`, advice)
    : not("change", `${refusal}: nothing can be removed`, advice)
}

const named = ({ id, type }: FileSystemFrame): string => (id === undefined ? type : `${type}, ${id.kind} ${id.value}`)

const fileSystem = ({ ground: { frame } }: Readings): Finding.Finding => {
  const what = "file system"
  const found = frame.fileSystem
  if (found === undefined) return limited(what, "its type can't be read: it counts as shared", "install koffi")
  if (!found.oneKernel) return limited(what, `${named(found)}: other kernels may have it mounted`)
  return isLasting(found.type)
    ? ok(what, `${named(found)}: only one kernel at a time has it mounted`)
    : limited(
        what,
        `${named(found)}: its layers may be joined anew in the next boot; a directory of a lower layer is deleted where it lies`
      )
}

/**
 * The finding whether a new record would be bound to its directory. The inode and the birth time of the root stand for
 * those of the record's file.
 */
const binding = ({ ground: { frame } }: Readings): Finding.Finding => {
  const what = "directories"
  const file = fileToken(frame)
  const isBound = compareDirectories(toRecord(frame, file), frame, file, "equal") === "bound"
  const missing = [
    ...(frame.fileSystem?.id === undefined ? ["no id of the file system"] : []),
    ...(frame.inode === undefined ? ["no lasting inodes"] : []),
    ...(frame.birth === undefined ? ["no birth times"] : [])
  ].join(", ")
  return isBound
    ? ok(what, "a record is known to be made in the directory that it lies in")
    : limited(what, `a record isn't known to be made in the directory that it lies in: ${missing}`)
}

const lock = ({ ground: { frame }, hasKoffi, lock: held, uid }: Readings): Finding.Finding => {
  const what = "locks"
  if (Result.isFailure(held)) {
    const { failure } = held
    return failure._tag === "LockUnsupported"
      ? limited(
          what,
          "none can be taken: owners go without, and their directories are removed unlocked",
          hasKoffi ? "put the root on a file system with locks" : "install koffi"
        )
      : limited(what, failure.message, ErrorText.advice(failure, uid === 0))
  }
  if (!held.success) return limited(what, "a second open got the lock too: locks keep nobody out here")
  return frame.fileSystem?.oneKernel === true
    ? ok(what, "flock(2) works: a second open was refused")
    : limited(what, "flock(2) works here, but a free lock proves nothing: other kernels' locks may not be seen")
}

/** Whether, and why not, this kernel can be distinguished from other kernels that have the file system mounted. */
const otherKernels = ({ prospects }: Readings): Finding.Finding => {
  const what = "other kernels"
  const doubted = prospects.filter(({ reason }) => reason === "machine-unknown")
  const found = doubted.find((prospect) => prospect.case === "crashed") ?? doubted[0]
  if (found === undefined) return ok(what, "machine id and host name tell this kernel from others")
  const { hostname, machineId, pidNamespace, virtualMachine }: Evidence = found.evidence
  if (machineId?.result === "unknown") return limited(what, "this machine has no id")
  if (hostname?.result === "unknown") {
    return limited(
      what,
      `its host name, ${hostname.observed ?? ""}, is one that many have`,
      "give the machine a name of its own"
    )
  }
  if (pidNamespace?.result === "unknown") {
    return limited(
      what,
      "after a boot, the ids of this container may be those of its image, which another host may run",
      "--shared trust, if no other one does"
    )
  }
  const why = virtualMachine?.observed === "yes" ? "this is a virtual machine" : "this may be a virtual machine"
  return limited(
    what,
    `${why}: another one from the same state would have its ids`,
    "--shared trust, if no other one has"
  )
}

const mounts = ({ ground }: Readings): ReadonlyArray<Finding.Finding> => {
  const count = ground.mounts.length
  const [first = ""] = ground.mounts
  return count === 0
    ? []
    : [limited("mounts", `${count} below, first ${first}: their directories are kept`, "unmount them")]
}

const notTried = untried(
  "removal",
  "only a removal shows whether an append-only flag, a security module or a project's quota refuses it"
)

const conclude = (readings: Readings): Finding.Conclusion => {
  if (isRefused(readings)) return "refused"
  return readings.prospects.some((prospect) => prospect.case === "crashed" && prospect.verdict === "dead")
    ? "removes"
    : "keeps"
}

/**
 * The diagnosis of a root that can be opened.
 *
 * @category judging
 * @since 0.1.0
 */
export const make = (readings: Readings): Finding.Root => {
  const { ground, path, prospects } = readings
  const isShared = ground.frame.fileSystem?.oneKernel !== true
  return {
    _tag: "Root",
    path,
    conclusion: conclude(readings),
    findings: [
      owner(readings),
      ...listing(readings),
      change(readings),
      fileSystem(readings),
      ...(isShared && prospects.length > 0 ? [otherKernels(readings)] : []),
      binding(readings),
      lock(readings),
      ...mounts(readings),
      ...(isRefused(readings) ? [] : [notTried])
    ],
    owners: prospects.map(({ case: name, evidence, reason, verdict }): Finding.Owner => {
      const action = verdict !== "dead" ? "kept" : isRefused(readings) ? "failed" : "removed"
      return { case: name, verdict, reason, evidence, action }
    })
  }
}

/**
 * The diagnosis of a root that can't be opened.
 *
 * @category judging
 * @since 0.1.0
 */
export const ofRefusal = (path: string, error: RootError, uid: number | undefined): Finding.Root => ({
  _tag: "Root",
  path,
  conclusion: "refused",
  findings: [not("root", error.message, ErrorText.advice(error, uid === 0))],
  owners: []
})
