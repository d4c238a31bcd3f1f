import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Cleanup from "../src/Cleanup.ts"
import { Disk, DiskError } from "../src/Disk.ts"
import type { AlreadyOwned } from "../src/Errors.ts"
import { sameFile } from "../src/FileId.ts"
import * as Ownership from "../src/Ownership.ts"
import * as Sentinel from "../src/Sentinel.ts"
import * as SentinelName from "../src/SentinelName.ts"
import { Pid } from "../src/ProcessIdentity.ts"
import { ProcessInspector } from "../src/ProcessInspector.ts"
import { layer as storeLayer, SentinelStore } from "../src/SentinelStore.ts"
import { FakeProcessTable } from "../src/testing/FakeProcessTable.ts"
import { type Call, MemoryDisk, type Operation } from "../src/testing/MemoryDisk.ts"
import * as MemorySentinelStore from "../src/testing/MemorySentinelStore.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import { look, read } from "./support/looking.ts"
import { refusal } from "./support/reaping.ts"

const root = "/srv/vms"
const vm = `${root}/vm`

const test = (
  title: string,
  body: Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>,
  options: Simulation.Options = {}
): void => {
  it.effect(title, () => Effect.provide(body, Layer.merge(Simulation.layerWith(options), Logger.layer([]))))
}

const made = Simulation.seed({ [`${vm}/disk`]: "disk" })

const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

const contents = Effect.map(
  MemoryDisk.use(({ snapshot }) => snapshot(vm)),
  (found) =>
    Object.fromEntries(
      Object.entries(found).flatMap(([path, { content }]) =>
        content === undefined ? [] : [[path.slice(vm.length + 1), content]]
      )
    )
)

/** Asserts that the record is refused with this error, and that no file changed. */
const refused = Effect.fnUntraced(function* (options: Ownership.RecordOptions, expected: Partial<AlreadyOwned>) {
  const before = yield* contents
  assert.deepInclude(yield* Effect.flip(Ownership.record(vm, options)), { _tag: "AlreadyOwned", path: vm, ...expected })
  assert.deepStrictEqual(yield* contents, before)
})

/**
 * The first process of a container holds the directory and records two processes: one of its own, and one of another
 * container. Its end ends the container.
 */
const container = Effect.gen(function* () {
  const table = yield* FakeProcessTable
  const [one, other] = ["pid:[1]", "pid:[2]"] as const
  yield* made
  const first = Context.merge(yield* table.reader({ pidNamespace: one }), yield* MemorySentinelStore.fork)
  const spawned = FakeProcessTable.use(({ spawn }) => spawn())
  const record = (role: string) => Effect.flatMap(spawned, (pid) => Ownership.record(vm, { pid, role }))
  const scope = yield* Scope.make()
  yield* Effect.provideContext(Scope.provide(Ownership.hold(vm), scope), first)
  yield* Effect.provideContext(record("command"), first)
  yield* Simulation.inContainer(other)(record("guest"))
  const end = Effect.andThen(Context.get(first, MemoryDisk).kill, table.endPidNamespace(one))
  return { end, next: Simulation.inContainer("pid:[3]") }
})

describe("Ownership.releaseEnded", () => {
  test(
    "removes the sentinel of a role that only the end of its namespace's first process proves gone",
    Effect.gen(function* () {
      const { end, next } = yield* container
      const release = (role: string) => next(Ownership.releaseEnded(vm, { role }))
      const before = yield* contents
      assert.isFalse(yield* release("command"))
      yield* end
      for (const role of ["guest", "owner", "nobody"]) assert.isFalse(yield* release(role), role)
      assert.deepStrictEqual(yield* contents, before)
      assert.isTrue(yield* release("command"))
      const { ".vm-sentinel.command": _, ...others } = before
      assert.deepStrictEqual(yield* contents, others)
      assert.isFalse(yield* release("command"))
      yield* next(Ownership.hold(vm))
      yield* next(Ownership.record(vm, { role: "command" }))
    })
  )

  test(
    "removes nothing while the lock is held, or once the first process has been replaced",
    Effect.gen(function* () {
      const { end, next } = yield* container
      yield* end
      const release = next(Ownership.releaseEnded(vm, { role: "command" }))
      const monitor = yield* Simulation.actor()
      yield* Simulation.hold(monitor, vm, { role: "monitor" })
      assert.isFalse(yield* release)
      yield* monitor.kill
      yield* next(Ownership.hold(vm))
      assert.isFalse(yield* release)
      assert.property(yield* contents, ".vm-sentinel.command")
    })
  )

  test(
    "takes nothing from a directory that comes in the place of the one that it locked",
    Effect.gen(function* () {
      const { end, next } = yield* container
      const memory = yield* MemoryDisk
      yield* end
      yield* Simulation.seed({ [`${root}/other/disk`]: "other" })
      yield* Simulation.inContainer("pid:[2]")(Ownership.record(`${root}/other`, { role: "command" }))
      const other = yield* memory.snapshot(`${root}/other`)
      const told = new Set<string>()
      let swaps = 0
      for (let at = 1; swaps === at - 1; at++) {
        const swap = Effect.sync(() => (swaps += 1)).pipe(
          Effect.andThen(memory.move(vm, `${root}/moved`)),
          Effect.andThen(memory.move(`${root}/other`, vm))
        )
        yield* memory.before(at, swap)
        const result = yield* Effect.result(next(Ownership.releaseEnded(vm, { role: "command" })))
        if (swaps < at) continue
        told.add(Result.isFailure(result) ? result.failure._tag : `${result.success}`)
        yield* memory.move(vm, `${root}/other`)
        assert.deepStrictEqual(yield* memory.snapshot(`${root}/other`), other, `call ${at}`)
        yield* memory.move(`${root}/moved`, vm)
      }
      assert.isTrue(told.has("Claimed"), [...told].join())
      assert.isAbove(swaps, 5)
    })
  )
})

describe("Ownership.record", () => {
  test(
    "records the calling process, whole",
    Effect.gen(function* () {
      const [inspector, store] = [yield* ProcessInspector, yield* SentinelStore]
      yield* made
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const file = yield* Ownership.record(vm)
      const [sentinel] = yield* read(store, vm)
      if (sentinel?._tag !== "V3") return assert.fail("no v3 record")
      const { pid, ...identity } = yield* inspector.self
      assert.strictEqual(sentinel.pid, pid)
      assert.deepInclude(sentinel.record, { ...identity, role: "owner", createdAt: "2026-01-01T00:00:00.000Z" })
      assert.match(sentinel.record.nonce, /^[0-9a-f]{32}$/)
      assert.notProperty(sentinel.record, "lock")
      assert.deepStrictEqual(file.content, Result.succeed(sentinel))
    })
  )

  for (const [title, attributes, distrust] of [
    [
      "a default ACL or a umask",
      { mode: 0o770, gid: 107 },
      { rule: "group-writable", problem: "its directory is writable by group 107" }
    ],
    ["everybody", { mode: 0o777 }, { rule: "world-writable", problem: "its directory is writable by everybody" }],
    [
      "its owner",
      { uid: 1001 },
      { rule: "other-user", problem: "its directory is owned by uid 1001, neither ours (0) nor root's" }
    ]
  ] as const) {
    test(
      `scenario 93: says that no sweep will believe what it wrote, where the directory may be changed by ${title}`,
      Effect.gen(function* () {
        yield* made
        assert.isUndefined((yield* Ownership.record(vm, { role: "before" })).distrust)
        yield* MemoryDisk.use(({ setAttributes }) => setAttributes(vm, attributes))
        assert.deepStrictEqual((yield* Ownership.record(vm)).distrust, distrust)
        assert.deepStrictEqual((yield* Ownership.hold(vm, { role: "other" })).file.distrust, distrust)
        assert.strictEqual((yield* Cleanup.judge(vm)).reason, "untrusted-sentinel")
        yield* MemoryDisk.use(({ setAttributes }) => setAttributes(vm, { mode: 0o700, uid: 0 }))
        assert.isUndefined((yield* Ownership.record(vm, { role: "after" })).distrust)
        assert.isUndefined((yield* Ownership.create(`${vm}-2`)).file.distrust)
      }),
      { uid: 0 }
    )
  }

  test(
    "records another process, in each format",
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      yield* made
      const pid = yield* table.spawn({ exe: "/opt/brood box/bbox" })
      yield* Ownership.record(vm, { pid, format: "v1", role: "one" })
      yield* Ownership.record(vm, { pid, format: "v2", role: "two" })
      yield* Ownership.record(vm, { pid, sentinelName: ".bbox-sentinel" })
      assert.deepStrictEqual(yield* contents, {
        ".bbox-sentinel": `${pid}\n/opt/brood box/bbox`,
        ".vm-sentinel.one": `${pid}`,
        ".vm-sentinel.two": `${pid}\n/opt/brood box/bbox`,
        disk: "disk"
      })
    })
  )

  test(
    "gives each acquisition a nonce of its own",
    Effect.gen(function* () {
      yield* made
      const nonces = yield* Effect.forEach(["a", "b", "c"], (role) => Ownership.record(vm, { role }))
      const texts = nonces.map(({ content }) =>
        Result.isSuccess(content) && content.success._tag === "V3" ? content.success.record.nonce : "none"
      )
      assert.strictEqual(new Set(texts).size, 3)
    })
  )

  test(
    "records nobody who can own nothing: an absent PID, a zombie, a thread, a hidden process",
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      yield* made
      const zombie = yield* table.spawn()
      const thread = yield* table.addThread(yield* table.spawn())
      yield* table.zombie(zombie)
      const hidden = yield* table.spawn()
      yield* table.hide(hidden)
      for (const pid of [Pid.make(900), zombie, thread]) {
        assert.strictEqual(yield* tag(Ownership.record(vm, { pid })), "NotFound")
      }
      assert.strictEqual(yield* tag(Ownership.record(vm, { pid: hidden })), "PermissionDenied")
      yield* table.fail("all", "no-procfs")
      assert.strictEqual(yield* tag(Ownership.record(vm)), "IdentityUnavailable")
      assert.deepStrictEqual(yield* contents, { disk: "disk" })
    })
  )

  test(
    "records nothing where nobody would read it, and nothing beside the directory",
    Effect.gen(function* () {
      yield* made
      const memory = yield* MemoryDisk
      const before = yield* memory.snapshot()
      for (const role of ["", "../other", "a/b", "a b", "x".repeat(33), ".."]) {
        for (const format of ["v1", "v3"] as const) {
          assert.strictEqual(yield* tag(Ownership.record(vm, { role, format })), "MalformedSentinel", role)
        }
      }
      const broodBox = { sentinelName: ".bbox-sentinel" }
      assert.strictEqual(yield* tag(Ownership.record(vm, { ...broodBox, role: "helper" })), "MalformedSentinel")
      assert.strictEqual(yield* tag(Ownership.record(vm, { ...broodBox, format: "v3" })), "MalformedSentinel")
      assert.strictEqual(yield* tag(Ownership.record(vm, { ...broodBox, format: "v1" })), "MalformedSentinel")
      assert.deepStrictEqual(yield* memory.snapshot(), before)
    })
  )

  test(
    "can't write v2 of a process whose executable can't be read",
    Effect.gen(function* () {
      yield* made
      const pid = yield* FakeProcessTable.use(({ spawn }) => spawn({ uid: 7 }))
      assert.strictEqual(yield* tag(Ownership.record(vm, { pid, format: "v2" })), "MalformedSentinel")
      yield* Ownership.record(vm, { pid })
    })
  )

  test(
    "finds no directory where there is none",
    Effect.gen(function* () {
      yield* Simulation.seed({ [`${root}/file`]: "x", [`${root}/link`]: { type: "symlink", target: root } })
      for (const path of [vm, `${root}/file`, `${root}/link`]) {
        assert.strictEqual(yield* tag(Ownership.record(path)), "NotFound")
      }
    })
  )

  test(
    "is refused where the owner lives, and names it",
    Effect.gen(function* () {
      const pid = yield* Simulation.owned(vm)
      yield* refused({}, { owner: pid, verdict: "alive", reason: "matches" })
      yield* refused({ format: "v1" }, { owner: pid, verdict: "alive", reason: "matches" })
      assert.strictEqual(yield* tag(Ownership.record(vm, { pid })), "AlreadyOwned")
      yield* Ownership.record(vm, { role: "helper" })
    })
  )

  test(
    "is refused where the owner isn't provably gone",
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      const pid = yield* Simulation.owned(vm)
      yield* table.hide(pid)
      yield* refused({}, { owner: pid, verdict: "unknown", reason: "permission-denied" })
      yield* table.fail(pid, "resources")
      yield* refused({}, { owner: pid, verdict: "unknown", reason: "inspection-failed" })
      for (const [content, reason] of [
        ["", "malformed-sentinel"],
        ["x".repeat(5000), "oversized-sentinel"],
        ['17\n\n{"v":4}\n', "unsupported-version"]
      ] as const) {
        yield* Simulation.seed({ [`${vm}/.vm-sentinel`]: content })
        yield* refused({}, { verdict: "unknown", reason })
      }
    })
  )

  for (const format of ["v1", "v2", "v3"] as const) {
    test(
      `replaces the ${format} record of an owner that is gone, and leaves nothing of it`,
      Effect.gen(function* () {
        yield* Simulation.crashed(vm, { format })
        const pid = yield* FakeProcessTable.use(({ spawn }) => spawn())
        yield* Ownership.record(vm, { pid })
        const { ".vm-sentinel": text, ...rest } = yield* contents
        assert.match(text ?? "", new RegExp(`^${pid}\n`))
        assert.deepStrictEqual(Object.keys(rest), ["disk"])
        assert.deepInclude((yield* Cleanup.sweep(root)).outcomes[0], { action: "kept", reason: "matches", pid })
      })
    )
  }

  test(
    "on a file system that others may share, a v1 record proves nothing: refused",
    Effect.gen(function* () {
      const pid = yield* Simulation.crashed(vm, { format: "v1" })
      yield* refused({}, { owner: pid, verdict: "unknown", reason: "not-local" })
    }),
    { fileSystem: "nfs4" }
  )

  test(
    "minds its own file: another role's owner, dead or alive, isn't asked",
    Effect.gen(function* () {
      yield* Simulation.owned(vm, { role: "helper" })
      yield* Simulation.seed({ [`${vm}/.vm-sentinel.broken`]: "", [`${vm}/.bbox-sentinel`]: "17\n/usr/bin/bbox" })
      yield* Ownership.record(vm)
      assert.strictEqual(Object.keys(yield* contents).length, 5)
    })
  )

  test(
    "sees the record that another writer has just moved aside to replace it",
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      const pid = yield* Simulation.owned(vm)
      yield* memory.move(`${vm}/.vm-sentinel`, `${vm}/.vm-sentinel.old-0123abcd`)
      yield* refused({}, { owner: pid, verdict: "alive", reason: "matches" })
      yield* FakeProcessTable.use(({ exit }) => exit(pid))
      yield* Ownership.record(vm)
      assert.sameMembers(Object.keys(yield* contents), [".vm-sentinel", "disk"])
    })
  )
})

describe("an attempt that fails", () => {
  test(
    "to create leaves the directory to an owner who came meanwhile",
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.seed({ [`${root}/other/disk`]: "" })
      const supervisor = yield* Simulation.actor()
      const come = Effect.andThen(
        supervisor.run(Ownership.record(vm, { role: "supervisor" })),
        memory.failNext("fsync", "EIO")
      )
      yield* memory.before(({ operation, path }) => operation === "fsync" && path === root, Effect.orDie(come))
      assert.strictEqual(yield* tag(Effect.scoped(Ownership.create(vm))), "StoreFailure")
      assert.deepStrictEqual(Object.keys(yield* contents), [".vm-sentinel.supervisor"])
    })
  )

  /** Lets one call of the disk fail, mutating or not. `isOver`: fewer calls were made. */
  const failingAt = Effect.fnUntraced(function* (at: number, errno: string) {
    const memory = yield* MemoryDisk
    let count = 0
    let operation: Operation = "lstat"
    const isIt = (call: Call) => {
      count += 1
      operation = call.operation
      return count === at
    }
    yield* memory.before(
      isIt,
      Effect.suspend(() => memory.failNext(operation, errno))
    )
    return { isOver: () => count < at, failed: () => operation }
  })

  const { create, hold, record } = Ownership
  const acts = { create: Effect.asVoid(create(vm)), hold: Effect.asVoid(hold(vm)), record: Effect.asVoid(record(vm)) }
  for (const act of ["create", "hold", "record"] as const) {
    for (const [title, before] of [
      ["a directory without an owner", made],
      ["that of a dead owner", Effect.andThen(made, Simulation.crashed(vm))]
    ] as const) {
      if (act === "create" && title !== "a directory without an owner") continue
      test(
        `at any call to ${act} ${title} leaves no record of its own, and the next one succeeds`,
        Effect.gen(function* () {
          let failures = 0
          for (let at = 1; ; at++) {
            yield* Simulation.seed({ [`${root}/other/disk`]: "" })
            if (act !== "create") yield* before
            const earlier = yield* Simulation.paths(root)
            const { failed, isOver } = yield* failingAt(at, "EIO")
            const scope = yield* Scope.make()
            const result = yield* Effect.result(Scope.provide(acts[act], scope))
            const call = `call ${at}, ${failed()}`
            if (Result.isFailure(result)) {
              failures += 1
              assert.deepStrictEqual(yield* Simulation.paths(root), earlier, call)
              yield* Effect.scoped(acts[act])
            }
            yield* Scope.close(scope, Exit.void)
            yield* MemoryDisk.use(({ remove }) => remove(vm))
            if (isOver()) break
          }
          assert.isAbove(failures, 5)
        })
      )
    }
  }
})

describe("a file system that repeats a call whose answer was lost", () => {
  const { create, hold, record, release } = Ownership
  for (const [title, before, act] of [
    ["record", made, Effect.asVoid(record(vm))],
    ["record over a dead owner", Simulation.crashed(vm), Effect.asVoid(record(vm))],
    ["hold until the scope closes", made, Effect.scoped(Effect.asVoid(hold(vm)))],
    ["create", Simulation.seed({ [root]: { type: "directory" } }), Effect.scoped(Effect.asVoid(create(vm)))],
    ["release", made, Effect.flatMap(record(vm), (file) => release(vm, file))]
  ] as const) {
    test(
      `scenario 39: at any change, to ${title} succeeds, and leaves the same files`,
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        const names = Effect.map(Simulation.paths(root), (paths) => paths.filter((path) => !path.endsWith("disk")))
        yield* before
        yield* act
        const expected = yield* names
        let repeated = 0
        for (let at = 1; repeated === at - 1; at++) {
          yield* memory.remove(vm)
          yield* before
          let count = 0
          let call: Call = { operation: "lstat", path: "" }
          const isIt = (made: Call) => {
            if (!["link", "rename", "unlink"].includes(made.operation)) return false
            count += 1
            call = made
            return count === at
          }
          const carryOut = Effect.suspend(() => {
            repeated += 1
            const { operation, path, to = "" } = call
            return operation === "link"
              ? memory.hardLink(path, to)
              : operation === "rename"
                ? memory.move(path, to)
                : memory.remove(path)
          })
          yield* memory.before(isIt, carryOut)
          yield* act
          assert.deepStrictEqual(yield* names, expected, `${call.operation} ${call.path}`)
        }
        assert.isAbove(repeated, 1)
      })
    )
  }
})

describe("Ownership.hold", () => {
  const recordedLock = Effect.gen(function* () {
    const [sentinel] = yield* read(yield* SentinelStore, vm)
    return sentinel?._tag === "V3" ? sentinel.record.lock : assert.fail("no v3 record")
  })

  test(
    "holds the lock until the scope closes, and says in the record how",
    Effect.gen(function* () {
      const store = yield* SentinelStore
      yield* made
      const scope = yield* Scope.make()
      const held = yield* Scope.provide(Ownership.hold(vm), scope)
      assert.isTrue(held.lock?.tested)
      assert.deepStrictEqual(yield* recordedLock, { kind: "flock", tested: true, holder: "self" })
      assert.strictEqual(yield* store.probeLock(vm), "shared")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* store.probeLock(vm), "free")
      // The process still lives, so a record that claims no lock replaces its record.
      assert.isUndefined(yield* recordedLock)
      assert.strictEqual((yield* Cleanup.judge(vm)).verdict, "alive")
    })
  )

  test(
    "scenario 66: keeps the lock where the record can't be rewritten",
    Effect.gen(function* () {
      const [memory, store] = [yield* MemoryDisk, yield* SentinelStore]
      yield* made
      const scope = yield* Scope.make()
      yield* Scope.provide(Ownership.hold(vm), scope)
      yield* memory.failNext("create", "ENOSPC")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* store.probeLock(vm), "shared")
      assert.isDefined(yield* recordedLock)
    })
  )

  const distrusted = [
    [
      "its directory isn't trusted",
      MemoryDisk.use(({ setAttributes }) => setAttributes(vm, { mode: 0o770, gid: 107 }))
    ],
    [
      "it isn't trusted",
      MemoryDisk.use(({ setAttributes }) => setAttributes(`${vm}/.vm-sentinel`, { mode: 0o660, gid: 107 }))
    ]
  ] as const
  const full = MemoryDisk.use(({ failNext }) => failNext("create", "ENOSPC"))

  for (const [title, change] of distrusted) {
    test(
      `scenario 93: rewrites its record and gives the lock up where ${title}`,
      Effect.gen(function* () {
        const store = yield* SentinelStore
        yield* made
        const scope = yield* Scope.make()
        yield* Scope.provide(Ownership.hold(vm), scope)
        yield* change
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* store.probeLock(vm), "free")
        assert.notInclude((yield* contents)[".vm-sentinel"], '"lock"')
      })
    )
  }

  for (const [title, change] of [
    ...distrusted.map(([title, change]) => [title, Effect.andThen(change, full)] as const),
    [
      "no descriptor is left to read it",
      MemoryDisk.use(({ failNext }) => Effect.andThen(failNext("create", "EMFILE"), failNext("read", "EMFILE")))
    ],
    [
      "it is one of too many",
      Simulation.seed(Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`${vm}/.vm-sentinel.qemu-${n}`, "7"])))
    ]
  ] as const) {
    test(
      `scenario 66: keeps the lock where its record may be there, but ${title}`,
      Effect.gen(function* () {
        const store = yield* SentinelStore
        yield* made
        const scope = yield* Scope.make()
        yield* Scope.provide(Ownership.hold(vm), scope)
        yield* change
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* store.probeLock(vm), "shared")
        assert.include((yield* contents)[".vm-sentinel"], '"lock"')
      })
    )
  }

  test(
    "scenario 66: keeps the lock where somebody renamed the record, which a sweep still reads",
    Effect.gen(function* () {
      const [memory, store] = [yield* MemoryDisk, yield* SentinelStore]
      yield* made
      const scope = yield* Scope.make()
      yield* Scope.provide(Ownership.hold(vm), scope)
      yield* memory.move(`${vm}/.vm-sentinel`, `${vm}/.vm-sentinel.bak`)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* store.probeLock(vm), "shared")
    })
  )

  test(
    "scenario 66: keeps the lock where the record lies elsewhere by now, and gives it up where it was removed",
    Effect.gen(function* () {
      const [memory, store] = [yield* MemoryDisk, yield* SentinelStore]
      for (const isRemoved of [false, true]) {
        yield* made
        const scope = yield* Scope.make()
        yield* Scope.provide(Ownership.hold(vm), scope)
        yield* memory.move(vm, `${root}/moved`)
        yield* made
        if (isRemoved) yield* memory.remove(`${root}/moved`)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* contents, { disk: "disk" })
        assert.strictEqual(yield* memory.descriptors, isRemoved ? 0 : 1)
        if (!isRemoved) assert.strictEqual(yield* store.probeLock(`${root}/moved`), "shared")
        yield* memory.closeAll
        yield* memory.remove(root)
      }
    })
  )

  test(
    "gives the lock up where its record was taken back",
    Effect.gen(function* () {
      const store = yield* SentinelStore
      yield* made
      yield* Effect.scoped(Effect.flatMap(Ownership.hold(vm), ({ file }) => Ownership.release(vm, file)))
      assert.strictEqual(yield* store.probeLock(vm), "free")
      assert.deepStrictEqual(yield* contents, { disk: "disk" })
    })
  )

  test(
    "scenario 102: is refused while another holds the role, whatever else is known of that",
    Effect.gen(function* () {
      yield* made
      const other = yield* Simulation.actor()
      yield* Simulation.hold(other, vm)
      yield* FakeProcessTable.use(({ hide }) => hide(other.pid))
      const expected = { owner: other.pid, verdict: "unknown", reason: "permission-denied" } as const
      assert.deepInclude(yield* Effect.flip(Ownership.hold(vm)), { _tag: "AlreadyOwned", ...expected })
      yield* refused({}, expected)
    })
  )

  test(
    "lives beside an owner in another role, and beside a child that inherited a dead one's lock",
    Effect.gen(function* () {
      const store = yield* SentinelStore
      yield* made
      const [supervisor, next] = [yield* Simulation.actor(), yield* Simulation.actor()]
      yield* Simulation.hold(supervisor, vm, { role: "supervisor" })
      assert.isDefined((yield* Ownership.hold(vm, { role: "vm" })).lock)
      yield* supervisor.kill
      assert.strictEqual(yield* store.probeLock(vm), "shared")
      assert.isDefined((yield* Simulation.hold(next, vm, { role: "supervisor" })).lock)
    })
  )

  test(
    "takes no v1 or v2 record for a dead owner's where the operator keeps those",
    Effect.gen(function* () {
      const options = { legacy: "keep" } as const
      for (const format of ["v1", "v2"] as const) {
        yield* Simulation.crashed(vm, { format })
        const expected = { _tag: "AlreadyOwned", verdict: "unknown", reason: "legacy-kept" } as const
        assert.deepInclude(yield* Effect.flip(Ownership.ensureUnowned(vm, options)), expected)
        assert.deepInclude(yield* Effect.flip(Ownership.record(vm, options)), expected)
        assert.deepInclude(yield* Effect.flip(Ownership.hold(vm, options)), expected)
        yield* Ownership.ensureUnowned(vm)
      }
    })
  )

  test(
    "records the process that holds the lock, whatever process the options name",
    Effect.gen(function* () {
      const supervisor = yield* Simulation.actor()
      const options: Ownership.RecordOptions = { pid: yield* FakeProcessTable.use(({ spawn }) => spawn()) }
      yield* made
      yield* supervisor.run(Effect.scoped(Ownership.hold(vm, options)))
      assert.strictEqual((yield* Cleanup.judge(vm)).decisive?.content.pipe(Result.getOrUndefined)?.pid, supervisor.pid)
    })
  )

  for (const [title, others] of [
    ["", 0],
    [", in a directory with as many sentinels as it takes", 62]
  ] as const) {
    test(
      `scenario 102: isn't told that it owns a role whose owner is rewriting its record${title}`,
      Effect.gen(function* () {
        yield* made
        for (let n = 0; n < others; n++) yield* Ownership.record(vm, { role: `qemu-${n}` })
        const [other, early, owner] = [yield* Simulation.actor(), yield* Simulation.actor(), yield* Simulation.actor()]
        // An owner of another role makes every other lock a shared one.
        yield* Simulation.hold(other, vm, { role: "vm" })
        const scope = yield* Scope.make()
        const between = yield* Deferred.make<void>()
        // `early` has seen that nobody owns the role. Its link comes while the owner's record is moved aside.
        const rewriting = Effect.gen(function* () {
          yield* Scope.provide(owner.run(Ownership.hold(vm)), scope)
          const stop = Effect.andThen(
            Deferred.succeed(between, undefined),
            Effect.yieldNow.pipe(Effect.repeat({ times: 400 }))
          )
          yield* owner.memory.before("link", stop)
          yield* Effect.forkDetach(Scope.close(scope, Exit.void))
          yield* Deferred.await(between)
        })
        yield* early.memory.before("fsync", Effect.orDie(rewriting))
        assert.strictEqual(yield* tag(Effect.scoped(early.run(Ownership.hold(vm)))), "AlreadyOwned")
        yield* Effect.yieldNow.pipe(Effect.repeat({ times: 1000 }))
        const { sentinels } = yield* look(yield* SentinelStore, vm)
        const own = sentinels.find(({ entry }) => /^\.vm-sentinel(\.old-|$)/.test(entry))
        assert.strictEqual(own?.content.pipe(Result.getOrUndefined)?.pid, owner.pid)
      })
    )
  }

  test(
    "takes nothing from an owner in another container, whose directory comes in the place of the one that was locked",
    Effect.gen(function* () {
      const [memory, table] = [yield* MemoryDisk, yield* FakeProcessTable]
      const other = Context.merge(yield* table.reader({ pidNamespace: "pid:[2]" }), yield* MemorySentinelStore.fork)
      yield* Simulation.seed({ [`${root}/other/disk`]: "other" })
      yield* Effect.provideContext(Ownership.hold(`${root}/other`), other)
      const before = yield* memory.snapshot(`${root}/other`)
      yield* table.enterPidNamespace("pid:[1]")
      let swaps = 0
      for (let at = 1; swaps === at - 1; at++) {
        yield* made
        const swap = Effect.sync(() => (swaps += 1)).pipe(
          Effect.andThen(memory.move(vm, `${root}/moved`)),
          Effect.andThen(memory.move(`${root}/other`, vm))
        )
        yield* memory.before(at, swap)
        const result = yield* Effect.result(Effect.scoped(Ownership.hold(vm)))
        if (swaps < at) continue
        if (Result.isFailure(result)) {
          assert.include(["AlreadyOwned", "Claimed", "Changed", "NotFound"], result.failure._tag, `call ${at}`)
          if (result.failure._tag === "Claimed") assert.strictEqual(result.failure.reason, "replaced", `call ${at}`)
        }
        yield* memory.move(vm, `${root}/other`)
        yield* memory.remove(`${root}/moved`)
        assert.deepStrictEqual(yield* memory.snapshot(`${root}/other`), before, `call ${at}`)
      }
      assert.isAbove(swaps, 10)
    }),
    { table: { uid: 0 } }
  )

  test(
    "has its record in the directory that it has locked, though another one has the path for a while",
    Effect.gen(function* () {
      const [memory, store] = [yield* MemoryDisk, yield* SentinelStore]
      const swap = Effect.gen(function* () {
        yield* memory.move(vm, `${root}/between`)
        yield* memory.move(`${root}/other`, vm)
        yield* memory.move(`${root}/between`, `${root}/other`)
      })
      let held = 0
      /** Returns the number of calls. The other directory has the path from the call `from` to the call `to`. */
      const attempt = Effect.fnUntraced(function* (from: number, to: number) {
        yield* Simulation.seed({ [`${vm}/disk`]: "", [`${root}/other/disk`]: "" })
        let calls = 0
        const isBoundary = () => (calls += 1) === from || calls === to
        yield* memory.pause(Effect.suspend(() => (isBoundary() ? swap : Effect.void)))
        const scope = yield* Scope.make()
        const result = yield* Effect.result(Scope.provide(Ownership.hold(vm), scope))
        yield* memory.pause(Effect.void)
        if (Result.isSuccess(result)) {
          const { file, lock } = result.success
          const states = [yield* look(store, vm), yield* look(store, `${root}/other`)]
          const locked = states.filter(({ id }) => lock !== undefined && sameFile(id, lock.id))
          const records = locked.flatMap(({ sentinels }) => sentinels.map(({ bytes }) => bytes))
          assert.deepStrictEqual(records, [file.bytes], `calls ${from} to ${to}`)
          held += 1
        }
        yield* Scope.close(scope, Exit.void)
        yield* memory.remove(vm)
        yield* memory.remove(`${root}/other`)
        return calls
      })
      const calls = yield* attempt(-1, -1)
      for (let from = 1; from < calls; from++) for (let to = from + 1; to <= calls; to++) yield* attempt(from, to)
      assert.isAbove(held, 10)
    })
  )

  test(
    "says that its directory is gone, at whichever call that happened",
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      const told = new Set<string>()
      let moves = 0
      for (let at = 1; moves === at - 1; at++) {
        yield* made
        yield* memory.before(
          at,
          Effect.andThen(
            Effect.sync(() => (moves += 1)),
            memory.move(vm, `${root}/moved`)
          )
        )
        const result = yield* Effect.result(Effect.scoped(Ownership.hold(vm)))
        if (moves < at) continue
        if (Result.isFailure(result)) {
          const { failure } = result
          told.add(failure._tag === "Claimed" ? `Claimed: ${failure.reason}` : failure._tag)
        }
        yield* memory.remove(`${root}/moved`)
      }
      assert.isAbove(moves, 10)
      assert.sameMembers([...told], ["Claimed: gone", "NotFound"])
    })
  )

  const exclusively = Effect.fnUntraced(function* (path: string, scope: Scope.Scope) {
    const disk = yield* (yield* Simulation.actor()).run(Disk)
    return yield* Scope.provide(disk.lock(path, { mode: "exclusive", test: false }), scope)
  })

  test(
    "scenario 94: waits for somebody who only looks, for up to 5 s",
    Effect.gen(function* () {
      yield* made
      const scope = yield* Scope.make()
      yield* exclusively(vm, scope)
      const attempt = yield* Effect.forkChild(Ownership.hold(vm))
      yield* TestClock.adjust("4900 millis")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      assert.isTrue((yield* Fiber.join(attempt)).lock?.tested)
    })
  )

  for (const [act, own] of [
    ["hold", Effect.asVoid(Ownership.hold(vm))],
    ["record", Effect.asVoid(Ownership.record(vm))]
  ] as const) {
    test(
      `to ${act} is LockBusy where somebody leaves no room beside him`,
      Effect.gen(function* () {
        yield* made
        yield* exclusively(vm, yield* Effect.scope)
        const attempt = yield* Effect.forkChild(Effect.flip(own))
        yield* TestClock.adjust("6 seconds")
        assert.deepInclude(yield* Fiber.join(attempt), { _tag: "LockBusy", path: vm })
        assert.deepStrictEqual(yield* contents, { disk: "disk" })
      })
    )

    test(
      `scenario 70: to ${act} is Claimed where a sweep has the directory`,
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        yield* made
        yield* exclusively(vm, yield* Effect.scope)
        yield* Simulation.seed({
          [`${root}/.vm-sentinel-reap.0/dead`]: { type: "directory" },
          "/volume": { type: "directory" }
        })
        yield* memory.mount("/volume", { source: vm })
        yield* memory.move(vm, `${root}/.vm-sentinel-reap.0/dead/vm`)
        const inPlaceOf =
          act === "hold" ? Effect.asVoid(Ownership.hold("/volume")) : Effect.asVoid(Ownership.record("/volume"))
        const attempt = yield* Effect.forkChild(Effect.flip(inPlaceOf))
        yield* TestClock.adjust("6 seconds")
        assert.deepInclude(yield* Fiber.join(attempt), { _tag: "Claimed", path: "/volume", reason: "swept" })
        assert.deepStrictEqual(Object.keys(yield* memory.snapshot(`${root}/.vm-sentinel-reap.0/dead/vm`)), [
          `${root}/.vm-sentinel-reap.0/dead/vm`,
          `${root}/.vm-sentinel-reap.0/dead/vm/disk`
        ])
      })
    )
  }

  for (const [act, owning] of [
    ["record", Effect.asVoid(Ownership.record(vm))],
    ["record as another role", Effect.asVoid(Ownership.record(vm, { role: "helper" }))],
    ["hold", Effect.asVoid(Ownership.hold(vm))],
    ["create", Effect.asVoid(Ownership.create(vm))]
  ] as const) {
    for (const locks of [true, false]) {
      test(
        `scenario 105: to ${act} is Claimed where a killed sweep began to delete the directory where it lies${locks ? "" : ", without locks too"}`,
        Effect.gen(function* () {
          const memory = yield* MemoryDisk
          yield* Simulation.crashed(vm)
          yield* memory.move(`${vm}/.vm-sentinel`, `${vm}/.vm-sentinel.removing`)
          const before = yield* memory.snapshot(root)
          assert.strictEqual(yield* refusal(owning), "Claimed: swept")
          assert.deepStrictEqual(yield* memory.snapshot(root), before)
        }),
        { locks }
      )
    }

    test(
      `scenario 70: to ${act} is Claimed, at once, while a sweep deletes the directory where it lies`,
      Effect.gen(function* () {
        const memory = yield* MemoryDisk
        yield* Simulation.crashed(vm)
        yield* memory.setAttributes(vm, { isLower: true })
        const sweeper = yield* Simulation.actor()
        let result = "nothing"
        const come = Effect.map(refusal(owning), (told) => (result = told)).pipe(Effect.scoped, Effect.orDie)
        const services = yield* Effect.context<Simulation.Services>()
        yield* sweeper.memory.before(
          ({ operation, path }) => operation === "unlink" && path === `${vm}/disk`,
          Effect.provideContext(come, services)
        )
        const { outcomes } = yield* sweeper.run(Cleanup.sweep(root))
        assert.strictEqual(result, "Claimed: swept")
        assert.deepStrictEqual(
          outcomes.map(({ action, name }) => [action, name]),
          [["removed", "vm"]]
        )
        assert.deepStrictEqual(yield* Simulation.names(root), [])
      })
    )
  }

  test(
    "scenario 70: an owner that comes by a bind mount learns that a sweep claimed the directory meanwhile",
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      const claimed = `${root}/.vm-sentinel-reap.0/claimed`
      yield* made
      yield* Simulation.seed({ "/srv/view": { type: "directory" }, [claimed]: { type: "directory" } })
      yield* memory.mount("/srv/view", { source: vm })
      yield* memory.before(({ operation }) => operation === "link", memory.move(vm, `${claimed}/vm`))
      assert.strictEqual(yield* refusal(Ownership.record("/srv/view")), "Claimed: swept")
      assert.hasAllKeys(yield* memory.snapshot(`${claimed}/vm`), [`${claimed}/vm`, `${claimed}/vm/disk`])
    }),
    { locks: false }
  )

  test(
    "a record of brood-box that a killed writer has moved aside still has its owner",
    Effect.gen(function* () {
      const table = yield* FakeProcessTable
      yield* made
      const exe = "/usr/bin/bbox"
      const pid = yield* table.spawn({ exe })
      yield* Simulation.seed({ [`${vm}/.vm-sentinel.old-01234567`]: `${pid}\n${exe}` })
      yield* refused({ sentinelName: ".bbox-sentinel" }, { owner: pid, verdict: "alive" })
      yield* table.exit(pid)
      yield* Ownership.record(vm, { sentinelName: ".bbox-sentinel" })
      assert.sameMembers(Object.keys(yield* contents), [".bbox-sentinel", "disk"])
    })
  )

  test(
    "scenario 66: a second record under the caller's lock claims no lock, which may end before the caller does",
    Effect.gen(function* () {
      yield* made
      const { lock } = yield* Ownership.hold(vm, { role: "supervisor" })
      const own = yield* Ownership.record(vm, lock === undefined ? {} : { lock })
      const pid = yield* FakeProcessTable.use(({ spawn }) => spawn())
      const passed = yield* Ownership.record(vm, { pid, role: "command", ...(lock === undefined ? {} : { lock }) })
      const claims = [own, passed].map(({ content }) => Sentinel.claimsLock(Result.getOrThrow(content)))
      assert.deepStrictEqual(claims, [false, true])
    })
  )

  test(
    "no owner takes a name that no sweep reads, or that of a record which is being replaced",
    Effect.gen(function* () {
      yield* made
      const before = yield* contents
      const names = [".vm-sentinel-tmp.a", "run/owner", "sub/../.own", "..", "", "a\0b", "é".repeat(122)]
      const options: ReadonlyArray<Ownership.RecordOptions> = [
        ...names.map((sentinelName) => ({ sentinelName })),
        { sentinelName: ".vm-sentinel.old-deadbeef" },
        { role: "old-deadbeef" }
      ]
      for (const refused of options) {
        const { role = "owner", sentinelName = ".vm-sentinel" } = refused
        const error = yield* Effect.flip(Ownership.record(vm, refused))
        assert.deepInclude(error, {
          _tag: "MalformedSentinel",
          path: `${vm}/${SentinelName.ofRole(sentinelName, role)}`
        })
      }
      assert.deepStrictEqual(yield* contents, before)
      const longest = { sentinelName: "é".repeat(121) }
      yield* Ownership.release(vm, yield* Ownership.record(vm, longest))
    })
  )

  test(
    "a directory takes 64 sentinels, all of which a sweep judges, and no more",
    Effect.gen(function* () {
      yield* made
      for (let n = 0; n < 64; n++) yield* Ownership.record(vm, { role: `qemu-${n}` })
      const error = yield* Effect.flip(Ownership.record(vm, { role: "qemu-64" }))
      assert.deepInclude(error, { _tag: "MalformedSentinel", path: `${vm}/.vm-sentinel.qemu-64` })
      const store = yield* SentinelStore
      const state = yield* look(store, vm)
      assert.deepStrictEqual([state.sentinels.length, state.crowded], [64, undefined])
      // A role that is there already can be taken over.
      assert.strictEqual((yield* Effect.flip(Ownership.record(vm, { role: "qemu-0" })))._tag, "AlreadyOwned")
    })
  )

  test(
    "no owner stays in a directory that others have filled meanwhile",
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* made
      const others = Object.fromEntries(Array.from({ length: 66 }, (_, n) => [`${vm}/.vm-sentinel.qemu-${n}`, "7"]))
      yield* memory.before("link", memory.seed(others))
      assert.strictEqual(yield* tag(Ownership.record(vm)), "MalformedSentinel")
      assert.notProperty(yield* contents, ".vm-sentinel")
    })
  )

  test(
    "no owner takes the role of the mark",
    Effect.gen(function* () {
      yield* made
      const error = yield* Effect.flip(Ownership.record(vm, { role: "removing" }))
      assert.deepInclude(error, { _tag: "MalformedSentinel", path: `${vm}/.vm-sentinel.removing` })
      assert.deepStrictEqual(yield* contents, { disk: "disk" })
    })
  )

  for (const path of [`${root}/.vm-sentinel-reap.0/claimed/vm`, `${root}/.vm-sentinel-reap.00000000.dead=vm`]) {
    test(
      `scenario 71: nothing is published in ${path}`,
      Effect.gen(function* () {
        yield* Simulation.seed({ [`${path}/disk`]: "disk" })
        assert.strictEqual(yield* refusal(Ownership.record(path)), "Claimed: swept")
        assert.strictEqual(yield* refusal(Ownership.hold(path)), "Claimed: swept")
        const store = yield* SentinelStore
        assert.deepStrictEqual((yield* look(store, path)).sentinels, [])
      })
    )
  }

  test(
    "takes its record back where the lock is lost as it becomes a shared one",
    Effect.gen(function* () {
      const store = yield* SentinelStore
      yield* made
      const losing = SentinelStore.of({
        ...store,
        lock: (path) =>
          Effect.map(store.lock(path), (lock) => ({
            ...lock,
            share: Effect.fail(new DiskError({ errno: "EBUSY", operation: "lock", path }))
          }))
      })
      const state = Effect.provideService(Ownership.hold(vm), SentinelStore, losing)
      assert.strictEqual(yield* refusal(state), "Claimed: lock-lost")
      assert.deepStrictEqual(yield* contents, { disk: "disk" })
      assert.strictEqual(yield* store.probeLock(vm), "free")
    })
  )

  test(
    "is the next owner's when the holder has been killed",
    Effect.gen(function* () {
      yield* made
      const other = yield* Simulation.actor()
      yield* Simulation.hold(other, vm)
      yield* other.kill
      assert.isDefined((yield* Ownership.hold(vm)).lock)
      assert.sameMembers(Object.keys(yield* contents), [".vm-sentinel", "disk"])
    })
  )

  test(
    "does without where there is no lock to be had",
    Effect.gen(function* () {
      const store = yield* SentinelStore
      yield* made
      assert.isUndefined((yield* Ownership.hold(vm)).lock)
      const [sentinel] = yield* read(store, vm)
      assert.isUndefined(sentinel?._tag === "V3" ? sentinel.record.lock : "no v3 record")
      assert.strictEqual(yield* store.probeLock(vm), "unknown")
    }),
    { locks: false }
  )
})

describe("Ownership.create", () => {
  test(
    "scenario 38: makes a directory that has its owner from the first moment",
    Effect.gen(function* () {
      const store = yield* SentinelStore
      yield* Simulation.seed({ [root]: { type: "directory" } })
      const held = yield* Ownership.create(vm, { role: "runner" })
      assert.isTrue(held.lock?.tested)
      assert.strictEqual(yield* store.probeLock(vm), "shared")
      assert.deepStrictEqual(Object.keys(yield* contents), [".vm-sentinel.runner"])
      assert.deepStrictEqual(yield* Simulation.names(root), ["vm"])
      assert.deepInclude((yield* Cleanup.sweep(root)).outcomes[0], { action: "kept", verdict: "alive" })
    })
  )

  test(
    "makes none over anything, and leaves nothing behind",
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Simulation.seed({ [`${root}/file`]: "x", [`${root}/empty`]: { type: "directory" } })
      yield* Simulation.owned(vm)
      const before = yield* memory.snapshot(root)
      for (const name of ["vm", "file", "empty"]) {
        assert.strictEqual(yield* tag(Ownership.create(`${root}/${name}`)), "AlreadyOwned", name)
      }
      assert.strictEqual(yield* tag(Ownership.create(`${root}/missing/vm`)), "NotFound")
      assert.strictEqual(yield* tag(Ownership.create(`${root}/new`, { role: "../x" })), "MalformedSentinel")
      assert.deepStrictEqual(yield* memory.snapshot(root), before)
    })
  )
})

describe("a working directory that was removed", () => {
  test(
    "scenario 97: is an error in words to whoever gives a relative path",
    Effect.gen(function* () {
      const disk = yield* Disk
      const gone = (path: string) => Effect.fail(new DiskError({ errno: "ENOENT", operation: "getcwd", path }))
      const store = Layer.provide(storeLayer, Layer.succeed(Disk, Disk.of({ ...disk, resolve: gone })))
      const attempts = [
        Effect.asVoid(Cleanup.sweep("vms")),
        Effect.asVoid(Cleanup.reclaim("vms/a")),
        Effect.asVoid(Effect.scoped(Ownership.create("vms/a")))
      ].map((attempt: Effect.Effect<void, unknown, ProcessInspector | SentinelStore>) =>
        Effect.flip(Effect.provide(attempt, store))
      )
      for (const error of attempts) {
        // The error isn't NotFound, because it's unknown whether the directory exists.
        assert.deepInclude(yield* error, {
          _tag: "StoreFailure",
          operation: "read working directory",
          errno: "ENOENT"
        })
      }
    })
  )
})

describe("Ownership.release", () => {
  test(
    "takes back a record of a name that only its writer knows",
    Effect.gen(function* () {
      yield* made
      const own = yield* Ownership.record(vm, { sentinelName: "owner.pid", role: "helper" })
      yield* Ownership.release(vm, own)
      assert.deepStrictEqual(yield* contents, { disk: "disk" })
    })
  )

  test(
    "takes back what was recorded, and nobody else's",
    Effect.gen(function* () {
      yield* made
      const own = yield* Ownership.record(vm)
      const helper = yield* Ownership.record(vm, { role: "helper" })
      yield* Ownership.release(vm, own)
      assert.sameMembers(Object.keys(yield* contents), [".vm-sentinel.helper", "disk"])
      assert.strictEqual(yield* tag(Ownership.release(vm, own)), "NotFound")
      const next = yield* Ownership.record(vm)
      assert.strictEqual(yield* tag(Ownership.release(vm, own)), "NotFound")
      yield* Ownership.release(vm, helper)
      yield* Ownership.release(vm, next)
      assert.deepStrictEqual(yield* contents, { disk: "disk" })
    })
  )

  test(
    "takes back a v1 or v2 record as the very file, and no file that has its text",
    Effect.gen(function* () {
      yield* made
      const memory = yield* MemoryDisk
      for (const format of ["v1", "v2"] as const) {
        const file = yield* Ownership.record(vm, { format })
        const text = (yield* contents)[".vm-sentinel"] ?? ""
        yield* memory.remove(`${vm}/.vm-sentinel`)
        yield* Simulation.seed({ [`${vm}/.vm-sentinel`]: text })
        assert.strictEqual(yield* tag(Ownership.release(vm, file)), "NotFound")
        assert.property(yield* contents, ".vm-sentinel")
        yield* memory.remove(`${vm}/.vm-sentinel`)
        yield* Ownership.release(vm, yield* Ownership.record(vm, { format }))
        assert.deepStrictEqual(yield* contents, { disk: "disk" })
      }
    })
  )

  test(
    "scenario 93: takes back a record that no sweep believes",
    Effect.gen(function* () {
      yield* made
      const memory = yield* MemoryDisk
      for (const format of ["v1", "v2", "v3"] as const) {
        yield* memory.setAttributes(vm, { mode: 0o770, gid: 107 })
        const own = yield* Ownership.record(vm, { format })
        assert.isDefined(own.distrust)
        yield* Ownership.release(vm, own)
        assert.deepStrictEqual(yield* contents, { disk: "disk" })
      }
    })
  )

  test(
    "takes back brood-box's record",
    Effect.gen(function* () {
      yield* made
      yield* Ownership.release(vm, yield* Ownership.record(vm, { sentinelName: ".bbox-sentinel" }))
      assert.deepStrictEqual(yield* contents, { disk: "disk" })
    })
  )

  test(
    "takes back a record that was rewritten when its scope closed",
    Effect.gen(function* () {
      yield* made
      const { file } = yield* Effect.scoped(Ownership.hold(vm))
      yield* Ownership.release(vm, file)
      assert.deepStrictEqual(yield* contents, { disk: "disk" })
    })
  )
})
