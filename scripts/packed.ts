/**
 * Packs the packages, installs them into empty projects, and uses them there: `node scripts/packed.ts`. Runs programs
 * and the command on each Node that the packages promise to run on, as root and as an ordinary user, with koffi and
 * without it. A run writes nothing into the installed packages.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { contents, install, type Project } from "./packed/project.ts"
import { environment, field, pack, repository, run } from "./packed/tarballs.ts"

/** The oldest Node that the packages run on, and the newest of each later release line. */
const ranges = ["22.19.0", "24", "26"] as const

/** A user who owns nothing: `nobody` on Linux. */
const ordinary = 65_534

interface Node {
  readonly version: string
  /** The directory of `node`. */
  readonly path: string
}

interface User {
  readonly name: string
  readonly uid: number | undefined
}

const scratch = Fs.mkdtempSync(`${Os.tmpdir()}/vm-sentinel-packed-`)
process.once("exit", () => Fs.rmSync(scratch, { recursive: true, force: true }))
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130))
// The ordinary user must be able to read this directory.
Fs.chmodSync(scratch, 0o755)

const nodes = (): ReadonlyArray<Node> => {
  const directory = `${scratch}/nodes`
  Fs.mkdirSync(directory)
  Fs.writeFileSync(`${directory}/package.json`, '{ "private": true }')
  // The npm package `node` installs one of these packages.
  const name = `node-${process.platform}-${process.arch}`
  const aliases = ranges.map((range) => `node-${range}@npm:${name}@${range}`)
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...aliases], { cwd: directory })
  return ranges.map((range) => {
    const path = `${directory}/node_modules/node-${range}/bin`
    return { version: run(`${path}/node`, ["--version"], { cwd: scratch }).trim(), path }
  })
}

const users = (): ReadonlyArray<User> => {
  if (process.getuid?.() === 0) {
    return [
      { name: "root", uid: 0 },
      { name: "an ordinary user", uid: ordinary }
    ]
  }
  console.log("skipped: not root, therefore one user only")
  return [{ name: "an ordinary user", uid: undefined }]
}

const expect = (what: string, found: string, expected: string): void => {
  if (found !== expected) throw new Error(`${what} said:\n${found}\nand should say:\n${expected}`)
}

/** Makes a root that the user owns. */
const makeRoot = ({ uid }: User, ...names: ReadonlyArray<string>): string => {
  const root = Fs.mkdtempSync(`${scratch}/root-`)
  for (const path of [root, ...names.map((name) => `${root}/${name}`)]) {
    Fs.mkdirSync(path, { recursive: true })
    if (uid !== undefined) Fs.chownSync(path, uid, uid)
  }
  return root
}

/**
 * Runs the installed command, whose first line finds Node. Requires the exact output of `--version`, `sweep` and `run`
 * on both streams, so a warning of Node fails the test. Ignores the output of `write`.
 */
const useCommand = async (project: Project, node: Node, user: User): Promise<void> => {
  const env = { ...environment, NO_COLOR: "1", PATH: `${node.path}:/usr/sbin:/usr/bin:/sbin:/bin` }
  const options = { cwd: scratch, env, uid: user.uid }
  const command = (...args: ReadonlyArray<string>) =>
    run(`${project.directory}/node_modules/.bin/vm-sentinel`, args, options)
  expect("--version", command("--version"), `vm-sentinel v${field(`${repository}/packages/cli`, "version")}\n`)
  const root = makeRoot(user, "alive", "dead", "held")
  const owner = spawn("sleep", ["1000"], { stdio: "ignore", ...(user.uid === undefined ? {} : { uid: user.uid }) })
  command("write", `${root}/dead`, "--pid", String(owner.pid))
  owner.kill("SIGKILL")
  await once(owner, "exit")
  command("write", `${root}/alive`, "--pid", String(process.pid))
  const lines = command("sweep", "--json", root).trim().split("\n")
  const outcomes = lines.map((line) => {
    const { _tag, action, name, removed, verdict } = Object(JSON.parse(line))
    return _tag === "Outcome" ? `${name}: ${action}, ${verdict}` : `${removed} removed`
  })
  expect("sweep", outcomes.sort().join("\n"), "1 removed\nalive: kept, alive\ndead: removed, dead\nheld: kept, none")
  expect("run", command("run", `${root}/held`, "--", "echo", "ran"), "ran\n")
}

/**
 * The output of the program with the real Layers when it runs from the sources. With another output, the installed
 * packages have lost native code.
 */
const fromSources = (): string => {
  const program = `${repository}/scripts/packed/programs/layers.ts`
  return run(process.execPath, [program, makeRoot({ name: "the same", uid: undefined })], { cwd: repository })
}

const usePackages = (project: Project, node: Node, user: User, native: string): void => {
  const options = { cwd: project.directory, uid: user.uid }
  expect("fakes", run(`${node.path}/node`, ["fakes.js"], options), "")
  const said = run(`${node.path}/node`, ["layers.js", makeRoot(user)], options)
  expect("layers", said, project.isComplete ? native : "portable\n")
}

console.log("packing")
const packed = pack(`${scratch}/packages`)
console.log(packed.map(({ name }) => name).join(", "))
const projects = [true, false].map((isComplete) =>
  install(`${scratch}/${isComplete ? "complete" : "bare"}`, packed, isComplete)
)
const everyone = users()
const native = fromSources()
for (const node of nodes()) {
  for (const project of projects) {
    const before = contents(project)
    for (const user of everyone) {
      usePackages(project, node, user, native)
      await useCommand(project, node, user)
    }
    if (contents(project) !== before) throw new Error(`${project.directory}/node_modules changed`)
    const names = everyone.map(({ name }) => name).join(" and as ")
    console.log(`Node ${node.version}, ${project.isComplete ? "with" : "without"} koffi: runs as ${names}`)
  }
}
