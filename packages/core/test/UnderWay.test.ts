import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Latch, Random, Ref, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as UnderWay from "../src/internal/underWay.ts"
import { turnsOf } from "./support/turns.ts"

const settings = { isUrgent: () => false, window: 4, stopWhen: Effect.never }

const later = <B, E>(effect: Effect.Effect<B, E>) => new UnderWay.Later((interruptible) => interruptible(effect))

afterEach(() => vi.restoreAllMocks())

describe("UnderWay.map", () => {
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
          return new UnderWay.Later(() => (kind === 1 ? quickly(element) : slowly(element)))
        })
      const elements = Array.from({ length: 500 }, (_, index) => index)
      const mapped = UnderWay.map(Stream.fromIterable(elements), use, settings)
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
      const mapped = UnderWay.map(Stream.make(1, 2, 3, 4), use, { ...settings, isUrgent: (n) => n === 2, window: 1 })
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
          element === 0 ? element : Effect.succeed(later(Effect.as(latch.await, element)))
        const seen: Array<number> = []
        const mapped = UnderWay.map(Stream.fromIterable(elements), use, { ...settings, window })
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
        Effect.succeed(later(element === 0 ? Effect.as(latch.await, 0) : Effect.succeed(element)))
      const mapped = UnderWay.map(Stream.rechunk(Stream.range(0, 9), 1), use, settings)
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
      const use = (element: number) => Effect.succeed(later(Effect.as(latch.await, element)))
      const elements = Stream.concat(Stream.make(1, 2), Stream.fail("no more"))
      const mapped = UnderWay.map(elements, use, settings)
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
      const effects = [Effect.succeed("a"), Effect.delay(Effect.fail("b"), "1 second"), never, never]
      const mapped = UnderWay.map(Stream.fromIterable(effects), (effect) => Effect.succeed(later(effect)), settings)
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
        const mapped = UnderWay.map(Stream.make(1, 2, 3), () => Effect.succeed(later(slow)), settings)
        const fiber = yield* Effect.forkChild(Stream.runDrain(mapped))
        yield* Effect.repeat(Effect.yieldNow, { until: () => begun === 3 })
        const exit = yield* Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        assert.strictEqual(ended, 3)
      })
  )

  it.live("gives the event loop its turn between slices that are handed on to who does not give way", () =>
    Effect.gen(function* () {
      const told = (element: number): number | Effect.Effect<number> => element
      const mapped = UnderWay.map(Stream.range(1, 400), told, settings)
      assert.isAbove(yield* turnsOf(Stream.runCollect(mapped)), 50)
    })
  )

  it.effect("begins one that is to be alone when the others have ended", () =>
    Effect.gen(function* () {
      // No slice is ever used up: when one is, what is done is told before the next is begun.
      vi.spyOn(performance, "now").mockReturnValue(1)
      const [others, latch] = [yield* Latch.make(), yield* Latch.make()]
      const seen: Array<string> = []
      const work = (name: string, until: Effect.Effect<unknown>, isAlone: boolean) =>
        new UnderWay.Later(
          () =>
            Effect.gen(function* () {
              seen.push(`begun ${name}`)
              yield* until
              return name
            }),
          { isAlone }
        )
      const works = [
        work("a", Effect.void, false),
        work("b", others.await, false),
        work("alone", latch.await, true),
        work("c", Effect.void, false)
      ]
      const mapped = UnderWay.map(Stream.fromIterable(works), (element) => element, settings)
      const fiber = yield* Effect.forkChild(Stream.runForEach(mapped, (name) => Effect.sync(() => seen.push(name))))
      const wait = Effect.repeat(Effect.yieldNow, { times: 50 })
      yield* wait
      assert.deepStrictEqual(seen, ["begun a", "begun b", "a"])
      yield* Effect.andThen(others.open, wait)
      assert.deepStrictEqual(seen.slice(3), ["begun alone", "b"])
      yield* Effect.andThen(latch.open, Fiber.join(fiber))
      assert.deepStrictEqual(seen.slice(5).toSorted(), ["alone", "begun c", "c"])
    })
  )

  it.effect("begins nothing else, and looks for nothing, while one that is to be alone is under way", () =>
    Effect.gen(function* () {
      const latch = yield* Latch.make()
      const seen: Array<string> = []
      const note = (what: string) => Effect.sync(() => seen.push(what))
      const elements = Stream.rechunk(Stream.make("alone", "next"), 1).pipe(
        Stream.tap((element) => note(`found ${element}`))
      )
      const use = (element: string) =>
        element === "alone"
          ? new UnderWay.Later(() => Effect.as(latch.await, undefined), { isAlone: true })
          : Effect.as(note("begun"), element)
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(UnderWay.map(elements, use, settings), (element) => note(`told ${element}`))
      )
      yield* Effect.repeat(Effect.yieldNow, { times: 50 })
      assert.deepStrictEqual(seen, ["found alone"])
      yield* latch.open
      yield* Fiber.join(fiber)
      // Of the one without a result nothing is told.
      assert.deepStrictEqual(seen, ["found alone", "found next", "begun", "told next"])
    })
  )
})

describe("UnderWay.map, stopped", () => {
  /** What was told until it ended, and the elements that were begun. */
  const stopped = (use: (element: number) => ReturnType<typeof later<number, string>>, after: Effect.Effect<unknown>) =>
    Effect.gen(function* () {
      const [seen, begun]: [Array<number>, Array<number>] = [[], []]
      const mapped = UnderWay.map(Stream.range(0, 99), (element) => (begun.push(element), use(element)), {
        ...settings,
        stopWhen: after
      })
      const exit = yield* Effect.exit(Stream.runForEach(mapped, (n) => Effect.sync(() => seen.push(n))))
      return { begun, exit, seen }
    })

  it.effect("hands on what was done by then and what is done nevertheless, and begins no other", () =>
    Effect.gen(function* () {
      const stop = yield* Latch.make()
      const result = yield* stopped((element) => {
        if (element === 0) return later(Effect.succeed(element))
        if (element === 1) return later(Effect.as(Effect.never, element))
        if (element === 2) {
          return new UnderWay.Later((interruptible) =>
            Effect.as(Effect.ignoreCause(interruptible(Effect.never)), element)
          )
        }
        if (element === 3) return new UnderWay.Later(() => Effect.as(Effect.repeat(Effect.yieldNow, { times: 50 }), 3))
        return later(Effect.andThen(stop.open, Effect.never))
      }, stop.await)
      assert.deepStrictEqual(result, { begun: [0, 1, 2, 3, 4], exit: Exit.void, seen: [0, 2, 3] })
    })
  )

  it.effect("doesn't begin what it has just looked at", () =>
    Effect.gen(function* () {
      const stop = yield* Latch.make()
      let begun = 0
      const work = later(Effect.sync(() => (begun += 1)))
      const looking = Effect.uninterruptible(
        Effect.andThen(stop.open, Effect.as(Effect.repeat(Effect.yieldNow, { times: 50 }), work))
      )
      const mapped = UnderWay.map(Stream.make(0, 1), () => looking, { ...settings, stopWhen: stop.await })
      assert.deepStrictEqual(yield* Stream.runCollect(mapped), [])
      assert.strictEqual(begun, 0)
    })
  )

  it.effect("before it has begun, it begins nothing", () =>
    Effect.gen(function* () {
      const { begun, exit } = yield* stopped((element) => later(Effect.succeed(element)), Effect.void)
      assert.deepStrictEqual(begun, [])
      assert.deepStrictEqual(exit, Exit.void)
    })
  )

  it.effect("waits neither for what is looked at nor for what comes next", () =>
    Effect.gen(function* () {
      for (const elements of [Stream.make(0, 1), Stream.concat(Stream.make(0), Stream.never)]) {
        const stop = yield* Latch.make()
        const seen: Array<number> = []
        const mapped = UnderWay.map(elements, (element) => (element === 0 ? 0 : Effect.as(Effect.never, 1)), {
          ...settings,
          stopWhen: stop.await
        })
        const fiber = yield* Effect.forkChild(Stream.runForEach(mapped, (n) => Effect.sync(() => seen.push(n))))
        yield* Effect.repeat(Effect.yieldNow, { times: 50 })
        assert.isUndefined(fiber.pollUnsafe())
        yield* stop.open
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(seen, [0])
      }
    })
  )

  it.effect("fails with what fails, even so", () =>
    Effect.gen(function* () {
      const stop = yield* Latch.make()
      const { exit } = yield* stopped((element) => {
        if (element === 0) {
          return new UnderWay.Later((interruptible) =>
            Effect.andThen(Effect.ignoreCause(interruptible(Effect.never)), Effect.fail("broken"))
          )
        }
        return later(Effect.andThen(stop.open, Effect.never))
      }, stop.await)
      assert.deepStrictEqual(exit, Exit.fail("broken"))
    })
  )
})
