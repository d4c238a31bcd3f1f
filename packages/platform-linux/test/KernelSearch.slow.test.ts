import { assert, describe, it } from "@effect/vitest"
import type { Observation } from "@vm-sentinel/core/Observation"
import { type NamespaceProof, PidNamespaces, type Sought, soughtOf } from "@vm-sentinel/core/PidNamespaces"
import { type FirstProcess, initialPidNamespace, Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { SentinelV3 } from "@vm-sentinel/core/Sentinel"
import { depthFor } from "@vm-sentinel/core/Verdict"
import { Effect, Layer, type Scope } from "effect"
import { answer, circumstances, recordOf } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import { judge, needed } from "@vm-sentinel/core/test/support/judging"
import type { Kernel } from "../src/Kernel.ts"
import * as LinuxProcessInspector from "../src/LinuxProcessInspector.ts"
import type { Pidfds } from "../src/Pidfd.ts"
import * as Fixture from "./support/procfsFixture.ts"
import { because } from "@vm-sentinel/core/test/support/able"
import { noNamespace, notRoot, patience, places, unavailable } from "./support/inspectorsElsewhere.ts"
import { Programs } from "./support/programs.ts"
import * as Protocol from "./agents/inspectorProtocol.ts"
import * as Remote from "./support/remoteInspector.ts"
import { makeWorld } from "./support/processes.ts"

const outer = "pid:[4026532200]"
const inner = "pid:[4026532300]"

type Prove = (typeof PidNamespaces)["Service"]["prove"]

const proven: Prove = (sought, wanted) =>
  Effect.flatMap(Effect.service(PidNamespaces), ({ prove }) => prove(sought, wanted))

const gone = (by: "namespace" | "processId64") => ({ _tag: "Gone", by }) as const

/** Asserts that the proof is incomplete. `why` matches the reason that users see. */
const expectNoProof = (proof: NamespaceProof, why = /./): void => {
  if (proof._tag !== "Incomplete") return assert.fail(proof._tag)
  assert.match(proof.why ?? "", why)
}

/** What keeps a search from a proof, by the place of the search. */
const reasons = {
  nobody: /it needs root/,
  invisible: /hidepid=/,
  invisibleToRoot: /hidepid=/,
  subset: /subset=/,
  foreign: /another PID namespace/,
  unmounted: /not procfs|ENOENT/
} as const

describe("the search of the whole kernel (fixture)", () => {
  const test = (
    name: string,
    body: (
      fixture: Fixture.FixtureService,
      prove: (overrides?: Partial<Kernel>, pidfds?: Partial<Pidfds>) => Prove
    ) => Effect.Effect<void, unknown, Scope.Scope>
  ) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const fixture = yield* Fixture.make
        // The second process is a kernel thread, which exists only in the initial namespace.
        fixture.add()
        fixture.add({ exe: undefined, uid: 0 })
        yield* body(fixture, (kernel = {}, pidfds = {}) => (sought, wanted) => {
          const options = Fixture.optionsOf(fixture, "pidfd", { kernel, pidfds })
          return proven(sought, wanted).pipe(Effect.provide(LinuxProcessInspector.layerWith(options)))
        })
        assert.strictEqual(fixture.leaked(), 0)
      })
    )

  /** Adds two processes to a namespace. Inside it, their PIDs are 1 and 7. */
  const populate = ({ add }: Fixture.FixtureService) => {
    const init = add({ namespace: outer })
    const owner = add({ namespace: outer })
    const number = (process: Fixture.Process, pid: number) => add({ ...process, pids: [process.pid, pid] })
    return { init: number(init, 1), owner: number(owner, 7) }
  }

  /** What to search for, by a PID of the outer namespace. */
  const at = (pid: number, changes: Partial<Sought> = {}): Sought => ({
    pid: Pid.make(pid),
    pidNamespace: outer,
    ...changes
  })

  test("a namespace in which nothing lives is gone", (_, prove) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* prove()(at(7)), gone("namespace"))
    }))

  test("a process is found by its number in there, and seen under its number here", (fixture, prove) =>
    Effect.gen(function* () {
      const { init, owner } = populate(fixture)
      for (const [pid, process] of [
        [1, init],
        [7, owner]
      ] as const) {
        const proof = yield* prove()(at(pid), "identity")
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
      const proof = yield* prove()(at(7))
      if (proof._tag !== "Found") return assert.fail(proof._tag)
      assert.include(proof.observation, { _tag: "Present", state: "Z", threads: 1 })
    }))

  test("a number that nothing has in a living namespace is absent", (fixture, prove) =>
    Effect.gen(function* () {
      populate(fixture)
      const absent: Observation = { _tag: "Absent", pid: Pid.make(8) }
      assert.deepStrictEqual(yield* prove()(at(8)), { _tag: "Found", observation: absent })
    }))

  test("the number here of a process in there isn't its number there", (fixture, prove) =>
    Effect.gen(function* () {
      const { owner } = populate(fixture)
      const absent: Observation = { _tag: "Absent", pid: owner.pid }
      assert.deepStrictEqual(yield* prove()(at(owner.pid)), { _tag: "Found", observation: absent })
    }))

  test("a process of a namespace inside, recorded from outside of it, is found", (fixture, prove) =>
    Effect.gen(function* () {
      populate(fixture)
      const nested = fixture.add({ namespace: inner })
      fixture.change(nested.pid, { pids: [nested.pid, 9, 1] })
      const proof = yield* prove()(at(9), "existence")
      const observation: Observation = { _tag: "Present", pid: nested.pid, tgid: nested.pid }
      assert.deepStrictEqual(proof, { _tag: "Found", observation })
      assert.include(yield* prove()(at(1, { pidNamespace: inner }), "existence"), { _tag: "Found" })
    }))

  test("two processes inside, of which only one can be it, prove nothing", (fixture, prove) =>
    Effect.gen(function* () {
      populate(fixture)
      for (const namespace of [inner, "pid:[4026532400]"]) {
        const nested = fixture.add({ namespace })
        fixture.change(nested.pid, { pids: [nested.pid, 9, 1] })
      }
      expectNoProof(yield* prove()(at(9)))
    }))

  test("a process that ends while it is looked at is gone, not unreadable", (fixture, prove) =>
    Effect.gen(function* () {
      const { pid } = fixture.add({ namespace: outer })
      const readLink: Kernel["readLink"] = (path) => {
        if (!path.endsWith(`/${pid}/ns/pid`)) return fixture.kernel.readLink(path)
        fixture.change(pid, { access: "gone" })
        throw Fixture.failed("ENOENT")
      }
      assert.deepStrictEqual(yield* prove({ readLink })(at(7)), gone("namespace"))
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
      assert.deepStrictEqual(yield* prove({ open })(at(7)), { _tag: "Found", observation: absent })
      assert.deepStrictEqual(yield* prove()(at(7)), gone("namespace"))
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
      assert.include(yield* prove({ readLink: failing(2) })(at(7)), { _tag: "Found" })
      expectNoProof(yield* prove({ readLink: failing(99) })(at(7)))
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
        expectNoProof(yield* prove({ readLink })(at(7)))
        // An incomplete search still proves that a process exists. It doesn't prove that one is missing.
        populate(fixture)
        assert.include(yield* prove({ readLink })(at(7)), { _tag: "Found" })
        expectNoProof(yield* prove({ readLink })(at(8)))
      }))
  }

  test("one that can't be read, but has a number here alone, is of this namespace", (fixture, prove) =>
    Effect.gen(function* () {
      const closed = fixture.add()
      const readLink: Kernel["readLink"] = (path) => {
        if (path.endsWith(`/${closed.pid}/ns/pid`)) throw Fixture.failed("EACCES")
        return fixture.kernel.readLink(path)
      }
      assert.deepStrictEqual(yield* prove({ readLink })(at(7)), gone("namespace"))
      fixture.write(`${closed.pid}/status`, "Name:\tan old kernel\nTgid:\t1\n")
      expectNoProof(yield* prove({ readLink })(at(7)))
    }))

  describe("in the reader's own namespace", () => {
    const own = (pid: number, changes: Partial<Sought> = {}) =>
      at(pid, { pidNamespace: Fixture.ownNamespace, ...changes })

    test("the PID is looked up as it is", (fixture, prove) =>
      Effect.gen(function* () {
        const { id, pid } = fixture.add()
        const observation: Observation = { _tag: "Present", pid, tgid: pid, processId64: `${id}` }
        assert.deepStrictEqual(yield* prove()(own(pid), "identity"), { _tag: "Found", observation })
        const absent: Observation = { _tag: "Absent", pid: Pid.make(9999) }
        assert.deepStrictEqual(yield* prove()(own(9999)), { _tag: "Found", observation: absent })
      }))

    test("which is never given again, if it is the kernel's first", (fixture, prove) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        const proof = yield* prove()(own(pid, { pidNamespaceInit: { startTime: "9", processId64: "9" } }))
        assert.include(proof, { _tag: "Found" })
      }))

    test("scenario 104: another first process had an earlier one of the number", (fixture, prove) =>
      Effect.gen(function* () {
        const pidNamespace = "pid:[4026532999]"
        fixture.link(`${process.pid}/ns/pid`, pidNamespace)
        const { pid } = fixture.add({ namespace: pidNamespace })
        const proof = (pidNamespaceInit: FirstProcess, timeOffset?: string) =>
          prove()({
            pid,
            pidNamespace,
            pidNamespaceInit,
            ...(timeOffset === undefined ? {} : { timeOffset })
          })
        assert.deepStrictEqual(yield* proof({ startTime: "3", processId64: "999" }), gone("namespace"))
        assert.deepStrictEqual(yield* proof({ startTime: "4" }, "0"), gone("namespace"))
        for (const same of [
          proof({ startTime: "3", processId64: "1000" }),
          proof({ startTime: "3" }, "0"),
          // This start time in ticks has no offset, so its time namespace is unknown.
          proof({ startTime: "4" })
        ]) {
          assert.include(yield* same, { _tag: "Found" })
        }
      }))
  })

  describe("scenario 104: a number that was given again", () => {
    const cases: ReadonlyArray<readonly [string, "gone" | "same", FirstProcess | undefined, string | undefined]> = [
      ["by the id of the first process", "gone", { startTime: "500", processId64: "9999" }, undefined],
      ["by the start of the first process", "gone", { startTime: "501" }, "0"],
      ["by its start in another time namespace", "gone", { startTime: "500" }, "10000000000"],
      ["not by the same id", "same", { startTime: "500", processId64: "77" }, undefined],
      ["not by the same start", "same", { startTime: "500" }, "0"],
      ["not by the same start in another time namespace", "same", { startTime: "1500" }, "10000000000"],
      ["not by ticks that don't compare", "same", { startTime: "501" }, undefined],
      ["not by nothing", "same", undefined, "0"]
    ]
    for (const [name, is, pidNamespaceInit, timeOffset] of cases) {
      test(`is known ${name}`, (fixture, prove) =>
        Effect.gen(function* () {
          const first = fixture.add({ namespace: outer, ticks: 500, id: 77n })
          fixture.change(first.pid, { pids: [first.pid, 1] })
          const owner = fixture.add({ namespace: outer })
          fixture.change(owner.pid, { pids: [owner.pid, 7] })
          for (const pid of [7, 8]) {
            const sought = at(pid, {
              ...(pidNamespaceInit === undefined ? {} : { pidNamespaceInit }),
              ...(timeOffset === undefined ? {} : { timeOffset })
            })
            const proof = yield* prove()(sought)
            if (is === "gone") assert.deepStrictEqual(proof, gone("namespace"))
            else if (proof._tag !== "Found") assert.fail(proof._tag)
            else assert.strictEqual(proof.observation._tag, pid === 7 ? "Present" : "Absent")
          }
        }))
    }

    test("is known though not all can be read", (fixture, prove) =>
      Effect.gen(function* () {
        populate(fixture)
        fixture.link(`${process.pid}/ns/pid`, "pid:[4026532999]")
        const pidNamespaceInit = { startTime: "1", processId64: "9999" }
        assert.deepStrictEqual(yield* prove()(at(8, { pidNamespaceInit })), gone("namespace"))
      }))

    test("isn't known by who gets the number of a first process that ends meanwhile", (fixture, prove) =>
      Effect.gen(function* () {
        const { init } = populate(fixture)
        const [opened, stale] = [new Set<number>(), new Set<number>()]
        let isReplaced = false
        const open: Kernel["open"] = (path) => {
          const fd = fixture.kernel.open(path)
          for (const set of [opened, stale]) set.delete(fd)
          if (path.endsWith(`/${init.pid}/stat`)) opened.add(fd)
          return fd
        }
        const openPidfd: Pidfds["open"] = (pid) => {
          if (pid === init.pid && !isReplaced) {
            isReplaced = true
            for (const fd of opened) stale.add(fd)
            fixture.change(pid, { access: "gone" })
            fixture.add({ pid: init.pid, ticks: 400_000, pids: [init.pid, 1], namespace: inner })
          }
          return fixture.pidfds.open(pid)
        }
        // The kernel answers ESRCH to a read of a file of a process that has ended since the file was opened.
        const read: Kernel["read"] = (fd, into, position) => {
          if (stale.has(fd)) throw Fixture.failed("ESRCH")
          return fixture.kernel.read(fd, into, position)
        }
        const pidNamespaceInit = { startTime: `${init.ticks}`, processId64: `${init.id}` }
        const proof = yield* prove({ open, read }, { open: openPidfd })(at(7, { pidNamespaceInit }), "existence")
        assert.isTrue(isReplaced)
        assert.include(proof, { _tag: "Found" })
      }))
  })

  describe("by the 64-bit id", () => {
    const byId = (id: bigint, changes: Partial<Sought> = {}): Sought => ({
      pid: Pid.make(7),
      processId64: `${id}`,
      ...changes
    })

    test("a process is found wherever it is, under its number here", (fixture, prove) =>
      Effect.gen(function* () {
        const { owner } = populate(fixture)
        const here = fixture.add()
        for (const { id, pid } of [owner, here]) {
          for (const pidNamespace of [undefined, inner, outer, Fixture.ownNamespace]) {
            const proof = yield* prove()(byId(id, pidNamespace === undefined ? {} : { pidNamespace }), "identity")
            const observation: Observation = { _tag: "Present", pid, tgid: pid, processId64: `${id}` }
            assert.deepStrictEqual(proof, { _tag: "Found", observation })
          }
        }
      }))

    test("one that nothing has is gone, whatever has the number, and whichever the namespace", (fixture, prove) =>
      Effect.gen(function* () {
        populate(fixture)
        for (const pidNamespace of [undefined, inner, outer, Fixture.ownNamespace]) {
          const sought = byId(9999n, pidNamespace === undefined ? {} : { pidNamespace })
          assert.deepStrictEqual(yield* prove()(sought), gone("processId64"))
        }
      }))

    test("a zombie still has its own", (fixture, prove) =>
      Effect.gen(function* () {
        const { id, pid } = fixture.add({ state: "Z", exe: undefined })
        const proof = yield* prove()(byId(id), "identity")
        if (proof._tag !== "Found") return assert.fail(proof._tag)
        assert.include(proof.observation, { _tag: "Present", pid, state: "Z" })
      }))

    for (const errno of ["EPERM", "EMFILE", "EINVAL", "ENOENT"]) {
      test(`one process that can't be opened (${errno}) leaves the proof incomplete`, (fixture, prove) =>
        Effect.gen(function* () {
          const { owner } = populate(fixture)
          const closed = fixture.add()
          const open: Pidfds["open"] = (pid) => (pid === closed.pid ? errno : fixture.pidfds.open(pid))
          expectNoProof(yield* prove({}, { open })(byId(9999n)))
          assert.include(yield* prove({}, { open })(byId(owner.id)), { _tag: "Found" })
        }))
    }

    test("a process that ends before it can be opened is gone", (fixture, prove) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        const open: Pidfds["open"] = (number) => {
          if (number === pid) fixture.change(pid, { access: "gone" })
          return fixture.pidfds.open(number)
        }
        assert.deepStrictEqual(yield* prove({}, { open })(byId(9999n)), gone("processId64"))
      }))

    test("no right but to list and to open is needed", (fixture, prove) =>
      Effect.gen(function* () {
        populate(fixture)
        const readLink: Kernel["readLink"] = (path) => {
          if (path.endsWith("/ns/pid") && !path.includes("/self/")) throw Fixture.failed("EACCES")
          return fixture.kernel.readLink(path)
        }
        assert.deepStrictEqual(yield* prove({ readLink })(byId(9999n)), gone("processId64"))
      }))

    test("without it, or without pidfds that prove anything, the namespace is searched", (fixture, prove) =>
      Effect.gen(function* () {
        const { owner } = populate(fixture)
        const fileSystemType: Kernel["fileSystemType"] = (path) =>
          path.startsWith("/proc/self/fd/") ? 0x09041934 : fixture.kernel.fileSystemType(path)
        expectNoProof(yield* prove({ fileSystemType })(byId(owner.id)))
        assert.include(yield* prove({ fileSystemType })(at(7, { processId64: "9999" })), { _tag: "Found" })
        assert.deepStrictEqual(yield* prove({ fileSystemType })(at(7, { pidNamespace: inner })), gone("namespace"))
      }))

    test("in a PID namespace of its own a reader finds what it sees, and knows of nothing that it is gone", (fixture, prove) =>
      Effect.gen(function* () {
        fixture.link(`${process.pid}/ns/pid`, "pid:[4026532999]")
        const { owner } = populate(fixture)
        assert.include(yield* prove()(byId(owner.id)), { _tag: "Found" })
        expectNoProof(yield* prove()(byId(9999n)))
      }))
  })

  test("a process that ends, and whose number another's process gets, isn't taken for one of the namespace", (fixture, prove) =>
    Effect.gen(function* () {
      const { owner } = populate(fixture)
      // The search reads this PID first. The next process with it has the owner's inner PID, in another namespace.
      const first = fixture.add({ namespace: outer, pid: Pid.make(50) })
      fixture.change(first.pid, { pids: [first.pid, 9] })
      const open: Kernel["open"] = (path) => {
        if (path.endsWith(`/${first.pid}/status`)) {
          fixture.change(first.pid, { access: "gone" })
          fixture.add({ pid: first.pid, namespace: inner, pids: [first.pid, 7] })
        }
        return fixture.kernel.open(path)
      }
      const list: Kernel["list"] = (path) => {
        const names = fixture.kernel.list(path)
        return [`${first.pid}`, ...names.filter((name) => name !== `${first.pid}`)]
      }
      const proof = yield* prove({ list, open })(at(7), "existence")
      const observation: Observation = { _tag: "Present", pid: owner.pid, tgid: owner.pid }
      assert.deepStrictEqual(proof, { _tag: "Found", observation })
    }))

  test("a status that can't be read leaves the proof incomplete", (fixture, prove) =>
    Effect.gen(function* () {
      const { owner } = populate(fixture)
      fixture.write(`${owner.pid}/status`, "Name:\tcut")
      expectNoProof(yield* prove()(at(7)))
      fixture.write(`${owner.pid}/status`, "Name:\ta\nNStgid:\t0\t0\n")
      expectNoProof(yield* prove()(at(7)))
    }))

  test("a reader in a PID namespace of its own doesn't see every process", (fixture, prove) =>
    Effect.gen(function* () {
      fixture.link(`${process.pid}/ns/pid`, "pid:[4026532999]")
      expectNoProof(yield* prove()(at(7)))
      // A reader that sees one process of a namespace sees all of them.
      populate(fixture)
      assert.include(yield* prove()(at(7)), { _tag: "Found" })
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
        expectNoProof(yield* prove()(at(7)))
        expectNoProof(yield* prove()(at(7, { processId64: "9999" })))
      }))
  }

  test("a procfs that isn't to be believed proves nothing", (fixture, prove) =>
    Effect.gen(function* () {
      populate(fixture)
      expectNoProof(yield* prove({ fileSystemType: () => 0xef53 })(at(7)))
      const list = () => {
        throw Fixture.failed("EMFILE")
      }
      expectNoProof(yield* prove({ list })(at(7)))
      fixture.remove(`${process.pid}/mountinfo`)
      expectNoProof(yield* prove()(at(8)))
      fixture.link("self", "1")
      expectNoProof(yield* prove()(at(7)))
    }))

  test("scenario 74: another namespace's procfs that is mounted meanwhile proves nothing", (fixture, prove) =>
    Effect.gen(function* () {
      const list: Kernel["list"] = (path) => {
        const { pid } = process
        fixture.write(`${pid}/status`, `Name:\tnode\nTgid:\t${pid}\nNStgid:\t${pid}\t${pid}\n`)
        return fixture.kernel.list(path)
      }
      expectNoProof(yield* prove({ list })(at(7)))
      expectNoProof(yield* prove({ list })(at(7, { processId64: "9999" })))
    }))
})

const layers = { pidfd: LinuxProcessInspector.layer, procfs: LinuxProcessInspector.layerProcfs } as const
const kinds = ["pidfd", "procfs"] as const

const sight = Effect.runSync(
  Effect.provide(
    ProcessInspector.use(({ host }) => host),
    LinuxProcessInspector.layerProcfs
  )
)
const blind = noNamespace ?? notRoot
const sighted = blind ?? (sight.pidNamespace === initialPidNamespace ? undefined : "not in the initial PID namespace")

/** The verdict of a sweep that can't search, and the verdict of one that can. */
const judgedWithProof = Effect.fnUntraced(function* (sentinel: SentinelV3) {
  const { host: own, observe } = yield* ProcessInspector
  const host = yield* own
  const { process, search } = needed(sentinel, host, circumstances)
  const seen = process === undefined ? undefined : yield* observe(sentinel.pid, process)
  const without = judge(sentinel, seen, host, circumstances)
  assert.isTrue(search)
  const proof = yield* proven(soughtOf(sentinel), depthFor(sentinel))
  const verdict = judge(sentinel, seen, host, { ...circumstances, search: proof })
  return [answer(without), answer(verdict)]
})

const identifyIn = (pid: Pid) => ProcessInspector.use(({ identify }) => identify(pid))
const self = ProcessInspector.use(({ self }) => self)

/** Waits for the expected verdict. The kernel may still show a process after the command that ended it has returned. */
const end = (sentinel: SentinelV3, kind: Remote.Kind, expected: string) =>
  Effect.gen(function* () {
    let verdict = ""
    for (let look = 0; look < 10_000 && verdict !== expected; look++) {
      verdict = (yield* Effect.provide(judgedWithProof(sentinel), layers[kind]))[1] ?? ""
      assert.include(["alive matches", "dead zombie", "dead pid-dead", expected], verdict)
    }
    assert.strictEqual(verdict, expected)
  })

describe("the search of the whole kernel (kernel)", () => {
  for (const writer of kinds) {
    for (const reader of kinds) {
      const bothKnowIds = writer === "pidfd" && reader === "pidfd"
      const isGone = bothKnowIds ? "dead process-gone" : "dead namespace-gone"

      it.live.skipIf(sighted !== undefined)(
        because(
          `scenarios 10, 13 and 111: the host (${reader}) finds a container's owner (${writer}), and knows when it is gone`,
          sighted
        ),
        () =>
          Effect.gen(function* () {
            const both = yield* Effect.gen(function* () {
              const { ask } = yield* Remote.Agent
              const init = yield* self
              const pid = yield* ask(Pid, { op: "spawn" })
              const owner = yield* identifyIn(pid)
              assert.strictEqual(init.pid, 1)
              assert.strictEqual(init.pidNamespaceInit?.startTime, init.startTime)
              assert.strictEqual(init.pidNamespaceInit?.processId64, init.processId64)
              for (const identity of [init, owner]) {
                const verdicts = yield* Effect.provide(judgedWithProof(recordOf(identity)), layers[reader])
                assert.deepStrictEqual(verdicts, ["unknown other-pid-namespace", "alive matches"])
              }
              yield* ask(Protocol.Nothing, { op: "exit", pid })
              const exited = yield* Effect.provide(judgedWithProof(recordOf(owner)), layers[reader])
              const dead = bothKnowIds ? "dead process-gone" : "dead pid-dead"
              assert.deepStrictEqual(exited, ["unknown other-pid-namespace", dead])
              return [init, owner]
            }).pipe(Effect.provide(Remote.inNamespace(writer)))
            // The session's end killed the namespace's first process.
            for (const identity of both) yield* end(recordOf(identity), reader, isGone)
          }),
        patience
      )

      it.live.skipIf(sighted !== undefined)(
        because(`scenario 104: a number given again is another namespace's (${writer}, seen with ${reader})`, sighted),
        () =>
          Effect.gen(function* () {
            yield* Effect.gen(function* () {
              const { ask } = yield* Remote.Agent
              const owner = recordOf(yield* identifyIn(yield* ask(Pid, { op: "spawn" })))
              const { processId64: _, ...unknown } = owner.record
              const { pidNamespaceInit: first } = unknown
              if (first === undefined) return assert.fail("no first process")
              // The record is of an owner in an earlier namespace with this number. The owner's PID now belongs to
              // another process.
              const earlier = (pidNamespaceInit: FirstProcess): SentinelV3 => ({
                ...owner,
                record: { ...unknown, pidNamespaceInit }
              })
              const startTime = `${BigInt(first.startTime) - 1n}`
              const records = [
                earlier({ startTime }),
                ...(first.processId64 === undefined
                  ? []
                  : [earlier({ startTime, processId64: `${BigInt(first.processId64) - 1n}` })])
              ]
              for (const record of records) {
                const verdicts = yield* Effect.provide(judgedWithProof(record), layers[reader])
                assert.deepStrictEqual(verdicts, ["unknown other-pid-namespace", "dead namespace-gone"])
                // A reader inside the namespace proves the end without a search of the whole kernel.
                const inside = yield* ask(Protocol.Proof, { op: "prove", sought: soughtOf(record), wanted: "all" })
                assert.deepStrictEqual(inside, gone("namespace"))
              }
              // A record of the present namespace is compared with the process itself.
              const verdicts = yield* Effect.provide(judgedWithProof(earlier(first)), layers[reader])
              assert.deepStrictEqual(verdicts, ["unknown other-pid-namespace", "alive matches"])
            }).pipe(Effect.provide(Remote.inNamespace(writer)))
          }),
        patience
      )
    }
  }

  for (const kind of kinds) {
    it.live.skipIf(sighted !== undefined)(
      because(`the reader's own namespace is searched too (${kind})`, sighted),
      () =>
        Effect.gen(function* () {
          const world = makeWorld()
          const pid = yield* world.spawn
          const sought = soughtOf(recordOf(yield* identifyIn(pid)))
          const alive = yield* proven(sought, "identity")
          if (alive._tag !== "Found") return assert.fail(alive._tag)
          assert.include(alive.observation, { _tag: "Present", pid })
          yield* world.exit?.(pid) ?? assert.fail("a world that can't end a process")
          const observation: Observation = { _tag: "Absent", pid }
          const dead: NamespaceProof = kind === "pidfd" ? gone("processId64") : { _tag: "Found", observation }
          assert.deepStrictEqual(yield* proven(sought, "identity"), dead)
        }).pipe(Effect.provide(Layer.merge(layers[kind], Programs.layer))),
      patience
    )

    const reason = sighted ?? unavailable("nspawn")
    it.live.skipIf(reason !== undefined)(
      because(
        `scenario 111: the host finds the owner in a systemd-nspawn container, and knows when it is gone (${kind})`,
        reason
      ),
      () =>
        Effect.gen(function* () {
          const owner = yield* Effect.gen(function* () {
            const { ask } = yield* Remote.Agent
            const host = yield* ProcessInspector.use(({ host }) => host)
            // Native code reads the kernel's boot id below the file that the container mounts over it.
            assert.strictEqual(host.bootId, kind === "pidfd" ? sight.bootId : undefined)
            if (kind === "procfs") assert.match(host.bootIdProblem ?? "", /a file is mounted over \/proc\/sys/)
            const sentinel = recordOf(yield* identifyIn(yield* ask(Pid, { op: "spawn" })))
            assert.strictEqual(sentinel.record.bootId, host.bootId)
            assert.notStrictEqual(sentinel.record.pidNamespace, sight.pidNamespace)
            const unsure = kind === "pidfd" ? "unknown other-pid-namespace" : "unknown boot-unknown"
            const verdicts = yield* Effect.provide(judgedWithProof(sentinel), layers[kind])
            assert.deepStrictEqual(verdicts, [unsure, "alive matches"])
            return sentinel
          }).pipe(Effect.provide(Remote.under(places.nspawn, kind)))
          yield* end(owner, kind, kind === "pidfd" ? "dead process-gone" : "dead namespace-gone")
        }),
      patience
    )
  }

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
          const sentinel = recordOf(yield* Effect.provide(self, theirs))
          assert.strictEqual(sentinel.pid, 1)
          yield* Effect.gen(function* () {
            const { ask } = yield* Remote.Agent
            const host = yield* ProcessInspector.use(({ host }) => host)
            const search = yield* ask(Protocol.Proof, { op: "prove", sought: soughtOf(sentinel), wanted: "all" })
            expectNoProof(search, /outside of the PID namespace/)
            const verdict = judge(sentinel, undefined, host, { ...circumstances, search })
            assert.strictEqual(answer(verdict), "unknown other-pid-namespace")
          }).pipe(Effect.provide(ours))
        }
      }),
    patience
  )

  // No reader below may inspect the processes of this container.
  const container = blind === undefined ? Remote.inNamespace("procfs") : Layer.empty
  it.layer(Layer.effectDiscard(Layer.build(container)))("beside a container", (it) => {
    for (const place of ["nobody", "invisible", "invisibleToRoot", "subset", "foreign", "unmounted"] as const) {
      const reason = sighted ?? unavailable(place)
      it.effect.skipIf(reason !== undefined)(
        because(`from "${place}" there is no proof that one is gone`, reason),
        () =>
          Effect.gen(function* () {
            const { ask } = yield* Remote.Agent
            const prove = (sought: Sought) => ask(Protocol.Proof, { op: "prove", sought, wanted: "all" })
            const pidNamespace = "pid:[1]"
            expectNoProof(yield* prove({ pid: Pid.make(1), pidNamespace }), reasons[place])
            // A reader that sees all PIDs needs no permission to inspect the processes.
            const byId = yield* prove({ pid: Pid.make(1), pidNamespace, processId64: "1" })
            if (place === "nobody") assert.deepStrictEqual(byId, gone("processId64"))
            else expectNoProof(byId, reasons[place])
          }).pipe(Effect.provide(Remote.under(places[place], "pidfd"))),
        patience
      )
    }
  })

  it.live.skipIf(sighted !== undefined)(because("a namespace that never was is gone", sighted), () =>
    Effect.gen(function* () {
      const proof = yield* proven({ pid: Pid.make(1), pidNamespace: "pid:[1]" })
      assert.deepStrictEqual(proof, gone("namespace"))
    }).pipe(Effect.provide(layers.pidfd))
  )
})
