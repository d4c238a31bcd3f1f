/**
 * Programs that judge VM directories and remove those whose owners are all provably gone. Each outcome names its
 * reason.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { constFalse } from "effect/Function"
import type * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { type DirectoryError, type LookError, type MountInside, RefusedRoot, type RootError, Taken } from "./Errors.ts"
import * as Examiner from "./internal/sweep/examiner.ts"
import * as Outcomes from "./internal/sweep/outcomes.ts"
import * as ReclaimDirectory from "./internal/sweep/reclaimDirectory.ts"
import * as ReclaimMany from "./internal/sweep/reclaimMany.ts"
import * as ReclaimSteps from "./internal/sweep/reclaimSteps.ts"
import * as ResumeLeftovers from "./internal/sweep/resumeLeftovers.ts"
import * as Stopping from "./internal/sweep/stopping.ts"
import * as Triage from "./internal/sweep/triage.ts"
import * as Whereabouts from "./internal/store/whereabouts.ts"
import type { Judgement } from "./Condemned.ts"
import type { Kind, Knowledge } from "./JudgeInputs.ts"
import * as Layout from "./Layout.ts"
import * as Outcome from "./Outcome.ts"
import type { ProcessInspector } from "./ProcessInspector.ts"
import type { Entry } from "./Root.ts"
import { SentinelStore } from "./SentinelStore.ts"

/**
 * Options of a judgement.
 *
 * @category models
 * @since 0.1.0
 */
export interface JudgeOptions extends Omit<Partial<Knowledge>, "assumeDead"> {
  /**
   * Base names of the sentinels to read. Default: `.vm-sentinel`. The names `.vm-sentinel` and `.bbox-sentinel` are
   * known. A sentinel under a known name that this list lacks makes its directory `unknown`, unless an owner is alive.
   */
  readonly sentinelNames?: ReadonlyArray<string>
}

/**
 * Options of a removal.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReclaimOptions extends JudgeOptions, Pick<Partial<Knowledge>, "assumeDead"> {
  /** `true`: judges only, and writes nothing. Default: `false`. */
  readonly dryRun?: boolean
  /** `true`: measures the bytes that each directory occupies. Default: `false`. */
  readonly sizes?: boolean
  /**
   * The directories that may be removed, by `Outcome.key`: those that an earlier dry run listed. Each key allows one
   * removal. Every other directory is judged and stays, with the action `would-remove` if only the missing key keeps
   * it. Default: all.
   */
  readonly only?: ReadonlySet<string>
}

/**
 * Options of a sweep.
 *
 * @category models
 * @since 0.1.0
 */
export interface SweepOptions extends ReclaimOptions {
  /** Whether a directory of this name is kept without a judgement. Default: none is. */
  readonly skip?: Predicate.Predicate<string>
  /**
   * Number of directories that are reclaimed at once, rounded down. Directories in groups count apart from those that
   * are reclaimed alone. Less than 1 counts as 1. Default: 48.
   */
  readonly concurrency?: number
  /**
   * When this effect succeeds, the sweep ends early. It begins no other directory, stops each deletion under way, and
   * reports every directory that is already gone. An interruption can't report those directories. Default: never.
   */
  readonly stopWhen?: Effect.Effect<unknown>
}

/**
 * Result of a sweep: every outcome, and the counts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly outcomes: ReadonlyArray<Outcome.Outcome>
  readonly summary: Outcome.Summary
}

/** While the kernel works for one group of directories, the next one is judged. */
const groupsAtOnce = 3

/** Bounds memory use and the number of open descriptors. */
const defaultConcurrency = 48

const withDefaults = (options: SweepOptions): ReclaimSteps.Options => {
  const { dryRun = false, sentinelNames, sizes = false, skip = constFalse } = options
  return { ...options, dryRun, sizes, skip, layout: Layout.ofNames(sentinelNames) }
}

/**
 * Fails with the error of an outcome, if the outcome has one. `Stream.mapEffect(outcomes(root), failOnError)` is a
 * sweep that ends with the first error of a directory.
 *
 * **Example** (Ending a sweep with the first error)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect, Stream } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.seed({ "/srv/vms/vm/.vm-sentinel": "not a record" })
 *   const sweep = Cleanup.outcomes("/srv/vms").pipe(Stream.mapEffect(Cleanup.failOnError), Stream.runDrain)
 *   const error = yield* Effect.flip(sweep)
 *   assert.strictEqual(error._tag, "MalformedSentinel")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const failOnError = (outcome: Outcome.Outcome): Effect.Effect<Outcome.Outcome, DirectoryError> =>
  outcome.error === undefined ? Effect.succeed(outcome) : Effect.fail(outcome.error)

/**
 * Sweeps a root lazily. Emits one outcome for each directory as soon as the directory is done.
 *
 * The sweep first resumes what killed sweeps left. Pages of 512 directories then pass triage, which can only keep a
 * directory. Each directory that triage leaves open takes the careful path, which can remove it: judge, lock, claim
 * (mostly a rename), judge again, delete.
 *
 * Two sweeps of one root may run at once. Only one of them reports a directory `removed`. An interruption leaves a
 * state that the next sweep resumes.
 *
 * **Example** (Listing what a sweep would keep)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect, Stream } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.owned("/srv/vms/a")
 *   yield* Simulation.seed({ "/srv/vms/b/.vm-sentinel": "not a record" })
 *   const kept = yield* Cleanup.outcomes("/srv/vms", { dryRun: true }).pipe(
 *     Stream.filter(({ action }) => action === "kept"),
 *     Stream.map(({ name, verdict }) => `${name}: ${verdict}`),
 *     Stream.runCollect
 *   )
 *   assert.deepStrictEqual(kept.toSorted(), ["a: alive", "b: unknown"])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const outcomes = (
  root: string,
  options: SweepOptions = {}
): Stream.Stream<Outcome.Outcome, RootError, ProcessInspector | SentinelStore> => {
  const { stopWhen } = options
  const concurrency = Math.max(1, Math.floor(options.concurrency ?? defaultConcurrency) || 1)
  const full = withDefaults(options)
  const { skip } = full
  const atOnce = ReclaimMany.isAllowed(full) ? Math.min(ReclaimMany.most, Math.floor(concurrency / groupsAtOnce)) : 0
  return Stream.unwrap(
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const opened = yield* store.openRoot(root)
      const stop = yield* Stopping.make
      if (stopWhen !== undefined) yield* Effect.forkScoped(Effect.andThen(stopWhen, stop.request))
      const steps = yield* ReclaimSteps.make(opened, full, stop)
      const { directories, leftovers } = yield* store.list(opened, full.layout)
      const reclaimDirectory = ReclaimDirectory.make(steps)
      const reclaimMany = ReclaimMany.make(steps)
      const resume = ResumeLeftovers.make(steps)
      const triage = Triage.make(store, steps.examiner.context, opened, full.layout)

      const triaged = Effect.fnUntraced(function* (page: Arr.NonEmptyReadonlyArray<Entry>) {
        // `Stream.mapEffect` starts a fiber before its scope owns the fiber. An interruption in between would not wait
        // for the fiber. The yield keeps the work out of that gap.
        yield* Effect.yieldNow
        if (stop.isRequested()) return { kept: [], open: [] }
        const isSkipped = ({ entry }: Entry) => skip(entry)
        const skipped = page.filter(isSkipped).map(Outcomes.skipped)
        const others = page.filter((entry) => !isSkipped(entry))
        if (!Arr.isArrayNonEmpty(others)) return { kept: skipped, open: [] }
        const { kept, open } = yield* triage(others)
        // The consumer handles the outcomes of the page in the next turn of the event loop.
        yield* Effect.yieldNow
        return { kept: [...skipped, ...kept], open }
      })
      const unlessStopped = (use: (interruptible: Stopping.Interruptible) => Effect.Effect<Outcome.Outcome>) =>
        Effect.map(stop.stoppable(use), (outcome) => (outcome === undefined ? [] : [outcome]))
      const sized = (outcome: Outcome.Outcome) =>
        unlessStopped((interruptible) => steps.measured(outcome.path, interruptible, Effect.succeed(outcome)))

      const reclaimOne = (entry: Entry) => unlessStopped((interruptible) => reclaimDirectory(entry, interruptible))

      /** Effects that finish a page. Each directory that may take long is an effect of its own. */
      type Work = ReadonlyArray<Effect.Effect<ReadonlyArray<Outcome.Outcome>>>
      const reclaimGroup = (entries: Arr.NonEmptyReadonlyArray<Entry>): Effect.Effect<Work> =>
        Effect.map(
          stop.stoppable((interruptible) => reclaimMany(entries, interruptible)),
          (reclaimed) =>
            reclaimed === undefined
              ? []
              : [
                  Effect.succeed(reclaimed.done),
                  ...reclaimed.left.map(unlessStopped),
                  ...reclaimed.alone.map(reclaimOne)
                ]
        )
      const groupsOf = ({ kept, open }: Triage.Triaged): Arr.NonEmptyReadonlyArray<Effect.Effect<Work>> => {
        const work = full.sizes ? kept.map(sized) : [Effect.succeed(kept)]
        return atOnce === 0
          ? [Effect.succeed([...work, ...open.map(reclaimOne)])]
          : [Effect.succeed(work), ...Arr.chunksOf(open, atOnce).map(reclaimGroup)]
      }

      const resumed = Stream.fromIterable(leftovers).pipe(Stream.flatMap(resume), Stream.haltWhen(stop.requested))
      const swept = directories.pipe(
        Stream.chunks,
        // A stop drops the pages that aren't listed yet. No removal is interrupted here.
        Stream.interruptWhen(stop.requested),
        // Two pages at once: a thread of Node's pool peeks at one while this thread judges the other.
        Stream.mapEffect(triaged, { concurrency: 2 }),
        Stream.map(groupsOf),
        Stream.flattenArray,
        Stream.mapEffect((group) => group, { concurrency: groupsAtOnce, unordered: true }),
        Stream.filter(Arr.isReadonlyArrayNonEmpty),
        Stream.flattenArray,
        // The outcomes are unordered, so a directory that takes minutes delays no other outcome.
        Stream.mapEffect((effect) => effect, { concurrency, unordered: true }),
        Stream.filter(Arr.isReadonlyArrayNonEmpty),
        Stream.flattenArray
      )
      return Stream.concat(resumed, swept)
    })
  )
}

/**
 * Runs {@link outcomes} and collects the outcomes in a report. Fails only with an error of the root. The error of a
 * directory is kept in its outcome.
 *
 * **Example** (Sweeping a root with one dead owner)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.crashed("/srv/vms/a")
 *   yield* Simulation.owned("/srv/vms/b")
 *   const { outcomes, summary } = yield* Cleanup.sweep("/srv/vms")
 *   const lines = outcomes.map(({ action, name, reason }) => `${name}: ${action}, ${reason}`)
 *   assert.deepStrictEqual(lines.toSorted(), ["a: removed, pid-dead", "b: kept, matches"])
 *   assert.deepStrictEqual([summary.scanned, summary.removed, summary.kept], [2, 1, 1])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const sweep: (
  root: string,
  options?: SweepOptions
) => Effect.Effect<Report, RootError, ProcessInspector | SentinelStore> = Effect.fn("Cleanup.sweep")(function* (
  root,
  options = {}
) {
  const start = yield* Clock.currentTimeMillis
  let interrupted = false
  const stopWhen = Effect.tap(options.stopWhen ?? Effect.never, () => Effect.sync(() => (interrupted = true)))
  const all = yield* Stream.runCollect(outcomes(root, { ...options, stopWhen }))
  const summary = Outcome.count(Outcome.empty(root, options), all)
  const durationMs = (yield* Clock.currentTimeMillis) - start
  return { outcomes: all, summary: { ...summary, durationMs, ...(interrupted ? { interrupted } : {}) } }
})

/**
 * Removes a directory that a sweep has moved, or puts it back, as the next sweep would. `undefined`: no moved directory
 * of this name was found, or its root can't be read.
 */
const resumeMoved = Effect.fnUntraced(function* (steps: ReclaimSteps.ReclaimSteps, { entry, path }: Entry) {
  const found = yield* Whereabouts.find(steps.store, path, steps.options.layout)
  if (found === undefined) return undefined
  const resume = ResumeLeftovers.make(steps, (name) => name === entry)
  const outcomes = yield* Stream.runCollect(resume(found.leftover))
  return outcomes.find(({ action }) => action !== "removed") ?? outcomes[0] ?? (yield* new Taken({ path }))
})

/**
 * Refuses a root that is a VM directory whose owner isn't provably gone, because everything in the directory belongs to
 * that owner.
 */
const requireNoOwner = Effect.fnUntraced(function* ({ examiner, options, root, store }: ReclaimSteps.ReclaimSteps) {
  const { path } = root
  const state = yield* store.look(path, options.layout)
  const { reason, verdict } = yield* examiner.examineUnassumed(state, "claimed")
  if (verdict === "none" || verdict === "dead") return
  const problem = `a VM directory whose owner isn't gone: ${verdict}, ${reason}`
  return yield* new RefusedRoot({ path, rule: "vm-directory", problem })
})

/**
 * Judges one directory, and removes the directory if the judgement condemns it. If a sweep has moved the directory and
 * not finished its removal, `reclaim` finds it by its name in the root and finishes it. Fails with the error that a
 * sweep would keep in the outcome. `Taken`: the moved directory is gone, or another sweep has it. `RefusedRoot`:
 * `openRoot` refuses the parent directory, the parent has an owner that isn't provably gone, or the directory is a
 * sweep's own.
 *
 * **Example** (Removing a directory once its owner has ended)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as FakeProcessTable from "@vm-sentinel/core/testing/FakeProcessTable"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   const owner = yield* Simulation.owned("/srv/vms/vm")
 *   assert.strictEqual((yield* Cleanup.reclaim("/srv/vms/vm")).action, "kept")
 *   yield* FakeProcessTable.FakeProcessTable.use((table) => table.exit(owner))
 *   assert.strictEqual((yield* Cleanup.reclaim("/srv/vms/vm")).action, "removed")
 *   assert.deepStrictEqual(yield* Simulation.names("/srv/vms"), [])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const reclaim: (
  directory: string,
  options?: ReclaimOptions
) => Effect.Effect<Outcome.Outcome, RootError | DirectoryError, ProcessInspector | SentinelStore> = Effect.fn(
  "Cleanup.reclaim"
)(function* (directory, options = {}) {
  const store = yield* SentinelStore
  const { entry, root } = yield* store.openDirectory(directory)
  if (entry.kind !== "directory") {
    // A workspace may hold several directories, also those of living owners. A sweep of the root resumes each of them.
    const problem = "a sweep's own directory; sweep the root it lies in"
    return yield* new RefusedRoot({ path: entry.path, rule: "sweeps-own", problem })
  }
  const full = withDefaults(options)
  const steps = yield* ReclaimSteps.make(root, full, yield* Stopping.make)
  const reclaimDirectory = ReclaimDirectory.make(steps)
  yield* requireNoOwner(steps)
  const outcome = yield* store.inspect(entry.path, full.layout).pipe(
    Effect.andThen(Effect.uninterruptibleMask((restore) => reclaimDirectory(entry, restore))),
    Effect.catchTag("NotFound", (error) =>
      Effect.flatMap(resumeMoved(steps, entry), (resumed) =>
        resumed === undefined ? Effect.fail(error) : Effect.succeed(resumed)
      )
    )
  )
  return yield* failOnError(outcome)
}, Effect.scoped)

/**
 * Judges one directory. Writes nothing. The judgement has the comparisons of every sentinel, whereas a sweep stops at
 * the first living owner. A directory that a sweep has moved is judged at its present path, `state.path`.
 *
 * **Example** (Telling a reused PID from the owner)
 *
 * ```ts
 * import * as Cleanup from "@vm-sentinel/core/Cleanup"
 * import * as Simulation from "@vm-sentinel/core/testing/Simulation"
 * import { Effect } from "effect"
 * import * as assert from "node:assert"
 *
 * const program = Effect.gen(function* () {
 *   yield* Simulation.recycled("/srv/vms/vm")
 *   const { evidence, reason, verdict } = yield* Cleanup.judge("/srv/vms/vm")
 *   assert.deepStrictEqual([verdict, reason], ["dead", "identity-mismatch"])
 *   assert.strictEqual(evidence.bootId?.result, "equal")
 *   assert.strictEqual(evidence.processId64?.result, "different")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Simulation.layer))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const judge: (
  directory: string,
  options?: JudgeOptions
) => Effect.Effect<Judgement, LookError | MountInside, ProcessInspector | SentinelStore> = Effect.fn("Cleanup.judge")(
  function* (directory, options = {}) {
    const store = yield* SentinelStore
    const layout = Layout.ofNames(options.sentinelNames)
    const { examine } = yield* Examiner.make({ ...options, layout, dryRun: true, isThorough: true })
    const judged = (path: string, kind?: Kind) =>
      Effect.flatMap(store.inspect(path, layout), (state) => examine(state, "asked", kind))
    const { judgement } = yield* judged(directory).pipe(
      Effect.catchTag("NotFound", (error) =>
        Effect.flatMap(Whereabouts.find(store, directory, layout), (found) =>
          found === undefined ? Effect.fail(error) : judged(found.path, found.kind)
        )
      )
    )
    return judgement
  }
)
