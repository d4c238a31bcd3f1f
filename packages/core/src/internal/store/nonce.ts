import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** 128 random bits in hexadecimal. Unique, not secret. */
export const nonce: Effect.Effect<string> = Effect.map(
  Effect.all(Array.from({ length: 4 }, () => Random.nextIntBetween(0, 0xffff_ffff))),
  (words) => words.map((word) => word.toString(16).padStart(8, "0")).join("")
)
