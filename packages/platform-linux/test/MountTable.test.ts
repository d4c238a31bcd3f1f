import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as Fs from "node:fs"
import { ableIn } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import { libc } from "../src/internal/libc.ts"
import * as MountTable from "../src/internal/mountTable.ts"

const table = (native: typeof libc) =>
  Effect.acquireRelease(
    Effect.sync(() => MountTable.make(native)),
    ({ close }) => Effect.sync(close)
  )

for (const [way, native] of [
  ["asking the kernel whether it has changed", libc],
  ["reading it each time", () => undefined]
] as const) {
  describe(`the mount table, ${way}`, () => {
    const able = ableIn<Scope.Scope>((title, test) => it.effect(title, test))

    able(world.bindMount, "knows what was mounted and unmounted a moment ago", (bindMount) =>
      Effect.gen(function* () {
        const mounts = yield* table(native)
        const directory = yield* world.scratch
        const names = ["plain", "with space", "wi\\th\ttab", "od\udcff"]
        for (const name of names) {
          const vm = `${directory}/${name}`
          yield* name.isWellFormed()
            ? world.directory(`${vm}/data/mnt`)
            : Effect.sync(() => Fs.mkdirSync(Buffer.from(`${directory}/od\xff`, "latin1")))
          assert.isUndefined(mounts.inside(vm), name)
        }
        for (const name of names.filter((name) => name.isWellFormed())) {
          const at = `${directory}/${name}/data/mnt`
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* bindMount(directory, at)
              assert.strictEqual(mounts.inside(`${directory}/${name}`), at)
              assert.strictEqual(mounts.inside(at), at)
              assert.strictEqual(mounts.inside(directory), at)
              assert.isUndefined(mounts.inside(`${directory}/${name.slice(0, 2)}`))
            })
          )
          assert.isUndefined(mounts.inside(directory), name)
        }
      })
    )
  })
}
