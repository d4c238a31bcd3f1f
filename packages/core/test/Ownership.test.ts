import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Logger, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Cleanup from "../src/Cleanup.ts"
import type { AlreadyOwned } from "../src/Errors.ts"
import * as Ownership from "../src/Ownership.ts"
import { Pid } from "../src/ProcessIdentity.ts"
import { ProcessInspector } from "../src/ProcessInspector.ts"
import { SentinelStore } from "../src/SentinelStore.ts"
import { FakeProcessTable } from "../src/testing/FakeProcessTable.ts"
import { MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Stage from "./support/Stage.ts"

const root = "/srv/vms"
const vm = `${root}/vm`

const test = (
  title: string,
  body: Effect.Effect<void, unknown, Stage.Services | Scope.Scope>,
  options: Stage.Options = {}
): void => {
  it.effect(title, () => Effect.provide(body, Layer.merge(Stage.layerWith(options), Logger.layer([]))))
}

const made = Stage.seed({ [`${vm}/disk`]: "disk" })

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

/** Refused with this, and nothing was changed. */
const refused = Effect.fnUntraced(function* (options: Ownership.RecordOptions, expected: Partial<AlreadyOwned>) {
  const before = yield* contents
  assert.deepInclude(yield* Effect.flip(Ownership.record(vm, options)), { _tag: "AlreadyOwned", path: vm, ...expected })
  assert.deepStrictEqual(yield* contents, before)
})

describe("Ownership.record", () => {
  test(
    "records the calling process, whole",
    Effect.gen(function* () {
      const [inspector, store] = [yield* ProcessInspector, yield* SentinelStore]
      yield* made
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const file = yield* Ownership.record(vm)
      const [sentinel] = yield* store.read(vm)
      if (sentinel?._tag !== "V3") return assert.fail("no v3 record")
      const { pid, ...identity } = yield* inspector.self
      assert.strictEqual(sentinel.pid, pid)
      assert.deepInclude(sentinel.record, { ...identity, role: "owner", createdAt: "2026-01-01T00:00:00.000Z" })
      assert.match(sentinel.record.nonce, /^[0-9a-f]{32}$/)
      assert.notProperty(sentinel.record, "lock")
      assert.deepStrictEqual(file.content, Result.succeed(sentinel))
    })
  )

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
      yield* Stage.seed({ [`${root}/file`]: "x", [`${root}/link`]: { type: "symlink", target: root } })
      for (const path of [vm, `${root}/file`, `${root}/link`]) {
        assert.strictEqual(yield* tag(Ownership.record(path)), "NotFound")
      }
    })
  )

  test(
    "is refused where the owner lives, and names it",
    Effect.gen(function* () {
      const pid = yield* Stage.owned(vm)
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
      const pid = yield* Stage.owned(vm)
      yield* table.hide(pid)
      yield* refused({}, { owner: pid, verdict: "unknown", reason: "permission-denied" })
      yield* table.fail(pid, "resources")
      yield* refused({}, { owner: pid, verdict: "unknown", reason: "inspection-failed" })
      for (const [content, reason] of [
        ["", "malformed-sentinel"],
        ["x".repeat(5000), "oversized-sentinel"],
        ['17\n\n{"v":4}\n', "unsupported-version"]
      ] as const) {
        yield* Stage.seed({ [`${vm}/.vm-sentinel`]: content })
        yield* refused({}, { verdict: "unknown", reason })
      }
    })
  )

  for (const format of ["v1", "v2", "v3"] as const) {
    test(
      `replaces the ${format} record of an owner that is gone, and leaves nothing of it`,
      Effect.gen(function* () {
        yield* Stage.dead(vm, { format })
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
      const pid = yield* Stage.dead(vm, { format: "v1" })
      yield* refused({}, { owner: pid, verdict: "unknown", reason: "not-local" })
    }),
    { fileSystem: "nfs4" }
  )

  test(
    "minds its own file: another role's owner, dead or alive, isn't asked",
    Effect.gen(function* () {
      yield* Stage.owned(vm, { role: "helper" })
      yield* Stage.seed({ [`${vm}/.vm-sentinel.broken`]: "", [`${vm}/.bbox-sentinel`]: "17\n/usr/bin/bbox" })
      yield* Ownership.record(vm)
      assert.strictEqual(Object.keys(yield* contents).length, 5)
    })
  )

  test(
    "sees the record that another writer has just moved aside to replace it",
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      const pid = yield* Stage.owned(vm)
      yield* memory.move(`${vm}/.vm-sentinel`, `${vm}/.vm-sentinel.old-0123abcd`)
      yield* refused({}, { owner: pid, verdict: "alive", reason: "matches" })
      yield* FakeProcessTable.use(({ exit }) => exit(pid))
      yield* Ownership.record(vm)
      assert.sameMembers(Object.keys(yield* contents), [".vm-sentinel", "disk"])
    })
  )
})

describe("Ownership.hold", () => {
  test(
    "holds the lock until the scope closes, and says in the record how",
    Effect.gen(function* () {
      const store = yield* SentinelStore
      yield* made
      const scope = yield* Scope.make()
      const held = yield* Scope.provide(Ownership.hold(vm), scope)
      assert.isTrue(held.lock?.tested)
      const [sentinel] = yield* store.read(vm)
      assert.deepStrictEqual(sentinel?._tag === "V3" ? sentinel.record.lock : undefined, {
        kind: "flock",
        tested: true,
        survivesExec: true
      })
      assert.strictEqual(yield* store.probeLock(vm), "busy")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* store.probeLock(vm), "free")
      assert.strictEqual((yield* store.read(vm)).length, 1)
    })
  )

  test(
    "is refused while another holds it, whatever the sentinel says",
    Effect.gen(function* () {
      yield* made
      const other = yield* Stage.actor()
      yield* other.run(Ownership.hold(vm))
      yield* FakeProcessTable.use(({ hide }) => hide(other.pid))
      const attempt = yield* Effect.forkChild(Effect.flip(Ownership.hold(vm)))
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* Fiber.join(attempt), { _tag: "AlreadyOwned", verdict: "alive", reason: "lock-held" })
      yield* refused({}, { owner: other.pid, verdict: "alive", reason: "lock-held" })
    })
  )

  test(
    "waits for a sweep that only looks, which holds the lock for a moment",
    Effect.gen(function* () {
      yield* made
      const other = yield* Stage.actor()
      const scope = yield* Scope.make()
      const store = yield* SentinelStore
      yield* other.run(Scope.provide(store.lock(vm), scope))
      const attempt = yield* Effect.forkChild(Ownership.hold(vm))
      yield* TestClock.adjust("10 millis")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      assert.isTrue((yield* Fiber.join(attempt)).lock?.tested)
    })
  )

  test(
    "is the next owner's when the holder has been killed",
    Effect.gen(function* () {
      yield* made
      const other = yield* Stage.actor()
      yield* other.run(Ownership.hold(vm))
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
      const [sentinel] = yield* store.read(vm)
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
      const [memory, store] = [yield* MemoryDisk, yield* SentinelStore]
      yield* Stage.seed({ [root]: { type: "directory" } })
      const held = yield* Ownership.create(vm, { role: "runner" })
      assert.isTrue(held.lock?.tested)
      assert.strictEqual(yield* store.probeLock(vm), "busy")
      assert.deepStrictEqual(Object.keys(yield* contents), [".vm-sentinel.runner"])
      assert.deepStrictEqual(yield* Stage.names(memory, root), ["vm"])
      assert.deepInclude((yield* Cleanup.sweep(root)).outcomes[0], { action: "kept", verdict: "alive" })
    })
  )

  test(
    "makes none over anything, and leaves nothing behind",
    Effect.gen(function* () {
      const memory = yield* MemoryDisk
      yield* Stage.seed({ [`${root}/file`]: "x", [`${root}/empty`]: { type: "directory" } })
      yield* Stage.owned(vm)
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

describe("Ownership.withdraw", () => {
  test(
    "takes back what was recorded, and nobody else's",
    Effect.gen(function* () {
      yield* made
      const own = yield* Ownership.record(vm)
      const helper = yield* Ownership.record(vm, { role: "helper" })
      yield* Ownership.withdraw(vm, own)
      assert.sameMembers(Object.keys(yield* contents), [".vm-sentinel.helper", "disk"])
      assert.strictEqual(yield* tag(Ownership.withdraw(vm, own)), "NotFound")
      const next = yield* Ownership.record(vm)
      assert.strictEqual(yield* tag(Ownership.withdraw(vm, own)), "NotFound")
      yield* Ownership.withdraw(vm, helper)
      yield* Ownership.withdraw(vm, next)
      assert.deepStrictEqual(yield* contents, { disk: "disk" })
    })
  )

  test(
    "takes back no v1 or v2 record: nothing tells whose it is",
    Effect.gen(function* () {
      yield* made
      const file = yield* Ownership.record(vm, { format: "v2" })
      assert.strictEqual(yield* tag(Ownership.withdraw(vm, file)), "NotFound")
      assert.property(yield* contents, ".vm-sentinel")
    })
  )
})
