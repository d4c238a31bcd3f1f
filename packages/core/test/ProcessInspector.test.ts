import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { IdentityUnavailable } from "../src/Errors.ts"
import type { Observation, Present, ObserveDepth } from "../src/Observation.ts"
import { type HostIdentity, Pid } from "../src/ProcessIdentity.ts"
import { identityOf, make, type Options, ProcessInspector } from "../src/ProcessInspector.ts"

const [pid, own, unknown] = [Pid.make(7), Pid.make(8), Pid.make(9)]

const host: HostIdentity = {
  bootId: "boot",
  machineId: "machine",
  hostname: "host",
  namespaces: "supported",
  pidNamespace: "pid:[1]",
  pidNamespaceInit: { startTime: "1" },
  timeOffset: "0",
  virtualMachine: true
}

const present: Present = {
  _tag: "Present",
  pid,
  tgid: pid,
  state: "S",
  threads: 3,
  startTime: "12",
  startedAt: 120,
  bootedAt: 1,
  processId64: "34",
  exe: { path: "/bin/own", dev: "1", ino: "2" },
  uid: 1000,
  comm: "own"
}

const without = (...keys: ReadonlyArray<keyof Present>): Present => {
  const copy = { ...present }
  for (const key of keys) Reflect.deleteProperty(copy, key)
  return copy
}

const reason = (observation: Observation): string =>
  Result.match(identityOf(observation, host), { onFailure: ({ _tag }) => _tag, onSuccess: () => "identified" })

describe("the identity of an observed process", () => {
  it("is what a record needs of process and host, and no more", () => {
    assert.deepStrictEqual(
      { ...Result.getOrThrow(identityOf(present, host)) },
      {
        pid,
        startTime: "12",
        processId64: "34",
        bootId: "boot",
        pidNamespace: "pid:[1]",
        pidNamespaceInit: { startTime: "1" },
        timeOffset: "0",
        machineId: "machine",
        hostname: "host",
        uid: 1000,
        exe: { path: "/bin/own", dev: "1", ino: "2" }
      }
    )
  })

  it("lacks what wasn't to be had", () => {
    const bare = identityOf(without("tgid", "state", "threads", "processId64", "exe", "uid"), {
      hostname: "host",
      namespaces: "none"
    })
    assert.deepStrictEqual({ ...Result.getOrThrow(bare) }, { pid, startTime: "12", hostname: "host" })
  })

  it("has no executable whose path isn't UTF-8", () => {
    const path = "/bin/\uFFFD"
    assert.isUndefined(Result.getOrThrow(identityOf({ ...present, exe: { path } }, host)).exe)
  })

  it.each<readonly [string, Observation, string]>([
    ["nothing", { _tag: "Absent", pid }, "NotFound"],
    ["a hidden process", { _tag: "Hidden", pid, detail: "stat: EACCES" }, "PermissionDenied"],
    ["no answer", { _tag: "Unavailable", pid, reason: "resources", detail: "stat: EMFILE" }, "IdentityUnavailable"],
    ["a thread", { ...present, tgid: 6 }, "NotFound"],
    ["a zombie", { ...present, state: "Z", threads: 1 }, "NotFound"],
    ["a process that is being removed", { ...present, state: "X", threads: 0 }, "NotFound"],
    ["a zombie without a start", { ...without("startTime"), state: "Z", threads: 1 }, "NotFound"],
    ["a process without a start", without("startTime"), "IdentityUnavailable"]
  ])("%s has none", (_, observation, tag) => {
    assert.strictEqual(reason(observation), tag)
  })

  it("a leader that exited while threads run is still the process", () => {
    assert.isTrue(Result.isSuccess(identityOf({ ...present, state: "Z", threads: 2 }, host)))
    assert.isTrue(Result.isSuccess(identityOf({ ...without("threads"), state: "Z" }, host)))
  })
})

const observe = (asked: Pid): Effect.Effect<Observation> =>
  Effect.succeed(asked === unknown ? { _tag: "Absent", pid: asked } : { ...present, pid: asked, tgid: asked })

const options: Options = { host: Effect.succeed(host), selfPid: Effect.succeed(own), observe }

describe("ProcessInspector.make", () => {
  it.effect("derives identify and self from observe, which it asks for everything", () =>
    Effect.gen(function* () {
      const asked: Array<readonly [Pid, ObserveDepth]> = []
      const inspector = make({
        ...options,
        observe: (pid, wanted) => {
          asked.push([pid, wanted])
          return observe(pid)
        }
      })
      assert.deepStrictEqual(yield* inspector.identify(pid), Result.getOrThrow(identityOf(present, host)))
      assert.strictEqual((yield* inspector.self).pid, own)
      yield* inspector.observe(unknown)
      yield* inspector.observe(unknown, "existence")
      assert.deepStrictEqual(asked, [
        [pid, "all"],
        [own, "all"],
        [unknown, "all"],
        [unknown, "existence"]
      ])
      assert.strictEqual((yield* Effect.flip(inspector.identify(unknown)))._tag, "NotFound")
      assert.deepStrictEqual(yield* inspector.lockHolders({ dev: "1", ino: "2" }), [])
    })
  )

  it.effect("a caller that can't be identified is unavailable, whatever the reason", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.flip(make({ ...options, selfPid: Effect.succeed(unknown) }).self)
      assert.deepStrictEqual(
        gone,
        new IdentityUnavailable({ pid: unknown, detail: "process 9: not found (identify process)" })
      )
      const exited = new IdentityUnavailable({ pid: 0, detail: "the reader has exited" })
      assert.strictEqual(yield* Effect.flip(make({ ...options, selfPid: Effect.fail(exited) }).self), exited)
    })
  )

  it.effect("a number that is no PID reaches no platform", () =>
    Effect.gen(function* () {
      const never = () => assert.fail("asked")
      const inspector = make({ ...options, observe: never, identify: never })
      for (const number of [0, -1, 1.5, 2 ** 31, Number.NaN]) {
        const pid = number as Pid
        assert.deepStrictEqual(yield* inspector.observe(pid), {
          _tag: "Unavailable",
          pid,
          reason: "malformed",
          detail: `${number} is not a PID`
        })
        assert.strictEqual((yield* Effect.flip(inspector.identify(pid)))._tag, "IdentityUnavailable")
      }
    })
  )

  it.effect("a platform's own identify is used, by self too", () =>
    Effect.gen(function* () {
      const identity = Result.getOrThrow(identityOf(present, host))
      const inspector = make({ ...options, identify: () => Effect.succeed(identity) })
      assert.strictEqual(yield* inspector.identify(unknown), identity)
      assert.strictEqual(yield* inspector.self, identity)
    })
  )

  it.effect("one member is enough for a mock", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* ProcessInspector.use(({ observe }) => observe(pid)))._tag, "Present")
    }).pipe(Effect.provide(Layer.mock(ProcessInspector)({ observe })))
  )
})
