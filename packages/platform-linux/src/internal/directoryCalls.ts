import type { DirectoryCalls } from "@vm-sentinel/core/DirectoryCalls"
import { type At, nameOf, textOf } from "./at.ts"
import type { Name } from "./libc.ts"
import { LOCK_EX, LOCK_NB } from "./locks.ts"

/** The `DirectoryCalls` of this platform. */
export const make = (at: At): DirectoryCalls<Name> => ({
  ...at,
  nameOf,
  textOf,
  idOf: (fd) => at.stat(fd).id,
  lock: (fd) => (at.flock === undefined ? "ENOTSUP" : at.flock(fd, LOCK_EX | LOCK_NB))
})
