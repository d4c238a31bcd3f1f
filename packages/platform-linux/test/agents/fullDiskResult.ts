import { Schema } from "effect"

export const Result = Schema.Struct({
  runs: Schema.Number,
  killed: Schema.Number,
  /** Number of directories that uninterrupted sweeps claimed in the root, without a workspace. */
  inPlace: Schema.Number,
  /** The error of each attempt to own a directory. */
  refusals: Schema.Array(Schema.String),
  problems: Schema.Array(Schema.String)
})
