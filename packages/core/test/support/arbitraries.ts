import { Arbitrary, Schema, Struct } from "effect"
import type { Observation, Present } from "../../src/Observation.ts"
import type { HostIdentity } from "../../src/ProcessIdentity.ts"
import { LockRecord, type RecordV3, type Sentinel } from "../../src/Sentinel.ts"
import type { Circumstances, NamespaceProof } from "../../src/Verdict.ts"
import { pid, record, v1, v2, writtenAt } from "./fixtures.ts"

/**
 * Few values, so that equal, different and missing (`?`) are all met often. A value listed twice is drawn twice as often.
 */
const Name = Schema.Literals(["a", "a", "a", "a", "b", "?"])
const Start = ["1", "1", "2", "1000000", "s:1"] as const
const Path = Schema.Literals(["/usr/bin/node", "/usr/bin/node (deleted)", "/usr/bin/other", "node"])

type Known<A> = { readonly [K in keyof A as "?" extends A[K] ? never : K]: A[K] } & {
  readonly [K in keyof A as "?" extends A[K] ? K : never]?: Exclude<A[K], "?">
}

const known = <A extends object>(value: A): Known<A> =>
  Object.fromEntries(Object.entries(value).filter(([, datum]) => datum !== "?")) as Known<A>

const Host = Schema.Struct({
  bootId: Name,
  machineId: Name,
  hostname: Schema.Literals(["a", "b"]),
  namespaces: Schema.Literals(["supported", "supported", "none"]),
  pidNamespace: Name,
  timeNamespace: Name
})

const Record = Schema.Struct({
  startTime: Schema.Literals(Start),
  processId64: Schema.Literals(["1", "2", "?", "?"]),
  bootId: Name,
  pidNamespace: Name,
  timeNamespace: Name,
  machineId: Name,
  hostname: Schema.Literals(["a", "b"])
})

const Seen = Schema.Struct({
  tgid: Schema.Literals([pid, pid, pid, 1, "?"]),
  state: Schema.Literals(["S", "S", "R", "D", "Z", "X", "?"]),
  threads: Schema.Literals([0, 1, 2, "?"]),
  startTime: Schema.Literals([...Start, "?"]),
  startedAt: Schema.Literals([writtenAt - 60_000, writtenAt + 1999, writtenAt + 2000, "?"]),
  processId64: Schema.Literals(["1", "2", "?", "?"]),
  exe: Schema.Union([Path, Path, Schema.Literal("?")]),
  exeError: Schema.Literals(["permission-denied", "not-available", "?"]),
  comm: Schema.Literals(["node", "?"])
})

const Other = Schema.Literals(["Absent", "Hidden", "no-procfs", "resources", "malformed", "unsupported"])
const Anything = Schema.Union([Seen, Seen, Seen, Other])

const observationOf = (seen: typeof Anything.Type): Observation => {
  if (typeof seen !== "string") {
    const { exe, ...data } = known(seen)
    return { _tag: "Present", pid, ...data, ...(exe === undefined ? {} : { exe: { path: exe } }) }
  }
  if (seen === "Absent") return { _tag: "Absent", pid }
  return seen === "Hidden"
    ? { _tag: "Hidden", pid, detail: "stat: EPERM" }
    : { _tag: "Unavailable", pid, reason: seen, detail: seen }
}

/** One id is one process, which started once: the kernel never shows an equal id with another start. */
const lawful = (sentinel: Sentinel, seen: Observation): Observation =>
  sentinel._tag === "V3" &&
  seen._tag === "Present" &&
  seen.startTime !== undefined &&
  seen.processId64 !== undefined &&
  seen.processId64 === sentinel.record.processId64
    ? { ...seen, startTime: sentinel.record.startTime }
    : seen

export interface Case {
  readonly sentinel: Sentinel
  readonly seen: Observation | undefined
  readonly host: HostIdentity
  readonly around: Circumstances
}

const always = Struct.pick(record, ["v", "nonce", "role", "createdAt"])

/** Any record, observation, host and circumstances, that one kernel could have shown. */
export const AnyCase: Arbitrary.Arbitrary<Case> = Arbitrary.map(
  Arbitrary.schema(
    Schema.Struct({
      format: Schema.Literals(["v1", "v2", "v3", "v3", "v3"]),
      executable: Path,
      record: Record,
      host: Host,
      seen: Schema.Union([Anything, Anything, Anything, Schema.Undefined]),
      proof: Schema.Literals(["?", "?", "Gone", "Found", "Incomplete"]),
      found: Anything,
      isLocal: Schema.Literals([true, true, false]),
      isDated: Schema.Literals([true, true, false]),
      legacy: Schema.Literals(["trust", "trust", "keep"]),
      recordedLock: Schema.Union([LockRecord, Schema.Undefined]),
      lock: Schema.Literals(["busy", "free", "free", "unknown", "?", "?", "?"])
    })
  ),
  (drawn) => {
    const recordedLock = drawn.recordedLock === undefined ? {} : { lock: drawn.recordedLock }
    const sentinels: Readonly<Record<typeof drawn.format, Sentinel>> = {
      v1,
      v2: v2(drawn.executable),
      v3: { _tag: "V3", pid, record: { ...always, ...known(drawn.record), ...recordedLock } }
    }
    const sentinel = sentinels[drawn.format]
    const namespace: NamespaceProof | undefined =
      drawn.proof === "?"
        ? undefined
        : drawn.proof === "Found"
          ? { _tag: "Found", observation: lawful(sentinel, observationOf(drawn.found)) }
          : { _tag: drawn.proof }
    return {
      sentinel,
      seen: drawn.seen === undefined ? undefined : lawful(sentinel, observationOf(drawn.seen)),
      host: known(drawn.host),
      around: {
        localFileSystem: drawn.isLocal,
        legacy: drawn.legacy,
        ...(drawn.isDated ? { writtenAt } : {}),
        ...known({ lock: drawn.lock }),
        ...(namespace === undefined ? {} : { namespace })
      }
    }
  }
)

export const hostKeys = ["bootId", "machineId", "pidNamespace", "timeNamespace"] as const satisfies ReadonlyArray<
  keyof HostIdentity
>

export const recordKeys = ["processId64", "lock", ...hostKeys] as const satisfies ReadonlyArray<keyof RecordV3>

export const presentKeys = [
  "tgid",
  "state",
  "threads",
  "startTime",
  "startedAt",
  "processId64",
  "exe",
  "exeError",
  "comm"
] as const satisfies ReadonlyArray<keyof Present>

/** What is left of a value when some keys couldn't be had. */
export const lose = <A extends object>(value: A, lost: ReadonlyArray<keyof A>): A => {
  const { ...rest } = value
  for (const key of lost) delete rest[key]
  return rest
}

/** Every way to leave out one of the keys that are there. */
export const without = <A extends object>(value: A, keys: ReadonlyArray<keyof A>): ReadonlyArray<A> =>
  keys.flatMap((key) => (key in value ? [lose(value, [key])] : []))
