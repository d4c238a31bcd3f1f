/** The inspector over libSystem: `proc_pidinfo`, `sysctl`, `proc_pidpath`, `gethostuuid`. */
import type { Observation, ObserveDepth } from "@vm-sentinel/core/Observation"
import type { Pid } from "@vm-sentinel/core/ProcessIdentity"
import type { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Effect from "effect/Effect"
import { type Answer, found, fromErrno, gone, unusable } from "./answer.ts"
import * as Inspection from "./inspection.ts"
import type { LibSystem, Reply } from "./libSystem.ts"
import { settle, type Settled, torn } from "./libSystemReading.ts"
import * as Structs from "./processStructs.ts"

/** `PROC_PIDUNIQIDENTIFIERINFO`: every user may ask about every process. */
const uniqueIdentifierFlavor = 17

/** `PROC_PIDTBSDINFO`: EPERM for another effective user's process. */
const bsdInfoFlavor = 3

const attempts = 2

const interpret = <A>(
  call: string,
  reply: Reply,
  options: {
    readonly decode: (bytes: Uint8Array) => A | undefined
    /** The errno that means that there is no such process. */
    readonly goneErrno?: string
    /** Whether an answer of 0 bytes means that there is no such process. */
    readonly goneEmpty?: boolean
  }
): Answer<A> => {
  if (reply._tag === "NoSymbol") return unusable("unsupported", `${call}: no such symbol`)
  if (reply._tag === "Failed") return reply.errno === options.goneErrno ? gone : fromErrno(call, reply.errno)
  if (reply.bytes.byteLength === 0 && options.goneEmpty === true) return gone
  const value = options.decode(reply.bytes)
  return value === undefined
    ? unusable("malformed", `${call}: ${reply.bytes.byteLength} bytes that make no sense`)
    : found(value)
}

const decodePath = (bytes: Uint8Array): string | undefined => {
  const path = new TextDecoder().decode(bytes)
  return path.startsWith("/") ? path : undefined
}

const sameAnswer = (a: Answer<string>, b: Answer<string>): boolean =>
  a._tag === b._tag && (a._tag !== "Found" || b._tag !== "Found" || a.value === b.value)

export const make = (
  library: LibSystem,
  probe: (pid: number) => string = Inspection.probe
): ProcessInspector["Service"] => {
  const readUniqueId = (pid: number): Answer<string> =>
    interpret("proc_pidinfo 17", library.pidInfo(pid, uniqueIdentifierFlavor, 1, Structs.uniqueIdentifierSize), {
      decode: Structs.decodeUniqueIdentifier,
      goneErrno: "ESRCH"
    })

  const readBsdInfo = (pid: number): Answer<Structs.ProcessInfo> =>
    interpret("proc_pidinfo 3", library.pidInfo(pid, bsdInfoFlavor, 1, Structs.bsdInfoSize), {
      decode: (bytes) => Structs.decodeBsdInfo(bytes, pid),
      goneErrno: "ESRCH"
    })

  const readKinfoProc = (pid: number): Answer<Structs.ProcessInfo> =>
    interpret("sysctl KERN_PROC_PID", library.kinfoProc(pid), {
      decode: (bytes) => Structs.decodeKinfoProc(bytes, pid),
      goneEmpty: true
    })

  /**
   * Start, state and uid of a process, by `sysctl` or, if `sysctl` fails, by `proc_pidinfo`. If `proc_pidinfo` finds no
   * process either, the result is the failure of `sysctl`, not `Gone`.
   */
  const readInfo = (pid: number): Answer<Structs.ProcessInfo> => {
    const info = readKinfoProc(pid)
    if (info._tag === "Found" || info._tag === "Gone") return info
    const bsdInfo = readBsdInfo(pid)
    return bsdInfo._tag === "Found" ? bsdInfo : info
  }

  const readPath = (pid: number): Answer<string> =>
    interpret("proc_pidpath", library.pidPath(pid), { decode: decodePath })

  /** `kern.boottime`, milliseconds since the epoch. Setting the clock shifts it by the same amount. */
  const readBootTime = (): number | undefined => {
    const reply = library.sysctlByName("kern.boottime", 16)
    return reply._tag === "Bytes" ? Structs.decodeTimeval(reply.bytes) : undefined
  }

  const look = (pid: Pid, wanted: ObserveDepth): Settled => {
    const uniqueId = readUniqueId(pid)
    const listed = uniqueId._tag === "Unusable" ? readBsdInfo(pid) : uniqueId
    const info = readInfo(pid)
    const path = wanted === "existence" || wanted === "identity" ? undefined : readPath(pid)
    const after = readUniqueId(pid)
    if (!sameAnswer(uniqueId, after)) return torn("p_uniqueid changed between two reads")
    if (uniqueId._tag !== "Found" && path !== undefined && info._tag === "Found") {
      const again = readInfo(pid)
      if (again._tag !== "Found" || again.value.started !== info.value.started) {
        return torn("the start time changed between two reads")
      }
    }
    const bootedAt = path === undefined ? undefined : readBootTime()
    const optional = { ...(path === undefined ? {} : { path }), ...(bootedAt === undefined ? {} : { bootedAt }) }
    return settle({ pid, uniqueId, listed, info, ...optional }, probe)
  }

  const isFinal = (result: Settled): boolean =>
    result._tag === "Settled" &&
    (result.observation._tag !== "Unavailable" || result.observation.reason !== "resources")

  const observe = (pid: Pid, wanted: ObserveDepth): Observation => {
    let result = look(pid, wanted)
    for (let tried = 1; tried < attempts && !isFinal(result); tried++) result = look(pid, wanted)
    return result._tag === "Settled"
      ? result.observation
      : { _tag: "Unavailable", pid, reason: "malformed", detail: `contradicting answers: ${result.detail}` }
  }

  const bootId = Inspection.keep(
    Effect.sync(() => {
      const reply = library.sysctlByName("kern.bootsessionuuid", 64)
      return reply._tag === "Bytes" ? Structs.decodeUuidText(new TextDecoder().decode(reply.bytes)) : undefined
    })
  )
  const machineId = Inspection.keep(
    Effect.sync(() => {
      const reply = library.hostUuid()
      return reply._tag === "Bytes" ? Structs.formatUuid(reply.bytes) : undefined
    })
  )
  const virtualMachine = Inspection.keep(
    Effect.sync(() => {
      const reply = library.sysctlByName("kern.hv_vmm_present", 4)
      return reply._tag === "Bytes" ? Structs.decodeFlag(reply.bytes) : undefined
    })
  )

  return Inspection.make({
    host: Inspection.hostOf({ bootId, machineId, virtualMachine }),
    observe: (pid, wanted) => Effect.sync(() => observe(pid, wanted))
  })
}
