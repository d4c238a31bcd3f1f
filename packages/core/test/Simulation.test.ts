import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Cleanup from "../src/Cleanup.ts"
import * as Ownership from "../src/Ownership.ts"
import { Pid } from "../src/ProcessIdentity.ts"
import { ProcessInspector } from "../src/ProcessInspector.ts"
import { SentinelStore } from "../src/SentinelStore.ts"
import { FakeProcessTable, initialPidNamespace, type SpawnOptions } from "../src/testing/FakeProcessTable.ts"
import { MemoryDisk, untilKilled } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"

const root = "/srv/vms"
const vm = `${root}/vm`

type Act<A> = Effect.Effect<A, unknown, Simulation.Services | Scope.Scope>

const test = (title: string, body: Act<void>, options: Simulation.Options = {}): void => {
  it.effect(title, () => Effect.provide(body, Layer.merge(Simulation.layerWith(options), Logger.layer([]))))
}

const judged = Effect.map(Cleanup.judge(vm), ({ reason, verdict }) => `${verdict} ${reason}`)

const swept = Effect.map(Cleanup.sweep(root), ({ outcomes }) =>
  outcomes.map(({ action, name, reason }) => `${name} ${action} ${reason}`).toSorted()
)

const table = <A, E>(use: (table: FakeProcessTable["Service"]) => Effect.Effect<A, E>) => FakeProcessTable.use(use)

const [one, other] = [Simulation.inContainer("pid:[1]"), Simulation.inContainer("pid:[2]")]

/** Writes a v2 record, which names the owner's executable. One minute later, another process has the owner's PID. */
const later = (by: SpawnOptions): Act<Pid> =>
  Effect.gen(function* () {
    const pid = yield* Simulation.owned(vm, { format: "v2" })
    yield* TestClock.adjust("1 minute")
    yield* Simulation.recycle(pid, by)
    return pid
  })

const furnished = Simulation.seed({ [`${vm}/disk`]: "disk" })

describe("an owner", () => {
  const fates: ReadonlyArray<readonly [string, Act<Pid>, boolean, string, Simulation.Options?]> = [
    ["lives", Simulation.owned(vm), true, "alive matches"],
    ["lives, recorded by PID alone", Simulation.owned(vm, { format: "v1" }), true, "alive pid-alive"],
    ["crashed", Simulation.crashed(vm), false, "dead pid-dead"],
    ["crashed, of another role", Simulation.crashed(vm, { role: "helper" }), false, "dead pid-dead"],
    ["recycled, by the same program", Simulation.recycled(vm), true, "dead identity-mismatch"],
    [
      "recycled, where only start times tell",
      Simulation.recycled(vm),
      true,
      "dead start-time-mismatch",
      { table: { processIds: false } }
    ],
    ["recycled at once, recorded by its executable", Simulation.recycled(vm, { format: "v2" }), true, "alive matches"],
    ["recycled later by the same program, recorded by its executable", later({}), true, "alive matches"],
    ["recycled, recorded by its PID", Simulation.recycled(vm, { format: "v1" }), true, "alive pid-alive"],
    ["recycled later by another program", later({ exe: "/usr/bin/sshd" }), true, "dead exe-mismatch"]
  ]
  for (const [title, arrange, isTaken, says, options] of fates) {
    test(
      `${title} → ${says}`,
      Effect.gen(function* () {
        const pid = yield* arrange
        assert.strictEqual((yield* table(({ pids }) => pids)).includes(pid), isTaken)
        assert.include(yield* Simulation.paths(root), "vm/disk")
        assert.strictEqual(yield* judged, says)
        const isDead = says.startsWith("dead")
        assert.deepStrictEqual(yield* swept, [`vm ${isDead ? "removed" : "kept"} ${says.split(" ")[1]}`])
        assert.deepStrictEqual(yield* Simulation.names(root), isDead ? [] : ["vm"])
      }),
      options
    )
  }

  test(
    "is the process that it is given, and others are told its PID",
    Effect.gen(function* () {
      const pid = yield* table(({ spawnAt }) => spawnAt(Pid.make(700)))
      assert.strictEqual(yield* Simulation.owned(vm, { pid }), pid)
      const refused = yield* Effect.flip(Ownership.hold(vm))
      assert.deepInclude(refused, { _tag: "AlreadyOwned", owner: pid, verdict: "alive" })
      assert.strictEqual(yield* Simulation.recycled(`${root}/second`, { pid }), pid)
      assert.strictEqual(yield* judged, "dead identity-mismatch")
    })
  )

  test(
    "that was recycled is no obstacle to the next one",
    Effect.gen(function* () {
      yield* Simulation.recycled(vm)
      const { lock } = yield* Ownership.hold(vm)
      assert.isDefined(lock)
      assert.deepStrictEqual(yield* swept, ["vm kept lock-held"])
    })
  )
})

describe("a container", () => {
  test(
    "has PIDs of its own, and the same disk",
    Effect.gen(function* () {
      const pid = yield* one(Simulation.owned(vm))
      assert.isFalse((yield* table(({ pids }) => pids)).includes(pid))
      assert.isTrue((yield* one(table(({ pids }) => pids))).includes(pid))
      assert.isFalse((yield* other(table(({ pids }) => pids))).includes(pid))
      assert.sameMembers(yield* Simulation.paths(root), ["vm", "vm/disk", "vm/.vm-sentinel"])
      assert.deepStrictEqual(yield* other(Simulation.paths(root)), yield* Simulation.paths(root))
    })
  )

  const owners: ReadonlyArray<readonly [string, Act<Pid>, { readonly [where: string]: string }]> = [
    [
      "lives",
      one(Simulation.owned(vm)),
      { there: "alive matches", elsewhere: "unknown other-pid-namespace", host: "alive matches" }
    ],
    [
      "crashed",
      one(Simulation.crashed(vm)),
      { there: "dead pid-dead", elsewhere: "unknown other-pid-namespace", host: "dead process-gone" }
    ],
    [
      "was recycled",
      one(Simulation.recycled(vm)),
      { there: "dead identity-mismatch", elsewhere: "unknown other-pid-namespace", host: "dead process-gone" }
    ],
    [
      "lives on the host",
      Simulation.owned(vm),
      { there: "unknown other-pid-namespace", elsewhere: "unknown other-pid-namespace", host: "alive matches" }
    ]
  ]
  for (const [title, arrange, says] of owners) {
    test(
      `whose owner ${title}: ${Object.values(says).join(", ")}`,
      Effect.gen(function* () {
        yield* arrange
        const found = { there: yield* one(judged), elsewhere: yield* other(judged), host: yield* judged }
        assert.deepStrictEqual(found, says)
        assert.strictEqual(yield* one(Simulation.inContainer(initialPidNamespace)(judged)), says["host"])
        yield* other(swept)
        assert.deepStrictEqual(yield* Simulation.names(root), ["vm"])
        yield* swept
        assert.deepStrictEqual(yield* Simulation.names(root), says["host"] === "alive matches" ? ["vm"] : [])
      })
    )
  }

  test(
    "that ended takes its owners with it; the next one of its number has others",
    Effect.gen(function* () {
      yield* one(Simulation.owned(vm))
      yield* table(({ endPidNamespace }) => endPidNamespace("pid:[1]"))
      assert.strictEqual(yield* one(judged), "unknown other-pid-namespace")
      assert.strictEqual(yield* judged, "dead process-gone")
    })
  )
})

describe("an actor", () => {
  test(
    "sees itself, owns by itself, and says dead when it is killed",
    Effect.gen(function* () {
      yield* furnished
      const owner = yield* Simulation.actor({ exe: "/usr/bin/vmm" })
      const self = yield* owner.run(ProcessInspector.use(({ self }) => self))
      assert.strictEqual(self.pid, owner.pid)
      assert.strictEqual(self.exe?.path, "/usr/bin/vmm")
      yield* owner.run(Ownership.record(vm))
      assert.strictEqual(yield* judged, "alive matches")
      assert.isNotEmpty(yield* owner.memory.calls)
      assert.isEmpty((yield* (yield* Simulation.actor()).memory.calls).filter(({ path }) => path === vm))
      yield* owner.kill
      assert.strictEqual(yield* judged, "dead pid-dead")
      assert.isFalse((yield* table(({ pids }) => pids)).includes(owner.pid))
    })
  )

  test(
    "that is killed does nothing more, and its PID is free",
    Effect.gen(function* () {
      const sweeper = yield* Simulation.actor()
      yield* Simulation.crashed(vm)
      yield* sweeper.kill
      assert.isTrue(Option.isNone(yield* sweeper.run(untilKilled(swept))))
      assert.deepStrictEqual(yield* Simulation.names(root), ["vm"])
      const next = yield* table(({ spawnAt }) => spawnAt(sweeper.pid))
      // A second kill doesn't end the process that now has the PID.
      yield* sweeper.kill
      assert.isTrue((yield* table(({ pids }) => pids)).includes(next))
    })
  )

  test(
    "stays in the container in which it was started, wherever it is run and killed",
    Effect.gen(function* () {
      yield* furnished
      const owner = yield* one(Simulation.actor())
      const bystander = yield* table(({ spawnAt }) => spawnAt(owner.pid))
      yield* other(owner.run(Ownership.record(vm)))
      assert.strictEqual(yield* one(judged), "alive matches")
      assert.isTrue((yield* owner.run(table(({ pids }) => pids))).includes(owner.pid))
      yield* owner.kill
      assert.isTrue((yield* table(({ pids }) => pids)).includes(bystander))
      assert.deepStrictEqual([yield* one(judged), yield* judged], ["dead pid-dead", "dead process-gone"])
    })
  )

  test(
    "in a container proves no more than a container can, also when the host runs it",
    Effect.gen(function* () {
      yield* Simulation.crashed(vm)
      const sweeper = yield* one(Simulation.actor())
      assert.strictEqual(yield* sweeper.run(judged), "unknown other-pid-namespace")
      assert.strictEqual(yield* judged, "dead pid-dead")
    })
  )

  test(
    "is of its own user, in the table and on the disk",
    Effect.gen(function* () {
      yield* Simulation.owned(vm)
      const stranger = yield* Simulation.actor({ uid: 1001 })
      assert.strictEqual((yield* Effect.flip(stranger.run(Cleanup.sweep(root))))._tag, "PermissionDenied")
      const observed = yield* stranger.run(ProcessInspector.use(({ observe }) => observe(Pid.make(1), "all")))
      assert.deepInclude(observed, { exeError: "permission-denied" })
      const superuser = yield* Simulation.actor({ uid: 0 })
      assert.strictEqual((yield* Effect.flip(superuser.run(Cleanup.sweep(root))))._tag, "RefusedRoot")
    })
  )

  test(
    "that holds a directory keeps it until it is killed, also before a sweep of another container",
    Effect.gen(function* () {
      yield* furnished
      const owner = yield* one(Simulation.actor())
      const { lock } = yield* Simulation.hold(owner, vm)
      assert.isDefined(lock)
      assert.deepStrictEqual(yield* other(swept), ["vm kept lock-held"])
      yield* owner.kill
      assert.deepStrictEqual(yield* other(swept), ["vm removed lock-free"])
    })
  )

  test(
    "leaves its lock to its children",
    Effect.gen(function* () {
      yield* furnished
      const supervisor = yield* one(Simulation.actor({ exe: "/usr/bin/supervisor" }))
      yield* Simulation.hold(supervisor, vm)
      const child = yield* Simulation.child(supervisor)
      const identity = yield* child.run(ProcessInspector.use(({ self }) => self))
      assert.deepStrictEqual([identity.pid, identity.exe?.path], [child.pid, "/usr/bin/supervisor"])
      yield* supervisor.kill
      assert.deepStrictEqual([yield* one(judged), yield* judged], ["alive lock-held", "alive lock-held"])
      yield* child.kill
      assert.strictEqual(yield* SentinelStore.use(({ probeLock }) => probeLock(vm)), "free")
      assert.deepStrictEqual(yield* swept, ["vm removed process-gone"])
    })
  )
})

describe("the machine", () => {
  test(
    "has the user that it is told, in the table and on the disk",
    Effect.gen(function* () {
      yield* Simulation.owned(vm)
      const stranger = yield* table(({ spawn }) => spawn({ uid: 7 }))
      const observed = yield* ProcessInspector.use(({ observe }) => observe(stranger, "all"))
      assert.notProperty(observed, "exeError")
      assert.strictEqual((yield* MemoryDisk.use(({ snapshot }) => snapshot(vm)))[vm]?.uid, 0)
    }),
    { uid: 0 }
  )

  test(
    "may have another user in the table",
    Effect.gen(function* () {
      const { pid } = yield* ProcessInspector.use(({ self }) => self)
      const observed = yield* ProcessInspector.use(({ observe }) => observe(pid, "all"))
      assert.deepInclude(observed, { uid: 5 })
    }),
    { uid: 0, table: { uid: 5 } }
  )

  it.effect("is another one each time", () =>
    Effect.gen(function* () {
      yield* Effect.provide(Simulation.owned(vm), Simulation.layer)
      assert.deepStrictEqual(yield* Effect.provide(Simulation.names(root), Simulation.layerWith({})), [])
    })
  )

  test(
    "tells what lies below a path, however it is written",
    Effect.gen(function* () {
      yield* Simulation.seed({ [`${vm}/a/b`]: "b", [`${root}/file`]: "file" })
      assert.sameMembers(yield* Simulation.paths(root), ["vm", "vm/a", "vm/a/b", "file"])
      assert.sameMembers(yield* Simulation.names(`${root}/`), ["vm", "file"])
      assert.sameMembers(yield* Simulation.paths("/"), [
        "srv",
        "srv/vms",
        ...(yield* Simulation.paths("/srv/vms")).map((path) => `srv/vms/${path}`)
      ])
      assert.deepStrictEqual(yield* Simulation.names("/"), ["srv"])
      assert.deepStrictEqual(yield* Simulation.paths("/nowhere"), [])
      assert.deepStrictEqual(yield* Simulation.names(`${root}/file`), [])
    })
  )
})
