import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import type { Observation } from "../src/Observation.ts"
import type { HostIdentity } from "../src/ProcessIdentity.ts"
import { LockRecord, type Sentinel, type SentinelV3 } from "../src/Sentinel.ts"
import { type Circumstances, judge, scope, startMargin, type Verdict } from "../src/Verdict.ts"
import { AnyCase, type Case, hostKeys, lose, presentKeys, recordKeys, without } from "./support/arbitraries.ts"
import { host, pid, present, record, v1, v2, v3, writtenAt } from "./support/fixtures.ts"
import { runs } from "./support/property.ts"

const verdictOf = ({ around, host, seen, sentinel }: Case): Verdict => judge(sentinel, seen, host, around)

const observed = ({ around, seen }: Case): Observation | undefined =>
  around.namespace?._tag === "Found" ? around.namespace.observation : seen

const reasons: { readonly [T in Verdict["_tag"]]: ReadonlyArray<string> } = {
  Alive: ["lock-held", "matches", "pid-alive"],
  Dead: [
    "rebooted",
    "pid-dead",
    "not-a-process",
    "zombie",
    "identity-mismatch",
    "start-time-mismatch",
    "exe-mismatch",
    "lock-free",
    "namespace-gone"
  ],
  Unknown: [
    "other-machine",
    "boot-unknown",
    "other-pid-namespace",
    "permission-denied",
    "not-comparable",
    "exe-changed",
    "no-procfs",
    "inspection-failed",
    "legacy-kept",
    "not-local"
  ]
}

describe("properties of judge", () => {
  it.prop(
    "is total, its reasons are closed, and it compares something",
    [AnyCase],
    ([given]) => {
      const verdict = verdictOf(given)
      assert.include(reasons[verdict._tag], verdict.reason)
      assert.notStrictEqual(Object.keys(verdict.evidence).length, 0)
    },
    runs(5000)
  )

  it.effect("is put to the test for every reason there is", () =>
    Effect.gen(function* () {
      const cases = yield* Arbitrary.sampleEffect(AnyCase, { count: 5000, seed: "reasons" })
      const met = cases.map((given) => `${verdictOf(given)._tag} ${verdictOf(given).reason}`)
      const all = Object.entries(reasons).flatMap(([tag, of]) => of.map((reason) => `${tag} ${reason}`))
      assert.deepStrictEqual([...new Set(met)].sort(), all.sort())
    })
  )

  it.prop(
    "is a function of its arguments, and changes none of them",
    [AnyCase],
    ([given]) => {
      const before = JSON.stringify(given)
      assert.deepStrictEqual(verdictOf(given), verdictOf(given))
      assert.strictEqual(JSON.stringify(given), before)
    },
    runs(500)
  )

  it.prop(
    "a busy lock is alive",
    [AnyCase],
    ([given]) => {
      const verdict = judge(given.sentinel, given.seen, given.host, { ...given.around, lock: "busy" })
      assert.strictEqual(`${verdict._tag} ${verdict.reason}`, "Alive lock-held")
    },
    runs(500)
  )

  it.prop(
    "a v3 is Dead only in a boot known to be this one, or an earlier one of this machine",
    [AnyCase],
    ([given]) => {
      if (given.sentinel._tag !== "V3" || verdictOf(given)._tag !== "Dead") return
      const { bootId, machineId } = given.sentinel.record
      assert.isDefined(bootId)
      assert.isDefined(given.host.bootId)
      if (bootId === given.host.bootId) return
      assert.isDefined(machineId)
      assert.strictEqual(machineId, given.host.machineId)
    },
    runs(5000)
  )

  it.prop(
    "a v3 of this boot is Dead only in a PID namespace that is known",
    [AnyCase],
    ([given]) => {
      if (given.sentinel._tag !== "V3" || verdictOf(given)._tag !== "Dead") return
      const { bootId, pidNamespace } = given.sentinel.record
      if (bootId !== given.host.bootId || given.host.namespaces === "none") return
      assert.isDefined(pidNamespace)
      assert.isDefined(given.host.pidNamespace)
      if (pidNamespace === given.host.pidNamespace) return
      assert.isTrue(given.around.namespace !== undefined || given.around.lock === "free")
    },
    runs(5000)
  )

  it.prop(
    "v1 and v2 are Dead only where they are trusted, on a local file system",
    [AnyCase],
    ([given]) => {
      if (given.sentinel._tag === "V3" || verdictOf(given)._tag !== "Dead") return
      assert.deepStrictEqual([given.around.legacy, given.around.localFileSystem], ["trust", true])
    },
    runs(3000)
  )

  it.prop(
    "what is hidden, refused or couldn't be asked is never Dead by the process",
    [AnyCase],
    ([given]) => {
      if (scope(given.sentinel, given.host, given.around) !== undefined) return
      const seen = observed(given)
      const isSilent = seen === undefined || seen._tag === "Hidden" || seen._tag === "Unavailable"
      if (isSilent) assert.strictEqual(verdictOf(given)._tag, "Unknown")
      if (given.sentinel._tag !== "V2" || seen?._tag !== "Present" || seen.exe !== undefined) return
      assert.notStrictEqual(verdictOf(given).reason, "exe-mismatch")
    },
    runs(3000)
  )

  it.prop(
    "agrees with scope where scope decides, whatever the process",
    [AnyCase, AnyCase],
    ([given, other]) => {
      const decided = scope(given.sentinel, given.host, given.around)
      if (decided === undefined) return
      assert.deepStrictEqual(verdictOf(given), decided)
      assert.deepStrictEqual(verdictOf({ ...given, seen: other.seen }), decided)
      assert.deepStrictEqual(verdictOf({ ...given, seen: undefined }), decided)
    },
    runs(2000)
  )

  function* poorer(given: Case): Generator<Case> {
    const { around, host, seen, sentinel } = given
    for (const less of without(host, hostKeys)) yield { ...given, host: less }
    for (const record of sentinel._tag === "V3" ? without(sentinel.record, recordKeys) : []) {
      yield { ...given, sentinel: { _tag: "V3", pid, record } }
    }
    for (const less of seen?._tag === "Present" ? without(seen, presentKeys) : []) yield { ...given, seen: less }
    const found = around.namespace?._tag === "Found" ? around.namespace.observation : undefined
    for (const observation of found?._tag === "Present" ? without(found, presentKeys) : []) {
      yield { ...given, around: { ...around, namespace: { _tag: "Found", observation } } }
    }
    yield { ...given, around: lose(around, ["writtenAt"]) }
    yield { ...given, around: { ...around, localFileSystem: false } }
    yield { ...given, around: { ...around, legacy: "keep" } }
  }

  it.prop(
    "knowing less never makes a Dead of what wasn't",
    [AnyCase],
    ([given]) => {
      if (verdictOf(given)._tag === "Dead") return
      for (const less of poorer(given)) {
        assert.notStrictEqual(verdictOf(less)._tag, "Dead", `with less known: ${JSON.stringify(less)}`)
      }
    },
    runs(5000)
  )
})

const subset = <const A extends string>(keys: ReadonlyArray<A>) =>
  Schema.Array(Schema.Literals(keys)).check(Schema.isMaxLength(3))

const otherReader = Schema.Literals(["same", "same", "other"])

/** One owner that lives, what became of it since it wrote its record, and a reader that may miss any datum. */
const World = Schema.Struct({
  format: Schema.Literals(["v1", "v2", "v3", "v3", "v3"]),
  legacy: Schema.Literals(["trust", "keep"]),
  isLocal: Schema.Boolean,
  owner: Schema.Struct({
    startTime: Schema.Literals(["0", "1000", "18446744073709551615"]),
    hasId: Schema.Boolean,
    exe: Schema.Literals(["/usr/bin/node", "/usr/bin/node (deleted)", "/opt/node.old", "/bin/after-exec"]),
    state: Schema.Literals(["R", "S", "D", "T", "t", "I", "Z"]),
    threads: Schema.Literals([1, 2, 40]),
    wroteAfter: Schema.Literals([0, 10, 60_000, 86_400_000]),
    /** Of the estimate of its start. */
    error: Schema.Literals([-1999, 0, 1999])
  }),
  lock: Schema.optionalKey(LockRecord),
  probe: Schema.optionalKey(Schema.Literals(["busy", "free", "unknown"])),
  reader: Schema.Struct({
    hostname: otherReader,
    timeNamespace: otherReader,
    pidNamespace: otherReader,
    /** What stands under the owner's number where the reader is in another PID namespace. */
    stranger: Schema.Literals(["absent", "thread", "zombie", "process"]),
    proof: Schema.Literals(["not asked", "Incomplete", "Found"]),
    answer: Schema.Literals(["Present", "Present", "Present", "Hidden", "Unavailable", "not asked"])
  }),
  lost: Schema.Struct({
    record: subset(recordKeys),
    host: subset(hostKeys),
    seen: subset(presentKeys)
  })
})

const lockOf = (world: typeof World.Type): Partial<Circumstances> => {
  if (world.probe === undefined) return {}
  // The kernel holds a lock that works for as long as its owner lives.
  const isHeld = world.isLocal && world.lock?.tested === true && world.lock.survivesExec
  return { lock: world.probe === "free" && isHeld ? "busy" : world.probe }
}

const caseOf = (world: typeof World.Type): Case => {
  const { owner, reader } = world
  const id = owner.hasId ? record.processId64 : undefined
  const isElsewhere = world.format === "v3" && reader.pidNamespace === "other"
  const full: SentinelV3 = v3({ startTime: owner.startTime, processId64: id, lock: world.lock })
  const sentinel: Sentinel =
    world.format === "v1"
      ? v1
      : world.format === "v2"
        ? v2()
        : { ...full, record: lose(full.record, world.lost.record) }
  const shift = reader.timeNamespace === "other" ? 1_000_000n : 0n
  const seen = lose(
    present({
      startTime: BigInt.asUintN(64, BigInt(owner.startTime) + shift).toString(),
      startedAt: writtenAt - owner.wroteAfter + owner.error,
      processId64: id,
      exe: { path: owner.exe },
      // A leader that has exited is the owner's only while threads of it run.
      state: owner.state === "Z" && owner.threads === 1 ? "S" : owner.state,
      threads: owner.threads
    }),
    world.lost.seen
  )
  const answers: Readonly<Record<typeof reader.answer, Observation | undefined>> = {
    Present: seen,
    Hidden: { _tag: "Hidden", pid, detail: "stat: EPERM" },
    Unavailable: { _tag: "Unavailable", pid, reason: "resources", detail: "open: EMFILE" },
    "not asked": undefined
  }
  const stranger = { startTime: "77", processId64: "77", startedAt: writtenAt + 60_000, exe: { path: "/bin/x" } }
  const strangers: Readonly<Record<typeof reader.stranger, Observation>> = {
    absent: { _tag: "Absent", pid },
    thread: present({ ...stranger, tgid: 1 }),
    zombie: present({ ...stranger, state: "Z" }),
    process: present(stranger)
  }
  const found = answers[reader.answer]
  const proof: Partial<Circumstances> =
    reader.proof === "not asked"
      ? {}
      : {
          namespace:
            reader.proof === "Found" && found !== undefined
              ? { _tag: "Found", observation: found }
              : { _tag: "Incomplete" }
        }
  const place: HostIdentity = host({
    hostname: reader.hostname === "other" ? "host-b" : "host-a",
    ...(reader.timeNamespace === "other" ? { timeNamespace: "time:[2]" } : {}),
    ...(isElsewhere ? { pidNamespace: "pid:[2]" } : {})
  })
  return {
    sentinel,
    seen: isElsewhere ? strangers[reader.stranger] : found,
    host: lose(place, world.lost.host),
    around: {
      localFileSystem: world.isLocal,
      legacy: world.legacy,
      writtenAt,
      ...lockOf(world),
      ...(isElsewhere ? proof : {})
    }
  }
}

describe("against the truth", () => {
  const AnyWorld = Arbitrary.schema(World)

  it.prop(
    "an owner that lives is never Dead, whatever the reader can't read",
    [AnyWorld],
    ([world]) => {
      assert.isAtMost(world.owner.error, startMargin - 1)
      const verdict = verdictOf(caseOf(world))
      assert.notStrictEqual(verdict._tag, "Dead", `${verdict.reason} ${JSON.stringify(verdict.evidence)}`)
    },
    runs(20_000)
  )

  it.prop(
    "an owner that lives is Alive to a reader beside it that can read all",
    [AnyWorld],
    ([world]) => {
      const near = caseOf({
        ...world,
        reader: { ...world.reader, pidNamespace: "same", timeNamespace: "same", answer: "Present" },
        lost: { record: [], host: [], seen: [] },
        format: "v3"
      })
      assert.strictEqual(verdictOf(near)._tag, "Alive")
    },
    runs(1000)
  )

  it.prop(
    "an owner that is gone is Dead to a reader beside it that can read all",
    [AnyWorld],
    ([world]) => {
      const near = caseOf({
        ...world,
        reader: { ...world.reader, pidNamespace: "same", timeNamespace: "same", answer: "Present" },
        lost: { record: [], host: [], seen: [] },
        format: "v3"
      })
      const { lock: _, ...around } = near.around
      const ticks = { startTime: "5", ...(world.owner.hasId ? { processId64: "5" } : {}) }
      for (const seen of [
        { _tag: "Absent", pid } as const,
        { ...present(), ...ticks },
        { ...present(), state: "Z", threads: 1 },
        { ...present(), tgid: 1 }
      ]) {
        assert.strictEqual(verdictOf({ ...near, around, seen })._tag, "Dead")
      }
    },
    runs(1000)
  )
})
