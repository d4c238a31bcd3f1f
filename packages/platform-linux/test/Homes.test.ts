/** Homes of the calling user, which are never swept. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import * as SentinelStore from "@vm-sentinel/core/SentinelStore"
import { ableIn } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import { Effect, Layer, Result, type Scope } from "effect"
import * as LinuxSentinelStore from "../src/LinuxSentinelStore.ts"

const portable = Layer.provide(SentinelStore.layerFileSystem, [NodeFileSystem.layer, NodePath.layer])

const setHome = (path: string | undefined) => {
  if (path === undefined) delete process.env["HOME"]
  else process.env["HOME"] = path
}

const withHome = (path: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.env["HOME"]
      setHome(path)
      return before
    }),
    (before) => Effect.sync(() => setHome(before))
  )

for (const [name, layer] of [
  ["the store of Linux", LinuxSentinelStore.layer],
  ["the portable store", portable]
] as const) {
  /** Why a root is refused. `undefined`: it isn't. */
  const refusal = (path: string) =>
    Effect.gen(function* () {
      const { openRoot } = yield* SentinelStore.SentinelStore
      const opened = yield* Effect.result(openRoot(path))
      if (Result.isSuccess(opened)) return undefined
      return opened.failure._tag === "RefusedRoot" ? opened.failure.problem : opened.failure._tag
    }).pipe(Effect.provide(Layer.fresh(layer)))

  describe(`scenario 49: a home is refused by whatever path it is given, ${name}`, () => {
    it.live("by its own path, if HOME is a symbolic link", () =>
      Effect.gen(function* () {
        const scratch = yield* world.scratch
        yield* world.directory(`${scratch}/real/vms`)
        yield* world.symlink(`${scratch}/home`, `${scratch}/real`)
        yield* withHome(`${scratch}/home`)
        assert.strictEqual(yield* refusal(`${scratch}/home`), "a home directory")
        assert.strictEqual(yield* refusal(`${scratch}/real`), "a home directory")
        assert.isUndefined(yield* refusal(`${scratch}/real/vms`))
        yield* withHome(`${scratch}/missing`)
        assert.isUndefined(yield* refusal(`${scratch}/real`))
      })
    )

    const able = ableIn<Scope.Scope>((title, test) => it.live(title, test))

    able(world.bindMount, "by the path of a bind mount", (bindMount) =>
      Effect.gen(function* () {
        const scratch = yield* world.scratch
        for (const path of ["home/vms", "mounted"]) yield* world.directory(`${scratch}/${path}`)
        yield* bindMount(`${scratch}/home`, `${scratch}/mounted`)
        yield* withHome(`${scratch}/home`)
        assert.strictEqual(yield* refusal(`${scratch}/mounted`), "a home directory")
        assert.isUndefined(yield* refusal(`${scratch}/mounted/vms`))
      })
    )
  })
}
