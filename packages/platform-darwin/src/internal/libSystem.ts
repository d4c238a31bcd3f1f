/** libSystem through koffi: synchronous calls into Buffers. The callers decode the bytes. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { darwinErrnoName } from "./errno.ts"
import { messageOf, required } from "./koffi.ts"
import { kinfoProcSize } from "./processStructs.ts"

export const defaultPath = "/usr/lib/libSystem.B.dylib"

/** koffi, the library or its functions can't be loaded. */
class LibraryUnavailable extends Schema.TaggedError<LibraryUnavailable>(
  "@vm-sentinel/platform-darwin/LibraryUnavailable"
)("LibraryUnavailable", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

export type Reply =
  | { readonly _tag: "Bytes"; readonly bytes: Uint8Array }
  | { readonly _tag: "Failed"; readonly errno: string }
  | { readonly _tag: "NoSymbol" }

export interface LibSystem {
  /** `proc_pidinfo`. With `arg` 1 it also finds zombies. */
  readonly pidInfo: (pid: number, flavor: number, arg: 0 | 1, size: number) => Reply
  readonly pidPath: (pid: number) => Reply
  /** `sysctl` of `KERN_PROC_PID`. An answer of 0 bytes: there is no such process. */
  readonly kinfoProc: (pid: number) => Reply
  readonly sysctlByName: (name: string, size: number) => Reply
  readonly hostUuid: () => Reply
}

/** The part of koffi that is used. */
interface Koffi {
  readonly load: (path: string) => { readonly func: (prototype: string) => (...values: Array<unknown>) => unknown }
  readonly errno: (value?: number) => number
}

const maxPath = 4096
const noSymbol: Reply = { _tag: "NoSymbol" }

const size64 = (size: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(size))
  return bytes
}

const bindAll = (koffi: Koffi, path: string) => {
  const library = koffi.load(path)
  const bind = (prototype: string) => {
    try {
      return library.func(prototype)
    } catch {
      return undefined
    }
  }
  return {
    procPidInfo: bind("int proc_pidinfo(int pid, int flavor, uint64_t arg, _Out_ uint8_t *buffer, int size)"),
    procPidPath: bind("int proc_pidpath(int pid, _Out_ uint8_t *buffer, uint32_t size)"),
    sysctl: bind(
      "int sysctl(uint8_t *name, unsigned int count, _Out_ uint8_t *old, _Inout_ uint8_t *length, void *value, size_t size)"
    ),
    sysctlByName: bind(
      "int sysctlbyname(const char *name, _Out_ uint8_t *old, _Inout_ uint8_t *length, void *value, size_t size)"
    ),
    getHostUuid: bind("int gethostuuid(_Out_ uint8_t *id, uint8_t *wait)")
  }
}

const make = (koffi: Koffi, calls: ReturnType<typeof bindAll>): LibSystem => {
  // A successful call leaves errno as it is, so errno is cleared first. Nothing may run between a call and the reading
  // of its errno.
  const invoke = (call: (...values: Array<unknown>) => unknown, ...values: Array<unknown>): number => {
    koffi.errno(0)
    const result = call(...values)
    return typeof result === "number" ? result : -1
  }
  const failed = (): Reply => ({ _tag: "Failed", errno: darwinErrnoName(koffi.errno()) })
  const bytesOf = (bytes: Uint8Array): Reply => ({ _tag: "Bytes", bytes })
  const lengthOf = (length: Buffer, buffer: Buffer): number =>
    Math.min(Number(length.readBigUInt64LE()), buffer.byteLength)

  return {
    // libproc returns 0 on failure, else the number of bytes written.
    pidInfo: (pid, flavor, arg, size) => {
      if (calls.procPidInfo === undefined) return noSymbol
      const buffer = Buffer.alloc(size)
      const written = invoke(calls.procPidInfo, pid, flavor, arg, buffer, size)
      return written <= 0 ? failed() : bytesOf(buffer.subarray(0, written))
    },
    pidPath: (pid) => {
      if (calls.procPidPath === undefined) return noSymbol
      const buffer = Buffer.alloc(maxPath)
      const written = invoke(calls.procPidPath, pid, buffer, maxPath)
      return written <= 0 ? failed() : bytesOf(buffer.subarray(0, written))
    },
    kinfoProc: (pid) => {
      if (calls.sysctl === undefined) return noSymbol
      const name = Buffer.from(Int32Array.of(1, 14, 1, pid).buffer)
      const buffer = Buffer.alloc(kinfoProcSize)
      const length = size64(kinfoProcSize)
      return invoke(calls.sysctl, name, 4, buffer, length, null, 0) === 0
        ? bytesOf(buffer.subarray(0, lengthOf(length, buffer)))
        : failed()
    },
    sysctlByName: (name, size) => {
      if (calls.sysctlByName === undefined) return noSymbol
      const buffer = Buffer.alloc(size)
      const length = size64(size)
      return invoke(calls.sysctlByName, name, buffer, length, null, 0) === 0
        ? bytesOf(buffer.subarray(0, lengthOf(length, buffer)))
        : failed()
    },
    hostUuid: () => {
      if (calls.getHostUuid === undefined) return noSymbol
      const buffer = Buffer.alloc(16)
      const wait = Buffer.concat([size64(1), size64(0)])
      return invoke(calls.getHostUuid, buffer, wait) === 0 ? bytesOf(buffer) : failed()
    }
  }
}

/**
 * Loads the library without looking for its file, because since macOS 11 the library exists only in the shared cache of
 * `dyld`.
 */
export const load = Effect.fnUntraced(function* (
  path: string,
  findKoffi: () => Koffi = required
): Effect.fn.Return<LibSystem, LibraryUnavailable> {
  const koffi = yield* Effect.try({
    try: findKoffi,
    catch: (cause) => new LibraryUnavailable({ detail: `koffi can't be loaded: ${messageOf(cause)}` })
  })
  const calls = yield* Effect.try({
    try: () => bindAll(koffi, path),
    catch: (cause) => new LibraryUnavailable({ detail: `koffi can't load ${path}: ${messageOf(cause)}` })
  })
  if (calls.procPidInfo === undefined && calls.sysctl === undefined) {
    return yield* new LibraryUnavailable({ detail: `${path} has neither proc_pidinfo nor sysctl` })
  }
  return make(koffi, calls)
})
