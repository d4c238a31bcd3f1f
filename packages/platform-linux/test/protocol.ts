/** What an agent is asked, and what it answers. */
import { IdentityUnavailable, NotFound, PermissionDenied } from "@vm-sentinel/core/Errors"
import type { Observation } from "@vm-sentinel/core/Observation"
import type { FileId } from "@vm-sentinel/core/Holding"
import type * as PidNamespaces from "@vm-sentinel/core/PidNamespaces"
import { Executable, FirstProcess, type HostIdentity, Pid } from "@vm-sentinel/core/ProcessIdentity"
import type { NamespaceProof } from "@vm-sentinel/core/Verdict"
import { Schema } from "effect"

const Wanted = Schema.Literals(["existence", "identity", "path", "executable", "all"])

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

const Directory: Schema.Codec<FileId, unknown> = Schema.Struct({ dev: Schema.String, ino: Schema.String })

export const Request = Schema.Union([
  op("pid", {}),
  op("host", {}),
  op("self", {}),
  op("identify", { pid: Pid }),
  op("observe", { pid: Pid, wanted: Wanted }),
  op("prove", { sought: Sought, wanted: Wanted }),
  op("lockHolders", { directory: Directory }),
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

export const Observed: Schema.Codec<Observation, unknown> = Schema.Union([
  Schema.Struct({
    _tag: Schema.Literal("Present"),
    pid: Pid,
    tgid: optional(Schema.Int),
    state: optional(Schema.String),
    threads: optional(Schema.Int),
    startTime: optional(Schema.String),
    startedAt: optional(Schema.Number),
    bootedAt: optional(Schema.Number),
    processId64: optional(Schema.String),
    exe: optional(Executable),
    exeError: optional(Schema.Literals(["permission-denied", "not-available"])),
    uid: optional(Schema.Int),
    comm: optional(Schema.String)
  }),
  Schema.Struct({ _tag: Schema.Literal("Absent"), pid: Pid }),
  Schema.Struct({ _tag: Schema.Literal("Hidden"), pid: Pid, detail: Schema.String }),
  Schema.Struct({
    _tag: Schema.Literal("Unavailable"),
    pid: Pid,
    reason: Schema.Literals(["no-procfs", "resources", "malformed", "unsupported"]),
    detail: Schema.String
  })
])

export const Host: Schema.Codec<HostIdentity, unknown> = Schema.Struct({
  bootId: optional(Schema.String),
  bootIdProblem: optional(Schema.String),
  machineId: optional(Schema.String),
  hostname: Schema.String,
  namespaces: Schema.Literals(["supported", "none"]),
  pidNamespace: optional(Schema.String),
  pidNamespaceInit: optional(FirstProcess),
  timeOffset: optional(Schema.String),
  virtualMachine: optional(Schema.Boolean)
})

export const Proof: Schema.Codec<NamespaceProof, unknown> = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("Gone"), by: Schema.Literals(["namespace", "processId64"]) }),
  Schema.Struct({ _tag: Schema.Literal("Found"), observation: Observed }),
  Schema.Struct({ _tag: Schema.Literal("Incomplete") })
])

export const Holders = Schema.Array(Pid)

export const Holder = Schema.Struct({ pid: Pid, directory: Directory })

export const Failure = Schema.Union([NotFound, PermissionDenied, IdentityUnavailable])

export const Reply = Schema.Union([
  Schema.Struct({ ok: Schema.Unknown }),
  Schema.Struct({ failed: Schema.Unknown, message: Schema.String })
])

/** What is answered where nothing is. */
export const Nothing = Schema.Null
