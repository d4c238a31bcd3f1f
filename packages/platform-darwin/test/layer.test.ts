/** `layer` if one of its calls is refused, too short, about another process, or contradicts another one. */
import { assert, describe, it } from "@effect/vitest"
import type { Observation, Present, ObserveDepth } from "@vm-sentinel/core/Observation"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect, type Scope } from "effect"
import { readFileSync, renameSync, unlinkSync } from "node:fs"
import { hostname } from "node:os"
import { because, skipped, whyNot } from "@vm-sentinel/core/test/support/able"
import { Programs } from "@vm-sentinel/platform-linux/test/support/programs"
import { makeWorld } from "@vm-sentinel/platform-linux/test/support/processes"
import * as DarwinProcessInspector from "../src/DarwinProcessInspector.ts"
import { errno } from "../src/internal/errno.ts"
import { make } from "../src/internal/libSystemInspector.ts"
import { load } from "../src/internal/libSystem.ts"
import * as Shim from "./support/shim.ts"

const shim = Shim.build()
const { exit, otherUser, spawn, zombify } = makeWorld()

const observe = (pid: Pid, wanted?: ObserveDepth) => ProcessInspector.use((inspector) => inspector.observe(pid, wanted))
const identify = (pid: Pid) => ProcessInspector.use((inspector) => inspector.identify(pid))

const present = (observation: Observation): Present => {
  if (observation._tag !== "Present") assert.fail(`expected Present, got ${JSON.stringify(observation)}`)
  return observation
}

/** Start in microseconds since the epoch, computed from procfs alone. */
const startOf = (pid: number): string => {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
  const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
  const boot = /^btime (\d+)$/m.exec(readFileSync("/proc/stat", "latin1"))?.[1] ?? ""
  return (BigInt(boot) * 1_000_000n + BigInt(ticks) * 10_000n).toString()
}

const missing = Pid.make(2_147_483_647)

if (typeof shim === "string") {
  skipped("layer", shim)
} else {
  it.layer(DarwinProcessInspector.layerWith({ libraryPath: shim.path }))("layer", (it) => {
    const test = (
      name: string,
      effect: () => Effect.Effect<void, unknown, ProcessInspector | Programs | Scope.Scope>
    ): void => it.effect(name, () => Effect.provide(effect(), Programs.layer))

    test("a process is read whole: microseconds, state, uid, name, path, and the id that is never reused", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        const { one } = yield* Programs
        const process = present(yield* observe(pid))
        const startTime = startOf(pid)
        assert.strictEqual(process.startTime, startTime)
        assert.strictEqual(process.startedAt, Number(BigInt(startTime) / 1000n))
        assert.strictEqual(process.uid, globalThis.process.getuid?.())
        assert.strictEqual(process.comm, "sleep")
        assert.deepStrictEqual(process.exe, { path: one })
        assert.match(process.processId64 ?? "", /^[1-9]\d*$/)
        assert.include(["R", "S"], process.state)
      }))

    test("the path is asked for only where it is wanted", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        const keys = (wanted: ObserveDepth) => Effect.map(observe(pid, wanted), (observed) => "exe" in observed)
        assert.deepStrictEqual(
          yield* Effect.forEach(["existence", "identity", "path", "executable", "all"] as const, keys),
          [false, false, true, true, true]
        )
      }))

    test("the host is named by the boot session, the hardware UUID and the host name, and has no namespaces", () =>
      Effect.gen(function* () {
        const { host } = yield* ProcessInspector
        const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().toUpperCase()
        const machine = readFileSync("/etc/machine-id", "utf8").trim().toUpperCase()
        assert.deepStrictEqual(yield* host, {
          hostname: hostname(),
          namespaces: "none",
          bootId,
          machineId: machine.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
          virtualMachine: false
        })
      }))

    test("a renamed binary is followed, a deleted one is no executable and no death", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        const { one } = yield* Programs
        const before = yield* identify(pid)
        renameSync(one, `${one}.old`)
        const renamed = present(yield* observe(pid))
        assert.deepStrictEqual(renamed.exe, { path: `${one}.old` })
        unlinkSync(`${one}.old`)
        const deleted = present(yield* observe(pid))
        assert.isUndefined(deleted.exe)
        assert.strictEqual(deleted.exeError, "not-available")
        assert.strictEqual(deleted.processId64, before.processId64)
        assert.strictEqual(deleted.startTime, before.startTime)
      }))

    describe("each refusal falls to the next source", () => {
      const seen = Effect.fnUntraced(function* (
        pid: Pid,
        refusals: ReadonlyArray<readonly [call: string, answer: number]>
      ) {
        yield* Effect.forEach(refusals, ([call, answer]) => shim.refuse(call, answer))
        return yield* observe(pid)
      }, Effect.scoped)

      const withoutId = ["EPERM", "EACCES", "EINVAL", "ENOMEM", "ENOTSUP", "EFAULT", "EIO"] as const

      for (const name of withoutId) {
        test(`flavor 17 is ${name}: the start stands in`, () =>
          Effect.gen(function* () {
            const pid = yield* spawn
            const process = present(yield* seen(pid, [["proc_pidinfo 17", errno[name]]]))
            assert.isUndefined(process.processId64)
            assert.strictEqual(process.startTime, startOf(pid))
            assert.isDefined(process.exe)
          }))

        test(`sysctl is ${name}: flavor 3 stands in, with the same microseconds`, () =>
          Effect.gen(function* () {
            const pid = yield* spawn
            const process = present(yield* seen(pid, [["sysctl", errno[name]]]))
            assert.deepStrictEqual({ ...process, state: "" }, { ...present(yield* observe(pid)), state: "" })
          }))
      }

      for (const [kind, answer] of Object.entries(Shim.answers)) {
        test(`a struct of sysctl that is ${kind} is no evidence`, () =>
          Effect.gen(function* () {
            const pid = yield* spawn
            const alone = present(
              yield* seen(pid, [
                ["sysctl", answer],
                ["proc_pidinfo 3", errno.EPERM]
              ])
            )
            assert.isDefined(alone.processId64)
            assert.isUndefined(alone.startTime)
            assert.isUndefined(alone.state)
            const both = present(yield* seen(pid, [["sysctl", answer]]))
            assert.strictEqual(both.startTime, startOf(pid))
          }))
      }

      test("a short struct of flavor 17 is no evidence", () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          assert.isUndefined(present(yield* seen(pid, [["proc_pidinfo 17", Shim.answers.short]])).processId64)
        }))

      test("a zombie is one by flavor 3 too", () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          if (zombify === undefined) return assert.fail("no zombies here")
          yield* zombify(pid)
          for (const refusals of [[], [["sysctl", errno.EPERM]], [["proc_pidinfo 17", errno.EPERM]]] as const) {
            const process = present(yield* seen(pid, refusals))
            assert.deepStrictEqual([process.state, process.threads], ["Z", 1])
            assert.strictEqual(process.exeError, "not-available")
          }
        }))

      const reason = (observation: Observation): string =>
        observation._tag === "Unavailable" ? `Unavailable ${observation.reason}` : observation._tag

      const all = (answer: number) =>
        (["proc_pidinfo 17", "proc_pidinfo 3", "sysctl"] as const).map((call) => [call, answer] as const)

      for (const [name, answer] of [
        ["EPERM", "Hidden"],
        ["EACCES", "Hidden"],
        ["EINVAL", "Unavailable unsupported"],
        ["ENOTSUP", "Unavailable unsupported"],
        ["EIO", "Unavailable resources"],
        ["ENOMEM", "Unavailable resources"]
      ] as const) {
        test(`every source is ${name}: ${answer}, of a living process and of none`, () =>
          Effect.gen(function* () {
            const pid = yield* spawn
            assert.strictEqual(reason(yield* seen(pid, all(errno[name]))), answer)
            assert.strictEqual(reason(yield* seen(missing, all(errno[name]))), answer)
          }))
      }

      test("a number without a process stays absent only while both sources say so", () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* observe(missing), { _tag: "Absent", pid: missing })
          assert.strictEqual(reason(yield* seen(missing, [["sysctl", errno.EPERM]])), "Hidden")
          assert.strictEqual(reason(yield* seen(missing, [["proc_pidinfo 17", errno.EPERM]])), "Hidden")
          assert.strictEqual(reason(yield* seen(missing, [["sysctl", errno.EINVAL]])), "Unavailable unsupported")
          // A kernel without flavor 17 still answers ESRCH to flavor 3.
          assert.strictEqual(reason(yield* seen(missing, [["proc_pidinfo 17", errno.EINVAL]])), "Absent")
        }))

      test("a living process whose sources say ESRCH is contradictory, never absent", () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          for (const refusals of [
            [["proc_pidinfo 17", errno.ESRCH]],
            [
              ["proc_pidinfo 17", errno.ESRCH],
              ["sysctl", errno.ESRCH]
            ]
          ] as const) {
            const observation = yield* seen(pid, refusals)
            assert.notStrictEqual(observation._tag, "Absent")
            assert.notStrictEqual(observation._tag, "Present")
          }
        }))

      test("identify says what was refused", () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          const failure = (refusals: ReadonlyArray<readonly [string, number]>) =>
            Effect.forEach(refusals, ([call, answer]) => shim.refuse(call, answer)).pipe(
              Effect.andThen(Effect.flip(identify(pid))),
              Effect.scoped
            )
          assert.strictEqual((yield* failure(all(errno.EPERM)))._tag, "PermissionDenied")
          const unavailable = yield* failure(all(errno.EINVAL))
          assert.strictEqual(unavailable._tag, "IdentityUnavailable")
          assert.include(
            unavailable.message,
            "proc_pidinfo 17: EINVAL, proc_pidinfo 3: EINVAL, sysctl KERN_PROC_PID: EINVAL"
          )
          const noStart = yield* failure([
            ["sysctl", errno.EPERM],
            ["proc_pidinfo 3", errno.EPERM]
          ])
          assert.strictEqual(noStart._tag, "IdentityUnavailable")
        }))

      test("a host that can't be named is nameless, not an error", () =>
        Effect.gen(function* () {
          yield* shim.refuse("sysctlbyname", errno.EPERM)
          yield* shim.refuse("gethostuuid", errno.EAGAIN)
          const inspector = make(yield* load(shim.path))
          assert.deepStrictEqual(yield* inspector.host, { hostname: hostname(), namespaces: "none" })
          const self = yield* inspector.self
          assert.isUndefined(self.bootId)
          assert.isUndefined(self.machineId)
        }))

      test("a name that was refused once is asked for again", () =>
        Effect.gen(function* () {
          const inspector = make(yield* load(shim.path))
          const refused = Effect.andThen(shim.refuse("sysctlbyname", errno.EAGAIN), inspector.host)
          assert.isUndefined((yield* Effect.scoped(refused)).bootId)
          assert.isDefined((yield* inspector.host).bootId)
          assert.isDefined((yield* Effect.scoped(refused)).bootId, "and kept")
        }))
    })

    describe("no observation mixes two processes", () => {
      test("an id that changes once is read again", () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          const { processId64 } = yield* identify(pid)
          yield* shim.tear(1)
          assert.strictEqual(present(yield* observe(pid)).processId64, processId64)
        }))

      test("an id that keeps changing is unavailable", () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          yield* shim.tear(3)
          assert.deepStrictEqual(yield* observe(pid), {
            _tag: "Unavailable",
            pid,
            reason: "malformed",
            detail: "contradicting answers: p_uniqueid changed between two reads"
          })
        }))

      /** Gives the PID to another process once its path has been read. */
      const recycled = Effect.fnUntraced(function* (other: Pid, hasId: boolean) {
        const library = yield* load(shim.path)
        let paths = 0
        const now = (pid: number) => (paths === 0 ? pid : other)
        const inspector = make({
          ...library,
          pidInfo: (pid, flavor, ...rest) =>
            hasId ? library.pidInfo(now(pid), flavor, ...rest) : { _tag: "Failed", errno: "EINVAL" },
          kinfoProc: (pid) => {
            const reply = library.kinfoProc(now(pid))
            if (reply._tag === "Bytes") Buffer.from(reply.bytes.buffer, reply.bytes.byteOffset).writeInt32LE(pid, 40)
            return reply
          },
          pidPath: (pid) => {
            const reply = library.pidPath(now(pid))
            paths++
            return reply
          }
        })
        return { inspector, paths: () => paths }
      })

      test("a number that is recycled between two calls is read anew, wholly", () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          const other = Pid.make(process.pid)
          const { inspector, paths } = yield* recycled(other, true)
          const after = present(yield* observe(other))
          const seen = present(yield* inspector.observe(pid))
          assert.strictEqual(paths(), 2)
          assert.deepStrictEqual({ ...seen, state: "" }, { ...after, pid, state: "" })
        }))

      test("without the id the start tells that it was", () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          const other = Pid.make(process.pid)
          assert.notStrictEqual(startOf(pid), startOf(other))
          const { inspector, paths } = yield* recycled(other, false)
          const { processId64: _, ...after } = present(yield* observe(other))
          const seen = present(yield* inspector.observe(pid))
          assert.strictEqual(paths(), 2)
          assert.deepStrictEqual({ ...seen, state: "" }, { ...after, pid, state: "" })
        }))

      test("a process that exits meanwhile is absent", () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          if (exit === undefined) return assert.fail("nothing exits here")
          yield* exit(pid)
          for (const wanted of ["existence", "identity", "path", "executable", "all"] as const) {
            assert.deepStrictEqual(yield* observe(pid, wanted), { _tag: "Absent", pid })
          }
        }))
    })

    test("numbers that can't name a process reach no call", () =>
      Effect.gen(function* () {
        const library = yield* load(shim.path)
        const never = () => assert.fail("called")
        const inspector = make({ ...library, pidInfo: never, kinfoProc: never, pidPath: never }, never)
        for (const number of [0, -1, 1.5, 2 ** 31, Number.NaN]) {
          const pid = number as Pid
          const observation = yield* inspector.observe(pid)
          assert.strictEqual(observation._tag, "Unavailable")
          assert.strictEqual((yield* Effect.flip(inspector.identify(pid)))._tag, "IdentityUnavailable")
        }
      }))

    const seteuid = process.seteuid?.bind(process)

    const reason = whyNot(otherUser) ?? (seteuid === undefined ? "no seteuid(2)" : undefined)

    it.effect.skipIf(reason !== undefined)(
      because("another user's process has id and start, for an unprivileged reader too", reason),
      () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          const before = yield* identify(pid)
          const asNobody = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
            Effect.acquireUseRelease(
              Effect.sync(() => seteuid?.(65_534)),
              () => effect,
              () => Effect.sync(() => seteuid?.(0))
            )
          const whole = present(yield* asNobody(observe(pid)))
          assert.deepStrictEqual(
            [whole.processId64, whole.startTime, whole.uid],
            [before.processId64, before.startTime, 0]
          )
          // For another user's process, flavor 3 fails with EPERM. So without sysctl only the 64-bit id is left.
          yield* shim.refuse("sysctl", errno.EPERM)
          const bare = present(yield* asNobody(observe(pid)))
          assert.deepStrictEqual(
            [bare.processId64, bare.startTime, bare.state],
            [before.processId64, undefined, undefined]
          )
        }).pipe(Effect.provide(Programs.layer))
    )
  })

  describe("libraries that can't serve", () => {
    it.effect("one without any of the functions is unavailable, and says so", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(
          load("libc.so.6", () => ({
            errno: () => 0,
            load: () => ({
              func: () => {
                throw new Error("no symbol")
              }
            })
          }))
        )
        assert.strictEqual(error.detail, "libc.so.6 has neither proc_pidinfo nor sysctl")
      })
    )

    it.effect("one that fails without an errno doesn't fail with that of an earlier call", () =>
      Effect.gen(function* () {
        let stale: number = errno.ESRCH
        const library = yield* load("any", () => ({
          errno: (value = stale) => (stale = value),
          load: () => ({ func: (prototype) => () => (prototype.includes("sysctl") ? -1 : 0) })
        }))
        const pid = Pid.make(process.pid)
        assert.deepStrictEqual(yield* make(library, () => "ESRCH").observe(pid, "existence"), {
          _tag: "Unavailable",
          pid,
          reason: "unsupported",
          detail: "proc_pidinfo 17: errno 0, proc_pidinfo 3: errno 0, sysctl KERN_PROC_PID: errno 0"
        })
      })
    )

    it.effect("one that isn't there is unavailable, and says so", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(load("/nonexistent/libSystem.B.dylib"))
        assert.include(error.detail, "koffi can't load /nonexistent/libSystem.B.dylib")
      })
    )

    it.effect("one that has only some of the functions serves with those", () =>
      Effect.gen(function* () {
        const koffi = yield* Effect.promise(() => import("koffi"))
        const part = (without: RegExp) =>
          load(shim.path, () => ({
            errno: koffi.errno,
            load: (path: string) => {
              const library = koffi.load(path)
              return {
                func: (prototype: string) => {
                  if (without.test(prototype)) throw new Error("no symbol")
                  return library.func(prototype)
                }
              }
            }
          }))
        const pid = Pid.make(process.pid)
        const noPidInfo = present(yield* make(yield* part(/proc_pidinfo/)).observe(pid))
        assert.deepStrictEqual([noPidInfo.processId64, noPidInfo.startTime], [undefined, startOf(pid)])
        const noSysctl = present(yield* make(yield* part(/ sysctl/)).observe(pid))
        assert.isDefined(noSysctl.processId64)
        assert.strictEqual(noSysctl.startTime, startOf(pid))
        const noPath = present(yield* make(yield* part(/proc_pidpath/)).observe(pid))
        assert.strictEqual(noPath.exeError, "not-available")
        const nameless = yield* make(yield* part(/sysctlbyname|gethostuuid/)).host
        assert.deepStrictEqual(nameless, { hostname: hostname(), namespaces: "none" })
      })
    )
  })
}
