import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import * as Condemned from "../src/Condemned.ts"
import {
  MalformedSentinel,
  OversizedSentinel,
  PermissionDenied,
  StoreFailure,
  UnsupportedVersion,
  UntrustedSentinel
} from "../src/Errors.ts"
import { type Holding, type SentinelFile, tagOf } from "../src/Holding.ts"
import type { Observation } from "../src/Observation.ts"
import { Pid } from "../src/ProcessIdentity.ts"
import type { RecordV3, Sentinel } from "../src/Sentinel.ts"
import type { Circumstances } from "../src/Verdict.ts"
import { circumstances, frame, host, inPlace, made, pid, present, v1, v2, v3, writtenAt } from "./support/fixtures.ts"
import { runs } from "./support/property.ts"

const bytes = new TextEncoder().encode("4242")

const file = (content: SentinelFile["content"], changes: Partial<SentinelFile> = {}): SentinelFile => ({
  entry: ".vm-sentinel",
  id: { dev: "1", ino: "100" },
  size: bytes.length,
  writtenAt,
  changedAt: writtenAt,
  bytes,
  content,
  ...changes
})

const read = (sentinel: Sentinel, changes: Partial<SentinelFile> = {}) => file(Result.succeed(sentinel), changes)

const holding = (sentinels: ReadonlyArray<SentinelFile>, changes: Partial<Holding> = {}): Holding => ({
  path: "/vms/a",
  id: { dev: "1", ino: "10" },
  frame: frame(),
  distrust: undefined,
  subdirectories: "none",
  sentinels,
  foreign: [],
  ...changes
})

const about = { operation: "read sentinel", path: "/vms/a/.vm-sentinel" }
const errors = {
  "oversized-sentinel": new OversizedSentinel({ ...about, size: 5000, limit: 4096 }),
  "malformed-sentinel": new MalformedSentinel({ ...about, problem: "empty" }),
  "untrusted-sentinel": new UntrustedSentinel({ ...about, problem: "a symbolic link" }),
  "unsupported-version": new UnsupportedVersion({ ...about, version: "4" }),
  unreadable: new PermissionDenied(about)
} as const

const absent: Observation = { _tag: "Absent", pid }
const hidden: Observation = { _tag: "Hidden", pid, detail: "stat: EPERM" }

type Kind = "alive" | "dead" | "unknown" | "refused"

/** The file of an owner, and what is seen of its process. */
const owners: Readonly<Record<Kind, readonly [SentinelFile, Observation]>> = {
  alive: [read(v3(), { entry: ".vm-sentinel.alive" }), present()],
  dead: [read(v3(), { entry: ".vm-sentinel.dead" }), absent],
  unknown: [read(v3(), { entry: ".vm-sentinel.unknown" }), hidden],
  refused: [file(Result.fail(errors["malformed-sentinel"]), { entry: ".vm-sentinel.refused" }), absent]
}

const answering = (seen: (question: Condemned.Question) => Observation | undefined) => {
  const asked: Array<string> = []
  const examine = (held: Holding, kind?: Parameters<typeof Condemned.examine>[2]): Condemned.Judgement => {
    const examination = Condemned.examine(held, host(), kind)
    let step = examination.next()
    while (step.done !== true) {
      asked.push(step.value.file.entry)
      step = examination.next({ observation: seen(step.value), circumstances: circumstances() })
    }
    return step.value
  }
  return { asked, examine }
}

const judge = (kinds: ReadonlyArray<Kind>, changes: Partial<Holding> = {}) => {
  const { asked, examine } = answering(({ file }) =>
    Object.values(owners)
      .flatMap(([own, seen]) => (own === file ? [seen] : []))
      .at(0)
  )
  return {
    asked,
    judgement: examine(
      holding(
        kinds.map((kind) => owners[kind][0]),
        changes
      )
    )
  }
}

/** The judgement of a directory with one sentinel, whose owner is gone. */
const deadJudgement = (held = holding([read(v3())])) => answering(() => absent).examine(held)

const condemnedOf = (judgement: Condemned.Judgement): Condemned.Condemned => {
  assert.isDefined(judgement.condemned)
  return judgement.condemned ?? assert.fail("not condemned")
}

describe("examine", () => {
  const rows: ReadonlyArray<readonly [kinds: ReadonlyArray<Kind>, verdict: string, reason: string, decisive: string]> =
    [
      [["alive"], "alive", "matches", "alive"],
      [["dead"], "dead", "pid-dead", "dead"],
      [["unknown"], "unknown", "permission-denied", "unknown"],
      [["refused"], "unknown", "malformed-sentinel", "refused"],
      [["dead", "dead"], "dead", "pid-dead", "dead"],
      [["dead", "alive"], "alive", "matches", "alive"],
      [["alive", "dead"], "alive", "matches", "alive"],
      [["dead", "unknown"], "unknown", "permission-denied", "unknown"],
      [["unknown", "dead"], "unknown", "permission-denied", "unknown"],
      [["dead", "refused"], "unknown", "malformed-sentinel", "refused"],
      [["refused", "dead"], "unknown", "malformed-sentinel", "refused"],
      [["unknown", "alive"], "alive", "matches", "alive"],
      [["refused", "alive"], "alive", "matches", "alive"],
      [["refused", "unknown"], "unknown", "malformed-sentinel", "refused"],
      [["unknown", "refused", "dead", "alive"], "alive", "matches", "alive"]
    ]
  for (const [kinds, verdict, reason, decisive] of rows) {
    it(`scenario 43: ${kinds.join(" and ")} → ${verdict}`, () => {
      const { judgement } = judge(kinds)
      assert.strictEqual(judgement.verdict, verdict)
      assert.strictEqual(judgement.reason, reason)
      assert.strictEqual(judgement.decisive?.entry, `.vm-sentinel.${decisive}`)
      assert.strictEqual(judgement.condemned !== undefined, verdict === "dead")
    })
  }

  it("scenario 32: no sentinel: not ours, and nothing is asked", () => {
    const { asked, judgement } = judge([])
    assert.deepStrictEqual(asked, [])
    assert.strictEqual(judgement.verdict, "none")
    assert.strictEqual(judgement.reason, "no-sentinel")
    assert.isUndefined(judgement.condemned)
    assert.isUndefined(judgement.decisive)
  })

  for (const [reason, error] of [
    ...Object.entries(errors),
    ["unreadable", new StoreFailure({ ...about, errno: "EIO" })] as const
  ]) {
    it(`${error._tag} → unknown ${reason}, with the error, and no process asked about`, () => {
      const { asked, examine } = answering(() => absent)
      const judgement = examine(holding([file(Result.fail(error), { bytes: undefined })]))
      assert.deepStrictEqual(asked, [])
      assert.strictEqual(judgement.verdict, "unknown")
      assert.strictEqual(judgement.reason, reason)
      assert.strictEqual(judgement.error, error)
      assert.isUndefined(judgement.condemned)
    })
  }

  it("another owner's sentinel keeps what would be dead, and a directory without ours", () => {
    for (const kinds of [["dead"], ["dead", "dead"], []] as const) {
      const { judgement } = judge(kinds, { foreign: [".bbox-sentinel"] })
      assert.strictEqual(judgement.verdict, "unknown")
      assert.strictEqual(judgement.reason, "other-owner")
      assert.isUndefined(judgement.condemned)
    }
  })

  it("another owner's sentinel changes nothing where ours says alive or unknown", () => {
    assert.strictEqual(judge(["alive"], { foreign: [".bbox-sentinel"] }).judgement.reason, "matches")
    assert.strictEqual(judge(["unknown"], { foreign: [".bbox-sentinel"] }).judgement.reason, "permission-denied")
    assert.strictEqual(judge(["refused"], { foreign: [".bbox-sentinel"] }).judgement.reason, "malformed-sentinel")
  })

  it("asks in order, about what can be read, until one is alive", () => {
    assert.deepStrictEqual(judge(["dead", "refused", "alive", "unknown"]).asked, [
      ".vm-sentinel.dead",
      ".vm-sentinel.alive"
    ])
    assert.deepStrictEqual(judge(["unknown", "dead"]).asked, [".vm-sentinel.unknown", ".vm-sentinel.dead"])
  })

  it("keeps what was judged of each sentinel", () => {
    const { judgement } = judge(["refused", "unknown", "dead"])
    assert.deepStrictEqual(
      judgement.parts.map(({ file, judged }) => [
        file.entry,
        Result.isSuccess(judged) ? judged.success.reason : judged.failure._tag
      ]),
      [
        [".vm-sentinel.refused", "MalformedSentinel"],
        [".vm-sentinel.unknown", "permission-denied"],
        [".vm-sentinel.dead", "pid-dead"]
      ]
    )
  })

  it("judges each format, by the circumstances of its own file", () => {
    const mixed = holding([read(v3()), read(v2(), { entry: "b" }), read(v1, { entry: "c" })])
    const judgement = answering(() => absent).examine(mixed)
    assert.strictEqual(judgement.verdict, "dead")
    assert.strictEqual(judgement.parts.length, 3)
    const other = present({ processId64: "7", exe: { path: "/usr/bin/other" }, startedAt: writtenAt + 60_000 })
    const kept = answering(() => other).examine(mixed)
    assert.strictEqual(kept.verdict, "alive")
    assert.strictEqual(kept.reason, "pid-alive")
  })

  it("without an observation nothing is condemned, where the scope doesn't decide", () => {
    assert.strictEqual(answering(() => undefined).examine(holding([read(v3())])).reason, "inspection-failed")
  })

  it("gives the evidence of the sentinel that decided", () => {
    const { judgement } = judge(["dead", "unknown"])
    assert.strictEqual(judgement.evidence.process?.observed, "stat: EPERM")
  })

  const AnyKinds = Arbitrary.array(Arbitrary.schema(Schema.Literals(["alive", "dead", "dead", "unknown", "refused"])), {
    maxLength: 6
  })
  it.prop(
    "condemns exactly where there are owners, all of them are dead, and none is another's",
    [AnyKinds, Schema.Array(Schema.Literals([".bbox-sentinel", "data/go-microvm-state.json"]))],
    ([kinds, foreign]) => {
      const { judgement } = judge(kinds, { foreign })
      const all = kinds.length > 0 && kinds.every((kind) => kind === "dead") && foreign.length === 0
      assert.strictEqual(judgement.condemned !== undefined, all)
      assert.strictEqual(judgement.verdict === "dead", all)
      assert.strictEqual(judgement.verdict === "alive", kinds.includes("alive"))
      assert.strictEqual(judgement.verdict === "none", kinds.length === 0 && foreign.length === 0)
    },
    runs(1000)
  )
})

describe("what a sweep left", () => {
  const { examine } = answering(({ sentinel }) => (sentinel.pid === pid ? absent : present({ pid: sentinel.pid })))
  const workspace = { path: "/vms/.vm-sentinel-reap.0123456789abcdef" }

  it("a workspace without a sentinel was given up", () => {
    const judgement = examine(holding([], workspace), { _tag: "Workspace" })
    assert.strictEqual(judgement.reason, "abandoned")
    assert.strictEqual(condemnedOf(judgement).path, workspace.path)
  })

  it("a workspace with a sentinel is judged by it", () => {
    assert.strictEqual(examine(holding([read(v3())], workspace), { _tag: "Workspace" }).reason, "pid-dead")
    const alive = answering(() => present()).examine(holding([read(v3())], workspace), { _tag: "Workspace" })
    assert.strictEqual(alive.verdict, "alive")
    const refused = examine(holding([file(Result.fail(errors["malformed-sentinel"]))], workspace), {
      _tag: "Workspace"
    })
    assert.strictEqual(refused.verdict, "unknown")
  })

  it("a workspace with another owner's sentinel is kept", () => {
    const judgement = examine(holding([], { ...workspace, foreign: [".bbox-sentinel"] }), { _tag: "Workspace" })
    assert.strictEqual(judgement.verdict, "unknown")
    assert.isUndefined(judgement.condemned)
  })
})

describe("what a sweep began to delete", () => {
  const path = "/vms/.vm-sentinel-reap.0123456789abcdef/dead/a"
  const known = read(v3())
  const remains = (tags: ReadonlyArray<string>): Condemned.Kind => ({ _tag: "Remains", tags })
  const judged = (
    seen: Observation,
    sentinels: ReadonlyArray<SentinelFile>,
    tags: ReadonlyArray<string>,
    changes: Partial<Holding> = {}
  ) => answering(() => seen).examine(holding(sentinels, { path, ...changes }), remains(tags))

  it("goes on where nothing came since, or what came is dead", () => {
    assert.strictEqual(judged(absent, [], []).condemned?.reason, "resumed")
    assert.strictEqual(judged(hidden, [known], [tagOf(known)]).condemned?.reason, "resumed")
    assert.strictEqual(judged(absent, [known], []).condemned?.reason, "resumed")
  })

  it("scenario 108: stays where a sentinel is alive, or came since and isn't dead", () => {
    assert.strictEqual(judged(present(), [known], [tagOf(known)]).verdict, "alive")
    assert.strictEqual(judged(hidden, [known], []).verdict, "unknown")
    assert.strictEqual(judged(hidden, [known], [tagOf({ ...known, id: { dev: "1", ino: "7" } })]).verdict, "unknown")
    assert.isUndefined(judged(absent, [], [], { foreign: [".bbox-sentinel"] }).condemned)
  })

  it("scenario 80: stays where somebody else could have put it there", () => {
    for (const kind of [remains([]), { _tag: "Workspace" }] satisfies ReadonlyArray<Condemned.Kind>) {
      const place = kind._tag === "Workspace" ? "/vms/.vm-sentinel-reap.0123456789abcdef" : path
      const planted = holding([], { path: place, distrust: "owned by uid 7" })
      const judgement = answering(() => absent).examine(planted, kind)
      assert.strictEqual(judgement.reason, "untrusted-sentinel")
      assert.isUndefined(judgement.condemned)
    }
  })

  it("counts by its place alone: elsewhere a directory without a sentinel isn't ours", () => {
    for (const place of ["/vms/a", "/vms/dead/a", "/vms/.vm-sentinel-reap.0123456789abcdef/claimed/a"]) {
      const judgement = answering(() => absent).examine(holding([], { path: place }), remains([]))
      assert.strictEqual(judgement.reason, "no-sentinel")
      assert.isUndefined(judgement.condemned)
    }
  })
})

describe("the first process of a PID namespace, proved gone", () => {
  const container = { pidNamespace: "pid:[7]", pidNamespaceInit: { startTime: "70", processId64: "700" } }
  const first = (changes: Partial<RecordV3> = {}): Sentinel => ({
    ...inPlace({ ...container, startTime: "70", processId64: "700", ...changes }),
    pid: Pid.make(1)
  })
  const command = (changes: Partial<RecordV3> = {}): Sentinel =>
    inPlace({ ...container, startTime: "90", processId64: "900", role: "vmm", ...changes })

  /** Both in a namespace that the reader can't look into. Of the first one's id the whole kernel knows nothing. */
  const judged = (one: Sentinel, other: Sentinel, changes: Partial<Circumstances> = {}) => {
    const held = holding([read(one), read(other, { entry: ".vm-sentinel.vmm" })])
    const examination = Condemned.examine(held, host())
    let step = examination.next()
    while (step.done !== true) {
      const isFirst = step.value.sentinel === one
      step = examination.next({
        observation: undefined,
        circumstances: circumstances(
          isFirst ? { search: { _tag: "Gone", by: "processId64" } } : { search: { _tag: "Incomplete" }, ...changes }
        )
      })
    }
    return step.value
  }

  it("has doomed all others of that namespace", () => {
    const judgement = judged(first(), command())
    assert.strictEqual(judgement.verdict, "dead")
    assert.deepStrictEqual(
      judgement.parts.map(({ judged }) => (Result.isSuccess(judged) ? judged.success.reason : "")),
      ["process-gone", "namespace-gone"]
    )
    const [, doomed] = judgement.parts
    const evidence = doomed !== undefined && Result.isSuccess(doomed.judged) ? doomed.judged.success.evidence : {}
    assert.deepStrictEqual(evidence.firstProcess, {
      recorded: "start 70, id 700",
      observed: "process 1, the first of the namespace, is gone",
      result: "different"
    })
    assert.strictEqual(Condemned.withLock(judgement, "free").condemned?.reason, "process-gone")
  })

  it("also by its start alone, and whichever comes first", () => {
    const byStart = { pidNamespaceInit: { startTime: "70" } }
    assert.strictEqual(judged(first(byStart), command(byStart)).verdict, "dead")
    const held = holding([read(command()), read(first(), { entry: ".vm-sentinel.init" })])
    const examination = Condemned.examine(held, host())
    let step = examination.next()
    while (step.done !== true) {
      const search = step.value.sentinel.pid === 1 ? ({ _tag: "Gone", by: "processId64" } as const) : undefined
      step = examination.next({
        observation: undefined,
        circumstances: circumstances(search === undefined ? {} : { search })
      })
    }
    assert.strictEqual(step.value.verdict, "dead")
  })

  const others: ReadonlyArray<readonly [name: string, one: Sentinel, other: Sentinel, reason: string]> = [
    [
      "scenario 104: the number given again",
      first(),
      command({ pidNamespaceInit: { startTime: "80", processId64: "800" } }),
      "other-pid-namespace"
    ],
    ["another number", first(), command({ pidNamespace: "pid:[8]" }), "other-pid-namespace"],
    [
      "no first process recorded",
      first(),
      inPlace({ pidNamespace: "pid:[7]", pidNamespaceInit: undefined }),
      "other-pid-namespace"
    ],
    ["its boot not recorded", first(), inPlace({ ...container, bootId: undefined }), "boot-unknown"],
    [
      "the first one's boot not recorded",
      { ...inPlace({ ...container, startTime: "70", processId64: "700", bootId: undefined }), pid: Pid.make(1) },
      command(),
      "other-pid-namespace"
    ],
    [
      "starts in unknown time namespaces",
      first({ pidNamespaceInit: { startTime: "70" } }),
      inPlace({ pidNamespace: "pid:[7]", pidNamespaceInit: { startTime: "70" }, timeOffset: undefined }),
      "other-pid-namespace"
    ],
    ["in another directory", first(), command({ directory: { ...made, file: "99" } }), "other-directory"],
    ["in an unknown directory", first(), command({ directory: { type: "ext4" } }), "other-pid-namespace"],
    ["the one that is gone wasn't the first", command({ role: "owner" }), command(), "other-pid-namespace"],
    [
      "the one that is gone has the number of a first process, and isn't it",
      { ...command({ role: "owner" }), pid: Pid.make(1) },
      command(),
      "other-pid-namespace"
    ]
  ]
  for (const [name, one, other, reason] of others) {
    it(`says nothing of others: ${name}`, () => {
      const judgement = judged(one, other)
      assert.strictEqual(judgement.verdict, "unknown")
      assert.strictEqual(judgement.reason, reason)
      assert.isUndefined(judgement.condemned)
    })
  }

  it("says nothing of who holds a lock, or may hold one that can't be asked for", () => {
    const lock = { kind: "flock", tested: true, holder: "inherited" } as const
    assert.strictEqual(judged(first(), command({ lock }), { lockState: "shared" }).verdict, "alive")
    assert.strictEqual(judged(first(), command({ lock }), { lockState: "unknown" }).verdict, "unknown")
    assert.strictEqual(judged(first(), command({ lock }), { lockState: "free" }).verdict, "dead")
  })

  it("says nothing of what was found, and couldn't be seen", () => {
    const search = { _tag: "Found", observation: hidden } as const
    assert.strictEqual(judged(first(), command(), { search }).reason, "permission-denied")
    assert.strictEqual(
      judged(first(), command(), { search: { _tag: "Found", observation: present({ processId64: "900" }) } }).verdict,
      "alive"
    )
  })
})

const lock = { kind: "flock", tested: true, holder: "self" } as const

describe("withLock", () => {
  const claiming = holding([read(v3({ lock }))])
  /** The lock wasn't asked for yet. */
  const judgement = deadJudgement(claiming)

  for (const state of ["shared", "exclusive"] as const) {
    it(`scenario 69: ${state}: alive, whatever the sentinels say, and nobody can be condemned by it any more`, () => {
      for (const dead of [deadJudgement(), judgement]) {
        const kept = Condemned.withLock(dead, state)
        assert.strictEqual(kept.verdict, "alive")
        assert.strictEqual(kept.reason, "lock-held")
        assert.isUndefined(kept.condemned)
        assert.strictEqual(kept.evidence.lock?.observed, state)
        assert.deepStrictEqual(kept.evidence.process, dead.evidence.process)
        for (const forged of [kept, { ...kept, verdict: "unknown" as const }, { ...kept, verdict: "dead" as const }]) {
          const { condemned } = Condemned.assumeDead(forged, "host was wiped")
          assert.isUndefined(condemned)
          assert.isUndefined(Condemned.withLock(forged, "free").condemned)
        }
      }
    })
  }

  it("free: as it was judged", () => {
    assert.strictEqual(Condemned.withLock(judgement, "free"), judgement)
    assert.isTrue(Condemned.Condemned.is(Condemned.withLock(judgement, "free").condemned))
  })

  it("scenario 68: unknown: only what claims no lock is condemned", () => {
    const kept = Condemned.withLock(judgement, "unknown")
    assert.strictEqual(kept.verdict, "unknown")
    assert.strictEqual(kept.reason, "lock-unknown")
    assert.strictEqual(kept.evidence.lock?.observed, "unknown")
    assert.isUndefined(kept.condemned)
    const unclaimed = deadJudgement()
    assert.strictEqual(Condemned.withLock(unclaimed, "unknown"), unclaimed)
    assert.isFalse(unclaimed.condemned?.claimsLock)
    assert.isTrue(judgement.condemned?.claimsLock)
  })

  it("scenario 68: unknown: what claims one beside what claims none, in either order", () => {
    const [claims, not] = [read(v3({ lock })), read(v3(), { entry: ".vm-sentinel.vmm" })]
    for (const sentinels of [
      [claims, not],
      [not, claims]
    ]) {
      assert.strictEqual(Condemned.withLock(deadJudgement(holding(sentinels)), "unknown").reason, "lock-unknown")
    }
  })

  it("unknown: no lock outlives its boot, but that of another owner of this boot may be held", () => {
    const old = inPlace({ bootId: "boot-0", lock })
    const rebooted = deadJudgement(holding([read(old)]))
    assert.strictEqual(rebooted.reason, "rebooted")
    assert.strictEqual(Condemned.withLock(rebooted, "unknown"), rebooted)
    const both = deadJudgement(holding([read(old), read(inPlace({ lock }), { entry: ".vm-sentinel.vmm" })]))
    assert.strictEqual(both.reason, "rebooted")
    assert.strictEqual(Condemned.withLock(both, "unknown").reason, "lock-unknown")
    const third = deadJudgement(holding([read(old), read(v3(), { entry: ".vm-sentinel.vmm" })]))
    assert.strictEqual(Condemned.withLock(third, "unknown"), third)
  })

  it("keeps what a record claims beside what was found", () => {
    const seen = answering(() => absent)
    assert.strictEqual(seen.examine(claiming).evidence.lock?.recorded, undefined)
    const noted = {
      ...judgement,
      evidence: { lock: { recorded: "flock of its own", result: "not-applicable" } }
    } as const
    assert.deepStrictEqual(Condemned.withLock(noted, "shared").evidence.lock, {
      recorded: "flock of its own",
      observed: "shared",
      result: "not-applicable"
    })
  })

  it("changes nothing that isn't dead", () => {
    for (const kinds of [["alive"], ["unknown"], ["refused"], []] as const) {
      const { judgement } = judge(kinds)
      for (const state of ["free", "shared", "exclusive", "unknown"] as const) {
        assert.strictEqual(Condemned.withLock(judgement, state), judgement)
      }
    }
  })

  it("a lock that is held keeps what an operator assumed dead", () => {
    const { judgement } = judge(["unknown"])
    const assumed = Condemned.assumeDead(judgement, "host was wiped")
    assert.isDefined(assumed.condemned)
    assert.strictEqual(Condemned.withLock(assumed, "shared").verdict, "alive")
    assert.isUndefined(Condemned.withLock(assumed, "shared").condemned)
  })
})

describe("withOwnerBelow", () => {
  const path = "disks/a/.vm-sentinel"
  const below = judge(["alive"]).judgement

  it("scenario 77: keeps what would be dead, with the path, and its own verdict", () => {
    const dead = deadJudgement()
    const kept = Condemned.withOwnerBelow(dead, path, below)
    assert.strictEqual(kept.verdict, "dead")
    assert.strictEqual(kept.reason, "owner-inside")
    assert.isUndefined(kept.condemned)
    assert.isUndefined(kept.error)
    assert.deepStrictEqual(kept.evidence, {
      ...dead.evidence,
      below: { recorded: path, observed: "alive, matches", result: "not-applicable" }
    })
    assert.isUndefined(Condemned.assumeDead(kept, "host was wiped").condemned)
    assert.isUndefined(Condemned.withLock(kept, "free").condemned)
  })

  it("changes nothing that isn't dead", () => {
    for (const kinds of [["alive"], ["unknown"], ["refused"], []] as const) {
      const { judgement } = judge(kinds)
      assert.strictEqual(Condemned.withOwnerBelow(judgement, path, below), judgement)
    }
  })
})

describe("a Condemned", () => {
  const condemned = condemnedOf(deadJudgement())

  it("names the directory and the reason", () => {
    assert.strictEqual(condemned.path, "/vms/a")
    assert.strictEqual(condemned.reason, "pid-dead")
    assert.isTrue(Condemned.Condemned.is(condemned))
  })

  it("can't be constructed", () => {
    const construct = (...args: ReadonlyArray<unknown>): unknown => Reflect.construct(Condemned.Condemned, [...args])
    assert.throws(() => construct(), TypeError, "made by a judgement alone")
    assert.throws(() => construct(Symbol("Condemned"), holding([]), "pid-dead"), TypeError)
    assert.throws(() => construct(Symbol.for("Condemned"), holding([]), "pid-dead"), TypeError)
    assert.throws(() => construct(undefined, holding([]), "pid-dead"), TypeError)
    for (const symbol of Object.getOwnPropertySymbols(Condemned.Condemned)) {
      assert.throws(() => construct(symbol, holding([]), "pid-dead"), TypeError)
    }
  })

  it("can't be constructed through a subclass or its own constructor", () => {
    const construct = (): unknown => Reflect.construct(condemned.constructor, [Symbol("Condemned"), holding([]), "x"])
    assert.throws(construct, TypeError)
    assert.throws(
      () => Reflect.construct(Condemned.Condemned, [Symbol("Condemned"), holding([]), "x"], Object),
      TypeError
    )
  })

  it("can't be imitated or copied", () => {
    const imitations: ReadonlyArray<unknown> = [
      Object.create(Condemned.Condemned.prototype),
      Object.create(condemned),
      { ...condemned },
      structuredClone({ reason: condemned.reason }),
      Object.setPrototypeOf({ reason: "pid-dead" }, Condemned.Condemned.prototype),
      new Proxy(condemned, {}),
      { path: "/vms/a", reason: "pid-dead", difference: () => undefined },
      undefined,
      null,
      "pid-dead"
    ]
    for (const imitation of imitations) assert.isFalse(Condemned.Condemned.is(imitation))
  })

  it("an imitation has no path and compares nothing", () => {
    const imitation: unknown = Object.create(Condemned.Condemned.prototype)
    const { difference } = Condemned.Condemned.prototype
    assert.throws(() => Reflect.get(Condemned.Condemned.prototype, "path", imitation), TypeError)
    assert.throws(() => Reflect.apply(difference, imitation, [holding([])]), TypeError)
  })

  it("can't be changed", () => {
    assert.isTrue(Object.isFrozen(condemned))
    assert.isFalse(Reflect.set(condemned, "reason", "rebooted"))
    assert.isFalse(Reflect.set(condemned, "path", "/home"))
    assert.isFalse(Reflect.defineProperty(condemned, "path", { value: "/home" }))
    assert.strictEqual(condemned.path, "/vms/a")
  })

  it("tells nothing of the sentinels it was made of", () => {
    assert.deepStrictEqual(Reflect.ownKeys(condemned), ["reason", "claimsLock"])
    assert.strictEqual(JSON.stringify(condemned), '{"reason":"pid-dead","claimsLock":false}')
  })
})

describe("what a Condemned is bound to", () => {
  const runner = read(v3(), { entry: ".vm-sentinel.runner", id: { dev: "1", ino: "101" } })
  const refused = file(Result.fail(errors["oversized-sentinel"]), { entry: "z", bytes: undefined, size: 5000 })
  const judged = holding([read(v3()), runner])
  const condemned = condemnedOf(deadJudgement(judged))
  const changedBytes = new TextEncoder().encode("4243")

  it("the same directory with the same sentinels, wherever it was moved", () => {
    assert.isUndefined(condemned.difference(judged))
    assert.isUndefined(condemned.difference(structuredClone(judged)))
    assert.isUndefined(condemned.difference({ ...judged, path: "/vms/.vm-sentinel-reap.0/claimed/a" }))
  })

  const changes: ReadonlyArray<readonly [name: string, now: Holding, difference: RegExp]> = [
    ["another inode of the directory", { ...judged, id: { dev: "1", ino: "11" } }, /another directory/],
    ["another device of the directory", { ...judged, id: { dev: "2", ino: "10" } }, /another directory/],
    ["no sentinel any more", holding([]), /appeared or went away/],
    ["one sentinel less", holding([read(v3())]), /appeared or went away/],
    ["one sentinel more", holding([read(v3()), runner, read(v1, { entry: "x" })]), /appeared or went away/],
    ["another order", holding([runner, read(v3())]), /\.vm-sentinel is another/],
    ["another name", holding([read(v3()), { ...runner, entry: ".vm-sentinel.x" }]), /\.vm-sentinel\.runner is another/],
    ["other bytes", holding([read(v3(), { bytes: changedBytes }), runner]), /\.vm-sentinel is another/],
    ["bytes more", holding([read(v3(), { bytes: new TextEncoder().encode("42420") }), runner]), /is another/],
    ["bytes less", holding([read(v3(), { bytes: bytes.slice(0, 3) }), runner]), /is another/],
    ["the same bytes in another file", holding([read(v3(), { id: { dev: "1", ino: "7" } }), runner]), /is another/],
    ["the same inode on another device", holding([read(v3(), { id: { dev: "2", ino: "100" } }), runner]), /is another/],
    ["a sentinel refused now", holding([read(v3()), { ...refused, entry: runner.entry, id: runner.id }]), /is another/],
    ["another owner's sentinel", { ...judged, foreign: [".bbox-sentinel"] }, /\.bbox-sentinel appeared/]
  ]
  for (const [name, now, difference] of changes) {
    it(`not: ${name}`, () => {
      assert.match(condemned.difference(now) ?? "", difference)
    })
  }

  it("a time of writing alone is no difference: the bytes were read", () => {
    assert.isUndefined(condemned.difference(holding([read(v3(), { writtenAt: 0 }), runner])))
  })

  it("a sentinel that was never read is known by its size and time", () => {
    const { condemned } = Condemned.assumeDead(answering(() => absent).examine(holding([refused])), "it was me")
    assert.isDefined(condemned)
    assert.isUndefined(condemned?.difference(holding([refused])))
    assert.isDefined(condemned?.difference(holding([{ ...refused, size: 5001 }])))
    assert.isDefined(condemned?.difference(holding([{ ...refused, writtenAt: 0 }])))
    assert.isDefined(condemned?.difference(holding([{ ...refused, bytes }])))
  })

  it("another owner's sentinel that was judged, and is gone now, is no difference", () => {
    const foreign = { foreign: [".bbox-sentinel"] }
    const { judgement } = judge(["dead"], foreign)
    const { condemned } = Condemned.assumeDead(judgement, "it was me")
    assert.isUndefined(condemned?.difference(holding([owners.dead[0]])))
    assert.isUndefined(condemned?.difference(holding([owners.dead[0]], foreign)))
  })
})

describe("assumeDead", () => {
  const assumed = (kinds: ReadonlyArray<Kind>, reason = "host was wiped", changes: Partial<Holding> = {}) =>
    Condemned.assumeDead(judge(kinds, changes).judgement, reason)

  it("overrides unknown, and says so with the reason", () => {
    for (const kinds of [["unknown"], ["refused"], ["dead", "unknown"]] as const) {
      const judgement = assumed(kinds)
      assert.strictEqual(judgement.verdict, "dead")
      assert.strictEqual(judgement.reason, "assumed-dead")
      assert.strictEqual(judgement.condemned?.reason, "assumed-dead")
      assert.strictEqual(judgement.evidence.assumption?.observed, "host was wiped")
    }
    assert.strictEqual(assumed(["unknown"]).evidence.assumption?.recorded, "permission-denied")
    assert.isUndefined(assumed(["refused"]).error)
  })

  it("overrides another owner's sentinel", () => {
    assert.strictEqual(assumed(["dead"], "wiped", { foreign: [".bbox-sentinel"] }).condemned?.reason, "assumed-dead")
  })

  it("never overrides alive, and a directory without a sentinel isn't ours", () => {
    for (const kinds of [["alive"], ["unknown", "alive"], ["refused", "alive"], []] as const) {
      const { judgement } = judge(kinds)
      assert.strictEqual(Condemned.assumeDead(judgement, "host was wiped"), judgement)
      assert.isUndefined(judgement.condemned)
    }
  })

  it("leaves what is dead as it was judged", () => {
    const { judgement } = judge(["dead"])
    assert.strictEqual(Condemned.assumeDead(judgement, "host was wiped"), judgement)
    assert.strictEqual(judgement.reason, "pid-dead")
  })

  it("needs a reason", () => {
    for (const reason of ["", " ", "\t\n"]) assert.isUndefined(assumed(["unknown"], reason).condemned)
  })

  it("refuses a judgement that no examination made", () => {
    const { judgement } = judge(["unknown"])
    const { judgement: alive } = judge(["alive"])
    for (const forged of [
      { ...judgement },
      { ...alive, verdict: "unknown" as const },
      structuredClone({ ...judgement, condemned: undefined, error: undefined, parts: [], decisive: undefined })
    ]) {
      assert.strictEqual(Condemned.assumeDead(forged, "host was wiped"), forged)
      assert.isUndefined(forged.condemned)
    }
  })

  it("is bound to the directory that was judged", () => {
    const condemned = condemnedOf(assumed(["unknown"]))
    assert.isUndefined(condemned.difference(holding([owners.unknown[0]])))
    assert.isDefined(condemned.difference(holding([owners.alive[0]])))
    assert.isDefined(condemned.difference(holding([owners.unknown[0]], { id: { dev: "1", ino: "11" } })))
  })
})
