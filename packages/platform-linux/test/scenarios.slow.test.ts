/** Situations of the catalogue that need a whole system, each judged as a sweep judges it. */
import { assert, describe, it } from "@effect/vitest"
import type { ObserveDepth } from "@vm-sentinel/core/Observation"
import { Pid, ProcessIdentity } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect, Layer, Schema } from "effect"
import { readdirSync, unlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import {
  answer,
  circumstances,
  judged,
  judgedIdentity,
  recordOf,
  withoutId64
} from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import * as LinuxProcessInspector from "../src/LinuxProcessInspector.ts"
import * as PidNamespace from "../src/testing/PidNamespace.ts"
import { noNamespace, notRoot, patience, type Place, places, unavailable } from "./support/inspectorsElsewhere.ts"
import { because } from "@vm-sentinel/core/test/support/able"
import { judge } from "@vm-sentinel/core/test/support/judging"
import { scriptOf } from "./support/prebuilt.ts"
import { hasCompiler, noCompiler, Programs } from "./support/programs.ts"
import * as Protocol from "./agents/inspectorProtocol.ts"
import * as Remote from "./support/remoteInspector.ts"
import { executableOf, makeWorld, piped, until } from "./support/processes.ts"

const here = makeWorld()
const layers = { pidfd: LinuxProcessInspector.layer, procfs: LinuxProcessInspector.layerProcfs } as const
const kinds = ["pidfd", "procfs"] as const

const identify = (pid: Pid) => ProcessInspector.use((inspector) => inspector.identify(pid))
const observe = (pid: Pid, wanted: ObserveDepth = "all") =>
  ProcessInspector.use((inspector) => inspector.observe(pid, wanted))

/** Runs an effect with an inspector somewhere else in the system. */
const from = (place: Place, kind: Remote.Kind) => Effect.provide(Remote.under(places[place], kind))

const placed = (place: Place, title: string, body: (kind: Remote.Kind) => Effect.Effect<void, unknown, Programs>) => {
  const reason = notRoot ?? unavailable(place)
  for (const kind of kinds) {
    it.live.skipIf(reason !== undefined)(
      because(`${title} (${kind})`, reason),
      () => Effect.provide(body(kind), Programs.layer),
      patience
    )
  }
}

for (const kind of kinds) {
  it.layer(Layer.merge(layers[kind], Programs.layer))(`here, ${kind}`, (it) => {
    it.effect("scenario 13: our own number with another start is never us", () =>
      Effect.gen(function* () {
        const self = yield* ProcessInspector.use(({ self }) => self)
        const { processId64: _, ...weak } = self
        const other = new ProcessIdentity({ ...weak, startTime: `${BigInt(self.startTime) - 1n}` })
        assert.strictEqual(answer(yield* judgedIdentity(other)), "dead start-time-mismatch")
      })
    )

    it.effect("scenario 22: an executable that was deleted is still the owner's", () =>
      Effect.gen(function* () {
        const path = `${(yield* Programs).named("upgraded")}`
        const { pid } = yield* piped(path, ["1000000"])
        const recorded = yield* identify(Pid.make(pid))
        unlinkSync(path)
        const now = yield* identify(Pid.make(pid))
        assert.strictEqual(now.exe?.path, `${path} (deleted)`)
        assert.strictEqual(now.exe?.ino, recorded.exe?.ino)
        assert.strictEqual(answer(yield* judgedIdentity(recorded)), "alive matches")
        const v2 = { _tag: "V2", pid: Pid.make(pid), executable: path } as const
        assert.strictEqual(answer(yield* judged(v2)), "alive matches")
      })
    )

    it.effect("scenario 23: an executable whose name really ends so is itself", () =>
      Effect.gen(function* () {
        const path = `${(yield* Programs).named("program (deleted)")}`
        const pid = Pid.make((yield* piped(path, ["1000000"])).pid)
        assert.strictEqual((yield* identify(pid)).exe?.path, path)
        assert.strictEqual(answer(yield* judged({ _tag: "V2", pid, executable: path })), "alive matches")
        unlinkSync(path)
        assert.strictEqual((yield* identify(pid)).exe?.path, `${path} (deleted)`)
        assert.strictEqual(answer(yield* judged({ _tag: "V2", pid, executable: path })), "alive matches")
      })
    )

    it.effect("scenario 24: an owner is gone though its fork lives on, with the same executable", () =>
      Effect.gen(function* () {
        const fifo = join((yield* Programs).folder, "fifo")
        const script = 'mkfifo "$1"; ( exec 3<>"$1"; read word <&3 ) & echo $!; read word'
        const parent = yield* piped("sh", ["-c", script, "sh", fifo])
        const child = Pid.make(Number(yield* parent.line))
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (executableOf(child) !== undefined) process.kill(child, "SIGKILL")
          })
        )
        const recorded = yield* identify(Pid.make(parent.pid))
        yield* parent.kill
        assert.strictEqual(answer(yield* judgedIdentity(recorded)), "dead pid-dead")
        const left = yield* identify(child)
        assert.strictEqual(left.exe?.path, recorded.exe?.path)
        assert.strictEqual(answer(yield* judgedIdentity(left)), "alive matches")
      })
    )

    it.effect.each([") Z 1 (", "a\nb) Z", "(", "x )"])("scenario 25: a process named %j is alive", (name) =>
      Effect.gen(function* () {
        const path = `${(yield* Programs).named(name)}`
        const pid = Pid.make((yield* piped(path, ["1000000"])).pid)
        assert.deepInclude(yield* observe(pid), { _tag: "Present", tgid: pid, comm: name, threads: 1 })
        assert.strictEqual(answer(yield* judgedIdentity(yield* identify(pid))), "alive matches")
      })
    )

    it.effect("scenario 25: a process whose name isn't UTF-8 is alive", () =>
      Effect.gen(function* () {
        const path = (yield* Programs).named(Buffer.from([0xff, 0x29, 0x20, 0x5a]))
        const folder = dirname(path.toString("latin1"))
        const shell = yield* piped("sh", ["-c", 'exec "$1"/* 1000000', "sh", folder])
        const pid = Pid.make(shell.pid)
        yield* until("execve", () => executableOf(pid)?.startsWith(folder) === true)
        assert.include(yield* observe(pid), { _tag: "Present", tgid: pid, comm: "\uFFFD) Z", threads: 1 })
        const identity = yield* identify(pid)
        assert.isUndefined(identity.exe)
        assert.strictEqual(answer(yield* judgedIdentity(identity)), "alive matches")
      })
    )

    it.effect.skipIf(!hasCompiler)(
      because("scenario 21: execve from a thread never looks like an end", hasCompiler ? undefined : noCompiler.reason),
      () =>
        Effect.gen(function* () {
          const program = yield* piped((yield* Programs).helper("reexec"))
          yield* program.line
          const pid = Pid.make(program.pid)
          const recorded = recordOf(yield* identify(pid))
          const weak = withoutId64(recorded)
          const answers = new Set<string>()
          for (let look = 0; look < 1500; look++) {
            answers.add(answer(yield* judged(recorded)))
            answers.add(answer(yield* judged(weak)))
          }
          // The threads change so fast that four attempts at a consistent reading may fail.
          answers.delete("unknown inspection-failed")
          assert.deepStrictEqual([...answers], ["alive matches"])
        }),
      patience
    )

    it.effect("leaves no descriptor open", () =>
      Effect.gen(function* () {
        const open = () => readdirSync("/proc/self/fd").length
        const pid = yield* here.spawn
        yield* observe(pid)
        const before = open()
        for (let look = 0; look < 50; look++) {
          yield* observe(pid, "identity")
          yield* observe(pid)
          yield* observe(Pid.make(2 ** 22 + 1))
        }
        assert.strictEqual(open(), before)
      })
    )
  })
}

describe("elsewhere", () => {
  placed("shifted", "scenarios 20 and 73: starts seen from another time namespace compare by their offsets", (kind) =>
    Effect.scoped(
      Effect.gen(function* () {
        const pid = yield* here.spawn
        const mine = yield* Effect.provide(identify(pid), layers[kind])
        assert.strictEqual(mine.timeOffset, "0")
        const startingAt = (ticks: bigint) =>
          withoutId64(recordOf(new ProcessIdentity({ ...mine, startTime: `${BigInt(mine.startTime) + ticks}` })))
        yield* Effect.gen(function* () {
          const theirs = yield* identify(pid)
          assert.strictEqual(BigInt(theirs.startTime) - BigInt(mine.startTime), 10_000_000n)
          assert.strictEqual(theirs.timeOffset, "100000000000000")
          assert.strictEqual(theirs.pidNamespace, mine.pidNamespace)
          assert.strictEqual(answer(yield* judgedIdentity(mine)), "alive matches")
          assert.strictEqual(answer(yield* judgedIdentity(theirs)), "alive matches")
          // The offset is a whole number of ticks, so the conversion is exact.
          assert.strictEqual(answer(yield* judged(startingAt(0n))), "alive matches")
          for (const ticks of [-1n, 1n, 10_000_000n]) {
            assert.strictEqual(answer(yield* judged(startingAt(ticks))), "dead start-time-mismatch")
          }
          const { timeOffset: _, ...record } = startingAt(2n).record
          assert.strictEqual(answer(yield* judged({ _tag: "V3", pid, record })), "unknown not-comparable")
          // Both inspectors have the same wall clock, so both find the same times for the start and the boot.
          const [a, b] = [yield* observe(pid), yield* Effect.provide(observe(pid), layers[kind])]
          if (a._tag !== "Present" || b._tag !== "Present") return assert.fail("not present")
          assert.closeTo(a.startedAt ?? 0, b.startedAt ?? 1e9, 1000)
          assert.closeTo(a.bootedAt ?? 0, b.bootedAt ?? 1e9, 1000)
        }).pipe(from("shifted", kind))
      })
    )
  )

  for (const place of ["covered", "coveredByProcfs", "coveredFromNobody", "nspawn"] as const) {
    placed(place, `scenario 61: in "${place}" the boot id is the kernel's own, or none`, (kind) =>
      Effect.scoped(
        Effect.gen(function* () {
          const owner = yield* Effect.provide(identify(yield* here.spawn), layers[kind])
          assert.isDefined(owner.bootId)
          yield* Effect.gen(function* () {
            const host = yield* ProcessInspector.use(({ host }) => host)
            if (kind === "pidfd" && place !== "coveredFromNobody") {
              assert.strictEqual(host.bootId, owner.bootId)
              assert.isUndefined(host.bootIdProblem)
            } else {
              assert.isUndefined(host.bootId)
              assert.strictEqual(host.bootIdProblem, "a file is mounted over /proc/sys/kernel/random/boot_id")
            }
            // A process recorded here has the kernel's boot id or none, so it never seems to be of another boot.
            const recorded = yield* ProcessInspector.use(({ self }) => self)
            assert.strictEqual(recorded.bootId, host.bootId)
            assert.strictEqual(answer(yield* judgedIdentity(recorded)), "alive matches")
          }).pipe(from(place, kind))
        })
      )
    )
  }

  for (const place of ["covered", "coveredFromNobody"] as const) {
    placed(place, `scenario 61: in "${place}" an owner of this boot is judged as where the boot is known`, (kind) =>
      Effect.scoped(
        Effect.gen(function* () {
          const pid = yield* here.spawn
          const owner = yield* Effect.provide(identify(pid), layers[kind])
          const { directory: _, ...unbound } = recordOf(owner).record
          const isKnown = kind === "pidfd" && place === "covered"
          yield* Effect.gen(function* () {
            assert.strictEqual(answer(yield* judgedIdentity(owner)), "alive matches")
            // The record names no directory, so only an equal 64-bit id proves that the record is of this boot.
            const elsewhere = answer(yield* judged({ _tag: "V3", pid, record: unbound }))
            assert.strictEqual(elsewhere, kind === "pidfd" ? "alive matches" : "unknown boot-unknown")
            yield* here.exit?.(pid) ?? assert.fail("a world that can't end a process")
            // The owner is gone, whether the record is of this boot or of an earlier one.
            assert.strictEqual(answer(yield* judgedIdentity(owner)), "dead pid-dead")
            const gone = answer(yield* judged({ _tag: "V3", pid, record: unbound }))
            assert.strictEqual(gone, isKnown ? "dead pid-dead" : "unknown boot-unknown")
          }).pipe(from(place, kind))
        })
      )
    )
  }

  placed("runc", "scenario 106: the boot id is the kernel's where /proc/sys is mounted on itself", (kind) =>
    Effect.gen(function* () {
      const mine = yield* Effect.provide(
        ProcessInspector.use(({ host }) => host),
        layers[kind]
      )
      const theirs = yield* ProcessInspector.use(({ host }) => host).pipe(from("runc", kind))
      assert.deepStrictEqual(theirs, mine)
    })
  )

  placed("twin", "scenario 74: the parent's procfs isn't believed though our number agrees by chance", (kind) =>
    Effect.gen(function* () {
      const { pid } = yield* Remote.Agent
      assert.strictEqual(pid, 5000)
      const host = yield* ProcessInspector.use(({ host }) => host)
      assert.isUndefined(host.pidNamespaceInit)
      // The namespace has a first process and this agent.
      for (const target of [1, pid, 2 ** 22 + 1].map((number) => Pid.make(number))) {
        const observation = yield* observe(target)
        assert.include(observation, { _tag: "Unavailable", reason: "no-procfs" })
        if (observation._tag === "Unavailable") assert.include(observation.detail, "knows us as 5000, 5000")
        assert.strictEqual((yield* Effect.flip(identify(target)))._tag, "IdentityUnavailable")
        assert.strictEqual(answer(yield* judged({ _tag: "V1", pid: target })), "unknown no-procfs")
      }
    }).pipe(from("twin", kind))
  )

  placed("foreign", "scenario 31: a procfs of another PID namespace gives no verdict but Unknown", (kind) =>
    Effect.scoped(
      Effect.gen(function* () {
        const alive = yield* Effect.provide(identify(yield* here.spawn), layers[kind])
        yield* Effect.gen(function* () {
          const { bootId, pidNamespace, timeOffset } = yield* ProcessInspector.use(({ host }) => host)
          assert.strictEqual(bootId, alive.bootId)
          for (const pid of [alive.pid, 1, 2, process.pid, 2 ** 22 + 1].map((number) => Pid.make(number))) {
            assert.include(yield* observe(pid), { _tag: "Unavailable", reason: "no-procfs" })
            assert.strictEqual((yield* Effect.flip(identify(pid)))._tag, "IdentityUnavailable")
            const record = new ProcessIdentity({
              pid,
              startTime: "1",
              hostname: "",
              ...(pidNamespace === undefined ? {} : { pidNamespace }),
              ...(bootId === undefined ? {} : { bootId }),
              ...(timeOffset === undefined ? {} : { timeOffset })
            })
            // The namespace's first process is invisible here, so the namespace can't be compared with the recorded
            // one.
            assert.strictEqual(answer(yield* judgedIdentity(record)), "unknown other-pid-namespace")
            assert.strictEqual(answer(yield* judged({ _tag: "V1", pid })), "unknown no-procfs")
            const executable = "/nonexistent/program"
            assert.strictEqual(answer(yield* judged({ _tag: "V2", pid, executable })), "unknown no-procfs")
          }
          assert.strictEqual((yield* judgedIdentity(alive)).verdict, "unknown")
          const self = yield* Effect.flip(ProcessInspector.use(({ self }) => self))
          assert.strictEqual(self._tag, "IdentityUnavailable")
        }).pipe(from("foreign", kind))
      })
    )
  )

  placed("unmounted", "scenario 31: without a procfs there is no verdict but Unknown", (kind) =>
    Effect.scoped(
      Effect.gen(function* () {
        const alive = yield* Effect.provide(identify(yield* here.spawn), layers[kind])
        yield* Effect.gen(function* () {
          assert.include(yield* observe(alive.pid), { _tag: "Unavailable", reason: "no-procfs" })
          assert.strictEqual(answer(yield* judgedIdentity(alive)), "unknown boot-unknown")
          assert.strictEqual(answer(yield* judged({ _tag: "V1", pid: alive.pid })), "unknown no-procfs")
        }).pipe(from("unmounted", kind))
      })
    )
  )

  placed("subset", "scenario 31: a procfs of processes alone has no boot id", (kind) =>
    Effect.scoped(
      Effect.gen(function* () {
        const alive = yield* Effect.provide(identify(yield* here.spawn), layers[kind])
        yield* Effect.gen(function* () {
          assert.isUndefined((yield* ProcessInspector.use(({ host }) => host)).bootId)
          assert.include(yield* observe(alive.pid), { _tag: "Present", startTime: alive.startTime })
          assert.notProperty(yield* observe(alive.pid), "startedAt")
          assert.strictEqual(answer(yield* judgedIdentity(alive)), "alive matches")
        }).pipe(from("subset", kind))
      })
    )
  )

  it.live(
    "scenario 31: without koffi, procfs is asked",
    () =>
      Effect.gen(function* () {
        const pid = yield* here.spawn
        yield* Effect.gen(function* () {
          assert.isUndefined((yield* ProcessInspector.use(({ self }) => self)).processId64)
          const identity = yield* identify(pid)
          assert.isUndefined(identity.processId64)
          assert.strictEqual(answer(yield* judgedIdentity(identity)), "alive matches")
        }).pipe(from("withoutKoffi", "pidfd"))
      }).pipe(Effect.provide(Programs.layer)),
    patience
  )
})

const Torn = Schema.Struct({
  count: Schema.Int,
  seen: Schema.Record(Schema.String, Schema.Int),
  mixtures: Schema.Int,
  examples: Schema.Array(Protocol.Observed)
})

const tornScript = scriptOf(join(import.meta.dirname, "agents/torn.ts"), "torn")

const Rounds = Schema.Array(
  Schema.Struct({ recorded: ProcessIdentity, identity: Protocol.Observed, all: Protocol.Observed })
)

describe("recycling", () => {
  it.live.skipIf(noNamespace !== undefined)(
    because("scenario 5: of 200 recycled PIDs the id tells all, the start never guesses", noNamespace),
    () =>
      Effect.gen(function* () {
        const { ask } = yield* Remote.Agent
        const rounds = yield* ask(Rounds, { op: "recycles", count: 200 })
        const reader = yield* ProcessInspector.use(({ host }) => host)
        assert.strictEqual(rounds.length, 200)
        for (const { all, identity, recorded } of rounds) {
          const strong = judge(recordOf(recorded), identity, reader, circumstances)
          assert.strictEqual(answer(strong), "dead identity-mismatch")
          if (all._tag !== "Present") return assert.fail(all._tag)
          const { processId64: _, ...unaided } = all
          const weak = judge(withoutId64(recordOf(recorded)), unaided, reader, circumstances)
          const sameTick = unaided.startTime === recorded.startTime
          assert.strictEqual(answer(weak), sameTick ? "alive matches" : "dead start-time-mismatch")
          assert.deepStrictEqual(weak.evidence.processId64, { result: "unknown" })
          assert.strictEqual(weak.evidence.startTime?.result, sameTick ? "equal" : "different")
        }
      }).pipe(Effect.provide(Remote.inNamespace("pidfd"))),
    patience
  )

  // The test needs root, because the programs run as two users.
  const noChurn = notRoot ?? noNamespace ?? (hasCompiler ? undefined : noCompiler.reason)
  for (const kind of kinds) {
    it.live.skipIf(noChurn !== undefined)(
      because(`no observation mixes two processes, a sample (${kind})`, noChurn),
      () =>
        Effect.gen(function* () {
          const result = yield* PidNamespace.run(tornScript, [kind, "4000"])
          const { count, examples, mixtures, seen } = yield* Schema.decodeUnknownEffect(Torn)(result)
          assert.strictEqual(count, 4000)
          assert.deepStrictEqual(examples, [])
          assert.strictEqual(mixtures, 0)
          assert.isAbove((seen["Present left"] ?? 0) + (seen["Present right"] ?? 0), 0, "nothing was there to be mixed")
        }),
      patience
    )
  }
})
