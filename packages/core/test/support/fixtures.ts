import type { DirectoryFrame, RecordedDirectory } from "../../src/DirectoryFrame.ts"
import type { Evidence } from "../../src/Evidence.ts"
import type { Present } from "../../src/Observation.ts"
import { type HostIdentity, Pid } from "../../src/ProcessIdentity.ts"
import type { RecordV3, SentinelV1, SentinelV2, SentinelV3 } from "../../src/Sentinel.ts"
import type { Circumstances } from "./judging.ts"

export const pid = Pid.make(4242)

/** 2024-01-01T00:00:00.000Z */
export const writtenAt = 1_704_067_200_000

export const record: RecordV3 = {
  v: 3,
  nonce: "0123456789abcdef",
  startTime: "1000",
  processId64: "9007199254740993",
  bootId: "boot-a",
  pidNamespace: "pid:[1]",
  pidNamespaceInit: { startTime: "10", processId64: "100" },
  timeOffset: "0",
  machineId: "machine-a",
  hostname: "host-a",
  uid: 1000,
  exe: { path: "/usr/bin/node", dev: "1", ino: "2" },
  role: "owner",
  createdAt: "2024-01-01T00:00:00.000Z"
}

/** The directory that {@link inPlace} records. */
export const made: RecordedDirectory = {
  type: "ext4",
  id: { kind: "uuid", value: "5eed" },
  inode: "10",
  birth: "1700000000000000001",
  file: "100"
}

type Optional<A> = { [K in keyof A]?: A[K] | undefined }

/** The value with some keys replaced. A change of `undefined` removes the key. */
const vary = <A extends object>(value: A, changes: Optional<A>): A => {
  const varied = { ...value, ...changes }
  for (const key in changes) if (changes[key] === undefined) delete varied[key]
  return varied as A
}

export const v1: SentinelV1 = { _tag: "V1", pid }

export const v2 = (executable = "/usr/bin/node"): SentinelV2 => ({ _tag: "V2", pid, executable })

export const v3 = (changes: Optional<RecordV3> = {}): SentinelV3 => ({ _tag: "V3", pid, record: vary(record, changes) })

/** {@link v3} of an owner that recorded the directory {@link made}. */
export const inPlace = (changes: Optional<RecordV3> = {}): SentinelV3 => v3({ directory: made, ...changes })

/** The frame of the directory {@link made}, as a reader measures it. */
export const frame = (changes: Optional<DirectoryFrame> = {}): DirectoryFrame =>
  vary<DirectoryFrame>(
    {
      id: { dev: "1", ino: "10" },
      fileSystem: { type: "ext4", id: { kind: "uuid", value: "5eed" }, oneKernel: true },
      inode: "10",
      birth: "1700000000000000001"
    },
    changes
  )

/** A frame on a file system that other kernels may mount too. */
export const sharedFrame: DirectoryFrame = frame({
  fileSystem: { type: "nfs", oneKernel: false },
  birth: undefined
})

/** The record of a directory with {@link sharedFrame}. */
export const sharedDirectory: RecordedDirectory = { type: "nfs", inode: "10", file: "100" }

/** The host on which {@link record} was made. */
export const host = (changes: Optional<HostIdentity> = {}): HostIdentity =>
  vary<HostIdentity>(
    {
      bootId: "boot-a",
      machineId: "machine-a",
      hostname: "host-a",
      namespaces: "supported",
      pidNamespace: "pid:[1]",
      pidNamespaceInit: { startTime: "10", processId64: "100" },
      timeOffset: "0",
      virtualMachine: false
    },
    changes
  )

/** The process that {@link record} describes. */
export const present = (changes: Optional<Present> = {}): Present =>
  vary<Present>(
    {
      _tag: "Present",
      pid,
      tgid: pid,
      state: "S",
      threads: 1,
      startTime: "1000",
      startedAt: writtenAt - 60_000,
      bootedAt: writtenAt - 86_400_000,
      processId64: "9007199254740993",
      exe: { path: "/usr/bin/node", dev: "1", ino: "2" },
      uid: 1000,
      comm: "node"
    },
    changes
  )

/** Circumstances of a judgement in the directory {@link made}, on a file system of one kernel. */
export const circumstances = (changes: Optional<Circumstances> = {}): Circumstances =>
  vary<Circumstances>(
    { frame: frame(), file: "100", changedAt: writtenAt, legacy: "trust", lock: "self", shared: "keep" },
    changes
  )

/** Every datum that was compared, with the result, in order: `["bootId equal", …]`. */
export const rows = (evidence: Evidence): ReadonlyArray<string> =>
  Object.entries(evidence).map(([datum, { result }]) => `${datum} ${result}`)
