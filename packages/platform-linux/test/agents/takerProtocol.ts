/** Requests to a taker agent, and its answers. */
import { Schema } from "effect"

/** Opens the way to the directory before a sweep starts. Only `path` doesn't follow a directory that is moved. */
export const Come = Schema.Struct({
  op: Schema.Literal("come"),
  how: Schema.Literals(["path", "working directory", "bind mount", "descriptor"]),
  directory: Schema.String,
  /** The mount point of `bind mount`. */
  volume: Schema.String
})
export type Come = typeof Come.Type

/** Takes the directory after `delay` milliseconds. Answers `taken` or the tag of the error. */
export const Take = Schema.Struct({
  op: Schema.Literal("take"),
  by: Schema.Literals(["hold", "record", "create"]),
  role: Schema.String,
  delay: Schema.Number
})
export type Take = typeof Take.Type

export const Request = Schema.Union([
  Come,
  Take,
  Schema.Struct({ op: Schema.Literal("look"), role: Schema.String }),
  Schema.Struct({ op: Schema.Literal("leave") }),
  Schema.Struct({ op: Schema.Literal("pid") })
])
export type Request = typeof Request.Type

/**
 * State of the taken directory: its id, whether it has a name, the PID in its record, and the content of the payload.
 */
export const Seen = Schema.Struct({
  id: Schema.String,
  isLinked: Schema.Boolean,
  owner: Schema.String,
  payload: Schema.String
})
export type Seen = typeof Seen.Type
