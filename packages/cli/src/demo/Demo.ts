/**
 * `demo`: real processes own real directories, some processes die, and a sweep finds out which.
 *
 * @since 0.1.0
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { DirectoryError, RootError } from "@vm-sentinel/core/Errors"
import type { Summary } from "@vm-sentinel/core/Outcome"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as FS from "node:fs"
import * as OS from "node:os"
import * as Path from "node:path"
import { ExitCode, Quit } from "../ExitCode.ts"
import { columns, hasColors, type Output, type OutputError, write } from "../Output.ts"
import * as Overview from "../text/Overview.ts"
import * as Platform from "../Platform.ts"
import * as Table from "../text/Table.ts"
import * as Text from "../text/Text.ts"
import { DemoError } from "./DemoError.ts"
import * as Scene from "./Scene.ts"
import * as Verification from "./Verification.ts"

/**
 * Options of {@link demo}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Keeps the scratch root at the end. */
  readonly keep: boolean
  /** The scratch root. Only the process inside the namespace has this option. */
  readonly inside: Option.Option<string>
}

type DemoFailure = DemoError | RootError | DirectoryError | OutputError | Platform.UnsupportedPlatform | Quit

const remove = (path: string) => Effect.sync(() => FS.rmSync(path, { recursive: true, force: true }))

const prefix = "vm-sentinel-demo-"

const scratch = (keep: boolean): Effect.Effect<string, DemoError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => FS.mkdtempSync(`${FS.realpathSync(OS.tmpdir())}/${prefix}`),
      catch: (error) => new DemoError({ problem: String(error) })
    }),
    (path) => (keep ? Effect.void : remove(path))
  )

const told = (verifications: ReadonlyArray<Verification.Verification>, summary: Summary): string => {
  const of = (name: string) => verifications.find(({ outcome }) => outcome?.name === name)?.outcome
  const same = of("recycled-same-exe")
  const v1 = of("recycled-v1")
  const other = of("recycled-other-exe")
  const crashed = of("crashed-v3")
  const copy = of("copy-of-crashed")
  const outer = of("owner-inside")
  const lines = [
    ...(crashed?.action === "removed"
      ? [`Process ${crashed.pid} was killed without a chance to clean up: its directory is gone.`]
      : []),
    ...(copy?.reason === "other-directory"
      ? [
          `A copy of it stays: its sentinel was made in another directory, and ${copy.reason} proves nothing of this one.`
        ]
      : []),
    ...(outer?.reason === "owner-inside"
      ? [`Process ${outer.pid} is gone, but another owner lives in a directory inside of its own: both stay.`]
      : []),
    ...(same?.action === "removed"
      ? [
          `Process ${same.pid} was killed too, and the kernel gave its number to another process of the same executable.`,
          `${same.reason} tells the two apart, and the directory is gone.`
        ]
      : []),
    ...(v1?.action === "kept"
      ? [
          `A v1 sentinel has nothing but the PID to go by: for the same process it says alive, and errs on the safe side.`
        ]
      : []),
    ...(other?.action === "removed"
      ? [`The number of process ${other.pid} went to another program: a v2 sentinel, with the executable, tells.`]
      : []),
    `Owners that live kept theirs, and what can't be judged (${summary.unknown} unknown) was left alone.`
  ]
  return `${lines.join("\n")}\n`
}

/** Creates directories and processes, sweeps, and compares the outcomes with the expected ones. */
const play = (
  root: string,
  recycler: Scene.Recycler | undefined
): Effect.Effect<void, DemoFailure, Output | ProcessInspector | SentinelStore> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { expectations, processes } = yield* Scene.set(root, recycler)
      yield* write(`${expectations.length} directories of ${processes} real processes in ${root}; one sweep:\n\n`)
      const { outcomes, summary } = yield* Cleanup.sweep(root)
      const verifications = Verification.verify(root, expectations, outcomes)
      const strays = Verification.strays(root, expectations)
      const colors = yield* hasColors("stdout")
      const width = yield* columns
      yield* write(Verification.render(verifications, { now: yield* DateTime.now, colors }))
      yield* write(Text.wrap(`\n${Overview.summaryLine(summary)}\n${told(verifications, summary)}`, width))
      const wrong = verifications.filter(({ problem }) => problem !== undefined).length
      if (wrong + strays.length === 0) return
      const also = strays.length === 0 ? "" : `; on disk and not as expected: ${strays.join(", ")}`
      yield* write(`${Table.paint("✗", "red", colors)} ${wrong} not as expected${also}\n`)
      return yield* new Quit({ code: ExitCode.failed })
    })
  )

/**
 * Whether `root` may be the directory that the process outside the namespace made: it is empty and has such a name. An
 * interruption must remove no other directory.
 */
const isScratch = (root: string): boolean => {
  try {
    return Path.basename(root).startsWith(prefix) && FS.readdirSync(root).length === 0
  } catch {
    return false
  }
}

const inNamespace = Effect.fnUntraced(function* (root: string, keep: boolean) {
  if (!isScratch(root)) return yield* new DemoError({ problem: `${root} is no empty scratch root` })
  const Namespace = yield* Effect.promise(() => import("./Namespace.ts"))
  const playing = Effect.onInterrupt(play(root, Namespace.recycler), () => (keep ? Effect.void : remove(root)))
  yield* Effect.raceFirst(playing, Effect.andThen(Namespace.outsideGone, Effect.interrupt))
})

/**
 * The arguments that run a command in a PID namespace. `None` if the system isn't Linux, or, with a note, if no such
 * namespace can be created.
 */
const namespace = Effect.gen(function* () {
  if (process.platform !== "linux") return Option.none()
  const Namespace = yield* Effect.promise(() => import("./Namespace.ts"))
  return yield* Namespace.unshareArguments.pipe(
    Effect.map((unshare) => Option.some({ again: Namespace.again, unshare })),
    Effect.catch(({ problem }) => {
      const note = `No PID namespace of our own can be had here, so no PID is recycled (${problem})\n\n`
      return Effect.as(write(note), Option.none())
    })
  )
})

/**
 * Runs the demonstration in a scratch root, with recycled PIDs if a PID namespace can be created. Fails with {@link
 * Quit} if an outcome isn't the expected one.
 *
 * @category running
 * @since 0.1.0
 */
export const demo: (options: Options) => Effect.Effect<void, DemoFailure, Output> = Effect.fn("demo")(function* ({
  inside,
  keep
}) {
  if (Option.isSome(inside)) return yield* inNamespace(inside.value, keep).pipe(Effect.provide(Platform.layer))
  const root = yield* scratch(keep)
  const found = yield* namespace
  if (Option.isNone(found)) yield* Effect.provide(play(root, undefined), Platform.layer)
  else {
    const { again, unshare } = found.value
    const code = yield* again(unshare, ["demo", "--inside", root, ...(keep ? ["--keep"] : [])])
    if (code !== 0) return yield* new Quit({ code })
  }
  if (keep) yield* write(`Left for you to look at: ${root}\n`)
}, Effect.scoped)
