/**
 * Predicts what a sweep of a root can prove. Judges records that don't exist, with the functions of a sweep, and by the
 * present answers of this kernel and this file system.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import type { JudgeOptions } from "./Cleanup.ts"
import { type SentinelFile, tagOf } from "./DirectoryState.ts"
import { fileToken, toRecord } from "./DirectoryFrame.ts"
import type { HeldLock } from "./Disk.ts"
import { Compared } from "./Evidence.ts"
import type { Ground } from "./Ground.ts"
import { type JudgeContext, makeContext, observeOwner } from "./internal/sweep/judgeDirectory.ts"
import { ownerInputs, type Reader } from "./JudgeInputs.ts"
import { decide, type Decision } from "./Judgement.ts"
import type { LockState } from "./LockState.ts"
import type { Observation } from "./Observation.ts"
import { type NamespaceProof, PidNamespaces } from "./PidNamespaces.ts"
import { type HostIdentity, Pid, type ProcessIdentity } from "./ProcessIdentity.ts"
import { ProcessInspector } from "./ProcessInspector.ts"
import { Answer, Reason } from "./Reason.ts"
import type { Root } from "./Root.ts"
import { lockRecord, type RecordV3, type Sentinel } from "./Sentinel.ts"
import * as SentinelName from "./SentinelName.ts"
import type { SentinelStore } from "./SentinelStore.ts"

/**
 * An owner that has ended. It recorded itself in a directory of the root, as a process like the caller would have.
 *
 * - `crashed`: the owner ended in the caller's PID namespace, in this boot. `crashed-held`: the owner also held the
 *   directory's lock.
 * - `rebooted`: the owner ended before the machine booted.
 * - `restarted`: the owner ended together with its PID namespace, such as that of a container. `restarted-held`: the
 *   owner also held the lock.
 * - `v1`: the owner wrote a v1 sentinel, with its PID alone.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Case = Schema.Literals(["crashed", "crashed-held", "rebooted", "restarted", "restarted-held", "v1"])
export type Case = typeof Case.Type

/**
 * The judgement that the owner of a {@link Case} would get now. `dead`: the owner's directory would be removed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Prospect = Schema.Struct({
  case: Case,
  verdict: Answer,
  reason: Reason,
  evidence: Schema.Record(Schema.String, Compared)
})
export type Prospect = typeof Prospect.Type

/** A PID that no process has. Linux gives PIDs up to 4194304, macOS up to 99999. */
const absentPid = Pid.make(2_147_483_647)

/** A boot id that no kernel gives, a PID namespace that no process is in, and ids that no process has. */
const otherBootId = "00000000-0000-0000-0000-000000000000"
const otherNamespace = "pid:[0]"
const otherProcess = { startTime: "0" }
const otherId = "0"

/**
 * The kernel's answers about processes that don't exist. `absent`: the answer about an unused PID. `byNamespace`: the
 * result of a search of the whole kernel for a process of an unused PID namespace. `byId`: the result of a search for
 * an unused 64-bit id.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sight {
  readonly absent: Observation
  readonly byNamespace: NamespaceProof
  readonly byId: NamespaceProof
}

/**
 * Asks the kernel about a PID, a PID namespace and a 64-bit id that no process has. A reader that sees enough gets
 * `Absent`, and `Gone` from both searches.
 *
 * **Example** (Asking as a reader that sees every process)
 *
 * ```ts
 * import * as Prospect from "@vm-sentinel/core/Prospect"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const { absent, byNamespace } = await Effect.runPromise(Effect.provide(Prospect.sight, Simulation.layer))
 * assert.deepStrictEqual([absent._tag, byNamespace._tag], ["Absent", "Gone"])
 * ```
 *
 * @category judging
 * @since 0.1.0
 */
export const sight: Effect.Effect<Sight, never, ProcessInspector> = Effect.gen(function* () {
  const inspector = yield* ProcessInspector
  const { prove } = yield* PidNamespaces
  const pid = absentPid
  return {
    absent: yield* inspector.observe(pid, "existence"),
    byNamespace: yield* prove({ pid, pidNamespace: otherNamespace, pidNamespaceInit: otherProcess }, "existence"),
    byId: yield* prove({ pid, processId64: otherId }, "existence")
  }
})

type Draft = Omit<SentinelFile, "content">

/** A sentinel file for the judgement, with the id and the birth time of the root, and the present time. */
const fileOf = (now: DateTime.DateTime, { frame: { birth, id } }: Ground): Draft => {
  const time = DateTime.toEpochMillis(now)
  return {
    entry: SentinelName.defaultName,
    id,
    ...(birth === undefined ? {} : { birth }),
    size: 0,
    writtenAt: time,
    changedAt: time,
    bytes: undefined
  }
}

type Recorded = Omit<RecordV3, "lock">

/** The record of an owner in this boot and this PID namespace. The record lacks the data that can't be read here. */
const recordOf = (
  host: HostIdentity,
  self: Option.Option<ProcessIdentity>,
  now: DateTime.DateTime,
  ground: Ground
): Recorded => {
  const directory = toRecord(ground.frame, fileToken(fileOf(now, ground)))
  const hasId = Option.isSome(self) && self.value.processId64 !== undefined
  return {
    v: 3,
    nonce: "00000000",
    role: "owner",
    createdAt: DateTime.formatIso(now),
    ...otherProcess,
    ...(hasId ? { processId64: otherId } : {}),
    ...Struct.pick(host, ["bootId", "hostname", "machineId", "pidNamespace", "pidNamespaceInit", "timeOffset"]),
    ...(directory === undefined ? {} : { directory })
  }
}

const sentinelsOf = (
  host: HostIdentity,
  record: Recorded,
  lock: Pick<HeldLock, "tested" | "outlivesThread"> | undefined
): ReadonlyArray<readonly [Case, Sentinel]> => {
  const pid = absentPid
  const v3 = (record: RecordV3): Sentinel => ({ _tag: "V3", pid, record })
  const held = lockRecord(lock, "self")
  const later = { ...record, ...(host.pidNamespaceInit === undefined ? {} : { pidNamespaceInit: otherProcess }) }
  const elsewhere = { ...record, pidNamespace: otherNamespace, pidNamespaceInit: otherProcess }
  const hasNamespaces = host.namespaces !== "none"
  const hasLock = held.lock !== undefined
  const all: ReadonlyArray<readonly [boolean, Case, Sentinel]> = [
    [true, "crashed", v3(record)],
    [hasLock, "crashed-held", v3({ ...record, ...held })],
    [true, "rebooted", v3(host.bootId === undefined ? later : { ...later, bootId: otherBootId })],
    [hasNamespaces, "restarted", v3(elsewhere)],
    [hasNamespaces && hasLock, "restarted-held", v3({ ...elsewhere, ...held })],
    [true, "v1", { _tag: "V1", pid }]
  ]
  return all.flatMap(([isAsked, name, sentinel]) => (isAsked ? [[name, sentinel] as const] : []))
}

/**
 * The state of the root's own lock says nothing about the locks of its directories. It only shows that locks can be
 * probed here.
 */
const ofDirectories = (state: LockState | undefined): LockState | undefined =>
  state === undefined || state === "unknown" ? state : "free"

const foreseeOne = Effect.fnUntraced(function* (
  context: JudgeContext,
  path: string,
  reader: Reader,
  file: SentinelFile,
  sentinel: Sentinel
): Effect.fn.Return<Decision> {
  const observed = yield* observeOwner(context, reader, path, file, sentinel)
  const lock = yield* context.probeLock(path)
  const { content, entry, size, writtenAt } = file
  return decide({
    ...reader,
    path,
    kind: { _tag: "Directory" },
    subjects: [{ entry, size, writtenAt, tag: tagOf(file), content, ...ownerInputs(file, observed) }],
    foreign: [],
    ...(lock === undefined ? {} : { lock })
  })
})

/**
 * Judges one owner of each {@link Case} that can occur here: `restarted` needs PID namespaces, `-held` needs a lock.
 * Reads the kernel's answers and the state of the root's own lock. Condemns nothing, because the judged directories
 * don't exist. `lock`: the lock as an owner here would hold it. `undefined`: an owner here can't hold it.
 *
 * **Example** (Asking what can be proved on NFS)
 *
 * ```ts
 * import * as Ground from "@vm-sentinel/core/Ground"
 * import * as Prospect from "@vm-sentinel/core/Prospect"
 * import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/vm/disk": "" })
 *   const root = yield* SentinelStore.use((store) => store.openRoot("/srv/vms"))
 *   const prospects = yield* Prospect.foresee(root, yield* Ground.of(root), undefined)
 *   return prospects.map(({ case: name, reason, verdict }) => `${name}: ${verdict}, ${reason}`)
 * })
 *
 * const machine = Simulation.layerWith({ fileSystem: "nfs4", table: { virtualMachine: true } })
 * const [crashed] = await Effect.runPromise(Effect.provide(program, machine))
 * assert.strictEqual(crashed, "crashed: unknown, machine-unknown")
 * ```
 *
 * @category judging
 * @since 0.1.0
 */
export const foresee: (
  root: Root,
  ground: Ground,
  lock: Pick<HeldLock, "tested" | "outlivesThread"> | undefined,
  options?: JudgeOptions
) => Effect.Effect<ReadonlyArray<Prospect>, never, ProcessInspector | SentinelStore> = Effect.fn("Prospect.foresee")(
  function* ({ path }, ground, lock, options = {}) {
    const made = yield* makeContext(options)
    const context = { ...made, probeLock: (path: string) => Effect.map(made.probeLock(path), ofDirectories) }
    const host = yield* context.host
    const self = yield* Effect.option(context.inspector.self)
    const now = yield* DateTime.now
    const reader: Reader = { host, frame: ground.frame, knowledge: context.knowledge }
    const file = fileOf(now, ground)
    return yield* Effect.forEach(sentinelsOf(host, recordOf(host, self, now, ground), lock), ([name, sentinel]) =>
      Effect.map(
        foreseeOne(context, path, reader, { ...file, content: Result.succeed(sentinel) }, sentinel),
        ({ evidence, reason, verdict }): Prospect => ({ case: name, verdict, reason, evidence })
      )
    )
  }
)
