import { assert, describe, it } from "@effect/vitest"
import type { Observation } from "@vm-sentinel/core/Observation"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { type Answer, found, fromErrno, gone, unusable } from "../src/internal/answer.ts"
import { type Reading, settle, type Settled } from "../src/internal/libSystemReading.ts"
import type { ProcessInfo } from "../src/internal/processStructs.ts"

const pid = Pid.make(812)
const info: ProcessInfo = { pid, state: "S", started: 1_709_296_496_789_012n, uid: 501, comm: "node" }

const denied = (call: string): Answer<never> => fromErrno(call, "EPERM")
const unknownFlavor = fromErrno("proc_pidinfo 17", "EINVAL")

const at = (answers: Partial<Reading>, errno: string): Settled => {
  const uniqueId = answers.uniqueId ?? found("447433")
  return settle({ pid, uniqueId, listed: uniqueId, info: found(info), ...answers }, () => errno)
}

const short = (result: Settled): string => {
  if (result._tag === "Torn") return `Torn: ${result.detail}`
  const { observation } = result
  if (observation._tag === "Absent") return "Absent"
  if (observation._tag === "Hidden") return `Hidden: ${observation.detail}`
  if (observation._tag === "Unavailable") return `${observation.reason}: ${observation.detail}`
  return `Present ${observation.processId64 ?? "-"} ${observation.startTime ?? "-"} ${observation.state ?? "-"}`
}

describe("what the answers about one number amount to", () => {
  it.for<readonly [name: string, answers: Partial<Reading>, errno: string, settled: string]>([
    ["both found it", {}, "none", "Present 447433 1709296496789012 S"],
    ["another user's: kill is EPERM, and isn't asked", {}, "EPERM", "Present 447433 1709296496789012 S"],
    ["no unique id", { uniqueId: unknownFlavor, listed: found(info) }, "none", "Present - 1709296496789012 S"],
    [
      "no unique id, and no flavor at all",
      { uniqueId: unknownFlavor, listed: denied("proc_pidinfo 3") },
      "none",
      "Present - 1709296496789012 S"
    ],
    ["a policy on proc_pidinfo", { uniqueId: denied("proc_pidinfo 17") }, "none", "Present - 1709296496789012 S"],
    ["a policy on sysctl", { info: denied("sysctl") }, "none", "Present 447433 - -"],
    [
      "a kinfo_proc of another size",
      { info: unusable("malformed", "sysctl: 656 bytes") },
      "none",
      "Present 447433 - -"
    ],

    ["nobody knows it", { uniqueId: gone, info: gone }, "ESRCH", "Absent"],
    [
      "nobody knows it, without the unique id",
      { uniqueId: unknownFlavor, listed: gone, info: gone },
      "ESRCH",
      "Absent"
    ],
    [
      "nobody knows it but kill",
      { uniqueId: gone, info: gone },
      "none",
      "Torn: proc_pidinfo: Gone, sysctl: Gone, kill: none"
    ],
    [
      "nobody knows it but kill, which refuses",
      { uniqueId: gone, info: gone },
      "EPERM",
      "Torn: proc_pidinfo: Gone, sysctl: Gone, kill: EPERM"
    ],
    ["only proc_pidinfo knows it", { info: gone }, "ESRCH", "Torn: proc_pidinfo: Found, sysctl: Gone"],
    ["only sysctl knows it", { uniqueId: gone }, "ESRCH", "Torn: proc_pidinfo: Gone, sysctl: Found"],

    [
      "gone, says proc_pidinfo; sysctl is refused",
      { uniqueId: gone, info: denied("sysctl") },
      "ESRCH",
      "Hidden: sysctl: EPERM"
    ],
    [
      "gone, says proc_pidinfo; sysctl makes no sense",
      { uniqueId: gone, info: unusable("malformed", "sysctl: 8 bytes") },
      "ESRCH",
      "malformed: sysctl: 8 bytes"
    ],
    [
      "gone, says sysctl; proc_pidinfo is refused",
      { uniqueId: denied("proc_pidinfo 17"), info: gone },
      "ESRCH",
      "Hidden: proc_pidinfo 17: EPERM"
    ],
    [
      "gone, says sysctl; no flavor of proc_pidinfo answers",
      { uniqueId: unknownFlavor, listed: fromErrno("proc_pidinfo 3", "EINVAL"), info: gone },
      "ESRCH",
      "unsupported: proc_pidinfo 17: EINVAL, proc_pidinfo 3: EINVAL"
    ],
    [
      "both refused",
      { uniqueId: denied("proc_pidinfo 17"), info: denied("sysctl") },
      "ESRCH",
      "Hidden: proc_pidinfo 17: EPERM, sysctl: EPERM"
    ],
    [
      "one refused, one unusable",
      { uniqueId: denied("proc_pidinfo 17"), info: fromErrno("sysctl", "EIO") },
      "ESRCH",
      "Hidden: proc_pidinfo 17: EPERM, sysctl: EIO"
    ],
    [
      "both unusable",
      {
        uniqueId: fromErrno("proc_pidinfo 17", "ENOMEM"),
        listed: fromErrno("proc_pidinfo 3", "ENOMEM"),
        info: fromErrno("sysctl", "EINVAL")
      },
      "ESRCH",
      "resources: proc_pidinfo 17: ENOMEM, proc_pidinfo 3: ENOMEM, sysctl: EINVAL"
    ]
  ])("%s", ([, answers, errno, settled]) => {
    assert.strictEqual(short(at(answers, errno)), settled)
  })

  const uniqueIds: ReadonlyArray<Answer<string>> = [found("1"), gone, denied("a"), unusable("unsupported", "a")]
  const infos: ReadonlyArray<Answer<ProcessInfo>> = [found(info), gone, denied("b"), unusable("malformed", "b")]

  it("is Absent for one of all combinations, and Present for no refusal alone", () => {
    const settled = uniqueIds.flatMap((uniqueId) =>
      infos.flatMap((info) =>
        ["none", "EPERM", "ESRCH", "unknown"].map((errno) => ({
          uniqueId,
          info,
          errno,
          result: at({ uniqueId, info }, errno)
        }))
      )
    )
    assert.strictEqual(settled.length, 64)
    for (const { errno, info, result, uniqueId } of settled) {
      const observation: Observation | undefined = result._tag === "Settled" ? result.observation : undefined
      const saysGone = uniqueId._tag === "Gone" && info._tag === "Gone" && errno === "ESRCH"
      assert.strictEqual(observation?._tag === "Absent", saysGone)
      if (observation?._tag === "Present") assert.isTrue(uniqueId._tag === "Found" || info._tag === "Found")
    }
  })
})

describe("the evidence of a process that is present", () => {
  const present = (answers: Partial<Reading>): Observation => {
    const result = at(answers, "none")
    if (result._tag === "Torn") return assert.fail(result.detail)
    return result.observation
  }

  it("is all that was found", () => {
    assert.deepStrictEqual(present({ path: found("/opt/my app/node") }), {
      _tag: "Present",
      pid,
      processId64: "447433",
      state: "S",
      startTime: "1709296496789012",
      startedAt: 1_709_296_496_789,
      uid: 501,
      comm: "node",
      exe: { path: "/opt/my app/node" }
    })
  })

  it("a zombie has at most one thread", () => {
    const zombie = present({ info: found({ ...info, state: "Z", comm: "" }), path: fromErrno("proc_pidpath", "ESRCH") })
    assert.deepStrictEqual(zombie, {
      _tag: "Present",
      pid,
      processId64: "447433",
      state: "Z",
      threads: 1,
      startTime: "1709296496789012",
      startedAt: 1_709_296_496_789,
      uid: 501,
      exeError: "not-available"
    })
  })

  it.for([
    ["EPERM", "permission-denied"],
    ["EACCES", "permission-denied"],
    ["ENOENT", "not-available"],
    ["ESRCH", "not-available"],
    ["ENODEV", "not-available"]
  ] as const)("proc_pidpath %s: the executable is %s, and the process is present", ([errno, exeError]) => {
    const observation = present({ path: fromErrno("proc_pidpath", errno) })
    assert.strictEqual(observation._tag === "Present" ? observation.exeError : undefined, exeError)
  })
})
