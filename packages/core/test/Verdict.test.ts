import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Observation, Present } from "../src/Observation.ts"
import { type HostIdentity, Pid } from "../src/ProcessIdentity.ts"
import { parse, type RecordV3, type Sentinel } from "../src/Sentinel.ts"
import {
  type Circumstances,
  judge,
  type NamespaceProof,
  sameExecutable,
  scope,
  startMargin,
  wanted
} from "../src/Verdict.ts"
import { circumstances, host, pid, present, rows, v1, v2, v3, writtenAt } from "./support/fixtures.ts"

interface Given {
  readonly name: string
  readonly sentinel?: Sentinel
  /** `null`: none was made. */
  readonly seen?: Observation | null
  readonly host?: Parameters<typeof host>[0]
  readonly circumstances?: Parameters<typeof circumstances>[0]
  /** `<tag> <reason>` */
  readonly is: string
  /** All that was compared, in order. */
  readonly compared: ReadonlyArray<string>
}

const row = (given: Omit<Given, "name" | "is" | "compared">, rest: Given): Given => ({ ...given, ...rest })

const verdictOf = (given: Given) =>
  judge(
    given.sentinel ?? v3(),
    given.seen === null ? undefined : (given.seen ?? present()),
    host(given.host),
    circumstances(given.circumstances)
  )

const table = (title: string, given: ReadonlyArray<Given>) =>
  describe(title, () => {
    for (const row of given) {
      it(`${row.name} → ${row.is}`, () => {
        const verdict = verdictOf(row)
        assert.strictEqual(`${verdict._tag} ${verdict.reason}`, row.is)
        assert.deepStrictEqual(rows(verdict.evidence), row.compared)
      })
    }
  })

const absent: Observation = { _tag: "Absent", pid }
const hidden: Observation = { _tag: "Hidden", pid, detail: "stat: ENOENT, kill: EPERM" }
const unavailable = (reason: "no-procfs" | "resources" | "malformed" | "unsupported"): Observation => ({
  _tag: "Unavailable",
  pid,
  reason,
  detail: reason
})

const sameScope = ["bootId equal", "pidNamespace equal"]
const otherScope = ["bootId equal", "pidNamespace different"]
const noScope = ["bootId equal", "pidNamespace unknown"]
const running = ["process equal", "tgid equal", "state not-applicable"]
const byId = [...sameScope, ...running, "processId64 equal"]
const byStart = [...sameScope, ...running, "processId64 unknown", "timeNamespace equal"]

const noId: Partial<Record<"processId64", undefined>> = { processId64: undefined }

table("0: the ownership lock", [
  {
    name: "busy, and all else agrees",
    circumstances: { lock: "busy" },
    is: "Alive lock-held",
    compared: ["lock not-applicable"]
  },
  ...(
    [
      ["busy, before a reboot", { host: { bootId: "boot-b" }, seen: null }],
      ["busy, before another machine", { host: { bootId: "boot-b", machineId: "machine-b" }, seen: null }],
      ["busy, before an unknown boot", { host: { bootId: undefined } }],
      [
        "busy, before a PID namespace that is gone",
        { host: { pidNamespace: "pid:[2]" }, circumstances: { namespace: { _tag: "Gone" } } }
      ],
      ["busy, before an absent PID", { seen: absent }],
      ["busy, before a hidden process", { seen: hidden }],
      ["busy, before a thread", { seen: present({ tgid: 1 }) }],
      ["busy, before a zombie", { seen: present({ state: "Z" }) }],
      [
        "scenario 54: busy, before other identity, as after CRIU restored the owner",
        { seen: present({ processId64: "7", startTime: "2000" }) }
      ],
      ["scenario 44: busy, for a v1 record whose PID is absent", { sentinel: v1, seen: absent }],
      [
        "busy, for a v2 record of another executable",
        { sentinel: v2("/other"), seen: present({ startedAt: writtenAt + 5000 }) }
      ],
      ["busy, not looked at", { seen: null }]
    ] satisfies ReadonlyArray<readonly [string, Omit<Given, "name" | "is" | "compared">]>
  ).map(([name, given]) =>
    row(given, {
      name,
      circumstances: { ...("circumstances" in given ? given.circumstances : {}), lock: "busy" },
      is: "Alive lock-held",
      compared: ["lock not-applicable"]
    })
  ),
  {
    name: "scenario 53: a clone of the VM holds it, with the records of both equal",
    sentinel: v3({ nonce: "another-nonce" }),
    circumstances: { lock: "busy" },
    is: "Alive lock-held",
    compared: ["lock not-applicable"]
  },
  {
    name: "free changes nothing where the PID says alive",
    sentinel: v3({ lock: { kind: "flock", tested: true, survivesExec: true } }),
    circumstances: { lock: "free" },
    is: "Alive matches",
    compared: ["lock not-applicable", ...byId]
  },
  {
    name: "free proves nothing of a process that is hidden",
    sentinel: v3({ lock: { kind: "flock", tested: true, survivesExec: true } }),
    seen: hidden,
    circumstances: { lock: "free" },
    is: "Unknown permission-denied",
    compared: ["lock not-applicable", ...sameScope, "process unknown"]
  },
  {
    name: "unknown is noted, and changes nothing",
    circumstances: { lock: "unknown" },
    seen: absent,
    is: "Dead pid-dead",
    compared: ["lock not-applicable", ...sameScope, "process different"]
  }
])

table("1: the boot", [
  {
    name: "equal: the machine isn't asked, however it differs",
    host: { machineId: "machine-b", hostname: "host-b" },
    is: "Alive matches",
    compared: byId
  },
  {
    name: "equal, the machine unknown",
    sentinel: v3({ machineId: undefined }),
    host: { machineId: undefined },
    is: "Alive matches",
    compared: byId
  },
  {
    name: "scenario 6: different, the machine equal, the PID taken now",
    seen: present({ startTime: "2000", processId64: "7" }),
    host: { bootId: "boot-b" },
    is: "Dead rebooted",
    compared: ["bootId different", "machineId equal"]
  },
  {
    name: "scenario 7: different, the machine equal, PID, ticks and id equal now",
    host: { bootId: "boot-b" },
    is: "Dead rebooted",
    compared: ["bootId different", "machineId equal"]
  },
  {
    name: "different, the machine equal, the PID not looked at",
    seen: null,
    host: { bootId: "boot-b" },
    is: "Dead rebooted",
    compared: ["bootId different", "machineId equal"]
  },
  {
    name: "different, the machine equal, before a hidden process",
    seen: hidden,
    host: { bootId: "boot-b" },
    is: "Dead rebooted",
    compared: ["bootId different", "machineId equal"]
  },
  {
    name: "different, before another PID namespace",
    host: { bootId: "boot-b", pidNamespace: "pid:[2]" },
    is: "Dead rebooted",
    compared: ["bootId different", "machineId equal"]
  },
  {
    name: "different, the machine equal, on a shared file system the host name must be equal",
    host: { bootId: "boot-b" },
    circumstances: { localFileSystem: false },
    is: "Dead rebooted",
    compared: ["bootId different", "machineId equal", "hostname equal"]
  },
  {
    name: "different, the machine equal, on a shared file system another host name: a clone of one image",
    host: { bootId: "boot-b", hostname: "host-b" },
    circumstances: { localFileSystem: false },
    is: "Unknown other-machine",
    compared: ["bootId different", "machineId equal", "hostname different"]
  },
  {
    name: "different, the machine equal, on a local file system the host name isn't asked",
    host: { bootId: "boot-b", hostname: "host-b" },
    is: "Dead rebooted",
    compared: ["bootId different", "machineId equal"]
  },
  {
    name: "scenario 9: different, the machine different",
    seen: absent,
    host: { bootId: "boot-b", machineId: "machine-b" },
    is: "Unknown other-machine",
    compared: ["bootId different", "machineId different"]
  },
  {
    name: "different, the machine not recorded",
    sentinel: v3({ machineId: undefined }),
    seen: absent,
    host: { bootId: "boot-b" },
    is: "Unknown other-machine",
    compared: ["bootId different", "machineId unknown"]
  },
  {
    name: "different, the machine unreadable now, the host name equal",
    seen: absent,
    host: { bootId: "boot-b", machineId: undefined },
    is: "Unknown other-machine",
    compared: ["bootId different", "machineId unknown"]
  },
  {
    name: "different, the machine unknown on both sides: two unknowns aren't equal",
    sentinel: v3({ machineId: undefined }),
    seen: absent,
    host: { bootId: "boot-b", machineId: undefined },
    is: "Unknown other-machine",
    compared: ["bootId different", "machineId unknown"]
  },
  {
    name: "scenario 8: unreadable now, the PID absent",
    seen: absent,
    host: { bootId: undefined },
    is: "Unknown boot-unknown",
    compared: ["bootId unknown"]
  },
  {
    name: "scenario 8: unreadable now, the process the same",
    host: { bootId: undefined },
    is: "Unknown boot-unknown",
    compared: ["bootId unknown"]
  },
  {
    name: "not recorded",
    sentinel: v3({ bootId: undefined }),
    seen: absent,
    is: "Unknown boot-unknown",
    compared: ["bootId unknown"]
  },
  {
    name: "unknown on both sides",
    sentinel: v3({ bootId: undefined }),
    seen: absent,
    host: { bootId: undefined },
    is: "Unknown boot-unknown",
    compared: ["bootId unknown"]
  }
])

const proof = (namespace: NamespaceProof) => ({ host: { pidNamespace: "pid:[2]" }, circumstances: { namespace } })
const heldBy = (lock: NonNullable<RecordV3["lock"]>) => v3({ lock })

table("2: the PID namespace", [
  {
    name: "scenario 10: different, the PID absent here",
    seen: absent,
    host: { pidNamespace: "pid:[2]" },
    is: "Unknown other-pid-namespace",
    compared: otherScope
  },
  {
    name: "scenario 12: different, both PID 1, all else equal",
    host: { pidNamespace: "pid:[2]" },
    is: "Unknown other-pid-namespace",
    compared: otherScope
  },
  {
    name: "scenario 13: different, our own PID with another start",
    seen: present({ startTime: "2000", processId64: "7" }),
    host: { pidNamespace: "pid:[2]" },
    is: "Unknown other-pid-namespace",
    compared: otherScope
  },
  {
    name: "scenario 13: equal, our own PID with another start",
    sentinel: v3(noId),
    seen: present({ startTime: "2000" }),
    is: "Dead start-time-mismatch",
    compared: [...byStart, "startTime different"]
  },
  {
    name: "scenario 11: equal by recycling of its number, another process",
    seen: present({ startTime: "2000", processId64: "7" }),
    is: "Dead identity-mismatch",
    compared: [...sameScope, ...running, "processId64 different"]
  },
  {
    name: "scenario 11: equal by recycling of its number, never alive by the namespace alone",
    sentinel: v3(noId),
    seen: present({ startTime: undefined }),
    is: "Unknown not-comparable",
    compared: [...byStart, "startTime unknown"]
  },
  {
    name: "different, proved gone",
    seen: null,
    ...proof({ _tag: "Gone" }),
    is: "Dead namespace-gone",
    compared: otherScope
  },
  {
    name: "different, proof incomplete",
    seen: absent,
    ...proof({ _tag: "Incomplete" }),
    is: "Unknown other-pid-namespace",
    compared: otherScope
  },
  {
    name: "different, the process found in it: what was seen there counts, not what our namespace says",
    seen: absent,
    ...proof({ _tag: "Found", observation: present() }),
    is: "Alive matches",
    compared: [...otherScope, ...running, "processId64 equal"]
  },
  {
    name: "different, found under another number of ours",
    seen: absent,
    ...proof({ _tag: "Found", observation: present({ pid: Pid.make(9000), tgid: 9000 }) }),
    is: "Alive matches",
    compared: [...otherScope, ...running, "processId64 equal"]
  },
  {
    name: "different, another process found under the number in it",
    ...proof({ _tag: "Found", observation: present({ processId64: "7" }) }),
    is: "Dead identity-mismatch",
    compared: [...otherScope, ...running, "processId64 different"]
  },
  {
    name: "different, none found under the number in it",
    ...proof({ _tag: "Found", observation: absent }),
    is: "Dead pid-dead",
    compared: [...otherScope, "process different"]
  },
  {
    name: "different, a hidden process found in it",
    seen: absent,
    ...proof({ _tag: "Found", observation: hidden }),
    is: "Unknown permission-denied",
    compared: [...otherScope, "process unknown"]
  },
  {
    name: "equal: a proof about another one isn't asked",
    circumstances: { namespace: { _tag: "Gone" } },
    is: "Alive matches",
    compared: byId
  },
  {
    name: "not recorded, a proof isn't asked",
    sentinel: v3({ pidNamespace: undefined }),
    seen: absent,
    circumstances: { namespace: { _tag: "Gone" } },
    is: "Unknown other-pid-namespace",
    compared: [...noScope, "process different"]
  },
  ...([true, false] as const).flatMap((tested) =>
    ([true, false] as const).flatMap((survivesExec) =>
      ([true, false] as const).map((localFileSystem): Given => {
        const isProof = tested && survivesExec && localFileSystem
        return {
          name: `${tested && !survivesExec ? "" : "scenario 55: "}different, lock free: tested ${tested}, survives exec ${survivesExec}, local ${localFileSystem}`,
          sentinel: heldBy({ kind: "flock", tested, survivesExec }),
          seen: absent,
          host: { pidNamespace: "pid:[2]" },
          circumstances: { lock: "free", localFileSystem },
          is: isProof ? "Dead lock-free" : "Unknown other-pid-namespace",
          compared: ["lock not-applicable", ...otherScope]
        }
      })
    )
  ),
  {
    name: "scenario 55: different, lock state unknown",
    sentinel: heldBy({ kind: "flock", tested: true, survivesExec: true }),
    host: { pidNamespace: "pid:[2]" },
    circumstances: { lock: "unknown" },
    is: "Unknown other-pid-namespace",
    compared: ["lock not-applicable", ...otherScope]
  },
  {
    name: "different, lock not probed",
    sentinel: heldBy({ kind: "flock", tested: true, survivesExec: true }),
    host: { pidNamespace: "pid:[2]" },
    is: "Unknown other-pid-namespace",
    compared: otherScope
  },
  {
    name: "different, free, but no lock was recorded",
    host: { pidNamespace: "pid:[2]" },
    circumstances: { lock: "free" },
    is: "Unknown other-pid-namespace",
    compared: ["lock not-applicable", ...otherScope]
  },
  {
    name: "different, lock free, but found alive in it",
    sentinel: heldBy({ kind: "flock", tested: true, survivesExec: true }),
    host: { pidNamespace: "pid:[2]" },
    circumstances: { lock: "free", namespace: { _tag: "Found", observation: present() } },
    is: "Alive matches",
    compared: ["lock not-applicable", ...otherScope, ...running, "processId64 equal"]
  },
  {
    name: "different, lock free on another boot of another machine: not of this kernel",
    sentinel: heldBy({ kind: "flock", tested: true, survivesExec: true }),
    host: { bootId: "boot-b", machineId: "machine-b", pidNamespace: "pid:[2]" },
    circumstances: { lock: "free" },
    is: "Unknown other-machine",
    compared: ["lock not-applicable", "bootId different", "machineId different"]
  },
  ...(
    [
      ["absent", absent, ["process different"]],
      ["a thread", present({ tgid: 1 }), ["process equal", "tgid different"]],
      ["a zombie", present({ state: "Z" }), running],
      ["another id", present({ processId64: "7" }), [...running, "processId64 different"]],
      [
        "another start",
        present({ processId64: undefined, startTime: "2000" }),
        [...running, "processId64 unknown", "timeNamespace equal", "startTime different"]
      ]
    ] as const
  ).flatMap(([name, seen, compared]): ReadonlyArray<Given> =>
    (
      [
        ["not recorded", { sentinel: v3({ pidNamespace: undefined }) }],
        ["unreadable now", { host: { pidNamespace: undefined } }]
      ] as const
    ).map(([side, given]) =>
      row(given, {
        name: `${side}: no Dead by ${name}`,
        seen,
        is: "Unknown other-pid-namespace",
        compared: [...noScope, ...compared]
      })
    )
  ),
  {
    name: "unknown, the id equal",
    host: { pidNamespace: undefined },
    is: "Alive matches",
    compared: [...noScope, ...running, "processId64 equal"]
  },
  {
    name: "not applicable: a kernel without namespaces",
    sentinel: v3({ pidNamespace: undefined, timeNamespace: undefined, processId64: undefined }),
    host: { namespaces: "none", pidNamespace: undefined, timeNamespace: undefined },
    seen: present({ processId64: undefined }),
    is: "Alive matches",
    compared: ["bootId equal", "pidNamespace not-applicable", ...running, "processId64 unknown", "startTime equal"]
  },
  {
    name: "not applicable: a kernel without namespaces, the PID absent",
    sentinel: v3({ pidNamespace: undefined, timeNamespace: undefined }),
    host: { namespaces: "none", pidNamespace: undefined, timeNamespace: undefined },
    seen: absent,
    is: "Dead pid-dead",
    compared: ["bootId equal", "pidNamespace not-applicable", "process different"]
  }
])

const old = present({ exe: { path: "/usr/bin/other" }, startedAt: writtenAt + startMargin })

table("3: v1 and v2 records, which carry no scope", [
  { name: "v1, PID absent", sentinel: v1, seen: absent, is: "Dead pid-dead", compared: ["process different"] },
  { name: "v2, PID absent", sentinel: v2(), seen: absent, is: "Dead pid-dead", compared: ["process different"] },
  {
    name: "v1: neither boot, machine nor namespace is asked",
    sentinel: v1,
    host: { bootId: "boot-b", machineId: "machine-b", pidNamespace: "pid:[2]" },
    is: "Alive pid-alive",
    compared: running
  },
  {
    name: "v1, PID absent, kept by policy",
    sentinel: v1,
    seen: absent,
    circumstances: { legacy: "keep" },
    is: "Unknown legacy-kept",
    compared: ["process different", "legacy not-applicable"]
  },
  {
    name: "v2, another executable, kept by policy",
    sentinel: v2(),
    seen: old,
    circumstances: { legacy: "keep" },
    is: "Unknown legacy-kept",
    compared: [...running, "executable different", "startedAt different", "legacy not-applicable"]
  },
  {
    name: "v1, a zombie, kept by policy",
    sentinel: v1,
    seen: present({ state: "Z" }),
    circumstances: { legacy: "keep" },
    is: "Unknown legacy-kept",
    compared: [...running, "legacy not-applicable"]
  },
  {
    name: "v1, PID absent, on a file system that may be shared",
    sentinel: v1,
    seen: absent,
    circumstances: { localFileSystem: false },
    is: "Unknown not-local",
    compared: ["process different", "fileSystem unknown"]
  },
  {
    name: "v2, a thread, on a file system that may be shared",
    sentinel: v2(),
    seen: present({ tgid: 1 }),
    circumstances: { localFileSystem: false },
    is: "Unknown not-local",
    compared: ["process equal", "tgid different", "fileSystem unknown"]
  },
  {
    name: "v1, PID absent, kept by policy before the file system is asked",
    sentinel: v1,
    seen: absent,
    circumstances: { legacy: "keep", localFileSystem: false },
    is: "Unknown legacy-kept",
    compared: ["process different", "legacy not-applicable"]
  },
  {
    name: "v1 alive, whatever policy and file system",
    sentinel: v1,
    circumstances: { legacy: "keep", localFileSystem: false },
    is: "Alive pid-alive",
    compared: running
  },
  {
    name: "v2 alive, whatever policy and file system",
    sentinel: v2(),
    circumstances: { legacy: "keep", localFileSystem: false },
    is: "Alive matches",
    compared: [...running, "executable equal"]
  },
  {
    name: "v3 asks neither policy nor, in its own boot, the file system",
    seen: absent,
    circumstances: { legacy: "keep", localFileSystem: false },
    is: "Dead pid-dead",
    compared: [...sameScope, "process different"]
  }
])

table("4: existence", [
  {
    name: "scenario 2: absent",
    seen: absent,
    is: "Dead pid-dead",
    compared: [...sameScope, "process different"]
  },
  {
    name: "scenario 60: absent, the PID past every pid_max",
    sentinel: { ...v3(), pid: Pid.make(2_147_483_647) },
    seen: { _tag: "Absent", pid: Pid.make(2_147_483_647) },
    is: "Dead pid-dead",
    compared: [...sameScope, "process different"]
  },
  {
    name: "scenario 60: alive, the PID past every pid_max",
    sentinel: { ...v3(), pid: Pid.make(5_000_000) },
    seen: present({ pid: Pid.make(5_000_000), tgid: 5_000_000 }),
    is: "Alive matches",
    compared: byId
  },
  ...([v1, v2(), v3()] as const).map((sentinel): Given => ({
    name: `scenario 27: hidden, ${sentinel._tag}`,
    sentinel,
    seen: hidden,
    is: "Unknown permission-denied",
    compared: sentinel._tag === "V3" ? [...sameScope, "process unknown"] : ["process unknown"]
  })),
  {
    name: "scenario 28: hidden by EPERM",
    seen: { _tag: "Hidden", pid, detail: "stat: EPERM" },
    is: "Unknown permission-denied",
    compared: [...sameScope, "process unknown"]
  },
  {
    name: "scenario 31: no procfs",
    seen: unavailable("no-procfs"),
    is: "Unknown no-procfs",
    compared: [...sameScope, "process unknown"]
  },
  ...(["resources", "malformed", "unsupported"] as const).map((reason): Given => ({
    name: `scenario 26: ${reason}`,
    seen: unavailable(reason),
    is: "Unknown inspection-failed",
    compared: [...sameScope, "process unknown"]
  })),
  {
    name: "scenario 26: resources, v1",
    sentinel: v1,
    seen: unavailable("resources"),
    is: "Unknown inspection-failed",
    compared: ["process unknown"]
  },
  {
    name: "no observation where one was needed",
    seen: null,
    is: "Unknown inspection-failed",
    compared: [...sameScope, "process unknown"]
  }
])

table("5: threads", [
  {
    name: "scenario 14: the number names a thread of another process",
    seen: present({ tgid: 4000 }),
    is: "Dead not-a-process",
    compared: [...sameScope, "process equal", "tgid different"]
  },
  {
    name: "scenario 14: for v1, where kill(2) would say alive",
    sentinel: v1,
    seen: present({ tgid: 4000 }),
    is: "Dead not-a-process",
    compared: ["process equal", "tgid different"]
  },
  {
    name: "a thread of the very executable",
    sentinel: v2(),
    seen: present({ tgid: 4000 }),
    is: "Dead not-a-process",
    compared: ["process equal", "tgid different"]
  },
  {
    name: "a thread, before its state Z",
    seen: present({ tgid: 4000, state: "Z" }),
    is: "Dead not-a-process",
    compared: [...sameScope, "process equal", "tgid different"]
  },
  {
    name: "the thread group unknown: goes on",
    seen: present({ tgid: undefined }),
    is: "Alive matches",
    compared: [...sameScope, "process equal", "state not-applicable", "processId64 equal"]
  }
])

const states = ["R", "S", "D", "T", "t", "I", "W", "P"] as const

table("6: the state", [
  ...(["Z", "X"] as const).flatMap((state) =>
    (
      [
        [0, "Dead zombie"],
        [1, "Dead zombie"],
        [2, "Alive matches"],
        [undefined, "Alive matches"]
      ] as const
    ).map(([threads, is]): Given => ({
      name: `${state === "Z" && threads === 1 ? "scenario 15: " : state === "Z" && threads === 2 ? "scenario 16: " : ""}state ${state}, ${threads ?? "unknown"} thread(s)`,
      seen: present({ state, threads }),
      is,
      compared: is === "Dead zombie" ? [...sameScope, ...running] : byId
    }))
  ),
  ...states.map((state): Given => ({
    name: `${state === "T" || state === "D" ? "scenario 17: " : ""}state ${state}, one thread`,
    seen: present({ state }),
    is: "Alive matches",
    compared: byId
  })),
  {
    name: "unknown",
    seen: present({ state: undefined }),
    is: "Alive matches",
    compared: [...sameScope, "process equal", "tgid equal", "processId64 equal"]
  },
  {
    name: "a zombie, before its equal identity",
    seen: present({ state: "Z" }),
    is: "Dead zombie",
    compared: [...sameScope, ...running]
  },
  {
    name: "a zombie, before its other identity",
    seen: present({ state: "Z", processId64: "7" }),
    is: "Dead zombie",
    compared: [...sameScope, ...running]
  },
  {
    name: "scenario 16: the leader gone, threads left, another identity",
    seen: present({ state: "Z", threads: 2, processId64: "7" }),
    is: "Dead identity-mismatch",
    compared: [...sameScope, ...running, "processId64 different"]
  },
  {
    name: "a zombie that v1 names",
    sentinel: v1,
    seen: present({ state: "Z" }),
    is: "Dead zombie",
    compared: running
  },
  {
    name: "scenario 16: the leader gone, threads left, v1",
    sentinel: v1,
    seen: present({ state: "Z", threads: 2 }),
    is: "Alive pid-alive",
    compared: running
  }
])

table("7: the 64-bit process id", [
  { name: "equal", is: "Alive matches", compared: byId },
  {
    name: "scenario 5: different, in the same tick, of the same executable",
    seen: present({ processId64: "7" }),
    is: "Dead identity-mismatch",
    compared: [...sameScope, ...running, "processId64 different"]
  },
  {
    name: "different in the last digit of 2^53",
    seen: present({ processId64: "9007199254740992" }),
    is: "Dead identity-mismatch",
    compared: [...sameScope, ...running, "processId64 different"]
  },
  {
    name: "equal outranks another start token",
    seen: present({ startTime: "2000" }),
    is: "Alive matches",
    compared: byId
  },
  {
    name: "different outranks an equal start token in another time namespace",
    seen: present({ processId64: "7" }),
    host: { timeNamespace: "time:[2]" },
    is: "Dead identity-mismatch",
    compared: [...sameScope, ...running, "processId64 different"]
  },
  {
    name: "scenario 20: equal, in another time namespace",
    seen: present({ startTime: "10001000" }),
    host: { timeNamespace: "time:[2]" },
    is: "Alive matches",
    compared: byId
  },
  {
    name: "not recorded",
    sentinel: v3(noId),
    is: "Alive matches",
    compared: [...byStart, "startTime equal"]
  },
  {
    name: "scenario 59: not to be had now, as on 32 bits",
    seen: present(noId),
    is: "Alive matches",
    compared: [...byStart, "startTime equal"]
  }
])

table("8: the start token", [
  {
    name: "scenario 3: different, another executable",
    sentinel: v3(noId),
    seen: present({ startTime: "2000", exe: { path: "/usr/bin/other" } }),
    is: "Dead start-time-mismatch",
    compared: [...byStart, "startTime different"]
  },
  {
    name: "scenario 4: different, the same executable: it doesn't rescue",
    sentinel: v3(noId),
    seen: present({ startTime: "2000" }),
    is: "Dead start-time-mismatch",
    compared: [...byStart, "startTime different"]
  },
  {
    name: "scenario 30: different, of a process that kill(2) may not signal",
    sentinel: v3(noId),
    seen: present({ startTime: "2000", exe: undefined, exeError: "permission-denied", uid: 0 }),
    is: "Dead start-time-mismatch",
    compared: [...byStart, "startTime different"]
  },
  {
    name: "scenario 29: equal, another user's process, its executable refused",
    sentinel: v3(noId),
    seen: present({ exe: undefined, exeError: "permission-denied", uid: 0 }),
    is: "Alive matches",
    compared: [...byStart, "startTime equal"]
  },
  {
    name: "scenario 21: equal, another executable: the owner called execve(2)",
    sentinel: v3(noId),
    seen: present({ exe: { path: "/usr/bin/other" }, comm: "other" }),
    is: "Alive matches",
    compared: [...byStart, "startTime equal"]
  },
  {
    name: "scenario 22: equal, the binary deleted",
    sentinel: v3(noId),
    seen: present({ exe: { path: "/usr/bin/node (deleted)" } }),
    is: "Alive matches",
    compared: [...byStart, "startTime equal"]
  },
  {
    name: "scenario 5: equal in the same tick, without ids: kept on the weaker evidence",
    sentinel: v3(noId),
    seen: present(noId),
    is: "Alive matches",
    compared: [...byStart, "startTime equal"]
  },
  {
    name: "scenario 20: another time namespace, different",
    sentinel: v3(noId),
    seen: present({ startTime: "10001000" }),
    host: { timeNamespace: "time:[2]" },
    is: "Unknown not-comparable",
    compared: [...sameScope, ...running, "processId64 unknown", "timeNamespace different", "startTime unknown"]
  },
  {
    name: "scenario 20: another time namespace, equal by chance",
    sentinel: v3(noId),
    host: { timeNamespace: "time:[2]" },
    is: "Unknown not-comparable",
    compared: [...sameScope, ...running, "processId64 unknown", "timeNamespace different", "startTime unknown"]
  },
  {
    name: "the time namespace not recorded",
    sentinel: v3({ ...noId, timeNamespace: undefined }),
    seen: present({ startTime: "2000" }),
    is: "Unknown not-comparable",
    compared: [...sameScope, ...running, "processId64 unknown", "timeNamespace unknown", "startTime unknown"]
  },
  {
    name: "the time namespace unreadable now",
    sentinel: v3(noId),
    seen: present({ startTime: "2000" }),
    host: { timeNamespace: undefined },
    is: "Unknown not-comparable",
    compared: [...sameScope, ...running, "processId64 unknown", "timeNamespace unknown", "startTime unknown"]
  },
  {
    name: "unreadable now: never falls to the executable, not to an equal one",
    sentinel: v3(noId),
    seen: present({ startTime: undefined }),
    is: "Unknown not-comparable",
    compared: [...byStart, "startTime unknown"]
  },
  {
    name: "unreadable now: never falls to the executable, not to another one",
    sentinel: v3(noId),
    seen: present({ startTime: undefined, exe: { path: "/usr/bin/other" }, startedAt: writtenAt + 60_000 }),
    is: "Unknown not-comparable",
    compared: [...byStart, "startTime unknown"]
  },
  {
    name: "in seconds, as ps recorded it, within the second",
    sentinel: v3({ ...noId, startTime: "s:1704067200" }),
    seen: present({ startTime: "1704067200999999" }),
    is: "Alive matches",
    compared: [...byStart, "startTime equal"]
  },
  {
    name: "in seconds, as ps recorded it, past the second",
    sentinel: v3({ ...noId, startTime: "s:1704067200" }),
    seen: present({ startTime: "1704067201000000" }),
    is: "Dead start-time-mismatch",
    compared: [...byStart, "startTime different"]
  }
])

const runs = (path: string, changes: Partial<Present> = {}) =>
  present({ exe: { path }, startedAt: writtenAt + 60_000, ...changes })
const byExe = (result: string) => [...running, `executable ${result}`]

table("9: the executable of a v2 record", [
  { name: "equal", sentinel: v2(), is: "Alive matches", compared: byExe("equal") },
  {
    name: "equal, of a process younger than the record: it can't be told from the owner",
    sentinel: v2(),
    seen: runs("/usr/bin/node"),
    is: "Alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 22: deleted",
    sentinel: v2(),
    seen: runs("/usr/bin/node (deleted)"),
    is: "Alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 23: really named (deleted)",
    sentinel: v2("/opt/x (deleted)"),
    seen: runs("/opt/x (deleted)"),
    is: "Alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 23: really named (deleted), and deleted",
    sentinel: v2("/opt/x (deleted)"),
    seen: runs("/opt/x (deleted) (deleted)"),
    is: "Alive matches",
    compared: byExe("equal")
  },
  {
    name: "scenario 23: one suffix is stripped, not two",
    sentinel: v2("/opt/x"),
    seen: runs("/opt/x (deleted) (deleted)"),
    is: "Dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "scenario 23: the recorded name is not stripped",
    sentinel: v2("/opt/x (deleted)"),
    seen: runs("/opt/x"),
    is: "Dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "a bare name is that of any directory",
    sentinel: v2("go-microvm-runner"),
    seen: runs("/opt/a/go-microvm-runner"),
    is: "Alive matches",
    compared: byExe("equal")
  },
  {
    name: "a bare name, deleted",
    sentinel: v2("go-microvm-runner"),
    seen: runs("/opt/a/go-microvm-runner (deleted)"),
    is: "Alive matches",
    compared: byExe("equal")
  },
  {
    name: "a bare name that only ends alike",
    sentinel: v2("runner"),
    seen: runs("/opt/a/go-microvm-runner"),
    is: "Dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "a path isn't compared by its last name",
    sentinel: v2("/usr/bin/node"),
    seen: runs("/opt/bin/node"),
    is: "Dead exe-mismatch",
    compared: [...byExe("different"), "startedAt different"]
  },
  {
    name: "refused",
    sentinel: v2(),
    seen: present({ exe: undefined, exeError: "permission-denied" }),
    is: "Unknown permission-denied",
    compared: byExe("unknown")
  },
  {
    name: "refused, of a process younger than the record",
    sentinel: v2(),
    seen: present({ exe: undefined, exeError: "permission-denied", startedAt: writtenAt + 60_000 }),
    is: "Unknown permission-denied",
    compared: byExe("unknown")
  },
  {
    name: "scenario 16: none, as of a leader that exited",
    sentinel: v2(),
    seen: present({ exe: undefined, exeError: "not-available", state: "Z", threads: 2 }),
    is: "Unknown permission-denied",
    compared: byExe("unknown")
  },
  ...(
    [
      [startMargin, "Dead exe-mismatch", "different"],
      [startMargin + 1, "Dead exe-mismatch", "different"],
      [startMargin - 1, "Unknown exe-changed", "equal"],
      [0, "Unknown exe-changed", "equal"],
      [-1, "Unknown exe-changed", "equal"],
      [-86_400_000, "Unknown exe-changed", "equal"]
    ] as const
  ).map(([after, is, result]): Given => ({
    name: `different, started ${after} ms after the record was written`,
    sentinel: v2(),
    seen: runs("/usr/bin/other", { startedAt: writtenAt + after }),
    is,
    compared: [...byExe("different"), `startedAt ${result}`]
  })),
  {
    name: "different, the start unknown",
    sentinel: v2(),
    seen: present({ exe: { path: "/usr/bin/other" }, startedAt: undefined }),
    is: "Unknown exe-changed",
    compared: [...byExe("different"), "startedAt unknown"]
  },
  {
    name: "different, the time of writing unknown",
    sentinel: v2(),
    seen: runs("/usr/bin/other"),
    circumstances: { writtenAt: undefined },
    is: "Unknown exe-changed",
    compared: [...byExe("different"), "startedAt unknown"]
  },
  {
    name: "a v2 record isn't judged by the identity of a process",
    sentinel: v2(),
    seen: present({ processId64: "7", startTime: "2000" }),
    is: "Alive matches",
    compared: byExe("equal")
  }
])

table("10: a PID alone", [
  { name: "alive, whatever it is", sentinel: v1, is: "Alive pid-alive", compared: running },
  {
    name: "alive, and its executable refused",
    sentinel: v1,
    seen: present({ exe: undefined, exeError: "permission-denied" }),
    is: "Alive pid-alive",
    compared: running
  },
  {
    name: "alive, with nothing else known",
    sentinel: v1,
    seen: { _tag: "Present", pid },
    is: "Alive pid-alive",
    compared: ["process equal"]
  }
])

describe("clocks", () => {
  const jumps = [-31_536_000_000, -2000, 0, 2000, 31_536_000_000]

  it("scenario 19: a wall clock that jumped changes no verdict of a v3 record", () => {
    for (const jump of jumps) {
      for (const id of ["9007199254740993", undefined]) {
        const moved = present({ startedAt: writtenAt + jump, processId64: id })
        assert.strictEqual(judge(v3(), moved, host(), circumstances())._tag, "Alive")
        assert.strictEqual(
          judge(v3(), { ...moved, startTime: "7", ...(id && { processId64: "7" }) }, host(), circumstances())._tag,
          "Dead"
        )
        assert.strictEqual(judge(v3(), absent, host(), circumstances({ writtenAt: writtenAt + jump }))._tag, "Dead")
      }
    }
  })

  it("scenario 18: a record of any age is alive while its process is: nothing expires", () => {
    for (const age of jumps) {
      const createdAt = new Date(writtenAt + age).toISOString()
      assert.deepStrictEqual(
        judge(v3({ createdAt }), present(), host(), circumstances({ writtenAt: writtenAt + age })),
        judge(v3(), present(), host(), circumstances())
      )
    }
  })

  it("scenario 53: a host restored from a snapshot, with processes and boot equal, keeps its owners", () => {
    const restored = present({ startedAt: writtenAt + 31_536_000_000 })
    assert.strictEqual(judge(v3(), restored, host(), circumstances())._tag, "Alive")
  })
})

describe("scenarios of the record", () => {
  it("scenario 1: the owner is the process that judges: alive by its identity, not by its PID", () => {
    assert.strictEqual(judge(v3(), present(), host(), circumstances()).reason, "matches")
    assert.strictEqual(judge(v3(), present({ processId64: "7" }), host(), circumstances())._tag, "Dead")
  })

  it("scenario 24: the parent of a fork is dead, though its child runs the same executable", () => {
    assert.strictEqual(judge(v3(), absent, host(), circumstances()).reason, "pid-dead")
    assert.strictEqual(judge(v2(), absent, host(), circumstances()).reason, "pid-dead")
  })

  it("scenario 25: a command name that looks like a stat line is for people only", () => {
    const verdict = judge(v3(), present({ comm: ") Z 1 (" }), host(), circumstances())
    assert.strictEqual(verdict._tag, "Alive")
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
  const evidence = (sentinel: Sentinel, seen: Observation | undefined, changes: Partial<HostIdentity> = {}) =>
    judge(sentinel, seen, host(changes), circumstances()).evidence

  it("holds both values of all that was compared", () => {
    const seen = present({ processId64: undefined, startTime: "2000", comm: "bash" })
    assert.deepStrictEqual(evidence(v3(), seen), {
      bootId: { recorded: "boot-a", observed: "boot-a", result: "equal" },
      pidNamespace: { recorded: "pid:[1]", observed: "pid:[1]", result: "equal" },
      process: { recorded: "4242", observed: "bash", result: "equal" },
      tgid: { recorded: "4242", observed: "4242", result: "equal" },
      state: { observed: "S, 1 thread(s)", result: "not-applicable" },
      processId64: { recorded: "9007199254740993", result: "unknown" },
      timeNamespace: { recorded: "time:[1]", observed: "time:[1]", result: "equal" },
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

  it("holds the boots and machines that differed", () => {
    assert.deepStrictEqual(evidence(v3(), undefined, { bootId: "boot-b", machineId: "machine-b" }), {
      bootId: { recorded: "boot-a", observed: "boot-b", result: "different" },
      machineId: { recorded: "machine-a", observed: "machine-b", result: "different" }
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
    assert.deepStrictEqual(evidence(v3(noId), present(), { timeNamespace: "time:[2]" }).startTime, {
      recorded: "1000",
      observed: "1000",
      result: "unknown"
    })
  })
})

describe("scope", () => {
  const decide = (sentinel: Sentinel, changes: Parameters<typeof host>[0], around: Partial<Circumstances> = {}) =>
    scope(sentinel, host(changes), circumstances(around))?.reason

  it("decides without a process where it can, and never for a legacy record without a lock", () => {
    assert.strictEqual(decide(v3(), { bootId: "boot-b" }), "rebooted")
    assert.strictEqual(decide(v3(), { bootId: undefined }), "boot-unknown")
    assert.strictEqual(decide(v3(), { pidNamespace: "pid:[2]" }), "other-pid-namespace")
    assert.strictEqual(decide(v3(), {}, { lock: "busy" }), "lock-held")
    assert.strictEqual(decide(v1, { bootId: "boot-b", pidNamespace: "pid:[2]" }), undefined)
    assert.strictEqual(decide(v2(), { bootId: undefined }), undefined)
    assert.strictEqual(decide(v1, {}, { lock: "busy" }), "lock-held")
    assert.strictEqual(decide(v3(), {}), undefined)
    assert.strictEqual(decide(v3(), { pidNamespace: undefined }), undefined)
  })
})

describe("wanted", () => {
  it("asks for no more than the record can be compared with, and for no less", () => {
    assert.strictEqual(wanted(v1), "existence")
    assert.strictEqual(wanted(v2()), "executable")
    assert.strictEqual(wanted(v3()), "identity")
  })

  it("asks for the start token where the record has no 64-bit id, though the kernel of today has one", () => {
    assert.strictEqual(wanted(v3(noId)), "executable")
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
