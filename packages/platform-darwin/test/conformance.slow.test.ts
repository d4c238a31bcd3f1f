/**
 * The conformance suite over the macOS stand-ins: with real processes, and in a PID namespace, where the kernel really
 * reuses numbers.
 */
import { Effect, Layer } from "effect"
import { skipped } from "@vm-sentinel/core/test/support/able"
import { suite, type ProcessWorld } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import * as PidNamespace from "../../platform-linux/src/testing/PidNamespace.ts"
import { scriptOf } from "@vm-sentinel/platform-linux/test/support/prebuilt"
import { Programs } from "@vm-sentinel/platform-linux/test/support/programs"
import * as Remote from "@vm-sentinel/platform-linux/test/support/remoteInspector"
import { makeWorld } from "@vm-sentinel/platform-linux/test/support/processes"
import * as DarwinProcessInspector from "../src/DarwinProcessInspector.ts"
import * as Shim from "./support/shim.ts"
import * as Standins from "./support/standins.ts"

const errnoEPERM = 1

/** On macOS, thread ids aren't PIDs, and no call returns the holders of a lock. */
const asOnMacOS = <R>(world: ProcessWorld<R>): ProcessWorld<R> => {
  const { lockHolder: _, thread: __, ...rest } = world
  return rest
}

if (process.platform === "linux") {
  const shim = Shim.build()
  const standins = Standins.make()
  const why = await Effect.runPromise(PidNamespace.unavailable)
  const agent = (options: DarwinProcessInspector.Options) =>
    Remote.layer(
      Effect.flatMap(PidNamespace.unshareArguments, (args) =>
        Remote.tidySession(
          ["unshare", ...args],
          scriptOf(new URL("agents/inspector.ts", import.meta.url).pathname, "darwinInspector"),
          [JSON.stringify(options)]
        )
      )
    )

  const commands: DarwinProcessInspector.PsOptions = {
    psPath: standins.ps().path,
    sysctlPath: standins.sysctl,
    ioregPath: standins.ioreg,
    maxPid: Standins.maxPid
  }

  const local = asOnMacOS(makeWorld())

  if (typeof shim === "string") {
    skipped("layer over the shim", shim)
  } else {
    suite("macOS, libSystem over the shim", {
      layer: Layer.merge(DarwinProcessInspector.layerWith({ libraryPath: shim.path }), Programs.layer),
      world: {
        ...local,
        // On macOS, a policy may refuse every call about a process.
        hidden: Effect.gen(function* () {
          const pid = yield* local.spawn
          for (const call of ["proc_pidinfo 17", "proc_pidinfo 3", "proc_pidpath", "sysctl"]) {
            yield* shim.refuse(call, errnoEPERM)
          }
          return pid
        })
      },
      strength: { processId64: true, otherUserExecutable: process.getuid?.() === 0 }
    })
  }

  suite("macOS, ps over the stand-ins", {
    layer: Layer.merge(DarwinProcessInspector.layerPsWith(commands), Programs.layer),
    world: local,
    strength: { processId64: false, executable: false, otherUserExecutable: false }
  })

  if (why !== undefined) {
    skipped("in a PID namespace", why)
  } else {
    if (typeof shim !== "string") {
      suite("macOS, libSystem over the shim, in a PID namespace", {
        layer: agent({ libraryPath: shim.path }),
        world: asOnMacOS(Remote.world),
        strength: { processId64: true, otherUserExecutable: true }
      })
    }
    // Each observation starts a `ps`, so only these two abilities are tested here. The others are tested above.
    const { recycle, spawn } = Remote.world
    suite("macOS, ps over the stand-ins, in a PID namespace", {
      layer: agent(commands),
      world: recycle === undefined ? { spawn } : { spawn, recycle },
      strength: { processId64: false, executable: false, otherUserExecutable: false }
    })
  }
} else skipped("conformance over the stand-ins", Standins.noProcfs)
