/** Finds the processes that hold the `flock(2)` of a directory, by `/proc/locks` and `/proc/<pid>/fdinfo`. */
import type { FileId } from "@vm-sentinel/core/FileId"
import { isPid } from "@vm-sentinel/core/ProcessIdentity"
import * as Slices from "@vm-sentinel/core/Slices"
import * as Effect from "effect/Effect"
import { expectErrno } from "../Kernel.ts"
import { checkNamespace, checkType, listProcesses, readBytes, type Source } from "./procfs.ts"
import { deviceOf } from "./stat.ts"

const latin1 = new TextDecoder("latin1")

/**
 * A lock in `fdinfo`, as `proc_locks(5)` formats it. The kernel shows the line for each descriptor of the open file
 * that has the lock. Group: PID of the process that took it. Inside of a container it is 0 once that process has ended.
 */
const flockLine = /^lock:.* FLOCK +\S+ +\S+ +(\d+) /m

/**
 * A `flock(2)` lock in `/proc/locks`. Groups: PID of the process that took the lock, device (major, minor) and inode of
 * the file.
 */
const lockLine = /^\d+: FLOCK +\S+ +\S+ +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /gm

const attempt = <A>(get: () => A): A | undefined => {
  try {
    return get()
  } catch (error) {
    expectErrno(error)
    return undefined
  }
}

/**
 * The PID under which a descriptor's lock was taken. `undefined`: the descriptor doesn't have the lock. Compares the ids
 * of `stat(2)`. The device in the `lock:` line can't be used, because on btrfs it differs from that of `stat(2)`.
 */
const takerOf = (source: Source, pid: number, descriptor: string, { dev, ino }: FileId): number | undefined => {
  const { kernel, root } = source
  const info = readBytes(source, `${root}/${pid}/fdinfo/${descriptor}`)
  const taker = info === undefined ? undefined : flockLine.exec(latin1.decode(info))?.[1]
  if (taker === undefined) return undefined
  const file = attempt(() => kernel.fileId(`${root}/${pid}/fd/${descriptor}`))
  return file !== undefined && `${file.dev}` === dev && `${file.ino}` === ino ? Number(taker) : undefined
}

/**
 * Number of descriptors by which a process holds the lock, of those whose open files `isMeant` accepts, given the PID
 * under which a file's lock was taken. `undefined`: its descriptors can't be listed, such as those of another user's
 * process or of one that has ended.
 */
const count = Effect.fnUntraced(function* (
  source: Source,
  pid: number,
  directory: FileId,
  pace: Effect.Effect<void>,
  isMeant: (taker: number) => boolean = () => true
) {
  const descriptors = attempt(() => source.kernel.list(`${source.root}/${pid}/fdinfo`))
  if (descriptors === undefined) return undefined
  let found = 0
  for (const descriptor of descriptors) {
    const taker = takerOf(source, pid, descriptor, directory)
    if (taker !== undefined && isMeant(taker)) found += 1
    yield* pace
  }
  return found
})

/**
 * The processes that took the lock and hold it, or may hold it because their descriptors can't be listed. Each has the
 * number of open files that were locked under its PID, less that of its own descriptors. `/proc/locks` names the process
 * that took a lock, not the processes that inherited it. Everybody may read the file.
 */
const takers = Effect.fnUntraced(function* (source: Source, directory: FileId, pace: Effect.Effect<void>) {
  const bytes = readBytes(source, `${source.root}/locks`)
  const found = new Map<number, number>()
  for (const [, pid, major = "", minor = "", ino] of latin1.decode(bytes).matchAll(lockLine)) {
    const number = Number(pid)
    if (ino !== directory.ino || !isPid(number)) continue
    const known = found.get(number)
    if (known !== undefined) {
      found.set(number, known + 1)
      continue
    }
    const isSameDevice = deviceOf(Number.parseInt(major, 16), Number.parseInt(minor, 16)) === directory.dev
    // `/proc/locks` keeps the PID of a process that has ended, as long as another process has the lock's open file.
    const isThere = source.kernel.exists(`${source.root}/${number}`)
    const own = isThere ? ((yield* count(source, number, directory, pace)) ?? (isSameDevice ? 1 : 0)) : 0
    if (own > 0) found.set(number, 1 - own)
  }
  return found
})

/**
 * The PIDs of the holders, ascending. `some`: the processes that took the lock or, if none of these has it, those that
 * inherited it. `all`: the same for each open file that has the lock. A taker whose `fdinfo` can't be listed counts as a
 * holder if `/proc/locks` has the device of `stat(2)`. Other processes without a readable `fdinfo` are left out.
 */
export const lockHolders = Effect.fnUntraced(function* (source: Source, directory: FileId, wanted: "some" | "all") {
  if (checkType(source) !== undefined || checkNamespace(source) !== undefined) return []
  const pace = yield* Slices.makePace
  const taken = yield* takers(source, directory, pace)
  const holders = new Set<number>(taken.keys())
  // The PID of a taker that has ended may belong to another taker now. That one then has too few descriptors.
  const isInherited = (taker: number) => (taken.get(taker) ?? 1) > 0
  const others = taken.size > 0 && wanted === "some" ? [] : (listProcesses(source) ?? []).map(Number)
  for (const number of others) {
    if (((yield* count(source, number, directory, pace, isInherited)) ?? 0) > 0) holders.add(number)
    // Other fibers run in between, because this loop reads every descriptor of every process.
    yield* Effect.yieldNow
  }
  return [...holders].filter(isPid).toSorted((a, b) => a - b)
})
