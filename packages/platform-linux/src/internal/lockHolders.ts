/** Finds the processes that hold the `flock(2)` of a directory, by `/proc/<pid>/fdinfo`. */
import type { FileId } from "@vm-sentinel/core/FileId"
import { isPid, type Pid } from "@vm-sentinel/core/ProcessIdentity"
import * as Effect from "effect/Effect"
import { expectErrno } from "../Kernel.ts"
import { checkNamespace, checkType, listProcesses, readBytes, type Source } from "./procfs.ts"

const latin1 = new TextDecoder("latin1")

/**
 * A lock as `proc_locks(5)` formats it. The kernel shows the line for each descriptor of the open file that has the
 * lock.
 */
const flockLine = /^lock:.* FLOCK /m

const attempt = <A>(get: () => A): A | undefined => {
  try {
    return get()
  } catch (error) {
    expectErrno(error)
    return undefined
  }
}

/**
 * Compares the ids of `stat(2)`. The device in the `lock:` line can't be used: on btrfs it differs from that of
 * `stat(2)`.
 */
const holds = (source: Source, pid: number, { dev, ino }: FileId): boolean => {
  const { kernel, root } = source
  const descriptors = attempt(() => kernel.list(`${root}/${pid}/fdinfo`)) ?? []
  return descriptors.some((descriptor) => {
    const info = readBytes(source, `${root}/${pid}/fdinfo/${descriptor}`)
    if (info === undefined || !flockLine.test(latin1.decode(info))) return false
    const file = attempt(() => kernel.fileId(`${root}/${pid}/fd/${descriptor}`))
    return file !== undefined && `${file.dev}` === dev && `${file.ino}` === ino
  })
}

/** The PIDs of the holders, ascending. Processes whose `fdinfo` can't be read are left out. */
export const lockHolders = Effect.fnUntraced(function* (source: Source, directory: FileId) {
  const holders: Array<Pid> = []
  if (checkType(source) !== undefined || checkNamespace(source) !== undefined) return holders
  const numbers = (listProcesses(source) ?? []).map(Number).toSorted((a, b) => a - b)
  for (const number of numbers) {
    if (isPid(number) && holds(source, number, directory)) holders.push(number)
    // Reading every descriptor of every process may take long.
    yield* Effect.yieldNow
  }
  return holders
})
