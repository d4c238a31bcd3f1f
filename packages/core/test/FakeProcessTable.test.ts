import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, type Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { Present, ObserveDepth } from "../src/Observation.ts"
import { Pid } from "../src/ProcessIdentity.ts"
import { ProcessInspector } from "../src/ProcessInspector.ts"
import * as FakeProcessTable from "../src/testing/FakeProcessTable.ts"
import * as ProcessInspectorTest from "./support/ProcessInspectorTest.ts"
import { lose } from "./support/arbitraries.ts"
import { runs } from "./support/property.ts"

type Table = FakeProcessTable.FakeProcessTable["Service"]
type Services = ProcessInspector | FakeProcessTable.FakeProcessTable

const use = <A, E, R>(f: (table: Table) => Effect.Effect<A, E, R>) => FakeProcessTable.FakeProcessTable.use(f)

const world: Required<ProcessInspectorTest.ProcessWorld<FakeProcessTable.FakeProcessTable>> = {
  spawn: use((table) => table.spawn()),
  exit: (pid) => use((table) => table.exit(pid)),
  recycle: (pid, executable) =>
    use((table) =>
      Effect.all(
        [table.exit(pid), table.tick(300), table.spawnAt(pid, executable === "other" ? { exe: "/bin/other" } : {})],
        { discard: true }
      )
    ),
  zombify: (pid) => use((table) => table.zombie(pid)),
  thread: use((table) =>
    Effect.gen(function* () {
      const process = yield* table.spawn()
      return { process, thread: yield* table.addThread(process) }
    })
  ),
  leaderExited: use((table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      yield* table.addThread(pid)
      yield* table.exitLeader(pid)
      return pid
    })
  ),
  stop: (pid) => use((table) => table.stop(pid)),
  reexec: use((table) => Effect.map(table.spawn(), (pid) => ({ pid, exec: table.exec(pid, "/bin/other") }))),
  otherUser: use((table) => table.spawn({ uid: 1001, exe: "/bin/other" })),
  hidden: use((table) => Effect.tap(table.spawn(), table.hide)),
  lockHolder: use((table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      const directory = { dev: "1", ino: `${pid}` }
      return { pid, directory, free: yield* table.holdLock(pid, directory) }
    })
  )
}

const conforms = (name: string, options: FakeProcessTable.Options, strength: ProcessInspectorTest.Strength) =>
  ProcessInspectorTest.suite(`fake, ${name}`, { layer: FakeProcessTable.layerWith(options), world, strength })

conforms("with 64-bit ids", {}, { processId64: true, otherUserExecutable: false })
conforms("with ticks alone", { processIds: false }, { processId64: false, otherUserExecutable: false })
conforms("as root", { uid: 0 }, { processId64: true, otherUserExecutable: true })
conforms("without namespaces", { namespaces: "none" }, { processId64: true, otherUserExecutable: false })

const test = <A, E>(
  name: string,
  f: (table: Table, inspector: ProcessInspector["Service"]) => Effect.Effect<A, E, Services>,
  layer: Layer.Layer<Services> = FakeProcessTable.layer
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      return yield* f(yield* FakeProcessTable.FakeProcessTable, yield* ProcessInspector)
    }).pipe(Effect.provide(layer))
  )

const small = (pidMax: number) => FakeProcessTable.layerWith({ pidMax })

test("a zombie holds no lock", (table, inspector) =>
  Effect.gen(function* () {
    const pid = yield* table.spawn()
    const directory = { dev: "1", ino: "2" }
    yield* table.holdLock(pid, directory)
    assert.deepStrictEqual(yield* inspector.lockHolders(directory), [pid])
    yield* table.zombie(pid)
    assert.deepStrictEqual(yield* inspector.lockHolders(directory), [])
  }))

const seen = Effect.fnUntraced(function* (pid: Pid, wanted?: ObserveDepth) {
  const observation = yield* (yield* ProcessInspector).observe(pid, wanted)
  return observation._tag === "Present" ? observation : assert.fail(`expected Present, got ${observation._tag}`)
})

const failsWith = (tag: "NotFound" | "PidUnavailable") =>
  Effect.fnUntraced(function* <A>(effect: Effect.Effect<A, { readonly _tag: string }>) {
    assert.strictEqual((yield* Effect.flip(effect))._tag, tag)
  })
const notFound = failsWith("NotFound")
const unavailable = failsWith("PidUnavailable")

describe("numbers", () => {
  test(
    "run up from the reader's, wrap at pidMax, and pass by what is in use",
    (table) =>
      Effect.gen(function* () {
        const first = yield* Effect.replicateEffect(table.spawn(), 4)
        assert.deepStrictEqual(first, [2, 3, 4, 5])
        yield* table.exit(Pid.make(3))
        yield* table.exit(Pid.make(4))
        yield* table.exit(Pid.make(5))
        assert.deepStrictEqual(yield* Effect.replicateEffect(table.spawn(), 3), [6, 7, 8])
        assert.deepStrictEqual(yield* Effect.replicateEffect(table.spawn(), 3), [3, 4, 5])
      }),
    small(8)
  )

  test(
    "are recycled by themselves, round and round",
    (table) =>
      Effect.gen(function* () {
        const pids: Array<number> = []
        for (let round = 0; round < 9; round++) {
          const pid = yield* table.spawn()
          pids.push(pid)
          yield* table.exit(pid)
        }
        assert.deepStrictEqual(pids, [2, 3, 4, 2, 3, 4, 2, 3, 4])
      }),
    small(4)
  )

  test(
    "of zombies and threads stay taken, until reaped or ended",
    (table) =>
      Effect.gen(function* () {
        const [zombie, process] = [yield* table.spawn(), yield* table.spawn()]
        const thread = yield* table.addThread(process)
        yield* table.zombie(zombie)
        assert.deepStrictEqual([zombie, process, thread], [2, 3, 4])
        yield* unavailable(table.spawn())
        yield* table.reap(zombie)
        assert.strictEqual(yield* table.spawn(), 2)
        yield* unavailable(table.spawn())
        yield* table.exitThread(thread)
        assert.strictEqual(yield* table.spawn(), 4)
        yield* unavailable(table.addThread(process))
      }),
    small(4)
  )

  test(
    "of all threads are free when the process exits",
    (table) =>
      Effect.gen(function* () {
        const process = yield* table.spawn()
        yield* Effect.replicateEffect(table.addThread(process), 2)
        yield* unavailable(table.spawn())
        yield* table.exit(process)
        assert.deepStrictEqual(yield* Effect.replicateEffect(table.spawn(), 3), [2, 3, 4])
      }),
    small(4)
  )

  test("can be chosen, and the next one follows", (table) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* table.spawnAt(Pid.make(700)), 700)
      assert.strictEqual(yield* table.spawn(), 701)
      assert.strictEqual(yield* table.spawnAt(Pid.make(500)), 500)
      assert.strictEqual(yield* table.spawn(), 501)
      assert.strictEqual(yield* table.spawnAt(Pid.make(4_000_000)), 4_000_000)
      assert.isAtMost(yield* table.spawn(), 1024)
    }))

  test("in use can't be chosen: of a process, a zombie, a thread, the reader", (table) =>
    Effect.gen(function* () {
      const [process, zombie] = [yield* table.spawn(), yield* table.spawn()]
      const thread = yield* table.addThread(process)
      yield* table.zombie(zombie)
      for (const pid of [process, zombie, thread, Pid.make(1)]) {
        const error = yield* Effect.flip(table.spawnAt(pid))
        assert.strictEqual(error._tag, "PidUnavailable")
        assert.include(error.message, `${pid}`)
      }
    }))

  test("chosen for the same executable give another process", (table, inspector) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn({ exe: "/usr/bin/node" })
      const [before, id] = [yield* inspector.identify(pid), yield* table.idOf(pid)]
      yield* table.exit(pid)
      yield* table.spawnAt(pid, { exe: "/usr/bin/node" })
      const after = yield* inspector.identify(pid)
      assert.deepStrictEqual(after.exe, before.exe)
      assert.strictEqual(after.startTime, before.startTime)
      assert.notStrictEqual(after.processId64, before.processId64)
      assert.notStrictEqual(yield* table.idOf(pid), id)
      assert.deepStrictEqual([yield* table.isAlive(id), yield* table.isAlive(yield* table.idOf(pid))], [false, true])
    }))

  const Step = Schema.Struct({
    what: Schema.Literals(["spawn", "spawn", "thread", "exit", "zombie", "reap"]),
    at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 }))
  })

  /** Runs the steps, and keeps its own list of PIDs in use and their processes. */
  const play = Effect.fnUntraced(function* (steps: ReadonlyArray<typeof Step.Type>) {
    const table = yield* FakeProcessTable.FakeProcessTable
    const taken = new Map<Pid, Pid>([[Pid.make(1), Pid.make(1)]])
    const free = (owner: Pid, leader: boolean) => {
      for (const [number, of] of taken) if (of === owner && (leader || number !== owner)) taken.delete(number)
    }
    for (const { at, what } of steps) {
      const pids = yield* table.pids
      assert.deepStrictEqual(new Set(pids), new Set(taken.values()))
      const pid = pids[at % pids.length] ?? Pid.make(1)
      const isZombie = (yield* seen(pid).pipe(Effect.map(({ state }) => state))) === "Z"
      if (what === "spawn" || what === "thread") {
        const given = yield* Effect.option(what === "spawn" ? table.spawn() : table.addThread(pid))
        if (given._tag === "None") assert.isTrue(taken.size === 6 || (what === "thread" && isZombie))
        else {
          assert.isFalse(taken.has(given.value))
          taken.set(given.value, what === "spawn" ? given.value : pid)
        }
      } else if (what === "zombie") {
        yield* table.zombie(pid)
        free(pid, false)
      } else if (pid !== 1) {
        const done = yield* Effect.result(what === "exit" ? table.exit(pid) : table.reap(pid))
        assert.strictEqual(done._tag, what === "exit" || isZombie ? "Success" : "Failure")
        if (done._tag === "Success") free(pid, true)
      }
    }
  })

  it.effect.prop(
    "are never given to two, and only refused where all are taken",
    [Arbitrary.array(Arbitrary.schema(Step), { maxLength: 60 })],
    ([steps]) => play(steps).pipe(Effect.provide(small(6))),
    runs(300)
  )
})

describe("time", () => {
  test("stands still with the Clock: two processes of one tick differ in their 64-bit id alone", (table, inspector) =>
    Effect.gen(function* () {
      const one = yield* inspector.identify(yield* table.spawn())
      yield* TestClock.adjust(9)
      const two = yield* inspector.identify(yield* table.spawn())
      yield* TestClock.adjust(1)
      const three = yield* inspector.identify(yield* table.spawn())
      assert.strictEqual(one.startTime, two.startTime)
      assert.notStrictEqual(one.processId64, two.processId64)
      assert.strictEqual(Number(three.startTime), Number(two.startTime) + 1)
    }))

  test("passes by ticks of 10 ms, with the Clock or by hand", (table, inspector) =>
    Effect.gen(function* () {
      const start = Effect.flatMap(table.spawn(), (pid) =>
        Effect.map(inspector.identify(pid), (it) => Number(it.startTime))
      )
      const first = yield* start
      yield* table.tick()
      assert.strictEqual(yield* start, first + 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* start, first + 101)
      yield* table.tick(50)
      assert.strictEqual(yield* start, first + 151)
    }))

  test("a process keeps its start, and its estimated start, while time passes", (table) =>
    Effect.gen(function* () {
      yield* TestClock.adjust(5000)
      const pid = yield* table.spawn()
      const before = yield* seen(pid)
      assert.strictEqual(before.startedAt, 5000)
      yield* TestClock.adjust(7000)
      yield* table.tick(3)
      assert.deepStrictEqual(yield* seen(pid), before)
    }))

  test("a wall clock that is set moves the estimate, and no tick", (table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      const before = yield* seen(pid)
      yield* table.setWallClock(-60_000)
      const after = yield* seen(pid)
      assert.strictEqual(after.startTime, before.startTime)
      assert.strictEqual(after.startedAt, (before.startedAt ?? 0) - 60_000)
      yield* table.setWallClock(0)
      assert.deepStrictEqual(yield* seen(pid), before)
    }))

  test("a time namespace shifts every tick that is read, unsigned", (table, inspector) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      const [before, host] = [yield* seen(pid), yield* inspector.host]
      yield* table.setTimeNamespace(10_000_000)
      assert.strictEqual(Number((yield* seen(pid)).startTime), Number(before.startTime) + 10_000_000)
      assert.deepStrictEqual([host.timeOffset, (yield* inspector.host).timeOffset], ["0", "100000000000000"])
      assert.strictEqual((yield* inspector.identify(pid)).timeOffset, (yield* inspector.host).timeOffset)
      yield* table.setTimeNamespace(-1 - Number(before.startTime))
      assert.strictEqual((yield* seen(pid)).startTime, "18446744073709551615")
      yield* table.setTimeNamespace(0)
      assert.deepStrictEqual(yield* inspector.host, host)
      assert.deepStrictEqual(yield* seen(pid), before)
    }))
})

describe("lives", () => {
  test("a zombie is present, doesn't live, and has no executable", (table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      yield* table.addThread(pid)
      const id = yield* table.idOf(pid)
      yield* table.zombie(pid)
      const { exe, exeError, state, threads } = yield* seen(pid)
      assert.deepStrictEqual(
        { exe, exeError, state, threads },
        { exe: undefined, exeError: "not-available", state: "Z", threads: 1 }
      )
      assert.isFalse(yield* table.isAlive(id))
      assert.include(yield* table.pids, pid)
    }))

  test("what runs can't be reaped, and what doesn't can't exec nor start a thread", (table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      yield* notFound(table.reap(pid))
      yield* table.zombie(pid)
      yield* notFound(table.exec(pid, "/bin/other"))
      yield* notFound(table.addThread(pid))
      assert.strictEqual((yield* seen(pid)).state, "Z")
      yield* table.reap(pid)
      yield* notFound(table.reap(pid))
    }))

  test("a leader that exited is Z with its threads counted, and lives until the last one ends", (table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      const id = yield* table.idOf(pid)
      const [one, two] = [yield* table.addThread(pid), yield* table.addThread(pid)]
      yield* table.exitLeader(pid)
      const leader = yield* seen(pid)
      assert.deepStrictEqual([leader.state, leader.threads, leader.exeError], ["Z", 3, "not-available"])
      assert.strictEqual((yield* seen(one)).state, "S")
      yield* notFound(table.reap(pid))
      yield* table.exitThread(one)
      assert.isTrue(yield* table.isAlive(id))
      yield* table.exitThread(two)
      assert.isFalse(yield* table.isAlive(id))
      assert.strictEqual((yield* seen(pid)).threads, 1)
      yield* table.reap(pid)
    }))

  test("a leader without threads that exits is a zombie", (table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      yield* table.exitLeader(pid)
      assert.deepStrictEqual([(yield* seen(pid)).state, (yield* seen(pid)).threads], ["Z", 1])
    }))

  test("a thread has a start of its own, no 64-bit id, and no controls", (table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      yield* table.tick(5)
      const tid = yield* table.addThread(pid)
      const [process, thread] = [yield* seen(pid), yield* seen(tid)]
      assert.strictEqual(thread.tgid, pid)
      assert.strictEqual(thread.pid, tid)
      assert.strictEqual(Number(thread.startTime), Number(process.startTime) + 5)
      assert.isUndefined(thread.processId64)
      assert.strictEqual(process.threads, 2)
      for (const control of [
        table.exit(tid),
        table.zombie(tid),
        table.exec(tid, "/x"),
        table.hide(tid),
        table.idOf(tid)
      ]) {
        yield* notFound(control)
      }
      yield* notFound(table.exitThread(pid))
    }))

  test("exec keeps PID, start and 64-bit id, and changes the rest", (table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      const id = yield* table.idOf(pid)
      const before = yield* seen(pid)
      const thread = yield* table.addThread(pid)
      yield* table.exitLeader(pid)
      yield* table.tick(5)
      yield* table.exec(pid, "/opt/a-command-with-a-long-name")
      const after = yield* seen(pid)
      assert.deepStrictEqual(lose(after, ["exe", "comm"]), lose(before, ["exe", "comm"]))
      assert.strictEqual(after.exe?.path, "/opt/a-command-with-a-long-name")
      assert.strictEqual(after.comm, "a-command-with-")
      assert.isTrue(yield* table.isAlive(id))
      assert.strictEqual((yield* (yield* ProcessInspector).observe(thread))._tag, "Absent")
    }))

  test("a fork is what its parent is, but for what is given", (table) =>
    Effect.gen(function* () {
      const parent = yield* table.spawn({ exe: "/bin/vm", uid: 7, comm: "vm: main" })
      const [child, other] = [yield* table.spawn({ parent }), yield* table.spawn({ parent, exe: "/bin/x" })]
      yield* table.exit(parent)
      const [one, two] = [yield* seen(child), yield* seen(other)]
      assert.deepStrictEqual([one.comm, one.uid], ["vm: main", 7])
      assert.deepStrictEqual([two.comm, two.uid], ["x", 7])
      yield* notFound(table.spawn({ parent }))
    }))

  test("scenario 17: a stopped process is in state T, and lives", (table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      yield* table.stop(pid)
      assert.strictEqual((yield* seen(pid)).state, "T")
      assert.isTrue(yield* table.isAlive(yield* table.idOf(pid)))
      yield* table.resume(pid)
      assert.strictEqual((yield* seen(pid)).state, "S")
    }))

  test("controls of an absent PID fail", (table) =>
    Effect.gen(function* () {
      const pid = Pid.make(900)
      const controls = [
        table.exit,
        table.zombie,
        table.reap,
        table.exitLeader,
        table.exitThread,
        table.stop,
        table.resume,
        table.deleteExe,
        table.deny,
        table.hide,
        table.allow
      ]
      for (const control of controls) yield* notFound(control(pid))
      yield* notFound(table.addThread(pid))
      yield* notFound(table.exec(pid, "/x"))
      yield* notFound(table.renameExe(pid, "/x"))
      yield* notFound(table.idOf(pid))
      assert.isFalse(yield* table.isAlive("900"))
    }))
})

describe("executables", () => {
  const path = (pid: Pid) => Effect.map(seen(pid), ({ exe }) => exe?.path)

  test("of one path are one file; renamed and deleted ones keep their inode", (table) =>
    Effect.gen(function* () {
      const [one, two] = [yield* table.spawn({ exe: "/bin/a" }), yield* table.spawn({ exe: "/bin/a" })]
      const other = yield* table.spawn({ exe: "/bin/b" })
      const { exe } = yield* seen(one)
      assert.deepStrictEqual((yield* seen(two)).exe, exe)
      assert.notStrictEqual((yield* seen(other)).exe?.ino, exe?.ino)
      yield* table.renameExe(one, "/bin/a.old")
      assert.deepStrictEqual((yield* seen(one)).exe, { ...exe, path: "/bin/a.old" })
      yield* table.deleteExe(one)
      assert.deepStrictEqual((yield* seen(one)).exe, { ...exe, path: "/bin/a.old (deleted)" })
    }))

  test("scenario 23: a file really named (deleted) gets a second suffix", (table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn({ exe: "/bin/a (deleted)" })
      assert.strictEqual(yield* path(pid), "/bin/a (deleted)")
      yield* table.deleteExe(pid)
      assert.strictEqual(yield* path(pid), "/bin/a (deleted) (deleted)")
    }))

  test("of another user are refused, start and id are not", (table, inspector) =>
    Effect.gen(function* () {
      const other = yield* table.spawn({ uid: 0 })
      const own = yield* table.spawn()
      yield* table.deny(own)
      for (const pid of [other, own]) {
        const process = yield* seen(pid)
        assert.strictEqual(process.exeError, "permission-denied")
        assert.isUndefined(process.exe)
        assert.isDefined(process.startTime)
        assert.isDefined(process.processId64)
        assert.isUndefined((yield* inspector.identify(pid)).exe)
      }
      yield* table.allow(own)
      assert.isDefined((yield* seen(own)).exe)
    }))

  test(
    "of other users are root's to read",
    (table) =>
      Effect.gen(function* () {
        assert.isDefined((yield* seen(yield* table.spawn({ uid: 1000 }))).exe)
      }),
    FakeProcessTable.layerWith({ uid: 0 })
  )
})

describe("what can't be seen", () => {
  const depths = ["existence", "identity", "path", "executable", "all"] as const

  test("a hidden process is hidden at every depth, and lives; then it is seen again", (table, inspector) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      const before = yield* seen(pid)
      yield* table.hide(pid)
      for (const depth of depths) assert.strictEqual((yield* inspector.observe(pid, depth))._tag, "Hidden")
      assert.strictEqual((yield* Effect.flip(inspector.identify(pid)))._tag, "PermissionDenied")
      assert.isTrue(yield* table.isAlive(yield* table.idOf(pid)))
      yield* table.allow(pid)
      assert.deepStrictEqual(yield* seen(pid), before)
    }))

  for (const reason of ["no-procfs", "resources", "malformed", "unsupported"] as const) {
    test(`a question that fails (${reason}) is unavailable, whatever the process, until restored`, (table, inspector) =>
      Effect.gen(function* () {
        const pid = yield* table.spawn()
        const before = yield* seen(pid)
        const free = Pid.make(900)
        yield* table.fail(free, reason)
        assert.deepStrictEqual(yield* seen(pid), before)
        yield* table.fail("all", reason)
        yield* table.exit(pid)
        for (const depth of depths) {
          for (const asked of [pid, free]) {
            const answer = yield* inspector.observe(asked, depth)
            assert.strictEqual(answer._tag === "Unavailable" ? answer.reason : answer._tag, reason)
          }
        }
        assert.strictEqual((yield* Effect.flip(inspector.identify(pid)))._tag, "IdentityUnavailable")
        assert.strictEqual((yield* Effect.flip(inspector.self))._tag, "IdentityUnavailable")
        yield* table.restore
        assert.strictEqual((yield* inspector.observe(pid))._tag, "Absent")
        assert.strictEqual((yield* inspector.observe(free))._tag, "Absent")
      }))
  }

  test("a masked datum is missing, from host, process and identity alike", (table, inspector) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      yield* table.mask("bootId", "machineId", "pidNamespace", "pidNamespaceInit", "timeOffset", "virtualMachine")
      assert.deepStrictEqual(yield* inspector.host, { hostname: "host", namespaces: "supported" })
      const identity = yield* inspector.identify(pid)
      assert.deepStrictEqual(Object.keys(identity).sort(), [
        "exe",
        "hostname",
        "pid",
        "processId64",
        "startTime",
        "uid"
      ])
      yield* table.mask("tgid", "state", "threads", "startTime", "startedAt", "bootedAt", "processId64", "uid", "comm")
      assert.deepStrictEqual(Object.keys(yield* seen(pid)).sort(), ["_tag", "exe", "pid"])
      assert.strictEqual((yield* Effect.flip(inspector.identify(pid)))._tag, "IdentityUnavailable")
      yield* table.mask()
      assert.isDefined((yield* inspector.host).bootId)
      assert.isDefined((yield* seen(pid)).startTime)
    }))

  test("each depth gives what it is named for, and no more", (table) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      const keys = Effect.fnUntraced(function* (wanted: ObserveDepth) {
        const { _tag: _, pid: __, comm: ___, ...rest } = yield* seen(pid, wanted)
        return Object.keys(rest satisfies Partial<Present>).sort()
      })
      const existence = ["state", "tgid", "threads"]
      assert.deepStrictEqual(yield* keys("existence"), existence)
      assert.deepStrictEqual(yield* keys("identity"), ["processId64", ...existence])
      assert.deepStrictEqual(
        yield* keys("executable"),
        ["bootedAt", "exe", "startTime", "startedAt", ...existence].sort()
      )
      assert.deepStrictEqual(
        yield* keys("all"),
        ["bootedAt", "exe", "processId64", "startTime", "startedAt", "uid", ...existence].sort()
      )
      yield* table.mask("processId64")
      assert.deepStrictEqual(yield* keys("identity"), ["startTime", ...existence].sort())
    }))
})

describe("boots and machines", () => {
  test("a reboot ends all, changes the boot id alone, and starts every count again", (table, inspector) =>
    Effect.gen(function* () {
      const pid = yield* table.spawn()
      const [id, before, host] = [yield* table.idOf(pid), yield* inspector.identify(pid), yield* inspector.host]
      yield* table.fail("all", "resources")
      yield* table.setTimeNamespace(5)
      yield* TestClock.adjust("1 hour")
      yield* table.reboot()
      assert.isFalse(yield* table.isAlive(id))
      assert.strictEqual((yield* inspector.observe(pid))._tag, "Absent")
      assert.deepStrictEqual<ReadonlyArray<number>>(yield* table.pids, [1])
      const now = yield* inspector.host
      assert.deepStrictEqual(lose(now, ["bootId"]), lose(host, ["bootId"]))
      assert.notStrictEqual(now.bootId, host.bootId)
      assert.strictEqual(yield* table.spawn(), pid)
      const after = yield* inspector.identify(pid)
      assert.deepStrictEqual({ ...after, bootId: before.bootId }, { ...before })
      assert.notStrictEqual(yield* table.idOf(pid), id)
      assert.strictEqual((yield* inspector.self).pid, 1)
    }))

  test("boot ids never come again", (table, inspector) =>
    Effect.gen(function* () {
      const ids = new Set<string | undefined>()
      for (let boot = 0; boot < 20; boot++) {
        ids.add((yield* inspector.host).bootId)
        yield* boot % 2 === 0 ? table.reboot() : table.otherMachine
      }
      assert.strictEqual(ids.size, 20)
    }))

  test("another machine differs in boot, machine and name; a clone in what it is given", (table, inspector) =>
    Effect.gen(function* () {
      const one = yield* inspector.host
      yield* table.otherMachine
      const two = yield* inspector.host
      for (const key of ["bootId", "machineId", "hostname"] as const) assert.notStrictEqual(two[key], one[key])
      yield* table.reboot({ hostname: "clone" })
      const three = yield* inspector.host
      assert.deepStrictEqual([three.machineId, three.hostname], [two.machineId, "clone"])
    }))
})

describe("PID namespaces", () => {
  const { initialPidNamespace } = FakeProcessTable
  const container = "pid:[2]"

  test("have numbers of their own, and a reader of their own", (table, inspector) =>
    Effect.gen(function* () {
      const outside = yield* inspector.self
      const process = yield* inspector.identify(yield* table.spawn({ exe: "/bin/outside" }))
      yield* table.enterPidNamespace(container)
      const inside = yield* inspector.self
      assert.strictEqual(inside.pid, outside.pid)
      assert.notStrictEqual(inside.processId64, outside.processId64)
      assert.strictEqual(inside.pidNamespace, container)
      assert.strictEqual((yield* inspector.host).pidNamespace, container)
      assert.strictEqual((yield* inspector.host).bootId, outside.bootId)
      assert.strictEqual((yield* inspector.observe(process.pid))._tag, "Absent")
      assert.strictEqual(yield* table.spawn({ exe: "/bin/inside" }), process.pid)
      yield* table.enterPidNamespace(initialPidNamespace)
      assert.deepStrictEqual(yield* inspector.identify(process.pid), process)
      assert.deepStrictEqual(yield* inspector.self, outside)
      yield* table.enterPidNamespace(container)
      assert.deepStrictEqual(yield* inspector.self, inside)
    }))

  test("that end take their processes with them, and their number may come again", (table, inspector) =>
    Effect.gen(function* () {
      yield* table.enterPidNamespace(container)
      const first = yield* inspector.self
      const id = yield* table.idOf(yield* table.spawn())
      yield* table.enterPidNamespace(initialPidNamespace)
      yield* table.endPidNamespace(container)
      assert.isFalse(yield* table.isAlive(id))
      yield* table.enterPidNamespace(container)
      const again = yield* inspector.self
      assert.deepStrictEqual([again.pid, again.pidNamespace], [first.pid, first.pidNamespace])
      assert.notStrictEqual(again.processId64, first.processId64)
      yield* table.endPidNamespace(container)
      assert.strictEqual((yield* Effect.flip(inspector.self))._tag, "IdentityUnavailable")
    }))

  test("are proved by a reader in the initial one that sees all", (table) =>
    Effect.gen(function* () {
      yield* table.enterPidNamespace(container)
      const pid = yield* table.spawn()
      const [other, free] = [yield* table.spawn(), Pid.make(900)]
      const proof = (of: Pid) =>
        Effect.map(table.namespaceProof({ pid: of, pidNamespace: container }), (proof) =>
          proof._tag === "Found" ? proof.observation._tag : proof._tag
        )
      assert.strictEqual(yield* proof(pid), "Incomplete")
      yield* table.enterPidNamespace(initialPidNamespace)
      assert.strictEqual(yield* proof(pid), "Present")
      assert.strictEqual(yield* proof(free), "Absent")
      const hidden = yield* table.spawn()
      yield* table.hide(hidden)
      assert.strictEqual(yield* proof(pid), "Incomplete")
      yield* table.allow(hidden)
      yield* table.fail(other, "resources")
      assert.strictEqual(yield* proof(pid), "Incomplete")
      yield* table.restore
      yield* table.endPidNamespace(container)
      assert.strictEqual(yield* proof(pid), "Gone")
    }))

  test("are told apart by their first process where the number comes again", (table, inspector) =>
    Effect.gen(function* () {
      yield* table.enterPidNamespace(container)
      const [first, { pidNamespaceInit }] = [yield* inspector.self, yield* inspector.host]
      assert.deepStrictEqual(pidNamespaceInit, { startTime: first.startTime, processId64: first.processId64 ?? "none" })
      const inside = yield* inspector.identify(yield* table.spawn())
      assert.deepStrictEqual(inside.pidNamespaceInit, pidNamespaceInit)
      yield* table.setTimeNamespace(7)
      assert.strictEqual((yield* inspector.host).pidNamespaceInit?.startTime, `${Number(first.startTime) + 7}`)
      yield* table.setTimeNamespace(0)
      yield* table.endPidNamespace(container)
      assert.isUndefined((yield* inspector.host).pidNamespaceInit)
      yield* table.enterPidNamespace(container)
      const again = yield* inspector.host
      assert.strictEqual(again.pidNamespace, inside.pidNamespace)
      assert.strictEqual(again.pidNamespaceInit?.startTime, pidNamespaceInit?.startTime)
      assert.notStrictEqual(again.pidNamespaceInit?.processId64, pidNamespaceInit?.processId64)
      yield* table.mask("processId64")
      assert.deepStrictEqual(Object.keys((yield* inspector.host).pidNamespaceInit ?? {}), ["startTime"])
    }))

  test("are searched by a reader in the initial one for the one process that has an id", (table, inspector) =>
    Effect.gen(function* () {
      yield* table.enterPidNamespace(container)
      const pid = yield* table.spawn()
      const { pidNamespaceInit, processId64 } = yield* inspector.identify(pid)
      assert.isDefined(processId64)
      const sought = { pid, pidNamespace: container, ...(pidNamespaceInit === undefined ? {} : { pidNamespaceInit }) }
      const proof = (of: Parameters<typeof table.namespaceProof>[0]) =>
        Effect.map(table.namespaceProof(of, "existence"), (proof) =>
          proof._tag === "Found" ? proof.observation._tag : proof._tag === "Gone" ? proof.by : proof._tag
        )
      yield* table.enterPidNamespace(initialPidNamespace)
      // In the initial namespace, the number of the recorded namespace makes no difference.
      assert.strictEqual(yield* proof({ pid, processId64 }), "Present")
      assert.strictEqual(yield* proof({ pid, processId64: "1" }), "processId64")
      assert.strictEqual(yield* proof({ pid }), "Incomplete")
      assert.strictEqual(yield* proof(sought), "Present")
      const other = yield* table.reader({ pidNamespace: container })
      yield* Effect.provideContext(
        use((inside) => inside.zombie(pid)),
        other
      )
      const zombie = yield* table.namespaceProof({ pid, processId64 })
      assert.strictEqual(
        zombie._tag === "Found" && zombie.observation._tag === "Present" && zombie.observation.state,
        "Z"
      )
      yield* table.endPidNamespace(container)
      assert.strictEqual(yield* proof({ pid, processId64 }), "processId64")
      yield* table.reader({ pidNamespace: container })
      assert.strictEqual(yield* proof(sought), "namespace")
      assert.strictEqual(yield* proof({ pid, pidNamespace: container }), "Absent")
    }))

  test(
    "don't exist on every kernel",
    (_, inspector) =>
      Effect.gen(function* () {
        const { namespaces, pidNamespace, timeOffset } = yield* inspector.host
        assert.deepStrictEqual([namespaces, pidNamespace, timeOffset], ["none", undefined, undefined])
        assert.isUndefined((yield* inspector.self).pidNamespace)
      }),
    FakeProcessTable.layerWith({ namespaces: "none" })
  )
})

describe("readers", () => {
  const container = "pid:[2]"

  test("a boot id that a file is mounted over is missing, and says why", (table, inspector) =>
    Effect.gen(function* () {
      const { bootId } = yield* inspector.host
      yield* table.coverBootId({ problem: "covered" })
      const covered = yield* inspector.host
      assert.deepStrictEqual([covered.bootId, covered.bootIdProblem], [undefined, "covered"])
      const identity = yield* inspector.self
      assert.notProperty(identity, "bootId")
      assert.notProperty(identity, "bootIdProblem")
      yield* table.coverBootId({ seenByRoot: true })
      assert.isUndefined((yield* inspector.host).bootId)
      const root = yield* table.reader({ uid: 0 })
      const host = yield* Effect.provideContext(
        ProcessInspector.use((inspector) => inspector.host),
        root
      )
      assert.deepStrictEqual([host.bootId, host.bootIdProblem], [bootId, undefined])
      yield* table.coverBootId(undefined)
      assert.strictEqual((yield* inspector.host).bootId, bootId)
    }))

  test("each stands where it was put, on one kernel", (table, inspector) =>
    Effect.gen(function* () {
      const host = yield* inspector.host
      const place = { pidNamespace: container, timeOffset: 5, cover: {}, hostname: "inside", machineId: "d" }
      const there = <A, E>(
        f: (
          inspector: ProcessInspector["Service"],
          table: FakeProcessTable.FakeProcessTable["Service"]
        ) => Effect.Effect<A, E>
      ) =>
        Effect.provideContext(
          ProcessInspector.use((inspector) => use((table) => f(inspector, table))),
          inside
        )
      const inside = yield* table.reader(place)
      const seen = yield* there((inspector) => inspector.host)
      assert.deepInclude(seen, { hostname: "inside", machineId: "d", pidNamespace: container, timeOffset: "50000000" })
      assert.isUndefined(seen.bootId)
      assert.deepStrictEqual(yield* inspector.host, host)
      const pid = yield* there((_, table) => table.spawn())
      const { processId64 = "none" } = yield* there((inspector) => inspector.identify(pid))
      assert.strictEqual((yield* inspector.observe(pid))._tag, "Absent")
      assert.strictEqual((yield* table.namespaceProof({ pid, processId64 }))._tag, "Found")
      const outside = yield* table.spawn()
      assert.strictEqual(outside, pid)
      assert.notStrictEqual((yield* inspector.identify(outside)).processId64, processId64)
      yield* there((_, table) => table.enterPidNamespace("pid:[3]"))
      assert.deepStrictEqual(yield* inspector.host, host)
      yield* table.reboot()
      assert.strictEqual((yield* Effect.flip(there((inspector) => inspector.self)))._tag, "IdentityUnavailable")
    }))

  it.effect("two kernels have no boot id in common, unless one is a copy of the other", () =>
    Effect.gen(function* () {
      const bootIdOf = (options: FakeProcessTable.Options) =>
        Effect.provide(
          ProcessInspector.use((inspector) => Effect.map(inspector.host, ({ bootId }) => bootId)),
          FakeProcessTable.layerWith(options)
        )
      const first = yield* bootIdOf({})
      assert.notStrictEqual(yield* bootIdOf({ kernel: 1 }), first)
      assert.strictEqual(yield* bootIdOf({ kernel: 0, hostname: "copy" }), first)
    })
  )
})

describe("layers", () => {
  it.effect("each use has a table of its own", () =>
    Effect.gen(function* () {
      const spawn = use((table) => table.spawn()).pipe(Effect.provide(FakeProcessTable.layer))
      assert.deepStrictEqual([yield* spawn, yield* spawn], [2, 2])
    })
  )

  test("64-bit ids can be left out, and are past 2^53 where they aren't", (table, inspector) =>
    Effect.gen(function* () {
      const { processId64 } = yield* inspector.identify(yield* table.spawn())
      assert.isTrue(BigInt(processId64 ?? "0") > 2n ** 53n)
    }))

  test(
    "64-bit ids are left out of processes and identities",
    (table, inspector) =>
      Effect.gen(function* () {
        const pid = yield* table.spawn()
        assert.isUndefined((yield* inspector.identify(pid)).processId64)
        assert.isUndefined((yield* seen(pid)).processId64)
      }),
    FakeProcessTable.layerWith({ processIds: false })
  )
})
