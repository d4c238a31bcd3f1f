/** Requests to an inspector agent, and its answers. */
import { IdentityUnavailable, NotFound, PermissionDenied } from "@vm-sentinel/core/Errors"
import { FileId } from "@vm-sentinel/core/FileId"
import { Observation, ObserveDepth } from "@vm-sentinel/core/Observation"
import * as PidNamespaces from "@vm-sentinel/core/PidNamespaces"
import { FirstProcess, HostIdentity, Pid } from "@vm-sentinel/core/ProcessIdentity"
import { Schema } from "effect"

const op = <const Name extends string, const Fields extends Schema.Struct.Fields>(name: Name, fields: Fields) =>
  Schema.Struct({ op: Schema.Literal(name), ...fields })

const optional = Schema.optionalKey

const Sought: Schema.Codec<PidNamespaces.Sought, unknown> = Schema.Struct({
  pid: Pid,
  processId64: optional(Schema.String),
  pidNamespace: optional(Schema.String),
  pidNamespaceInit: optional(FirstProcess),
  timeOffset: optional(Schema.String)
})

export const Request = Schema.Union([
  op("pid", {}),
  op("host", {}),
  op("self", {}),
  op("identify", { pid: Pid }),
  op("observe", { pid: Pid, wanted: ObserveDepth }),
  op("prove", { sought: Sought, wanted: ObserveDepth }),
  op("lockHolders", { directory: FileId }),
  op("lockHolder", {}),
  op("free", { pid: Pid }),
  op("spawn", {}),
  op("exit", { pid: Pid }),
  op("zombify", { pid: Pid }),
  op("stop", { pid: Pid }),
  op("recycle", { pid: Pid, executable: Schema.Literals(["same", "other"]) }),
  op("thread", {}),
  op("leaderExited", {}),
  op("reexec", {}),
  op("exec", { pid: Pid }),
  op("recycles", { count: Schema.Int })
])
export type Request = typeof Request.Type

export const Observed = Observation
export const Host = HostIdentity
export const Proof = PidNamespaces.NamespaceProof

export const Holders = Schema.Array(Pid)

export const Holder = Schema.Struct({ pid: Pid, directory: FileId })

export const Failure = Schema.Union([NotFound, PermissionDenied, IdentityUnavailable])

export const Reply = Schema.Union([
  Schema.Struct({ ok: Schema.Unknown }),
  Schema.Struct({ failed: Schema.Unknown, message: Schema.String })
])

/** The answer to a request without a result. */
export const Nothing = Schema.Null
