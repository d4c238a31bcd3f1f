import { assert, describe, it } from "@effect/vitest"
import type { Effect } from "effect"

/** Reason why a world can't make something here that it makes elsewhere. */
export class Missing {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/** `Missing`: the world can't make it here. `undefined`: the world can't make it anywhere. */
export type Able<A> = A | Missing | undefined

export const orUndefined = <A>(ability: Able<A>): A | undefined => (ability instanceof Missing ? undefined : ability)

export const whyNot = (ability: unknown): string | undefined =>
  ability instanceof Missing ? ability.reason : undefined

/** The title of a test, with the reason if the test can't run. */
export const because = (title: string, reason: string | undefined): string =>
  reason === undefined ? title : `${title} (skipped: ${reason})`

/** Makes a skipped test, with the reason, in place of tests that can't run. */
export const skipped = (title: string, reason: string): void => {
  describe.skip(because(title, reason), () => it("can be run", () => assert.fail(reason)))
}

/**
 * Makes a test, by `run`, of something that a world can make. `Missing` makes a skipped test with the reason.
 * `undefined` and `false` make no test.
 */
export const ableIn =
  <R>(run: (title: string, test: () => Effect.Effect<void, unknown, R>) => void) =>
  <A>(ability: Able<A> | false, title: string, test: (ability: A) => Effect.Effect<void, unknown, R>): void => {
    if (ability === undefined || ability === false) return
    if (ability instanceof Missing) it.skip(because(title, ability.reason), () => {})
    else run(title, () => test(ability))
  }
