import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import { Disk } from "../src/Disk.ts"
import * as MemoryDisk from "../src/testing/MemoryDisk.ts"
import * as DiskTest from "./DiskTest.ts"
import { world } from "./support/MemoryWorld.ts"

DiskTest.suite("memory", { layer: MemoryDisk.layer, world, strength: { anyNames: true, locks: true } })
DiskTest.suite("memory, without types of entries and locks", {
  layer: MemoryDisk.layerWith({ entryTypes: false, locks: false }),
  world,
  strength: { anyNames: true, locks: false }
})

const bytes = (size: number): Uint8Array => new Uint8Array(size)

const scene = Effect.gen(function* () {
  const [disk, memory] = [yield* Disk, yield* MemoryDisk.MemoryDisk]
  yield* memory.seed({ "/v/tree/a/file": "a", "/v/tree/b": "b", "/v/tree/.vm-sentinel": ".vm-sentinel" })
  return { disk, memory }
})

const tree = (memory: MemoryDisk.MemoryDisk["Service"]) => Effect.map(memory.snapshot("/v/tree"), Object.keys)

const errno = <A, E extends { readonly errno: string }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => error.errno)

const memoryTest = (title: string, test: Effect.Effect<void, unknown, Disk | MemoryDisk.MemoryDisk>) =>
  it.effect(title, () => Effect.provide(test, MemoryDisk.layer))

memoryTest(
  "gives the number of a removed file to the next one",
  Effect.gen(function* () {
    const { disk } = yield* scene
    const before = yield* disk.lstat("/v/tree/b")
    yield* disk.unlink("/v/tree/b")
    yield* disk.create("/v/tree/c", bytes(1))
    assert.deepStrictEqual((yield* disk.lstat("/v/tree/c")).id, before.id)
  })
)

memoryTest(
  "tells times by the clock",
  Effect.gen(function* () {
    const { disk } = yield* scene
    yield* TestClock.setTime(5000)
    yield* disk.create("/v/tree/a/new", bytes(1))
    assert.strictEqual((yield* disk.lstat("/v/tree/a/new")).modifiedAt, 5000)
    assert.strictEqual((yield* disk.lstat("/v/tree/a")).modifiedAt, 5000)
    assert.strictEqual((yield* disk.lstat("/v/tree")).modifiedAt, 0)
  })
)

it.effect("is full where its capacity ends, leaves nothing half done, and has room again", () =>
  Effect.gen(function* () {
    const disk = yield* Disk
    const memory = yield* MemoryDisk.MemoryDisk
    yield* memory.seed({ "/v/tree/a": "a" })
    yield* disk.create("/v/tree/b", bytes(4096))
    assert.strictEqual(yield* errno(disk.create("/v/tree/c", bytes(1))), "ENOSPC")
    assert.strictEqual(yield* errno(disk.makeDirectory("/v/tree/c")), "ENOSPC")
    assert.deepStrictEqual(yield* tree(memory), ["/v/tree", "/v/tree/a", "/v/tree/b"])
    yield* disk.link("/v/tree/a", "/v/tree/c")
    yield* disk.rename("/v/tree/c", "/v/tree/d")
    yield* disk.unlink("/v/tree/b")
    yield* disk.makeDirectory("/v/tree/c")
    yield* memory.fill()
    assert.strictEqual(yield* errno(disk.makeDirectory("/v/tree/e")), "ENOSPC")
    yield* disk.removeTree("/v/tree/c")
  }).pipe(Effect.provide(MemoryDisk.layerWith({ capacity: 5 * 4096 })))
)

memoryTest(
  "respects modes, owners and sticky directories",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    const root = { uid: 0, gid: 0 }
    yield* memory.seed({
      "/shared": { type: "directory", mode: 0o1777, ...root },
      "/shared/theirs": { type: "file", ...root },
      "/shared/ours": "x",
      "/closed": { type: "directory", mode: 0o755, ...root },
      "/closed/ours": "x",
      "/group": { type: "directory", mode: 0o770, uid: 0, gid: 1000 }
    })
    assert.strictEqual(yield* errno(disk.unlink("/shared/theirs")), "EPERM")
    yield* disk.unlink("/shared/ours")
    assert.strictEqual(yield* errno(disk.unlink("/closed/ours")), "EACCES")
    yield* disk.create("/group/new", bytes(1))
    yield* memory.setAttributes("/v/tree/a", { mode: 0o500 })
    assert.strictEqual(yield* errno(disk.rename("/v/tree/a", "/group/a")), "EACCES")
    yield* memory.setPrincipal({ uid: 0 })
    yield* disk.rename("/v/tree/a", "/group/a")
    yield* disk.unlink("/shared/theirs")
  })
)

memoryTest(
  "logs every call in order, a tree's removal one by one, and tells those that change something",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    yield* disk.principal
    yield* disk.resolve("tree")
    assert.deepStrictEqual(yield* memory.calls, [])
    yield* disk.removeTree("/v/tree")
    const changes = (yield* memory.calls).filter(MemoryDisk.isMutation)
    assert.sameDeepMembers(
      changes.slice(0, 3).map(({ operation, path }) => `${operation} ${path}`),
      ["unlink /v/tree/a/file", "rmdir /v/tree/a", "unlink /v/tree/b"]
    )
    assert.deepStrictEqual(changes.slice(3), [
      { operation: "unlink", path: "/v/tree/.vm-sentinel" },
      { operation: "rmdir", path: "/v/tree" }
    ])
    yield* memory.clearCalls
    yield* disk.create("/v/new", bytes(1))
    assert.deepStrictEqual(
      (yield* memory.calls).map(({ operation, path }) => `${operation} ${path}`),
      ["create /v/new", "write /v/new", "fsync /v/new"]
    )
  })
)

memoryTest(
  "fails the next call of an operation, or the n-th that changes something, and changes nothing",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    yield* memory.failNext("unlink", "EIO")
    assert.strictEqual(yield* errno(disk.unlink("/v/tree/b")), "EIO")
    yield* disk.unlink("/v/tree/b")
    yield* memory.failAt(2, "ENOSPC")
    assert.strictEqual(yield* errno(disk.create("/v/tree/new", bytes(1))), "ENOSPC")
    assert.deepStrictEqual(yield* tree(memory), ["/v/tree", "/v/tree/.vm-sentinel", "/v/tree/a", "/v/tree/a/file"])
    yield* memory.failNext("fsync", "EIO")
    assert.strictEqual(yield* errno(disk.create("/v/tree/new", bytes(1))), "EIO")
    assert.deepStrictEqual(yield* tree(memory), ["/v/tree", "/v/tree/.vm-sentinel", "/v/tree/a", "/v/tree/a/file"])
  })
)

memoryTest(
  "ends a process before or after a call, for good, and no other process",
  Effect.gen(function* () {
    const { memory } = yield* scene
    for (const [when, left] of [
      ["before", 5],
      ["after", 4]
    ] as const) {
      const process = yield* memory.fork
      const run = <A, E>(f: (disk: Disk["Service"]) => Effect.Effect<A, E>) =>
        MemoryDisk.untilKilled(Effect.provideContext(Disk.use(f), process))
      yield* Effect.provideContext(
        MemoryDisk.MemoryDisk.use(({ killAt }) => killAt(2, when)),
        process
      )
      yield* run((disk) => disk.makeDirectory("/v/tree/new"))
      const cleanedUp = (disk: Disk["Service"]) =>
        Effect.ensuring(disk.removeTree("/v/tree/new"), Effect.ignore(disk.unlink("/v/tree/b")))
      assert.deepStrictEqual(yield* run(cleanedUp), Option.none())
      assert.strictEqual((yield* tree(memory)).length, left + 1)
      assert.deepStrictEqual(yield* run((disk) => disk.lstat("/v/tree")), Option.none())
      yield* memory.remove("/v/tree/new")
    }
    assert.strictEqual((yield* Disk.use((disk) => disk.lstat("/v/tree/b"))).type, "file")
    const exit = yield* Effect.exit(MemoryDisk.untilKilled(Effect.die("another defect")))
    assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
  })
)

memoryTest(
  "frees the locks of a process that is killed",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    const process = yield* memory.fork
    yield* Effect.provideContext(
      Disk.use((other) => other.lock("/v/tree", false)),
      process
    )
    assert.strictEqual(yield* disk.probeLock("/v/tree"), "busy")
    yield* Effect.provideContext(
      MemoryDisk.MemoryDisk.use(({ kill }) => kill),
      process
    )
    assert.strictEqual(yield* disk.probeLock("/v/tree"), "free")
    yield* disk.lock("/v/tree", false)
  }).pipe(Effect.scoped)
)

memoryTest(
  "lets somebody else act right before a call, once",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    yield* memory.before("unlink", memory.seed({ "/v/tree/b": "changed" }))
    yield* memory.before(({ path }) => path === "/v/tree/.vm-sentinel", memory.remove("/v/tree/.vm-sentinel"))
    yield* disk.lstat("/v/tree/b")
    assert.strictEqual((yield* memory.snapshot())["/v/tree/b"]?.content, "b")
    assert.strictEqual(yield* errno(disk.lstat("/v/tree/.vm-sentinel")), "ENOENT")
    yield* disk.unlink("/v/tree/a/file")
    assert.strictEqual((yield* memory.snapshot())["/v/tree/b"]?.content, "changed")
  })
)

memoryTest(
  "scenario 52: a removal that is interrupted stops between two calls",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    const removal = yield* Effect.forkChild(disk.removeTree("/v/tree"))
    yield* memory.before(
      ({ operation }) => operation === "rmdir",
      Effect.andThen(
        Effect.sync(() => removal.interruptUnsafe()),
        Effect.yieldNow
      )
    )
    const exit = yield* Fiber.await(removal)
    assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
    const left = yield* tree(memory)
    assert.include(left, "/v/tree/a")
    assert.notInclude(left, "/v/tree/a/file")
    assert.include(left, "/v/tree/.vm-sentinel")
  })
)

memoryTest(
  "mounts what is to be seen in place of a directory, and shows it again when that is unmounted",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    yield* memory.mount("/v/tree/a", { fileSystem: "tmpfs", capacity: 8192 })
    yield* memory.setAttributes("/v/tree/a", { uid: 1000 })
    yield* disk.create("/v/tree/a/on-tmpfs", bytes(1))
    assert.strictEqual(yield* errno(disk.create("/v/tree/a/more", bytes(1))), "ENOSPC")
    const ids = [yield* disk.lstat("/v/tree/a"), yield* disk.lstat("/v/tree/b")].map(({ id }) => id.dev)
    assert.notStrictEqual(ids[0], ids[1])
    assert.strictEqual(yield* errno(disk.rename("/v/tree/b", "/v/tree/a/b")), "EXDEV")
    assert.strictEqual(yield* errno(disk.link("/v/tree/b", "/v/tree/a/b")), "EXDEV")
    assert.strictEqual(yield* errno(disk.removeDirectory("/v/tree/a")), "EBUSY")
    assert.strictEqual(yield* disk.mountInside("/v/tree"), "/v/tree/a")
    assert.isTrue(yield* disk.isLocal("/v/tree/a"))
    yield* memory.unmount("/v/tree/a")
    assert.deepStrictEqual(yield* tree(memory), [
      "/v/tree",
      "/v/tree/.vm-sentinel",
      "/v/tree/a",
      "/v/tree/a/file",
      "/v/tree/b"
    ])
  })
)
