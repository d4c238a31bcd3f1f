import { assert, describe, it } from "@effect/vitest"
import type { Effect } from "effect"

/** In place of what a world makes elsewhere, and can't make here: why not. */
export class Missing {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/** `undefined`: not of this world at all. */
export type Able<A> = A | Missing | undefined

export const orUndefined = <A>(ability: Able<A>): A | undefined => (ability instanceof Missing ? undefined : ability)

export const whyNot = (ability: unknown): string | undefined =>
  ability instanceof Missing ? ability.reason : undefined

/** Adds to the title of a test that can't be run why not. */
export const because = (title: string, reason: string | undefined): string =>
  reason === undefined ? title : `${title} (skipped: ${reason})`

/** In place of tests that can't be run: shows as skipped, with the reason. */
export const skipped = (title: string, reason: string): void => {
  describe.skip(because(title, reason), () => it("can be run", () => assert.fail(reason)))
}

/**
 * Makes tests, by `run`, of what a world can make. What is missing shows as skipped, with the reason; what isn't of this
 * world is no test.
 */
export const ableIn =
  <R>(run: (title: string, test: () => Effect.Effect<void, unknown, R>) => void) =>
  <A>(ability: Able<A> | false, title: string, test: (ability: A) => Effect.Effect<void, unknown, R>): void => {
    if (ability === undefined || ability === false) return
    if (ability instanceof Missing) it.skip(because(title, ability.reason), () => {})
    else run(title, () => test(ability))
  }
