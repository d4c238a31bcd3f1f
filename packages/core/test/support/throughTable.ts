import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { Pid } from "../../src/ProcessIdentity.ts"
import type { Format } from "../../src/Sentinel.ts"
import * as FakeProcessTable from "../../src/testing/FakeProcessTable.ts"
import { made, rows, sharedDirectory, sharedFrame } from "./fixtures.ts"
import { answer, type Circumstances } from "./judging.ts"
import { judged, writtenBy } from "./owner.ts"

export type Controls = FakeProcessTable.FakeProcessTable["Service"]
export type Change = (table: Controls, owner: Pid) => Effect.Effect<unknown, unknown>

/** A record that a process of the fake table wrote, the change that followed, and the expected verdict. */
export interface Row {
  readonly name: string
  readonly format?: Format
  readonly options?: FakeProcessTable.Options
  readonly before?: (table: Controls) => Effect.Effect<unknown, unknown>
  /** Runs after the record was written. */
  readonly change: Change
  readonly circumstances?: Partial<Circumstances>
  readonly is: string
  /** The datum that was compared last, with the result. */
  readonly by: string
}

const play = (row: Row) =>
  Effect.gen(function* () {
    const table = yield* FakeProcessTable.FakeProcessTable
    yield* row.before?.(table) ?? Effect.void
    const owner = yield* table.spawn()
    const directory = row.circumstances?.frame === sharedFrame ? sharedDirectory : made
    const written = yield* writtenBy(owner, row.format, { directory })
    yield* row.change(table, owner)
    const verdict = yield* judged(written, row.circumstances)
    assert.strictEqual(answer(verdict), row.is)
    assert.strictEqual(rows(verdict.evidence).at(-1), row.by)
  }).pipe(Effect.provide(FakeProcessTable.layerWith(row.options ?? {})))

export const table = (title: string, given: ReadonlyArray<Row>) =>
  describe(`${title}, through the process table`, () => {
    for (const row of given) it.effect(`${row.name} → ${row.is}`, () => play(row))
  })

/** Makes the owner exit, and gives its PID to another process. */
export const recycle =
  (options?: FakeProcessTable.SpawnOptions): Change =>
  (table, owner) =>
    Effect.andThen(table.exit(owner), table.spawnAt(owner, options))

export const after =
  (millis: number, change: Change): Change =>
  (table, owner) =>
    Effect.andThen(TestClock.adjust(millis), change(table, owner))

export const all =
  (...steps: ReadonlyArray<Change>): Change =>
  (table, owner) =>
    Effect.forEach(steps, (step) => step(table, owner))

export const exit: Change = (table, owner) => table.exit(owner)
/** Options of a kernel without 64-bit process ids. */
export const ticksOnly = { processIds: false }
