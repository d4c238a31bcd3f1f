import { assert, describe, it } from "@effect/vitest"
import { sameExecutable, startMargin } from "../src/Verdict.ts"
import { pid, present, sharedFrame, v1, v2, writtenAt } from "./support/fixtures.ts"
import { absent, type Given, running, sameScope, table, younger } from "./support/verdicts.ts"

table("v1 and v2 records, which carry no scope", [
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
    name: "v2, another executable, kept by policy",
    sentinel: v2(),
    seen: younger("/usr/bin/other"),
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

const byExe = (result: string) => [...running, `executable ${result}`]

table("the executable of a v2 record", [
  { name: "equal", sentinel: v2(), is: "alive matches", compared: byExe("equal") },
  {
    name: "equal, of a process younger than the record: it can't be told from the owner",
    sentinel: v2(),
    seen: younger("/usr/bin/node"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 22: deleted",
    sentinel: v2(),
    seen: younger("/usr/bin/node (deleted)"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 23: really named (deleted)",
    sentinel: v2("/opt/x (deleted)"),
    seen: younger("/opt/x (deleted)"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 23: really named (deleted), and deleted",
    sentinel: v2("/opt/x (deleted)"),
    seen: younger("/opt/x (deleted) (deleted)"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 23: one suffix is stripped, not two",
    sentinel: v2("/opt/x"),
    seen: younger("/opt/x (deleted) (deleted)"),
    is: "dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "scenario 23: the recorded name is not stripped",
    sentinel: v2("/opt/x (deleted)"),
    seen: younger("/opt/x"),
    is: "dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "a bare name is that of any directory",
    sentinel: v2("go-microvm-runner"),
    seen: younger("/opt/a/go-microvm-runner"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "a bare name, deleted",
    sentinel: v2("go-microvm-runner"),
    seen: younger("/opt/a/go-microvm-runner (deleted)"),
    is: "alive matches",
    compared: byExe("equal")
  },
  {
    name: "a bare name that only ends alike",
    sentinel: v2("runner"),
    seen: younger("/opt/a/go-microvm-runner"),
    is: "dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "a path isn't compared by its last name",
    sentinel: v2("/usr/bin/node"),
    seen: younger("/opt/bin/node"),
    is: "dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
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
    seen: younger("/usr/bin/other", { startedAt: writtenAt + after }),
    is,
    compared: [...byExe("different"), `startedAt ${result}`]
  })),
  {
    name: "scenario 81: its mtime set back, its ctime isn't: a process that is older than that",
    sentinel: v2(),
    seen: younger("/bin/after-exec", { startedAt: writtenAt - 10_000 }),
    circumstances: { changedAt: writtenAt },
    is: "unknown exe-changed",
    compared: [...byExe("different"), "startedAt equal"]
  },
  {
    name: "scenario 110: dated before this boot, the clock stepped forward, the owner under another executable",
    sentinel: v2(),
    seen: younger("/bin/after-exec", { bootedAt: writtenAt + 1, startedAt: writtenAt + 60_000 }),
    is: "unknown exe-changed",
    compared: [...byExe("different"), "startedAt equal", "bootedAt different"]
  },
  {
    name: "dated at the very beginning of this boot",
    sentinel: v2(),
    seen: younger("/bin/other", { bootedAt: writtenAt }),
    is: "dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "nobody knows when this boot began",
    sentinel: v2(),
    seen: younger("/bin/other", { bootedAt: undefined }),
    is: "unknown exe-changed",
    compared: [...byExe("different"), "startedAt equal", "bootedAt unknown"]
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
    seen: younger("/usr/bin/other"),
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

table("a PID alone", [
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
