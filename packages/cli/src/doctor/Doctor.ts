/**
 * `doctor`: what this machine and its roots can prove, and why.
 *
 * @since 0.1.0
 */
import type * as Cleanup from "@vm-sentinel/core/Cleanup"
import { Disk } from "@vm-sentinel/core/Disk"
import * as Ground from "@vm-sentinel/core/Ground"
import * as Layout from "@vm-sentinel/core/Layout"
import type { NativeCode } from "@vm-sentinel/core/NativeCode"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Prospect from "@vm-sentinel/core/Prospect"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as DoctorText from "../text/DoctorText.ts"
import { ExitCode, Quit } from "../ExitCode.ts"
import * as Finding from "./Finding.ts"
import * as JudgeFlags from "../JudgeFlags.ts"
import * as MachineFindings from "./MachineFindings.ts"
import * as Output from "../Output.ts"
import * as Platform from "../Platform.ts"
import * as Report from "../sweep/Report.ts"
import * as RootFindings from "./RootFindings.ts"
import * as WorkingDirectory from "../WorkingDirectory.ts"

/**
 * Options of {@link doctor}. The operator's assertions are those of a sweep.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Pick<JudgeFlags.JudgeFlags, "legacy" | "lock" | "shared"> {
  readonly roots: ReadonlyArray<string>
  readonly json: boolean
}

/** Makes the findings about this machine, from the kernel's answers to this process and from `native`. */
const examineMachine = Effect.fn("doctor.machine")(function* (
  native: NativeCode
): Effect.fn.Return<Finding.Machine, never, ProcessInspector> {
  const inspector = yield* ProcessInspector
  const readings: MachineFindings.Readings = {
    host: yield* inspector.host,
    self: yield* Effect.result(inspector.self),
    sight: yield* Prospect.sight,
    native
  }
  return { _tag: "Machine", findings: MachineFindings.make(readings) }
})

/** Takes and releases the lock of the root itself. The root is on the same file system as its directories. */
const tryLock = (path: string) =>
  Effect.scoped(Effect.result(Effect.flatMap(SentinelStore, (store) => store.lock(path))))

/** Asks what a sweep of a root could prove and do. Writes no entry into the root. */
const examineRoot = Effect.fn("doctor.root")(
  function* (given: string, hasKoffi: boolean, options: Cleanup.JudgeOptions) {
    const store = yield* SentinelStore
    const root = yield* store.openRoot(given)
    const { path, principal } = root
    const ground = yield* Ground.of(root)
    const listed = yield* Effect.result(
      Effect.map(store.list(root, Layout.standard), ({ leftovers }) => leftovers.length)
    )
    const lock = yield* tryLock(path)
    const prospects = yield* Prospect.foresee(root, ground, Result.getOrUndefined(lock), options)
    const tested = Result.map(lock, ({ tested }) => tested)
    return RootFindings.make({ path, uid: principal.uid, hasKoffi, ground, listed, lock: tested, prospects })
  },
  (effect, given) =>
    Effect.catch(
      effect,
      Effect.fnUntraced(function* (error) {
        const path = yield* Effect.orElseSucceed(WorkingDirectory.absolute(given), () => given)
        const { uid } = yield* Disk.use((disk) => disk.principal)
        return RootFindings.ofRefusal(path, error, uid)
      })
    )
)

const encodeMachine = Schema.encodeEffect(Finding.Machine)
const encodeRoot = Schema.encodeEffect(Finding.Root)

const exitCode = (machine: Finding.Machine, roots: ReadonlyArray<Finding.Root>): number => {
  const conclusions = new Set(roots.map(({ conclusion }) => conclusion))
  if (conclusions.has("refused")) return ExitCode.failed
  const isBlind = machine.findings.some(({ state }) => state === "not")
  return isBlind || conclusions.has("keeps") ? ExitCode.undecided : ExitCode.done
}

/**
 * Prints what this machine and each root can prove. Fails with {@link Quit} if a finding about the machine is `not`, or
 * the conclusion about a root isn't `removes`.
 *
 * @category running
 * @since 0.1.0
 */
export const doctor: (
  options: Options
) => Effect.Effect<void, Output.OutputError | Quit, Disk | Output.Output | ProcessInspector | SentinelStore> =
  Effect.fn("doctor")(function* ({ json, legacy, lock, roots, shared }) {
    const judgeOptions = JudgeFlags.options({ legacy, lock, shared, sentinelNames: [], assumeMoved: Option.none() })
    const shown = { colors: yield* Output.hasColors("stdout"), width: yield* Output.columns }
    const native = yield* Platform.nativeCode
    const machine = yield* examineMachine(native)
    yield* Output.write(
      json ? Report.jsonLine(yield* Effect.orDie(encodeMachine(machine))) : DoctorText.machine(machine, shown)
    )
    const examined = yield* Effect.forEach(
      roots,
      Effect.fnUntraced(function* (given) {
        const root = yield* examineRoot(given, native.koffi._tag === "Loaded", judgeOptions)
        yield* Output.write(
          json ? Report.jsonLine(yield* Effect.orDie(encodeRoot(root))) : DoctorText.root(root, shown)
        )
        return root
      })
    )
    const code = exitCode(machine, examined)
    if (code !== ExitCode.done) return yield* new Quit({ code })
  })
