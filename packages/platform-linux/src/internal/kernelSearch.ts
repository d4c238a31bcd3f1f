/** Searches every process of the kernel for a process of another PID namespace, by `/proc`. */
import { coded } from "@vm-sentinel/core/Errno"
import * as Mounts from "@vm-sentinel/core/Mounts"
import type { NamespaceProof, PidNamespaces, Sought } from "@vm-sentinel/core/PidNamespaces"
import {
  compareFirstProcesses,
  type FirstProcess,
  type HostIdentity,
  initialPidNamespace,
  Pid
} from "@vm-sentinel/core/ProcessIdentity"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Effect from "effect/Effect"
import { expectErrno } from "../Kernel.ts"
import type * as Pidfd from "../Pidfd.ts"
import * as ProcStat from "../ProcStat.ts"
import * as ProcStatus from "../ProcStatus.ts"
import * as Procfs from "./procfs.ts"

const incomplete = (why: string): NamespaceProof => ({ _tag: "Incomplete", why })

const unreadable = "a process can't be looked into: it needs root"

/** Maximum number of attempts at an entry that can't be read although its process still exists. */
const attempts = 3

/** The result of reading an entry. `value: undefined`: the process is gone. `unreadable`: the process may exist. */
type Entry<A> = { readonly value: A | undefined } | "unreadable"

const readEntry = <A>(source: Procfs.Source, number: string, get: () => A | undefined): Entry<A> => {
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      const value = get()
      if (value !== undefined) return { value }
    } catch (error) {
      const errno = expectErrno(error)
      if (errno !== "ENOENT" && errno !== "ESRCH") return "unreadable"
    }
    // A process has no namespace for a moment while one of its threads runs execve(2). Only a missing `/proc/<pid>`
    // shows that the process is gone.
    try {
      if (!source.kernel.exists(`${source.root}/${number}`)) return { value: undefined }
    } catch (error) {
      expectErrno(error)
      return "unreadable"
    }
  }
  return "unreadable"
}

const valueOf = <A>(entry: Entry<A>): A | undefined => (entry === "unreadable" ? undefined : entry.value)

/**
 * Opens `file` of a process, runs `lookUp`, then reads the open file. That read succeeds only while the process has its
 * PID. Everything that `lookUp` found by the PID therefore belongs to the process.
 */
const readPinned = <A, B>(
  source: Procfs.Source,
  number: string,
  file: "stat" | "status",
  lookUp: () => A,
  from: (bytes: Uint8Array, lookedUp: A) => B | undefined
): Entry<B> =>
  readEntry(source, number, () => {
    const fd = source.kernel.open(`${source.root}/${number}/${file}`)
    try {
      const lookedUp = lookUp()
      const bytes = Procfs.readWhole(source, fd)
      return bytes === undefined ? undefined : from(bytes, lookedUp)
    } finally {
      source.kernel.close(fd)
    }
  })

const pidsIn = (bytes: Uint8Array): ReadonlyArray<number> | undefined => {
  const { pids } = ProcStatus.parse(bytes)
  return pids === undefined || pids.includes(0) ? undefined : pids
}

const readPids = (source: Procfs.Source, number: string): Entry<ReadonlyArray<number>> =>
  readPinned(source, number, "status", () => undefined, pidsIn)

const readLink = (source: Procfs.Source, number: string): string =>
  Procfs.readLinkText(source, `${source.root}/${number}/ns/pid`)

/**
 * PIDs of the process under `number`, the outermost namespace's first. Empty if that process is in another namespace
 * than `namespace` now.
 */
const readMember = (source: Procfs.Source, number: string, namespace: string): Entry<ReadonlyArray<number>> =>
  readPinned(
    source,
    number,
    "status",
    () => readLink(source, number),
    (bytes, link) => (link === namespace ? pidsIn(bytes) : [])
  )

/**
 * The 64-bit id of a process, a zombie included. Throws an error with the errno: ESRCH for a process that was reaped.
 */
const idOf = (pidfds: Pidfd.Pidfds, number: string): bigint => {
  const fd = pidfds.open(Number(number))
  if (typeof fd === "string") throw coded(fd)
  try {
    return pidfds.inode(fd)
  } finally {
    pidfds.close(fd)
  }
}

/** The first process of the namespace, if `number` is that process. */
const readFirst = (
  source: Procfs.Source,
  pidfds: Pidfd.Pidfds | undefined,
  number: string,
  namespace: string
): FirstProcess | undefined =>
  valueOf(
    readPinned(
      source,
      number,
      "stat",
      () => ({
        isFirst: readLink(source, number) === namespace && valueOf(readPids(source, number))?.at(-1) === 1,
        id: pidfds === undefined ? undefined : idOf(pidfds, number)
      }),
      (bytes, { id, isFirst }) => {
        const startTime = ProcStat.parse(bytes)?.startTime
        if (!isFirst || startTime === undefined) return undefined
        return { startTime, ...(id === undefined ? {} : { processId64: `${id}` }) }
      }
    )
  )

const namespaceOf = (source: Procfs.Source, number: string): Entry<string> => {
  const entry = readEntry(source, number, () => readLink(source, number))
  if (entry !== "unreadable") return entry
  const pids = readPids(source, number)
  if (pids === "unreadable" || pids.value === undefined) return pids === "unreadable" ? pids : { value: undefined }
  // A process with one PID is in the namespace of the procfs, which isn't the namespace that is searched for.
  return pids.value.length === 1 ? { value: "" } : "unreadable"
}

/**
 * Why the procfs at `source.root` hides something, or may hide something because its mount can't be determined.
 * `undefined`: it hides nothing. The mount option `hidepid` of `proc(5)` hides processes, and `subset` hides other
 * files.
 */
const hiding = (source: Procfs.Source): string | undefined => {
  const table = `${source.root}/self/mountinfo`
  const bytes = Procfs.readBytes(source, table)
  if (bytes === undefined) return `${table} can't be read`
  const mounts = new TextDecoder("latin1")
    .decode(bytes)
    .split("\n")
    .filter((line) => Mounts.unescape(line.split(" ")[4] ?? "") === source.root)
  if (mounts.length === 0) return `${table} doesn't tell how ${source.root} is mounted`
  if (mounts.some((line) => !/ - proc /.test(line))) return `something else than procfs is mounted at ${source.root}`
  const [, option] = mounts.flatMap((line) => /\b((?:hidepid|subset)=\w+)/.exec(line) ?? [])
  return option === undefined ? undefined : `${source.root} is mounted with ${option}`
}

type Answer = NamespaceProof | { readonly _tag: "Process"; readonly number: number }

/** One listing of the procfs, and the facts of the reader. */
interface Reading {
  readonly source: Procfs.Source
  readonly pidfds: Pidfd.Pidfds | undefined
  readonly host: HostIdentity
  /** The reader's own PID namespace. */
  readonly own: string
  /** PIDs of all processes that the procfs shows. */
  readonly numbers: ReadonlyArray<string>
}

/** Why the reader doesn't see every process of the kernel. `undefined`: it sees them all. */
const blindness = ({ own, source }: Reading): string | undefined =>
  own === initialPidNamespace
    ? hiding(source)
    : `the processes outside of the PID namespace ${own} can't be seen from it`

/** Searches by the 64-bit id. No two processes of a boot have the same id. */
const searchId = (reading: Reading, processId64: string): Answer => {
  const { numbers, pidfds, source } = reading
  if (pidfds === undefined) return incomplete("64-bit ids of processes can't be read")
  const id = BigInt(processId64)
  let isComplete = true
  for (const number of numbers) {
    const entry = readEntry(source, number, () => idOf(pidfds, number))
    if (entry === "unreadable") isComplete = false
    else if (entry.value === id) return { _tag: "Process", number: Number(number) }
  }
  const why = isComplete ? blindness(reading) : unreadable
  return why === undefined ? { _tag: "Gone", by: "processId64" } : incomplete(why)
}

const isAnother = (
  { host: { timeOffset } }: Reading,
  { pidNamespaceInit, timeOffset: recordedOffset }: Sought,
  first: FirstProcess | undefined
): boolean => compareFirstProcesses(pidNamespaceInit, recordedOffset, first, timeOffset) === "different"

// A namespace keeps its number while it lives or is held open, and no other namespace has the number meanwhile. If a
// namespace has the recorded number and another first process, it began after the end of the recorded namespace.
const replacedByLater: NamespaceProof = { _tag: "Gone", by: "namespace" }

/**
 * Searches by the PID that the process has in its namespace. The namespace found may be a later one with the same
 * number, if its first process can't be compared. In that case the recorded process is gone, and both answers that
 * condemn are right: no process has the PID, or another process has it.
 */
const searchNamespace = (reading: Reading, sought: Sought, namespace: string): Answer => {
  const { host, numbers, own, pidfds, source } = reading
  const { pid } = sought
  if (own === namespace) {
    const isLater = namespace !== initialPidNamespace && isAnother(reading, sought, host.pidNamespaceInit)
    return isLater ? replacedByLater : { _tag: "Process", number: pid }
  }
  const entries = numbers.map((number) => ({ number, entry: namespaceOf(source, number) }))
  const isComplete = entries.every(({ entry }) => entry !== "unreadable")
  const members = entries
    .filter(({ entry }) => valueOf(entry) === namespace)
    .map(({ number }) => ({ number, entry: readMember(source, number, namespace) }))
  if (members.length === 0) {
    const why = isComplete ? blindness(reading) : unreadable
    return why === undefined ? replacedByLater : incomplete(why)
  }
  const init = members.find(({ entry }) => valueOf(entry)?.at(-1) === 1)
  if (init !== undefined && isAnother(reading, sought, readFirst(source, pidfds, init.number, namespace))) {
    return replacedByLater
  }
  const direct = members.find(({ entry }) => valueOf(entry)?.at(-1) === pid)
  if (direct !== undefined) return { _tag: "Process", number: Number(direct.number) }
  const absent: NamespaceProof = { _tag: "Found", observation: { _tag: "Absent", pid } }
  if (!isComplete || members.some(({ entry }) => entry === "unreadable")) return incomplete(unreadable)
  const hidden = hiding(source)
  if (hidden !== undefined) return incomplete(hidden)
  const level = members.map(({ entry }) => valueOf(entry)?.length ?? 0).find(Boolean)
  // All members ended meanwhile, among them the first process of the namespace. No process of a namespace outlives the
  // first.
  if (level === undefined) return absent
  // The recorded process may be in a namespace nested in this one. A writer outside of the nested one records the PID
  // that the process has at the writer's level.
  const all = numbers.map((number) => ({ number, entry: readPids(source, number) }))
  if (all.some(({ entry }) => entry === "unreadable")) return incomplete(unreadable)
  const inside = all.filter(({ entry }) => {
    const pids = valueOf(entry)
    return pids !== undefined && pids.length > level && pids[level - 1] === pid
  })
  // `/proc` doesn't show which namespace a deeper namespace is nested in. A single candidate is still enough. Only this
  // candidate can be the recorded process, and its id or its start shows whether it is.
  if (inside.length > 1) return incomplete(`${inside.length} processes of nested namespaces may be it`)
  const [only] = inside
  return only === undefined ? absent : { _tag: "Process", number: Number(only.number) }
}

const search = (reading: Reading, sought: Sought): Answer => {
  const { pidNamespace, processId64 } = sought
  const byId = processId64 === undefined ? incomplete("its 64-bit id isn't recorded") : searchId(reading, processId64)
  if (byId._tag !== "Incomplete" || pidNamespace === undefined) return byId
  return searchNamespace(reading, sought, pidNamespace)
}

const doubtOf = (source: Procfs.Source): string | undefined =>
  (Procfs.checkType(source) ?? Procfs.checkNamespace(source))?.detail

/**
 * Searches the whole kernel for a process, in any PID namespace. A search reads `/proc` once, which takes a few µs for
 * each process of the kernel.
 *
 * A record says "PID 7 of namespace `pid:[4026532200]`, id 4711". A process keeps its namespace, all its PIDs and its
 * 64-bit id for life. A process that lives during a whole reading of `/proc` is in that reading, and a process that
 * isn't in it was gone before the reading ended. One reading is enough, if the record was read before the reading
 * began.
 *
 * - `Found`: the process with the id is visible, or the one with the PID in the namespace is. Or another process of the
 *   namespace is visible, and neither `hidepid` nor a missing right hides any. Then all processes of the namespace are
 *   visible, by `pid_namespaces(7)`. The observation is of the process that has the PID in the namespace, under the
 *   *reader's* PID for that process, or `Absent` if no process has the PID. In the reader's own namespace the PID
 *   itself is observed.
 * - `Gone` by `processId64`: every process of the kernel was looked at, and none has the id. This proof needs the
 *   procfs of the initial PID namespace without `hidepid`, native code and Linux 6.9, but no privilege.
 * - `Gone` by `namespace`, in one of two ways. Either every process was looked at, and none is in the namespace. That
 *   needs the same procfs, and the right to read `ns/pid` of every process outside of the initial namespace. Or a later
 *   namespace has the number, as its first process shows. That needs the right to read this one process. The recorded
 *   process is gone even if a namespace file is still held open or mounted.
 * - `Incomplete`: everything else.
 */
export const make = (
  source: Procfs.Source,
  inspector: ProcessInspector["Service"]
): (typeof PidNamespaces)["Service"] => {
  let proven: Procfs.Proven | undefined
  const ask = (host: HostIdentity, sought: Sought): Answer => {
    const early = doubtOf(source)
    if (early !== undefined) return incomplete(early)
    const own = Procfs.readNamespace(source, "pid")
    const numbers = Procfs.listProcesses(source)
    if (own === undefined || numbers === undefined) return incomplete(`${source.root} can't be read`)
    const { isTransient, pidfds } = proven ?? Procfs.provePidfds(source)
    if (!isTransient) proven = { isTransient, pidfds }
    const answer = search({ source, pidfds, host, own, numbers }, sought)
    // Another procfs may have been mounted meanwhile.
    const late = doubtOf(source)
    return late === undefined ? answer : incomplete(late)
  }
  return {
    prove: Effect.fnUntraced(function* (sought, wanted) {
      const answer = ask(yield* inspector.host, sought)
      if (answer._tag !== "Process") return answer
      return { _tag: "Found", observation: yield* inspector.observe(Pid.make(answer.number), wanted) }
    })
  }
}
