/**
 * Facts that the model has and the programs don't: who lives, who owns which directory, and which sweep can prove which
 * death.
 */
import { Effect, Result } from "effect"
import { Disk } from "../../src/Disk.ts"
import { ProcessInspector } from "../../src/ProcessInspector.ts"
import * as Sentinel from "../../src/Sentinel.ts"
import * as SentinelName from "../../src/SentinelName.ts"
import { FakeProcessTable } from "../../src/testing/FakeProcessTable.ts"
import { MemoryDisk, type Node } from "../../src/testing/MemoryDisk.ts"
import type * as Simulation from "../../src/testing/Simulation.ts"
import { at, type Kernel, type Mount, type Place, tableOf, type Tree, trees } from "./modelKernels.ts"

export interface Owner {
  readonly actor: Simulation.Actor
  /** Identifies the process and is never reused. The programs never see it. */
  readonly id: string
  readonly place: Place
  readonly processId64: string
}

/** A record with the facts at the time of its writing. */
export interface Written {
  readonly owner: Owner
  readonly boot: number
  readonly superblock: string
  /** Identity of the directory, see {@link identityOf}. */
  readonly identity: string
  /** Whether the owner's process holds the lock. Once the process has released the lock, the lock proves nothing. */
  holdsLock: boolean
}

export type Snapshot = Readonly<Record<string, Node>>

export const snapshot = (tree: Tree) => MemoryDisk.use((memory) => memory.snapshot(trees[tree]))

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"))
const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** Identifies a file or directory. No other one, and no copy, ever has this identity. */
export const identityOf = (tree: Tree, node: Node | undefined): string | undefined =>
  node === undefined ? undefined : `${tree} ${node.ino} ${node.birth}`

export const isAlive = ({ id, place }: Owner) => tableOf(place.kernel).isAlive(id)

export interface Recorded {
  readonly directory: string
  readonly sentinel: Sentinel.Sentinel | undefined
}

/** The sentinels in a directory and below. */
export const recordsIn = (found: Snapshot, directory: string): ReadonlyArray<Recorded> =>
  Object.entries(found).flatMap(([path, { content = "", type }]) => {
    if (type === "directory" || !path.startsWith(`${directory}/`) || !SentinelName.isSentinel(nameOf(path))) return []
    const parsed = Sentinel.parse(new TextEncoder().encode(content))
    return [{ directory: parentOf(path), sentinel: Result.getOrUndefined(parsed) }]
  })

/** The 64-bit ids of all processes on a kernel. The next boot reuses the ids of an earlier one. */
const livingIds = Effect.fnUntraced(function* ({ places }: Kernel) {
  const ids = new Set<string>()
  for (const place of places) {
    const inside = yield* at(place)(
      Effect.gen(function* () {
        const [inspector, table] = [yield* ProcessInspector, yield* FakeProcessTable]
        const observed = yield* Effect.forEach(yield* table.pids, (pid) => Effect.option(inspector.identify(pid)))
        return observed.flatMap((process) => (process._tag === "Some" ? [process.value.processId64] : []))
      })
    )
    for (const id of inside) if (id !== undefined) ids.add(id)
  }
  return ids
})

/** The place of a sweep and the mount through which the sweep reaches the tree. */
export interface Stand {
  readonly place: Place
  readonly mount: Mount
}

/**
 * Whether a sweep can prove that an owner is dead. A sweep compares only data in a frame that it shares with the owner.
 */
const isProvable = (
  { boot, holdsLock, identity, owner, superblock }: Written,
  { mount, place }: Stand,
  directory: string | undefined,
  living: ReadonlySet<string>
): boolean => {
  const { kernel } = place
  // A copy, another view of the tree, or another kernel shares no frame.
  if (identity !== directory || superblock !== mount.superblock || owner.place.kernel !== kernel) return false
  const isSameBoot = boot === kernel.boots
  const areBootsKnown = !owner.place.isCovered && !place.isCovered
  const isOneMachine = !kernel.isVirtual && owner.place.hostname === place.hostname
  // An overlay counts as one kernel's only within one boot.
  const isOfOneKernel = mount.oneKernel && (mount.isLasting || (areBootsKnown && isSameBoot))
  if (!isOfOneKernel && !(areBootsKnown && isOneMachine)) return false
  if (areBootsKnown && !isSameBoot) return true
  if (kernel.isHiding) return false
  // A process of this boot may have the 64-bit id that the owner had in an earlier boot.
  if (!isSameBoot && living.has(owner.processId64)) return false
  const isInReach = isSameBoot && owner.place.namespace === place.namespace
  return isInReach || place.isHost || (isOfOneKernel && holdsLock)
}

/** Names of the directories in the root that a sweep can prove dead. */
export const provable = Effect.fnUntraced(function* (
  written: ReadonlyMap<string, Written>,
  names: ReadonlyArray<string>,
  stand: Stand
) {
  const { mount, place } = stand
  const root = trees[mount.tree]
  const found = yield* snapshot(mount.tree)
  const living = yield* livingIds(place.kernel)
  const isDead = Effect.fnUntraced(function* ({ directory, sentinel }: Recorded) {
    if (sentinel === undefined) return false
    if (sentinel._tag !== "V3") {
      const seen = yield* at(place)(ProcessInspector.use(({ observe }) => observe(sentinel.pid)))
      return seen._tag === "Absent" && place.isHost && mount.oneKernel
    }
    const record = written.get(sentinel.record.nonce)
    if (record === undefined || (yield* isAlive(record.owner))) return false
    const { probeLock } = yield* Disk
    const isFree = (yield* probeLock(`${mount.path}${directory.slice(root.length)}`)) === "free"
    return isFree && isProvable(record, stand, identityOf(mount.tree, found[directory]), living)
  })
  const gone: Array<string> = []
  for (const name of names) {
    const records = recordsIn(found, `${root}/${name}`)
    const isOurs = records.some(({ directory }) => directory === `${root}/${name}`)
    const areDead = yield* Effect.forEach(records, isDead)
    if (isOurs && !areDead.includes(false)) gone.push(name)
  }
  return gone
})
