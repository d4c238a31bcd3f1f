/**
 * Sweeps random roots of hostile directories: `node stress/hostile.ts [SECONDS] [MOUNTS]`, by default 300 s. MOUNTS is
 * `hung` (the default) or `answering`, which leaves out the mounts that never answer. The script prints the seed of
 * each round. `SENTINEL_TEST_SEED=<seed> node stress/hostile.ts 1` runs that round alone.
 *
 * Every sweep must end, with an exit code of 0 or 1, without a defect and in little memory. It must report each
 * directory once. It must remove every dead directory that can be removed, and must keep all others. A tree beside the
 * root must stay as it was, with its times. Needs root and bindfs, and runs in a mount namespace of its own.
 */
import "./prebuilt.ts"
import * as Outcome from "@vm-sentinel/core/Outcome"
import { Effect, Option, Schema } from "effect"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Agents from "@vm-sentinel/platform-linux/test/support/sweepers"
import * as Owners from "@vm-sentinel/platform-linux/test/support/owners"
import * as Random from "@vm-sentinel/platform-linux/test/support/random"
import * as Real from "@vm-sentinel/platform-linux/test/support/realLayers"
import * as Hostile from "./support/hostileTree.ts"

const [seconds = "300", mounts = "hung"] = process.argv.slice(2)

const namespaceVariable = "SENTINEL_TEST_OWN_MOUNTS"
if (process.env[namespaceVariable] === undefined) {
  const [file = "", ...args] = [...Agents.ownMounts, process.execPath, import.meta.filename, seconds, mounts]
  const { status } = spawnSync(file, args, { stdio: "inherit", env: { ...process.env, [namespaceVariable]: "1" } })
  process.exit(status ?? 1)
}

const furnishers = [...Hostile.furnishers, ...(mounts === "hung" ? Hostile.hungMounts : [])]
const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(Outcome.Line))
const payload = "payload"

/** MiB that a sweep may need above a sweep of nothing. */
const allowance = 64
/** Seconds that a sweep may take, on a busy machine, and for each 1000 entries. */
const [patience, patienceEach] = [60, 0.5]

interface Vm {
  readonly name: string
  readonly owner: "dead" | "live" | "nobody" | "unknown"
  readonly things: ReadonlyArray<Hostile.Furnisher>
}

const describe = ({ name, owner, things }: Vm): string =>
  `${name} (${owner}; ${things.map(({ name }) => name).join(", ") || "plain"})`

const sentinelOf = (owner: Vm["owner"], owners: Owners.Owners): string | undefined =>
  ({ dead: Owners.inscribe(owners.dead), live: Owners.inscribe(owners.live), nobody: undefined, unknown: "?" })[owner]

const furnish = async (root: string, canary: string, random: Random.Random, owners: Owners.Owners) => {
  const vms: Array<Vm> = []
  const count = 5 + random.below(25)
  /** The directory that gets 100 000 names, in one round of three. */
  const crowded = random.below(3 * count)
  for (let index = 0; index < count; index++) {
    const owner = random.pick<Vm["owner"]>(["dead", "dead", "dead", "live", "nobody", "unknown"])
    const chosen = index === crowded ? [Hostile.crowd] : random.sample(furnishers, random.below(3))
    const over = chosen.filter(({ name }) => name.endsWith("over it"))
    const things = over.length > 0 ? over.slice(0, 1) : chosen
    const name = `vm${index}${random.pick(["", "\n", "\u001b[31m", "ü", " x"])}`
    const path = `${root}/${name}`
    Fs.mkdirSync(path, { mode: 0o700 })
    Fs.writeFileSync(`${path}/${payload}`, name)
    const sentinel = sentinelOf(owner, owners)
    if (sentinel !== undefined) Fs.writeFileSync(`${path}/.vm-sentinel`, sentinel, { mode: 0o600 })
    const inscribe = () => sentinelOf(owner, owners) ?? "?"
    for (const { make } of things) await make({ path, canary, random, inscribe })
    vms.push({ name, owner, things })
  }
  return vms
}

/** Makes a tree in which every access changes an access time, because the access times lie before the others. */
const makeCanary = (canary: string): void => {
  Fs.mkdirSync(`${canary}/inner/most`, { recursive: true })
  Fs.writeFileSync(`${canary}/file`, "precious")
  Fs.writeFileSync(`${canary}/inner/.vm-sentinel`, "2147483647", { mode: 0o600 })
  for (const name of ["file", "inner/.vm-sentinel", "inner/most", "inner", ""]) {
    Fs.utimesSync(`${canary}/${name}`, 1_000_000, 2_000_000)
  }
}

const namesIn = (directory: string): ReadonlyArray<string> =>
  Fs.readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()

const timesOf = (canary: string, names: ReadonlyArray<string>): ReadonlyArray<string> =>
  ["", ...names].map((name) => {
    const { atimeNs, ctimeNs, gid, ino, mode, mtimeNs, nlink, size, uid } = Fs.lstatSync(`${canary}/${name}`, {
      bigint: true
    })
    return [name, ino, mode, uid, gid, nlink, size, atimeNs, mtimeNs, ctimeNs].join(" ")
  })

const peakOf = (pid: number): number => {
  try {
    return Number(/^VmHWM:\s*(\d+)/m.exec(Fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

interface Ended {
  readonly code: number | string
  readonly isHung: boolean
  readonly stdout: string
  readonly stderr: string
  readonly peak: number
  readonly seconds: number
}

const sweep = (root: string, options: ReadonlyArray<string>, limit: number): Promise<Ended> =>
  new Promise((resolve) => {
    const start = performance.now()
    const child = spawn(process.execPath, [Agents.command, "sweep", root, "--json", ...options])
    let [isHung, peak, stdout, stderr] = [false, 0, "", ""]
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    const looking = setInterval(() => {
      peak = Math.max(peak, peakOf(child.pid ?? 0))
    }, 10)
    const timer = setTimeout(() => {
      isHung = true
      child.kill("SIGKILL")
      // SIGKILL may not end a process that waits for an answer before the mount is gone.
      Hostile.unmountAll()
    }, limit * 1000)
    child.once("close", (code, signal) => {
      clearTimeout(timer)
      clearInterval(looking)
      resolve({ code: code ?? signal ?? "", isHung, stdout, stderr, peak, seconds: (performance.now() - start) / 1000 })
    })
  })

const readPayload = (path: string): string | undefined => {
  try {
    return Fs.readFileSync(`${path}/${payload}`, "utf8")
  } catch {
    return undefined
  }
}

const problemsOf = (root: string, vms: ReadonlyArray<Vm>, ended: Ended, limit: number): ReadonlyArray<string> => {
  const { code, isHung, peak, stderr, stdout } = ended
  const problems: Array<string> = []
  if (isHung) problems.push("it hangs")
  else if (code !== 0 && code !== 1) problems.push(`exit code ${code}`)
  if (/a defect|^\s+at /m.test(stderr)) problems.push(`a defect: ${stderr.split("\n").slice(0, 8).join("\n    ")}`)
  if (peak > limit) problems.push(`${peak.toFixed()} MiB`)
  const lines = stdout.split("\n").filter((line) => line !== "")
  const outcomes = lines.flatMap((line) => Option.toArray(decodeLine(line))).filter(({ _tag }) => _tag === "Outcome")
  const names = outcomes.map((outcome) => ("name" in outcome ? outcome.name : ""))
  const left = new Set(Fs.readdirSync(root))
  for (const vm of vms) {
    const { name, owner, things } = vm
    const told = names.filter((other) => other === name).length
    if (!isHung && told !== 1) problems.push(`told ${told} times: ${describe(vm)}`)
    const isOver = things.some(({ name }) => name.endsWith("over it"))
    const isJudged = !things.some(({ removable }) => removable === undefined)
    if (owner !== "dead" && !left.has(name)) problems.push(`lost: ${describe(vm)}`)
    else if (owner !== "dead" && !isOver && readPayload(`${root}/${name}`) !== name) {
      problems.push(`spoilt: ${describe(vm)}`)
    }
    const isRemovable = owner === "dead" && isJudged && things.every(({ removable }) => removable === true)
    if (!isHung && isRemovable && left.has(name)) problems.push(`left: ${describe(vm)}`)
  }
  return problems
}

const entriesIn = (root: string): number =>
  Number(execFileSync("sh", ["-c", 'find "$1" -xdev -printf x 2>/dev/null | wc -c', "sh", root], { encoding: "utf8" }))

const clear = (directory: string): void => {
  Hostile.unmountAll()
  spawnSync("chattr", ["-R", "-f", "-i", "-a", directory], { stdio: "ignore" })
  execFileSync("rm", ["-rf", directory])
}

const round = async (scratch: string, seed: number, owners: Owners.Owners, peakLimit: number): Promise<number> => {
  const random = Random.make(seed)
  const place = `${scratch}/${seed}`
  const [root, canary] = [`${place}/root`, `${place}/canary`]
  Fs.mkdirSync(root, { recursive: true, mode: 0o700 })
  makeCanary(canary)
  const known = namesIn(canary)
  const before = timesOf(canary, known)
  try {
    const vms = await furnish(root, canary, random, owners)
    // A count of the entries would hang in a hung mount, so the number is then estimated from the kinds of directories.
    const many = vms.filter(({ things }) => things.some(({ name }) => name === Hostile.crowd.name)).length
    const entries = mounts === "hung" ? many * 100_000 + vms.length * 100 : entriesIn(root)
    const options = random.pick([[], ["--sizes"], ["--dry-run"], ["--shared", "trust"]])
    const limit = patience + (patienceEach * entries) / 1000
    const ended = await sweep(root, options, limit)
    Hostile.unmountAll()
    const isDry = options.includes("--dry-run")
    const problems = problemsOf(root, vms, ended, peakLimit).filter((problem) => !isDry || !problem.startsWith("left:"))
    const after = timesOf(canary, known)
    const touched = before.flatMap((was, index) => (was === after[index] ? [] : [`touched: ${was} -> ${after[index]}`]))
    const grown = namesIn(canary).join("\n") === known.join("\n") ? [] : ["something came or went beside the root"]
    const all = [...problems, ...touched, ...grown]
    const { code, peak, seconds } = ended
    const left = Fs.readdirSync(root).length
    console.log(
      `seed ${seed}: ${vms.length} directories, ${entries} entries, ${options.join(" ")} ${seconds.toFixed(1)} s, ${peak.toFixed()} MiB, exit code ${code}, ${left} left${all.length === 0 ? "" : ":"}`
    )
    for (const problem of all) console.log(`  ${problem}`)
    return all.length
  } finally {
    clear(place)
  }
}

const program = Effect.gen(function* () {
  const owners = yield* Owners.make
  const scratch = Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "vm-sentinel-hostile-"))
  const end = performance.now() + Number(seconds) * 1000
  let [rounds, wrong] = [0, 0]
  yield* Effect.promise(async () => {
    Fs.mkdirSync(`${scratch}/empty`, { mode: 0o700 })
    const { peak } = await sweep(`${scratch}/empty`, [], patience)
    console.log(`a sweep of nothing: ${peak.toFixed()} MiB`)
    do {
      wrong += await round(scratch, Random.seed + rounds, owners, peak + allowance)
      rounds += 1
    } while (performance.now() < end)
    clear(scratch)
  })
  console.log(`${rounds} rounds, ${wrong} problems`)
  return wrong
})

const wrong = await Effect.runPromise(Effect.provide(Effect.scoped(program), Real.layer))
process.exit(wrong === 0 ? 0 : 1)
