/** The parts that both inspectors share: the signal probe and the host. */
import { errnoOf } from "@vm-sentinel/core/Errno"
import { type HostIdentity, Pid } from "@vm-sentinel/core/ProcessIdentity"
import { make as makeInspector, type Options, type ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Effect from "effect/Effect"
import { hostname } from "node:os"

/** The errno of `kill(pid, 0)`. `none` on success, which includes a zombie. */
export const probe = (pid: number): string => {
  try {
    process.kill(pid, 0)
    return "none"
  } catch (error) {
    return errnoOf(error)
  }
}

export const make = (sources: Pick<Options, "host" | "observe">): ProcessInspector["Service"] =>
  makeInspector({ ...sources, selfPid: Effect.succeed(Pid.make(process.pid)) })

/** Asks until there is a value, then keeps the value, which can't change while this process runs. */
export const keep = <A>(ask: Effect.Effect<A | undefined>): Effect.Effect<A | undefined> => {
  let kept: A | undefined
  return Effect.suspend(() =>
    kept === undefined
      ? Effect.tap(ask, (value) =>
          Effect.sync(() => {
            kept = value
          })
        )
      : Effect.succeed(kept)
  )
}

/** Parses `kern.hv_vmm_present`: 1 in a virtual machine. */
export const isVirtual = (text: string): boolean | undefined => {
  const value = text.trim()
  return value === "1" ? true : value === "0" ? false : undefined
}

/** The host identity. macOS has no PID or time namespaces: `namespaces` is `none`. */
export const hostOf = (sources: {
  readonly bootId: Effect.Effect<string | undefined>
  readonly machineId: Effect.Effect<string | undefined>
  readonly virtualMachine: Effect.Effect<boolean | undefined>
}): Effect.Effect<HostIdentity> =>
  Effect.map(Effect.all(sources), ({ bootId, machineId, virtualMachine }) => ({
    hostname: hostname(),
    namespaces: "none",
    ...(bootId === undefined ? {} : { bootId }),
    ...(machineId === undefined ? {} : { machineId }),
    ...(virtualMachine === undefined ? {} : { virtualMachine })
  }))
