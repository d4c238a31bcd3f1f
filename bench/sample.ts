/** What one contestant answers for one root. */
import * as Schema from "effect/Schema"

export const Sample = Schema.Struct({
  /** Of the sweep itself. */
  ms: Schema.Number,
  /** Processor time of the whole process meanwhile. */
  userMs: Schema.Number,
  systemMs: Schema.Number,
  alive: Schema.Number,
  removed: Schema.Number,
  /** `VmHWM`. */
  peakKiB: Schema.Number,
  /** Delay of the event loop, milliseconds. The interval of its timer, 1 ms, is contained. */
  delay: Schema.optionalKey(Schema.Struct({ p50: Schema.Number, p99: Schema.Number, max: Schema.Number }))
})
export type Sample = typeof Sample.Type

export const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Sample))
