/** A page of directories is triaged before it is judged. A sweep must not miss changes in between. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope } from "effect"
import * as Cleanup from "../src/Cleanup.ts"
import type { Outcome } from "../src/Outcome.ts"
import { SentinelStore } from "../src/SentinelStore.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import { textWithoutDirectory } from "./support/withoutDirectory.ts"

const root = "/srv/vms"
const names = Array.from({ length: 1200 }, (_, index) => `vm-${String(index).padStart(4, "0")}`)
const sentinelOf = (name: string) => `${root}/${name}/.vm-sentinel`
const alive = "kept alive matches"
const dead = "4194000\n/usr/bin/vmm\n"

const stageTest = (title: string, test: () => Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>): void =>
  it.effect(title, () => Effect.provide(test(), Layer.merge(Simulation.layerWith({}), Logger.layer([]))))

/** Directories with one owner. Their sentinels have the same text, which names no directory. */
const makeAll = Effect.gen(function* () {
  const memory = yield* MemoryDisk
  const [first = ""] = names
  yield* Simulation.owned(`${root}/${first}`)
  const { content = "" } = (yield* memory.snapshot(sentinelOf(first)))[sentinelOf(first)] ?? {}
  const text = textWithoutDirectory(content)
  yield* Simulation.seed(Object.fromEntries(names.map((name) => [sentinelOf(name), text])))
  return text
})

const said = (outcomes: ReadonlyArray<Outcome>) =>
  Object.fromEntries(outcomes.map(({ action, name, reason, verdict }) => [name, `${action} ${verdict} ${reason}`]))

/** Sweeps, and runs `act` after the triage of each page. Returns the outcomes and the names in each page. */
const sweep = (
  options: Cleanup.SweepOptions,
  act: (page: ReadonlyArray<string>) => Effect.Effect<unknown, unknown, Simulation.Services>
) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<Simulation.Services>()
    const store = yield* SentinelStore
    const pages: Array<ReadonlyArray<string>> = []
    const peekMany: typeof store.peekMany = (root, entries, layout) =>
      Effect.tap(store.peekMany(root, entries, layout), () => {
        const page = entries.map(({ entry }) => entry)
        pages.push(page)
        return Effect.orDie(Effect.provideContext(act(page), context))
      })
    const swept = Cleanup.sweep(root, options)
    const { outcomes } = yield* Effect.provideService(swept, SentinelStore, { ...store, peekMany })
    assert.lengthOf(outcomes, names.length)
    return { said: said(outcomes), pages }
  })

describe("a root of many directories", () => {
  stageTest("is looked at in pages of 512, without what is skipped, and each directory is told once", () =>
    Effect.gen(function* () {
      yield* makeAll
      const skip = new Set(["vm-0001", "vm-0600"])
      const found = yield* sweep({ skip: (name) => skip.has(name) }, () => Effect.void)
      assert.deepStrictEqual(
        found.pages.map(({ length }) => length),
        [511, 511, 176]
      )
      assert.deepStrictEqual(
        found.pages.flat(),
        names.filter((name) => !skip.has(name))
      )
      const expected = names.map((name) => [name, skip.has(name) ? "kept none skipped" : alive])
      assert.deepStrictEqual(found.said, Object.fromEntries(expected))
    })
  )

  stageTest("loses nothing to an early look: a new owner keeps its directory, an old one until the next sweep", () =>
    Effect.gen(function* () {
      const living = yield* makeAll
      yield* Simulation.seed({ [sentinelOf("vm-0600")]: dead })
      const change = Simulation.seed({ [sentinelOf("vm-0600")]: living, [sentinelOf("vm-0601")]: dead })
      const found = yield* sweep({}, (page) => (page.includes("vm-0600") ? change : Effect.void))
      assert.deepStrictEqual(found.said, Object.fromEntries(names.map((name) => [name, alive])))
      const next = said((yield* Cleanup.sweep(root)).outcomes)
      assert.deepStrictEqual(
        Object.entries(next).filter(([, text]) => text !== alive),
        [["vm-0601", "removed dead pid-dead"]]
      )
    })
  )

  stageTest("is judged in full where a page can't be looked at", () =>
    Effect.gen(function* () {
      yield* makeAll
      yield* Simulation.seed({ [sentinelOf("vm-0600")]: dead })
      const store = yield* SentinelStore
      const peekMany: typeof store.peekMany = (_, entries) => Effect.succeed(entries.map(() => undefined))
      const swept = Effect.provideService(Cleanup.sweep(root), SentinelStore, { ...store, peekMany })
      const expected = names.map((name) => [name, name === "vm-0600" ? "removed dead pid-dead" : alive])
      assert.deepStrictEqual(said((yield* swept).outcomes), Object.fromEntries(expected))
    })
  )
})
