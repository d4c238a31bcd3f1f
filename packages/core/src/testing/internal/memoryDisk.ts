/** The `Disk` of one process on a volume in memory. */
import * as Effect from "effect/Effect"
import { Disk, DiskError, type Glimpse } from "../../Disk.ts"
import { scan } from "../../internal/scan.ts"
import * as Tree from "../../internal/tree.ts"
import * as Mounts from "../../Mounts.ts"
import { type Operation, perform, type Process } from "./memoryCalls.ts"
import { type Caller, type Inode, Refusal } from "./memoryInode.ts"
import * as Volume from "./memoryVolume.ts"

export interface Machine {
  readonly volume: Volume.Volume
  readonly entryTypes: boolean
  readonly hasLocks: boolean
  readonly locks: Map<Inode, Process>
}

const absolute = (path: string): string => {
  const names: Array<string> = []
  for (const name of path.split("/")) {
    if (name === "..") names.pop()
    else if (name !== "" && name !== ".") names.push(name)
  }
  return `/${names.join("/")}`
}

export const make = ({ entryTypes, hasLocks, locks, volume }: Machine, process: Process): Disk["Service"] => {
  type Body<A> = (volume: Volume.Volume, caller: Caller, path: string) => A
  const on = <A>(operation: Operation, path: string, body: Body<A>) =>
    perform(process, { operation, path }, (caller) => body(volume, caller, path))

  const lstat = (path: string) => on("lstat", path, Volume.lstat)
  const entries = (path: string) =>
    Effect.map(on("readdir", path, Volume.readDirectory), (children) =>
      [...children].map(([entry, { type }]) => ({ entry, type: entryTypes ? type : "unknown" }))
    )
  const read = (path: string, limit: number) =>
    on("read", path, (volume, caller) => Volume.read(volume, caller, path, limit))
  const peek = (path: string, entry: string, limit: number): Glimpse | undefined => {
    if (process.isKilled) return undefined
    const caller = { uid: process.uid ?? 0, now: 0 }
    try {
      const directory = Volume.lstat(volume, caller, path)
      if (directory.type !== "directory") return undefined
      const { bytes, stat } = Volume.read(volume, caller, `${path}/${entry}`, limit + 1)
      if (bytes.length > limit) return undefined
      return { directory, file: stat, writtenAt: stat.modifiedAt, content: String.fromCharCode(...bytes) }
    } catch (cause) {
      if (cause instanceof Refusal) return undefined
      throw cause
    }
  }
  const unlink = (path: string) => on("unlink", path, Volume.unlink)
  const removeDirectory = (path: string) => on("rmdir", path, Volume.removeDirectory)
  const mountInside = (path: string) => on("mountinfo", path, Volume.mountInside)

  const create = (path: string, bytes: Uint8Array) =>
    Effect.gen(function* () {
      const inode = yield* on("create", path, (volume, caller) =>
        Volume.add(volume, caller, path, "file", { mode: 0o600 })
      )
      yield* Effect.andThen(
        on("write", path, (_, caller) => Volume.write(inode, caller, bytes)),
        on("fsync", path, () => undefined)
      ).pipe(Effect.onError(() => Effect.ignore(unlink(path))))
    }).pipe(Effect.uninterruptible)

  const moving = (operation: "link" | "rename", from: string, to: string, body: (caller: Caller) => void) =>
    perform(process, { operation, path: from, to }, body)
  const rename = (replace: boolean) => (from: string, to: string) =>
    moving("rename", from, to, (caller) => Volume.rename(volume, caller, from, to, replace))

  const isHeld = (inode: Inode): boolean => locks.get(inode)?.isKilled === false
  const takeLock = (path: string) =>
    on("flock", path, (volume, caller) => {
      const inode = Volume.inodeOf(volume, caller, path)
      if (isHeld(inode)) throw new Refusal("EBUSY")
      locks.set(inode, process)
      return inode
    })
  const lock = (path: string) =>
    hasLocks
      ? Effect.as(
          Effect.acquireRelease(takeLock(path), (inode) => Effect.sync(() => locks.delete(inode))),
          { fd: undefined, tested: true, survivesExec: true }
        )
      : Effect.fail(new DiskError({ errno: "ENOTSUP", operation: "flock", path }))
  const probeLock = (path: string) =>
    on("flock", path, (volume, caller) => {
      if (!hasLocks) return "unknown" as const
      return isHeld(Volume.inodeOf(volume, caller, path)) ? ("busy" as const) : ("free" as const)
    }).pipe(Effect.orElseSucceed(() => "unknown" as const))

  return Disk.of({
    principal: Effect.sync(() => ({ uid: process.uid, homes: process.homes })),
    resolve: (path) => Effect.sync(() => absolute(path)),
    realPath: (path) => on("realpath", path, Volume.realPath),
    lstat,
    entries,
    scan: scan({ lstat, entries, read }),
    peeker: (root, entry, limit) =>
      Effect.sync(() => {
        const look = (directory: string) => peek(`${root}/${directory}`, entry, limit)
        // Read at once, so that it is as old as can be when it is peeked at.
        const expected = new Map<string, Glimpse>()
        return {
          peek: (directory) => {
            const seen = expected.get(directory)
            expected.delete(directory)
            return seen ?? look(directory)
          },
          expect: (directories) => {
            for (const directory of directories) {
              const seen = look(directory)
              if (seen !== undefined) expected.set(directory, seen)
            }
          }
        }
      }),
    read,
    create,
    link: (from, to) => moving("link", from, to, (caller) => Volume.link(volume, caller, from, to)),
    rename: rename(true),
    renameNew: rename(false),
    unlink,
    makeDirectory: (path) =>
      Effect.asVoid(
        on("mkdir", path, (volume, caller) => Volume.add(volume, caller, path, "directory", { mode: 0o700 }))
      ),
    removeDirectory,
    syncDirectory: (path) => Effect.asVoid(on("fsync", path, Volume.readDirectory)),
    removeTree: Tree.removeTree({ lstat, entries, unlink, removeDirectory, mountInside }),
    isLocal: (path) =>
      on("mountinfo", path, Volume.fileSystem).pipe(
        Effect.map(Mounts.isLocal),
        Effect.orElseSucceed(() => false)
      ),
    mountInside,
    lock,
    probeLock,
    usage: Tree.usage({ lstat, entries }, ({ occupied }) => occupied)
  })
}
