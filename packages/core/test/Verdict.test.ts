import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Observation } from "../src/Observation.ts"
import { Pid } from "../src/ProcessIdentity.ts"
import { parse, type Sentinel } from "../src/Sentinel.ts"
import { sameExecutable, startMargin, depthFor } from "../src/Verdict.ts"
import { circumstances, host, inPlace as v3, pid, present, sharedFrame, v1, v2, writtenAt } from "./support/fixtures.ts"
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

const old = present({ exe: { path: "/usr/bin/other" }, startedAt: writtenAt + startMargin })

table("3: v1 and v2 records, which carry no scope", [
  { name: "v1, PID absent", sentinel: v1, seen: absent, is: "dead pid-dead", compared: ["process different"] },
  { name: "v2, PID absent", sentinel: v2(), seen: absent, is: "dead pid-dead", compared: ["process different"] },
  {
    name: "v1: neither boot, machine nor namespace is asked",
    sentinel: v1,
    host: { bootId: "boot-b", machineId: "machine-b", pidNamespace: "pid:[2]" },
    is: "alive pid-alive",
    compared: running
  },
  {
    name: "v1, PID absent, kept by policy",
    sentinel: v1,
    seen: absent,
    circumstances: { legacy: "keep" },
    is: "unknown legacy-kept",
    compared: ["process different", "legacy not-applicable"]
  },
  {
    name: "v2, another executable, kept by policy",
    sentinel: v2(),
    seen: old,
    circumstances: { legacy: "keep" },
    is: "unknown legacy-kept",
    compared: [...running, "executable different", "startedAt different", "legacy not-applicable"]
  },
  {
    name: "v1, a zombie, kept by policy",
    sentinel: v1,
    seen: present({ state: "Z" }),
    circumstances: { legacy: "keep" },
    is: "unknown legacy-kept",
    compared: [...running, "legacy not-applicable"]
  },
  {
    name: "v1, PID absent, on a file system that may be shared",
    sentinel: v1,
    seen: absent,
    circumstances: { frame: sharedFrame },
    is: "unknown not-local",
    compared: ["process different", "fileSystem unknown"]
  },
  {
    name: "v2, a thread, on a file system that may be shared",
    sentinel: v2(),
    seen: present({ tgid: 1 }),
    circumstances: { frame: sharedFrame },
    is: "unknown not-local",
    compared: ["process equal", "tgid different", "fileSystem unknown"]
  },
  {
    name: "v1, PID absent, kept by policy before the file system is asked",
    sentinel: v1,
    seen: absent,
    circumstances: { legacy: "keep", frame: sharedFrame },
    is: "unknown legacy-kept",
    compared: ["process different", "legacy not-applicable"]
  },
  {
    name: "v1 alive, whatever policy and file system",
    sentinel: v1,
    circumstances: { legacy: "keep", frame: sharedFrame },
    is: "alive pid-alive",
    compared: running
  },
  {
    name: "v2 alive, whatever policy and file system",
    sentinel: v2(),
    circumstances: { legacy: "keep", frame: sharedFrame },
    is: "alive matches",
    compared: [...running, "executable equal"]
  },
  {
    name: "v3 doesn't ask the policy",
    seen: absent,
    circumstances: { legacy: "keep" },
    is: "dead pid-dead",
    compared: [...sameScope, "process different"]
  }
])

table("4: existence", [
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

table("5: threads", [
  {
    name: "scenario 14: the number names a thread of another process",
    seen: present({ tgid: 4000 }),
    is: "dead not-a-process",
    compared: [...sameScope, "process equal", "tgid different"]
  },
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

const states = ["R", "S", "D", "T", "t", "I", "W", "P"] as const

table("6: the state", [
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
    name: "a zombie, before its equal identity",
    seen: present({ state: "Z" }),
    is: "dead zombie",
    compared: [...sameScope, ...running]
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

table("7: the 64-bit process id", [
  { name: "equal", is: "alive matches", compared: byId },
  {
    name: "scenario 5: different, in the same tick, of the same executable",
    seen: present({ processId64: "7" }),
    is: "dead identity-mismatch",
    compared: [...sameScope, ...running, "processId64 different"]
  },
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

table("8: the start token", [
  {
    name: "scenario 3: different, another executable",
    sentinel: v3(noId),
    seen: present({ startTime: "2000", exe: { path: "/usr/bin/other" } }),
    is: "dead start-time-mismatch",
    compared: [...byStart, "startTime different"]
  },
  {
    name: "scenario 4: different, the same executable: it doesn't rescue",
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
  {
    name: "scenario 5: equal in the same tick, without ids: kept on the weaker evidence",
    sentinel: v3(noId),
    seen: present(noId),
    is: "alive matches",
    compared: [...byStart, "startTime equal"]
  },
  ...(
    [
      ["scenario 20: another time namespace, the start shifted by its offset", "10001000", "alive matches"],
      ["scenario 20: another time namespace, equal by chance", "1000", "dead start-time-mismatch"],
      [
        "scenario 73: the number of a time namespace given again, with another offset",
        "2000",
        "dead start-time-mismatch"
      ]
    ] as const
  ).map(([name, startTime, is]): Given => ({
    name,
    sentinel: v3(noId),
    seen: present({ startTime }),
    host: { timeOffset: "100000000000000" },
    is,
    compared: [
      ...sameScope,
      ...running,
      "processId64 unknown",
      "timeOffset different",
      `startTime ${is === "alive matches" ? "equal" : "different"}`
    ]
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

const runs = (path: string, changes: Parameters<typeof present>[0] = {}) =>
  present({ exe: { path }, startedAt: writtenAt + 60_000, ...changes })
const byExe = (result: string) => [...running, `executable ${result}`]

table("9: the executable of a v2 record", [
  { name: "equal", sentinel: v2(), is: "alive matches", compared: byExe("equal") },
  {
    name: "equal, of a process younger than the record: it can't be told from the owner",
    sentinel: v2(),
    seen: runs("/usr/bin/node"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 22: deleted",
    sentinel: v2(),
    seen: runs("/usr/bin/node (deleted)"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 23: really named (deleted)",
    sentinel: v2("/opt/x (deleted)"),
    seen: runs("/opt/x (deleted)"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 23: really named (deleted), and deleted",
    sentinel: v2("/opt/x (deleted)"),
    seen: runs("/opt/x (deleted) (deleted)"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 23: one suffix is stripped, not two",
    sentinel: v2("/opt/x"),
    seen: runs("/opt/x (deleted) (deleted)"),
    is: "dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "scenario 23: the recorded name is not stripped",
    sentinel: v2("/opt/x (deleted)"),
    seen: runs("/opt/x"),
    is: "dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "a bare name is that of any directory",
    sentinel: v2("go-microvm-runner"),
    seen: runs("/opt/a/go-microvm-runner"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "a bare name, deleted",
    sentinel: v2("go-microvm-runner"),
    seen: runs("/opt/a/go-microvm-runner (deleted)"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "a bare name that only ends alike",
    sentinel: v2("runner"),
    seen: runs("/opt/a/go-microvm-runner"),
    is: "dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "a path isn't compared by its last name",
    sentinel: v2("/usr/bin/node"),
    seen: runs("/opt/bin/node"),
    is: "dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "refused",
    sentinel: v2(),
    seen: present({ exe: undefined, exeError: "permission-denied" }),
    is: "unknown permission-denied",
    compared: byExe("unknown")
  },
  {
    name: "refused, of a process younger than the record",
    sentinel: v2(),
    seen: present({ exe: undefined, exeError: "permission-denied", startedAt: writtenAt + 60_000 }),
    is: "unknown permission-denied",
    compared: byExe("unknown")
  },
  {
    name: "scenario 16: none, as of a leader that exited",
    sentinel: v2(),
    seen: present({ exe: undefined, exeError: "not-available", state: "Z", threads: 2 }),
    is: "unknown permission-denied",
    compared: byExe("unknown")
  },
  ...(
    [
      [startMargin, "dead exe-mismatch", "different"],
      [startMargin + 1, "dead exe-mismatch", "different"],
      [startMargin - 1, "unknown exe-changed", "equal"],
      [0, "unknown exe-changed", "equal"],
      [-1, "unknown exe-changed", "equal"],
      [-86_400_000, "unknown exe-changed", "equal"]
    ] as const
  ).map(([after, is, result]): Given => ({
    name: `different, started ${after} ms after the record was written`,
    sentinel: v2(),
    seen: runs("/usr/bin/other", { startedAt: writtenAt + after }),
    is,
    compared: [...byExe("different"), `startedAt ${result}`]
  })),
  {
    name: "scenario 81: its mtime set back, its ctime isn't: a process that is older than that",
    sentinel: v2(),
    seen: runs("/bin/after-exec", { startedAt: writtenAt - 10_000 }),
    circumstances: { changedAt: writtenAt },
    is: "unknown exe-changed",
    compared: [...byExe("different"), "startedAt equal"]
  },
  {
    name: "scenario 110: dated before this boot, the clock stepped forward, the owner under another executable",
    sentinel: v2(),
    seen: runs("/bin/after-exec", { bootedAt: writtenAt + 1, startedAt: writtenAt + 60_000 }),
    is: "unknown exe-changed",
    compared: [...byExe("different"), "startedAt equal", "bootedAt different"]
  },
  {
    name: "dated at the very beginning of this boot",
    sentinel: v2(),
    seen: runs("/bin/other", { bootedAt: writtenAt }),
    is: "dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "nobody knows when this boot began",
    sentinel: v2(),
    seen: runs("/bin/other", { bootedAt: undefined }),
    is: "unknown exe-changed",
    compared: [...byExe("different"), "startedAt equal", "bootedAt unknown"]
  },
  {
    name: "dated before this boot, the PID absent in it",
    sentinel: v2(),
    seen: absent,
    is: "dead pid-dead",
    compared: ["process different"]
  },
  {
    name: "different, the start unknown",
    sentinel: v2(),
    seen: present({ exe: { path: "/usr/bin/other" }, startedAt: undefined }),
    is: "unknown exe-changed",
    compared: [...byExe("different"), "startedAt unknown"]
  },
  {
    name: "different, the time of writing unknown",
    sentinel: v2(),
    seen: runs("/usr/bin/other"),
    circumstances: { changedAt: undefined },
    is: "unknown exe-changed",
    compared: [...byExe("different"), "startedAt unknown", "bootedAt unknown"]
  },
  {
    name: "a v2 record isn't judged by the identity of a process",
    sentinel: v2(),
    seen: present({ processId64: "7", startTime: "2000" }),
    is: "alive matches",
    compared: byExe("equal")
  }
])

table("10: a PID alone", [
  { name: "alive, whatever it is", sentinel: v1, is: "alive pid-alive", compared: running },
  {
    name: "alive, and its executable refused",
    sentinel: v1,
    seen: present({ exe: undefined, exeError: "permission-denied" }),
    is: "alive pid-alive",
    compared: running
  },
  {
    name: "alive, with nothing else known",
    sentinel: v1,
    seen: { _tag: "Present", pid },
    is: "alive pid-alive",
    compared: ["process equal"]
  }
])

describe("clocks", () => {
  const jumps = [-31_536_000_000, -2000, 0, 2000, 31_536_000_000]

  it("scenario 19: a wall clock that jumped changes no verdict of a v3 record", () => {
    for (const jump of jumps) {
      for (const id of ["9007199254740993", undefined]) {
        const moved = present({ startedAt: writtenAt + jump, processId64: id })
        assert.strictEqual(judge(v3(), moved, host(), circumstances()).verdict, "alive")
        assert.strictEqual(
          judge(v3(), { ...moved, startTime: "7", ...(id && { processId64: "7" }) }, host(), circumstances()).verdict,
          "dead"
        )
        assert.strictEqual(judge(v3(), absent, host(), circumstances({ changedAt: writtenAt + jump })).verdict, "dead")
      }
    }
  })

  it("scenario 18: a record of any age is alive while its process is: nothing expires", () => {
    for (const age of jumps) {
      const createdAt = new Date(writtenAt + age).toISOString()
      assert.deepStrictEqual(
        judge(v3({ createdAt }), present(), host(), circumstances({ changedAt: writtenAt + age })),
        judge(v3(), present(), host(), circumstances())
      )
    }
  })

  it("scenario 53: a host restored from a snapshot, with processes and boot equal, keeps its owners", () => {
    const restored = present({ startedAt: writtenAt + 31_536_000_000 })
    assert.strictEqual(judge(v3(), restored, host(), circumstances()).verdict, "alive")
  })
})

describe("scenarios of the record", () => {
  it("scenario 1: the owner is the process that judges: alive by its identity, not by its PID", () => {
    assert.strictEqual(judge(v3(), present(), host(), circumstances()).reason, "matches")
    assert.strictEqual(judge(v3(), present({ processId64: "7" }), host(), circumstances()).verdict, "dead")
  })

  it("scenario 24: the parent of a fork is dead, though its child runs the same executable", () => {
    assert.strictEqual(judge(v3(), absent, host(), circumstances()).reason, "pid-dead")
    assert.strictEqual(judge(v2(), absent, host(), circumstances()).reason, "pid-dead")
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

describe("scenario 58: the evidence", () => {
  const evidence = (sentinel: Sentinel, seen: Observation | undefined, changes: Parameters<typeof host>[0] = {}) =>
    judge(sentinel, seen, host(changes), circumstances()).evidence

  it("holds both values of all that was compared", () => {
    const seen = present({ processId64: undefined, startTime: "2000", comm: "bash" })
    const place = "ext4, uuid 5eed, inode 10, birth 1700000000000000001, file 100"
    assert.deepStrictEqual(evidence(v3(), seen), {
      directory: { recorded: place, observed: place, result: "equal" },
      bootId: { recorded: "boot-a", observed: "boot-a", result: "equal" },
      pidNamespace: { recorded: "pid:[1]", observed: "pid:[1]", result: "equal" },
      firstProcess: { recorded: "start 10, id 100", observed: "start 10, id 100", result: "equal" },
      process: { recorded: "4242", observed: "bash", result: "equal" },
      tgid: { recorded: "4242", observed: "4242", result: "equal" },
      state: { observed: "S, 1 thread(s)", result: "not-applicable" },
      processId64: { recorded: "9007199254740993", result: "unknown" },
      timeOffset: { recorded: "0", observed: "0", result: "equal" },
      startTime: { recorded: "1000", observed: "2000", result: "different" }
    })
  })

  it("holds what the kernel answered", () => {
    assert.deepStrictEqual(evidence(v3(), hidden).process, {
      recorded: "4242",
      observed: "stat: ENOENT, kill: EPERM",
      result: "unknown"
    })
    assert.deepStrictEqual(evidence(v3(), unavailable("resources")).process?.observed, "resources")
    assert.deepStrictEqual(evidence(v3(), absent).process?.observed, "absent")
    assert.deepStrictEqual(evidence(v3(), undefined).process, { recorded: "4242", result: "unknown" })
    assert.deepStrictEqual(evidence(v2(), present({ exe: undefined, exeError: "permission-denied" })).executable, {
      recorded: "/usr/bin/node",
      observed: "permission-denied",
      result: "unknown"
    })
  })

  it("holds the executables and times of a v2 record", () => {
    const { executable, startedAt } = evidence(v2(), runs("/usr/bin/other"))
    assert.deepStrictEqual(executable, { recorded: "/usr/bin/node", observed: "/usr/bin/other", result: "different" })
    assert.deepStrictEqual(startedAt, {
      recorded: "2024-01-01T00:00:00.000Z",
      observed: "2024-01-01T00:01:00.000Z",
      result: "different"
    })
  })

  it("holds start tokens that couldn't be compared, so that a person sees both", () => {
    assert.deepStrictEqual(evidence(v3(noId), present(), { timeOffset: undefined }).startTime, {
      recorded: "1000",
      observed: "1000",
      result: "unknown"
    })
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

describe("sameExecutable", () => {
  it.for([
    ["/a", "/a", true],
    ["/a", "/a (deleted)", true],
    ["/a (deleted)", "/a (deleted)", true],
    ["/a (deleted)", "/a (deleted) (deleted)", true],
    ["/a (deleted)", "/a", false],
    ["/a", "/a(deleted)", false],
    ["/a", "/A", false],
    ["/a", "/a/", false],
    ["a", "/x/a", true],
    ["a", "/x/a (deleted)", true],
    ["a (deleted)", "/x/a (deleted)", true],
    ["a", "a", true],
    ["a", "/a/x", false],
    ["", "/a", false],
    ["/", "/a", false],
    [" (deleted)", "/x/ (deleted)", true]
  ] as const)("%j is %j: %s", ([recorded, observed, same]) => {
    assert.strictEqual(sameExecutable(recorded, observed), same)
  })
})
