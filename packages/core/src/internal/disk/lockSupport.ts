/** Errnos of `flock(2)` on a file system without such locks. No owner can hold a lock there. */
export const unsupported: ReadonlySet<string> = new Set(["ENOTSUP", "EOPNOTSUPP", "ENOLCK", "ENOSYS"])
