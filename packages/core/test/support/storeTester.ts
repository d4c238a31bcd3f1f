import type { Effect, Scope } from "effect"
import type { Disk } from "../../src/Disk.ts"
import type { SentinelStore } from "../../src/SentinelStore.ts"
import type { Interposer } from "./Interposed.ts"
import type { Able } from "./able.ts"
import type { World } from "./World.ts"

export type Services<R> = SentinelStore | Disk | Interposer | R | Scope.Scope

/** The world and the test functions that the parts of the suite share. */
export interface Tester<R> {
  readonly world: World<R>
  readonly test: (title: string, test: () => Effect.Effect<void, unknown, Services<R>>) => void
  readonly able: <A>(
    ability: Able<A> | false,
    title: string,
    test: (ability: A) => Effect.Effect<void, unknown, Services<R>>
  ) => void
}
