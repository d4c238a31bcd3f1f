/** Interprets a run of `ps`: exit code, output and error output together. */
import type { Unavailable } from "@vm-sentinel/core/Observation"
import { type Answer, fromErrno, gone, unusable } from "./answer.ts"
import type { Ran } from "./command.ts"
import { parseRow, type Row } from "./psRows.ts"

/** `Found`: the printed rows, which may lack some of the processes. `Gone`: none of the processes exists. */
export type PsAnswer = Answer<ReadonlyMap<number, Row>>

const refused = /operation not permitted|permission denied/i

const complaint = (reason: Unavailable["reason"], code: number, stderr: string): PsAnswer => {
  const detail = `ps: exit ${code}: ${stderr.trim().split("\n", 1)[0] ?? ""}`
  return refused.test(stderr) ? { _tag: "Refused", detail } : unusable(reason, detail)
}

const parseRows = (stdout: string, asked: ReadonlySet<number>): PsAnswer => {
  const rows = new Map<number, Row>()
  for (const line of stdout.split("\n")) {
    if (line.trim() === "") continue
    const row = parseRow(line)
    if (row === undefined) return unusable("malformed", `ps: not a row: ${JSON.stringify(line.slice(0, 100))}`)
    if (!asked.has(row.pid)) return unusable("malformed", `ps: a row for process ${row.pid}, which wasn't asked for`)
    if (rows.has(row.pid)) return unusable("malformed", `ps: two rows for process ${row.pid}`)
    rows.set(row.pid, row)
  }
  return { _tag: "Found", value: rows }
}

/**
 * `ps` exits with 0 if it found at least one process. It exits with 1, and prints nothing at all, if it found none. It
 * also exits with 0, and prints no rows, if it couldn't read the process table.
 */
export const interpret = (ran: Ran, asked: ReadonlySet<number>): PsAnswer => {
  if (ran._tag === "NotStarted") return fromErrno("ps can't be started", ran.errno)
  if (ran._tag === "Broken") return unusable("resources", `ps: ${ran.detail}`)
  const { code, stderr, stdout } = ran
  const isSilent = stdout.trim() === ""
  if (stderr.trim() !== "") return complaint(code === 0 && isSilent ? "resources" : "malformed", code, stderr)
  if (code === 1 && isSilent) return gone
  if (code !== 0) return unusable("malformed", `ps: exit ${code}${isSilent ? "" : " with rows"}`)
  return isSilent ? unusable("resources", "ps: exit 0 without a row") : parseRows(stdout, asked)
}
