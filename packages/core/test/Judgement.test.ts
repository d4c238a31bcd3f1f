import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Layer, Result, Schema } from "effect"
import { Condemned, reconsider, withHolder } from "../src/Condemned.ts"
import { StoreFailure } from "../src/Errors.ts"
import { type DirectoryState, type SentinelFile, tagOf } from "../src/DirectoryState.ts"
import * as Holders from "../src/internal/sweep/holders.ts"
import { judgeDirectory } from "../src/internal/sweep/judgeDirectory.ts"
import type { Kind, Observed } from "../src/JudgeInputs.ts"
import type { LockState } from "../src/LockState.ts"
import type { Judgement } from "../src/Condemned.ts"
import type { Observation } from "../src/Observation.ts"
import { PidNamespaces } from "../src/PidNamespaces.ts"
import { Pid } from "../src/ProcessIdentity.ts"
import { ProcessInspector } from "../src/ProcessInspector.ts"
import { type RecordV3, type Sentinel, sweepRole } from "../src/Sentinel.ts"
import { host, inPlace, made, present, v1, v2, v3, writtenAt } from "./support/fixtures.ts"
import {
  about,
  errors,
  type Fate,
  file,
  hidden,
  state,
  judgeBy,
  judgeOf,
  judgeSeen,
  knowledge,
  owners,
  read,
  theirs
} from "./support/directoryJudgements.ts"
import { runs } from "./support/property.ts"
import { absent } from "./support/verdicts.ts"

/** The judgement of a directory with one sentinel whose owner is gone. */
const deadJudgement = (held = state([read(v3())])) => judgeSeen(held, absent)

describe("judge", () => {
  const rows: ReadonlyArray<readonly [fates: ReadonlyArray<Fate>, verdict: string, reason: string, decisive: string]> =
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
  for (const [fates, verdict, reason, decisive] of rows) {
    it(`scenario 43: ${fates.join(" and ")} → ${verdict}`, () => {
      const judgement = judgeOf(fates)
      assert.strictEqual(judgement.verdict, verdict)
      assert.strictEqual(judgement.reason, reason)
      assert.strictEqual(judgement.decisive?.entry, `.vm-sentinel.${decisive}`)
      assert.strictEqual(judgement.condemned !== undefined, verdict === "dead")
    })
  }

  it("scenario 32: no sentinel: not ours", () => {
    const judgement = judgeOf([])
    assert.strictEqual(judgement.verdict, "none")
    assert.strictEqual(judgement.reason, "no-sentinel")
    assert.isUndefined(judgement.condemned)
    assert.isUndefined(judgement.decisive)
  })

  for (const [reason, error] of [
    ...Object.entries(errors),
    ["unreadable", new StoreFailure({ ...about, errno: "EIO" })] as const
  ]) {
    it(`${error._tag} → unknown ${reason}, with the error`, () => {
      const judgement = judgeSeen(state([file(Result.fail(error), { bytes: undefined })]), absent)
      assert.strictEqual(judgement.verdict, "unknown")
      assert.strictEqual(judgement.reason, reason)
      assert.strictEqual(judgement.error, error)
      assert.isUndefined(judgement.condemned)
    })
  }

  it("scenario 88: who holds a lock that is held is told, and changes nothing else", () => {
    const held = reconsider(judgeOf(["dead"]), { lock: "shared" })
    const named = withHolder(held, "process 7 (flock), uid 1000")
    assert.deepInclude(named, { verdict: "alive", reason: "lock-held", condemned: undefined })
    assert.deepStrictEqual(named.evidence, {
      ...held.evidence,
      holder: { observed: "process 7 (flock), uid 1000", result: "not-applicable" }
    })
    for (const fates of [["dead"], ["alive"], ["unknown"], []] as const) {
      const judgement = judgeOf(fates)
      assert.strictEqual(withHolder(judgement, "process 7"), judgement)
    }
  })

  it("scenario 84: more sentinels than are read: unknown in words, whatever an operator says", () => {
    const crowded = state([], { crowded: 64 })
    for (const judgement of [judgeSeen(crowded, absent), judgeSeen(crowded, absent, { assumeDead: "seen to end" })]) {
      assert.deepInclude(judgement, { verdict: "unknown", reason: "untrusted-sentinel", condemned: undefined })
      assert.include(judgement.error?.message, "/vms/a: untrusted sentinel: it has more than 64 sentinels")
      assert.deepInclude(judgement.error, { rule: "too-many" })
    }
    const distrusted = judgeSeen(state([], { crowded: 64, distrust: theirs }), absent)
    assert.deepInclude(distrusted, { verdict: "unknown", reason: "untrusted-sentinel", condemned: undefined })
    assert.deepInclude(distrusted.error, { rule: "other-user", problem: "its directory is owned by uid 7" })
  })

  it("scenario 82: a mount below keeps what would be dead, and says which; it changes nothing else", () => {
    const mount = "/vms/a/share"
    for (const fates of [["dead"], ["dead", "dead"]] as const) {
      const kept = reconsider(judgeOf(fates), { mount })
      assert.deepInclude(kept, { verdict: "dead", reason: "mount-inside", condemned: undefined })
      assert.deepStrictEqual(kept.evidence.mount, { observed: mount, result: "not-applicable" })
    }
    for (const fates of [["alive"], ["unknown"], ["refused"], []] as const) {
      const judgement = judgeOf(fates)
      assert.strictEqual(reconsider(judgement, { mount }), judgement)
    }
  })

  it("another owner's sentinel keeps what would be dead, and a directory without ours", () => {
    for (const fates of [["dead"], ["dead", "dead"], []] as const) {
      const judgement = judgeOf(fates, { foreign: [".bbox-sentinel"] })
      assert.strictEqual(judgement.verdict, "unknown")
      assert.strictEqual(judgement.reason, "other-owner")
      assert.isUndefined(judgement.condemned)
    }
  })

  it("another owner's sentinel changes nothing where ours says alive or unknown", () => {
    assert.strictEqual(judgeOf(["alive"], { foreign: [".bbox-sentinel"] }).reason, "matches")
    assert.strictEqual(judgeOf(["unknown"], { foreign: [".bbox-sentinel"] }).reason, "permission-denied")
    assert.strictEqual(judgeOf(["refused"], { foreign: [".bbox-sentinel"] }).reason, "malformed-sentinel")
  })

  it("keeps what was judged of each sentinel", () => {
    const judgement = judgeOf(["refused", "unknown", "dead"])
    assert.deepStrictEqual(
      judgement.parts.map(({ judged, subject }) => [
        subject.entry,
        Result.isSuccess(judged) ? judged.success.reason : judged.failure._tag
      ]),
      [
        [".vm-sentinel.refused", "MalformedSentinel"],
        [".vm-sentinel.unknown", "permission-denied"],
        [".vm-sentinel.dead", "pid-dead"]
      ]
    )
  })

  it("judges each format, by the dates of its own file", () => {
    const mixed = state([read(v3()), read(v2(), { entry: "b" }), read(v1, { entry: "c" })])
    const judgement = judgeSeen(mixed, absent)
    assert.strictEqual(judgement.verdict, "dead")
    assert.strictEqual(judgement.parts.length, 3)
    const other = present({ processId64: "7", exe: { path: "/usr/bin/other" }, startedAt: writtenAt + 60_000 })
    const kept = judgeSeen(mixed, other)
    assert.strictEqual(kept.verdict, "alive")
    assert.strictEqual(kept.reason, "pid-alive")
  })

  it("without an observation nothing is condemned, where the scope doesn't decide", () => {
    assert.strictEqual(judgeSeen(state([read(v3())]), undefined).reason, "inspection-failed")
  })

  it("gives the evidence of the sentinel that decided", () => {
    const judgement = judgeOf(["dead", "unknown"])
    assert.strictEqual(judgement.evidence.process?.observed, "stat: EPERM")
  })

  const AnyFates = Arbitrary.array(Arbitrary.schema(Schema.Literals(["alive", "dead", "dead", "unknown", "refused"])), {
    maxLength: 6
  })
  it.prop(
    "condemns exactly where there are owners, all of them are dead, and none is another's",
    [AnyFates, Schema.Array(Schema.Literals([".bbox-sentinel", "data/go-microvm-state.json"]))],
    ([fates, foreign]) => {
      const judgement = judgeOf(fates, { foreign })
      const all = fates.length > 0 && fates.every((fate) => fate === "dead") && foreign.length === 0
      assert.strictEqual(judgement.condemned !== undefined, all)
      assert.strictEqual(judgement.verdict === "dead", all)
      assert.strictEqual(judgement.verdict === "alive", fates.includes("alive"))
      assert.strictEqual(judgement.verdict === "none", fates.length === 0 && foreign.length === 0)
    },
    runs(1000)
  )
})

describe("what a sweep left", () => {
  const kind: Kind = { _tag: "Workspace" }
  const workspace = { path: "/vms/.vm-sentinel-reap.0123456789abcdef" }

  it("a workspace without a sentinel was given up", () => {
    const judgement = judgeSeen(state([], workspace), absent, { kind })
    assert.strictEqual(judgement.reason, "abandoned")
    assert.strictEqual(judgement.condemned?.path, workspace.path)
  })

  it("a workspace with a sentinel is judged by it", () => {
    assert.strictEqual(judgeSeen(state([read(v3())], workspace), absent, { kind }).reason, "pid-dead")
    const alive = judgeSeen(state([read(v3())], workspace), present(), { kind })
    assert.strictEqual(alive.verdict, "alive")
    const unread = state([file(Result.fail(errors["malformed-sentinel"]))], workspace)
    for (const options of [{ kind }, { kind, assumeDead: "the VM's host is gone" }]) {
      const refused = judgeSeen(unread, absent, options)
      assert.deepStrictEqual([refused.verdict, refused.condemned], ["unknown", undefined])
    }
  })

  const lock: NonNullable<RecordV3["lock"]> = { kind: "flock", tested: true, holder: "self" }
  const role = sweepRole
  const locks: ReadonlyArray<
    readonly [
      why: string,
      sentinel: Sentinel,
      lockState: LockState,
      place: { readonly path: string },
      kind: Kind,
      said: string
    ]
  > = [
    ["the sweep has let go of the lock", inPlace({ role, lock }), "free", workspace, kind, "dead lock-free"],
    ["the lock is held", inPlace({ role, lock }), "exclusive", workspace, kind, "alive lock-held"],
    ["the lock can't be probed", inPlace({ role, lock }), "unknown", workspace, kind, "alive matches"],
    [
      "the lock wasn't tested",
      inPlace({ role, lock: { ...lock, tested: false } }),
      "free",
      workspace,
      kind,
      "alive matches"
    ],
    [
      "a command has the lock",
      inPlace({ role, lock: { ...lock, holder: "inherited" } }),
      "free",
      workspace,
      kind,
      "alive matches"
    ],
    ["the record names no directory", v3({ role, lock }), "free", workspace, kind, "alive matches"],
    ["another owner has let go of the lock", inPlace({ lock }), "free", workspace, kind, "alive matches"],
    ["it is a directory", inPlace({ role, lock }), "free", workspace, { _tag: "Directory" }, "alive matches"],
    ["its name is another", inPlace({ role, lock }), "free", { path: "/vms/a" }, kind, "alive matches"]
  ]
  for (const [why, sentinel, lockState, place, kind, said] of locks) {
    it(`a workspace of a process that lives: ${why} → ${said}`, () => {
      const held = state([read(sentinel)], place)
      const { reason, verdict } = judgeBy(held, () => ({ process: present(), lockState }), { kind })
      assert.strictEqual(`${verdict} ${reason}`, said)
    })
  }

  it("a workspace with another owner's sentinel is kept", () => {
    const judgement = judgeSeen(state([], { ...workspace, foreign: [".bbox-sentinel"] }), absent, { kind })
    assert.strictEqual(judgement.verdict, "unknown")
    assert.isUndefined(judgement.condemned)
  })
})

describe("what a sweep began to delete", () => {
  const path = "/vms/.vm-sentinel-reap.0123456789abcdef/dead/a"
  const known = read(v3())
  const remains = (tags: ReadonlyArray<string>): Kind => ({ _tag: "Remains", tags })
  const judged = (
    seen: Observation,
    sentinels: ReadonlyArray<SentinelFile>,
    tags: ReadonlyArray<string>,
    changes: Partial<DirectoryState> = {}
  ) => judgeSeen(state(sentinels, { path, ...changes }), seen, { kind: remains(tags) })

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
    for (const kind of [remains([]), { _tag: "Workspace" }] satisfies ReadonlyArray<Kind>) {
      const place = kind._tag === "Workspace" ? "/vms/.vm-sentinel-reap.0123456789abcdef" : path
      const planted = state([], { path: place, distrust: theirs })
      const judgement = judgeSeen(planted, absent, { kind })
      assert.strictEqual(judgement.reason, "untrusted-sentinel")
      assert.isUndefined(judgement.condemned)
    }
  })

  it("counts by its place alone: elsewhere a directory without a sentinel isn't ours", () => {
    for (const place of ["/vms/a", "/vms/dead/a", "/vms/.vm-sentinel-reap.0123456789abcdef/claimed/a"]) {
      const judgement = judgeSeen(state([], { path: place }), absent, { kind: remains([]) })
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

  const gone = { _tag: "Gone", by: "processId64" } as const

  /**
   * Both owners are in a namespace that the reader can't see into. No process on the kernel has the first owner's
   * 64-bit id.
   */
  const judged = (one: Sentinel, other: Sentinel, changes: Observed = {}) => {
    const init = read(one)
    return judgeBy(state([init, read(other, { entry: ".vm-sentinel.vmm" })]), (file) =>
      file === init ? { search: gone } : { search: { _tag: "Incomplete" }, ...changes }
    )
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
    assert.strictEqual(judgement.condemned?.reason, "process-gone")
  })

  it("also by its start alone, and whichever comes first", () => {
    const byStart = { pidNamespaceInit: { startTime: "70" } }
    assert.strictEqual(judged(first(byStart), command(byStart)).verdict, "dead")
    const init = read(first(), { entry: ".vm-sentinel.init" })
    const held = state([read(command()), init])
    assert.strictEqual(judgeBy(held, (file) => (file === init ? { search: gone } : {})).verdict, "dead")
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

describe("the directory's own lock", () => {
  const claiming = state([read(v3({ lock }))])
  /** A judgement before the lock was probed. */
  const judgement = deadJudgement(claiming)

  for (const state of ["shared", "exclusive"] as const) {
    it(`scenario 69: ${state}: alive, whatever the sentinels say, and nobody can be condemned by it any more`, () => {
      for (const dead of [deadJudgement(), judgement]) {
        const kept = reconsider(dead, { lock: state })
        assert.strictEqual(kept.verdict, "alive")
        assert.strictEqual(kept.reason, "lock-held")
        assert.isUndefined(kept.condemned)
        assert.strictEqual(kept.evidence.lock?.observed, state)
        assert.deepStrictEqual(kept.evidence.process, dead.evidence.process)
        assert.isUndefined(reconsider(kept, { lock: "free" }).condemned)
      }
    })
  }

  it("free: as it was judged", () => {
    const free = reconsider(judgement, { lock: "free" })
    assert.deepStrictEqual({ ...free, inputs: judgement.inputs }, judgement)
    assert.strictEqual(free.condemned, judgement.condemned)
    assert.isTrue(Condemned.is(free.condemned))
  })

  it("scenario 68: unknown: only what claims no lock is condemned", () => {
    const kept = reconsider(judgement, { lock: "unknown" })
    assert.strictEqual(kept.verdict, "unknown")
    assert.strictEqual(kept.reason, "lock-unknown")
    assert.strictEqual(kept.evidence.lock?.observed, "unknown")
    assert.isUndefined(kept.condemned)
    const unclaimed = deadJudgement()
    assert.strictEqual(reconsider(unclaimed, { lock: "unknown" }).condemned, unclaimed.condemned)
  })

  it("scenario 68: unknown: what claims one beside what claims none, in either order", () => {
    const [claims, not] = [read(v3({ lock })), read(v3(), { entry: ".vm-sentinel.vmm" })]
    for (const sentinels of [
      [claims, not],
      [not, claims]
    ]) {
      assert.strictEqual(reconsider(deadJudgement(state(sentinels)), { lock: "unknown" }).reason, "lock-unknown")
    }
  })

  it("unknown: no lock outlives its boot, but that of another owner of this boot may be held", () => {
    const old = inPlace({ bootId: "boot-0", lock })
    const unknown = { lock: "unknown" } as const
    const rebooted = deadJudgement(state([read(old)]))
    assert.strictEqual(rebooted.reason, "rebooted")
    assert.strictEqual(reconsider(rebooted, unknown).condemned, rebooted.condemned)
    const both = deadJudgement(state([read(old), read(inPlace({ lock }), { entry: ".vm-sentinel.vmm" })]))
    assert.strictEqual(both.reason, "rebooted")
    assert.strictEqual(reconsider(both, unknown).reason, "lock-unknown")
    const third = deadJudgement(state([read(old), read(v3(), { entry: ".vm-sentinel.vmm" })]))
    assert.strictEqual(reconsider(third, unknown).condemned, third.condemned)
  })

  it("unknown: every claim counts in a directory that isn't believed, also after a record that is alive", () => {
    const path = "/vms/.vm-sentinel-reap.0123456789abcdef/dead/a"
    const claiming = read(inPlace({ bootId: "boot-0", lock }), { entry: ".vm-sentinel.vmm" })
    for (const sentinels of [[claiming], [read(v3()), claiming]]) {
      const judgement = judgeSeen(state(sentinels, { path, distrust: theirs }), present(), {
        kind: { _tag: "Remains", tags: [] },
        assumeDead: "host was wiped"
      })
      assert.strictEqual(judgement.reason, "assumed-dead")
      assert.strictEqual(reconsider(judgement, { lock: "unknown" }).reason, "lock-unknown")
    }
  })

  it("keeps what a record claims beside what was found", () => {
    assert.strictEqual(judgement.evidence.lock?.recorded, undefined)
    const asked = judgeBy(claiming, () => ({ process: absent, lockState: "free" }))
    assert.deepStrictEqual(reconsider(asked, { lock: "shared" }).evidence.lock, {
      recorded: "flock of its own, tested",
      observed: "shared",
      result: "not-applicable"
    })
  })

  it("changes nothing that isn't dead", () => {
    for (const fates of [["alive"], ["unknown"], ["refused"], []] as const) {
      const judgement = judgeOf(fates)
      for (const state of ["free", "shared", "exclusive", "unknown"] as const) {
        assert.strictEqual(reconsider(judgement, { lock: state }), judgement)
      }
    }
  })

  it("held, it keeps what an operator assumed dead", () => {
    const assumed = judgeOf(["unknown"], {}, { assumeDead: "host was wiped" })
    assert.isDefined(assumed.condemned)
    const kept = reconsider(assumed, { lock: "shared" })
    assert.strictEqual(kept.verdict, "alive")
    assert.isUndefined(kept.condemned)
  })
})

describe("an owner below the first level", () => {
  const path = "disks/a/.vm-sentinel"
  const below = { path, verdict: "alive", reason: "matches" } as const

  it("scenario 77: keeps what would be dead, with the path, and its own verdict", () => {
    const dead = deadJudgement()
    const kept = reconsider(dead, { below })
    assert.strictEqual(kept.verdict, "dead")
    assert.strictEqual(kept.reason, "owner-inside")
    assert.isUndefined(kept.condemned)
    assert.isUndefined(kept.error)
    assert.deepStrictEqual(kept.evidence, {
      ...dead.evidence,
      below: { recorded: path, observed: "alive, matches", result: "not-applicable" }
    })
    assert.isUndefined(reconsider(kept, { lock: "free" }).condemned)
  })

  it("keeps what an operator assumed dead", () => {
    const assumed = judgeOf(["unknown"], {}, { assumeDead: "host was wiped" })
    const kept = reconsider(assumed, { below })
    assert.strictEqual(kept.reason, "owner-inside")
    assert.isUndefined(kept.condemned)
  })

  it("changes nothing that isn't dead", () => {
    for (const fates of [["alive"], ["unknown"], ["refused"], []] as const) {
      const judgement = judgeOf(fates)
      assert.strictEqual(reconsider(judgement, { below }), judgement)
    }
  })
})

describe("assumeDead", () => {
  const assumed = (fates: ReadonlyArray<Fate>, assumeDead = "host was wiped", changes: Partial<DirectoryState> = {}) =>
    judgeOf(fates, changes, { assumeDead })

  it("overrides unknown, and says so with the reason", () => {
    for (const fates of [["unknown"], ["refused"], ["dead", "unknown"]] as const) {
      const judgement = assumed(fates)
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
    for (const fates of [["alive"], ["unknown", "alive"], ["refused", "alive"], []] as const) {
      const judgement = assumed(fates)
      assert.deepStrictEqual({ ...judgement, inputs: undefined }, { ...judgeOf(fates), inputs: undefined })
      assert.isUndefined(judgement.condemned)
    }
  })

  it("leaves what is dead as it was judged", () => {
    const judgement = assumed(["dead"])
    assert.strictEqual(judgement.reason, "pid-dead")
    assert.isUndefined(judgement.evidence.assumption)
    assert.strictEqual(judgement.condemned?.reason, "pid-dead")
  })

  it("needs a reason", () => {
    for (const reason of ["", " ", "\t\n"]) assert.isUndefined(assumed(["unknown"], reason).condemned)
  })

  it("is bound to the directory that was judged", () => {
    const { condemned } = assumed(["unknown"])
    assert.isUndefined(condemned?.difference(state([owners.unknown[0]])))
    assert.isDefined(condemned?.difference(state([owners.alive[0]])))
    assert.isDefined(condemned?.difference(state([owners.unknown[0]], { id: { dev: "1", ino: "11" } })))
  })
})

describe("what is asked", () => {
  const named = (entry: string, number: number, changes: Parameters<typeof v3>[0] = {}) =>
    read({ ...v3(changes), pid: Pid.make(number) }, { entry })
  const files = {
    alive: named("alive", 1),
    dead: named("dead", 2),
    unknown: named("unknown", 3),
    refused: owners.refused[0]
  }
  const seen = (number: Pid): Observation => {
    if (number === 1) return present({ pid: number, tgid: number })
    return number === 2 ? { _tag: "Absent", pid: number } : { ...hidden, pid: number }
  }

  /** Judges as a sweep does. Returns the judgement and the PIDs that it observed. */
  const examined = Effect.fnUntraced(function* (sentinels: ReadonlyArray<SentinelFile>, isThorough = false) {
    const asked: Array<number> = []
    const observe = (number: Pid) =>
      Effect.sync(() => {
        asked.push(number)
        return seen(number)
      })
    const inspector = yield* Effect.provide(ProcessInspector, Layer.mock(ProcessInspector)({ observe }))
    const probeLock = () => Effect.succeed("free" as const)
    const context = {
      inspector,
      namespaces: yield* PidNamespaces,
      probeLock,
      host: Effect.succeed(host()),
      knowledge,
      isThorough,
      holders: Holders.make(inspector)
    }
    const judgement: Judgement = yield* judgeDirectory(context, state(sentinels))
    return { asked, judgement }
  })

  it.effect("in order, about what can be read, until one is alive, or with an explanation about all", () =>
    Effect.gen(function* () {
      const { alive, dead, refused, unknown } = files
      const first = yield* examined([dead, refused, alive, unknown])
      assert.deepStrictEqual(first.asked, [2, 1])
      assert.strictEqual(first.judgement.verdict, "alive")
      assert.deepStrictEqual((yield* examined([unknown, dead])).asked, [3, 2])
      assert.deepStrictEqual((yield* examined([dead, alive])).asked, [2, 1])
      const thorough = yield* examined([dead, refused, alive, unknown], true)
      assert.deepStrictEqual(thorough.asked, [2, 1, 3])
      assert.deepStrictEqual(
        thorough.judgement.parts.map(({ judged }) => (Result.isSuccess(judged) ? judged.success.verdict : "refused")),
        ["dead", "refused", "alive", "unknown"]
      )
    })
  )

  it.effect("nothing, where there is no sentinel, or none that can be read", () =>
    Effect.gen(function* () {
      for (const sentinels of [[], [files.refused]]) {
        const { asked, judgement } = yield* examined(sentinels)
        assert.deepStrictEqual(asked, [])
        assert.isUndefined(judgement.condemned)
      }
    })
  )

  it.effect("what was observed is what is judged again", () =>
    Effect.gen(function* () {
      const claiming = named("claiming", 2, { lock })
      const { judgement } = yield* examined([claiming, files.unknown])
      assert.deepStrictEqual(
        judgement.inputs.subjects.map(({ observed }) => observed),
        [{ lockState: "free", process: { _tag: "Absent", pid: Pid.make(2) } }, { process: seen(Pid.make(3)) }]
      )
    })
  )
})
