/** Dead directories that a sweep takes in a group, beside a living one. */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Cleanup from "../../src/Cleanup.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

export const root = "/srv/vms"

export const deadNames = ["a", "b", "c"]

/** Three dead directories and a living one. */
export const populated = Effect.gen(function* () {
  for (const name of deadNames) yield* Simulation.crashed(`${root}/${name}`)
  yield* Simulation.owned(`${root}/live`)
})

/** Sweeps twice, the second time after the minute in which unfinished workspaces are left alone. */
export const sweptTwice = Effect.gen(function* () {
  const reports: Array<Cleanup.Report> = []
  for (const wait of ["0 seconds", "2 minutes"] as const) {
    yield* TestClock.adjust(wait)
    const sweeper = yield* Simulation.actor()
    reports.push(yield* sweeper.run(Cleanup.sweep(root)))
    yield* sweeper.kill
  }
  return reports.flatMap(({ outcomes }) => outcomes)
})
