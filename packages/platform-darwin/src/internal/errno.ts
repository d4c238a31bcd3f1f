/** errno of Darwin, `sys/errno.h`: Node's own table is that of the host it was built for. */

export const errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EAGAIN: 35,
  ENOTSUP: 45,
  EOVERFLOW: 84
} as const

const names = new Map<number, string>(Object.entries(errno).map(([name, number]) => [number, name]))

export const errnoName = (number: number): string => names.get(number) ?? `errno ${number}`

const ofResources = new Set(["EINTR", "EIO", "ENOMEM", "ENFILE", "EMFILE", "EAGAIN"])

/** What a refusal is about: permission, a shortage that may pass, or a call that this kernel doesn't have so. */
export const classifyErrno = (name: string): "refused" | "resources" | "unsupported" =>
  name === "EPERM" || name === "EACCES" ? "refused" : ofResources.has(name) ? "resources" : "unsupported"
