/** A Disk that calls a function before each of its methods. */
import { Effect, Stream } from "effect"
import { Disk, type DiskError } from "../../src/Disk.ts"

/** The methods of a Disk that do I/O. The first argument of each is a path. */
export type Method = Exclude<keyof Disk["Service"], "principal" | "removeMany" | "resolve">

/**
 * Runs right before a call of `method`. If it fails, the call isn't made and fails with that error. `probeLock` can't
 * fail, so it answers `unknown`. `to` is the second argument.
 */
export type Before = (method: Method, path: string, to: unknown) => Effect.Effect<void, DiskError>

export const wrappedDisk = (disk: Disk["Service"], before: Before): Disk["Service"] => {
  const wrap =
    <A extends ReadonlyArray<unknown>, B, R = never>(
      method: Method,
      call: (path: string, ...rest: A) => Effect.Effect<B, DiskError, R>
    ): ((path: string, ...rest: A) => Effect.Effect<B, DiskError, R>) =>
    (path, ...rest) =>
      Effect.andThen(
        before(method, path, rest[0]),
        Effect.suspend(() => call(path, ...rest))
      )
  return Disk.of({
    ...disk,
    realPath: wrap("realPath", disk.realPath),
    lstat: wrap("lstat", disk.lstat),
    entries: wrap("entries", disk.entries),
    list: wrap("list", disk.list),
    scan: wrap("scan", disk.scan),
    scanMany: wrap("scanMany", disk.scanMany),
    lockMany: wrap("lockMany", disk.lockMany),
    moveMany: wrap("moveMany", disk.moveMany),
    peekMany: wrap("peekMany", disk.peekMany),
    read: wrap("read", disk.read),
    create: (path, bytesOf) => Effect.andThen(before("create", path, undefined), disk.create(path, bytesOf)),
    link: wrap("link", disk.link),
    rename: wrap("rename", disk.rename),
    renameNew: wrap("renameNew", disk.renameNew),
    unlink: wrap("unlink", disk.unlink),
    makeDirectory: wrap("makeDirectory", disk.makeDirectory),
    removeDirectory: wrap("removeDirectory", disk.removeDirectory),
    syncDirectory: wrap("syncDirectory", disk.syncDirectory),
    removeTree: wrap("removeTree", disk.removeTree),
    frame: wrap("frame", disk.frame),
    find: (path, wanted, options) =>
      Stream.unwrap(Effect.as(before("find", path, undefined), disk.find(path, wanted, options))),
    location: wrap("location", disk.location),
    mountInside: wrap("mountInside", disk.mountInside),
    permit: wrap("permit", disk.permit),
    mountsBelow: wrap("mountsBelow", disk.mountsBelow),
    lock: wrap("lock", disk.lock),
    probeLock: (path) =>
      Effect.orElseSucceed(Effect.andThen(before("probeLock", path, undefined), disk.probeLock(path)), () => "unknown"),
    room: wrap("room", disk.room),
    usage: wrap("usage", disk.usage)
  })
}
