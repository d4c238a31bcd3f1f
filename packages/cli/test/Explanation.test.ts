import { assert, describe, it } from "@effect/vitest"
import type { DirectoryFrame } from "@vm-sentinel/core/DirectoryFrame"
import { MalformedSentinel } from "@vm-sentinel/core/Errors"
import type { JudgeInputs, Subject } from "@vm-sentinel/core/JudgeInputs"
import { decide, type Decision } from "@vm-sentinel/core/Judgement"
import type { Observation } from "@vm-sentinel/core/Observation"
import { type HostIdentity, Pid } from "@vm-sentinel/core/ProcessIdentity"
import { RecordV3, type Sentinel, type SentinelV3 } from "@vm-sentinel/core/Sentinel"
import { DateTime, Result, Schema } from "effect"
import { type Circumstances, judge } from "@vm-sentinel/core/test/support/judging"
import * as Explanation from "../src/explain/Explanation.ts"
import * as ExplanationTable from "../src/text/ExplanationTable.ts"
import * as Text from "../src/text/Text.ts"

const now = Date.parse("2026-01-02T00:00:00.000Z")
const options = { now: DateTime.makeUnsafe(now), colors: false }
const pid = Pid.make(41)
const host: HostIdentity = {
  bootId: "01234567-89ab-4cde-8f01-23456789abcd",
  machineId: "machine",
  hostname: "h",
  namespaces: "supported",
  pidNamespace: "pid:[1]",
  pidNamespaceInit: { startTime: "5" },
  timeOffset: "0"
}
const frame: DirectoryFrame = {
  id: { dev: "1", ino: "1" },
  fileSystem: {
    type: "ext4",
    id: { kind: "uuid", value: "7e0d9c58-4a52-4d0c-8d0a-0f2f3bb2a7c1" },
    oneKernel: true
  },
  inode: "1310724",
  birth: "1767225600000000000"
}
const recordedFrame = {
  type: "ext4",
  id: { kind: "uuid", value: "7e0d9c58-4a52-4d0c-8d0a-0f2f3bb2a7c1" },
  inode: "1310724",
  birth: "1767225600000000000",
  file: "2"
} as const
const v3: SentinelV3 = {
  _tag: "V3",
  pid,
  record: {
    v: 3,
    nonce: "0123456789abcdef",
    startTime: "1000",
    bootId: "01234567-89ab-4cde-8f01-23456789abcd",
    pidNamespace: "pid:[1]",
    pidNamespaceInit: { startTime: "5" },
    timeOffset: "0",
    hostname: "h",
    role: "owner",
    directory: recordedFrame,
    createdAt: "2026-01-01T00:00:00.000Z"
  }
}
const circumstances: Circumstances = {
  frame,
  file: "2",
  changedAt: now - 60_000,
  legacy: "trust",
  lock: "self",
  shared: "keep"
}

const file = (entry: string, content: Subject["content"]): Subject => ({
  entry,
  size: 300,
  writtenAt: now - 60_000,
  changedAt: now - 60_000,
  file: "2",
  tag: "",
  content,
  observed: {}
})

interface Rest extends Partial<Circumstances>, Pick<JudgeInputs, "below"> {
  readonly directoryLock?: JudgeInputs["lock"]
}

const examined = (sentinels: ReadonlyArray<Subject>, process: Observation, rest: Rest = {}): Decision => {
  const { below, directoryLock, ...changes } = rest
  const { assumeMoved, file = "2", frame, legacy, lock, shared } = { ...circumstances, ...changes }
  return decide({
    host,
    frame,
    knowledge: { legacy, lock, shared, ...(assumeMoved === undefined ? {} : { assumeMoved }) },
    path: "/vms/a",
    kind: { _tag: "Directory" },
    subjects: sentinels.map((sentinel) => ({ ...sentinel, file, observed: { process } })),
    foreign: [],
    ...(directoryLock === undefined ? {} : { lock: directoryLock }),
    ...(below === undefined ? {} : { below })
  })
}

const place = (path: string, foreign: ReadonlyArray<string> = []) => ({
  path,
  kind: { _tag: "Directory" } as const,
  foreign
})

const recycled: Observation = {
  _tag: "Present",
  pid,
  tgid: 41,
  state: "S",
  threads: 1,
  startTime: "2000",
  comm: "node"
}

describe("Explanation", () => {
  const explanation = Explanation.make(
    "/vms/a",
    examined([file(".vm-sentinel", Result.succeed(v3))], recycled),
    place("/vms/a")
  )

  it("names the datum that decided and those that weren't to be had", () => {
    const [part] = explanation.sentinels
    assert.strictEqual(part?.reason, "start-time-mismatch")
    assert.strictEqual(part?.decidedBy, "startTime")
    assert.deepStrictEqual(part?.notAvailable, ["processId64"])
    assert.strictEqual(explanation.decisive, ".vm-sentinel")
  })

  it("survives its schema whole", () => {
    const encoded = Schema.encodeSync(Explanation.Explanation)(explanation)
    const decode = Schema.decodeUnknownSync(Explanation.Explanation, { onExcessProperty: "error" })
    assert.deepStrictEqual(decode(JSON.parse(JSON.stringify(encoded))), explanation)
  })

  it("is a table that marks what decided, in 80 columns", () => {
    const table = ExplanationTable.render(explanation, options)
    assert.match(table, /^\/vms\/a: dead, start-time-mismatch\n/)
    assert.match(
      table,
      /^\.vm-sentinel: dead, start-time-mismatch, which decides\n {2}v3, owner, process 41 \(now \S+\), 300 B, written 1m ago$/m
    )
    assert.match(table, /^ {2}→ {2}startTime +1000 +2000 +different$/m)
    assert.match(table, /^ {5}bootId +01234567-\S+…\S+89abcd +01234567-\S+…\S+89abcd +equal$/m)
    assert.include(table, "Not available: processId64 (neither recorded nor observed)\n")
    assert.match(table, /A sweep removes it/)
    for (const line of table.split("\n")) assert.isAtMost(Text.width(line), 80)
  })

  it("leaves out when a sentinel was written where no calendar has that time", () => {
    for (const writtenAt of [2 ** 62, -(2 ** 62), Number.NaN]) {
      const sentinel = { ...file(".vm-sentinel", Result.succeed(v3)), writtenAt }
      const timeless = Explanation.make("/vms/a", examined([sentinel], recycled), place("/vms/a"))
      assert.notProperty(timeless.sentinels[0], "since")
      assert.strictEqual(timeless.sentinels[0]?.reason, "start-time-mismatch")
      assert.match(ExplanationTable.render(timeless, options), /^ {2}v3, owner, process 41 \(now \S+\), 300 B$/m)
    }
  })

  it("shows what is wrong with a sentinel, beside the others", () => {
    const error = new MalformedSentinel({ operation: "read sentinel", path: "/vms/a/.vm-sentinel.x", problem: "empty" })
    const files = [file(".vm-sentinel", Result.succeed(v3)), file(".vm-sentinel.x", Result.fail(error))]
    const mixed = Explanation.make("/vms/a", examined(files, recycled), place("/vms/a", [".bbox-sentinel"]))
    assert.deepStrictEqual(
      mixed.sentinels.map(({ reason, verdict }) => [verdict, reason]),
      [
        ["dead", "start-time-mismatch"],
        ["unknown", "malformed-sentinel"]
      ]
    )
    const table = ExplanationTable.render(mixed, options)
    assert.include(table, ".vm-sentinel.x: unknown, malformed-sentinel, which decides\n  300 B, written 1m ago\n")
    assert.include(table, "  /vms/a/.vm-sentinel.x: malformed sentinel: empty (read sentinel)\n")
    assert.include(table, "Not read, of other owners: .bbox-sentinel\n")
  })

  it("says where a directory lies that a sweep has moved, and why", () => {
    const decision = examined([file(".vm-sentinel", Result.succeed(v3))], recycled)
    const dead = "/vms/.vm-sentinel-reap.00/dead/a\u009b"
    const marked = Explanation.make("/vms/a", decision, {
      path: dead,
      kind: { _tag: "Remains", tags: [] },
      foreign: []
    })
    assert.deepInclude(marked, { asked: "/vms/a", path: dead, stage: "marked" })
    const table = ExplanationTable.render(marked, options)
    assert.match(
      table,
      /^\/vms\/a: dead, .*\n  It lies in \/vms\/.vm-sentinel-reap.00\/dead\/a\\x9b now.\n  .*began to remove it/
    )
    const claimed = Explanation.make("/vms/a", decision, place("/vms/.vm-sentinel-reap.00/claimed/a"))
    assert.strictEqual(claimed.stage, "claimed")
    assert.match(ExplanationTable.render(claimed, options), /claimed\/a now.\n  .*took it to judge it again/)
    assert.doesNotHaveAnyKeys(Explanation.make("/vms/a", decision, place("/vms/a")), ["asked", "stage"])
  })

  it("has tables that fit in the terminal, and shows whole values where they do", () => {
    const decision = examined([file(".vm-sentinel", Result.succeed(v3))], recycled)
    const explanation = Explanation.make("/vms/a", decision, place("/vms/a"))
    for (const width of [80, 100, 200]) {
      const table = ExplanationTable.render(explanation, { ...options, width })
      for (const line of table.split("\n")) assert.isAtMost(line.length, width, line)
      if (width === 200) assert.notInclude(table, "…")
    }
  })

  it("shows all of two values that differ, however long they are", () => {
    const path = `/opt/${"a".repeat(50)}X${"b".repeat(50)}/qemu`
    const recorded: Sentinel = { _tag: "V2", pid, executable: path }
    const seen: Observation = {
      ...recycled,
      exe: { path: path.replace("X", "Y") },
      startedAt: now,
      bootedAt: now - 3_600_000
    }
    const decision = examined([file(".vm-sentinel", Result.succeed(recorded))], seen)
    const table = ExplanationTable.render(Explanation.make("/vms/a", decision, place("/vms/a")), options)
    const lines = table.split("\n")
    const first = lines.findIndex((line) => line.includes("executable"))
    // The lines of the next datum begin with its name.
    const next = lines.findIndex((line, index) => index > first && !line.startsWith(" ".repeat(10)))
    const cells = lines.slice(first, next).map((line) =>
      line
        .replace(/^.*executable/, "")
        .replace("different", "")
        .trim()
        .split(/ +/)
    )
    assert.strictEqual(cells.map(([before]) => before).join(""), path)
    assert.strictEqual(cells.map(([, after]) => after).join(""), path.replace("X", "Y"))
    for (const line of lines) assert.isAtMost(Text.width(line), 80)
  })

  it("names the process behind a PID, escaped, and says that it may be another one", () => {
    const explained = (observation: Observation) =>
      Explanation.make(
        "/vms/a",
        examined([file(".vm-sentinel", Result.succeed(v3))], observation),
        place("/vms/a"),
        new Map([[pid, "qe\u001bmu"]])
      )
    const other = explained(recycled)
    assert.strictEqual(other.sentinels[0]?.command, "qe\u001bmu")
    assert.include(ExplanationTable.render(other, options), "\n  v3, owner, process 41 (now qe\\emu), ")
    const owner = explained({ ...recycled, startTime: "1000" })
    assert.include(ExplanationTable.render(owner, options), "\n  v3, owner, process 41 (qe\\emu), ")
    assert.notProperty(explained({ _tag: "Absent", pid }).sentinels[0], "command")
  })

  it("says why nothing in a directory without a sentinel would be trusted", () => {
    const nothing = examined([], { _tag: "Absent", pid })
    const told = (problem?: string) => {
      const where = {
        ...place("/vms/a"),
        ...(problem === undefined ? {} : { distrust: { rule: "unreadable" as const, problem } })
      }
      return ExplanationTable.render(Explanation.make("/vms/a", nothing, where), { ...options, width: 200 })
    }
    assert.include(told(), "It is kept: without a sentinel it isn't ours.\n")
    assert.include(
      told("unreadable, and owned by uid 0"),
      "It is kept: no sentinel was found, and nothing in it would be trusted: it is unreadable, and owned by uid 0.\n"
    )
  })

  it("ends with the next step where nobody can know whether an owner lives", () => {
    const copied = judgedAs({ file: "9" })
    const table = ExplanationTable.render(Explanation.make("/vms/a", copied, place("/vms/a")), options)
    assert.match(table, /\nNext step: its record was made in another directory[^]*--assume-moved REASON\n$/)
    assert.notInclude(ExplanationTable.render(explanation, options), "Next step")
  })

  it("escapes what is recorded", () => {
    const evil: Sentinel = { _tag: "V2", pid, executable: "/bin/\u001b[31mevil" }
    const seen: Observation = { ...recycled, exe: { path: "/bin/sh" }, startedAt: now, bootedAt: now - 3_600_000 }
    const table = ExplanationTable.render(
      Explanation.make(
        "/vms/\u001b[2J",
        examined([file(".vm-sentinel", Result.succeed(evil))], seen),
        place("/vms/\u001b[2J")
      ),
      options
    )
    assert.notInclude(table, "\u001b")
    assert.match(table, /→ {2}executable +\/bin\/\\e\[31mevil +\/bin\/sh +different/)
  })

  const shared: DirectoryFrame = { ...frame, fileSystem: { type: "nfs", oneKernel: false } }
  const lock = { kind: "flock", tested: true, holder: "self" } as const
  const gone = (by: "namespace" | "processId64") => ({ _tag: "Gone", by }) as const
  const decode = Schema.decodeUnknownSync(RecordV3)
  /** The record after a round trip through JSON, which drops `undefined`. */
  const recorded = (rest: object): SentinelV3 => {
    const record: unknown = JSON.parse(JSON.stringify({ ...v3.record, machineId: "machine", ...rest }))
    return { ...v3, record: decode(record) }
  }
  const unbound = (rest: object = {}) => recorded({ directory: undefined, ...rest })
  const absent: Observation = { _tag: "Absent", pid }

  const decisions: ReadonlyArray<readonly [string, Sentinel, Observation | undefined, Partial<Circumstances>, string]> =
    [
      ["lock-held", v3, undefined, { lockState: "shared" }, "lock"],
      ["pid-dead", v3, { _tag: "Absent", pid }, {}, "process"],
      ["not-a-process", v3, { ...recycled, tgid: 40 }, {}, "tgid"],
      ["zombie", v3, { ...recycled, state: "Z", threads: 1 }, {}, "state"],
      ["matches", v3, { ...recycled, startTime: "1000" }, {}, "startTime"],
      ["permission-denied", v3, { _tag: "Hidden", pid, detail: "stat: EACCES" }, {}, "process"],
      ["legacy-kept", { _tag: "V1", pid }, { _tag: "Absent", pid }, { legacy: "keep" }, "legacy"],
      ["not-local", { _tag: "V1", pid }, { _tag: "Absent", pid }, { frame: { id: frame.id } }, "fileSystem"],
      ["pid-alive", { _tag: "V1", pid }, recycled, {}, "process"],
      ["other-directory", v3, absent, { file: "3" }, "directory"],
      ["boot-unknown", unbound({ bootId: undefined }), absent, { frame: shared }, "bootId"],
      ["rebooted", recorded({ bootId: "earlier" }), undefined, {}, "bootId"],
      ["other-machine", unbound({ bootId: "other", machineId: "other" }), undefined, { frame: shared }, "machineId"],
      ["other-machine", unbound({ bootId: "other", hostname: "other" }), undefined, { frame: shared }, "hostname"],
      ["other-machine", unbound({ machineId: undefined, hostname: "other" }), absent, { frame: shared }, "hostname"],
      ["machine-unknown", unbound({ machineId: undefined }), absent, { frame: shared }, "machineId"],
      ["machine-unknown", unbound(), absent, { frame: shared }, "virtualMachine"],
      ["machine-unknown", unbound({ bootId: "other" }), absent, { shared: "trust" }, "directory"],
      ["lock-unknown", recorded({ lock }), absent, { lockState: "unknown" }, "lock"],
      ["other-pid-namespace", recorded({ pidNamespace: "pid:[2]" }), undefined, {}, "pidNamespace"],
      ["other-pid-namespace", recorded({ pidNamespaceInit: { startTime: "6" } }), undefined, {}, "firstProcess"],
      ["namespace-gone", recorded({ pidNamespace: "pid:[2]" }), undefined, { search: gone("namespace") }, "search"],
      [
        "process-gone",
        recorded({ pidNamespace: "pid:[2]", processId64: "7" }),
        undefined,
        { search: gone("processId64") },
        "search"
      ],
      ["lock-free", recorded({ pidNamespace: "pid:[2]", lock }), undefined, { lockState: "free" }, "lock"]
    ]
  it.each(decisions)("rests %s on the right datum", (reason, sentinel, observation, rest, datum) => {
    const verdict = judge(sentinel, observation, host, { ...circumstances, ...rest })
    assert.strictEqual(verdict.reason, reason)
    assert.strictEqual(verdict.decidedBy, datum)
  })

  it("rests on the PID namespace where a container's ids may be its image's", () => {
    const container = { ...host, virtualMachine: false, pidNamespace: "pid:[3]" }
    const sentinel = unbound({ bootId: "earlier", pidNamespace: "pid:[2]" })
    const verdict = judge(sentinel, undefined, container, { ...circumstances, frame: shared })
    assert.strictEqual(verdict.reason, "machine-unknown")
    assert.strictEqual(verdict.decidedBy, "pidNamespace")
    // On a file system of one kernel, an operator's word about machines leaves the doubt about the directory.
    const trusted = judge(sentinel, undefined, container, { ...circumstances, shared: "trust" })
    assert.strictEqual(trusted.reason, "machine-unknown")
    assert.strictEqual(trusted.decidedBy, "directory")
  })

  it("shows both directories of a copy, a datum a line", () => {
    const copied = judgedAs({ frame: { ...frame, inode: "1441801", birth: "1767300000000000000" }, file: "9" })
    const explanation = Explanation.make("/vms/a", copied, place("/vms/a"))
    const table = ExplanationTable.render(explanation, { ...options, width: 100 })
    const lines = table.split("\n").filter((line) => /ext4|inode|birth|file /.test(line))
    assert.deepStrictEqual(
      lines.map((line) => line.trim().replaceAll(/ +/g, " ")),
      [
        "→ directory ext4, ext4, different",
        "inode 1310724, inode 1441801,",
        "birth 1767225600000000000, birth 1767300000000000000,",
        "file 2 file 9"
      ]
    )
    assert.match(table, /^\/vms\/a: unknown, other-directory\n/)
    for (const line of table.split("\n")) assert.isAtMost(Text.width(line), 100)
  })

  const judgedAs = (rest: Rest): Decision => examined([file(".vm-sentinel", Result.succeed(v3))], absent, rest)

  it("shows an owner inside, which no sentinel of the directory tells", () => {
    const below = { path: "disks/b", verdict: "alive", reason: "matches" } as const
    const nested = Explanation.make("/vms/a", judgedAs({ below }), place("/vms/a"))
    assert.include(nested, { verdict: "dead", reason: "owner-inside", decidedBy: "below" })
    assert.notProperty(nested, "decisive")
    assert.deepStrictEqual(Object.keys(nested.evidence), ["below"])
    assert.deepStrictEqual(
      nested.sentinels.map(({ reason, verdict }) => [verdict, reason]),
      [["dead", "pid-dead"]]
    )
    const table = ExplanationTable.render(nested, options)
    assert.match(table, /\nThe directory itself:\n.*\n {2}→ {2}below +disks\/b +alive, matches +not-applicable\n/)
    assert.match(
      table,
      /\nIt is kept: its own owners are gone, but one below it may live\.\nNext step: end the owner inside/
    )
  })

  it("shows a lock that somebody holds whom no sentinel names", () => {
    const locked = Explanation.make("/vms/a", judgedAs({ directoryLock: "shared" }), place("/vms/a"))
    assert.include(locked, { verdict: "alive", reason: "lock-held", decidedBy: "lock" })
    assert.deepStrictEqual(locked.evidence, { lock: { observed: "shared", result: "not-applicable" } })
  })

  it("shows what an operator vouched for beside what it was said about", () => {
    const moved = judgedAs({ file: "9", assumeMoved: "rsync to the new disk, 2 May" })
    const explanation = Explanation.make("/vms/a", moved, place("/vms/a"))
    const table = ExplanationTable.render(explanation, { ...options, width: 100 })
    assert.match(table, /^\/vms\/a: dead, pid-dead\n/)
    assert.match(table, / {5}moved +other-directory +rsync to the new disk, 2 May +not-applicable\n/)
    const elsewhere = recorded({ pidNamespace: "pid:[2]", lock: { ...lock, holder: "inherited" } })
    const free = { ...circumstances, lockState: "free", lock: "inherited" } as const
    const inherited = judge(elsewhere, undefined, host, free)
    assert.deepInclude(inherited, { verdict: "dead", reason: "lock-free" })
    assert.deepStrictEqual(inherited.evidence.lockHolder, {
      recorded: "inherited",
      observed: "inherited",
      result: "not-applicable"
    })
  })
})
