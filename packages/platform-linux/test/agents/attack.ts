/**
 * Sweeps while two attackers act, for SECONDS or, if ACTS isn't 0, until each attacker has done ACTS acts. Run it in a
 * mount namespace of its own: `unshare --mount node attack.ts SECONDS ACTS SEED`. Prints JSON, see `attackResult.ts`.
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { Outcome } from "@vm-sentinel/core/Outcome"
import { Effect } from "effect"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import type { AttackResult } from "./attackResult.ts"
import * as Owners from "../support/owners.ts"
import * as Real from "../support/realLayers.ts"
import * as Tree from "../support/tree.ts"

const [seconds = "60", acts = "0", seed = "0"] = process.argv.slice(2)

const furnish = (path: string, sentinel: string): void => {
  for (const at of ["", "/sub", "/sub/sub", "/sub/sub/sub", "/other"]) {
    Fs.mkdirSync(`${path}${at}`, { recursive: true, mode: 0o700 })
    for (let file = 0; file < 25; file++) Fs.writeFileSync(`${path}${at}/file-${file}`, `${file}`)
  }
  Fs.writeFileSync(`${path}/.vm-sentinel`, sentinel, { mode: 0o600 })
}

/** Unmounts everything below a directory. The content of the mounted file systems stays. */
const unmountAll = (below: string): void => {
  for (;;) {
    const points = Fs.readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[4] ?? "")
      .filter((point) => point.startsWith(`${below}/`))
    const [point] = points.toReversed()
    if (point === undefined) return
    execFileSync("umount", ["--lazy", point.replace("//deleted", "")])
  }
}

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

const program = Effect.gen(function* () {
  const scratch = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const path = Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "vm-sentinel-attack-"))
      // A file system in memory allows more acts per second.
      execFileSync("mount", ["-t", "tmpfs", "-o", "mode=700", "tmpfs", path])
      return path
    }),
    (path) =>
      Effect.sync(() => {
        unmountAll(path)
        execFileSync("umount", ["--lazy", path])
        Fs.rmSync(path, { recursive: true, force: true })
      })
  )
  const owners = yield* Owners.make
  const [root, outside, stash] = [`${scratch}/root`, `${scratch}/outside`, `${scratch}/stash`]
  for (const path of [root, outside, stash, `${outside}/sub`, `${outside}/sub/sub`]) Fs.mkdirSync(path, { mode: 0o700 })
  for (const path of ["precious", "sub/precious", "sub/sub/precious", "sub/file-1", "file-1"]) {
    Fs.writeFileSync(`${outside}/${path}`, path)
  }
  furnish(`${outside}/sub/sub/vm`, Owners.inscribe(owners.dead))
  const lives = ["live-1", "live-2"]
  for (const name of lives) furnish(`${root}/${name}`, Owners.inscribe(owners.live))
  const inodes = lives.map((name) => Fs.lstatSync(`${root}/${name}`).ino)
  const before = { outside: Tree.of(outside), lives: lives.map((name) => Tree.of(`${root}/${name}`)) }

  const problems: Array<string> = []
  const reasons: Record<string, number> = {}
  let [sweeps, removed, made] = [0, 0, 0]
  const noteOutcome = ({ action, error, reason }: Outcome) => {
    const key =
      error === undefined ? `${action} ${reason}` : `${action} ${reason} ${"errno" in error ? error.errno : error._tag}`
    reasons[key] = (reasons[key] ?? 0) + 1
    if (action === "removed") removed += 1
  }
  // `true`: threads of Node's pool remove. `false`: this thread removes, call by call.
  const sweep = (pool: boolean) => Effect.provide(Cleanup.sweep(root), Real.layerWith(pool))
  const look = () => {
    problems.push(...Tree.differences(before.outside, Tree.of(outside)).map((difference) => `outside: ${difference}`))
  }

  let output = ""
  const attackers = yield* Effect.acquireRelease(
    Effect.sync(() =>
      [0, 1].map((index) => {
        const script = Path.join(import.meta.dirname, `attacker${Path.extname(import.meta.filename)}`)
        const args = [script, root, outside, stash, `${Number(seed) + index}`, acts, `${index}`]
        const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
        child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text))
        return child
      })
    ),
    (children) => Effect.sync(() => children.forEach((child) => child.kill("SIGKILL")))
  )
  const until = performance.now() + Number(seconds) * 1000
  const isOver = () => (acts === "0" ? performance.now() > until : attackers.every(ended))
  while (!isOver() && problems.length === 0) {
    for (let index = 0; index < 20; index++) {
      // The directory is made outside the root. In the root, an attacker could swap it for a link to `outside`, and
      // `furnish` would write through the link.
      furnish(`${scratch}/making`, Owners.inscribe(owners.dead))
      Fs.renameSync(`${scratch}/making`, `${root}/dead-${made++}`)
    }
    for (let again = 0; again < 2; again++) {
      const { outcomes } = yield* sweep(sweeps % 4 < 2)
      sweeps += 1
      outcomes.forEach(noteOutcome)
    }
    if (sweeps % 10 === 0) look()
    // Node needs one turn of the event loop to report the exit of an attacker.
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  }
  for (const child of attackers) child.kill("SIGKILL")
  yield* Effect.promise(() =>
    Promise.all(
      attackers.map((child) => (ended(child) ? undefined : new Promise((resolve) => child.once("exit", resolve))))
    )
  )
  unmountAll(scratch)
  look()
  const last = yield* sweep(true)
  last.outcomes.forEach(noteOutcome)
  look()
  // An attacker may have given a living directory a dead one's name. It is kept under that name, or in the place to
  // which a sweep moved it.
  const places = ["", ...Tree.entries(root).flatMap((entry) => (entry.startsWith(".") ? [`/${entry}/claimed`] : []))]
  const kept = places.flatMap((place) =>
    Fs.existsSync(`${root}${place}`) ? Tree.entries(`${root}${place}`).map((entry) => `${root}${place}/${entry}`) : []
  )
  lives.forEach((name, index) => {
    const at = kept.find((path) => Fs.lstatSync(path).ino === inodes[index])
    const now = at === undefined ? {} : Tree.of(at)
    problems.push(...Tree.differences(before.lives[index] ?? {}, now).map((difference) => `${name}: ${difference}`))
  })
  // A link under a dead directory's name stays, because it isn't a directory with an owner. A dead directory must be
  // gone.
  for (const entry of Tree.entries(root)) {
    if (entry.startsWith("dead-") && Fs.lstatSync(`${root}/${entry}`).isDirectory()) {
      const judged = yield* Effect.result(Cleanup.judge(`${root}/${entry}`))
      if (judged._tag === "Success" && judged.success.verdict === "dead") problems.push(`left over: ${entry}`)
    }
  }
  const result: AttackResult = { sweeps, made, removed, reasons, acts: output, problems: problems.slice(0, 20) }
  return result
})

const result = await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(Real.layer)))
process.stdout.write(JSON.stringify(result))
