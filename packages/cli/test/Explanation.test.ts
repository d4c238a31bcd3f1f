import { judge, type Circumstances, type Evidence } from "@vm-sentinel/core/Verdict"
import { assert, describe, it } from "@effect/vitest"
import { examine, type Judgement, type Testimony } from "@vm-sentinel/core/Condemned"
import { MalformedSentinel } from "@vm-sentinel/core/Errors"
import type { Holding, SentinelFile } from "@vm-sentinel/core/Holding"
import type { Observation } from "@vm-sentinel/core/Observation"
import { type HostIdentity, Pid } from "@vm-sentinel/core/ProcessIdentity"
import type { Sentinel } from "@vm-sentinel/core/Sentinel"
import { Result, Schema } from "effect"
import * as Explanation from "../src/Explanation.ts"
import * as ExplanationTable from "../src/ExplanationTable.ts"
import * as Text from "../src/Text.ts"

const now = Date.parse("2026-01-02T00:00:00.000Z")
const options = { now, colors: false }
const pid = Pid.make(41)
const host: HostIdentity = {
  bootId: "4348714a-e39a-4b74-88eb-2b38a7d04fbc",
  machineId: "machine",
  hostname: "h",
  namespaces: "supported",
  pidNamespace: "pid:[1]",
  timeNamespace: "time:[1]"
}
const v3: Sentinel = {
  _tag: "V3",
  pid,
  record: {
    v: 3,
    nonce: "0123456789abcdef",
    startTime: "1000",
    bootId: "4348714a-e39a-4b74-88eb-2b38a7d04fbc",
    pidNamespace: "pid:[1]",
    timeNamespace: "time:[1]",
    hostname: "h",
    role: "owner",
    createdAt: "2026-01-01T00:00:00.000Z"
  }
}
const circumstances: Circumstances = { localFileSystem: true, legacy: "trust", writtenAt: now - 60_000 }

const file = (entry: string, content: SentinelFile["content"]): SentinelFile => ({
  entry,
  id: { dev: "1", ino: "2" },
  size: 300,
  writtenAt: now - 60_000,
  bytes: new Uint8Array(),
  content
})

const examined = (sentinels: ReadonlyArray<SentinelFile>, observation: Observation): Judgement => {
  const holding: Holding = { path: "/vms/a", id: { dev: "1", ino: "1" }, sentinels, foreign: [] }
  const testimony: Testimony = { observation, circumstances }
  const examination = examine(holding, host)
  let step = examination.next()
  while (step.done !== true) step = examination.next(testimony)
  return step.value
}

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
  const explanation = Explanation.make("/vms/a", examined([file(".vm-sentinel", Result.succeed(v3))], recycled), [])

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

  it("is a table that marks what decided, in 100 columns", () => {
    const table = ExplanationTable.render(explanation, options)
    assert.match(table, /^\/vms\/a: dead, start-time-mismatch\n/)
    assert.match(
      table,
      /^\.vm-sentinel: dead, start-time-mismatch, which decides\n {2}v3, owner, process 41, 300 B, written 1m ago$/m
    )
    assert.match(table, /^ {2}→ {2}startTime +1000 +2000 +different$/m)
    assert.match(table, /^ {5}bootId +4348714a-e39a-4…b-2b38a7d04fbc +4348714a-e39a-4…b-2b38a7d04fbc +equal$/m)
    assert.include(table, "Not available: processId64 (neither recorded nor observed)\n")
    assert.match(table, /A sweep removes it/)
    for (const line of table.split("\n")) assert.isAtMost(Text.width(line), 100)
  })

  it("leaves out when a sentinel was written where no calendar has that time", () => {
    for (const writtenAt of [2 ** 62, -(2 ** 62), Number.NaN]) {
      const sentinel = { ...file(".vm-sentinel", Result.succeed(v3)), writtenAt }
      const timeless = Explanation.make("/vms/a", examined([sentinel], recycled), [])
      assert.notProperty(timeless.sentinels[0], "since")
      assert.strictEqual(timeless.sentinels[0]?.reason, "start-time-mismatch")
      assert.match(ExplanationTable.render(timeless, options), /^ {2}v3, owner, process 41, 300 B$/m)
    }
  })

  it("shows what is wrong with a sentinel, beside the others", () => {
    const error = new MalformedSentinel({ operation: "read sentinel", path: "/vms/a/.vm-sentinel.x", problem: "empty" })
    const files = [file(".vm-sentinel", Result.succeed(v3)), file(".vm-sentinel.x", Result.fail(error))]
    const mixed = Explanation.make("/vms/a", examined(files, recycled), [".bbox-sentinel"])
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

  it("escapes what is recorded", () => {
    const evil: Sentinel = { _tag: "V2", pid, executable: "/bin/\u001b[31mevil" }
    const seen: Observation = { ...recycled, exe: { path: "/bin/sh" }, startedAt: now }
    const table = ExplanationTable.render(
      Explanation.make("/vms/\u001b[2J", examined([file(".vm-sentinel", Result.succeed(evil))], seen), []),
      options
    )
    assert.notInclude(table, "\u001b")
    assert.match(table, /→ {2}executable +\/bin\/\\e\[31mevil +\/bin\/sh +different/)
  })

  const decisions: ReadonlyArray<readonly [string, Sentinel, Observation | undefined, Partial<Circumstances>, string]> =
    [
      ["lock-held", v3, undefined, { lock: "busy" }, "lock"],
      ["pid-dead", v3, { _tag: "Absent", pid }, {}, "process"],
      ["not-a-process", v3, { ...recycled, tgid: 40 }, {}, "tgid"],
      ["zombie", v3, { ...recycled, state: "Z", threads: 1 }, {}, "state"],
      ["matches", v3, { ...recycled, startTime: "1000" }, {}, "startTime"],
      ["permission-denied", v3, { _tag: "Hidden", pid, detail: "stat: EACCES" }, {}, "process"],
      ["legacy-kept", { _tag: "V1", pid }, { _tag: "Absent", pid }, { legacy: "keep" }, "legacy"],
      ["not-local", { _tag: "V1", pid }, { _tag: "Absent", pid }, { localFileSystem: false }, "fileSystem"],
      ["pid-alive", { _tag: "V1", pid }, recycled, {}, "process"]
    ]
  it.each(decisions)("rests %s on the right datum", (reason, sentinel, observation, rest, datum) => {
    const verdict = judge(sentinel, observation, host, { ...circumstances, ...rest })
    assert.strictEqual(verdict.reason, reason)
    assert.strictEqual(Explanation.decidedBy(verdict.reason, verdict.evidence), datum)
  })

  it("rests on nothing where nothing was compared", () => {
    const none: Evidence = {}
    assert.isUndefined(Explanation.decidedBy("no-sentinel", none))
  })
})
