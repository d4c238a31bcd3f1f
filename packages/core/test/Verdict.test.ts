import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Pid } from "../src/ProcessIdentity.ts"
import { parse } from "../src/Sentinel.ts"
import { depthFor } from "../src/Verdict.ts"
import { circumstances, host, inPlace as v3, pid, present, v1, v2, writtenAt } from "./support/fixtures.ts"
import { judge } from "./support/judging.ts"
import {
  absent,
  byId,
  byStart,
  type Given,
  hidden,
  noId,
  running,
  sameScope,
  table,
  unavailable
} from "./support/verdicts.ts"

table("existence", [
  {
    name: "scenario 2: absent",
    seen: absent,
    is: "dead pid-dead",
    compared: [...sameScope, "process different"]
  },
  {
    name: "scenario 60: absent, the PID past every pid_max",
    sentinel: { ...v3(), pid: Pid.make(2_147_483_647) },
    seen: { _tag: "Absent", pid: Pid.make(2_147_483_647) },
    is: "dead pid-dead",
    compared: [...sameScope, "process different"]
  },
  {
    name: "scenario 60: alive, the PID past every pid_max",
    sentinel: { ...v3(), pid: Pid.make(5_000_000) },
    seen: present({ pid: Pid.make(5_000_000), tgid: 5_000_000 }),
    is: "alive matches",
    compared: byId
  },
  ...([v1, v2(), v3()] as const).map((sentinel): Given => ({
    name: `scenario 27: hidden, ${sentinel._tag}`,
    sentinel,
    seen: hidden,
    is: "unknown permission-denied",
    compared: sentinel._tag === "V3" ? [...sameScope, "process unknown"] : ["process unknown"]
  })),
  {
    name: "scenario 28: hidden by EPERM",
    seen: { _tag: "Hidden", pid, detail: "stat: EPERM" },
    is: "unknown permission-denied",
    compared: [...sameScope, "process unknown"]
  },
  {
    name: "scenario 31: no procfs",
    seen: unavailable("no-procfs"),
    is: "unknown no-procfs",
    compared: [...sameScope, "process unknown"]
  },
  ...(["resources", "malformed", "unsupported"] as const).map((reason): Given => ({
    name: `scenario 26: ${reason}`,
    seen: unavailable(reason),
    is: "unknown inspection-failed",
    compared: [...sameScope, "process unknown"]
  })),
  {
    name: "scenario 26: resources, v1",
    sentinel: v1,
    seen: unavailable("resources"),
    is: "unknown inspection-failed",
    compared: ["process unknown"]
  },
  {
    name: "no observation where one was needed",
    seen: null,
    is: "unknown inspection-failed",
    compared: [...sameScope, "process unknown"]
  }
])

table("threads", [
  {
    name: "scenario 14: for v1, where kill(2) would say alive",
    sentinel: v1,
    seen: present({ tgid: 4000 }),
    is: "dead not-a-process",
    compared: ["process equal", "tgid different"]
  },
  {
    name: "a thread of the very executable",
    sentinel: v2(),
    seen: present({ tgid: 4000 }),
    is: "dead not-a-process",
    compared: ["process equal", "tgid different"]
  },
  {
    name: "a thread, before its state Z",
    seen: present({ tgid: 4000, state: "Z" }),
    is: "dead not-a-process",
    compared: [...sameScope, "process equal", "tgid different"]
  },
  {
    name: "the thread group unknown: goes on",
    seen: present({ tgid: undefined }),
    is: "alive matches",
    compared: [...sameScope, "process equal", "state not-applicable", "processId64 equal"]
  }
])

const states = ["R", "D", "T", "t", "I", "W", "P"] as const

table("the state", [
  ...(["Z", "X"] as const).flatMap((state) =>
    (
      [
        [0, "dead zombie"],
        [1, "dead zombie"],
        [2, "alive matches"],
        [undefined, "alive matches"]
      ] as const
    ).map(([threads, is]): Given => ({
      name: `${state === "Z" && threads === 1 ? "scenario 15: " : state === "Z" && threads === 2 ? "scenario 16: " : ""}state ${state}, ${threads ?? "unknown"} thread(s)`,
      seen: present({ state, threads }),
      is,
      compared: is === "dead zombie" ? [...sameScope, ...running] : byId
    }))
  ),
  ...states.map((state): Given => ({
    name: `${state === "T" || state === "D" ? "scenario 17: " : ""}state ${state}, one thread`,
    seen: present({ state }),
    is: "alive matches",
    compared: byId
  })),
  {
    name: "unknown",
    seen: present({ state: undefined }),
    is: "alive matches",
    compared: [...sameScope, "process equal", "tgid equal", "processId64 equal"]
  },
  {
    name: "a zombie, before its other identity",
    seen: present({ state: "Z", processId64: "7" }),
    is: "dead zombie",
    compared: [...sameScope, ...running]
  },
  {
    name: "scenario 16: the leader gone, threads left, another identity",
    seen: present({ state: "Z", threads: 2, processId64: "7" }),
    is: "dead identity-mismatch",
    compared: [...sameScope, ...running, "processId64 different"]
  },
  {
    name: "a zombie that v1 names",
    sentinel: v1,
    seen: present({ state: "Z" }),
    is: "dead zombie",
    compared: running
  },
  {
    name: "scenario 16: the leader gone, threads left, v1",
    sentinel: v1,
    seen: present({ state: "Z", threads: 2 }),
    is: "alive pid-alive",
    compared: running
  }
])

table("the 64-bit process id", [
  { name: "equal", is: "alive matches", compared: byId },
  {
    name: "different in the last digit of 2^53",
    seen: present({ processId64: "9007199254740992" }),
    is: "dead identity-mismatch",
    compared: [...sameScope, ...running, "processId64 different"]
  },
  {
    name: "equal outranks another start token",
    seen: present({ startTime: "2000" }),
    is: "alive matches",
    compared: byId
  },
  {
    name: "different outranks an equal start token in another time namespace",
    seen: present({ processId64: "7", startTime: "1100" }),
    host: { timeOffset: "1000000000" },
    is: "dead identity-mismatch",
    compared: [...sameScope, ...running, "processId64 different"]
  },
  {
    name: "scenario 20: equal, in another time namespace",
    seen: present({ startTime: "10001000" }),
    host: { timeOffset: "100000000000000" },
    is: "alive matches",
    compared: byId
  },
  {
    name: "not recorded",
    sentinel: v3(noId),
    is: "alive matches",
    compared: [...byStart, "startTime equal"]
  },
  {
    name: "scenario 59: not to be had now, as on 32 bits",
    seen: present(noId),
    is: "alive matches",
    compared: [...byStart, "startTime equal"]
  }
])

table("the start token", [
  {
    name: "scenarios 4 and 13: different, the same executable: it doesn't rescue",
    sentinel: v3(noId),
    seen: present({ startTime: "2000" }),
    is: "dead start-time-mismatch",
    compared: [...byStart, "startTime different"]
  },
  {
    name: "scenario 30: different, of a process that kill(2) may not signal",
    sentinel: v3(noId),
    seen: present({ startTime: "2000", exe: undefined, exeError: "permission-denied", uid: 0 }),
    is: "dead start-time-mismatch",
    compared: [...byStart, "startTime different"]
  },
  {
    name: "scenario 29: equal, another user's process, its executable refused",
    sentinel: v3(noId),
    seen: present({ exe: undefined, exeError: "permission-denied", uid: 0 }),
    is: "alive matches",
    compared: [...byStart, "startTime equal"]
  },
  {
    name: "scenario 21: equal, another executable: the owner called execve(2)",
    sentinel: v3(noId),
    seen: present({ exe: { path: "/usr/bin/other" }, comm: "other" }),
    is: "alive matches",
    compared: [...byStart, "startTime equal"]
  },
  {
    name: "scenario 22: equal, the binary deleted",
    sentinel: v3(noId),
    seen: present({ exe: { path: "/usr/bin/node (deleted)" } }),
    is: "alive matches",
    compared: [...byStart, "startTime equal"]
  },
  ...(
    [
      ["scenario 20: another time namespace, equal by chance", "1000"],
      ["scenario 73: the number of a time namespace given again, with another offset", "2000"]
    ] as const
  ).map(([name, startTime]): Given => ({
    name,
    sentinel: v3(noId),
    seen: present({ startTime }),
    host: { timeOffset: "100000000000000" },
    is: "dead start-time-mismatch",
    compared: [...sameScope, ...running, "processId64 unknown", "timeOffset different", "startTime different"]
  })),
  {
    name: "scenario 73: the offset not recorded",
    sentinel: v3({ ...noId, timeOffset: undefined }),
    seen: present({ startTime: "2000" }),
    is: "unknown not-comparable",
    compared: [...sameScope, ...running, "processId64 unknown", "timeOffset unknown", "startTime unknown"]
  },
  {
    name: "scenario 73: the offset unreadable now",
    sentinel: v3(noId),
    seen: present({ startTime: "2000" }),
    host: { timeOffset: undefined },
    is: "unknown not-comparable",
    compared: [...sameScope, ...running, "processId64 unknown", "timeOffset unknown", "startTime unknown"]
  },
  {
    name: "unreadable now: never falls to the executable, not to an equal one",
    sentinel: v3(noId),
    seen: present({ startTime: undefined }),
    is: "unknown not-comparable",
    compared: [...byStart, "startTime unknown"]
  },
  {
    name: "unreadable now: never falls to the executable, not to another one",
    sentinel: v3(noId),
    seen: present({ startTime: undefined, exe: { path: "/usr/bin/other" }, startedAt: writtenAt + 60_000 }),
    is: "unknown not-comparable",
    compared: [...byStart, "startTime unknown"]
  },
  {
    name: "in seconds, as ps recorded it, within the second",
    sentinel: v3({ ...noId, startTime: "s:1704067200" }),
    seen: present({ startTime: "1704067200999999" }),
    is: "alive matches",
    compared: [...byStart, "startTime equal"]
  },
  {
    name: "in seconds, as ps recorded it, past the second",
    sentinel: v3({ ...noId, startTime: "s:1704067200" }),
    seen: present({ startTime: "1704067201000000" }),
    is: "dead start-time-mismatch",
    compared: [...byStart, "startTime different"]
  }
])

describe("what isn't judged", () => {
  it("scenario 18: a record of any age is alive while its process is: nothing expires", () => {
    for (const age of [-31_536_000_000, -2000, 2000, 31_536_000_000]) {
      const createdAt = new Date(writtenAt + age).toISOString()
      assert.deepStrictEqual(
        judge(v3({ createdAt }), present(), host(), circumstances({ changedAt: writtenAt + age })),
        judge(v3(), present(), host(), circumstances())
      )
    }
  })

  it("scenario 25: a command name that looks like a stat line is for people only", () => {
    const verdict = judge(v3(), present({ comm: ") Z 1 (" }), host(), circumstances())
    assert.strictEqual(verdict.verdict, "alive")
    assert.strictEqual(verdict.evidence.process?.observed, ") Z 1 (")
  })

  it.for(["0", "-1", "2147483648", "1e400", "12abc", ""])(
    "scenario 36: a record whose PID is %j is never judged, so no such number is ever asked about",
    (line) => {
      assert.isTrue(Result.isFailure(parse(new TextEncoder().encode(line))))
    }
  )

  it("scenario 37: a record of a newer version is never judged by the keys it shares with ours", () => {
    const text = `4242\n\n${JSON.stringify({ ...v3({ exe: undefined }).record, v: 4 })}\n`
    const parsed = parse(new TextEncoder().encode(text))
    assert.strictEqual(Result.isFailure(parsed) ? parsed.failure._tag : "", "UnsupportedVersion")
  })
})

describe("depthFor", () => {
  it("asks for no more than the record can be compared with, and for no less", () => {
    assert.strictEqual(depthFor(v1), "existence")
    assert.strictEqual(depthFor(v2()), "executable")
    assert.strictEqual(depthFor(v3()), "identity")
  })

  it("asks for the start token where the record has no 64-bit id, though the kernel of today has one", () => {
    assert.strictEqual(depthFor(v3(noId)), "executable")
  })
})
