/**
 * The command sweeps a directory of FILES files, a root of DIRECTORIES directories, and a tree DEPTH levels deep:
 * `node stress/big.ts [FILES] [DIRECTORIES] [DEPTH]`, by default 1000000, 100000 and 100000. SIGINT stops the first two
 * sweeps before their end, and a second sweep finishes them. The script prints the memory above that of a sweep of
 * nothing, the time to stop, and the progress shown on a terminal. All roots lie in `TMPDIR`.
 */
import "./prebuilt.ts"
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Agents from "@vm-sentinel/platform-linux/test/support/sweepers"
import * as Owners from "@vm-sentinel/platform-linux/test/support/owners"
import * as Real from "@vm-sentinel/platform-linux/test/support/realLayers"

const [files = 1_000_000, directories = 100_000, depth = 100_000] = process.argv.slice(2).map(Number)
const { command } = Agents

/** The records name no directory, so without this option a sweep in a virtual machine condemns none of them. */
const trusting = ["--shared", "trust"]

/** Peak resident memory (`VmHWM` of `proc_pid_status(5)`), MiB. */
const peakOf = (pid: number): number => {
  try {
    const status = Fs.readFileSync(`/proc/${pid}/status`, "utf8")
    return Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

interface Run {
  readonly code: number | null
  readonly seconds: number
  readonly peak: number
  /** Milliseconds from SIGINT to the end of the process. */
  readonly stopped: number | undefined
  readonly removed: number
}

const follow = (
  child: ChildProcess,
  interruptWhen: (removed: number, seconds: number) => boolean
): Effect.Effect<Run> =>
  Effect.callback((resume) => {
    const start = performance.now()
    let [peak, removed] = [0, 0]
    let interruptedAt: number | undefined
    const timer = setInterval(() => {
      peak = Math.max(peak, peakOf(child.pid ?? 0))
      if (interruptedAt !== undefined || !interruptWhen(removed, (performance.now() - start) / 1000)) return
      interruptedAt = performance.now()
      child.kill("SIGINT")
    }, 10)
    child.stdout?.setEncoding("latin1").on("data", (text: string) => {
      removed += text.split('"action":"removed"').length - 1
    })
    child.once("exit", (code) => {
      const end = performance.now()
      clearInterval(timer)
      const stopped = interruptedAt === undefined ? undefined : end - interruptedAt
      // Output may still arrive after the exit.
      setTimeout(() => resume(Effect.succeed({ code, seconds: (end - start) / 1000, peak, stopped, removed })), 50)
    })
  })

const never = () => false

const sweep = (root: string, interruptWhen: (removed: number, seconds: number) => boolean = never) =>
  follow(
    spawn(process.execPath, [command, "sweep", "--json", ...trusting, root], {
      stdio: ["ignore", "pipe", "inherit"]
    }),
    interruptWhen
  )

const furnish = (path: string, sentinel: string): void => {
  Fs.mkdirSync(path, { mode: 0o700 })
  Fs.writeFileSync(`${path}/.vm-sentinel`, sentinel, { mode: 0o600 })
}

const makeDeep = (path: string): void => {
  let fd = Fs.openSync(path, Fs.constants.O_DIRECTORY)
  for (let level = 0; level < depth; level++) {
    Fs.mkdirSync(`/proc/self/fd/${fd}/d`)
    const next = Fs.openSync(`/proc/self/fd/${fd}/d`, Fs.constants.O_DIRECTORY)
    Fs.closeSync(fd)
    fd = next
  }
  Fs.closeSync(fd)
}

const round = (value: number | undefined) => (value === undefined ? undefined : Math.round(value * 10) / 10)

const say = (title: string, { code, peak, removed, seconds, stopped }: Run, idle: number) =>
  console.log(title, {
    code,
    removed,
    seconds: round(seconds),
    peakMiB: round(peak),
    aboveIdleMiB: round(peak - idle),
    ...(stopped === undefined ? {} : { stoppedMs: round(stopped) })
  })

let wrong = 0
const require = (holds: boolean, what: string): void => {
  if (holds) return
  wrong += 1
  console.log(`  WRONG: ${what}`)
}

/** Output of a sweep on a terminal, which `script(1)` of util-linux provides. */
const watched = (root: string) =>
  Effect.callback<string>((resume) => {
    let text = ""
    const line = `${process.execPath} ${command} sweep --yes ${trusting.join(" ")} ${root} >/dev/null`
    const child = spawn("script", ["-qec", line, "/dev/null"], { stdio: ["ignore", "pipe", "ignore"] })
    child.stdout.setEncoding("utf8").on("data", (more: string) => (text += more))
    child.once("error", () => resume(Effect.succeed("no script(1)")))
    child.once("close", () => resume(Effect.succeed(text)))
  })

const program = Effect.gen(function* () {
  const scratch = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "vm-sentinel-big-"))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  const { dead, live } = yield* Owners.make
  Fs.mkdirSync(`${scratch}/empty`, { mode: 0o700 })
  const idle = (yield* sweep(`${scratch}/empty`)).peak
  console.log("a sweep of nothing", { peakMiB: round(idle) })

  const check = Effect.fnUntraced(function* (
    title: string,
    root: string,
    interruptWhen: (removed: number, seconds: number) => boolean,
    dead: number,
    left: number
  ) {
    const first = yield* sweep(root, interruptWhen)
    say(`${title}, stopped`, first, idle)
    require(first.code === 130, "it ends with 130")
    require((first.stopped ?? Infinity) <= 100, "it stops within 100 ms")
    require(Fs.readdirSync(root).length > left, "it had more to do")
    const second = yield* sweep(root)
    say(`${title}, finished`, second, idle)
    require(second.code === 0, "it ends with 0")
    require(Fs.readdirSync(root).length === left, "nothing dead is left")
    require(first.removed + second.removed === dead, "each of the dead is told once")
    for (const { peak } of [first, second]) require(peak - idle <= 64, "memory within 64 MiB of an idle process")
  })

  const many = `${scratch}/many`
  Fs.mkdirSync(many, { mode: 0o700 })
  furnish(`${many}/vm`, Owners.inscribe(dead))
  for (let file = 0; file < files; file++) Fs.closeSync(Fs.openSync(`${many}/vm/file-${file}`, "w"))
  const isDeleting = () =>
    Fs.readdirSync(many).some(
      (name) => Fs.existsSync(`${many}/${name}/dead`) && Fs.readdirSync(`${many}/${name}/dead`).length > 0
    )
  let since: number | undefined
  yield* check(
    `${files} files in a directory`,
    many,
    (_, seconds) => {
      if (since === undefined && isDeleting()) since = seconds
      // The removal of a million files takes some seconds, and this point is in the middle.
      return since !== undefined && seconds > since + files / 1_000_000
    },
    1,
    0
  )

  const wide = `${scratch}/wide`
  Fs.mkdirSync(wide, { mode: 0o700 })
  for (let index = 0; index < directories; index++) {
    furnish(`${wide}/vm-${index}`, Owners.inscribe(index % 2 === 0 ? dead : live))
  }
  yield* check(
    `${directories} directories`,
    wide,
    (removed) => removed > directories / 8,
    directories / 2,
    directories / 2
  )
  const dry = yield* follow(
    spawn(process.execPath, [command, "list", "--json", ...trusting, wide], {
      stdio: ["ignore", "pipe", "inherit"]
    }),
    never
  )
  say(`${directories / 2} living ones, listed`, dry, idle)
  require(dry.peak - idle <= 64, "memory within 64 MiB of an idle process")
  for (let index = 0; index < directories; index += 2) furnish(`${wide}/vm-${index}`, Owners.inscribe(dead))
  const shown = yield* watched(wide)
  const progress = shown.match(/\d+ scanned, \d+ removed/g) ?? []
  console.log("on a terminal", { updates: progress.length, last: progress.at(-1) ?? shown.slice(0, 80) })
  require(progress.length > 0, "progress is shown")

  const deep = `${scratch}/deep`
  Fs.mkdirSync(deep, { mode: 0o700 })
  furnish(`${deep}/vm`, Owners.inscribe(dead))
  makeDeep(`${deep}/vm`)
  const run = yield* sweep(deep)
  say(`a tree ${depth} deep`, run, idle)
  require(run.code === 0 && Fs.readdirSync(deep).length === 0, "it is gone")
  require(run.peak - idle <= 64, "memory within 64 MiB of an idle process")
})

await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(Real.layer)))
process.exitCode = wrong === 0 ? 0 : 1
