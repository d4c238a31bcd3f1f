/**
 * SIGKILL stops a sweep at each call that changes the file system, and a second sweep finishes. The script does the
 * same with a sweep that starts with leftovers of killed sweeps. It then makes PAIRS pairs of kills in a row, drawn at
 * random by `SENTINEL_TEST_SEED`. Usage: `node stress/crash-points.ts [PAIRS]`, default 200.
 */
import "./prebuilt.ts"
import { Effect } from "effect"
import { execFileSync, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Agents from "@vm-sentinel/platform-linux/test/support/sweepers"
import * as Crashes from "@vm-sentinel/platform-linux/test/support/crashes"
import { Result } from "@vm-sentinel/platform-linux/test/agents/fullDiskResult"
import * as Owners from "@vm-sentinel/platform-linux/test/support/owners"
import * as Random from "@vm-sentinel/platform-linux/test/support/random"
import * as Real from "@vm-sentinel/platform-linux/test/support/realLayers"
import * as Scene from "@vm-sentinel/platform-linux/test/support/scene"
import { inOwnMounts } from "@vm-sentinel/platform-linux/test/support/inOwnMounts"

const [pairs = 200] = process.argv.slice(2).map(Number)
const random = Random.make(Random.seed)

const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

let wrong = 0

/** Runs each list of kills in a scene of its own, with two scenes at once. */
const all = Effect.fnUntraced(function* (
  title: string,
  options: Scene.Options,
  lists: ReadonlyArray<ReadonlyArray<Crashes.Crash>>
) {
  const owners = yield* Owners.make
  const scratch = yield* scratchDirectory
  const survivors = yield* Effect.all([Agents.start(), Agents.start()])
  let killed = 0
  let index = 0
  yield* Effect.forEach(
    lists,
    (list) =>
      Crashes.inScene(scratch, owners, options, (scene) =>
        Effect.gen(function* () {
          const [one, other] = survivors
          const result = yield* Crashes.crashed(list, index++ % 2 === 0 ? one : other, scene)
          killed += result.killed
          if (result.problems.length === 0) return
          wrong += 1
          yield* say(`  killed ${Crashes.describe(list)}:\n    ${result.problems.join("\n    ")}`)
        })
      ),
    { concurrency: 2, discard: true }
  )
  yield* say(`${title}: ${lists.length} runs, ${killed} killed`)
}, Effect.scoped)

const scratchDirectory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "vm-sentinel-crash-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const countOf = Effect.fnUntraced(function* (options: Scene.Options) {
  const owners = yield* Owners.make
  const scratch = yield* scratchDirectory
  const changes = yield* Crashes.inScene(scratch, owners, options, (scene) =>
    Crashes.changesOf(Crashes.sweeping(scene))
  )
  return changes.length
}, Effect.scoped)

const hasStrace = Effect.sync(() => {
  try {
    execFileSync("strace", ["-V"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})

/** Kills a sweep from outside. strace sends SIGKILL when a thread of the process enters its `n`-th call of a kind. */
const straced = Effect.fnUntraced(function* (kind: string, n: number, root: string, pool: boolean) {
  const agent = Path.join(import.meta.dirname, "../packages/platform-linux/test/agents/sweeper.ts")
  return yield* Effect.callback<boolean>((resume) => {
    const inject = `inject=${kind}:signal=KILL:when=${n}`
    const args = ["-f", "-o", "/dev/null", "-e", `trace=${kind}`, "-e", inject]
    const command = [...(pool ? Agents.withPool : []), process.execPath, agent]
    // strace counts calls for each thread. With one thread in Node's pool, that thread makes all calls of the pool.
    const env = { ...process.env, UV_THREADPOOL_SIZE: "1" }
    const child = spawn("strace", [...args, ...command], { stdio: ["pipe", "ignore", "ignore"], env })
    child.once("exit", (code, signal) => resume(Effect.succeed(signal === "SIGKILL" || code === 137)))
    child.stdin.end(`${JSON.stringify({ op: "sweep", root, ...(pool ? {} : { concurrency: 1 }) })}\n`)
  })
})

/** Calls that the sweep makes and Node itself doesn't. */
const stracedKinds = ["rename", "renameat2", "renameat", "unlink", "unlinkat", "rmdir", "mkdir", "link", "fsync"]

const allStraced = Effect.fnUntraced(function* (pool: boolean) {
  const owners = yield* Owners.make
  const scratch = yield* scratchDirectory
  const survivor = yield* Agents.start()
  for (const kind of stracedKinds) {
    let n = 1
    for (let killed = true; killed; n++) {
      killed = yield* Crashes.inScene(scratch, owners, { leftovers: true }, (scene) =>
        Effect.gen(function* () {
          const isKilled = yield* straced(kind, n, scene.root, pool)
          Scene.aMinuteLater(scene.root)
          yield* Agents.sweep(survivor, scene.root)
          const problems = Scene.problems(scene)
          if (problems.length === 0) return isKilled
          wrong += 1
          yield* say(`  killed at ${kind} ${n}:\n    ${problems.join("\n    ")}`)
          return isKilled
        })
      )
    }
    yield* say(`strace, ${kind}${pool ? ", removals by the pool" : ""}: killed at each of ${n - 2}`)
  }
}, Effect.scoped)

/**
 * Kills sweeps at each point on full file systems. A sweep makes no workspace there, and renames a directory within its
 * root instead. Needs root, for mount namespaces.
 */
const onFullDisks = Effect.gen(function* () {
  for (const kind of ["tmpfs", "tmpfs-bytes", "ext4"]) {
    const { killed, problems, runs } = yield* inOwnMounts(Result, "fullDisk", [kind, "all", "0"])
    wrong += problems.length
    yield* say(`a full ${kind}, each point: ${runs} runs, ${killed} killed`)
    for (const problem of problems) yield* say(`  ${problem}`)
  }
})

const program = Effect.gen(function* () {
  yield* say(`seed ${Random.seed}`)
  for (const leftovers of [false, true]) {
    const options = { leftovers }
    const title = leftovers ? "with what killed sweeps left" : "from nothing"
    const points = Crashes.points(yield* countOf(options))
    yield* all(
      `${title}, each point`,
      options,
      points.map((point) => [point])
    )
    const lists = Array.from({ length: pairs }, () => [...random.sample(points, 1), ...random.sample(points, 1)])
    yield* all(`${title}, two in a row`, options, lists)
  }
  yield* onFullDisks
  if (yield* hasStrace) yield* Effect.forEach([false, true], allStraced)
  else yield* say("no strace: its part is left out")
  yield* say(wrong === 0 ? "nothing lost, nothing left" : `${wrong} runs went wrong`)
})

await Effect.runPromise(Effect.provide(program, Real.layer))
process.exitCode = wrong === 0 ? 0 : 1
