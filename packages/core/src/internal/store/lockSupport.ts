/** Errnos of `flock(2)` on a file system without such locks: no owner can hold a lock on this file system. */
export const unsupported: ReadonlySet<string> = new Set(["ENOTSUP", "EOPNOTSUPP", "ENOLCK", "ENOSYS"])
