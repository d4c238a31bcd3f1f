/** What a taker is asked, and what it answers. */
import { Schema } from "effect"

/** Before anything sweeps: what it holds then follows the directory, or its path. */
export const Come = Schema.Struct({
  op: Schema.Literal("come"),
  how: Schema.Literals(["path", "working directory", "bind mount", "descriptor"]),
  directory: Schema.String,
  /** Where to mount. */
  volume: Schema.String
})
export type Come = typeof Come.Type

/** After so many milliseconds. Answers `taken`, or what it was refused with. */
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

/** What is there of what it took: the directory, the PID in its record, and what it wrote. */
export const Seen = Schema.Struct({
  id: Schema.String,
  isLinked: Schema.Boolean,
  owner: Schema.String,
  payload: Schema.String
})
export type Seen = typeof Seen.Type
