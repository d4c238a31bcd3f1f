import { Context, Effect, Layer } from "effect"
import { Disk, DiskError } from "../../src/Disk.ts"
import { type Before, type Method, wrappedDisk } from "./wrappedDisk.ts"

type Matches = (path: string, to: unknown) => boolean

/** Intercepts the calls of a store to its Disk, whichever Disk it is. */
export class Interposer extends Context.Service<
  Interposer,
  {
    /** Runs an effect once, right before the next call of a method that matches. Default: every call matches. */
    readonly before: <R>(
      method: Method,
      effect: Effect.Effect<unknown, unknown, R>,
      matches?: Matches
    ) => Effect.Effect<void, never, R>
    /**
     * Makes the next call of a method that matches fail, once. The Disk never gets the call. `below`: the error is about
     * an entry below the path of the call.
     */
    readonly fail: (method: Method, errno: string, matches?: Matches, below?: string) => Effect.Effect<void>
    /** Methods called since the last read of `calls`, in order. */
    readonly calls: Effect.Effect<ReadonlyArray<Method>>
  }
>()("test/Interposer") {}

interface Rule {
  readonly method: Method
  readonly matches: Matches
  readonly act: (path: string) => Effect.Effect<void, DiskError>
}

const make = Effect.gen(function* () {
  const disk = yield* Disk
  let rules: ReadonlyArray<Rule> = []
  let called: ReadonlyArray<Method> = []

  const before: Before = (method, path, to) =>
    Effect.suspend(() => {
      called = [...called, method]
      const rule = rules.find((rule) => rule.method === method && rule.matches(path, to))
      rules = rules.filter((other) => other !== rule)
      return rule?.act(path) ?? Effect.void
    })

  const interposer = Interposer.of({
    before: (method, effect, matches = () => true) =>
      Effect.contextWith((context) => {
        const act = () => Effect.asVoid(Effect.orDie(Effect.provideContext(effect, context)))
        rules = [...rules, { method, matches, act }]
        return Effect.void
      }),
    fail: (method, errno, matches = () => true, below = "") =>
      Effect.sync(() => {
        const act = (path: string) => Effect.fail(new DiskError({ errno, operation: method, path: `${path}${below}` }))
        rules = [...rules, { method, matches, act }]
      }),
    calls: Effect.sync(() => {
      const since = called
      called = []
      return since
    })
  })

  return Context.make(Disk, wrappedDisk(disk, before)).pipe(Context.add(Interposer, interposer))
})

export const layer: Layer.Layer<Disk | Interposer, never, Disk> = Layer.effectContext(make)
