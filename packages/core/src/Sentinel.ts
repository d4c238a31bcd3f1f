/**
 * The sentinel: the file in a directory that names the directory's owner. One parser reads three formats. Each format
 * has one line more than the one before.
 *
 * ```text
 * <pid>                               v1
 * /absolute/path/of/executable        v2
 * {"v":3,"nonce":…,"startTime":…,…}   v3
 * ```
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as CanonicalRecords from "./internal/sentinel/canonicalRecords.ts"
import { duplicateKey } from "./internal/sentinel/duplicateKeys.ts"
import { isPid, Pid, type ProcessIdentity } from "./ProcessIdentity.ts"
import type { RecordedDirectory } from "./DirectoryFrame.ts"
import { type LockRecord, RecordV3 } from "./SentinelRecord.ts"

export { LockRecord, RecordV3, Role } from "./SentinelRecord.ts"

/**
 * Largest size of a sentinel, in bytes. A larger file is not read.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxBytes = 4096

/**
 * A v1 sentinel, one line: the PID.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SentinelV1 = Schema.TaggedStruct("V1", { pid: Pid })
export type SentinelV1 = typeof SentinelV1.Type

/**
 * A v2 sentinel, two lines: the PID and the executable.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SentinelV2 = Schema.TaggedStruct("V2", {
  pid: Pid,
  /** An absolute path, or a file name without a directory, which matches an executable in any directory. */
  executable: Schema.String
})
export type SentinelV2 = typeof SentinelV2.Type

/**
 * A v3 sentinel, three lines: the PID, the executable, and a record in JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SentinelV3 = Schema.TaggedStruct("V3", { pid: Pid, record: RecordV3 })
export type SentinelV3 = typeof SentinelV3.Type

/**
 * A sentinel of any format.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Sentinel = Schema.Union([SentinelV1, SentinelV2, SentinelV3])
export type Sentinel = typeof Sentinel.Type

/**
 * Formats in which a sentinel can be written.
 *
 * @category models
 * @since 0.1.0
 */
export type Format = "v1" | "v2" | "v3"

/**
 * Why bytes can't be parsed as a sentinel, or a sentinel can't be encoded.
 *
 * @category models
 * @since 0.1.0
 */
export type Problem =
  | { readonly _tag: "Malformed"; readonly problem: string }
  | { readonly _tag: "UnsupportedVersion"; readonly version: string }

const malformed = (problem: string): Result.Result<never, Problem> => Result.fail({ _tag: "Malformed", problem })

const decodeRecord = Schema.decodeUnknownResult(RecordV3)
const isRecord = Schema.is(RecordV3)
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

type Versioned = { readonly v: number | string; readonly pid?: unknown }

const isVersioned = (json: unknown): json is Versioned =>
  Predicate.hasProperty(json, "v") && (Predicate.isNumber(json.v) || Predicate.isString(json.v))

const parsePid = (line: string): Result.Result<Pid, Problem> => {
  const digits = /^[ \t\v\f\r]*([0-9]{1,32})[ \t\v\f\r]*$/.exec(line)?.[1]
  if (digits === undefined) return malformed("line 1 is not a PID in decimal digits")
  const pid = Number(digits)
  return isPid(pid) ? Result.succeed(pid) : malformed("line 1 is out of the range of PIDs, 1 to 2147483647")
}

const agree = (pid: Pid, executable: string, pidAgain: unknown, record: RecordV3): Result.Result<Sentinel, Problem> => {
  // The record repeats the PID of line 1, so that damage to line 1 is detected.
  if (pidAgain !== undefined && pidAgain !== pid) return malformed("line 3 disagrees with line 1")
  if ((record.exe?.path ?? "") !== executable) return malformed("line 3 disagrees with line 2")
  return Result.succeed({ _tag: "V3", pid, record })
}

const parseRecord = (pid: Pid, executable: string, line: string): Result.Result<Sentinel, Problem> => {
  const canonical = CanonicalRecords.read(line)
  if (canonical !== undefined) return agree(pid, executable, canonical.pid, canonical.record)
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    return malformed("line 3 is not JSON")
  }
  const twice = duplicateKey(line)
  if (twice !== undefined) return malformed(`line 3 has the key "${twice}" twice`)
  if (!isVersioned(json)) return malformed("line 3 has no version")
  if (json.v !== 3) return Result.fail({ _tag: "UnsupportedVersion", version: String(json.v).slice(0, 32) })
  const decoded = decodeRecord(json)
  if (Result.isFailure(decoded)) return malformed(`line 3: ${decoded.failure.message.replace(/\s*\n\s*/g, " ")}`)
  return agree(pid, executable, json.pid, decoded.success)
}

const dropCR = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line)

/**
 * Beginning of a v3 record. A line 2 that contains it has lost the line end before line 3. Parsed as v2, such a
 * sentinel would be judged without its record's boot, namespace and directory.
 */
const recordStart = '{"v":'

const decode = (bytes: Uint8Array): Result.Result<string, Problem> => {
  if (bytes.length === 0) return malformed("empty")
  if (bytes.length > maxBytes) return malformed(`over ${maxBytes} bytes`)
  if (bytes.includes(0)) return malformed("contains a NUL byte")
  try {
    return Result.succeed(utf8.decode(bytes))
  } catch {
    return malformed("not UTF-8")
  }
}

/**
 * Parses a sentinel of any format. Pure. Never throws. A sentinel whose third line isn't a valid v3 record is an error,
 * and is never read as v2.
 *
 * **Example** (Parsing each format)
 *
 * ```ts
 * import * as Sentinel from "@vm-sentinel/core/Sentinel"
 * import { Result } from "effect"
 * import * as assert from "node:assert"
 *
 * const parse = (text: string) => Sentinel.parse(new TextEncoder().encode(text))
 *
 * assert.deepStrictEqual(parse("4242"), Result.succeed({ _tag: "V1", pid: 4242 }))
 * assert.deepStrictEqual(
 *   parse("4242\n/usr/bin/qemu"),
 *   Result.succeed({ _tag: "V2", pid: 4242, executable: "/usr/bin/qemu" })
 * )
 * assert.deepStrictEqual(
 *   parse("0"),
 *   Result.fail({ _tag: "Malformed", problem: "line 1 is out of the range of PIDs, 1 to 2147483647" })
 * )
 * assert.deepStrictEqual(parse('4242\n\n{"v":4}'), Result.fail({ _tag: "UnsupportedVersion", version: "4" }))
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (bytes: Uint8Array): Result.Result<Sentinel, Problem> => Result.flatMap(decode(bytes), parseText)

const parseText = (text: string): Result.Result<Sentinel, Problem> => {
  const lines = text.split("\n")
  if (lines.length > 1 && lines.at(-1) === "") lines.pop()
  const pid = parsePid(lines[0] ?? "")
  if (Result.isFailure(pid)) return Result.fail(pid.failure)
  const executable = dropCR(lines[1] ?? "")
  if (lines.length > 3) return malformed("more than three lines")
  if (lines[2] !== undefined) return parseRecord(pid.success, executable, dropCR(lines[2]))
  if (lines[1] === undefined || executable === "") return Result.succeed({ _tag: "V1", pid: pid.success })
  if (executable.includes(recordStart)) return malformed("line 2 holds a record")
  return Result.succeed({ _tag: "V2", pid: pid.success, executable })
}

const text = (sentinel: Sentinel): string => {
  switch (sentinel._tag) {
    case "V1":
      return `${sentinel.pid}`
    case "V2":
      return `${sentinel.pid}\n${sentinel.executable}`
    case "V3": {
      const { v, ...rest } = sentinel.record
      return `${sentinel.pid}\n${rest.exe?.path ?? ""}\n${JSON.stringify({ v, pid: sentinel.pid, ...rest })}\n`
    }
  }
}

/**
 * Encodes a sentinel. Fails if {@link parse} could not give the same sentinel back, such as for a path with a newline,
 * and if the result would exceed {@link maxBytes}.
 *
 * **Example** (Encoding a v2 sentinel)
 *
 * ```ts
 * import { Pid } from "@vm-sentinel/core/ProcessIdentity"
 * import * as Sentinel from "@vm-sentinel/core/Sentinel"
 * import { Result } from "effect"
 * import * as assert from "node:assert"
 *
 * const encode = (executable: string) =>
 *   Sentinel.encode({ _tag: "V2", pid: Pid.make(4242), executable }).pipe(
 *     Result.map((bytes) => new TextDecoder().decode(bytes))
 *   )
 *
 * assert.deepStrictEqual(encode("/usr/bin/qemu"), Result.succeed("4242\n/usr/bin/qemu"))
 * assert.ok(Result.isFailure(encode("/usr/bin/two\nlines")))
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (sentinel: Sentinel): Result.Result<Uint8Array, Problem> => {
  const path = executableOf(sentinel)
  if (sentinel._tag === "V2" && sentinel.executable === "") return malformed("a v2 record needs an executable path")
  if (path !== undefined && /[\n\0]/.test(path)) return malformed("the executable's path contains a newline or NUL")
  if (path?.includes(recordStart)) return malformed("the executable's path contains a record")
  if (path?.endsWith("\r")) return malformed("the executable's path ends in a carriage return")
  if (path !== undefined && !path.isWellFormed()) return malformed("the executable's path is not valid UTF-8")
  if (sentinel._tag === "V3" && !isRecord(sentinel.record)) return malformed("not a valid v3 record")
  const bytes = new TextEncoder().encode(text(sentinel))
  if (bytes.length > maxBytes) return malformed(`${bytes.length} bytes, at most ${maxBytes} fit`)
  return Result.succeed(bytes)
}

/**
 * The executable that a sentinel names. `undefined`: it names none.
 *
 * @category accessors
 * @since 0.1.0
 */
export const executableOf = (sentinel: Sentinel): string | undefined => {
  switch (sentinel._tag) {
    case "V1":
      return undefined
    case "V2":
      return sentinel.executable
    case "V3":
      return sentinel.record.exe?.path
  }
}

/**
 * Whether a sentinel claims that its owner holds the directory's lock.
 *
 * @category accessors
 * @since 0.1.0
 */
export const claimsLock = (sentinel: Sentinel): boolean => sentinel._tag === "V3" && sentinel.record.lock !== undefined

/**
 * Role of the record that a sweep writes into its workspace.
 *
 * @category constants
 * @since 0.1.0
 */
export const sweepRole = "reaper"

/**
 * The fields of a v3 record besides the identity of the process. See `RecordV3` for each.
 *
 * @category models
 * @since 0.1.0
 */
export interface Acquisition {
  readonly nonce: string
  readonly role: string
  readonly createdAt: string
  readonly lock?: LockRecord
  readonly directory?: RecordedDirectory
}

/**
 * The `lock` field of a record, for the lock that its process holds or was started with. Empty without a lock. Also
 * empty if `outlivesThread` is `false`: such a lock ends with the thread that took it, before the process ends.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lockRecord = (
  lock: { readonly tested: boolean; readonly outlivesThread: boolean } | undefined,
  holder: LockRecord["holder"]
): { readonly lock?: LockRecord } =>
  lock === undefined || !lock.outlivesThread ? {} : { lock: { kind: "flock", tested: lock.tested, holder } }

/**
 * The sentinel of a process in one of the formats. v1 and v2 drop the data that they have no line for. v2 needs an
 * executable.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromIdentity = (
  identity: ProcessIdentity,
  format: Format,
  acquisition: Acquisition
): Result.Result<Sentinel, Problem> => {
  const { pid, ...rest } = identity
  switch (format) {
    case "v1":
      return Result.succeed({ _tag: "V1", pid })
    case "v2":
      return identity.exe === undefined
        ? malformed("a v2 record needs an executable path, and the process's can't be read")
        : Result.succeed({ _tag: "V2", pid, executable: identity.exe.path })
    case "v3":
      return Result.succeed({ _tag: "V3", pid, record: { ...rest, ...acquisition, v: 3 } })
  }
}
