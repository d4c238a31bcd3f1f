/**
 * Answers like macOS's `ps`, from Linux's procfs: rows, widths, order, exit codes and error messages. Run as
 *
 * ```text
 * node ps.mjs --log FILE --replay FILE --max-pid N -- -ww -o pid=,uid=,… -p 1,2,…
 * ```
 *
 * `--log` appends the arguments of each run to a file. `--replay` answers with the JSON `{ stdout, stderr, code }` of a
 * file, except if the last argument is the PID of this `ps` itself. `--max-pid` is the largest PID that it accepts. The
 * default is macOS's largest PID.
 */
import { appendFileSync, readFileSync } from "node:fs"
import { parseArgs } from "node:util"

const ticksPerSecond = 100

const read = (path) => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

const bootTime = () => Number(/^btime (\d+)$/m.exec(read("/proc/stat") ?? "")?.[1])

const field = (status, name) => new RegExp(`^${name}:\\t(.*)$`, "m").exec(status)?.[1] ?? ""

const states = { R: "R", T: "T", t: "T", Z: "Z", X: "Z", D: "U" }

/**
 * Reads the process with a PID. A Linux thread id is no PID. A process whose leader has exited while threads run counts
 * as running.
 */
const inspect = (pid) => {
  const stat = read(`/proc/${pid}/stat`)
  const status = read(`/proc/${pid}/status`)
  if (stat === undefined || status === undefined || Number(field(status, "Tgid")) !== pid) return undefined
  const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const letter = words[0] ?? "?"
  const isExited = letter === "X" || (letter === "Z" && Number(words[17]) <= 1)
  const argv0 = (read(`/proc/${pid}/cmdline`) ?? "").split("\0", 1)[0]
  return {
    pid,
    ppid: Number(words[1]),
    pgid: Number(words[2]),
    tty: Number(words[4]),
    uid: Number(field(status, "Uid").split("\t")[1]),
    state: letter === "Z" && !isExited ? "S" : (states[letter] ?? "S"),
    started: bootTime() + Math.floor(Number(words[19]) / ticksPerSecond),
    comm: stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")).slice(0, 15),
    argv0: argv0 === "" ? undefined : argv0
  }
}

const two = (number) => `${number}`.padStart(2, "0")
const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const tage = ["So.", "Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa."]
const monate = ["Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sep.", "Okt.", "Nov.", "Dez."]

/** `strftime(3)` with `%c`: in the local time zone, and in German unless LC_TIME is the C locale. */
const formatStart = (seconds, locale) => {
  const at = new Date(seconds * 1000)
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${at.getFullYear()}`
  return locale === "C"
    ? `${days[at.getDay()]} ${months[at.getMonth()]} ${`${at.getDate()}`.padStart(2)} ${time}`
    : `${tage[at.getDay()]} ${at.getDate()} ${monate[at.getMonth()]} ${time}`
}

/** Encodes control characters, as `ps` does by `strvis(3)`: none reaches the terminal. */
const encode = (text) =>
  Array.from(text, (character) => {
    const code = character.charCodeAt(0)
    return code < 0x20 || code === 0x7f ? `\\^${String.fromCharCode(code ^ 0x40)}` : character
  }).join("")

const cell = (column, process, isLast, locale) => {
  switch (column) {
    case "pid":
      return `${process.pid}`.padStart(5)
    case "ppid":
      return `${process.ppid}`.padStart(5)
    case "pgid":
      return `${process.pgid}`.padStart(5)
    case "uid":
      return `${process.uid}`.padStart(5)
    case "state":
      return process.state.padEnd(4)
    case "lstart":
      return formatStart(process.started, locale).padEnd(28)
    case "comm": {
      const comm = process.state === "Z" ? "<defunct>" : encode(process.argv0 ?? `(${process.comm})`)
      return isLast ? comm : comm.slice(0, 16).padEnd(16)
    }
    default:
      return undefined
  }
}

const run = (args, locale, maxPid) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ww: { type: "boolean" },
      w: { type: "boolean", short: "w" },
      o: { type: "string", short: "o" },
      p: { type: "string", short: "p" }
    }
  })
  const numbers = (values.p ?? "").split(",")
  const wrong = numbers.find((number) => !/^\d+$/.test(number) || Number(number) > maxPid)
  if (wrong !== undefined) return { stdout: "", stderr: `ps: Invalid process id: ${wrong}\n`, code: 1 }
  const columns = (values.o ?? "").split(",").map((column) => column.replace(/=$/, ""))
  const processes = numbers
    .flatMap((number) => inspect(Number(number)) ?? [])
    .sort((a, b) => a.tty - b.tty || a.pid - b.pid)
  const unknown = new Set()
  const rows = processes.map((process) =>
    columns
      .flatMap((column, index) => {
        const text = cell(column, process, index === columns.length - 1, locale)
        if (text === undefined) unknown.add(column)
        return text ?? []
      })
      .join(" ")
  )
  return {
    stdout: rows.map((row) => `${row}\n`).join(""),
    stderr: [...unknown].map((column) => `ps: ${column}: keyword not found\n`).join(""),
    code: processes.length > 0 && unknown.size === 0 ? 0 : 1
  }
}

const split = process.argv.indexOf("--")
const { values } = parseArgs({
  args: process.argv.slice(2, split),
  options: { log: { type: "string" }, replay: { type: "string" }, "max-pid": { type: "string", default: "99999" } }
})
const args = process.argv.slice(split + 1)
if (values.log !== undefined) appendFileSync(values.log, `${args.join(" ")}\n`)
const isSelf = args.at(-1) === `${process.pid}`
const replayed = values.replay === undefined || isSelf ? undefined : readFileSync(values.replay, "utf8")
const answer =
  replayed === undefined ? run(args, process.env["LC_TIME"], Number(values["max-pid"])) : JSON.parse(replayed)
process.stdout.write(answer.stdout)
process.stderr.write(answer.stderr)
process.exitCode = answer.code
