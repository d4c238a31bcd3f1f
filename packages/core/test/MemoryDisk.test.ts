import { assert, it } from "@effect/vitest"
import { Cause, type Context, Effect, Exit, Fiber, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { compareDirectories, toRecord } from "../src/DirectoryFrame.ts"
import { Disk, DiskError, type LockOptions, make } from "../src/Disk.ts"
import * as MemoryDisk from "../src/testing/MemoryDisk.ts"
import * as DiskTest from "./support/DiskTest.ts"
import { lose } from "./support/arbitraries.ts"
import { world } from "./support/MemoryWorld.ts"

DiskTest.suite("memory", { layer: MemoryDisk.layer, world, strength: { anyNames: true, locks: true, many: true } })
DiskTest.suite("memory, without types of entries and locks", {
  layer: MemoryDisk.layerWith({ entryTypes: false, locks: false }),
  world,
  strength: { anyNames: true, locks: false, many: true }
})

const bytes = (size: number) => () => Effect.succeed(new Uint8Array(size))

const exclusive: LockOptions = { mode: "exclusive", test: true }

const scene = Effect.gen(function* () {
  const [disk, memory] = [yield* Disk, yield* MemoryDisk.MemoryDisk]
  yield* memory.seed({ "/v/tree/a/file": "a", "/v/tree/b": "b", "/v/tree/.vm-sentinel": ".vm-sentinel" })
  return { disk, memory }
})

/** Runs an effect as another process. */
const as =
  (process: Context.Context<Disk | MemoryDisk.MemoryDisk>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideContext(effect, process)

const lock = (path: string, mode: LockOptions["mode"] = "shared") =>
  Disk.use((disk) => disk.lock(path, { ...exclusive, mode }))

const tree = (memory: MemoryDisk.MemoryDisk["Service"]) => Effect.map(memory.snapshot("/v/tree"), Object.keys)

const errno = <A, E extends { readonly errno: string }, R>(effect: Effect.Effect<A, E, R>) =>
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
  "removes no inner directory whose lock can't be asked for",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    const { removeTree: _, ...calls } = disk
    const withLock = (errno: string) =>
      make({ ...calls, lock: (path) => Effect.fail(new DiskError({ errno, operation: "lock", path })) })
    for (const refused of ["EMFILE", "EIO", "EACCES"]) {
      assert.strictEqual(yield* errno(withLock(refused).removeTree("/v/tree")), refused)
      assert.include(yield* tree(memory), "/v/tree/a/file")
    }
    assert.deepStrictEqual(yield* withLock("ENOTSUP").removeTree("/v/tree"), [])
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
      Disk.use((other) => other.lock("/v/tree", exclusive)),
      process
    )
    assert.strictEqual(yield* disk.probeLock("/v/tree"), "exclusive")
    yield* Effect.provideContext(
      MemoryDisk.MemoryDisk.use(({ kill }) => kill),
      process
    )
    assert.strictEqual(yield* disk.probeLock("/v/tree"), "free")
    yield* disk.lock("/v/tree", exclusive)
  }).pipe(Effect.scoped)
)

memoryTest(
  "frees a lock that children inherited when the last that has it open ends, or closes it",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    const [scope, parent] = [yield* Scope.make(), yield* memory.fork]
    yield* as(parent)(Scope.provide(lock("/v/tree"), scope))
    const inherited = MemoryDisk.MemoryDisk.use(({ inherit }) => inherit)
    const [child, second] = [yield* as(parent)(inherited), yield* as(parent)(inherited)]
    const grandchild = yield* as(child)(inherited)
    const kill = MemoryDisk.MemoryDisk.use(({ kill }) => kill)
    const closeAll = MemoryDisk.MemoryDisk.use(({ closeAll }) => closeAll)
    const closeInherited = MemoryDisk.MemoryDisk.use(({ closeInherited }) => closeInherited)
    yield* as(parent)(closeInherited)
    for (const end of [as(parent)(kill), Scope.close(scope, Exit.void), as(child)(closeInherited), as(second)(kill)]) {
      yield* end
      assert.strictEqual(yield* disk.probeLock("/v/tree"), "shared")
    }
    yield* as(grandchild)(closeAll)
    assert.strictEqual(yield* disk.probeLock("/v/tree"), "free")
    // A process can't pass a descriptor that it has closed to its children.
    yield* as(yield* as(grandchild)(inherited))(Effect.void)
    assert.strictEqual(yield* disk.probeLock("/v/tree"), "free")
  })
)

memoryTest(
  "frees a lock that a process closed, whatever its scope thinks, and takes nothing that isn't its own along",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    const [scope, other] = [yield* Scope.make(), yield* memory.fork]
    yield* Scope.provide(lock("/v/tree", "exclusive"), scope)
    yield* memory.closeAll
    assert.strictEqual(yield* disk.probeLock("/v/tree"), "free")
    yield* as(other)(lock("/v/tree", "exclusive"))
    yield* Scope.close(scope, Exit.void)
    assert.strictEqual(yield* disk.probeLock("/v/tree"), "exclusive")
  }).pipe(Effect.scoped)
)

memoryTest(
  "loses an exclusive lock for a moment when it is converted, and all of it where another comes in between",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    const other = yield* memory.fork
    const scope = yield* Effect.scope
    const lockOther = (path: string, mode?: LockOptions["mode"]) =>
      Effect.orDie(Scope.provide(as(other)(lock(path, mode)), scope))
    const first = yield* lock("/v/tree", "exclusive")
    yield* memory.before("flock", lockOther("/v/tree"))
    yield* first.share
    assert.strictEqual(yield* errno(Effect.scoped(lock("/v/tree", "exclusive"))), "EBUSY")
    const second = yield* lock("/v/tree/a", "exclusive")
    yield* memory.before("flock", lockOther("/v/tree/a", "exclusive"))
    assert.strictEqual(yield* errno(second.share), "EBUSY")
    yield* as(other)(MemoryDisk.MemoryDisk.use(({ kill }) => kill))
    assert.strictEqual(yield* disk.probeLock("/v/tree"), "shared")
    assert.strictEqual(yield* disk.probeLock("/v/tree/a"), "free")
  }).pipe(Effect.scoped)
)

memoryTest(
  "gives the number of a removed directory to the next one, which was made at another time",
  Effect.gen(function* () {
    const { disk } = yield* scene
    yield* disk.makeDirectory("/v/new")
    const before = yield* disk.frame("/v/new")
    yield* disk.removeDirectory("/v/new")
    yield* disk.makeDirectory("/v/new")
    const after = yield* disk.frame("/v/new")
    assert.strictEqual(after.inode, before.inode)
    assert.isTrue(BigInt(after.birth ?? 0) > BigInt(before.birth ?? 0))
    const record = toRecord(before, "1") ?? assert.fail("nothing is known of it")
    assert.strictEqual(compareDirectories(record, after, "1", "equal"), "different")
  })
)

it.effect("seeds a symbolic link anew", () =>
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    yield* memory.seed({ "/x": "x", "/y": "y", "/link": { type: "symlink", target: "/x" } })
    yield* memory.seed({ "/link": { type: "symlink", target: "/y" } })
    assert.strictEqual(yield* disk.realPath("/link"), "/y")
  }).pipe(Effect.provide(MemoryDisk.layer))
)

it.effect("gives no number again where it is told so", () =>
  Effect.gen(function* () {
    const { disk } = yield* scene
    const before = yield* disk.lstat("/v/tree/b")
    yield* disk.unlink("/v/tree/b")
    yield* disk.create("/v/tree/c", bytes(1))
    assert.notStrictEqual((yield* disk.lstat("/v/tree/c")).id.ino, before.id.ino)
  }).pipe(Effect.provide(MemoryDisk.layerWith({ reuseInodes: false })))
)

memoryTest(
  "tells of each kind of file system what is known of its kind",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    const seen = Effect.fnUntraced(function* (path: string) {
      const { birth, fileSystem, inode } = yield* disk.frame(path)
      return [fileSystem?.type, fileSystem?.oneKernel, fileSystem?.id?.value, inode !== undefined, birth !== undefined]
    })
    yield* memory.seed(Object.fromEntries(["nfs", "overlay", "clone"].map((at) => [`/${at}`, { type: "directory" }])))
    yield* memory.mount("/nfs", { source: "/v", fileSystem: "nfs" })
    yield* memory.mount("/overlay", { source: "/v", fileSystem: "overlay" })
    yield* memory.mount("/clone", { fileSystem: "xfs", id: "file-system-1" })
    assert.deepStrictEqual(yield* seen("/v/tree"), ["ext4", true, "file-system-1", true, true])
    assert.deepStrictEqual(yield* seen("/nfs/tree"), ["nfs", false, undefined, true, false])
    assert.deepStrictEqual(yield* seen("/overlay/tree"), ["overlay", true, "file-system-3", false, true])
    assert.deepStrictEqual(yield* seen("/clone"), ["xfs", true, "file-system-1", true, true])
    // Three mounts show one content, and each mount has a device of its own.
    yield* disk.unlink("/nfs/tree/b")
    assert.strictEqual(yield* errno(disk.lstat("/overlay/tree/b")), "ENOENT")
    const devices = yield* Effect.forEach(["/v", "/nfs", "/overlay"], (path) => disk.lstat(`${path}/tree/a/file`))
    assert.strictEqual(new Set(devices.map(({ id }) => id.dev)).size, 3)
    assert.strictEqual(new Set(devices.map(({ id }) => id.ino)).size, 1)
  })
)

memoryTest(
  "copies what cp -a copies: other inodes and times of change, the same bytes, modes and times",
  Effect.gen(function* () {
    const { disk, memory } = yield* scene
    yield* memory.setAttributes("/v/tree/a/file", { mode: 0o640, modifiedAt: 1000 })
    yield* TestClock.setTime(5000)
    yield* memory.copy("/v/tree", "/v/copy")
    const [from, to] = [yield* disk.lstat("/v/tree/a/file"), yield* disk.lstat("/v/copy/a/file")]
    assert.deepStrictEqual(lose(to, ["id", "birth", "changedAt"]), lose(from, ["id", "birth", "changedAt"]))
    assert.deepStrictEqual([from.changedAt, to.changedAt, to.id.ino === from.id.ino], [1000, 5000, false])
    assert.notStrictEqual(to.birth, from.birth)
    const contents = (path: string) =>
      Effect.map(memory.snapshot(path), (found) =>
        Object.entries(found).map(([at, { content, mode, type }]) => [at.slice(path.length), content, mode, type])
      )
    assert.deepStrictEqual(yield* contents("/v/copy"), yield* contents("/v/tree"))
  })
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
    assert.isTrue((yield* disk.frame("/v/tree/a")).fileSystem?.oneKernel)
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
