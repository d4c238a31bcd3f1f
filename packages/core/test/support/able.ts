import { it as base, type Vitest } from "@effect/vitest"
import type { Effect, Scope } from "effect"

/**
 * Tests what a world can make. What needs a privilege that is missing (`undefined`) shows as skipped, with the reason;
 * what isn't of this world at all (`false`) is no test.
 */
export const ableIn =
  <R>(it: Pick<Vitest.MethodsNonLive<R>, "effect">) =>
  <A>(
    ability: A | undefined | false,
    title: string,
    test: (ability: A) => Effect.Effect<void, unknown, R | Scope.Scope>
  ): void => {
    if (ability === false) return
    if (ability === undefined) base.skip(`${title} (this world can't make it)`, () => {})
    else it.effect(title, () => test(ability))
  }
