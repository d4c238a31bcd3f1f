/**
 * Applies mutations to the sources, one at a time, and runs the tests that must fail for each:
 * `node scripts/mutations.ts [--check] [NAME...]`. A mutation removes the basis of one safety argument. The script
 * restores the sources when it ends, even by SIGINT, SIGTERM or SIGHUP. It exits with 1 if a mutant survives, or if its
 * tests fail without the mutation. `--check` runs no test. It checks that each mutation fits the sources, and that each
 * test file exists.
 */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { type Edit, type Mutation, mutations } from "./mutations/list.ts"

const root = Path.join(import.meta.dirname, "..")
const vitest = `${root}/node_modules/vitest/vitest.mjs`
const scratch = Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-mutations-"))

/** Original texts of the mutated files, by path. */
const originals = new Map<string, string>()

const revert = (): void => {
  for (const [file, text] of originals) Fs.writeFileSync(file, text)
  originals.clear()
}

process.once("exit", () => {
  revert()
  Fs.rmSync(scratch, { recursive: true, force: true })
})

let running: ReturnType<typeof spawn> | undefined
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    running?.kill("SIGKILL")
    process.exit(130)
  })
}

/** Why an edit doesn't fit the sources. `undefined` if it fits. */
const misfit = ({ file, from, to }: Edit): string | undefined => {
  const path = `${root}/${file}`
  if (!Fs.existsSync(path)) return `${file} isn't there`
  if (from === to) return `${file} isn't changed: ${from}`
  const times = Fs.readFileSync(path, "utf8").split(from).length - 1
  return times === 1 ? undefined : `${file} has this ${times} times, not once: ${from}`
}

const misfits = ({ edits, tests }: Mutation): ReadonlyArray<string> => [
  ...edits.flatMap((edit) => misfit(edit) ?? []),
  ...tests.flatMap((test) => (Fs.existsSync(`${root}/${test}`) ? [] : [`${test} isn't there`]))
]

const apply = (edit: Edit): void => {
  const problem = misfit(edit)
  if (problem !== undefined) throw new Error(problem)
  const { file, from, to } = edit
  const path = `${root}/${file}`
  const text = Fs.readFileSync(path, "utf8")
  if (!originals.has(path)) originals.set(path, text)
  Fs.writeFileSync(
    path,
    text.replace(from, () => to)
  )
}

const projectOf = (test: string): string =>
  test.endsWith(".slow.test.ts") ? "slow" : (/^packages\/([^/]+)\//.exec(test)?.[1] ?? "")

interface Result {
  readonly ran: number
  readonly failed: ReadonlyArray<string>
}

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly assertionResults: ReadonlyArray<{ readonly fullName: string; readonly status: string }>
  }>
}

const isReport = (value: unknown): value is Report =>
  typeof value === "object" && value !== null && "testResults" in value && Array.isArray(value.testResults)

const run = async ({ only, tests }: Mutation): Promise<Result> => {
  const output = `${scratch}/report.json`
  Fs.rmSync(output, { force: true })
  const projects = [...new Set(tests.map(projectOf))].flatMap((project) => ["--project", project])
  const names = only === undefined ? [] : ["--testNamePattern", only]
  const options = ["run", "--config", "vitest.workspace.ts", "--reporter=json", `--outputFile=${output}`, ...names]
  const args = [vitest, ...tests, ...options, ...projects]
  let said = ""
  await new Promise((resolve) => {
    running = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
    running.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text))
    running.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text))
    running.once("close", resolve)
  })
  const report: unknown = Fs.existsSync(output) ? JSON.parse(Fs.readFileSync(output, "utf8")) : undefined
  if (!isReport(report)) throw new Error(`no report of ${tests.join(", ")}:\n${said.slice(-2000)}`)
  const all = report.testResults.flatMap(({ assertionResults }) => assertionResults)
  const failed = all.flatMap(({ fullName, status }) => (status === "failed" ? [fullName] : []))
  return { ran: all.filter(({ status }) => status === "passed" || status === "failed").length, failed }
}

/** Results of tests without a mutation. A test that fails without a mutation proves nothing when it fails with one. */
const sound = new Map<string, Promise<Result>>()

const unchanged = (mutation: Mutation): Promise<Result> => {
  const key = JSON.stringify([mutation.tests, mutation.only])
  const known = sound.get(key) ?? run(mutation)
  sound.set(key, known)
  return known
}

const verdictOf = async (mutation: Mutation): Promise<readonly [isKilled: boolean, said: string]> => {
  const before = await unchanged(mutation)
  if (before.ran === 0) return [false, "no test has such a name"]
  if (before.failed.length > 0) return [false, `fails without it: ${before.failed[0]}`]
  try {
    mutation.edits.forEach(apply)
    const { failed, ran } = await run(mutation)
    const [first] = failed
    return first === undefined ? [false, `SURVIVES ${ran} tests`] : [true, `${failed.length} of ${ran} fail: ${first}`]
  } finally {
    revert()
  }
}

const isCheck = process.argv.includes("--check")
const wanted = process.argv.slice(2).filter((argument) => argument !== "--check")
const strangers = wanted.filter((name) => !mutations.some((mutation) => mutation.name === name))
if (strangers.length > 0) {
  console.error(`no such mutation: ${strangers.join(", ")}; there are ${mutations.map(({ name }) => name).join(", ")}`)
  process.exit(2)
}

const width = Math.max(...mutations.map(({ name }) => name.length))
for (const mutation of mutations) {
  if (wanted.length > 0 && !wanted.includes(mutation.name)) continue
  if (isCheck) {
    const problems = misfits(mutation)
    if (problems.length > 0) process.exitCode = 1
    console.log([`${problems.length === 0 ? "fits   " : "MISFIT "} ${mutation.name}`, ...problems].join("\n  "))
    continue
  }
  const [isKilled, said] = await verdictOf(mutation)
  if (!isKilled) process.exitCode = 1
  console.log(`${isKilled ? "killed " : "ALIVE  "} ${mutation.name.padEnd(width)}  ${mutation.what}`)
  console.log(`${" ".repeat(width + 10)}${said}`)
}
