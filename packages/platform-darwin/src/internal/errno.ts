/** The errno numbers of Darwin, `sys/errno.h`. Node's own table has those of the host that Node was built for. */
import { isRefusal, isShortage } from "@vm-sentinel/core/Errno"

export const errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EROFS: 30,
  EAGAIN: 35,
  ENOTSUP: 45,
  ELOOP: 62,
  ENAMETOOLONG: 63,
  ENOTEMPTY: 66,
  EDQUOT: 69,
  ESTALE: 70,
  ENOLCK: 77,
  ENOSYS: 78,
  EOVERFLOW: 84
} as const

/** EOPNOTSUPP, which on Darwin isn't the number of ENOTSUP. Here both have one name. */
const otherNotSupported = 102

const names = new Map<number, string>([
  ...Object.entries(errno).map(([name, number]) => [number, name] as const),
  [otherNotSupported, "ENOTSUP"]
])

export const darwinErrnoName = (number: number): string => names.get(number) ?? `errno ${number}`

/**
 * Why a call failed. `refused`: permission. `resources`: a shortage that may pass. `unsupported`: every other errno,
 * such as that of a kernel that lacks the call.
 */
export const classifyErrno = (name: string): "refused" | "resources" | "unsupported" =>
  isRefusal(name) ? "refused" : isShortage(name) ? "resources" : "unsupported"
