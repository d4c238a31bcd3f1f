/** The command under strace, which traces one of its threads and makes system calls of that thread fail. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

export type Thread = "main" | "pool"

export interface Traced {
  readonly thread: Thread
  /** The calls that strace records, and its other arguments. */
  readonly calls: string
  readonly args: ReadonlyArray<string>
  readonly log: string
  readonly koffi: boolean
}

export interface Ended {
  /** The exit code, or the signal that ended the command. */
  readonly code: number | string
  /** Whether the command had to be killed. */
  readonly isHung: boolean
  readonly stdout: string
  readonly stderr: string
  /** The calls that strace recorded, one a line. */
  readonly lines: ReadonlyArray<string>
}

/** Seconds after which a sweep of ten directories counts as hung, even on a busy machine. */
const patience = 60

const waiting = Path.join(import.meta.dirname, "waiting.ts")

/** The thread of Node's pool. The pool has only one, because strace counts the calls of each thread. */
const poolThread = (pid: number): string => {
  const isPool = (tid: string) => Fs.readFileSync(`/proc/${pid}/task/${tid}/comm`, "utf8") === "libuv-worker\n"
  const found = Fs.readdirSync(`/proc/${pid}/task`).find(isPool)
  if (found === undefined) throw new Error("Node's pool has no thread")
  return found
}

const collect = (stream: NodeJS.ReadableStream | null): (() => string) => {
  let text = ""
  stream?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk
  })
  return () => text
}

/** Runs the command to its end. `args` are the arguments of Node. */
export const run = (
  args: ReadonlyArray<string>,
  { args: more, calls, koffi, log, thread }: Traced
): Effect.Effect<Ended, Error> =>
  Effect.callback((resume) => {
    const env = {
      ...process.env,
      UV_THREADPOOL_SIZE: "1",
      UV_USE_IO_URING: "0",
      SENTINEL_TEST_WITHOUT_KOFFI: koffi ? "0" : "1"
    }
    const child = spawn(process.execPath, ["--import", waiting, ...args], {
      cwd: "/",
      env,
      stdio: ["pipe", "pipe", "pipe", "pipe"]
    })
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
    const { pid } = child
    if (pid === undefined) return resume(Effect.fail(new Error("Node can't be started")))
    let isHung = false
    const timer = setTimeout(() => {
      isHung = true
      child.kill("SIGKILL")
    }, patience * 1000)
    child.stdio[3]?.once("data", () => {
      const tid = thread === "main" ? String(pid) : poolThread(pid)
      const strace = spawn("strace", ["-y", "-s", "300", "-p", tid, "-o", log, "-e", `trace=${calls}`, ...more], {
        stdio: ["ignore", "ignore", "pipe"]
      })
      let isAttached = false
      const said = collect(strace.stderr)
      strace.stderr.on("data", () => {
        if (isAttached || !said().includes("attached")) return
        isAttached = true
        child.stdin?.end("\n")
      })
      const left = new Set(["strace", "command"])
      let code: number | string = ""
      const end = (who: string) => {
        left.delete(who)
        if (who === "strace" && !isAttached) child.kill("SIGKILL")
        if (left.size > 0) return
        clearTimeout(timer)
        if (!isAttached) return resume(Effect.fail(new Error(`strace: ${said()}`)))
        const lines = Fs.readFileSync(log, "utf8").split("\n")
        resume(Effect.succeed({ code, isHung, stdout: stdout(), stderr: stderr(), lines }))
      }
      strace.once("exit", () => end("strace"))
      child.once("close", (exit, signal) => {
        code = exit ?? signal ?? ""
        end("command")
      })
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })
