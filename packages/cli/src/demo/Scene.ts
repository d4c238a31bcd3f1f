/**
 * Creates directories and their owners, and states what a sweep should do with each.
 *
 * @since 0.1.0
 */
import * as Layout from "@vm-sentinel/core/Layout"
import type { Outcome } from "@vm-sentinel/core/Outcome"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { Reason } from "@vm-sentinel/core/Reason"
import { type Format, maxBytes } from "@vm-sentinel/core/Sentinel"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { startMargin } from "@vm-sentinel/core/Verdict"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as FS from "node:fs"
import * as Path from "node:path"
import * as Actors from "./Actors.ts"
import { DemoError } from "./DemoError.ts"

/**
 * One directory, and the outcome that is expected of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expectation {
  readonly name: string
  readonly verdict: Outcome["verdict"]
  /** The reasons that are right. The outcome has one of them. */
  readonly reasons: ReadonlyArray<Reason>
  readonly action: Outcome["action"]
  /** Files that a kept directory must still have: their paths in the directory, and their content. */
  readonly files: { readonly [path: string]: string }
}

/**
 * The directories of a scene, and the number of processes that it started.
 *
 * @category models
 * @since 0.1.0
 */
interface Scene {
  readonly expectations: ReadonlyArray<Expectation>
  readonly processes: number
}

/** Chooses the next PID, and recycles PIDs, which is only possible in a PID namespace of one's own. */
export interface Recycler {
  /** The next process, or thread, gets the PID after `pid`. */
  readonly next: (pid: number) => Effect.Effect<void, DemoError>
  /** Starts a program under a free PID, in another clock tick than `before`. */
  readonly recycle: (
    pid: number,
    program: { readonly file: string; readonly args: ReadonlyArray<string> },
    before?: string
  ) => Effect.Effect<void, DemoError, Scope.Scope>
  /** Start of a process in clock ticks since boot. */
  readonly startTicks: (pid: number) => string | undefined
}

/** A file in each directory. Its content shows whether the directory is whole. */
const payload = "console.log"

/** A file in the root, which isn't a directory, so a sweep leaves it alone. */
export const bystander = "notes.txt"

const attempt = (run: () => void): Effect.Effect<void, DemoError> =>
  Effect.try({ try: run, catch: (error) => new DemoError({ problem: String(error) }) })

/**
 * Creates the directories and processes of the scene in an empty root.
 *
 * @category running
 * @since 0.1.0
 */
export const set: (
  root: string,
  recycler: Recycler | undefined
) => Effect.Effect<Scene, DemoError, ProcessInspector | SentinelStore | Scope.Scope> = Effect.fn("Scene.set")(
  function* (root, recycler) {
    const store = yield* SentinelStore
    const { frame } = yield* Effect.mapError(
      store.look(root, Layout.standard),
      ({ message }) => new DemoError({ problem: message })
    )
    const isLocal = frame.fileSystem?.oneKernel === true
    const { virtualMachine } = yield* ProcessInspector.use(({ host }) => host)
    const expectations: Array<Expectation> = []
    let processes = 0

    const directory = Effect.fnUntraced(function* (expectation: Expectation) {
      const path = `${root}/${expectation.name}`
      yield* attempt(() => {
        FS.mkdirSync(path, { mode: 0o700 })
        for (const [file, content] of Object.entries(expectation.files)) {
          FS.mkdirSync(Path.dirname(`${path}/${file}`), { recursive: true, mode: 0o700 })
          FS.writeFileSync(`${path}/${file}`, content)
        }
      })
      expectations.push(expectation)
      return path
    })
    const expect = (
      action: Outcome["action"],
      name: string,
      verdict: Outcome["verdict"],
      reasons: ReadonlyArray<Reason>
    ): Expectation => ({ name, verdict, reasons, action, files: { [payload]: `${name}\n` } })
    const kept = (name: string, verdict: Outcome["verdict"], ...reasons: ReadonlyArray<Reason>) =>
      expect("kept", name, verdict, reasons)
    /**
     * On a file system that may be shared, the kernel of a virtual machine can't be distinguished from one that was
     * restored from the machine's saved state.
     */
    const removed = (name: string, ...reasons: ReadonlyArray<Reason>) =>
      isLocal || virtualMachine === false
        ? expect("removed", name, "dead", reasons)
        : kept(name, "unknown", "machine-unknown")
    /** v1 and v2 records name no host, so they never condemn on a file system that may be shared. */
    const removedLegacy = (name: string, reason: Reason) =>
      isLocal ? removed(name, reason) : kept(name, "unknown", "not-local")

    const record = (path: string, actor: Actors.Actor, format: Format) =>
      Effect.mapError(
        Ownership.record(path, { pid: actor.pid, format }),
        ({ message }) => new DemoError({ problem: message })
      )
    const owned = Effect.fnUntraced(function* (
      expectation: Expectation,
      start: Effect.Effect<Actors.Actor, DemoError, ProcessInspector | Scope.Scope>,
      format: Format
    ) {
      const path = yield* directory(expectation)
      const actor = yield* start
      processes += 1
      yield* record(path, actor, format)
      return { actor, path }
    })
    const crashed = (...input: Parameters<typeof owned>) => Effect.flatMap(owned(...input), ({ actor }) => actor.crash)
    const file = Effect.fnUntraced(function* (expectation: Expectation, name: string, content: string) {
      const path = yield* directory(expectation)
      yield* attempt(() => FS.writeFileSync(`${path}/${name}`, content, { mode: 0o600 }))
    })

    /** A copy as `cp -a` makes it. Its record names the directory that the record was made in. */
    const copiedAndCrashed = Effect.gen(function* () {
      const { actor, path } = yield* owned(removed("crashed-v3", "pid-dead"), Actors.start, "v3")
      const files = { [payload]: "crashed-v3\n" }
      const copy = { ...kept("copy-of-crashed", "unknown", "other-directory"), files }
      yield* attempt(() => FS.cpSync(path, `${root}/${copy.name}`, { recursive: true, preserveTimestamps: true }))
      expectations.push(copy)
      yield* actor.crash
    })
    const nested = Effect.gen(function* () {
      const name = "owner-inside"
      const files = { [payload]: `${name}\n`, [`inner/${payload}`]: "inner\n" }
      const outer = yield* owned({ ...kept(name, "dead", "owner-inside"), files }, Actors.start, "v3")
      const inner = yield* Actors.start
      processes += 1
      yield* record(`${outer.path}/inner`, inner, "v3")
      yield* outer.actor.crash
    })

    if (recycler !== undefined) yield* recycler.next(4000)
    yield* owned(kept("alive-v3", "alive", "matches"), Actors.startNode, "v3")
    yield* owned(kept("alive-v2", "alive", "matches"), Actors.start, "v2")
    yield* owned(kept("alive-v1", "alive", "pid-alive"), Actors.start, "v1")
    yield* copiedAndCrashed
    yield* nested
    yield* crashed(removedLegacy("crashed-v2", "pid-dead"), Actors.start, "v2")
    yield* crashed(removedLegacy("crashed-v1", "pid-dead"), Actors.start, "v1")
    yield* crashed(removed("zombie", "zombie"), Actors.startUnreaped, "v3")

    if (process.platform === "linux") {
      const thread = FS.readdirSync("/proc/self/task").find((id) => id !== `${process.pid}`)
      if (thread !== undefined) {
        yield* file(removedLegacy("thread-not-process", "not-a-process"), SentinelName.defaultName, thread)
      }
    }

    yield* file(kept("oversized", "unknown", "oversized-sentinel"), SentinelName.defaultName, "7".repeat(maxBytes + 1))
    yield* file(kept("malformed", "unknown", "malformed-sentinel"), SentinelName.defaultName, "not a pid\n")
    yield* file(kept("no-sentinel", "none", "no-sentinel"), "disk.img", "somebody's disk\n")
    yield* file(
      kept("brood-box", "unknown", "other-owner"),
      SentinelName.broodBoxName,
      `${process.pid}\n${process.execPath}`
    )
    const linked = yield* directory(kept("symlink", "unknown", "untrusted-sentinel"))
    yield* attempt(() => {
      FS.writeFileSync(`${root}/${bystander}`, "1\n")
      FS.symlinkSync(`../${bystander}`, `${linked}/${SentinelName.defaultName}`)
    })

    if (recycler !== undefined) {
      // Threads of a new process take the PIDs after its own, so each recycled PID gets a range to itself.
      yield* recycler.next(12_000)
      const same = yield* owned(
        removed("recycled-same-exe", "start-time-mismatch", "identity-mismatch"),
        Actors.startNode,
        "v3"
      )
      yield* record(yield* directory(kept("recycled-v1", "alive", "pid-alive")), same.actor, "v1")
      yield* recycler.next(14_000)
      const other = yield* owned(removedLegacy("recycled-other-exe", "exe-mismatch"), Actors.startNode, "v2")
      // `sleep`, which has no threads, starts first, because the threads of a starting Node process could take the PID
      // that is recycled next.
      yield* other.actor.crash
      // A v2 record reveals a recycled PID by its executable only if the process started this long after the record was
      // written.
      yield* Effect.sleep(startMargin + 100)
      yield* recycler.recycle(other.actor.pid, { file: "sleep", args: ["600"] })
      const before = recycler.startTicks(same.actor.pid)
      yield* same.actor.crash
      const waiting = { file: process.execPath, args: ["-e", "setInterval(() => {}, 1e9)"] }
      yield* recycler.recycle(same.actor.pid, waiting, before)
      processes += 2
    }
    return { expectations, processes }
  }
)
