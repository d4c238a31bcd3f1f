import { Effect, Result, type Scope } from "effect"
import type { Disk, DiskError } from "../../src/Disk.ts"
import type { Strength } from "./DiskTest.ts"
import type { Able } from "./able.ts"
import type { World } from "./World.ts"

export type Services<R> = Disk | R | Scope.Scope

/** The world, the strength and the test functions that the parts of the suite share. */
export interface Tester<R> {
  readonly world: World<R>
  readonly strength: Strength
  readonly test: (title: string, test: () => Effect.Effect<void, unknown, Services<R>>) => void
  readonly able: <A>(
    ability: Able<A> | false,
    title: string,
    test: (ability: A) => Effect.Effect<void, unknown, Services<R>>
  ) => void
}

/** The content argument of `Disk.create`, from a text. */
export const bytes = (content: string) => () => Effect.succeed(new TextEncoder().encode(content))

/** The errno with which a call failed, or `success`. */
export const errno = <A, R>(call: Effect.Effect<A, DiskError, R>): Effect.Effect<string, never, R> =>
  Effect.map(Effect.result(call), (result) => (Result.isFailure(result) ? result.failure.errno : "success"))
