/**
 * System calls of a sweep fail or take long, one in each run: `node stress/faults.ts [PART] [CALLS] [FAULTS]`. PART is
 * `main`, `pool` (the thread of Node's pool), `bare` (the main thread without koffi) or `all`, the default. CALLS and
 * FAULTS are comma-separated, and `all` by default: `node stress/faults.ts main close,flock EIO`.
 *
 * A first sweep of each part runs without a fault. Its calls are grouped by name and by what each call is about. Then
 * each fault hits the first, the middle and the last call of each group. The sweep must end by itself, with a
 * documented exit code and without a defect. Each directory that it reports as removed must be gone. The next sweep,
 * without a fault, must finish, and everything that no sweep may touch must be left as it was. Needs strace.
 */
import "./prebuilt.ts"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { Effect, Option, Schema } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Agents from "@vm-sentinel/platform-linux/test/support/sweepers"
import * as Crashes from "@vm-sentinel/platform-linux/test/support/crashes"
import * as Owners from "@vm-sentinel/platform-linux/test/support/owners"
import { piped } from "@vm-sentinel/platform-linux/test/support/processes"
import * as Real from "@vm-sentinel/platform-linux/test/support/realLayers"
import * as Scene from "@vm-sentinel/platform-linux/test/support/scene"
import * as Tree from "@vm-sentinel/platform-linux/test/support/tree"
import * as Straced from "./support/straced.ts"

const [part = "all", calls = "all", faults = "all"] = process.argv.slice(2)

const isIn = (list: string, value: string): boolean => list === "all" || list.split(",").includes(value)

const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

const parts = [
  { name: "main", thread: "main", koffi: true },
  { name: "pool", thread: "pool", koffi: true },
  { name: "bare", thread: "main", koffi: false }
] as const

/** The injection of strace for each fault, by name. 0.3 s is longer than any wait of a sweep for another process. */
const injections: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["EIO", "ENOSPC", "EMFILE", "EINTR", "EPERM", "ENOSYS"].map((errno) => [errno, `error=${errno}`] as const)
  ),
  delay: "delay_enter=300000"
}

/** Calls for memory, for threads and for signals, and calls that can't fail. No sweep makes any of them itself, and
 * Node aborts if one fails. */
const ofNode = new Set(
  `mmap munmap mremap mprotect madvise brk membarrier pkey_mprotect futex sched_yield sched_getaffinity sched_getparam sched_getscheduler clone3 wait4
   set_robust_list rseq prctl rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall exit exit_group
   epoll_pwait epoll_ctl epoll_create1 eventfd2 io_uring_enter io_uring_setup getrandom clock_nanosleep
   getpid gettid getuid geteuid getgid getegid uname sysinfo`.split(/\s+/)
)

interface Call {
  readonly name: string
  /** The number of the call among the thread's calls of this name. */
  readonly nth: number
  readonly subject: string
}

const subjectOf = (name: string, line: string, place: string): string | undefined => {
  // At its end, Node asserts that it can inspect the standard streams, and aborts if it can't.
  if (/^\w+\([012]</.test(line)) return name === "write" || name === "ioctl" ? "standard streams" : undefined
  // These descriptors belong to Node's event loop or to the streams of a child. libuv aborts if it can't close one.
  if (/^\w+\(\d+<(anon_inode:\[(eventpoll|eventfd|io_uring)\]|pipe:|socket:)/.test(line)) return undefined
  if (line.includes(place)) return "root"
  if (/"\/proc|<\/proc/.test(line)) return "procfs"
  // Node itself asserts that it can close a module that it has read, and aborts if it can't.
  if (/node_modules|\/bin\/node/.test(line)) return name === "close" ? undefined : "modules"
  return name.startsWith("pidfd") || name === "kill" ? "processes" : "other"
}

/** The calls that follow the first look at the root, and that look. */
const callsOf = (lines: ReadonlyArray<string>, place: string): ReadonlyArray<Call> => {
  const counts = new Map<string, number>()
  let isBegun = false
  return lines.flatMap((line): ReadonlyArray<Call> => {
    const name = /^(\w+)\(/.exec(line)?.[1]
    if (name === undefined) return []
    const nth = (counts.get(name) ?? 0) + 1
    counts.set(name, nth)
    isBegun ||= line.includes(place)
    const subject = subjectOf(name, line, place)
    return !isBegun || ofNode.has(name) || subject === undefined ? [] : [{ name, nth, subject }]
  })
}

/** The first, the middle and the last call of each group. */
const targetsOf = (found: ReadonlyArray<Call>): ReadonlyArray<readonly [string, ReadonlyArray<Call>]> =>
  Object.entries(Object.groupBy(found, ({ name, subject }) => `${name} ${subject}`)).map(([group, members = []]) => {
    const chosen = [0, Math.floor(members.length / 2), members.length - 1]
    return [group, [...new Set(chosen)].flatMap((index) => members[index] ?? [])]
  })

/** Adds directories that their records name. The records of `Scene` name no directory. */
const furnish = Effect.fnUntraced(function* (scene: Scene.Scene) {
  const { root } = scene
  const other = yield* piped("sleep", ["1000000"])
  for (const [name, pid] of [
    ["bound-dead", other.pid],
    ["bound-live", scene.owners.live.pid]
  ] as const) {
    Fs.mkdirSync(`${root}/${name}/inner/most`, { recursive: true, mode: 0o700 })
    Fs.writeFileSync(`${root}/${name}/inner/file`, name)
    yield* Ownership.record(`${root}/${name}`, { pid: Pid.make(pid) })
  }
  yield* other.kill
  Fs.mkdirSync(`${root}/held/inner`, { recursive: true, mode: 0o700 })
  yield* Ownership.hold(`${root}/held`)
  const kept = ["bound-live", "held"].map((name) => [name, Tree.of(`${root}/${name}`)] as const)
  return { ...scene, kept: { ...scene.kept, ...Object.fromEntries(kept) }, dead: [...scene.dead, "bound-dead"] }
})

const Line = Schema.fromJsonString(
  Schema.Struct({
    _tag: Schema.Literals(["Outcome", "Summary", "Failure"]),
    name: Schema.optionalKey(Schema.String),
    action: Schema.optionalKey(Schema.String)
  })
)
const decodeLine = Schema.decodeUnknownOption(Line)

/** The problems with the end of a sweep with a fault, in words. `isMuted` if the fault hit a standard stream. */
const problemsOf = (ended: Straced.Ended, scene: Scene.Scene, isMuted: boolean): ReadonlyArray<string> => {
  const { code, isHung, stderr, stdout } = ended
  const problems: Array<string> = []
  if (isHung) problems.push("it hangs")
  else if (code !== 0 && code !== 1) problems.push(`exit code ${code}`)
  if (/a defect|^\s+at |Assertion|FATAL/m.test(stderr)) problems.push("a defect")
  if (isMuted || isHung) return problems
  const texts = stdout.split("\n").filter((text) => text !== "")
  const lines = texts.map((text) => decodeLine(text))
  const said = lines.flatMap(Option.toArray)
  if (said.length < texts.length) problems.push("a line isn't an outcome")
  const last = said.at(-1)?._tag
  if (code === 0 && last !== "Summary") problems.push("no summary")
  if (code === 1 && last !== "Failure" && stderr === "") problems.push("it failed without a word")
  const left = new Set(Tree.entries(scene.root))
  for (const { action, name = "" } of said) {
    if (action === "removed" && left.has(name)) problems.push(`${name} is told as removed, and is there`)
  }
  return problems
}

let [wrong, runs, missed] = [0, 0, 0]

interface Injection {
  readonly part: (typeof parts)[number]
  readonly call: Call
  readonly fault: string
}

const sweeping = (scene: Scene.Scene): ReadonlyArray<string> => [Agents.command, "sweep", scene.root, "--json"]

const scratchDirectory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "vm-sentinel-faults-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const program = Effect.gen(function* () {
  const scratch = yield* scratchDirectory
  const owners = yield* Owners.make
  const survivors = yield* Effect.all([Agents.start(), Agents.start()])
  const free = [...survivors]

  const inScene = <A, E, R>(use: (scene: Scene.Scene) => Effect.Effect<A, E, R>) =>
    Crashes.inScene(scratch, owners, { leftovers: true }, (scene) => Effect.scoped(Effect.flatMap(furnish(scene), use)))

  const traceOf = ({ koffi, name, thread }: (typeof parts)[number]) =>
    inScene((scene) =>
      Effect.gen(function* () {
        const log = `${scratch}/log-${name}`
        const ended = yield* Straced.run(sweeping(scene), { thread, koffi, calls: "all", args: [], log })
        const problems = problemsOf(ended, scene, false)
        if (problems.length > 0) yield* Effect.fail(new Error(`without a fault: ${problems.join(", ")}`))
        return callsOf(ended.lines, scene.root)
      })
    )

  const inject = ({ call: { name, nth, subject }, fault, part: { koffi, name: part, thread } }: Injection) =>
    inScene((scene) =>
      Effect.gen(function* () {
        const log = `${scene.outside}.log`
        const args = ["-e", `inject=${name}:${injections[fault]}:when=${nth}`]
        const ended = yield* Straced.run(sweeping(scene), { thread, koffi, calls: name, args, log })
        const hit = ended.lines.find((line) => /\((INJECTED|DELAYED)\)/.test(line))
        Fs.rmSync(log)
        const hitSubject = hit === undefined ? undefined : subjectOf(name, hit, scene.root)
        const problems = [...problemsOf(ended, scene, hitSubject === "standard streams")]
        // The number of Node's own calls varies, so the fault may hit one of them.
        if (hitSubject === undefined) return undefined
        Scene.aMinuteLater(scene.root)
        const agent = free.pop()
        if (agent === undefined) return yield* Effect.fail(new Error("no agent is free"))
        const { outcomes } = yield* Agents.sweep(agent, scene.root)
        free.push(agent)
        const failed = outcomes.filter(({ action }) => action === "failed")
        problems.push(...failed.map(({ name, error }) => `the next sweep: ${name} failed, ${error?._tag}`))
        problems.push(...Scene.problems(scene).map((problem) => `after the next sweep: ${problem}`))
        if (problems.length === 0) return 0
        const text = ended.stderr.trim().split("\n").slice(0, 12).join("\n      ")
        yield* say(`  ${part} ${name} ${nth} (${subject}) ${fault}:\n    ${problems.join("\n    ")}`)
        yield* say(`    ${hit}\n    exit code ${ended.code}; stderr: ${text}`)
        return 1
      })
    )

  for (const each of parts) {
    if (!isIn(part, each.name)) continue
    for (const [group, targets] of targetsOf(yield* traceOf(each))) {
      const [name = ""] = group.split(" ")
      if (!isIn(calls, name)) continue
      const chosen = Object.keys(injections).filter((fault) => isIn(faults, fault))
      const list = chosen.flatMap((fault) => targets.map((call): Injection => ({ part: each, call, fault })))
      const results = yield* Effect.forEach(list, inject, { concurrency: survivors.length })
      const hits = results.filter((result) => result !== undefined)
      const bad = hits.filter((result) => result === 1).length
      yield* say(
        `${each.name}, ${group}, calls ${targets.map(({ nth }) => nth).join(" ")}: ${bad} of ${hits.length} wrong`
      )
      wrong += bad
      runs += hits.length
      missed += results.length - hits.length
    }
  }
  yield* say(`${runs} runs, ${wrong} went wrong; ${missed} faults hit a call of Node's own`)
})

await Effect.runPromise(Effect.provide(Effect.scoped(program), Real.layer))
process.exitCode = wrong === 0 ? 0 : 1
