import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Path } from "effect"
import { Disk } from "../src/Disk.ts"
import * as FileSystemDisk from "../src/FileSystemDisk.ts"
import * as DiskTest from "./support/DiskTest.ts"
import { world } from "./support/NodeWorld.ts"

DiskTest.suite("effect/FileSystem over Node", {
  layer: Layer.provide(FileSystemDisk.layer, NodeServices.layer),
  world,
  strength: { anyNames: false, locks: false, frames: false, changeTimes: false }
})

it.effect("its Layer is built without a call, and the first question about the principal looks for the home", () =>
  Effect.gen(function* () {
    const stats: Array<string> = []
    const counted = Layer.effect(
      FileSystem.FileSystem,
      Effect.map(FileSystem.FileSystem, (fs) => ({
        ...fs,
        stat: (path: string) => Effect.suspend(() => (stats.push(path), fs.stat(path)))
      }))
    ).pipe(Layer.provide(NodeServices.layer))
    yield* Effect.gen(function* () {
      const { principal } = yield* Disk
      assert.deepStrictEqual(stats, [])
      const { homeIds, homes } = yield* principal
      assert.strictEqual(homeIds.length, homes.length)
      yield* principal
      assert.deepStrictEqual(stats, homes)
    }).pipe(Effect.provide(Layer.provide(FileSystemDisk.layer, [counted, Path.layer])))
  })
)
