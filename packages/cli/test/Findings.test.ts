import { assert, describe, it } from "@effect/vitest"
import type { DirectoryFrame } from "@vm-sentinel/core/DirectoryFrame"
import { IdentityUnavailable, LockBusy, LockUnsupported, PermissionDenied, RefusedRoot } from "@vm-sentinel/core/Errors"
import type { NativePart } from "@vm-sentinel/core/NativeCode"
import { type HostIdentity, Pid, ProcessIdentity } from "@vm-sentinel/core/ProcessIdentity"
import type { Prospect } from "@vm-sentinel/core/Prospect"
import type { Ground } from "@vm-sentinel/core/Ground"
import { Result } from "effect"
import * as DoctorText from "../src/text/DoctorText.ts"
import type { Finding } from "../src/doctor/Finding.ts"
import * as MachineFindings from "../src/doctor/MachineFindings.ts"
import * as RootFindings from "../src/doctor/RootFindings.ts"

const pid = Pid.make(4242)

const host: HostIdentity = {
  bootId: "boot-a",
  machineId: "machine-a",
  hostname: "host-a",
  namespaces: "supported",
  pidNamespace: "pid:[4026531836]",
  pidNamespaceInit: { startTime: "1" },
  timeOffset: "0",
  virtualMachine: false
}

const self = (changes: { readonly processId64?: string; readonly startTime?: string } = {}) =>
  Result.succeed(new ProcessIdentity({ pid, startTime: "100", hostname: "host-a", ...changes }))

const loaded: NativePart = { _tag: "Loaded", path: "/lib/some" }
const missing: NativePart = { _tag: "Missing", reason: "not-found", detail: "it isn't there" }
const incomplete = { _tag: "Incomplete", why: "it is dark" } as const

const machine: MachineFindings.Readings = {
  host,
  self: self({ processId64: "7" }),
  sight: {
    absent: { _tag: "Absent", pid },
    byNamespace: { _tag: "Gone", by: "namespace" },
    byId: { _tag: "Gone", by: "processId64" }
  },
  native: { koffi: loaded, library: loaded }
}

const without = <A extends object, K extends keyof A>(value: A, key: K): Omit<A, K> => {
  const { [key]: _, ...rest } = value
  return rest
}

/** The findings that aren't ok: `STATE WHAT: WHY; ADVICE`. */
const told = (findings: ReadonlyArray<Finding>): ReadonlyArray<string> =>
  findings.flatMap(({ advice, state, what, why }) =>
    state === "ok" || state === "untried"
      ? []
      : [`${state} ${what}: ${why}${advice === undefined ? "" : `; ${advice}`}`]
  )

const ofMachine: ReadonlyArray<readonly [title: string, MachineFindings.Readings, says: ReadonlyArray<string>]> = [
  ["that tells everything", machine, []],
  [
    "without procfs",
    {
      ...machine,
      self: Result.fail(new IdentityUnavailable({ pid, detail: "/proc is not procfs" })),
      sight: {
        ...machine.sight,
        absent: { _tag: "Unavailable", pid, reason: "no-procfs", detail: "/proc is not procfs" }
      }
    },
    [
      "not processes: /proc is not procfs; mount a procfs of this PID namespace at /proc (`unshare` takes --mount-proc)",
      "not identity: no owner can be recorded here: process 4242: can't be identified: /proc is not procfs"
    ]
  ],
  [
    "that hides processes",
    { ...machine, sight: { ...machine.sight, absent: { _tag: "Hidden", pid, detail: "stat: ENOENT, kill: EPERM" } } },
    ["not processes: stat: ENOENT, kill: EPERM"]
  ],
  [
    "without koffi",
    { ...machine, self: self(), native: { koffi: missing, library: missing } },
    [
      "limited identity: processes are told apart by their start alone: two of one PID within 10 ms look the same; install koffi, which reads 64-bit ids",
      "limited koffi: it isn't there: locks need `flock` of util-linux, and there are no 64-bit ids; install koffi",
      "limited library: it isn't there: the same results, in more time"
    ]
  ],
  [
    "with a kernel before 6.9",
    { ...machine, self: self() },
    [
      "limited identity: processes are told apart by their start alone: two of one PID within 10 ms look the same; Linux 6.9 and later have 64-bit ids"
    ]
  ],
  [
    "that covers its boot id and has no machine id",
    {
      ...machine,
      host: { ...without(without(host, "bootId"), "machineId"), bootIdProblem: "a file is mounted over it" }
    },
    [
      "limited boot id: a file is mounted over it: an earlier boot can't be told from this one; with koffi, root reads the kernel's own below what covers it",
      "limited machine id: there is none: on shared file systems nothing is proved; `systemd-machine-id-setup` makes one"
    ]
  ],
  [
    "that is a container",
    {
      ...machine,
      host: { ...host, pidNamespace: "pid:[7]" },
      sight: { ...machine.sight, byNamespace: incomplete, byId: incomplete }
    },
    [
      "limited search: owners of other PID namespaces aren't proved gone: it is dark; sweep from the host, or let owners hold the lock of their directory (`run`)"
    ]
  ],
  [
    "that an ordinary user asks",
    { ...machine, sight: { ...machine.sight, byNamespace: incomplete } },
    ["limited search: by 64-bit ids alone, not by PID namespaces: it is dark; run as root"]
  ],
  [
    "whose namespaces can't be read",
    { ...machine, host: without(without(host, "pidNamespace"), "timeOffset") },
    [
      "limited PID namespace: it can't be read: no recorded PID is known to be one of it",
      "limited time offset: it can't be read: starts of processes can't be compared"
    ]
  ],
  [
    "whose PID namespace hides its first process",
    { ...machine, host: without({ ...host, pidNamespace: "pid:[7]" }, "pidNamespaceInit") },
    ["limited PID namespace: pid:[7], whose first process can't be read: a later one may have its number"]
  ],
  [
    "that runs macOS without koffi",
    {
      ...machine,
      host: { hostname: "mac", bootId: "boot-a", machineId: "machine-a", namespaces: "none" },
      self: self({ startTime: "s:100" }),
      native: { koffi: missing, library: missing }
    },
    [
      "limited identity: processes are told apart by their start alone: two of one PID within 1 s look the same; install koffi, which reads 64-bit ids",
      "limited koffi: it isn't there: no locks, no file systems and no 64-bit ids; install koffi",
      "limited libSystem: it isn't there: no locks, no file systems and no 64-bit ids"
    ]
  ]
]

describe("the findings about a machine", () => {
  for (const [title, readings, says] of ofMachine) {
    it(`${title}`, () => assert.deepStrictEqual(told(MachineFindings.make(readings)), says))
  }
})

const path = "/srv/vms"
const oneKernel = { type: "ext4", id: { kind: "uuid", value: "5eed" }, oneKernel: true } as const
const shared = { type: "0x00006969", oneKernel: false } as const

const frameOn = (fileSystem: DirectoryFrame["fileSystem"]): DirectoryFrame => ({
  id: { dev: "1", ino: "10" },
  inode: "10",
  birth: "1700000000000000001",
  ...(fileSystem === undefined ? {} : { fileSystem })
})

const ground = (changes: Partial<Ground> = {}): Ground => ({
  permissions: { type: "directory", mode: 0o755, uid: 1000, gid: 1000, nlink: 2 },
  frame: frameOn(oneKernel),
  room: { refusal: undefined, bytes: undefined, files: undefined },
  mounts: [],
  ...changes
})

const crashed = (
  verdict: "dead" | "unknown",
  reason: Prospect["reason"],
  evidence: Prospect["evidence"] = {}
): Prospect => ({ case: "crashed", verdict, reason, evidence })

const base: RootFindings.Readings = {
  path,
  uid: 1000,
  hasKoffi: true,
  ground: ground(),
  listed: Result.succeed(0),
  lock: Result.succeed(true),
  prospects: [crashed("dead", "pid-dead")]
}

const refusing = (refusal: string): RootFindings.Readings => ({
  ...base,
  ground: ground({ room: { refusal, bytes: 0, files: 0 } })
})

const nfs = (evidence: Prospect["evidence"]): RootFindings.Readings => ({
  ...base,
  ground: ground({ frame: frameOn(shared) }),
  prospects: [crashed("unknown", "machine-unknown", evidence)]
})

const onNfs = (kernels: string): ReadonlyArray<string> => [
  "limited file system: 0x00006969: other kernels may have it mounted",
  `limited other kernels: ${kernels}`,
  "limited directories: a record isn't known to be made in the directory that it lies in: no id of the file system",
  "limited locks: flock(2) works here, but a free lock proves nothing: other kernels' locks may not be seen"
]

interface Row {
  readonly title: string
  readonly readings: RootFindings.Readings
  readonly conclusion: "removes" | "keeps" | "refused"
  readonly action: "removed" | "kept" | "failed"
  readonly says: ReadonlyArray<string>
}

const rows: ReadonlyArray<Row> = [
  { title: "where all can be proved and done", readings: base, conclusion: "removes", action: "removed", says: [] },
  {
    title: "that nothing can be removed from",
    readings: refusing("EACCES"),
    conclusion: "refused",
    action: "failed",
    says: ["not change: EACCES: nothing can be removed; run as the owner, or as root"]
  },
  {
    title: "that is mounted read-only",
    readings: refusing("EROFS"),
    conclusion: "refused",
    action: "failed",
    says: [
      "not change: EROFS: nothing can be removed; the file system is mounted read-only: mount it read-write, or run it where it is"
    ]
  },
  {
    title: "on a full disk",
    readings: refusing("ENOSPC"),
    conclusion: "removes",
    action: "removed",
    says: [
      "limited change: ENOSPC: directories are deleted where they lie, under their lock; free some space and run it again"
    ]
  },
  {
    title: "that can't be listed",
    readings: { ...base, listed: Result.fail(new PermissionDenied({ operation: "list root", path, errno: "EACCES" })) },
    conclusion: "refused",
    action: "failed",
    says: ["not listing: /srv/vms: permission denied (list root); run as the owner, or as root"]
  },
  {
    title: "where an absent process proves nothing",
    readings: { ...base, prospects: [crashed("unknown", "no-procfs")] },
    conclusion: "keeps",
    action: "kept",
    says: []
  },
  {
    title: "on a shared file system, in a virtual machine",
    readings: nfs({ virtualMachine: { observed: "yes", result: "not-applicable" } }),
    conclusion: "keeps",
    action: "kept",
    says: onNfs(
      "this is a virtual machine: another one from the same state would have its ids; --shared trust, if no other one has"
    )
  },
  {
    title: "on a shared file system, by a machine without an id",
    readings: nfs({ machineId: { result: "unknown" } }),
    conclusion: "keeps",
    action: "kept",
    says: onNfs("this machine has no id")
  },
  {
    title: "on a shared file system, by a machine that is called localhost",
    readings: nfs({ hostname: { observed: "localhost", result: "unknown" } }),
    conclusion: "keeps",
    action: "kept",
    says: onNfs("its host name, localhost, is one that many have; give the machine a name of its own")
  },
  {
    title: "on a shared file system, where the operator trusts",
    readings: { ...nfs({}), prospects: [crashed("dead", "pid-dead")] },
    conclusion: "removes",
    action: "removed",
    says: onNfs("").filter((finding) => !finding.includes("other kernels: "))
  },
  {
    title: "on an unknown file system, without locks",
    readings: {
      ...base,
      hasKoffi: false,
      ground: ground({ frame: { id: { dev: "1", ino: "10" } } }),
      lock: Result.fail(new LockUnsupported({ path }))
    },
    conclusion: "removes",
    action: "removed",
    says: [
      "limited file system: its type can't be read: it counts as shared; install koffi",
      "limited directories: a record isn't known to be made in the directory that it lies in: no id of the file system, no lasting inodes, no birth times",
      "limited locks: none can be taken: owners go without, and their directories are removed unlocked; install koffi"
    ]
  },
  {
    title: "on a file system without locks",
    readings: { ...base, lock: Result.fail(new LockUnsupported({ path })) },
    conclusion: "removes",
    action: "removed",
    says: [
      "limited locks: none can be taken: owners go without, and their directories are removed unlocked; put the root on a file system with locks"
    ]
  },
  {
    title: "on a shared file system, in a container",
    readings: {
      ...nfs({}),
      prospects: [
        crashed("dead", "pid-dead"),
        { ...crashed("unknown", "machine-unknown", { pidNamespace: { result: "unknown" } }), case: "rebooted" }
      ]
    },
    conclusion: "removes",
    action: "removed",
    says: onNfs(
      "after a boot, the ids of this container may be those of its image, which another host may run; --shared trust, if no other one does"
    )
  },
  {
    title: "on an overlay",
    readings: { ...base, ground: ground({ frame: frameOn({ ...oneKernel, type: "overlay" }) }) },
    conclusion: "removes",
    action: "removed",
    says: [
      "limited file system: overlay, uuid 5eed: its layers may be joined anew in the next boot; a directory of a lower layer is deleted where it lies"
    ]
  },
  {
    title: "whose lock keeps nobody out",
    readings: { ...base, lock: Result.succeed(false) },
    conclusion: "removes",
    action: "removed",
    says: ["limited locks: a second open got the lock too: locks keep nobody out here"]
  },
  {
    title: "whose lock somebody has",
    readings: { ...base, lock: Result.fail(new LockBusy({ path, holders: [7] })) },
    conclusion: "removes",
    action: "removed",
    says: ["limited locks: /srv/vms: process 7 holds the ownership lock; wait until it is done, or stop it"]
  },
  {
    title: "with a mount in it",
    readings: { ...base, ground: ground({ mounts: [`${path}/a`, `${path}/b`] }) },
    conclusion: "removes",
    action: "removed",
    says: ["limited mounts: 2 below, first /srv/vms/a: their directories are kept; unmount them"]
  }
]

describe("the findings about a root", () => {
  for (const { action, conclusion, readings, says, title } of rows) {
    it(`${title}`, () => {
      const diagnosis = RootFindings.make(readings)
      assert.deepStrictEqual(told(diagnosis.findings), says)
      assert.strictEqual(diagnosis.conclusion, conclusion)
      assert.strictEqual(diagnosis.owners[0]?.action, action)
    })
  }

  it("that is refused has one, and what to do", () => {
    const refused = RootFindings.ofRefusal(
      "/",
      new RefusedRoot({ path: "/", rule: "file-system-root", problem: "the root of the file system" }),
      1000
    )
    assert.deepStrictEqual(refused, {
      _tag: "Root",
      path: "/",
      conclusion: "refused",
      findings: [
        {
          what: "root",
          state: "not",
          why: "/: refused as a root: the root of the file system",
          advice: "give the directory that holds the VM directories"
        }
      ],
      owners: []
    })
  })
})

describe("a diagnosis for people", () => {
  it("fits in 80 columns, and escapes what a terminal would act on", () => {
    const diagnosis = RootFindings.make({ ...nfs({}), path: "/srv/v\u001bms" })
    const text = DoctorText.root(diagnosis, { colors: false, width: 80 })
    for (const line of text.split("\n")) assert.isAtMost(line.length, 80, line)
    assert.notInclude(text, "\u001b")
    assert.match(text, /^ {2}ended here {2}unknown {2}machine-unknown {2}kept$/m)
    assert.match(text, /A sweep keeps the directory/)
  })

  it("tells a machine", () => {
    const findings = MachineFindings.make({ ...machine, native: { koffi: loaded, library: missing } })
    const text = DoctorText.machine({ _tag: "Machine", findings }, { colors: false })
    assert.match(text, /^This machine\n {2}ok {7}processes: /)
    assert.match(text, /^ {2}limited {2}library: it isn't there: the same results, in more time$/m)
  })
})
