import { frame, inPlace, made, present, v1, v2 } from "./support/fixtures.ts"
import {
  absent,
  byId,
  elsewhere,
  free,
  type Given,
  held,
  hidden,
  noted,
  onMachine,
  onOverlay,
  onShared,
  otherScope,
  overlay,
  own,
  row,
  rowsOf,
  running,
  sameBoot,
  sameScope,
  stranger,
  table,
  unbound
} from "./support/verdicts.ts"

// `VerdictProperties.test.ts` shows that a held lock outranks everything else.
table(
  "the lock is held",
  rowsOf(
    [
      ["before a reboot", { host: { bootId: "boot-b" } }],
      ["scenario 78: in a copy of the directory", { circumstances: { frame: frame({ inode: "11" }) } }],
      [
        "scenario 78a: with an older record of a dead process copied over the owner's",
        { circumstances: { file: "101" }, seen: absent }
      ],
      ["scenario 55: on a file system that may be shared", { circumstances: onShared, seen: absent }],
      ["scenario 54: before other identity, as after CRIU restored the owner", { seen: stranger }],
      ["scenario 44: for a v1 record whose PID is absent", { sentinel: v1, seen: absent }],
      ["for a v2 record of another executable", { sentinel: v2("/other"), seen: stranger }],
      ["scenario 53: by a clone of the VM, with the records of both equal", { sentinel: held }],
      ["not looked at", { seen: null }]
    ],
    (name, given) =>
      (["shared", "exclusive"] as const).map((lockState) =>
        row(given, {
          name: `${name}, ${lockState}`,
          circumstances: { ...given.circumstances, lockState },
          is: "alive lock-held",
          compared: ["lock not-applicable"]
        })
      )
  )
)

table("the lock is free, or can't be asked", [
  {
    name: "free changes nothing where the PID says alive",
    sentinel: held,
    circumstances: free,
    is: "alive matches",
    compared: ["lock not-applicable", ...byId]
  },
  {
    name: "free proves nothing of a process that is hidden",
    sentinel: held,
    seen: hidden,
    circumstances: free,
    is: "unknown permission-denied",
    compared: ["lock not-applicable", ...sameScope, "process unknown"]
  },
  {
    name: "unknown changes nothing where none is claimed",
    circumstances: { lockState: "unknown" },
    seen: absent,
    is: "dead pid-dead",
    compared: ["lock not-applicable", ...sameScope, "process different"]
  },
  ...(
    [
      ["absent", absent, ["process different"]],
      ["a zombie", present({ state: "Z" }), running],
      ["another process", stranger, [...running, "processId64 different"]]
    ] as const
  ).flatMap(([name, seen, compared]) =>
    (["self", "inherited"] as const).map((holder): Given => ({
      name: `scenario 68: unknown where it is claimed (${holder}), the process ${name}`,
      sentinel: inPlace({ lock: { kind: "flock", tested: false, holder } }),
      seen,
      circumstances: { lockState: "unknown" },
      is: "unknown lock-unknown",
      compared: ["lock not-applicable", ...sameScope, ...compared]
    }))
  ),
  {
    name: "scenario 68: unknown where it is claimed, the PID namespace gone",
    ...elsewhere,
    sentinel: held,
    circumstances: { lockState: "unknown", search: { _tag: "Gone", by: "namespace" } },
    is: "unknown lock-unknown",
    compared: ["lock not-applicable", ...otherScope, "search different"]
  },
  {
    name: "scenario 68: unknown where it is claimed, the process the same",
    sentinel: held,
    circumstances: { lockState: "unknown" },
    is: "alive matches",
    compared: ["lock not-applicable", ...byId]
  },
  {
    name: "unknown where it was claimed in an earlier boot: no lock outlives that",
    sentinel: held,
    host: { bootId: "boot-b" },
    circumstances: { lockState: "unknown" },
    is: "dead rebooted",
    compared: ["lock not-applicable", "directory equal", "bootId different", "machineId equal"]
  }
])

const locks = ([true, false] as const).flatMap((tested) =>
  (["self", "inherited"] as const).flatMap((holder) =>
    (["self", "inherited"] as const).flatMap((lock) => [{ tested, holder, lock }])
  )
)

table("the lock of another PID namespace's process", [
  ...locks.map(({ holder, lock, tested }): Given => {
    const lockOnly = ["lock not-applicable", ...otherScope]
    const isProof = tested && (holder === "self" || lock === "inherited")
    const isWord = isProof && lock === "inherited"
    return {
      name: `${holder === "inherited" && tested ? "scenario 65: " : "scenario 12: "}free: tested ${tested}, holder ${holder}, the operator says ${lock}`,
      seen: elsewhere.seen,
      host: elsewhere.host,
      sentinel: inPlace({ lock: { kind: "flock", tested, holder } }),
      circumstances: { lockState: "free", lock },
      is: isProof ? "dead lock-free" : "unknown other-pid-namespace",
      compared: isWord ? [...lockOnly, "lockHolder not-applicable"] : lockOnly
    }
  }),
  {
    name: "scenario 55: free, on a file system that may be shared",
    ...elsewhere,
    sentinel: inPlace({ directory: unbound.record.directory, lock: own }),
    circumstances: { ...onShared, ...free },
    is: "unknown other-pid-namespace",
    compared: ["lock not-applicable", ...noted, ...onMachine, "pidNamespace different"]
  },
  {
    name: "scenario 55: free, on one that may be shared and seems the same directory",
    ...elsewhere,
    sentinel: inPlace({ directory: { ...made, type: "virtiofs" }, lock: own }),
    circumstances: {
      ...free,
      frame: frame({ fileSystem: { type: "virtiofs", id: { kind: "uuid", value: "5eed" }, oneKernel: false } })
    },
    is: "unknown other-pid-namespace",
    compared: ["lock not-applicable", ...sameBoot, ...onMachine, "pidNamespace different"]
  },
  {
    name: "free, on an overlay in one boot",
    ...elsewhere,
    sentinel: inPlace({ directory: onOverlay, lock: own }),
    circumstances: { ...overlay, ...free },
    is: "dead lock-free",
    compared: ["lock not-applicable", ...otherScope]
  },
  {
    name: "scenario 66: free, and none is claimed any more: the scope of the hold closed",
    ...elsewhere,
    circumstances: free,
    is: "unknown other-pid-namespace",
    compared: ["lock not-applicable", ...otherScope]
  },
  {
    name: "can't be asked",
    ...elsewhere,
    sentinel: held,
    circumstances: { lockState: "unknown" },
    is: "unknown other-pid-namespace",
    compared: ["lock not-applicable", ...otherScope]
  },
  {
    name: "scenario 102: not asked, by a second owner that could only share it",
    ...elsewhere,
    sentinel: held,
    is: "unknown other-pid-namespace",
    compared: otherScope
  },
  {
    name: "free, but the process was found alive",
    ...elsewhere,
    sentinel: held,
    circumstances: { ...free, search: { _tag: "Found", observation: present() } },
    is: "alive matches",
    compared: ["lock not-applicable", ...otherScope, ...running, "processId64 equal"]
  }
])
