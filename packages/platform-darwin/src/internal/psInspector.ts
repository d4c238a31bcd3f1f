/** The inspector without native code: `ps` for processes, `sysctl` and `ioreg` for the host. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import type { Observation, Present, ObserveDepth } from "@vm-sentinel/core/Observation"
import type { Pid } from "@vm-sentinel/core/ProcessIdentity"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import type { Answer } from "./answer.ts"
import * as Command from "./command.ts"
import * as Inspection from "./inspection.ts"
import { interpret, type PsAnswer } from "./psAnswer.ts"
import { columns, parseRow, type Row } from "./psRows.ts"
import { decodeUuidText } from "./processStructs.ts"

interface Paths {
  readonly ps: string
  readonly sysctl: string
  readonly ioreg: string
  readonly sh: string
  /** Largest PID that `ps` accepts. One larger PID makes `ps` refuse the whole list. */
  readonly maxPid: number
}

/** The paths of macOS. `maxPid` is `PID_MAX` of `bsd/sys/proc_internal.h`. */
export const defaultPaths: Paths = {
  ps: "/bin/ps",
  sysctl: "/usr/sbin/sysctl",
  ioreg: "/usr/sbin/ioreg",
  sh: "/bin/sh",
  maxPid: 99_999
}

const batchSize = 256
const rounds = 3

/**
 * In seconds. The tolerance is wide enough for a slow machine, and narrower than the difference between any two time
 * zones.
 */
const clockTolerance = 300

const options = ["-ww", "-o", columns.map((column) => `${column}=`).join(","), "-p"]

class Inspect extends Request.Class<{ readonly pid: Pid }, Observation> {}

const refusal = (pid: Pid, answer: Exclude<Answer<unknown>, { _tag: "Found" | "Gone" }>): Observation =>
  answer._tag === "Refused"
    ? { _tag: "Hidden", pid, detail: answer.detail }
    : { _tag: "Unavailable", pid, reason: answer.reason, detail: answer.detail }

const present = (pid: Pid, row: Row, isDated: boolean, bootedAt: number | undefined): Present => ({
  _tag: "Present",
  pid,
  ...(row.state === "?" ? {} : { state: row.state }),
  ...(row.state === "Z" ? { threads: 1 } : {}),
  ...(row.started === undefined || !isDated ? {} : { startTime: `s:${row.started}`, startedAt: row.started * 1000 }),
  ...(bootedAt === undefined ? {} : { bootedAt }),
  uid: row.uid,
  ...(row.comm === "" ? {} : { comm: row.comm })
})

/** `ps` prints `argv[0]`, which the process can change, so the executable is never known. */
const withExecutable = (observation: Observation, wanted: ObserveDepth): Observation =>
  observation._tag === "Present" && wanted !== "existence" && wanted !== "identity"
    ? { ...observation, exeError: "not-available" }
    : observation

export const makeWith = Effect.fnUntraced(function* (
  paths: Paths,
  probe: (pid: number) => string
): Effect.fn.Return<ProcessInspector["Service"], never, ChildProcessSpawner> {
  const spawner = yield* ChildProcessSpawner
  const run = (path: string, args: ReadonlyArray<string>) =>
    Effect.provideService(Command.run(path, args), ChildProcessSpawner, spawner)

  const ask = (pids: ReadonlySet<number>): Effect.Effect<PsAnswer> =>
    Effect.map(run(paths.ps, [...options, [...pids].join(",")]), (ran) => interpret(ran, pids))

  /**
   * Whether `ps` prints starts in UTC. Asks `ps` about itself, whose start is known. `sh` passes its own PID, and
   * `exec` keeps that PID. An error of one hour would make every live owner look like another process.
   */
  const isDated = Inspection.keep(
    Effect.gen(function* () {
      const ran = yield* run(paths.sh, ["-c", 'exec "$0" "$@" "$$"', paths.ps, ...options])
      const started = ran._tag === "Exited" && ran.code === 0 ? parseRow(ran.stdout.trim())?.started : undefined
      // The clock of the kernel, which is that of `ps`. Effect's `Clock` may be another one.
      const isRight = started !== undefined && Math.abs(Date.now() / 1000 - started) < clockTolerance
      if (!isRight) yield* Effect.logDebug("ps doesn't date itself right: start times are left out", { ran })
      return isRight ? true : undefined
    })
  )

  const stdoutOf = (path: string, args: ReadonlyArray<string>) =>
    Effect.map(run(path, args), (ran) => (ran._tag === "Exited" && ran.code === 0 ? ran.stdout : undefined))

  /**
   * Parses `{ sec = 1745966643, usec = 839385 } Wed Apr 30 01:44:03 2025` into milliseconds, without `usec`. No process
   * starts before that time.
   */
  const bootTime = Effect.map(stdoutOf(paths.sysctl, ["-n", "kern.boottime"]), (stdout) => {
    const seconds = /^\{ sec = ([1-9][0-9]{0,11}), usec = [0-9]+ \}/.exec(stdout ?? "")?.[1]
    return seconds === undefined ? undefined : Number(seconds) * 1000
  })

  /**
   * Asks one `ps` about all PIDs. PIDs without a row are asked about again, without the others, because only an answer
   * that has no row at all proves that a process is gone.
   */
  const observeAll = Effect.fnUntraced(function* (pids: ReadonlySet<Pid>) {
    const observations = new Map<number, Observation>()
    let open = new Set<Pid>(pids)
    let doubt = "ps: exit 0 without a row"
    for (let round = 0; round < rounds && open.size > 0; round++) {
      const answer: PsAnswer = yield* ask(open)
      if (answer._tag === "Refused" || answer._tag === "Unusable") {
        for (const pid of open) observations.set(pid, refusal(pid, answer))
        return observations
      }
      const rows = answer._tag === "Found" ? answer.value : new Map<number, Row>()
      const areDated = rows.size > 0 && (yield* isDated) === true
      const bootedAt = rows.size > 0 ? yield* bootTime : undefined
      const rest = new Set<Pid>()
      for (const pid of open) {
        const row = rows.get(pid)
        if (row !== undefined) observations.set(pid, present(pid, row, areDated, bootedAt))
        else if (answer._tag === "Gone" && probe(pid) === "ESRCH") observations.set(pid, { _tag: "Absent", pid })
        else rest.add(pid)
      }
      if (answer._tag === "Gone") doubt = "contradicting answers: ps: no such process, kill: it exists"
      open = rest
    }
    for (const pid of open) observations.set(pid, { _tag: "Unavailable", pid, reason: "malformed", detail: doubt })
    return observations
  })

  const resolver = RequestResolver.make<Inspect>(
    Effect.fnUntraced(function* (entries) {
      const observations = yield* observeAll(new Set(entries.map(({ request }) => request.pid)))
      for (const { completeUnsafe, request } of entries) {
        const { pid } = request
        completeUnsafe(
          Exit.succeed(
            observations.get(pid) ?? { _tag: "Unavailable", pid, reason: "malformed", detail: "ps: no answer" }
          )
        )
      }
    })
  ).pipe(RequestResolver.batchN(batchSize))

  const beyond = (pid: Pid): Observation =>
    probe(pid) === "ESRCH"
      ? { _tag: "Absent", pid }
      : { _tag: "Unavailable", pid, reason: "unsupported", detail: `ps takes numbers up to ${paths.maxPid}` }

  const observe = (pid: Pid, wanted: ObserveDepth): Effect.Effect<Observation> =>
    pid > paths.maxPid
      ? Effect.sync(() => beyond(pid))
      : Effect.map(Effect.request(new Inspect({ pid }), resolver), (observation) => withExecutable(observation, wanted))

  const bootId = Inspection.keep(
    Effect.map(stdoutOf(paths.sysctl, ["-n", "kern.bootsessionuuid"]), (stdout) => decodeUuidText(stdout ?? ""))
  )
  // The UUID that gethostuuid(2) returns.
  const machineId = Inspection.keep(
    Effect.map(stdoutOf(paths.ioreg, ["-rd1", "-c", "IOPlatformExpertDevice"]), (stdout) =>
      decodeUuidText(/"IOPlatformUUID" = "([^"]*)"/.exec(stdout ?? "")?.[1] ?? "")
    )
  )
  const virtualMachine = Inspection.keep(
    Effect.map(stdoutOf(paths.sysctl, ["-n", "kern.hv_vmm_present"]), (stdout) => Inspection.isVirtual(stdout ?? ""))
  )

  return Inspection.make({ host: Inspection.hostOf({ bootId, machineId, virtualMachine }), observe })
})

export const make = (paths: Paths): Effect.Effect<ProcessInspector["Service"]> =>
  makeWith(paths, Inspection.probe).pipe(Effect.provide(NodeServices.layer))
