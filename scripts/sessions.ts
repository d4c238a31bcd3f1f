/**
 * Runs the commands that pages show, and compares their output. A session is a block of `console` below a comment that
 * names a shell script: `<!-- session: docs/sessions/sweep.sh -->`. The script makes what the commands find. Lines of
 * the block that start with `$ ` are the commands. The other lines are their output. `/srv` stands for a new directory,
 * `$REPOSITORY` for this one. A line of the script that starts with `#? ` prints why the session can't run here.
 * `node scripts/sessions.ts` writes the output into the pages, with invented names of the machine. A test checks that
 * it is current.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { blocksOf, type MadeBlock, pages, read, root, withBlocks } from "./pages.ts"

const prompt = "$ "
const mark = "\u0000"

/** Milliseconds after which a session that hangs is killed. */
const patience = 240_000

/** The id in a file. Empty if there is none. */
const idIn = (path: string): string => {
  const text = Fs.existsSync(path) ? Fs.readFileSync(path, "utf8").trim() : ""
  return /^[0-9a-f-]{32,36}$/.test(text) ? text : ""
}

/** A name of a machine, and the invented name that pages show instead. */
type Name = readonly [own: string, shown: string]

const machineId = "00112233445566778899aabbccddeeff"

/** What identifies this machine. A host name can be any word, so only marked host names are replaced. */
const ownNames = (): ReadonlyArray<Name> => [
  [idIn("/proc/sys/kernel/random/boot_id"), "01234567-89ab-4cde-8f01-23456789abcd"],
  [idIn("/etc/machine-id"), machineId],
  [idIn("/var/lib/dbus/machine-id"), machineId],
  [`host name ${Os.hostname()}`, "host name node-7"]
]

/** A text in which no name identifies the machine that printed it. */
export const anonymous = (text: string, names: ReadonlyArray<Name> = ownNames()): string =>
  names.reduce((text, [own, shown]) => (own === "" ? text : text.replaceAll(own, shown)), text)

/** The commands of a session. */
const commandsIn = (text: string): ReadonlyArray<string> =>
  text.split("\n").flatMap((line) => (line.startsWith(prompt) ? [line.slice(prompt.length)] : []))

const question = "#? "

const environment = { ...process.env, REPOSITORY: root, PATH: `${root}/node_modules/.bin:${process.env["PATH"]}` }

/** Why a session can't run here. `undefined` if it can. */
export const whyNot = ({ from }: MadeBlock): string | undefined => {
  const lines = read(from).split("\n")
  const asked = lines.flatMap((line) => (line.startsWith(question) ? [line.slice(question.length)] : []))
  const { stdout } = spawnSync("sh", ["-c", asked.join("\n")], { encoding: "utf8", env: environment })
  return stdout.split("\n").find((line) => line !== "")
}

/** Runs the commands of a session in one shell. Returns the block with their output. Throws if the script fails. */
export const played = ({ from, text }: MadeBlock): string => {
  const directory = Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-session-")))
  const placed = (shell: string): string => shell.replaceAll("/srv", directory)
  const commands = commandsIn(text)
  const script = [
    "exec 2>&1; set -e",
    // `jobs` writes into a file, because dash has no jobs in a subshell.
    "trap 'jobs -p >jobs; kill $(cat jobs) 2>/dev/null || true' EXIT; trap exit TERM",
    placed(read(from)),
    "set +e",
    ...commands.flatMap((command) => [`printf '\\0'`, placed(command)]),
    "printf '\\0'"
  ]
  try {
    const { error, stdout } = spawnSync("sh", ["-c", script.join("\n")], {
      cwd: directory,
      encoding: "utf8",
      env: environment,
      timeout: patience
    })
    const [before = "", ...outputs] = stdout.split(mark)
    if (error !== undefined || outputs.length !== commands.length + 1) throw new Error(`${from} fails:\n${before}`)
    const session = commands.map((command, index) => `${prompt}${command}\n${outputs[index] ?? ""}`).join("")
    return anonymous(session.replaceAll(directory, "/srv"))
  } finally {
    Fs.rmSync(directory, { recursive: true, force: true })
  }
}

/**
 * A session without the parts that differ between runs and machines: times, PIDs, ids, room, names, and the widths of
 * the columns that these set.
 */
export const lasting = (session: string): string =>
  session
    .replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f…-]+/g, "ID")
    .replace(/\b[0-9a-f]{32}\b/g, "ID")
    .replace(/\b\d+(\.\d+)? ?(ms|s|m|h|d)\b/g, "DURATION")
    .replace(/\b\d+(\.\d+)? [KMGTP]iB\b/g, "SIZE")
    .replace(/\b(host name) \S+/g, "$1 NAME")
    .replace(/\b(pool-linux)-\w+-\w+(?=\.so\b)/g, "$1-MACHINE")
    .replace(/("durationMs":)\d+/g, "$1N")
    .replace(/\d{2,}/g, "N")
    .replace(/ +/g, " ")
    .replace(/ $/gm, "")

/** The sessions of a page. */
export const sessionsIn = (page: string): ReadonlyArray<MadeBlock> => blocksOf(page, "session", "console")

if (import.meta.main) {
  for (const path of pages()) {
    const page = read(path)
    const current = withBlocks(page, "session", "console", (block) => {
      const reason = whyNot(block)
      if (reason !== undefined) {
        console.log(`skipped: ${path}, ${block.from}: ${reason}`)
        return block.text
      }
      const made = played(block)
      return lasting(made) === lasting(block.text) ? block.text : made
    })
    if (current !== page) Fs.writeFileSync(Path.join(root, path), current)
  }
}
