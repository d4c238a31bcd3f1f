/**
 * Directories and their owners, and what a sweep should make of each.
 *
 * @since 0.1.0
 */
import type { Outcome, Reason } from "@vm-sentinel/core/Outcome"
import * as Ownership from "@vm-sentinel/core/Ownership"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { type Format, maxBytes } from "@vm-sentinel/core/Sentinel"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as FS from "node:fs"
import * as Actors from "./Actors.ts"
import { DemoError } from "./DemoError.ts"

/**
 * One directory, and what is expected of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expectation {
  readonly name: string
  readonly verdict: Outcome["verdict"]
  /** One of these. */
  readonly reasons: ReadonlyArray<Reason>
  readonly action: Outcome["action"]
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Scene {
  readonly expectations: ReadonlyArray<Expectation>
  readonly processes: number
}

/** Chooses the PIDs that come next, and recycles them: only possible in a PID namespace of our own. */
export interface Recycler {
  readonly next: (pid: number) => Effect.Effect<void, DemoError>
  /** Gives a free PID to a program, in another clock tick than `before`. */
  readonly recycle: (
    pid: number,
    program: { readonly file: string; readonly args: ReadonlyArray<string> },
    before?: string
  ) => Effect.Effect<void, DemoError, Scope.Scope>
  readonly startTicks: (pid: number) => string | undefined
}

/** The file that shows whether a directory is whole. */
export const payload = "console.log"

/** A file in the root that is nobody's directory. */
export const bystander = "notes.txt"

const attempt = (run: () => void): Effect.Effect<void, DemoError> =>
  Effect.try({ try: run, catch: (error) => new DemoError({ problem: String(error) }) })

const hour = 3600

/**
 * Sets the scene in an empty root.
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
    const isLocal = yield* store.isLocal(root)
    const expectations: Array<Expectation> = []
    let processes = 0

    const directory = Effect.fnUntraced(function* (expectation: Expectation) {
      const path = `${root}/${expectation.name}`
      yield* attempt(() => {
        FS.mkdirSync(path, { mode: 0o700 })
        FS.writeFileSync(`${path}/${payload}`, `${expectation.name}\n`)
      })
      expectations.push(expectation)
      return path
    })
    const kept = (
      name: string,
      verdict: "alive" | "unknown" | "none",
      ...reasons: ReadonlyArray<Reason>
    ): Expectation => ({ name, verdict, reasons, action: "kept" })
    const removed = (name: string, ...reasons: ReadonlyArray<Reason>): Expectation => ({
      name,
      verdict: "dead",
      reasons,
      action: "removed"
    })
    /** v1 and v2 name no host: on a file system that may be shared they condemn nobody. */
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

    if (recycler !== undefined) yield* recycler.next(4000)
    yield* owned(kept("alive-v3", "alive", "matches"), Actors.startNode, "v3")
    yield* owned(kept("alive-v2", "alive", "matches"), Actors.start, "v2")
    yield* owned(kept("alive-v1", "alive", "pid-alive"), Actors.start, "v1")
    yield* crashed(removed("crashed-v3", "pid-dead"), Actors.start, "v3")
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
      // Threads of a new process take the numbers after its own: each recycled one gets a range to itself.
      yield* recycler.next(12_000)
      const same = yield* owned(
        removed("recycled-same-exe", "start-time-mismatch", "identity-mismatch"),
        Actors.startNode,
        "v3"
      )
      yield* record(yield* directory(kept("recycled-v1", "alive", "pid-alive")), same.actor, "v1")
      yield* recycler.next(14_000)
      const other = yield* owned(removedLegacy("recycled-other-exe", "exe-mismatch"), Actors.startNode, "v2")
      // A v2 record is judged by its age too: an owner older than its record is the owner.
      const longAgo = Date.now() / 1000 - hour
      yield* attempt(() => FS.utimesSync(`${other.path}/${SentinelName.defaultName}`, longAgo, longAgo))

      // The one without threads first: those of a process that starts could take the number that is to come next.
      yield* other.actor.crash
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
