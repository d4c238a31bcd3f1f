/**
 * `ProcessInspector` for macOS: libSystem through koffi, or `ps` without native code.
 *
 * @since 0.1.0
 */
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Inspection from "./internal/inspection.ts"
import { isDefault } from "./internal/koffi.ts"
import * as LibSystem from "./internal/libSystem.ts"
import * as LibSystemInspector from "./internal/libSystemInspector.ts"

/**
 * Absolute paths of the commands. The defaults are those of macOS.
 *
 * @category models
 * @since 0.1.0
 */
export interface PsOptions {
  /** Default: `/bin/ps`. */
  readonly psPath?: string
  /** Default: `/usr/sbin/sysctl`. */
  readonly sysctlPath?: string
  /** Default: `/usr/sbin/ioreg`. */
  readonly ioregPath?: string
  /** Largest PID that `ps` accepts. Default: 99999, `PID_MAX` of macOS. */
  readonly maxPid?: number
}

/**
 * Paths of the library and of the commands.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends PsOptions {
  /** Path of libSystem. Default: `/usr/lib/libSystem.B.dylib`. */
  readonly libraryPath?: string
}

const isDarwin = process.platform === "darwin"

const unsupported = (detail: string): ProcessInspector["Service"] =>
  Inspection.make({
    host: Inspection.hostOf({
      bootId: Effect.undefined,
      machineId: Effect.undefined,
      virtualMachine: Effect.undefined
    }),
    observe: (pid) => Effect.succeed({ _tag: "Unavailable", pid, reason: "unsupported", detail })
  })

// `ps` of another system prints other columns. Outside of macOS the commands run only if `psPath` is given.
const makePs = (
  options: PsOptions,
  otherwise = `the process calls of macOS don't exist on ${process.platform}`
): Effect.Effect<ProcessInspector["Service"]> =>
  isDarwin || options.psPath !== undefined
    ? Effect.flatMap(
        Effect.promise(() => import("./internal/psInspector.ts")),
        ({ defaultPaths, make }) =>
          make({
            ps: options.psPath ?? defaultPaths.ps,
            sysctl: options.sysctlPath ?? defaultPaths.sysctl,
            ioreg: options.ioregPath ?? defaultPaths.ioreg,
            sh: defaultPaths.sh,
            maxPid: options.maxPid ?? defaultPaths.maxPid
          })
      )
    : Effect.succeed(unsupported(otherwise))

const make = (options: Options): Effect.Effect<ProcessInspector["Service"]> =>
  isDarwin || options.libraryPath !== undefined
    ? LibSystem.load(options.libraryPath ?? LibSystem.defaultPath).pipe(
        Effect.map((library) => LibSystemInspector.make(library)),
        Effect.catchTag("LibraryUnavailable", ({ detail }) =>
          Effect.andThen(Effect.logDebug("libSystem can't be called", { detail }), makePs(options, detail))
        )
      )
    : makePs(options)

/** The first call makes the inspector. */
const deferred = (inspector: Effect.Effect<ProcessInspector["Service"]>): Layer.Layer<ProcessInspector> =>
  Layer.effect(
    ProcessInspector,
    Effect.map(Effect.cached(inspector), (made) =>
      Inspection.make({
        host: Effect.flatMap(made, ({ host }) => host),
        observe: (pid, wanted) => Effect.flatMap(made, ({ observe }) => observe(pid, wanted))
      })
    )
  )

/**
 * {@link layer} with another library or other commands.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options = {}): Layer.Layer<ProcessInspector> => deferred(make(options))

/**
 * The best inspector of macOS. It calls libSystem through koffi, synchronously. Two data distinguish a process from
 * every other: `p_uniqueid` (`proc_pidinfo` flavor 17), which the kernel increments at each fork and keeps across exec,
 * and the start in microseconds (`sysctl` `KERN_PROC_PID`). If one of the two is refused, the other is enough. The path
 * of an executable is that of `proc_pidpath`.
 *
 * A PID is absent if `proc_pidinfo`, `sysctl` and `kill` all report no process. EPERM and EACCES give `Hidden`. Answers
 * that contradict each other give `Unavailable`. All data of one observation belong to one process. The layer reads
 * `p_uniqueid` before and after the rest.
 *
 * koffi is an optional dependency. If koffi or the library can't be loaded, and in a worker thread, this layer is
 * {@link layerPs}. koffi aborts the process if a worker is terminated while koffi loads. On another system than macOS
 * every observation is `Unavailable` with the reason `unsupported`, and no process can be identified.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ProcessInspector> = isDefault ? layerWith() : deferred(makePs({}))

/**
 * {@link layerPs} with other commands.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPsWith = (options: PsOptions = {}): Layer.Layer<ProcessInspector> => deferred(makePs(options))

/**
 * The inspector without native code: `/bin/ps` for processes, `/usr/sbin/sysctl` and `/usr/sbin/ioreg` for the host.
 * Observations made at the same time share one `ps`.
 *
 * It is weaker than {@link layer}. A start has whole seconds (token `s:<seconds>`). There is no 64-bit process id, and
 * no executable, since `ps` prints `argv[0]`, which the process can change. A sandbox may refuse to start `ps`, which
 * is setuid. That gives `Hidden`. A PID is absent if `ps` exits with 1 and prints nothing at all, and `kill` answers
 * ESRCH.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPs: Layer.Layer<ProcessInspector> = layerPsWith()
