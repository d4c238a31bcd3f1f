import { initialPidNamespace } from "../src/ProcessIdentity.ts"
import type { RecordV3 } from "../src/Sentinel.ts"
import { frame, inPlace, present } from "./support/fixtures.ts"
import {
  absent,
  byId,
  free,
  hidden,
  noId,
  noScope,
  noted,
  onMachine,
  otherScope,
  own,
  rebooted,
  row,
  rowsOf,
  running,
  sameBoot,
  sameScope,
  stranger,
  table
} from "./support/verdicts.ts"

table("the PID namespace", [
  {
    name: "scenario 12: different, both PID 1, all else but the id equal",
    sentinel: inPlace(noId),
    host: { pidNamespace: "pid:[2]" },
    is: "unknown other-pid-namespace",
    compared: otherScope
  },
  {
    name: "scenario 11: its number given again, another first process",
    seen: stranger,
    host: { pidNamespaceInit: { startTime: "11", processId64: "101" } },
    is: "unknown other-pid-namespace",
    compared: [...sameBoot, "pidNamespace equal", "firstProcess different"]
  },
  ...rowsOf(
    [
      ["not recorded", { sentinel: inPlace({ pidNamespaceInit: undefined }) }],
      ["unreadable now", { host: { pidNamespaceInit: undefined } }],
      ["of unknown time offset", { host: { pidNamespaceInit: { startTime: "10" }, timeOffset: undefined } }]
    ],
    (name, given) => [
      row(given, {
        name: `scenario 11: its number equal, its first process ${name}`,
        seen: absent,
        is: "unknown other-pid-namespace",
        compared: [...sameBoot, "pidNamespace equal", "firstProcess unknown"]
      })
    ]
  ),
  {
    name: "scenario 20: its first process by its start, shifted by the offset of the reader's time namespace",
    seen: absent,
    host: { pidNamespaceInit: { startTime: "1010" }, timeOffset: "10000000000" },
    is: "dead pid-dead",
    compared: [...sameScope, "process different"]
  },
  {
    name: "the initial one by its number alone",
    sentinel: inPlace({ pidNamespace: initialPidNamespace, pidNamespaceInit: undefined }),
    host: { pidNamespace: initialPidNamespace, pidNamespaceInit: undefined },
    seen: absent,
    is: "dead pid-dead",
    compared: [...sameBoot, "pidNamespace equal", "process different"]
  },
  {
    name: "equal: a proof about another one isn't asked",
    circumstances: { search: { _tag: "Gone", by: "namespace" } },
    is: "alive matches",
    compared: byId
  },
  ...rowsOf(
    [
      ["absent", { seen: absent }],
      ["a thread", { seen: present({ tgid: 1 }) }],
      ["a zombie", { seen: present({ state: "Z" }) }],
      ["another id", { seen: present({ processId64: "7" }) }],
      ["another start", { seen: present({ processId64: undefined, startTime: "2000" }) }]
    ],
    (name, given) => [
      row(given, {
        name: `not recorded: no dead by ${name}`,
        sentinel: inPlace({ pidNamespace: undefined }),
        is: "unknown other-pid-namespace",
        compared: noScope
      }),
      row(given, {
        name: `unreadable now: no dead by ${name}`,
        host: { pidNamespace: undefined },
        is: "unknown other-pid-namespace",
        compared: noScope
      })
    ]
  ),
  {
    name: "unknown, the id equal",
    host: { pidNamespace: undefined },
    is: "alive matches",
    compared: [...noScope, ...running, "processId64 equal"]
  }
])

const darwin = {
  namespaces: "none",
  pidNamespace: undefined,
  pidNamespaceInit: undefined,
  timeOffset: undefined
} as const
const volume = { kind: "volume", value: "7A0B" } as const
const apfs: NonNullable<RecordV3["directory"]> = { type: "apfs", id: volume, mount: "1:2", inode: "10", file: "100" }
const onApfs = (mount: string) => ({
  frame: frame({ birth: undefined, fileSystem: { type: "apfs", id: volume, mount, oneKernel: true } })
})
const ofDarwin = (changes: Parameters<typeof inPlace>[0] = {}) =>
  inPlace({ pidNamespace: undefined, pidNamespaceInit: undefined, timeOffset: undefined, directory: apfs, ...changes })
const bare = [...sameBoot, "pidNamespace not-applicable"]

table("a kernel without namespaces", [
  {
    name: "the process the same",
    sentinel: ofDarwin(noId),
    host: darwin,
    seen: present(noId),
    circumstances: onApfs("1:2"),
    is: "alive matches",
    compared: [...bare, ...running, "processId64 unknown", "startTime equal"]
  },
  {
    name: "the PID absent",
    sentinel: ofDarwin(),
    host: darwin,
    seen: absent,
    circumstances: onApfs("1:2"),
    is: "dead pid-dead",
    compared: [...bare, "process different"]
  },
  {
    name: "a free lock never proves a death",
    sentinel: ofDarwin({ lock: own }),
    host: darwin,
    seen: hidden,
    circumstances: { ...onApfs("1:2"), ...free },
    is: "unknown permission-denied",
    compared: ["lock not-applicable", ...bare, "process unknown"]
  },
  {
    name: "another mount in one boot is another directory",
    sentinel: ofDarwin(),
    host: darwin,
    seen: absent,
    circumstances: onApfs("1:3"),
    is: "unknown other-directory",
    compared: ["directory different", "bootId equal", "pidNamespace not-applicable", "process different"]
  },
  {
    name: "another mount in another boot is the same directory",
    sentinel: ofDarwin(),
    host: { ...darwin, bootId: "boot-b" },
    seen: null,
    circumstances: onApfs("1:3"),
    is: "dead rebooted",
    compared: rebooted
  },
  {
    name: "another mount, the boot unknown",
    sentinel: ofDarwin(),
    host: { ...darwin, bootId: undefined },
    seen: absent,
    circumstances: onApfs("1:3"),
    is: "unknown boot-unknown",
    compared: ["directory unknown", "bootId unknown"]
  },
  {
    name: "scenario 99: a shared folder in a virtual machine, the PID absent",
    sentinel: ofDarwin({ directory: { type: "AppleVirtIOFS" } }),
    host: { ...darwin, virtualMachine: true },
    seen: absent,
    circumstances: { frame: frame({ fileSystem: { type: "AppleVirtIOFS", oneKernel: false } }) },
    is: "unknown machine-unknown",
    compared: [...noted, ...onMachine, "pidNamespace not-applicable", "process different"]
  }
])
