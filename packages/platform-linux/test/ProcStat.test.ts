import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import * as ProcStat from "../src/ProcStat.ts"
import * as ProcStatus from "../src/ProcStatus.ts"

const fields = (state: string, threads: string, startTime: string, exitSignal: string) =>
  `${state} 1 1 1 0 -1 4194560 110 0 0 0 3 4 0 0 20 0 ${threads} 0 ${startTime} 5873664 226 18446744073709551615 1 1 0 ` +
  `0 0 0 0 0 0 0 0 0 ${exitSignal} 1 0 0 0 0 0 0 0 0 0 0 0 0 0`

const line = (comm: Uint8Array | string, rest = fields("S", "1", "777", "17")) =>
  Buffer.concat([Buffer.from("42 ("), Buffer.from(comm), Buffer.from(`) ${rest}\n`)])

const parse = (comm: Uint8Array | string, rest?: string) => ProcStat.parse(line(comm, rest))

const sane = { pid: 42, state: "S", threads: 1, startTime: "777", exitSignal: 17 }

/** A process name without NUL. It has up to 15 bytes, and up to 63 for kernel workers. */
const Comm = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 255 }))).check(
  Schema.isMaxLength(63)
)
const Ticks = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 2n ** 64n - 1n }))

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))

describe("ProcStat", () => {
  it("reads a real line", () => {
    const stat = ProcStat.parse(readFileSync(`/proc/${process.pid}/stat`))
    assert.strictEqual(stat?.pid, process.pid)
    assert.match(stat?.startTime ?? "", /^[0-9]+$/)
    assert.isAbove(stat?.threads ?? 0, 1)
    assert.isAtLeast(stat?.exitSignal ?? -1, 0)
  })

  it("tells a real thread by its exit signal", () => {
    const thread = readdirSync("/proc/self/task").find((id) => id !== `${process.pid}`)
    assert.strictEqual(ProcStat.parse(readFileSync(`/proc/${thread}/stat`))?.exitSignal, -1)
    assert.strictEqual(ProcStatus.parse(readFileSync(`/proc/${thread}/status`)).tgid, process.pid)
  })

  it.each([
    "",
    "node",
    "a b",
    ")",
    "(",
    "()",
    ") Z 1 (",
    ") Z 1 1 1 0 -1 (",
    "a\nb",
    ") S 1\n",
    "\n",
    " ",
    "gunicorn: maste"
  ])("scenario 25: the name %j shifts no field", (comm) => {
    assert.deepStrictEqual(parse(comm), { ...sane, comm: new Uint8Array(Buffer.from(comm)) })
  })

  it("scenario 25: a name that isn't UTF-8 shifts no field", () => {
    const comm = Uint8Array.from([0xff, 0x29, 0x20, 0x5a, 0xc3, 0x28])
    assert.deepStrictEqual(parse(comm), { ...sane, comm })
  })

  it.prop("any name and any start round trip", [Comm, Ticks], ([bytes, ticks]) => {
    const comm = Uint8Array.from(bytes)
    const startTime = `${ticks}`
    assert.deepStrictEqual(parse(comm, fields("Z", "2", startTime, "-1")), {
      pid: 42,
      comm,
      state: "Z",
      threads: 2,
      startTime,
      exitSignal: -1
    })
  })

  it.prop("scenario 26: cut short at any byte, it is no line", [Comm], ([bytes]) => {
    const whole = line(Uint8Array.from(bytes))
    for (let length = 0; length < whole.length; length++) {
      assert.isUndefined(ProcStat.parse(whole.subarray(0, length)), `${length} bytes`)
    }
  })

  it.prop("any bytes at all are parsed or refused", [Schema.Array(Byte)], ([bytes]) => {
    const parsed = ProcStat.parse(Uint8Array.from(bytes))
    if (parsed !== undefined) assert.match(parsed.startTime, /^[0-9]{1,20}$/)
  })

  it.each([
    ["empty", ""],
    ["only a newline", "\n"],
    ["no name", `42 ${fields("S", "1", "777", "17")}\n`],
    ["no number", ` (a) ${fields("S", "1", "777", "17")}\n`],
    ["a number that isn't one", `4x (a) ${fields("S", "1", "777", "17")}\n`],
    ["no space after the name", `42 (a)${fields("S", "1", "777", "17")}\n`],
    ["a state of two letters", `42 (a) ${fields("SS", "1", "777", "17")}\n`],
    ["threads that aren't a number", `42 (a) ${fields("S", "x", "777", "17")}\n`],
    ["no start", `42 (a) ${fields("S", "1", "", "17")}\n`],
    ["a negative start", `42 (a) ${fields("S", "1", "-1", "17")}\n`],
    ["a start of 21 digits", `42 (a) ${fields("S", "1", "1".repeat(21), "17")}\n`],
    ["a lone minus", `42 (a) ${fields("S", "1", "777", "-")}\n`],
    ["35 fields", "42 (a) S" + " 0".repeat(34) + "\n"]
  ])("refuses %s", (_, text) => {
    assert.isUndefined(ProcStat.parse(Buffer.from(text)))
  })

  it("takes the 36 fields of an old kernel", () => {
    assert.strictEqual(ProcStat.parse(Buffer.from(`42 (a) S${" 0".repeat(35)}\n`))?.startTime, "0")
  })
})

describe("ProcStatus", () => {
  const status =
    "Name:\tnode\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t42\nNgid:\t0\nPid:\t43\nPPid:\t1\nTracerPid:\t0\n" +
    "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nFDSize:\t64\nGroups:\t \nNStgid:\t42\t7\t1\nNSpid:\t43\t8\t2\nThreads:\t11\n"

  const parsed = { tgid: 42, uid: 2, pids: [42, 7, 1] }

  it("reads the leader, the effective uid, and the numbers of each namespace", () => {
    assert.deepStrictEqual(ProcStatus.parse(Buffer.from(status)), parsed)
  })

  it("scenario 26: cut short at any byte, a line is whole or missing", () => {
    for (let length = 0; length < status.length; length++) {
      const cut = ProcStatus.parse(Buffer.from(status.slice(0, length)))
      if (cut.tgid !== undefined) assert.strictEqual(cut.tgid, parsed.tgid)
      if (cut.uid !== undefined) assert.strictEqual(cut.uid, parsed.uid)
      if (cut.pids !== undefined) assert.deepStrictEqual(cut.pids, parsed.pids)
    }
  })

  it.each(["\rTgid:\t9", "\u2028Tgid:\t9", "Tgid:\t9", "\\nTgid:\t9", "\vUid:\t0\t0\t0\t0"])(
    "scenario 25: the name %j forges no line",
    (name) => {
      const forged = status.replace("Name:\tnode", `Name:\t${name}`)
      assert.deepStrictEqual(ProcStatus.parse(Buffer.from(forged)), parsed)
    }
  )

  it("leaves out what an old kernel doesn't have", () => {
    assert.deepStrictEqual(ProcStatus.parse(Buffer.from("Name:\ta\nTgid:\t42\n")), { tgid: 42 })
  })
})
