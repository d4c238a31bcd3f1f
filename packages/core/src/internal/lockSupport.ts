/** Errnos of `flock(2)` that say that there is no such lock here: there is nobody to exclude. */
export const unsupported: ReadonlySet<string> = new Set(["ENOTSUP", "EOPNOTSUPP", "ENOLCK", "ENOSYS"])
