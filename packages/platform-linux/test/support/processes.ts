/** Real processes, for the conformance suite and the scenarios. */
import { Effect, type Scope } from "effect"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { ProcessWorld } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { recycle, startTicks } from "../../src/testing/PidNamespace.ts"
import { Missing } from "@vm-sentinel/core/test/support/able"
import { hasCompiler, hasFlock, noCompiler, noFlock, Programs } from "./programs.ts"

/** A program and the test's ends of its pipes. The end of the scope kills the program. */
interface Piped {
  readonly pid: number
  readonly write: (line: string) => void
  readonly line: Effect.Effect<string, Error>
  readonly kill: Effect.Effect<void>
}

const ended = (child: ChildProcessWithoutNullStreams): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

export const piped = (
  file: string,
  args: ReadonlyArray<string> = [],
  uid?: number
): Effect.Effect<Piped, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(file, args, { stdio: "pipe", ...(uid === undefined ? {} : { uid, gid: uid }) })),
      ended
    )
    child.on("error", () => {})
    child.stdin.on("error", () => {})
    const { pid } = child
    if (pid === undefined) return yield* Effect.fail(new Error(`${file} can't be started`))
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    return {
      pid,
      write: (line) => child.stdin.write(`${line}\n`),
      line: Effect.promise(() => lines.next()).pipe(
        Effect.flatMap((next) =>
          next.done === true ? Effect.fail(new Error(`${file} said nothing`)) : Effect.succeed(next.value)
        )
      ),
      kill: ended(child)
    }
  })

/** Waits for a state that the kernel is certain to reach. Fails after 30 seconds. */
export const until = (what: string, holds: () => boolean): Effect.Effect<void, Error> =>
  Effect.gen(function* () {
    const deadline = performance.now() + 30_000
    while (!holds()) {
      if (performance.now() > deadline) return yield* Effect.fail(new Error(`never happened: ${what}`))
      // Turns of the event loop instead of a timer would take CPU time from the awaited process.
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
    }
  })

export const stateOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    return stat.slice(stat.lastIndexOf(")") + 2)[0]
  } catch {
    return undefined
  }
}

export const executableOf = (pid: number): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    return undefined
  }
}

const kill = (pid: number, signal: NodeJS.Signals) => Effect.sync(() => process.kill(pid, signal))

/**
 * Runs a program below a shell that reaps it only on request, or never. The shell reads one line. On `reap` it waits
 * for the program. On `zombie` it becomes `cat`, which never reaps children.
 */
const keeper = `"$1" 1000000 & echo $!; read word; [ "$word" = zombie ] && exec cat; wait; echo reaped; read word`

interface Kept {
  readonly pid: Pid
  readonly exit: Effect.Effect<void, Error>
  readonly zombify: Effect.Effect<void, Error>
}

const keep = (file: string, uid?: number): Effect.Effect<Kept, Error, Scope.Scope> =>
  Effect.gen(function* () {
    let alive = true
    const shell = yield* piped("sh", ["-c", keeper, "sh", file], uid)
    const pid = Pid.make(Number(yield* shell.line))
    const end = Effect.suspend(() => {
      if (!alive) return Effect.void
      alive = false
      return kill(pid, "SIGKILL")
    })
    yield* Effect.addFinalizer(() => end)
    yield* until("execve", () => executableOf(pid) === file)
    return {
      pid,
      exit: Effect.gen(function* () {
        yield* end
        shell.write("reap")
        yield* shell.line
      }),
      zombify: Effect.gen(function* () {
        shell.write("zombie")
        shell.write("awake")
        yield* shell.line
        yield* end
        yield* until("zombie", () => stateOf(pid) === "Z")
      })
    }
  })

/** Holds a directory's lock until it reads a line. */
const locker = 'exec 9<"$1"; flock -xn 9 || exit 1; echo held; read word; exec 9<&-; echo free; read word'

const firstThread = (): number | undefined =>
  readdirSync("/proc/self/task")
    .map(Number)
    .find((id) => id !== process.pid)

export interface WorldOptions {
  /** User who runs the processes. Default: the caller's. */
  readonly uid?: number
  /** Whether the caller is alone in its PID namespace, so that it can reuse a PID. */
  readonly recycles?: boolean
}

/** Makes processes in the caller's PID namespace. */
export const makeWorld = ({ recycles = false, uid }: WorldOptions = {}): ProcessWorld<Programs> => {
  const kept = new Map<number, Kept>()
  const spawnOne = Effect.gen(function* () {
    const programs = yield* Programs
    const one = yield* keep(programs.one, uid)
    kept.set(one.pid, one)
    return one.pid
  })
  const of = (pid: Pid) =>
    Effect.suspend(() => {
      const one = kept.get(pid)
      return one === undefined ? Effect.die(`PID ${pid} is not of this world`) : Effect.succeed(one)
    })
  return {
    spawn: spawnOne,
    exit: (pid) => Effect.flatMap(of(pid), ({ exit }) => exit),
    zombify: (pid) => Effect.flatMap(of(pid), ({ zombify }) => zombify),
    stop: (pid) => kill(pid, "SIGSTOP").pipe(Effect.andThen(until("stopped", () => stateOf(pid) === "T"))),
    ...(uid === undefined
      ? {
          thread: Effect.sync(() => ({ process: Pid.make(process.pid), thread: Pid.make(firstThread() ?? 0) }))
        }
      : {}),
    leaderExited: hasCompiler
      ? Effect.gen(function* () {
          const { line, pid } = yield* piped((yield* Programs).helper("leader"), [], uid)
          yield* line
          yield* until("the leader's exit", () => stateOf(pid) === "Z")
          return Pid.make(pid)
        })
      : noCompiler,
    reexec: Effect.gen(function* () {
      const { one } = yield* Programs
      const shell = yield* piped("sh", ["-c", `read word; exec "$1" 1000000`, "sh", one], uid)
      const exec = Effect.sync(() => shell.write("go")).pipe(
        Effect.andThen(until("execve", () => executableOf(shell.pid) === one))
      )
      return { pid: Pid.make(shell.pid), exec }
    }),
    lockHolder: hasFlock
      ? Effect.gen(function* () {
          const path = mkdtempSync(join((yield* Programs).folder, "locked-"))
          chmodSync(path, 0o755)
          const { line, pid, write } = yield* piped("sh", ["-c", locker, "sh", path], uid)
          yield* line
          const { dev, ino } = statSync(path, { bigint: true })
          const free = Effect.andThen(
            Effect.sync(() => write("free")),
            line
          )
          return { pid: Pid.make(pid), directory: { dev: `${dev}`, ino: `${ino}` }, free: Effect.asVoid(free) }
        })
      : noFlock,
    ...(recycles
      ? {
          recycle: (pid: Pid, executable: "same" | "other") =>
            Effect.gen(function* () {
              const { one, other } = yield* Programs
              const before = startTicks(pid)
              yield* (yield* of(pid)).exit
              const file = executable === "same" ? one : other
              yield* Effect.acquireRelease(
                recycle(pid, { file, args: ["1000000"] }, { otherThan: before }),
                ({ end }) => end
              )
            })
        }
      : {}),
    ...(uid === undefined && !recycles
      ? {
          otherUser:
            process.getuid?.() === 0
              ? Effect.gen(function* () {
                  return (yield* keep((yield* Programs).one, 65534)).pid
                })
              : new Missing("not root")
        }
      : {})
  }
}
