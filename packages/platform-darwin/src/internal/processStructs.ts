/**
 * The structs of Darwin's process calls, as LP64 kernels lay them out (`bsd/sys/proc_info.h`, `bsd/sys/sysctl.h`,
 * `bsd/sys/proc.h`). Every Mac is little-endian. A buffer that can't be such a struct decodes to `undefined`.
 */

export const kinfoProcSize = 648
export const bsdInfoSize = 136
export const uniqueIdentifierSize = 56

export interface ProcessInfo {
  readonly pid: number
  readonly state: "I" | "R" | "S" | "T" | "Z"
  /**
   * `p_start`: wall clock at fork, microseconds since the epoch. The kernel keeps it across exec, and never sets it
   * again.
   */
  readonly started: bigint
  readonly uid: number
  readonly comm: string
}

const million = 1_000_000n

/** Indexed by `p_stat`: SIDL 1, SRUN 2, SSLEEP 3, SSTOP 4, SZOMB 5. */
const states = [undefined, "I", "R", "S", "T", "Z"] as const

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const startOf = (seconds: bigint, microseconds: bigint): bigint | undefined =>
  seconds > 0n && microseconds >= 0n && microseconds < million ? seconds * million + microseconds : undefined

const textOf = (bytes: Uint8Array, offset: number, size: number): string => {
  const field = bytes.subarray(offset, offset + size)
  const end = field.indexOf(0)
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end))
}

const processInfo = (
  expectedPid: number,
  pid: number,
  status: number,
  started: bigint | undefined,
  uid: number,
  comm: string
): ProcessInfo | undefined => {
  const state = states[status]
  return pid !== expectedPid || state === undefined || started === undefined
    ? undefined
    : { pid, state, started, uid, comm }
}

/** Decodes `struct kinfo_proc`, the answer of `KERN_PROC_PID`. `undefined` for another process than `expectedPid`. */
export const decodeKinfoProc = (bytes: Uint8Array, expectedPid: number): ProcessInfo | undefined => {
  if (bytes.byteLength !== kinfoProcSize) return undefined
  const at = view(bytes)
  return processInfo(
    expectedPid,
    at.getInt32(40, true),
    at.getUint8(36),
    startOf(at.getBigInt64(0, true), BigInt(at.getInt32(8, true))),
    at.getUint32(420, true),
    textOf(bytes, 243, 17)
  )
}

/** Decodes `struct proc_bsdinfo`, flavor 3 of `proc_pidinfo`. `undefined` for another process than `expectedPid`. */
export const decodeBsdInfo = (bytes: Uint8Array, expectedPid: number): ProcessInfo | undefined => {
  if (bytes.byteLength !== bsdInfoSize) return undefined
  const at = view(bytes)
  return processInfo(
    expectedPid,
    at.getUint32(12, true),
    at.getUint32(4, true),
    startOf(at.getBigInt64(120, true), at.getBigInt64(128, true)),
    at.getUint32(20, true),
    textOf(bytes, 48, 16)
  )
}

/**
 * `p_uniqueid` of `struct proc_uniqidentifierinfo`, flavor 17 of `proc_pidinfo`, in decimal. The kernel increments it
 * at each fork of one boot, and keeps it across exec. 0 is the kernel itself, or a buffer that was never filled.
 */
export const decodeUniqueIdentifier = (bytes: Uint8Array): string | undefined => {
  if (bytes.byteLength !== uniqueIdentifierSize) return undefined
  const uniqueId = view(bytes).getBigUint64(16, true)
  return uniqueId === 0n ? undefined : uniqueId.toString()
}

/** `struct timeval`, in milliseconds since the epoch. */
export const decodeTimeval = (bytes: Uint8Array): number | undefined => {
  if (bytes.byteLength !== 16) return undefined
  const at = view(bytes)
  const time = startOf(at.getBigInt64(0, true), BigInt(at.getInt32(8, true)))
  return time === undefined ? undefined : Number(time / 1000n)
}

/** An `int` that is 0 or 1. `undefined` for anything else. */
export const decodeFlag = (bytes: Uint8Array): boolean | undefined => {
  if (bytes.byteLength !== 4) return undefined
  const value = view(bytes).getInt32(0, true)
  return value === 0 || value === 1 ? value === 1 : undefined
}

const uuid = /^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/

/** A UUID as text, NUL-terminated or not. `undefined` for anything else. */
export const decodeUuidText = (text: string): string | undefined => {
  const end = text.indexOf("\0")
  const candidate = (end < 0 ? text : text.slice(0, end)).trim()
  return uuid.test(candidate) ? candidate.toUpperCase() : undefined
}

/** The 16 bytes of a `uuid_t`, as macOS writes them. `undefined` if all bytes are 0, which identifies nothing. */
export const formatUuid = (bytes: Uint8Array): string | undefined => {
  if (bytes.byteLength !== 16 || bytes.every((byte) => byte === 0)) return undefined
  const hex = Buffer.from(bytes).toString("hex").toUpperCase()
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
}
