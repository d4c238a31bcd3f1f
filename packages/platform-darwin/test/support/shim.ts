/** The libSystem stand-in, compiled once for each test file. */
import { afterAll, assert } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as koffi from "koffi"
import { spawnSync } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { noProcfs } from "./standins.ts"

/**
 * Answers of the shim that aren't an errno. `short`: 8 bytes fewer than requested. `alien`: data of another process.
 */
export const answers = { short: -1, alien: -2 }

export interface Shim {
  readonly path: string
  /** Sets `st_flags` of a file. */
  readonly setFlags: (path: string, flags: number) => Effect.Effect<void>
  /** Makes `call` fail with an errno, or give one of {@link answers}, until the scope closes. */
  readonly refuse: (call: string, answer: number) => Effect.Effect<void, never, Scope.Scope>
  /** Makes each of the next reads of `p_uniqueid` return another number. */
  readonly tear: (times: number) => Effect.Effect<void>
  /** Gives every file system this type, and adds these bits of `f_flags` and `f_flags_ext`, until the scope closes. */
  readonly volume: (change: {
    readonly type?: string
    readonly flags?: number
    readonly more?: number
  }) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Gives a file an access control list of one entry. The first such scope that closes removes the lists of all files.
   */
  readonly accessList: (path: string, kind: "allow" | "deny", rights: number) => Effect.Effect<void, never, Scope.Scope>
  /** Sets `kern.hv_vmm_present` until the scope closes. With `undefined` the name doesn't exist. */
  readonly virtualMachine: (present: number | undefined) => Effect.Effect<void, never, Scope.Scope>
  /** Calls `proc_pidinfo`. Returns its result and errno. */
  readonly pidInfo: (pid: number, flavor: number, arg: number, size: number) => readonly [result: number, errno: number]
  readonly pidPath: (pid: number, size: number) => readonly [result: number, errno: number]
  /** Calls `sysctl` KERN_PROC_PID with a buffer of `size` bytes. Returns its result, the length and errno. */
  readonly kinfoProc: (pid: number, size: number) => readonly [result: number, length: number, errno: number]
}

const flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden"]

const bind = (path: string): Shim => {
  const library = koffi.load(path)
  const refuse = library.func("void shim_refuse(const char *call, int answer)")
  const tear = library.func("void shim_tear(int times)")
  const volume = library.func("void shim_volume(const char *type, uint32_t flags, uint32_t more)")
  const acl = library.func("int shim_acl(const char *path, uint32_t kind, uint32_t rights)")
  const setFlags = library.func("int shim_flags(const char *path, uint32_t flags)")
  const noAcls = library.func("void shim_no_acls(void)")
  const virtualMachine = library.func("void shim_virtual_machine(int present)")
  const pidInfo = library.func("int proc_pidinfo(int pid, int flavor, uint64_t arg, _Out_ uint8_t *buffer, int size)")
  const pidPath = library.func("int proc_pidpath(int pid, _Out_ uint8_t *buffer, uint32_t size)")
  const sysctl = library.func(
    "int sysctl(int *name, unsigned int count, _Out_ uint8_t *old, _Inout_ size_t *length, void *value, size_t size)"
  )
  // A call that succeeds may leave any errno.
  const withErrno = (failure: number, call: () => unknown): readonly [result: number, errno: number] => {
    const result = Number(call())
    return [result, result === failure ? koffi.errno() : 0]
  }
  return {
    path,
    refuse: (call, answer) =>
      Effect.acquireRelease(
        Effect.sync(() => refuse(call, answer)),
        () => Effect.sync(() => refuse(call, 0))
      ),
    volume: ({ flags = 0, more = 0, type = "" }) =>
      Effect.acquireRelease(
        Effect.sync(() => volume(type, flags, more)),
        () => Effect.sync(() => volume("", 0, 0))
      ),
    accessList: (path, kind, rights) =>
      Effect.acquireRelease(
        Effect.sync(() => assert.strictEqual(acl(path, kind === "allow" ? 1 : 2, rights), 0, path)),
        () => Effect.sync(() => noAcls())
      ),
    setFlags: (path, flags) => Effect.sync(() => assert.strictEqual(setFlags(path, flags), 0, path)),
    virtualMachine: (present) =>
      Effect.acquireRelease(
        Effect.sync(() => virtualMachine(present ?? -1)),
        () => Effect.sync(() => virtualMachine(0))
      ),
    tear: (times) => Effect.sync(() => tear(times)),
    pidInfo: (pid, flavor, arg, size) => withErrno(0, () => pidInfo(pid, flavor, arg, Buffer.alloc(4096), size)),
    pidPath: (pid, size) => withErrno(0, () => pidPath(pid, Buffer.alloc(8192), size)),
    kinfoProc: (pid, size) => {
      const length = [size]
      const [result, errno] = withErrno(-1, () => sysctl([1, 14, 1, pid], 4, Buffer.alloc(4096), length, null, 0))
      return [result, Number(length[0]), errno]
    }
  }
}

/** Builds the shim, or returns the reason why it can't be built. The end of the file's tests removes the shim. */
export const build = (): Shim | string => {
  if (process.platform !== "linux") return noProcfs
  const directory = mkdtempSync(join(tmpdir(), "vm-sentinel-shim-"))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, "libSystem.B.dylib")
  const source = fileURLToPath(new URL("../shim/libsystem_shim.c", import.meta.url))
  const compiled = spawnSync(process.env["CC"] ?? "cc", [...flags, "-o", path, source], { encoding: "utf8" })
  if (compiled.error !== undefined) return "no C compiler"
  if (compiled.status !== 0) throw new Error(`the shim doesn't compile:\n${compiled.stderr}`)
  chmodSync(directory, 0o755)
  return bind(path)
}
