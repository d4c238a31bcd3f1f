/**
 * `explain`: the evidence of one directory.
 *
 * @since 0.1.0
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { LookError, MountInside } from "@vm-sentinel/core/Errors"
import type { Subject } from "@vm-sentinel/core/JudgeInputs"
import type { Present } from "@vm-sentinel/core/Observation"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Explanation from "./Explanation.ts"
import * as ExplanationTable from "../text/ExplanationTable.ts"
import * as JudgeFlags from "../JudgeFlags.ts"
import { columns, hasColors, type Output, type OutputError, write } from "../Output.ts"
import * as Report from "../sweep/Report.ts"
import * as WorkingDirectory from "../WorkingDirectory.ts"

/**
 * Options of {@link explain}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends JudgeFlags.JudgeFlags {
  readonly directory: string
  readonly json: boolean
}

/** Whether two answers about a PID describe one process, as far as their data show. */
const isSame = (before: Present, now: Present): boolean =>
  before.processId64 === undefined || now.processId64 === undefined
    ? before.startTime === undefined || before.startTime === now.startTime
    : before.processId64 === now.processId64

/** The names of the processes that were seen under recorded PIDs. The judgement itself reads no name. */
const commandsOf = Effect.fnUntraced(function* (subjects: ReadonlyArray<Subject>) {
  const inspector = yield* ProcessInspector
  const names = new Map<number, string>()
  for (const { observed } of subjects) {
    if (observed.process?._tag !== "Present") continue
    const now = yield* inspector.observe(observed.process.pid)
    if (now._tag === "Present" && now.comm !== undefined && isSame(observed.process, now)) names.set(now.pid, now.comm)
  }
  return names
})

const encode = Schema.encodeEffect(Explanation.Explanation)

/**
 * Judges one directory, and prints everything that was compared, as tables or as one JSON line.
 *
 * @category running
 * @since 0.1.0
 */
export const explain: (
  options: Options
) => Effect.Effect<void, LookError | MountInside | OutputError, Output | ProcessInspector | SentinelStore> = Effect.fn(
  "explain"
)(function* (options) {
  const { directory, json } = options
  const asked = yield* WorkingDirectory.absolute(directory)
  const judgement = yield* Cleanup.judge(asked, JudgeFlags.options(options))
  const commands = yield* commandsOf(judgement.inputs.subjects)
  const explanation = Explanation.make(asked, judgement, judgement.inputs, commands)
  if (json) return yield* write(Report.jsonLine(yield* Effect.orDie(encode(explanation))))
  const shown = { now: yield* DateTime.now, colors: yield* hasColors("stdout"), width: yield* columns }
  yield* write(ExplanationTable.render(explanation, shown))
})
