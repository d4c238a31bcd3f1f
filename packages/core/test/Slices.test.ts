import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Latch, Random, Ref, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Slices from "../src/Slices.ts"

const settings = { isUrgent: () => false, window: 4 }

afterEach(() => vi.restoreAllMocks())

describe("Slices.mapEffect", () => {
  it.effect("hands on each once, in the order in which they are done, and begins no more for later than it may", () =>
    Effect.gen(function* () {
      const [now, most] = [yield* Ref.make(0), yield* Ref.make(0)]
      const done: Array<number> = []
      const quickly = (element: number) => Effect.sync(() => (done.push(element), element))
      const slowly = (element: number) =>
        Effect.gen(function* () {
          const count = yield* Ref.updateAndGet(now, (n) => n + 1)
          yield* Ref.update(most, (n) => Math.max(n, count))
          yield* Effect.repeat(Effect.yieldNow, { times: yield* Random.nextIntBetween(0, 20) })
          yield* Ref.update(now, (n) => n - 1)
          done.push(element)
          return element
        })
      const use = (element: number) =>
        Effect.gen(function* () {
          const kind = yield* Random.nextIntBetween(0, 3)
          if (kind === 0) return yield* quickly(element)
          return new Slices.Later(kind === 1 ? quickly(element) : slowly(element))
        })
      const elements = Array.from({ length: 500 }, (_, index) => index)
      const mapped = Slices.mapEffect(Stream.fromIterable(elements), use, settings)
      assert.deepStrictEqual(yield* Stream.runCollect(mapped), done)
      assert.notDeepEqual(done, elements)
      assert.deepStrictEqual(
        done.toSorted((a, b) => a - b),
        elements
      )
      assert.strictEqual(yield* Ref.get(most), settings.window)
    }).pipe(Random.withSeed("order"))
  )

  it.effect("hands on at once what is urgent, before the next one is begun", () =>
    Effect.gen(function* () {
      // No slice is ever used up.
      vi.spyOn(performance, "now").mockReturnValue(1)
      const begun: Array<number> = []
      const use = (element: number) => Effect.sync(() => (begun.push(element), element))
      const mapped = Slices.mapEffect(Stream.make(1, 2, 3, 4), use, { isUrgent: (n) => n === 2, window: 1 })
      const chunks: Array<ReadonlyArray<number>> = []
      yield* Stream.runForEachArray(mapped, (chunk) =>
        Effect.sync(() => {
          chunks.push(chunk)
          if (chunk.includes(2)) assert.deepStrictEqual(begun, [1, 2])
        })
      )
      assert.deepStrictEqual(chunks, [
        [1, 2],
        [3, 4]
      ])
    })
  )

  it.effect("hands on what is done while it waits for what isn't", () =>
    Effect.gen(function* () {
      // No slice is ever used up.
      vi.spyOn(performance, "now").mockReturnValue(1)
      for (const { elements, window } of [
        // For there is no room for the next, and for there is no next.
        { elements: [0, 1, 2], window: 1 },
        { elements: [0, 1], window: 2 }
      ]) {
        const latch = yield* Latch.make()
        const use = (element: number) =>
          element === 0 ? element : Effect.succeed(new Slices.Later(Effect.as(latch.await, element)))
        const seen: Array<number> = []
        const mapped = Slices.mapEffect(Stream.fromIterable(elements), use, { ...settings, window })
        const fiber = yield* Effect.forkChild(Stream.runForEach(mapped, (n) => Effect.sync(() => seen.push(n))))
        yield* Effect.repeat(Effect.yieldNow, { times: 20 })
        assert.deepStrictEqual(seen, [0])
        yield* latch.open
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(seen, elements)
      }
    })
  )

  it.effect("what is done, and what comes next, doesn't wait for what was begun before", () =>
    Effect.gen(function* () {
      const latch = yield* Latch.make()
      const seen: Array<number> = []
      const use = (element: number) =>
        Effect.succeed(new Slices.Later(element === 0 ? Effect.as(latch.await, 0) : Effect.succeed(element)))
      const mapped = Slices.mapEffect(Stream.rechunk(Stream.range(0, 9), 1), use, settings)
      const fiber = yield* Effect.forkChild(Stream.runForEach(mapped, (n) => Effect.sync(() => seen.push(n))))
      yield* Effect.repeat(Effect.yieldNow, { times: 50 })
      assert.deepStrictEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9])
      yield* latch.open
      yield* Fiber.join(fiber)
      assert.strictEqual(seen.at(-1), 0)
    })
  )

  it.effect("where no more elements can be had, what is under way is done first", () =>
    Effect.gen(function* () {
      const latch = yield* Latch.make()
      const seen: Array<number> = []
      const use = (element: number) => Effect.succeed(new Slices.Later(Effect.as(latch.await, element)))
      const elements = Stream.concat(Stream.make(1, 2), Stream.fail("no more"))
      const mapped = Slices.mapEffect(elements, use, settings)
      const fiber = yield* Effect.forkChild(Stream.runForEach(mapped, (n) => Effect.sync(() => seen.push(n))))
      yield* Effect.repeat(Effect.yieldNow, { times: 20 })
      assert.isUndefined(fiber.pollUnsafe())
      yield* latch.open
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.fail("no more"))
      assert.deepStrictEqual(seen, [1, 2])
    })
  )

  it.effect("an error ends the stream, after what was done before it, and what is under way with it", () =>
    Effect.gen(function* () {
      const interrupted = yield* Ref.make(0)
      const never = Effect.onInterrupt(Effect.never, () => Ref.update(interrupted, (n) => n + 1))
      const later = [Effect.succeed("a"), Effect.delay(Effect.fail("b"), "1 second"), never, never]
      const mapped = Slices.mapEffect(
        Stream.fromIterable(later),
        (effect) => Effect.succeed(new Slices.Later(effect)),
        settings
      )
      const seen: Array<string> = []
      const run = Stream.runForEach(mapped, (value) => Effect.sync(() => seen.push(value)))
      const fiber = yield* Effect.forkChild(run)
      yield* Effect.repeat(Effect.yieldNow, { times: 10 })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.fail("b"))
      assert.deepStrictEqual(seen, ["a"])
      assert.strictEqual(yield* Ref.get(interrupted), 2)
    })
  )

  it.effect(
    "interrupted, it tells all that are under way before it waits for any, and waits until they have ended",
    () =>
      Effect.gen(function* () {
        let [begun, told, ended] = [0, 0, 0]
        const slow = Effect.onInterrupt(
          Effect.andThen(
            Effect.sync(() => (begun += 1)),
            Effect.never
          ),
          () =>
            Effect.gen(function* () {
              told += 1
              yield* Effect.repeat(Effect.yieldNow, { until: () => told === 3 })
              yield* Effect.repeat(Effect.yieldNow, { times: 20 })
              ended += 1
            })
        )
        const mapped = Slices.mapEffect(Stream.make(1, 2, 3), () => Effect.succeed(new Slices.Later(slow)), settings)
        const fiber = yield* Effect.forkChild(Stream.runDrain(mapped))
        yield* Effect.repeat(Effect.yieldNow, { until: () => begun === 3 })
        const exit = yield* Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        assert.strictEqual(ended, 3)
      })
  )
})

/** Each look at the clock finds it a millisecond later. Counts the turns of the event loop until `effect` has ended. */
const turnsOf = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    let [now, turns] = [0, 0]
    vi.spyOn(performance, "now").mockImplementation(() => ++now)
    let immediate = setImmediate(function count() {
      turns += 1
      immediate = setImmediate(count)
    })
    return Effect.map(effect, () => {
      clearImmediate(immediate)
      return turns
    })
  })

describe("the event loop has its turn", () => {
  it.live("between slices that are handed on to who does not give way", () =>
    Effect.gen(function* () {
      const told = (element: number): number | Effect.Effect<number> => element
      const mapped = Slices.mapEffect(Stream.range(1, 400), told, settings)
      assert.isAbove(yield* turnsOf(Stream.runCollect(mapped)), 50)
    })
  )

  it.live("between the slices of several that work at once", () =>
    Effect.gen(function* () {
      const work = Slices.run(
        function* () {
          for (let step = 0; step < 20; step++) yield
        },
        () => undefined
      )
      const all = Effect.all(
        Array.from({ length: 5 }, () => work),
        { concurrency: "unbounded", discard: true }
      )
      assert.isAtLeast(yield* turnsOf(all), 100)
    })
  )
})
