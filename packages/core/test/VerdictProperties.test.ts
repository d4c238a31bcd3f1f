import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import { compareDirectories } from "../src/DirectoryFrame.ts"
import type { Observation } from "../src/Observation.ts"
import type { Verdict } from "../src/Evidence.ts"
import { AliveReason, DeadReason, UnknownReason } from "../src/Reason.ts"
import { hasRecordedId } from "../src/Verdict.ts"
import { AnyCase, type Case, hostKeys, lose, presentKeys, recordKeys, without } from "./support/arbitraries.ts"
import { pid } from "./support/fixtures.ts"
import { answer, judge, needed } from "./support/judging.ts"
import { runs } from "./support/property.ts"
import { judgeCase } from "./support/verdicts.ts"

/** The case of a judgement that makes only the observations that it needs. */
const asked = (given: Case): Case => {
  const { around, host, seen, sentinel } = given
  const { process, search } = needed(sentinel, host, around)
  const observation = process === undefined ? undefined : seen
  const isSearched = search && !hasRecordedId(sentinel, observation)
  return { ...given, seen: observation, around: isSearched ? around : lose(around, ["search"]) }
}

const found = ({ around }: Case): Observation | undefined =>
  around.search?._tag === "Found" ? around.search.observation : undefined

/** Whether the case is possible. A living process isn't gone, and holds the lock that its record claims. */
const isLawful = ({ around, seen, sentinel }: Case): boolean => {
  const { lockState, search } = around
  return !hasRecordedId(sentinel, seen) || (search?._tag !== "Gone" && lockState !== "free")
}

/** Dead reasons that only a whole directory has. */
const ofDirectories: ReadonlySet<string> = new Set(["assumed-dead", "abandoned", "resumed"])

const reasons: { readonly [K in Verdict["verdict"]]: ReadonlyArray<string> } = {
  alive: AliveReason.literals,
  dead: DeadReason.literals.filter((reason) => !ofDirectories.has(reason)),
  unknown: UnknownReason.literals
}

describe("properties of judge", () => {
  it.prop(
    "is total, its reasons are closed, and it rests on a datum that it compared",
    [AnyCase],
    ([given]) => {
      const verdict = judgeCase(given)
      assert.include(reasons[verdict.verdict], verdict.reason)
      assert.property(verdict.evidence, verdict.decidedBy)
    },
    runs(5000)
  )

  it.effect("is put to the test for every reason there is", () =>
    Effect.gen(function* () {
      const cases = yield* Arbitrary.sampleEffect(AnyCase, { count: 5000, seed: "reasons" })
      const met = cases.map((given) => answer(judgeCase(given)))
      const all = Object.entries(reasons).flatMap(([verdict, of]) => of.map((reason) => `${verdict} ${reason}`))
      assert.deepStrictEqual([...new Set(met)].sort(), all.sort())
    })
  )

  it.prop(
    "is a function of its arguments, and changes none of them",
    [AnyCase],
    ([given]) => {
      const before = JSON.stringify(given)
      assert.deepStrictEqual(judgeCase(given), judgeCase(given))
      assert.strictEqual(JSON.stringify(given), before)
    },
    runs(500)
  )

  it.prop(
    "a lock that is held is alive",
    [AnyCase],
    ([given]) => {
      for (const lockState of ["shared", "exclusive"] as const) {
        const verdict = judge(given.sentinel, given.seen, given.host, { ...given.around, lockState })
        assert.strictEqual(answer(verdict), "alive lock-held")
      }
    },
    runs(500)
  )

  /** The binding of a v3 record to the directory. `assumeMoved` overrides it. */
  const bindingOf = ({ around, host, sentinel }: Case) => {
    const { bootId, directory } = sentinel._tag === "V3" ? sentinel.record : {}
    const boot =
      bootId === undefined || host.bootId === undefined ? "unknown" : bootId === host.bootId ? "equal" : "different"
    const binding = compareDirectories(directory, around.frame, around.file, boot)
    return { boot, binding: binding === "different" && around.assumeMoved !== undefined ? "moved" : binding }
  }

  it.prop(
    "a v3 is dead only in a boot known to be this one, or an earlier one of this machine",
    [AnyCase],
    ([given]) => {
      if (given.sentinel._tag !== "V3" || judgeCase(given).verdict !== "dead") return
      const { hostname, machineId } = given.sentinel.record
      const { fileSystem } = given.around.frame
      const { binding, boot } = bindingOf(given)
      const isOwn = binding === "bound" || binding === "moved"
      assert.notStrictEqual(binding, "different")
      if (fileSystem?.oneKernel === true && (boot === "equal" || (isOwn && fileSystem.type !== "overlay"))) {
        if (boot !== "different" || machineId === undefined || given.host.machineId === undefined) return
        assert.strictEqual(machineId, given.host.machineId)
        return
      }
      assert.notStrictEqual(boot, "unknown")
      assert.isDefined(machineId)
      assert.strictEqual(machineId, given.host.machineId)
      assert.strictEqual(hostname, given.host.hostname)
      assert.isTrue(given.host.virtualMachine === false || given.around.shared === "trust")
    },
    runs(5000)
  )

  it.prop(
    "a v3 that isn't of an earlier boot is dead only in a PID namespace that is known, or by a lock or a search",
    [AnyCase],
    ([given]) => {
      const verdict = judgeCase(given)
      if (given.sentinel._tag !== "V3" || verdict.verdict !== "dead" || verdict.reason === "rebooted") return
      const { pidNamespace, pidNamespaceInit } = given.sentinel.record
      if (given.host.namespaces === "none") return
      if (verdict.evidence.search !== undefined || found(given) !== undefined) return
      if (verdict.reason === "lock-free") {
        assert.strictEqual(given.around.lockState, "free")
        assert.strictEqual(bindingOf(given).binding, "bound")
        assert.isTrue(given.around.frame.fileSystem?.oneKernel)
        assert.isTrue(given.sentinel.record.lock?.tested)
        return
      }
      assert.isDefined(pidNamespace)
      assert.strictEqual(pidNamespace, given.host.pidNamespace)
      assert.isDefined(pidNamespaceInit?.processId64)
      assert.strictEqual(pidNamespaceInit?.processId64, given.host.pidNamespaceInit?.processId64)
    },
    runs(5000)
  )

  it.prop(
    "v1 and v2 are dead only where they are trusted, on a local file system",
    [AnyCase],
    ([given]) => {
      if (given.sentinel._tag === "V3" || judgeCase(given).verdict !== "dead") return
      assert.deepStrictEqual([given.around.legacy, given.around.frame.fileSystem?.oneKernel], ["trust", true])
    },
    runs(3000)
  )

  it.prop(
    "what is hidden, refused or couldn't be asked is never dead by the process",
    [AnyCase],
    ([given]) => {
      const verdict = judgeCase(given)
      if (verdict.verdict !== "dead" || ["rebooted", "lock-free"].includes(verdict.reason)) return
      if (verdict.evidence.search !== undefined) return
      const isOpen = (seen: Observation | undefined) => seen?._tag === "Present" || seen?._tag === "Absent"
      assert.isTrue(isOpen(given.seen) || isOpen(found(given)))
      if (given.sentinel._tag !== "V2" || given.seen?._tag !== "Present" || given.seen.exe !== undefined) return
      assert.notStrictEqual(verdict.reason, "exe-mismatch")
    },
    runs(3000)
  )

  it.prop(
    "uses no more than what is needed",
    [AnyCase],
    ([given]) => assert.deepStrictEqual(judgeCase(asked(given)), judgeCase(given)),
    runs(5000)
  )

  function* poorer(given: Case): Generator<Case> {
    const { around, host, seen, sentinel } = given
    for (const less of without(host, hostKeys)) yield { ...given, host: less }
    for (const record of sentinel._tag === "V3" ? without(sentinel.record, recordKeys) : []) {
      yield { ...given, sentinel: { _tag: "V3", pid, record } }
    }
    for (const less of seen?._tag === "Present" ? without(seen, presentKeys) : []) yield { ...given, seen: less }
    const inSearch = found(given)
    for (const observation of inSearch?._tag === "Present" ? without(inSearch, presentKeys) : []) {
      yield { ...given, around: { ...around, search: { _tag: "Found", observation } } }
    }
    for (const less of without(around.frame, ["inode", "birth"])) {
      yield { ...given, around: { ...around, frame: less } }
    }
    const { fileSystem } = around.frame
    for (const less of fileSystem === undefined ? [] : without(fileSystem, ["id"])) {
      yield { ...given, around: { ...around, frame: { ...around.frame, fileSystem: less } } }
    }
    // A record of an earlier boot is excluded. Its directory decides if it can, and the machine decides if the file
    // system is unknown.
    if (bindingOf(given).boot !== "different") {
      yield { ...given, around: { ...around, frame: lose(around.frame, ["fileSystem"]) } }
    }
    if (sentinel._tag === "V3" && sentinel.record.directory !== undefined) {
      for (const directory of without(sentinel.record.directory, ["id", "inode", "birth", "file"])) {
        yield { ...given, sentinel: { ...sentinel, record: { ...sentinel.record, directory } } }
      }
    }
    for (const less of without(around, ["changedAt", "file", "search", "assumeMoved"])) yield { ...given, around: less }
    yield { ...given, seen: undefined }
    yield { ...given, around: { ...around, lock: "self" } }
    yield { ...given, around: { ...around, shared: "keep" } }
    yield { ...given, around: { ...around, legacy: "keep" } }
  }

  /**
   * Whether two data contradict each other, or the lock's claim stays in doubt. A case without one of these data has no
   * doubt left.
   */
  const isContradicted = ({ evidence, reason, verdict }: Verdict): boolean =>
    reason === "lock-unknown" ||
    [evidence.directory, evidence.machineId, evidence.hostname].some((datum) => datum?.result === "different") ||
    // 64-bit ids start again with each boot.
    (verdict === "alive" && evidence.bootId?.result === "different")

  /**
   * Reasons for which the kernel reports nothing about a PID in reach. The judgement doesn't consult a free lock for
   * these.
   */
  const silences: ReadonlySet<string> = new Set([
    "permission-denied",
    "inspection-failed",
    "no-procfs",
    "not-comparable"
  ])

  it.prop(
    "knowing less never makes a dead of what wasn't, unless what is unknown by two values that contradict, or by a claim",
    [AnyCase],
    ([drawn]) => {
      const given = asked(drawn)
      const verdict = judgeCase(given)
      if (verdict.verdict === "dead" || !isLawful(given) || isContradicted(verdict)) return
      if (given.around.lockState === "free" && silences.has(verdict.reason)) return
      for (const less of poorer(given)) {
        assert.notStrictEqual(judgeCase(less).verdict, "dead", `with less known: ${JSON.stringify(less)}`)
      }
    },
    runs(5000)
  )
})
