/** A contestant's answer for one root. */
import * as Schema from "effect/Schema"

export const Sample = Schema.Struct({
  /** Wall-clock time of the sweep alone, milliseconds. */
  ms: Schema.Number,
  /** User time of the whole process during the sweep, milliseconds. */
  userMs: Schema.Number,
  /** System time of the whole process during the sweep, milliseconds. */
  systemMs: Schema.Number,
  alive: Schema.Number,
  removed: Schema.Number,
  /** Peak resident memory, KiB: `VmHWM` of `proc_pid_status(5)` in Node, `ru_maxrss` of `getrusage(2)` in C. */
  peakKiB: Schema.Number,
  /** Event-loop delay, milliseconds. Each figure contains the interval of the measuring timer, 1 ms. */
  delay: Schema.optionalKey(Schema.Struct({ p50: Schema.Number, p99: Schema.Number, max: Schema.Number }))
})
export type Sample = typeof Sample.Type

export const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Sample))
