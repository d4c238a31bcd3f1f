import { Arbitrary, Schema, Struct } from "effect"
import type { DirectoryFrame, RecordedDirectory } from "../../src/DirectoryFrame.ts"
import type { Observation, Present } from "../../src/Observation.ts"
import type { NamespaceProof } from "../../src/PidNamespaces.ts"
import type { HostIdentity } from "../../src/ProcessIdentity.ts"
import { LockRecord, type RecordV3, type Sentinel } from "../../src/Sentinel.ts"
import { pid, record, v1, v2, writtenAt } from "./fixtures.ts"
import type { Circumstances } from "./judging.ts"

/**
 * Each datum has few values, so that equal, different and missing (`?`) data are all frequent. A value that is listed
 * twice is drawn twice as often.
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
  firstProcess: Schema.Literals(["1", "1", "1", "2", "?"]),
  timeOffset: Schema.Literals(["0", "0", "0", "10000000", "?"]),
  virtualMachine: Schema.Literals([true, false, false, "?"])
})

const Record = Schema.Struct({
  startTime: Schema.Literals(Start),
  processId64: Schema.Literals(["1", "2", "?", "?"]),
  bootId: Name,
  pidNamespace: Name,
  firstProcess: Schema.Literals(["1", "1", "1", "2", "?"]),
  timeOffset: Schema.Literals(["0", "0", "0", "10000000", "?"]),
  machineId: Name,
  hostname: Schema.Literals(["a", "b"])
})

/** Data of the recorded or the seen directory. The two may differ, or be one directory seen through two mounts. */
const Directory = Schema.Struct({
  type: Schema.Literals(["ext4", "ext4", "ext4", "overlay", "nfs"]),
  id: Schema.Literals(["a", "a", "a", "b", "?"]),
  inode: Schema.Literals(["1", "1", "1", "2", "?"]),
  birth: Schema.Literals(["1", "1", "1", "2", "?"]),
  file: Schema.Literals(["1", "1", "1", "2", "?"])
})

const fileSystemIdOf = (id: (typeof Directory.Type)["id"]) =>
  id === "?" ? {} : { id: { kind: "uuid", value: id } as const }

const recordedOf = ({ id, ...directory }: typeof Directory.Type): RecordedDirectory => ({
  ...known(directory),
  ...fileSystemIdOf(id)
})

const frameOf = ({ birth, id, inode, type }: typeof Directory.Type): DirectoryFrame => ({
  id: { dev: "1", ino: "1" },
  fileSystem: { type, oneKernel: type !== "nfs", ...fileSystemIdOf(id) },
  ...known({ birth, inode })
})

/** The first process of a namespace by its start and its 64-bit id. */
const firstOf = <A extends { readonly firstProcess?: string }>({ firstProcess, ...rest }: A) =>
  firstProcess === undefined
    ? rest
    : { ...rest, pidNamespaceInit: { startTime: firstProcess, processId64: firstProcess } }

const Seen = Schema.Struct({
  tgid: Schema.Literals([pid, pid, pid, 1, "?"]),
  state: Schema.Literals(["S", "S", "R", "D", "Z", "X", "?"]),
  threads: Schema.Literals([0, 1, 2, "?"]),
  startTime: Schema.Literals([...Start, "?"]),
  startedAt: Schema.Literals([writtenAt - 60_000, writtenAt + 1999, writtenAt + 2000, "?"]),
  bootedAt: Schema.Literals([writtenAt - 90_000, writtenAt - 90_000, writtenAt + 1, "?"]),
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

/** Makes the start times of one 64-bit id equal. The kernel never shows one id with two starts. */
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

/** Any record, observation, host and circumstances that one kernel can show. */
export const AnyCase: Arbitrary.Arbitrary<Case> = Arbitrary.map(
  Arbitrary.schema(
    Schema.Struct({
      format: Schema.Literals(["v1", "v2", "v3", "v3", "v3"]),
      executable: Path,
      record: Record,
      host: Host,
      seen: Schema.Union([Anything, Anything, Anything, Schema.Undefined]),
      proof: Schema.Literals(["?", "?", "namespace", "processId64", "Found", "Incomplete"]),
      found: Anything,
      made: Schema.Union([Directory, Schema.Literals(["same", "same", "?"])]),
      directory: Schema.Union([Directory, Directory, Schema.Literal("?")]),
      isDated: Schema.Literals([true, true, false]),
      legacy: Schema.Literals(["trust", "trust", "keep"]),
      recordedLock: Schema.Union([LockRecord, Schema.Undefined]),
      lockState: Schema.Literals(["shared", "exclusive", "free", "free", "unknown", "?", "?", "?"]),
      lock: Schema.Literals(["self", "self", "self", "inherited"]),
      shared: Schema.Literals(["keep", "keep", "trust"]),
      assumeMoved: Schema.Literals(["?", "?", "?", "moved"])
    })
  ),
  (drawn) => {
    const { directory, found, host, legacy, lock, made, proof, recordedLock, seen, shared } = drawn
    const recorded = made === "same" ? directory : made
    const claims = {
      ...(recordedLock === undefined ? {} : { lock: recordedLock }),
      ...(recorded === "?" ? {} : { directory: recordedOf(recorded) })
    }
    const sentinels: Readonly<Record<typeof drawn.format, Sentinel>> = {
      v1,
      v2: v2(drawn.executable),
      v3: { _tag: "V3", pid, record: { ...always, ...firstOf(known(drawn.record)), ...claims } }
    }
    const sentinel = sentinels[drawn.format]
    const searches: Readonly<Record<Exclude<typeof proof, "?">, NamespaceProof>> = {
      namespace: { _tag: "Gone", by: "namespace" },
      processId64: { _tag: "Gone", by: "processId64" },
      Found: { _tag: "Found", observation: lawful(sentinel, observationOf(found)) },
      Incomplete: { _tag: "Incomplete" }
    }
    return {
      sentinel,
      seen: seen === undefined ? undefined : lawful(sentinel, observationOf(seen)),
      host: firstOf(known(host)),
      around: {
        legacy,
        lock,
        shared,
        ...known({ lockState: drawn.lockState, assumeMoved: drawn.assumeMoved }),
        frame: directory === "?" ? { id: { dev: "1", ino: "1" } } : frameOf(directory),
        ...(directory === "?" || directory.file === "?" ? {} : { file: directory.file }),
        ...(drawn.isDated ? { changedAt: writtenAt } : {}),
        ...(proof === "?" ? {} : { search: searches[proof] })
      }
    }
  }
)

const bothKeys = ["bootId", "machineId", "pidNamespace", "pidNamespaceInit", "timeOffset"] as const

export const hostKeys = [...bothKeys, "virtualMachine"] as const satisfies ReadonlyArray<keyof HostIdentity>

export const recordKeys = ["processId64", "lock", "directory", ...bothKeys] as const satisfies ReadonlyArray<
  keyof RecordV3
>

export const presentKeys = [
  "tgid",
  "state",
  "threads",
  "startTime",
  "startedAt",
  "bootedAt",
  "processId64",
  "exe",
  "exeError",
  "comm"
] as const satisfies ReadonlyArray<keyof Present>

/** The value without some keys, as if they had been unreadable. */
export const lose = <A extends object>(value: A, lost: ReadonlyArray<keyof A>): A => {
  const { ...rest } = value
  for (const key of lost) delete rest[key]
  return rest
}

/** Every way to leave out one of the present keys. */
export const without = <A extends object>(value: A, keys: ReadonlyArray<keyof A>): ReadonlyArray<A> =>
  keys.flatMap((key) => (key in value ? [lose(value, [key])] : []))
