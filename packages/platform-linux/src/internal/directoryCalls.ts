import type { DirectoryCalls } from "@vm-sentinel/core/DirectoryCalls"
import { type DirFd, nameOf, textOf } from "./dirFd.ts"
import type { Name } from "./libc.ts"
import * as Locks from "./locks.ts"
import { permit } from "./permitting.ts"

/** The `DirectoryCalls` of Linux. */
export const make = (calls: DirFd): DirectoryCalls<Name> => ({
  ...calls,
  nameOf,
  textOf,
  openDirectory: calls.openInside,
  statAt: (fd, name) => {
    const entry = calls.openEntry(fd, name)
    try {
      return calls.stat(entry)
    } finally {
      calls.close(entry)
    }
  },
  idOf: (fd) => calls.stat(fd).id,
  list: (fd) => calls.list(fd),
  permit: (fd, name) => permit(calls, fd, name),
  lock: Locks.exclusively(calls)
})
