/**
 * What a reader that sees every process can say about a process that can't be looked up by its PID.
 *
 * @since 0.1.0
 */
import { coded } from "@vm-sentinel/core/Errno"
import * as Mounts from "@vm-sentinel/core/Mounts"
import { type NamespaceProof, PidNamespaces, type Sought } from "@vm-sentinel/core/PidNamespaces"
import {
  compareFirstProcesses,
  type FirstProcess,
  type HostIdentity,
  initialPidNamespace,
  Pid
} from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Procfs from "./internal/procfs.ts"
import { expectErrno, live } from "./Kernel.ts"
import type { Options } from "./LinuxProcessInspector.ts"
import * as Pidfd from "./Pidfd.ts"
import * as ProcStat from "./ProcStat.ts"
import * as ProcStatus from "./ProcStatus.ts"

const incomplete: NamespaceProof = { _tag: "Incomplete" }

/** How often an entry that can't be read, though it is still there, is tried. */
const attempts = 3

/** A value that was read; `undefined`: the process is gone. */
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
    // A process whose thread is running execve(2) has, for a moment, no namespace.
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
 * Opens `file` of a process, runs `lookUp`, then reads the file. The read succeeds only while the process has its number: all
 * that `lookUp` found by the number is the process's own.
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

/** Numbers of a process of the namespace; none where the number has become another's. */
const readMember = (source: Procfs.Source, number: string, namespace: string): Entry<ReadonlyArray<number>> =>
  readPinned(
    source,
    number,
    "status",
    () => readLink(source, number),
    (bytes, link) => (link === namespace ? pidsIn(bytes) : [])
  )

/** A process's 64-bit id. An exited process has none. */
const idOf = (pidfds: Pidfd.Pidfds, number: string): bigint => {
  const fd = pidfds.open(Number(number))
  if (typeof fd === "string") throw coded(fd)
  try {
    return pidfds.inode(fd)
  } finally {
    pidfds.close(fd)
  }
}

/** The first process of the namespace, if it is the one under `number`. */
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
  // A process with one number is of the namespace of the procfs, and that isn't the one asked for.
  return pids.value.length === 1 ? { value: "" } : "unreadable"
}

/** Whether each procfs mounted at the root shows every process: options of `proc(5)` hide some, or all but numbers. */
const showsAll = (source: Procfs.Source): boolean => {
  const bytes = Procfs.readBytes(source, `${source.root}/self/mountinfo`)
  if (bytes === undefined) return false
  const mounts = new TextDecoder("latin1")
    .decode(bytes)
    .split("\n")
    .filter((line) => Mounts.unescape(line.split(" ")[4] ?? "") === source.root)
  return mounts.length > 0 && mounts.every((line) => / - proc /.test(line) && !/hidepid=|subset=/.test(line))
}

type Answer = NamespaceProof | { readonly _tag: "Process"; readonly number: number }

/** One reading of the procfs, and who asks. */
interface Reading {
  readonly source: Procfs.Source
  readonly pidfds: Pidfd.Pidfds | undefined
  readonly host: HostIdentity
  /** The reader's own PID namespace. */
  readonly own: string
  readonly numbers: ReadonlyArray<string>
}

const seesAll = ({ own, source }: Reading): boolean => own === initialPidNamespace && showsAll(source)

/** By the 64-bit id, which only one process of the boot ever has. */
const searchId = (reading: Reading, processId64: string): Answer => {
  const { numbers, pidfds, source } = reading
  if (pidfds === undefined) return incomplete
  const id = BigInt(processId64)
  let isComplete = true
  for (const number of numbers) {
    const entry = readEntry(source, number, () => idOf(pidfds, number))
    if (entry === "unreadable") isComplete = false
    else if (entry.value === id) return { _tag: "Process", number: Number(number) }
  }
  return isComplete && seesAll(reading) ? { _tag: "Gone", by: "processId64" } : incomplete
}

const isAnother = (
  { host: { timeOffset } }: Reading,
  { pidNamespaceInit, timeOffset: recordedOffset }: Sought,
  first: FirstProcess | undefined
): boolean => compareFirstProcesses(pidNamespaceInit, recordedOffset, first, timeOffset) === "different"

// While a namespace lives, or is held open, no other one gets its number: one that has it, with another first process, came
// after the recorded one's end.
const succeeded: NamespaceProof = { _tag: "Gone", by: "namespace" }

/**
 * By the number that the process has in its namespace. The namespace that is found may be a later one with the same number,
 * if its first process can't be compared. Then the recorded process is gone, and each answer that condemns is right: that
 * nothing has the PID, and that another process has it.
 */
const searchNamespace = (reading: Reading, sought: Sought, namespace: string): Answer => {
  const { host, numbers, own, pidfds, source } = reading
  const { pid } = sought
  if (own === namespace) {
    const isLater = namespace !== initialPidNamespace && isAnother(reading, sought, host.pidNamespaceInit)
    return isLater ? succeeded : { _tag: "Process", number: pid }
  }
  const entries = numbers.map((number) => ({ number, entry: namespaceOf(source, number) }))
  const isComplete = entries.every(({ entry }) => entry !== "unreadable")
  const members = entries
    .filter(({ entry }) => valueOf(entry) === namespace)
    .map(({ number }) => ({ number, entry: readMember(source, number, namespace) }))
  if (members.length === 0) return isComplete && seesAll(reading) ? succeeded : incomplete
  const init = members.find(({ entry }) => valueOf(entry)?.at(-1) === 1)
  if (init !== undefined && isAnother(reading, sought, readFirst(source, pidfds, init.number, namespace))) {
    return succeeded
  }
  const direct = members.find(({ entry }) => valueOf(entry)?.at(-1) === pid)
  if (direct !== undefined) return { _tag: "Process", number: Number(direct.number) }
  const absent: NamespaceProof = { _tag: "Found", observation: { _tag: "Absent", pid } }
  if (!isComplete || members.some(({ entry }) => entry === "unreadable") || !showsAll(source)) return incomplete
  const level = members.map(({ entry }) => valueOf(entry)?.length ?? 0).find(Boolean)
  // All of them ended meanwhile, the namespace's first process among them, and no other outlives that.
  if (level === undefined) return absent
  // It may be a process of a namespace inside this one, recorded from outside of that.
  const all = numbers.map((number) => ({ number, entry: readPids(source, number) }))
  if (all.some(({ entry }) => entry === "unreadable")) return incomplete
  const inside = all.filter(({ entry }) => {
    const pids = valueOf(entry)
    return pids !== undefined && pids.length > level && pids[level - 1] === pid
  })
  // Which namespace a deeper one lies in isn't known. With one candidate it doesn't matter: the recorded process is that
  // one or none, and its id or start tells which.
  if (inside.length > 1) return incomplete
  const [only] = inside
  return only === undefined ? absent : { _tag: "Process", number: Number(only.number) }
}

const search = (reading: Reading, sought: Sought): Answer => {
  const { pidNamespace, processId64 } = sought
  const byId = processId64 === undefined ? incomplete : searchId(reading, processId64)
  if (byId._tag !== "Incomplete" || pidNamespace === undefined) return byId
  return searchNamespace(reading, sought, pidNamespace)
}

const isBelieved = (source: Procfs.Source): boolean =>
  Procfs.checkType(source) === undefined && Procfs.checkNamespace(source) === undefined

/**
 * As {@link layer}, of another procfs than `/proc`, or through other calls.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAt = (
  options: Pick<Options, "kernel" | "root" | "pidfds"> = {}
): Layer.Layer<never, never, ProcessInspector> =>
  Layer.effect(
    PidNamespaces,
    Effect.gen(function* () {
      const inspector = yield* ProcessInspector
      const source: Procfs.Source = {
        kernel: { ...live, ...options.kernel },
        get pidfds() {
          return options.pidfds
        },
        trees: undefined,
        root: options.root ?? "/proc",
        sysRoot: "/sys",
        machineIdFiles: [],
        buffer: new Uint8Array(Procfs.bufferBytes)
      }
      let proven: { readonly pidfds: Pidfd.Pidfds | undefined } | undefined
      const ask = (host: HostIdentity, sought: Sought): Answer => {
        if (!isBelieved(source)) return incomplete
        const own = Procfs.readNamespace(source, "pid")
        const numbers = Procfs.listProcesses(source)
        if (own === undefined || numbers === undefined) return incomplete
        const { pidfds } = (proven ??= { pidfds: Procfs.provenPidfds(source) })
        const answer = search({ source, pidfds, host, own, numbers }, sought)
        // Another procfs may have been mounted meanwhile.
        return isBelieved(source) ? answer : incomplete
      }
      return {
        prove: Effect.fnUntraced(function* (sought, wanted) {
          const answer = ask(yield* inspector.host, sought)
          if (answer._tag !== "Process") return answer
          return { _tag: "Found", observation: yield* inspector.observe(Pid.make(answer.number), wanted) }
        })
      }
    })
  )

/**
 * Looks for a process in the whole kernel, of whatever PID namespace: one reading of `/proc`, a few µs for each process of
 * the kernel, and native code where it can be loaded.
 *
 * **Details**
 *
 * A record says "PID 7 of namespace `pid:[4026532200]`, id 4711". Its process keeps its namespace, all its PIDs and its
 * 64-bit id for life. So when it lives during a whole reading of `/proc`, the reading shows it, and when the reading
 * doesn't show it, it was gone before the reading ended. No second reading is needed, but the record must have been read
 * before the first.
 *
 * - `Found`: the process with the id; or else a process of the namespace is visible, so all of them are, by
 *   `pid_namespaces(7)`. The observation is of the process with the PID, under the *reader's* number for it, or `Absent`
 *   where none has it. In the reader's own namespace it is of the PID itself.
 * - `Gone` by `processId64`: every process of the kernel was looked at, and none has the id. Needs the procfs of the initial
 *   PID namespace, without `hidepid`, native code and Linux 6.9, and no right but that.
 * - `Gone` by `namespace`: every process was looked at, and none is of the namespace; that needs the right to read `ns/pid`
 *   of every process that isn't of the initial namespace itself. Or a later namespace has the number, as its first process
 *   shows; to know that it is enough to see that one. That a namespace's file is still held open or mounted changes nothing:
 *   the recorded process isn't.
 * - `Incomplete`: anything else.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, ProcessInspector> = layerAt({
  get pidfds() {
    return Pidfd.load()
  }
})
