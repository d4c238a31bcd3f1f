import type { Present } from "../../src/Observation.ts"
import { type HostIdentity, Pid } from "../../src/ProcessIdentity.ts"
import type { RecordV3, SentinelV1, SentinelV2, SentinelV3 } from "../../src/Sentinel.ts"
import type { Circumstances, Evidence } from "../../src/Verdict.ts"

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
  timeNamespace: "time:[1]",
  machineId: "machine-a",
  hostname: "host-a",
  uid: 1000,
  exe: { path: "/usr/bin/node", dev: "1", ino: "2" },
  role: "owner",
  createdAt: "2024-01-01T00:00:00.000Z"
}

type Optional<A> = { [K in keyof A]?: A[K] | undefined }

/** The value with some keys replaced, or left out where they are given as `undefined`. */
const vary = <A extends object>(value: A, changes: Optional<A>): A => {
  const varied = { ...value, ...changes }
  for (const key in changes) if (changes[key] === undefined) delete varied[key]
  return varied as A
}

export const v1: SentinelV1 = { _tag: "V1", pid }

export const v2 = (executable = "/usr/bin/node"): SentinelV2 => ({ _tag: "V2", pid, executable })

export const v3 = (changes: Optional<RecordV3> = {}): SentinelV3 => ({ _tag: "V3", pid, record: vary(record, changes) })

/** The host that {@link record} was made on. */
export const host = (changes: Optional<HostIdentity> = {}): HostIdentity =>
  vary<HostIdentity>(
    {
      bootId: "boot-a",
      machineId: "machine-a",
      hostname: "host-a",
      namespaces: "supported",
      pidNamespace: "pid:[1]",
      timeNamespace: "time:[1]"
    },
    changes
  )

/** The process that {@link record} was made of. */
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
      processId64: "9007199254740993",
      exe: { path: "/usr/bin/node", dev: "1", ino: "2" },
      uid: 1000,
      comm: "node"
    },
    changes
  )

export const circumstances = (changes: Optional<Circumstances> = {}): Circumstances =>
  vary<Circumstances>({ localFileSystem: true, writtenAt, legacy: "trust" }, changes)

/** Each datum that was compared and what came of it, in order: `["bootId equal", …]`. */
export const rows = (evidence: Evidence): ReadonlyArray<string> =>
  Object.entries(evidence).map(([datum, { result }]) => `${datum} ${result}`)
