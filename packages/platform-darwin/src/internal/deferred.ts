/** A Disk that its first call makes. */
import { Disk } from "@vm-sentinel/core/Disk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export const deferred = (made: Effect.Effect<Disk["Service"]>): Disk["Service"] => {
  const use = <A, E, R>(call: (disk: Disk["Service"]) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(made, call)
  return Disk.of({
    principal: use((disk) => disk.principal),
    resolve: (path) => use((disk) => disk.resolve(path)),
    realPath: (path) => use((disk) => disk.realPath(path)),
    lstat: (path) => use((disk) => disk.lstat(path)),
    entries: (path) => use((disk) => disk.entries(path)),
    list: (path) => use((disk) => disk.list(path)),
    scan: (path, options) => use((disk) => disk.scan(path, options)),
    lockMany: (...page) => use((disk) => disk.lockMany(...page)),
    moveMany: (...page) => use((disk) => disk.moveMany(...page)),
    scanMany: (...page) => use((disk) => disk.scanMany(...page)),
    peekMany: (...page) => use((disk) => disk.peekMany(...page)),
    read: (path, limit) => use((disk) => disk.read(path, limit)),
    create: (path, bytesOf) => use((disk) => disk.create(path, bytesOf)),
    link: (from, to) => use((disk) => disk.link(from, to)),
    rename: (from, to) => use((disk) => disk.rename(from, to)),
    renameNew: (from, to) => use((disk) => disk.renameNew(from, to)),
    unlink: (path) => use((disk) => disk.unlink(path)),
    makeDirectory: (path) => use((disk) => disk.makeDirectory(path)),
    removeDirectory: (path) => use((disk) => disk.removeDirectory(path)),
    syncDirectory: (path) => use((disk) => disk.syncDirectory(path)),
    permit: (path) => use((disk) => disk.permit(path)),
    removeTree: (path, options) => use((disk) => disk.removeTree(path, options)),
    removeMany: (trees) => use((disk) => disk.removeMany(trees)),
    frame: (path) => use((disk) => disk.frame(path)),
    find: (path, wanted, options) => Stream.unwrap(Effect.map(made, (disk) => disk.find(path, wanted, options))),
    location: (path) => use((disk) => disk.location(path)),
    mountInside: (path) => use((disk) => disk.mountInside(path)),
    mountsBelow: (path) => use((disk) => disk.mountsBelow(path)),
    lock: (path, options) => use((disk) => disk.lock(path, options)),
    probeLock: (path) => use((disk) => disk.probeLock(path)),
    room: (path) => use((disk) => disk.room(path)),
    usage: (path) => use((disk) => disk.usage(path))
  })
}
