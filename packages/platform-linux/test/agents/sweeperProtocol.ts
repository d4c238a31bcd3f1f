/** What an agent is asked, and what it answers. */
import { Outcome, Summary } from "@vm-sentinel/core/Outcome"
import { Schema } from "effect"

const owning = {
  directory: Schema.String,
  role: Schema.optionalKey(Schema.String),
  /** Default: the agent itself. */
  pid: Schema.optionalKey(Schema.Number)
}

export const Task = Schema.Union([
  Schema.Struct({
    op: Schema.Literal("sweep"),
    root: Schema.String,
    dryRun: Schema.optionalKey(Schema.Boolean),
    concurrency: Schema.optionalKey(Schema.Number)
  }),
  Schema.Struct({ op: Schema.Literals(["record", "create", "hold"]), ...owning })
])
export type Task = typeof Task.Type

export const Request = Schema.Union([
  Task,
  /** The calls that change the file system in the next task are counted, and it ends at one of them. */
  Schema.Struct({ op: Schema.Literal("arm"), at: Schema.Number, when: Schema.Literals(["before", "after"]) }),
  /** What was changed since. */
  Schema.Struct({ op: Schema.Literal("watch") }),
  Schema.Struct({ op: Schema.Literal("changes") }),
  /**
   * Wants to own directories of these names, each once: one that is there is recorded, one that isn't is made. Until all
   * are owned, or there is a file under `stop`.
   */
  Schema.Struct({
    op: Schema.Literal("settle"),
    root: Schema.String,
    names: Schema.Array(Schema.String),
    restart: Schema.Boolean,
    stop: Schema.String
  }),
  /** Gives up what `hold` and `create` hold. */
  Schema.Struct({ op: Schema.Literal("release") }),
  Schema.Struct({ op: Schema.Literal("probe"), directory: Schema.String }),
  /** Starts a program that outlives the agent unless it is ended. It is given the lock of `giving`, which the agent holds. */
  Schema.Struct({
    op: Schema.Literal("start"),
    command: Schema.Array(Schema.String),
    giving: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({ op: Schema.Literal("run"), command: Schema.Array(Schema.String) }),
  /** Becomes another program, with no answer. */
  Schema.Struct({ op: Schema.Literal("exec"), command: Schema.Array(Schema.String) }),
  Schema.Struct({ op: Schema.Literal("descriptors") }),
  Schema.Struct({ op: Schema.Literal("pid") })
])
export type Request = typeof Request.Type

export const Report = Schema.Struct({ outcomes: Schema.Array(Outcome), summary: Summary })
export type Report = typeof Report.Type

/** Names that were made anew, names whose directory was there, and what the other attempts were refused with. */
export const Settled = Schema.Struct({
  made: Schema.Array(Schema.String),
  restarted: Schema.Array(Schema.String),
  refusals: Schema.Record(Schema.String, Schema.Number)
})

export const Change = Schema.Struct({ call: Schema.String, subject: Schema.String })

export const Lock = Schema.NullOr(Schema.Struct({ tested: Schema.Boolean }))

export const Reply = Schema.Union([
  Schema.Struct({ ok: Schema.Unknown }),
  Schema.Struct({ failed: Schema.String, message: Schema.String })
])
