/** The `Disk` of one process on a volume in memory. */
import * as Effect from "effect/Effect"
import { type Disk, DiskError, type HeldLock, type LockOptions, make as makeDisk, type NewFile } from "../../Disk.ts"
import * as Many from "../../internal/disk/many.ts"
import * as Tree from "../../internal/disk/tree.ts"
import type { Operation } from "../MemoryDiskModel.ts"
import { Hung, perform, type Process } from "./memoryCalls.ts"
import { type Caller, statOf } from "./memoryInode.ts"
import * as Locks from "./memoryLocks.ts"
import * as Volume from "./memoryVolume.ts"

export interface Machine {
  readonly volume: Volume.Volume
  readonly entryTypes: boolean
  readonly hasLocks: boolean
  readonly locks: Locks.Locks
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
    perform(process, { operation, path }, (caller) => {
      if (operation !== "mountinfo" && Volume.isHung(volume, path)) throw new Hung()
      return body(volume, caller, path)
    })

  const lstat = (path: string) => on("lstat", path, Volume.lstat)
  const entries = (path: string) =>
    Effect.map(on("readdir", path, Volume.readDirectory), (children) =>
      [...children].map(([entry, { type }]) => ({ entry, type: entryTypes ? type : "unknown" }))
    )
  const read = (path: string, limit: number) =>
    on("read", path, (volume, caller) => Volume.read(volume, caller, path, limit))
  const unlink = (path: string) => on("unlink", path, Volume.unlink)
  const removeDirectory = (path: string) => on("rmdir", path, Volume.removeDirectory)
  const mountInside = (path: string) => on("mountinfo", path, Volume.mountInside)
  const mountsBelow = (path: string) => on("mountinfo", path, Volume.mountsBelow)
  const frame = (path: string) => on("statfs", path, Volume.frame)

  const create = <E = never>(path: string, bytesOf: (file: NewFile) => Effect.Effect<Uint8Array, E>) =>
    Effect.gen(function* () {
      const { inode, stat } = yield* on("create", path, (volume, caller) => {
        const inode = Volume.add(volume, caller, path, "file", { mode: 0o600 })
        return { inode, stat: Volume.lstat(volume, caller, path) }
      })
      yield* Effect.suspend(() => bytesOf(stat)).pipe(
        Effect.flatMap((bytes) => on("write", path, (_, caller) => Volume.write(inode, caller, bytes))),
        Effect.andThen(on("fsync", path, () => undefined)),
        Effect.onError(() => Effect.ignore(unlink(path)))
      )
    }).pipe(Effect.uninterruptible)

  const moving = (operation: "link" | "rename", from: string, to: string, body: (caller: Caller) => void) =>
    perform(process, { operation, path: from, to }, body)
  const rename = (replace: boolean) => (from: string, to: string) =>
    moving("rename", from, to, (caller) => Volume.rename(volume, caller, from, to, replace))

  const lock = Effect.fnUntraced(function* (path: string, { mode, test }: LockOptions) {
    if (!hasLocks) return yield* new DiskError({ errno: "ENOTSUP", operation: "flock", path })
    const description = yield* Effect.acquireRelease(
      Effect.sync(() => Locks.open(process)),
      (description) => Effect.sync(() => Locks.close(process, description))
    )
    const spot = yield* on("flock", path, (volume, caller) => {
      const spot = Volume.open(volume, caller, path)
      Locks.take(locks, spot, description, mode)
      return spot
    }).pipe(Effect.onError(() => Effect.sync(() => Locks.close(process, description))))
    // `flock(2)` releases the exclusive lock before it takes the shared one. Another process may get the lock in
    // between.
    const share = Effect.suspend(() => {
      description.mode = undefined
      return on("flock", path, () => Locks.take(locks, spot, description, "shared"))
    }).pipe(Effect.uninterruptible)
    const held: HeldLock = {
      id: statOf(spot.inode, spot.mount.superblock.number).id,
      fd: undefined,
      tested: test,
      outlivesThread: true,
      isGone: Effect.sync(() => spot.inode.links === 0),
      share
    }
    return held
  })
  const probeLock = (path: string) =>
    on("flock", path, (volume, caller) =>
      hasLocks ? Locks.stateOf(locks, Volume.open(volume, caller, path)) : ("unknown" as const)
    ).pipe(Effect.orElseSucceed(() => "unknown" as const))

  const disk = makeDisk({
    principal: Effect.sync(() => ({ uid: process.uid, homes: process.homes, homeIds: process.homeIds })),
    resolve: (path) => Effect.sync(() => absolute(path)),
    realPath: (path) => on("realpath", path, Volume.realPath),
    lstat,
    entries,
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
    permit: (path) => on("chmod", path, Volume.permit),
    syncDirectory: (path) => Effect.asVoid(on("fsync", path, Volume.readDirectory)),
    frame,
    room: (path) => on("statfs", path, Volume.room),
    location: (path) => on("mountinfo", path, Volume.location),
    mountInside,
    mountsBelow,
    lock,
    probeLock,
    usage: Tree.usage({ lstat, entries, mountsBelow }, ({ occupied }) => occupied)
  })
  return { ...disk, ...Many.composed(disk) }
}
