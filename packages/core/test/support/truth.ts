/**
 * Draws one owner that lives or is gone, the later fate of its record, and a reader that may lack any datum. The
 * reader's inputs follow from where the owner really is. This code has no rule of judgement.
 */
import { Arbitrary, Schema } from "effect"
import type { DirectoryFrame, RecordedDirectory } from "../../src/DirectoryFrame.ts"
import type { LockState } from "../../src/Disk.ts"
import type { Observation } from "../../src/Observation.ts"
import type { NamespaceProof } from "../../src/PidNamespaces.ts"
import { type HostIdentity, initialPidNamespace } from "../../src/ProcessIdentity.ts"
import type { LockRecord, RecordV3, Sentinel } from "../../src/Sentinel.ts"
import { type Case, hostKeys, lose, presentKeys, recordKeys } from "./arbitraries.ts"
import { host, pid, present, v1, v2, v3, writtenAt } from "./fixtures.ts"

const subset = <const A extends string>(keys: ReadonlyArray<A>) =>
  Schema.Array(Schema.Literals(keys)).check(Schema.isMaxLength(3))

const frameKeys = ["inode", "birth", "fileSystem"] as const satisfies ReadonlyArray<keyof DirectoryFrame>

export const World = Schema.Struct({
  format: Schema.Literals(["v1", "v2", "v3", "v3", "v3", "v3", "v3"]),
  legacy: Schema.Literals(["trust", "keep"]),
  isAlive: Schema.Boolean,
  fileSystem: Schema.Literals(["ext4", "ext4", "btrfs", "overlay", "nfs", "fuse"]),
  /**
   * Place of the record: the directory in which it was made, a copy of that directory, a snapshot, or that same
   * directory, where it was copied over the record of another owner.
   */
  lies: Schema.Literals(["own", "own", "own", "copy", "snapshot", "copied over"]),
  /**
   * Kernel of the owner. `this`: the reader's. `earlier`: an earlier boot of the reader's machine. `other`: another
   * machine. `clone`: another machine from the same image. `fork`: another virtual machine restored from the same
   * state.
   */
  kernel: Schema.Literals(["this", "this", "this", "earlier", "other", "clone", "fork"]),
  owner: Schema.Struct({
    startTime: Schema.Literals(["0", "1000", "1844674407370"]),
    hasId: Schema.Boolean,
    exe: Schema.Literals(["/usr/bin/node", "/usr/bin/node (deleted)", "/opt/node.old", "/bin/after-exec"]),
    state: Schema.Literals(["R", "S", "D", "T", "t", "I", "Z"]),
    threads: Schema.Literals([1, 2, 40]),
    wroteAfter: Schema.Literals([0, 10, 60_000, 86_400_000]),
    /** Error of the estimated start time, in milliseconds. */
    error: Schema.Literals([-1999, 0, 1999]),
    namespace: Schema.Literals(["initial", "initial", "container"]),
    /** The host of the container has another machine id than the container. */
    hasOwnMachineId: Schema.Boolean
  }),
  lock: Schema.Literals(["none", "self", "self", "inherited", "closed", "untested"]),
  probe: Schema.Literals(["truth", "truth", "unknown", "not asked"]),
  reader: Schema.Struct({
    /**
     * `number again`: a namespace that got the number of the owner's namespace after that one had ended. `initial`: a
     * namespace whose reader sees the processes of every namespace.
     */
    namespace: Schema.Literals(["same", "other", "initial", "initial", "number again"]),
    offset: Schema.Literals(["0", "0", "1000000000000", "-70000000000"]),
    virtualMachine: Schema.Literals([true, false]),
    shared: Schema.Literals(["keep", "keep", "trust"]),
    assumesMoved: Schema.Literals([false, false, false, true]),
    /** State of the owner's PID in the reader's namespace if the owner isn't the process there. */
    stranger: Schema.Literals(["absent", "thread", "zombie", "process"]),
    searches: Schema.Boolean,
    answer: Schema.Literals(["Present", "Present", "Present", "Hidden", "Unavailable", "not asked"])
  }),
  lost: Schema.Struct({
    record: subset(recordKeys),
    host: subset(hostKeys),
    seen: subset(presentKeys),
    frame: subset(frameKeys)
  })
})
export type World = typeof World.Type

const isShared = ({ fileSystem }: World): boolean => fileSystem === "nfs" || fileSystem === "fuse"

/** Makes a drawn world possible. Each value that contradicts another one is replaced. */
const lawful = (drawn: World): World => {
  const isLegacy = drawn.format !== "v3"
  // A local file system has one kernel. An owner of an earlier boot isn't alive.
  const isForeign = drawn.kernel === "other" || drawn.kernel === "clone" || drawn.kernel === "fork"
  const canBeForeign = drawn.lies === "copy" ? drawn.kernel !== "fork" : isShared(drawn) && drawn.lies === "own"
  const kernel =
    isLegacy || (isForeign && !canBeForeign) || (drawn.kernel === "earlier" && drawn.isAlive) ? "this" : drawn.kernel
  const namespace =
    isLegacy || (drawn.owner.namespace === "initial" && drawn.reader.namespace !== "other")
      ? "same"
      : drawn.reader.namespace === "number again" && drawn.isAlive && kernel === "this"
        ? "other"
        : drawn.reader.namespace
  return {
    ...drawn,
    // Only a snapshot on btrfs gets another file system id and keeps inodes and birth times. Elsewhere a snapshot is a
    // copy.
    lies: drawn.lies === "snapshot" && drawn.fileSystem !== "btrfs" ? "copy" : isLegacy ? "own" : drawn.lies,
    kernel,
    reader: {
      ...drawn.reader,
      namespace,
      // Only a virtual machine can be restored twice from one state. Its operator can't vouch that no other kernel has
      // its ids.
      ...(kernel === "fork" ? { virtualMachine: true, shared: "keep" as const } : {}),
      // The operator passes `assumeMoved` only if no owner under another kernel wrote the records. This kernel can't
      // find such an owner.
      assumesMoved: drawn.reader.assumesMoved && !(isForeign && kernel === drawn.kernel)
    },
    // A record of another kernel, outside its own directory, keeps the data of the frame. Without them only the process
    // would be evidence, and this kernel doesn't have that process.
    lost: drawn.lies === "own" || kernel === "this" ? drawn.lost : { ...drawn.lost, record: [], frame: [] }
  }
}

const idOf = (value: string) => ({ kind: "uuid", value }) as const

const madeIn = ({ fileSystem }: World): RecordedDirectory => ({
  type: fileSystem,
  ...(fileSystem === "fuse" ? {} : { id: idOf("5eed") }),
  ...(fileSystem === "overlay" ? {} : { inode: "10", file: "100" }),
  ...(fileSystem === "nfs" ? {} : { birth: "1700000000000000001" })
})

/** The directory and the file in which the record lies now. */
const seenIn = (world: World): { readonly frame: DirectoryFrame; readonly file: string } => {
  const { id, inode, birth } = madeIn(world)
  const isOther = world.lies === "copy"
  const type = world.fileSystem
  const fileSystemId = world.lies === "snapshot" ? idOf("c0de") : id
  return {
    frame: lose(
      {
        id: { dev: "1", ino: "10" },
        fileSystem: { type, oneKernel: !isShared(world), ...(fileSystemId === undefined ? {} : { id: fileSystemId }) },
        ...(inode === undefined ? {} : { inode: isOther ? "11" : inode }),
        ...(birth === undefined ? {} : { birth: isOther ? "1700000000000000002" : birth })
      },
      world.lost.frame
    ),
    file: isOther || world.lies === "copied over" ? "101" : "100"
  }
}

const namespaces = {
  initial: { pidNamespace: initialPidNamespace, pidNamespaceInit: { startTime: "1", processId64: "1" } },
  container: { pidNamespace: "pid:[1]", pidNamespaceInit: { startTime: "10", processId64: "100" } },
  other: { pidNamespace: "pid:[2]", pidNamespaceInit: { startTime: "20", processId64: "200" } },
  again: { pidNamespace: "pid:[1]", pidNamespaceInit: { startTime: "30", processId64: "300" } }
} as const

/**
 * A time in ticks, as a reader's time namespace shows it. The kernel adds the offset in nanoseconds modulo 2^64, then
 * rounds down.
 */
const shifted = (ticks: string, offset: string): string =>
  `${BigInt.asUintN(64, BigInt(ticks) * 10_000_000n + BigInt(offset)) / 10_000_000n}`

const readerOf = (world: World): HostIdentity => {
  const { kernel, owner, reader } = world
  const { pidNamespace, pidNamespaceInit } = {
    same: namespaces[owner.namespace],
    other: namespaces.other,
    initial: namespaces.initial,
    "number again": namespaces.again
  }[reader.namespace]
  return lose(
    host({
      pidNamespace,
      pidNamespaceInit: { ...pidNamespaceInit, startTime: shifted(pidNamespaceInit.startTime, reader.offset) },
      timeOffset: reader.offset,
      virtualMachine: reader.virtualMachine,
      ...(kernel === "this" || kernel === "fork" ? {} : { bootId: "boot-b" }),
      ...(kernel === "other" ? { machineId: "machine-b", hostname: "host-b" } : {}),
      // A clone of an image has the image's machine id and a hostname of its own.
      ...(kernel === "clone" ? { hostname: "host-b" } : {}),
      ...(owner.namespace === "container" && owner.hasOwnMachineId ? { machineId: "machine-of-the-host" } : {})
    }),
    world.lost.host
  )
}

const lockRecordOf = ({ lock }: World): { readonly lock?: LockRecord } =>
  lock === "none"
    ? {}
    : {
        lock: {
          kind: "flock",
          tested: lock !== "untested",
          holder: lock === "inherited" || lock === "closed" ? "inherited" : "self"
        }
      }

const isBeside = ({ kernel, reader }: World): boolean => kernel === "this" && reader.namespace === "same"

const observations = (
  world: World
): { readonly here: Observation | undefined; readonly found: Observation | undefined } => {
  const { isAlive, kernel, owner, reader } = world
  const seen = lose(
    present({
      startTime: shifted(owner.startTime, reader.offset),
      startedAt: writtenAt - owner.wroteAfter + owner.error,
      processId64: owner.hasId ? "9007199254740993" : undefined,
      exe: { path: owner.exe },
      // An exited leader belongs to a live owner only while another thread runs.
      state: owner.state === "Z" && owner.threads === 1 ? "S" : owner.state,
      threads: owner.threads
    }),
    world.lost.seen
  )
  const absent: Observation = { _tag: "Absent", pid }
  const owning: Observation = isAlive ? seen : absent
  const answers: Readonly<Record<typeof reader.answer, Observation | undefined>> = {
    Present: owning,
    Hidden: { _tag: "Hidden", pid, detail: "stat: EPERM" },
    Unavailable: { _tag: "Unavailable", pid, reason: "resources", detail: "open: EMFILE" },
    "not asked": undefined
  }
  const stranger = { startTime: "77", processId64: "77", startedAt: writtenAt + 60_000, exe: { path: "/bin/x" } }
  const strangers: Readonly<Record<typeof reader.stranger, Observation>> = {
    absent,
    thread: present({ ...stranger, tgid: 1 }),
    zombie: present({ ...stranger, state: "Z" }),
    process: present(stranger)
  }
  const answer = answers[reader.answer]
  const isThere = isBeside(world) && isAlive
  return {
    here: isThere || reader.answer !== "Present" ? answer : strangers[reader.stranger],
    found: kernel === "this" && isAlive ? answer : undefined
  }
}

const proofOf = (world: World): NamespaceProof => {
  const { isAlive, kernel, owner, reader } = world
  if (!reader.searches || reader.namespace !== "initial") return { _tag: "Incomplete" }
  const { found } = observations(world)
  if (found !== undefined) return { _tag: "Found", observation: found }
  if (kernel === "this" && isAlive) return { _tag: "Incomplete" }
  return { _tag: "Gone", by: owner.hasId ? "processId64" : "namespace" }
}

/** The result if a reader probes the lock. */
const lockStateOf = (world: World): LockState | undefined => {
  const { isAlive, kernel, lies, lock, probe } = world
  if (probe === "not asked") return undefined
  if (probe === "unknown") return "unknown"
  // Locks of another kernel are invisible, and another directory has another lock.
  const isSeen = kernel === "this" && lies !== "copy" && lies !== "snapshot"
  return isAlive && isSeen && (lock === "self" || lock === "inherited") ? "shared" : "free"
}

const recordOf = (world: World): RecordV3 => {
  const { owner } = world
  const record = v3({
    startTime: owner.startTime,
    processId64: owner.hasId ? "9007199254740993" : undefined,
    ...namespaces[owner.namespace],
    directory: madeIn(world),
    ...lockRecordOf(world)
  }).record
  return lose(record, world.lost.record)
}

/** The inputs of the judgement. */
export const caseOf = (world: World): Case => {
  const sentinels: Readonly<Record<World["format"], Sentinel>> = {
    v1,
    v2: v2(),
    v3: { _tag: "V3", pid, record: recordOf(world) }
  }
  const { assumesMoved, shared } = world.reader
  const lockState = lockStateOf(world)
  return {
    sentinel: sentinels[world.format],
    seen: observations(world).here,
    host: readerOf(world),
    around: {
      ...seenIn(world),
      legacy: world.legacy,
      changedAt: writtenAt,
      // The operator vouches for inherited locks only if the command keeps its lock.
      lock: world.lock === "inherited" ? "inherited" : "self",
      shared,
      ...(assumesMoved ? { assumeMoved: "moved" } : {}),
      ...(lockState === undefined ? {} : { lockState }),
      search: proofOf(world)
    }
  }
}

export const AnyWorld: Arbitrary.Arbitrary<World> = Arbitrary.map(Arbitrary.schema(World), lawful)
