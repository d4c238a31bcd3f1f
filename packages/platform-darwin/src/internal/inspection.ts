/** What every inspector of this package shares: the signal probe, and how an observation becomes an identity. */
import { type HostIdentity, isPid, Pid, ProcessIdentity } from "@vm-sentinel/core/ProcessIdentity"
import { IdentityUnavailable, NotFound, PermissionDenied } from "@vm-sentinel/core/Errors"
import type { Observation, Wanted } from "@vm-sentinel/core/Observation"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { hostname } from "node:os"

export const errorCode = (error: unknown): string | undefined =>
  Predicate.hasProperty(error, "code") && Predicate.isString(error.code) ? error.code : undefined

/** `kill(pid, 0)`: `none` where it succeeds, as it does for a zombie; else the errno. */
export const probe = (pid: number): string => {
  try {
    process.kill(pid, 0)
    return "none"
  } catch (error) {
    return errorCode(error) ?? "unknown"
  }
}

const operation = "identify"

const identityOf = (
  observation: Observation,
  host: HostIdentity
): Effect.Effect<ProcessIdentity, NotFound | PermissionDenied | IdentityUnavailable> => {
  const { pid } = observation
  if (observation._tag === "Absent") return Effect.fail(new NotFound({ operation, pid }))
  if (observation._tag === "Hidden") return Effect.fail(new PermissionDenied({ operation, pid }))
  if (observation._tag === "Unavailable")
    return Effect.fail(new IdentityUnavailable({ pid, detail: observation.detail }))
  if (observation.state === "Z") return Effect.fail(new NotFound({ operation, pid }))
  const { exe, processId64, startTime, uid } = observation
  if (startTime === undefined) {
    return Effect.fail(new IdentityUnavailable({ pid, detail: "the start time is not to be had" }))
  }
  const { bootId, hostname, machineId } = host
  return Effect.succeed(
    new ProcessIdentity({
      pid,
      startTime,
      hostname,
      ...(processId64 === undefined ? {} : { processId64 }),
      ...(bootId === undefined ? {} : { bootId }),
      ...(machineId === undefined ? {} : { machineId }),
      ...(uid === undefined ? {} : { uid }),
      ...(exe === undefined ? {} : { exe })
    })
  )
}

export const make = (sources: {
  readonly host: Effect.Effect<HostIdentity>
  readonly observe: (pid: Pid, wanted: Wanted) => Effect.Effect<Observation>
}): ProcessInspector["Service"] => {
  // kill(2) takes 0 and negative numbers for process groups: nothing but a PID may reach it.
  const observe = (pid: Pid, wanted: Wanted = "all"): Effect.Effect<Observation> =>
    isPid(pid)
      ? sources.observe(pid, wanted)
      : Effect.succeed({ _tag: "Unavailable", pid, reason: "malformed", detail: `${pid} can't name a process` })
  const identify = Effect.fn("ProcessInspector.identify")(function* (pid: Pid) {
    return yield* identityOf(yield* observe(pid), yield* sources.host)
  })
  const pid = Pid.make(process.pid)
  return ProcessInspector.of({
    host: sources.host,
    self: identify(pid).pipe(
      Effect.catchTag(["NotFound", "PermissionDenied"], (error) =>
        Effect.fail(new IdentityUnavailable({ pid, detail: error.message }))
      )
    ),
    identify,
    observe,
    // The kernel says of a lock that it is held, and not by whom. Whoever has the directory open needn't hold it.
    lockHolders: () => Effect.succeed([])
  })
}

/** A value that is asked for until it is had once, and then kept: it can't change while this process runs. */
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

/** `kern.hv_vmm_present`: 1 in a virtual machine. */
export const isVirtual = (text: string): boolean | undefined => {
  const value = text.trim()
  return value === "1" ? true : value === "0" ? false : undefined
}

/** macOS has no PID or time namespaces: `none`. */
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
