/** Subvolumes and snapshots of btrfs: other devices on the same mount. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import { Disk } from "@vm-sentinel/core/Disk"
import * as FileSystemDisk from "@vm-sentinel/core/FileSystemDisk"
import { because, whyNot } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import { Effect, Layer, type Scope, Stream } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import { liveUnless } from "./support/live.ts"
import * as Mounts from "./support/mounts.ts"
import { byName } from "./support/outcomes.ts"
import * as Owners from "./support/owners.ts"
import * as Tree from "./support/tree.ts"

const noBtrfs = whyNot(Mounts.images("btrfs"))

const disks: ReadonlyArray<readonly [string, Layer.Layer<Disk>]> = [
  ["linux", LinuxDisk.layer],
  ["linux, without threads of the pool", LinuxDisk.layerWith({ pool: false })],
  ["linux, without koffi", LinuxDisk.layerWithoutKoffi],
  ["portable", FileSystemDisk.layer.pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))]
]

const onEachDisk = (title: string, test: () => Effect.Effect<void, unknown, Disk | Scope.Scope>): void => {
  for (const [name, layer] of disks) {
    it.live.skipIf(noBtrfs !== undefined)(
      because(`${title} (${name})`, noBtrfs),
      () => Effect.provide(test(), layer),
      60_000
    )
  }
}

const btrfs = (...args: ReadonlyArray<string>): void => void execFileSync("btrfs", args, { stdio: "pipe" })

/** A file system of its own. */
const volume = Effect.gen(function* () {
  const scratch = yield* world.scratch
  const point = `${scratch}/point`
  yield* Mounts.makeImage("btrfs", `${scratch}/image`)
  yield* Mounts.mounted(["-o", "loop", `${scratch}/image`], point)
  return point
})

const chain = (length: number): string => Array.from({ length }, (_, level) => `d${level}`).join("/")

/** A subvolume with a deep tree, another one in it, and a snapshot of both. */
const furnish = Effect.fnUntraced(function* (path: string) {
  yield* world.directory(path)
  btrfs("subvolume", "create", `${path}/sub`)
  yield* world.file(`${path}/sub/file`, "x")
  yield* world.file(`${path}/sub/${chain(70)}/file`, "x")
  btrfs("subvolume", "create", `${path}/sub/inner`)
  yield* world.file(`${path}/sub/inner/file`, "x")
  btrfs("subvolume", "snapshot", `${path}/sub`, `${path}/snapshot`)
  yield* world.file(`${path}/plain/file`, "x")
})

describe("a directory with subvolumes of btrfs", () => {
  onEachDisk("scenario 97: is removed with all of them", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const point = yield* volume
      const vm = `${point}/vm`
      yield* furnish(vm)
      assert.notStrictEqual(Fs.statSync(vm).dev, Fs.statSync(`${vm}/sub`).dev)
      assert.isUndefined(yield* disk.mountInside(vm))
      assert.deepStrictEqual(yield* disk.removeTree(vm), [])
      assert.deepStrictEqual(Tree.entries(point), [])
    })
  )

  onEachDisk("scenario 97: stays where a mount lies in a subvolume", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const point = yield* volume
      const vm = `${point}/vm`
      yield* furnish(vm)
      yield* world.file(`${point}/outside/precious`, "precious")
      yield* world.directory(`${vm}/sub/mounted`)
      yield* Mounts.mounted(["--bind", `${point}/outside`], `${vm}/sub/mounted`)
      assert.strictEqual(yield* disk.mountInside(vm), `${vm}/sub/mounted`)
      assert.strictEqual((yield* Effect.flip(disk.removeTree(vm))).errno, "EXDEV")
      assert.deepStrictEqual(Tree.entries(`${point}/outside`), ["precious"])
    })
  )

  onEachDisk("scenario 97: keeps what a read-only snapshot holds, and says so", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const point = yield* volume
      const vm = `${point}/vm`
      yield* furnish(vm)
      yield* world.file(`${vm}/.vm-sentinel`, "x")
      btrfs("subvolume", "snapshot", "-r", `${vm}/sub`, `${vm}/frozen`)
      const error = yield* Effect.flip(disk.removeTree(vm))
      assert.strictEqual(error.errno, "EROFS")
      assert.isTrue(error.path.startsWith(`${vm}/frozen/`), error.path)
      assert.deepStrictEqual(Tree.entries(vm), [".vm-sentinel", "frozen"])
      btrfs("property", "set", `${vm}/frozen`, "ro", "false")
      assert.deepStrictEqual(yield* disk.removeTree(vm), [])
      assert.deepStrictEqual(Tree.entries(point), [])
    })
  )

  onEachDisk("has the sentinels in them found, and keeps those that weren't judged", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const point = yield* volume
      const vm = `${point}/vm`
      yield* furnish(vm)
      for (const below of ["sub/inner", "snapshot"]) yield* world.file(`${vm}/${below}/.vm-sentinel`, "x")
      const found = yield* Stream.runCollect(disk.find(vm, (entry) => entry === ".vm-sentinel"))
      assert.deepStrictEqual([...found].sort(), ["snapshot/.vm-sentinel", "sub/inner/.vm-sentinel"])
      assert.deepStrictEqual([...(yield* disk.removeTree(vm))].sort(), ["snapshot", "sub/inner"])
      assert.deepStrictEqual(Tree.entries(vm), ["snapshot", "sub"])
    })
  )

  liveUnless(noBtrfs, "scenario 97: is swept, and so is a directory that is a subvolume itself", () =>
    Effect.gen(function* () {
      const point = yield* volume
      const { dead, live } = yield* Owners.make
      const root = `${point}/root`
      yield* world.directory(root)
      btrfs("subvolume", "create", `${root}/itself`)
      Fs.chmodSync(`${root}/itself`, 0o700)
      for (const name of ["with", "itself", "owned", "frozen"]) {
        yield* furnish(`${root}/${name}`)
        yield* world.file(`${root}/${name}/.vm-sentinel`, Owners.inscribe(dead))
      }
      yield* world.file(`${root}/owned/sub/.vm-sentinel`, Owners.inscribe(live))
      btrfs("subvolume", "snapshot", "-r", `${root}/frozen/sub`, `${root}/frozen/backup`)
      btrfs("subvolume", "snapshot", "-r", `${root}/itself`, `${root}/snapshot`)
      const { outcomes } = yield* Cleanup.sweep(root)
      assert.deepStrictEqual(byName(outcomes), {
        with: "removed pid-dead",
        itself: "removed pid-dead",
        owned: "kept owner-inside",
        frozen: "failed pid-dead",
        snapshot: "failed pid-dead"
      })
      const failed = outcomes.filter(({ action }) => action === "failed")
      for (const { error } of failed) assert.match(error?.message ?? "", /EROFS/)
    })
  )

  liveUnless(
    noBtrfs,
    "a quota that is used up: each dead directory is failed, EDQUOT, untouched, and goes with more room",
    () =>
      Effect.gen(function* () {
        const point = yield* volume
        const { dead } = yield* Owners.make
        const root = `${point}/root`
        btrfs("quota", "enable", point)
        btrfs("subvolume", "create", root)
        Fs.chmodSync(root, 0o700)
        for (const name of ["a", "b"]) {
          yield* world.file(`${root}/${name}/.vm-sentinel`, Owners.inscribe(dead))
          Fs.writeFileSync(`${root}/${name}/disk`, Buffer.alloc(200_000, name))
        }
        btrfs("filesystem", "sync", point)
        btrfs("qgroup", "limit", "200K", root)
        const before = Tree.of(root)
        const { outcomes } = yield* Cleanup.sweep(root)
        assert.deepStrictEqual(byName(outcomes), { a: "failed pid-dead", b: "failed pid-dead" })
        for (const { error } of outcomes) assert.deepInclude(error, { _tag: "StoreFailure", errno: "EDQUOT" })
        assert.deepStrictEqual(Tree.differences(before, Tree.of(root)), [])
        btrfs("quota", "disable", point)
        assert.deepStrictEqual(byName((yield* Cleanup.sweep(root)).outcomes), {
          a: "removed pid-dead",
          b: "removed pid-dead"
        })
        assert.deepStrictEqual(Tree.entries(root), [])
      })
  )
})
