import { Schema } from "effect"

export const AttackResult = Schema.Struct({
  sweeps: Schema.Number,
  made: Schema.Number,
  removed: Schema.Number,
  /** How often each outcome was reported. */
  reasons: Schema.Record(Schema.String, Schema.Number),
  /** The attackers' output, which counts each attacker's acts by kind. Empty for an attacker that was killed. */
  acts: Schema.String,
  problems: Schema.Array(Schema.String)
})
export type AttackResult = typeof AttackResult.Type
