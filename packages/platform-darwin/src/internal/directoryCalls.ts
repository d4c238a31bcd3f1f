import type { DirectoryCalls } from "@vm-sentinel/core/DirectoryCalls"
import type { FileCalls } from "./fileCalls.ts"
import { errnoOf } from "@vm-sentinel/core/Errno"
import { list } from "./listing.ts"
import { LOCK_EX } from "./locks.ts"
import { idOf, kindOf } from "./looking.ts"
import { permit } from "./permitting.ts"

/** The `DirectoryCalls` of macOS. */
export const make = (calls: FileCalls): DirectoryCalls<Buffer> => ({
  ...calls,
  nameOf: (text) => Buffer.from(text),
  textOf: (name) => name.toString(),
  openPath: calls.openReal,
  idOf,
  // macOS has no bind mounts, so a directory on another mount is on another device.
  mount: (fd) => idOf(fd).dev,
  // Throws for a symbolic link and for an unreadable file, because neither can be opened.
  statAt: (fd, name) => {
    const file = calls.openFile(fd, name)
    try {
      return kindOf(file)
    } finally {
      calls.close(file)
    }
  },
  list: (fd, path) => list(calls, fd, path),
  permit: (fd, name) => permit(calls, fd, name),
  lock: (fd) => {
    try {
      calls.flock(fd, LOCK_EX)
      return undefined
    } catch (cause) {
      return errnoOf(cause)
    }
  }
})
