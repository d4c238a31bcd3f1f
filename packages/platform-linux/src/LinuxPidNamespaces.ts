/**
 * What a reader that sees every process can say about a process of another PID namespace.
 *
 * @since 0.1.0
 */
import { PidNamespaces } from "@vm-sentinel/core/PidNamespaces"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { NamespaceProof } from "@vm-sentinel/core/Verdict"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Procfs from "./internal/procfs.ts"
import { errnoOf, live } from "./Kernel.ts"
import type { Options } from "./LinuxProcessInspector.ts"
import * as ProcStatus from "./ProcStatus.ts"

/** `PROC_PID_INIT_INO` of `linux/proc_ns.h`. */
const initialNamespace = "pid:[4026531836]"

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
      const errno = errnoOf(error)
      if (errno !== "ENOENT" && errno !== "ESRCH") return "unreadable"
    }
    // A process whose thread is running execve(2) has, for a moment, no namespace.
    try {
      if (!source.kernel.exists(`${source.root}/${number}`)) return { value: undefined }
    } catch (error) {
      errnoOf(error)
      return "unreadable"
    }
  }
  return "unreadable"
}

const pidsOf = (source: Procfs.Source, number: string): Entry<ReadonlyArray<number>> =>
  readEntry(source, number, () => {
    const bytes = Procfs.readBytes(source, `${source.root}/${number}/status`)
    const pids = bytes === undefined ? undefined : ProcStatus.parse(bytes).pids
    return pids === undefined || pids.includes(0) ? undefined : pids
  })

const namespaceOf = (source: Procfs.Source, number: string): Entry<string> => {
  const entry = readEntry(source, number, () => Procfs.readLinkText(source, `${source.root}/${number}/ns/pid`))
  if (entry !== "unreadable") return entry
  const pids = pidsOf(source, number)
  if (pids === "unreadable" || pids.value === undefined) return pids === "unreadable" ? pids : { value: undefined }
  // A process with one number is of the namespace of the procfs, and that isn't the one asked for.
  return pids.value.length === 1 ? { value: "" } : "unreadable"
}

const unescape = (path: string): string =>
  path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** Whether each procfs mounted at the root shows every process: options of `proc(5)` hide some, or all but numbers. */
const showsAll = (source: Procfs.Source): boolean => {
  const bytes = Procfs.readBytes(source, `${source.root}/self/mountinfo`)
  if (bytes === undefined) return false
  const mounts = new TextDecoder("latin1")
    .decode(bytes)
    .split("\n")
    .filter((line) => unescape(line.split(" ")[4] ?? "") === source.root)
  return mounts.length > 0 && mounts.every((line) => / - proc /.test(line) && !/hidepid=|subset=/.test(line))
}

interface Reading {
  readonly numbers: ReadonlyArray<string>
  /** Of the namespace itself, not of one inside it. */
  readonly members: ReadonlyArray<string>
  readonly complete: boolean
}

const readAll = (source: Procfs.Source, namespace: string): Reading | undefined => {
  let names: ReadonlyArray<string>
  try {
    names = source.kernel.list(source.root)
  } catch (error) {
    errnoOf(error)
    return undefined
  }
  const numbers = names.filter((name) => /^[0-9]+$/.test(name))
  const entries = numbers.map((number) => ({ number, entry: namespaceOf(source, number) }))
  return {
    numbers,
    members: entries.flatMap(({ entry, number }) =>
      entry !== "unreadable" && entry.value === namespace ? [number] : []
    ),
    complete: entries.every(({ entry }) => entry !== "unreadable")
  }
}

type Answer = NamespaceProof | { readonly _tag: "Process"; readonly number: number }

const search = (source: Procfs.Source, namespace: string, pid: Pid): Answer => {
  if (Procfs.checkType(source) !== undefined || Procfs.checkNamespace(source) !== undefined) return incomplete
  const own = Procfs.readFacts(source).pidNamespace
  if (own === undefined || own === namespace) return incomplete
  const reading = readAll(source, namespace)
  if (reading === undefined) return incomplete
  const whole = reading.complete && showsAll(source)
  if (reading.members.length === 0) {
    return whole && own === initialNamespace ? { _tag: "Gone" } : incomplete
  }
  const pidsByNumber = (numbers: ReadonlyArray<string>) =>
    numbers.map((number) => ({ number, entry: pidsOf(source, number) }))
  const members = pidsByNumber(reading.members)
  const direct = members.find(({ entry }) => entry !== "unreadable" && entry.value?.at(-1) === pid)
  if (direct !== undefined) return { _tag: "Process", number: Number(direct.number) }
  const absent: NamespaceProof = { _tag: "Found", observation: { _tag: "Absent", pid } }
  if (!whole || members.some(({ entry }) => entry === "unreadable")) return incomplete
  const level = members.flatMap(({ entry }) => (entry === "unreadable" ? [] : [entry.value?.length ?? 0])).find(Boolean)
  // All of them ended meanwhile, the namespace's first process among them, and no other outlives that.
  if (level === undefined) return absent
  // It may be a process of a namespace inside this one, recorded from outside of that.
  const all = pidsByNumber(reading.numbers)
  if (all.some(({ entry }) => entry === "unreadable")) return incomplete
  const inside = all.filter(
    ({ entry }) =>
      entry !== "unreadable" &&
      entry.value !== undefined &&
      entry.value.length > level &&
      entry.value[level - 1] === pid
  )
  // Which namespace a deeper one lies in isn't known. With one candidate it doesn't matter: the recorded process is that
  // one or none, and its id or start tells which.
  if (inside.length > 1) return incomplete
  const [only] = inside
  return only === undefined ? absent : { _tag: "Process", number: Number(only.number) }
}

/**
 * As {@link layer}, of another procfs than `/proc`, or through other calls.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAt = (options: Pick<Options, "kernel" | "root"> = {}): Layer.Layer<never, never, ProcessInspector> =>
  Layer.effect(
    PidNamespaces,
    Effect.gen(function* () {
      const inspector = yield* ProcessInspector
      const source: Procfs.Source = {
        kernel: { ...live, ...options.kernel },
        pidfds: undefined,
        root: options.root ?? "/proc",
        machineIdFiles: []
      }
      return {
        prove: Effect.fnUntraced(function* (pidNamespace, pid, wanted) {
          const answer = search(source, pidNamespace, pid)
          if (answer._tag !== "Process") return answer
          return { _tag: "Found", observation: yield* inspector.observe(Pid.make(answer.number), wanted) }
        })
      }
    })
  )

/**
 * Looks for the process that has a PID in another PID namespace: one reading of `/proc`, about 4 µs for each process of
 * the kernel.
 *
 * **Details**
 *
 * A record says "PID 7 of namespace `pid:[4026532200]`". Its process keeps its namespace and all its PIDs for life. So
 * when it lives during a whole reading of `/proc`, the reading shows it, and when the reading doesn't show it, it was
 * gone before the reading ended. No second reading is needed, but the record must have been read before the first.
 *
 * - `Found`: a process of the namespace is visible, so all of them are, by `pid_namespaces(7)`. The observation is of the
 *   process with the PID, under the *reader's* number for it, or `Absent` where none has it. A namespace's own number may
 *   be used again after its end; then this is another process, and its id or start says so.
 * - `Gone`: every process of the kernel was looked at, and none is of the namespace. That its file is still held open or
 *   mounted changes nothing: the recorded process isn't. Needs the procfs of the initial PID namespace, without
 *   `hidepid`, and the right to read `ns/pid` of every process that isn't of the initial namespace itself.
 * - `Incomplete`: anything else.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, ProcessInspector> = layerAt()
