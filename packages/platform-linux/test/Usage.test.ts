/** Measures trees in which mounts appear. */
import { assert, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { ableIn } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as DirFd from "../src/internal/dirFd.ts"
import { libc } from "../src/internal/libc.ts"
import * as MountTable from "../src/internal/mountTable.ts"
import { usage } from "../src/internal/usage.ts"

const live = (title: string, test: () => Effect.Effect<void, unknown, Scope.Scope>): void =>
  it.live(title, test, 15_000)

const able = ableIn(live)

const calls = DirFd.make(libc()?.at)

able(world.hungMount, "scenario 82: waits for no file system that is mounted while it measures", (hungMount) =>
  Effect.gen(function* () {
    const tree = yield* world.scratch
    for (const name of ["a", "b", "c"]) yield* world.file(`${tree}/${name}/inner/file`, "x")
    const table = yield* Effect.acquireRelease(
      Effect.clockWith((clock) => Effect.sync(() => MountTable.make(libc, clock))),
      ({ close }) => Effect.sync(close)
    )
    const points = () => new Set(table.below(tree).map(({ path }) => path))
    const measuring = usage(calls, tree, points, () => true)
    let step = measuring.next()
    // The walk has listed the three directories and opened none of them.
    for (let entries = 1; entries < 3; entries++) step = measuring.next()
    for (const point of [`${tree}/a`, `${tree}/b/inner`]) yield* hungMount(point)
    while (step.done !== true) step = measuring.next()
    assert.isAbove(step.value, 0)
  })
)
