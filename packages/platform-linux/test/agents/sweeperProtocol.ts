/** Requests to a sweeper agent, and its answers. */
import { Outcome, Summary } from "@vm-sentinel/core/Outcome"
import { Schema } from "effect"

const owning = {
  directory: Schema.String,
  role: Schema.optionalKey(Schema.String),
  /** PID of the owner to record, in the agent's place if the agent holds the lock. Default: the agent. */
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
  /** Counts the calls of the next task that change the file system, and kills the agent at call number `at`. */
  Schema.Struct({ op: Schema.Literal("arm"), at: Schema.Number, when: Schema.Literals(["before", "after"]) }),
  /**
   * `watch` starts to record the calls that change the file system. `changes` answers these calls and ends the record.
   */
  Schema.Struct({ op: Schema.Literal("watch") }),
  Schema.Struct({ op: Schema.Literal("changes") }),
  /**
   * Becomes the owner of one directory for each name. Makes the directory if it is missing. If it exists, records
   * itself there only with `restart`. Continues until it owns all of them or the file `stop` exists.
   */
  Schema.Struct({
    op: Schema.Literal("settle"),
    root: Schema.String,
    names: Schema.Array(Schema.String),
    restart: Schema.Boolean,
    stop: Schema.String
  }),
  /** Frees what `hold` and `create` hold. */
  Schema.Struct({ op: Schema.Literal("release") }),
  Schema.Struct({ op: Schema.Literal("probe"), directory: Schema.String }),
  /**
   * Starts a program that outlives the agent, and answers its PID. It inherits the lock of `giving`, a held directory.
   */
  Schema.Struct({
    op: Schema.Literal("start"),
    command: Schema.Array(Schema.String),
    giving: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({ op: Schema.Literal("run"), command: Schema.Array(Schema.String) }),
  /** Replaces the agent with another program (`execve(2)`). No answer follows. */
  Schema.Struct({ op: Schema.Literal("exec"), command: Schema.Array(Schema.String) }),
  Schema.Struct({ op: Schema.Literal("descriptors") }),
  Schema.Struct({ op: Schema.Literal("pid") })
])
export type Request = typeof Request.Type

export const Report = Schema.Struct({ outcomes: Schema.Array(Outcome), summary: Summary })
export type Report = typeof Report.Type

/**
 * Names of directories that were made, names of directories that existed and were recorded, and the tags of the errors
 * of all other attempts.
 */
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
