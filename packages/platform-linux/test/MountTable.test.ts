import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Fs from "node:fs"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import { libc, type Libc } from "../src/internal/libc.ts"
import * as MountTable from "../src/internal/mountTable.ts"

const table = (native: typeof libc) =>
  Effect.acquireRelease(
    Effect.clockWith((clock) => Effect.sync(() => MountTable.make(native, clock))),
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

describe("the age of the mount table", () => {
  const able = ableIn<Scope.Scope>((title, test) => it.effect(title, test))
  const { bindMount } = world
  const asking = libc() === undefined ? new Missing("no koffi") : bindMount
  const below = (mounts: MountTable.MountTable, path: string) => mounts.below(path).map((mount) => mount.path)

  able(asking, "a look asks the kernel again after 1 ms, and a question about one mount at once", (bindMount) =>
    Effect.gen(function* () {
      const mounts = yield* table(libc)
      const directory = yield* world.scratch
      yield* world.directory(`${directory}/mnt`)
      assert.deepStrictEqual(below(mounts, directory), [])
      yield* bindMount("/sys", `${directory}/mnt`)
      assert.deepStrictEqual(below(mounts, directory), [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(below(mounts, directory), [`${directory}/mnt`])
      yield* bindMount("/sys", `${directory}/mnt`)
      assert.strictEqual(mounts.inside(directory), `${directory}/mnt`)
      assert.deepStrictEqual(below(mounts, directory), [`${directory}/mnt`, `${directory}/mnt`])
    })
  )

  /** The kernel reports no move. It does report the mounts that other programs make meanwhile. */
  const silent: Libc = { renameNoReplace: () => 0, hasChanged: () => false, at: undefined }

  able(bindMount, "what another process moved is where it was for 1 s at most", (bindMount) =>
    Effect.gen(function* () {
      const mounts = yield* table(() => silent)
      const directory = yield* world.scratch
      yield* world.directory(`${directory}/before/mnt`)
      yield* bindMount("/sys", `${directory}/before/mnt`)
      assert.strictEqual(mounts.inside(directory), `${directory}/before/mnt`)
      Fs.renameSync(`${directory}/before`, `${directory}/after`)
      yield* TestClock.adjust(999)
      assert.strictEqual(mounts.inside(directory), `${directory}/before/mnt`)
      assert.deepStrictEqual(below(mounts, directory), [`${directory}/before/mnt`])
      yield* TestClock.adjust(1)
      assert.strictEqual(mounts.inside(directory), `${directory}/after/mnt`)
      assert.deepStrictEqual(below(mounts, directory), [`${directory}/after/mnt`])
    })
  )
})
