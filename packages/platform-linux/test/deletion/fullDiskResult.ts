import { Schema } from "effect"

export const Result = Schema.Struct({
  runs: Schema.Number,
  killed: Schema.Number,
  /** Directories that were claimed or marked by their names alone, in sweeps that weren't killed. */
  inPlace: Schema.Number,
  problems: Schema.Array(Schema.String)
})
