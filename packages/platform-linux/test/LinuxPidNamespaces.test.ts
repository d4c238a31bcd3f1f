import { assert, describe, it } from "@effect/vitest"
import type { Observation } from "@vm-sentinel/core/Observation"
import { PidNamespaces } from "@vm-sentinel/core/PidNamespaces"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Verdict from "@vm-sentinel/core/Verdict"
import { Effect, Layer, type Scope } from "effect"
import { answer, recordOf } from "../../core/test/ProcessInspectorTest.ts"
import type { Kernel } from "../src/Kernel.ts"
import * as LinuxPidNamespaces from "../src/LinuxPidNamespaces.ts"
import * as LinuxProcessInspector from "../src/LinuxProcessInspector.ts"
import * as Fixture from "./Fixture.ts"
import { because } from "../../core/test/support/able.ts"
import { noNamespace, notRoot, patience, places, unavailable } from "./places.ts"
import * as Protocol from "./protocol.ts"
import * as Remote from "./remote.ts"

const outer = "pid:[4026532200]"
const inner = "pid:[4026532300]"

type Prove = (typeof PidNamespaces)["Service"]["prove"]

const proven: Prove = (namespace, pid, wanted) =>
  Effect.flatMap(Effect.service(PidNamespaces), ({ prove }) => prove(namespace, pid, wanted))

describe("LinuxPidNamespaces (fixture)", () => {
  const test = (
    name: string,
    body: (
      fixture: Fixture.FixtureService,
      prove: (overrides?: Partial<Kernel>) => Prove
    ) => Effect.Effect<void, unknown, Scope.Scope>
  ) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const fixture = yield* Fixture.make
        // Something ordinary, and a kernel thread, which has no namespace but the first.
        fixture.add()
        fixture.add({ exe: undefined, uid: 0 })
        yield* body(fixture, (kernel) => (namespace, pid, wanted) => {
          const options = Fixture.optionsOf(fixture, "pidfd", kernel === undefined ? {} : { kernel })
          return proven(namespace, pid, wanted).pipe(
            Effect.provide(
              LinuxPidNamespaces.layerAt(options).pipe(Layer.provide(LinuxProcessInspector.layerAt(options)))
            )
          )
        })
        assert.strictEqual(fixture.leaked(), 0)
      })
    )

  /** Two processes of a namespace: 1 and 7 in there. */
  const populate = ({ add }: Fixture.FixtureService) => {
    const init = add({ namespace: outer })
    const owner = add({ namespace: outer })
    const number = (process: Fixture.Process, pid: number) => add({ ...process, pids: [process.pid, pid] })
    return { init: number(init, 1), owner: number(owner, 7) }
  }

  const incomplete = { _tag: "Incomplete" } as const

  test("a namespace in which nothing lives is gone", (_, prove) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* prove()(outer, Pid.make(7)), { _tag: "Gone" })
    }))

  test("a process is found by its number in there, and seen under its number here", (fixture, prove) =>
    Effect.gen(function* () {
      const { init, owner } = populate(fixture)
      for (const [pid, process] of [
        [1, init],
        [7, owner]
      ] as const) {
        const proof = yield* prove()(outer, Pid.make(pid), "identity")
        const observation: Observation = {
          _tag: "Present",
          pid: process.pid,
          tgid: process.pid,
          processId64: `${process.id}`
        }
        assert.deepStrictEqual(proof, { _tag: "Found", observation })
      }
    }))

  test("a zombie in there is found as one", (fixture, prove) =>
    Effect.gen(function* () {
      const { owner } = populate(fixture)
      fixture.change(owner.pid, { state: "Z", exe: undefined })
      const proof = yield* prove()(outer, Pid.make(7))
      if (proof._tag !== "Found") return assert.fail(proof._tag)
      assert.include(proof.observation, { _tag: "Present", state: "Z", threads: 1 })
    }))

  test("a number that nothing has in a living namespace is absent", (fixture, prove) =>
    Effect.gen(function* () {
      populate(fixture)
      const absent: Observation = { _tag: "Absent", pid: Pid.make(8) }
      assert.deepStrictEqual(yield* prove()(outer, Pid.make(8)), { _tag: "Found", observation: absent })
    }))

  test("the number here of a process in there isn't its number there", (fixture, prove) =>
    Effect.gen(function* () {
      const { owner } = populate(fixture)
      const absent: Observation = { _tag: "Absent", pid: owner.pid }
      assert.deepStrictEqual(yield* prove()(outer, owner.pid), { _tag: "Found", observation: absent })
    }))

  test("a process of a namespace inside, recorded from outside of it, is found", (fixture, prove) =>
    Effect.gen(function* () {
      populate(fixture)
      const nested = fixture.add({ namespace: inner })
      fixture.change(nested.pid, { pids: [nested.pid, 9, 1] })
      const proof = yield* prove()(outer, Pid.make(9), "existence")
      const observation: Observation = { _tag: "Present", pid: nested.pid, tgid: nested.pid }
      assert.deepStrictEqual(proof, { _tag: "Found", observation })
      assert.include(yield* prove()(inner, Pid.make(1), "existence"), { _tag: "Found" })
    }))

  test("two processes inside, of which only one can be it, prove nothing", (fixture, prove) =>
    Effect.gen(function* () {
      populate(fixture)
      for (const namespace of [inner, "pid:[4026532400]"]) {
        const nested = fixture.add({ namespace })
        fixture.change(nested.pid, { pids: [nested.pid, 9, 1] })
      }
      assert.deepStrictEqual(yield* prove()(outer, Pid.make(9)), incomplete)
    }))

  test("a process that ends while it is looked at is gone, not unreadable", (fixture, prove) =>
    Effect.gen(function* () {
      const { pid } = fixture.add({ namespace: outer })
      const readLink: Kernel["readLink"] = (path) => {
        if (!path.endsWith(`/${pid}/ns/pid`)) return fixture.kernel.readLink(path)
        fixture.change(pid, { access: "gone" })
        throw Fixture.failed("ENOENT")
      }
      assert.deepStrictEqual(yield* prove({ readLink })(outer, Pid.make(7)), { _tag: "Gone" })
    }))

  test("a namespace that ends while it is looked at has no such process", (fixture, prove) =>
    Effect.gen(function* () {
      const { init, owner } = populate(fixture)
      const open: Kernel["open"] = (path) => {
        for (const { pid } of [init, owner]) {
          if (path.endsWith(`/${pid}/status`)) fixture.change(pid, { access: "gone" })
        }
        return fixture.kernel.open(path)
      }
      const absent: Observation = { _tag: "Absent", pid: Pid.make(7) }
      assert.deepStrictEqual(yield* prove({ open })(outer, Pid.make(7)), { _tag: "Found", observation: absent })
      assert.deepStrictEqual(yield* prove()(outer, Pid.make(7)), { _tag: "Gone" })
    }))

  test("a process whose namespace can't be told for a moment is asked again", (fixture, prove) =>
    Effect.gen(function* () {
      const { owner } = populate(fixture)
      const failing =
        (times: number): Kernel["readLink"] =>
        (path) => {
          if (path.endsWith(`/${owner.pid}/ns/pid`) && times-- > 0) throw Fixture.failed("ENOENT")
          return fixture.kernel.readLink(path)
        }
      assert.include(yield* prove({ readLink: failing(2) })(outer, Pid.make(7)), { _tag: "Found" })
      assert.deepStrictEqual(yield* prove({ readLink: failing(99) })(outer, Pid.make(7)), incomplete)
    }))

  for (const errno of ["EACCES", "EPERM", "EMFILE", "ENOMEM"]) {
    test(`one process that can't be read (${errno}) leaves the proof incomplete`, (fixture, prove) =>
      Effect.gen(function* () {
        const closed = fixture.add({ namespace: inner })
        fixture.change(closed.pid, { pids: [closed.pid, 1] })
        const readLink: Kernel["readLink"] = (path) => {
          if (path.endsWith(`/${closed.pid}/ns/pid`)) throw Fixture.failed(errno)
          return fixture.kernel.readLink(path)
        }
        assert.deepStrictEqual(yield* prove({ readLink })(outer, Pid.make(7)), incomplete)
        // What was found was found all the same; that something wasn't proves nothing.
        populate(fixture)
        assert.include(yield* prove({ readLink })(outer, Pid.make(7)), { _tag: "Found" })
        assert.deepStrictEqual(yield* prove({ readLink })(outer, Pid.make(8)), incomplete)
      }))
  }

  test("one that can't be read, but has a number here alone, is of this namespace", (fixture, prove) =>
    Effect.gen(function* () {
      const closed = fixture.add()
      const readLink: Kernel["readLink"] = (path) => {
        if (path.endsWith(`/${closed.pid}/ns/pid`)) throw Fixture.failed("EACCES")
        return fixture.kernel.readLink(path)
      }
      assert.deepStrictEqual(yield* prove({ readLink })(outer, Pid.make(7)), { _tag: "Gone" })
      fixture.write(`${closed.pid}/status`, "Name:\tan old kernel\nTgid:\t1\n")
      assert.deepStrictEqual(yield* prove({ readLink })(outer, Pid.make(7)), incomplete)
    }))

  test("the reader's own namespace isn't another one", (_, prove) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* prove()(Fixture.ownNamespace, Pid.make(9999)), incomplete)
    }))

  test("a status that can't be read leaves the proof incomplete", (fixture, prove) =>
    Effect.gen(function* () {
      const { owner } = populate(fixture)
      fixture.write(`${owner.pid}/status`, "Name:\tcut")
      assert.deepStrictEqual(yield* prove()(outer, Pid.make(7)), incomplete)
      fixture.write(`${owner.pid}/status`, "Name:\ta\nNStgid:\t0\t0\n")
      assert.deepStrictEqual(yield* prove()(outer, Pid.make(7)), incomplete)
    }))

  test("a reader in a PID namespace of its own doesn't see every process", (fixture, prove) =>
    Effect.gen(function* () {
      fixture.link(`${process.pid}/ns/pid`, "pid:[4026532999]")
      assert.deepStrictEqual(yield* prove()(outer, Pid.make(7)), incomplete)
      // But a namespace of which it sees one process it sees whole.
      populate(fixture)
      assert.include(yield* prove()(outer, Pid.make(7)), { _tag: "Found" })
    }))

  for (const [name, mountinfo] of [
    ["hidepid", (root: string) => `22 27 0:21 / ${root} rw - proc proc rw,hidepid=invisible\n`],
    [
      "hidepid, mounted below",
      (root: string) => `1 2 0:2 / ${root} rw - proc proc rw,hidepid=2\n3 4 0:4 / ${root} rw - proc proc rw\n`
    ],
    ["subset", (root: string) => `22 27 0:21 / ${root} rw - proc proc rw,subset=pid\n`],
    ["another file system", (root: string) => `22 27 0:21 / ${root} rw - fuse proc rw\n`],
    ["not mounted there", () => "22 27 0:21 / /elsewhere rw - proc proc rw\n"],
    ["empty", () => ""]
  ] as const) {
    test(`a procfs that may not show all (${name}) proves no absence`, (fixture, prove) =>
      Effect.gen(function* () {
        fixture.write(`${process.pid}/mountinfo`, mountinfo(fixture.root))
        assert.deepStrictEqual(yield* prove()(outer, Pid.make(7)), incomplete)
      }))
  }

  test("a procfs that isn't to be believed proves nothing", (fixture, prove) =>
    Effect.gen(function* () {
      populate(fixture)
      assert.deepStrictEqual(yield* prove({ fileSystemType: () => 0xef53 })(outer, Pid.make(7)), incomplete)
      const list = () => {
        throw Fixture.failed("EMFILE")
      }
      assert.deepStrictEqual(yield* prove({ list })(outer, Pid.make(7)), incomplete)
      fixture.remove(`${process.pid}/mountinfo`)
      assert.deepStrictEqual(yield* prove()(outer, Pid.make(8)), incomplete)
      fixture.link("self", "1")
      assert.deepStrictEqual(yield* prove()(outer, Pid.make(7)), incomplete)
    }))
})

const layers = LinuxPidNamespaces.layer.pipe(Layer.provideMerge(LinuxProcessInspector.layer))

const sight = Effect.runSync(
  Effect.provide(
    ProcessInspector.use(({ host }) => host),
    LinuxProcessInspector.layerProcfs
  )
)
const blind = noNamespace ?? notRoot
const sighted = blind ?? (sight.pidNamespace === "pid:[4026531836]" ? undefined : "not in the initial PID namespace")

/** Judges a record of another namespace as a sweep that can prove does. */
const judgedWithProof = Effect.fnUntraced(function* (identity: Parameters<typeof recordOf>[0]) {
  const host = yield* ProcessInspector.use(({ host }) => host)
  const sentinel = recordOf(identity)
  const circumstances: Verdict.Circumstances = { localFileSystem: true, legacy: "trust" }
  const without = Verdict.judge(sentinel, undefined, host, circumstances)
  const namespace = yield* proven(identity.pidNamespace ?? "", identity.pid)
  const verdict = Verdict.judge(sentinel, undefined, host, { ...circumstances, namespace })
  return [answer(without), answer(verdict)]
})

describe("LinuxPidNamespaces (kernel)", () => {
  it.live.skipIf(sighted !== undefined)(
    because("scenarios 10 and 13: the host finds a container's owner, and knows when it is gone", sighted),
    () =>
      Effect.gen(function* () {
        const container = yield* Effect.gen(function* () {
          const { ask } = yield* Remote.Agent
          const init = yield* ProcessInspector.use(({ self }) => self)
          const pid = yield* ask(Pid, { op: "spawn" })
          const owner = yield* ProcessInspector.use(({ identify }) => identify(pid))
          assert.strictEqual(init.pid, 1)
          for (const identity of [init, owner]) {
            const verdicts = yield* Effect.provide(judgedWithProof(identity), layers)
            assert.deepStrictEqual(verdicts, ["Unknown other-pid-namespace", "Alive matches"])
          }
          yield* ask(Protocol.Nothing, { op: "exit", pid })
          const exited = yield* Effect.provide(judgedWithProof(owner), layers)
          assert.deepStrictEqual(exited, ["Unknown other-pid-namespace", "Dead pid-dead"])
          return init
        }).pipe(Effect.provide(Remote.inNamespace("pidfd")))
        // The session's end killed the namespace's first process; its last moments may still be seen.
        let verdict = ""
        for (let look = 0; look < 10_000 && verdict !== "Dead namespace-gone"; look++) {
          verdict = (yield* Effect.provide(judgedWithProof(container), layers))[1] ?? ""
          assert.include(["Alive matches", "Dead zombie", "Dead pid-dead", "Dead namespace-gone"], verdict)
        }
        assert.strictEqual(verdict, "Dead namespace-gone")
      }),
    patience
  )

  it.live.skipIf(blind !== undefined)(
    because("scenario 12: two containers, both with PID 1, can't judge each other", blind),
    () =>
      Effect.gen(function* () {
        const one = yield* Layer.build(Remote.inNamespace("pidfd"))
        const two = yield* Layer.build(Remote.inNamespace("procfs"))
        for (const [ours, theirs] of [
          [one, two],
          [two, one]
        ] as const) {
          const identity = yield* Effect.provide(
            ProcessInspector.use(({ self }) => self),
            theirs
          )
          assert.strictEqual(identity.pid, 1)
          yield* Effect.gen(function* () {
            const { ask } = yield* Remote.Agent
            const host = yield* ProcessInspector.use(({ host }) => host)
            const namespace = yield* ask(Protocol.Proof, {
              op: "prove",
              pidNamespace: identity.pidNamespace ?? "",
              pid: identity.pid,
              wanted: "all"
            })
            assert.deepStrictEqual(namespace, { _tag: "Incomplete" })
            const circumstances = { localFileSystem: true, legacy: "trust", namespace } as const
            const verdict = Verdict.judge(recordOf(identity), undefined, host, circumstances)
            assert.strictEqual(answer(verdict), "Unknown other-pid-namespace")
          }).pipe(Effect.provide(ours))
        }
      }),
    patience
  )

  // A container whose processes nobody may look into.
  const container = blind === undefined ? Remote.inNamespace("procfs") : Layer.empty
  it.layer(Layer.effectDiscard(Layer.build(container)))("beside a container", (it) => {
    for (const place of ["nobody", "invisible", "invisibleToRoot", "subset", "foreign", "unmounted"] as const) {
      const reason = sighted ?? unavailable(place)
      it.effect.skipIf(reason !== undefined)(
        because(`from "${place}" there is no proof that one is gone`, reason),
        () =>
          Effect.gen(function* () {
            const { ask } = yield* Remote.Agent
            const proof = yield* ask(Protocol.Proof, {
              op: "prove",
              pidNamespace: "pid:[1]",
              pid: Pid.make(1),
              wanted: "all"
            })
            assert.deepStrictEqual(proof, { _tag: "Incomplete" })
          }).pipe(Effect.provide(Remote.under(places[place], "pidfd"))),
        patience
      )
    }
  })

  it.live.skipIf(sighted !== undefined)(because("a namespace that never was is gone", sighted), () =>
    Effect.gen(function* () {
      const proof = yield* proven("pid:[1]", Pid.make(1))
      assert.deepStrictEqual(proof, { _tag: "Gone" })
    }).pipe(Effect.provide(layers))
  )
})
