/** The disk usage of a directory tree. */
import type * as Slices from "@vm-sentinel/core/Slices"
import * as Fs from "node:fs"
import type * as DirFd from "./dirFd.ts"
import { encodePath } from "./bytePath.ts"
import { close } from "./closing.ts"
import { list } from "./looking.ts"

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = Fs.constants

/** An entry that vanishes, or can't be read, counts 0 bytes. */
const orNothing = <A>(call: () => A): A | undefined => {
  try {
    return call()
  } catch {
    return undefined
  }
}

/**
 * Bytes of all blocks. A file with several links counts once. The walk enters no other device. It touches none of
 * `mountPoints`, because a file system that is mounted there may not answer, and asks for them anew at each directory.
 */
export function* usage(
  calls: DirFd.DirFd,
  root: string,
  mountPoints: () => ReadonlySet<string>,
  isSliceUsedUp: Slices.IsUsedUp
): Generator<void, number> {
  if (mountPoints().has(root)) return 0
  const top = Fs.lstatSync(encodePath(root), { bigint: true })
  const seen = new Set<bigint>()
  const pending = top.isDirectory() ? [root] : []
  let total = Number(top.blocks) * 512
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const points = mountPoints()
    if (points.has(path)) continue
    const directory = encodePath(path)
    const fd = orNothing(() => Fs.openSync(directory, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_DIRECTORY))
    if (fd === undefined) continue
    try {
      yield* list(calls, fd, isSliceUsedUp, (entry) => {
        if (points.size > 0 && points.has(`${path}/${entry}`)) return
        const stats = orNothing(() => Fs.lstatSync(encodePath(`/proc/self/fd/${fd}/${entry}`), { bigint: true }))
        if (stats === undefined || stats.dev !== top.dev) return
        if (stats.isDirectory()) pending.push(`${path}/${entry}`)
        else if (stats.nlink > 1n) {
          if (seen.has(stats.ino)) return
          seen.add(stats.ino)
        }
        total += Number(stats.blocks) * 512
      })
    } finally {
      close(fd)
    }
    if (isSliceUsedUp()) yield
  }
  return total
}
