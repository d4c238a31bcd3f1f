import { Schema } from "effect"

export const Result = Schema.Struct({
  runs: Schema.Number,
  killed: Schema.Number,
  /** Directories that were claimed or marked by their names alone, in sweeps that weren't killed. */
  inPlace: Schema.Number,
  /** What who wanted to write was told. */
  refusals: Schema.Array(Schema.String),
  problems: Schema.Array(Schema.String)
})
