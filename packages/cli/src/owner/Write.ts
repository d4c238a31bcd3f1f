/**
 * `write`: writes a sentinel into a directory, for a process that can't do so itself.
 *
 * @since 0.1.0
 */
import type { SentinelFile } from "@vm-sentinel/core/DirectoryState"
import * as Ownership from "@vm-sentinel/core/Ownership"
import type { Pid } from "@vm-sentinel/core/ProcessIdentity"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { executableOf, type Format } from "@vm-sentinel/core/Sentinel"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as DistrustWarning from "./DistrustWarning.ts"
import * as Output from "../Output.ts"
import * as Text from "../text/Text.ts"
import * as WorkingDirectory from "../WorkingDirectory.ts"

/**
 * Options of {@link write}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly directory: string
  readonly pid: Pid
  readonly format: Option.Option<Format>
  readonly role: Option.Option<string>
  readonly sentinelName: Option.Option<string>
  /** `keep`: doesn't replace a v1 or v2 sentinel. */
  readonly legacy: "trust" | "keep"
}

const describe = ({ content }: SentinelFile): string => {
  if (Result.isFailure(content)) return "unreadable"
  const sentinel = content.success
  const executable = executableOf(sentinel)
  return [
    sentinel._tag.toLowerCase(),
    `process ${sentinel.pid}${executable === undefined ? "" : ` (${executable})`}`,
    ...(sentinel._tag === "V3" ? [`role ${sentinel.record.role}`, `nonce ${sentinel.record.nonce}`] : [])
  ].join(", ")
}

/**
 * Records a process as the owner of a directory, and prints the sentinel that was written.
 *
 * @category running
 * @since 0.1.0
 */
export const write: (
  options: Options
) => Effect.Effect<void, Ownership.RecordError | Output.OutputError, Output.Output | ProcessInspector | SentinelStore> =
  Effect.fn("write")(function* ({ directory, format, legacy, pid, role, sentinelName }) {
    const path = yield* WorkingDirectory.absolute(directory)
    const file = yield* Ownership.record(path, {
      pid,
      legacy,
      ...(Option.isNone(format) ? {} : { format: format.value }),
      ...(Option.isNone(role) ? {} : { role: role.value }),
      ...(Option.isNone(sentinelName) ? {} : { sentinelName: sentinelName.value })
    })
    yield* DistrustWarning.warn(path, file)
    const told = Text.escape(`${path}/${file.entry}: ${describe(file)}`)
    yield* Output.write(`${Text.wrap(told, yield* Output.columns)}\n`)
  })
