import { frame, inPlace, present, sharedFrame, v3 } from "./support/fixtures.ts"
import {
  absent,
  byId,
  elsewhere,
  free,
  held,
  noId,
  onMachine,
  onShared,
  overlay,
  own,
  row,
  rowsOf,
  running,
  table
} from "./support/verdicts.ts"

table("the directory", [
  ...rowsOf(
    [
      ["scenario 78: another inode, as of a copy", { circumstances: { frame: frame({ inode: "11" }) } }],
      [
        "scenario 78: another file system, as of a snapshot",
        {
          circumstances: {
            frame: frame({ fileSystem: { type: "ext4", id: { kind: "uuid", value: "c0de" }, oneKernel: true } })
          }
        }
      ],
      ["scenario 78a: another sentinel file, as of a backup copied over it", { circumstances: { file: "101" } }],
      [
        "scenario 78b: another birth, as of a backup restored under its name",
        { circumstances: { frame: frame({ birth: "1700000000000000002" }) } }
      ],
      ["scenario 67: another type, as of an overlay's layer", { circumstances: overlay }],
      ["scenario 63: another type, as of an export", { circumstances: onShared }]
    ],
    (name, { circumstances: around }) => {
      const differs = ["directory different", "bootId equal"]
      const machine = around?.frame === sharedFrame ? onMachine : []
      const scope = [...differs, ...machine, "pidNamespace equal", "firstProcess equal"]
      return [
        {
          name: `${name}: its owner absent`,
          seen: absent,
          circumstances: { ...around },
          is: "unknown other-directory",
          compared: [...scope, "process different"]
        },
        {
          name: `${name}: its owner a zombie with an equal id`,
          seen: present({ state: "Z" }),
          circumstances: { ...around },
          is: "unknown other-directory",
          compared: [...scope, ...running]
        },
        {
          name: `${name}: its owner alive`,
          circumstances: { ...around },
          is: "alive matches",
          compared: [...scope, ...running, "processId64 equal"]
        },
        {
          name: `${name}: its owner alive by its start`,
          sentinel: inPlace(noId),
          circumstances: { ...around },
          is: "alive matches",
          compared: [...scope, ...running, "processId64 unknown", "timeOffset equal", "startTime equal"]
        },
        {
          name: `${name}: its lock free, in another PID namespace`,
          ...elsewhere,
          sentinel: held,
          circumstances: { ...around, ...free },
          is: "unknown other-directory",
          compared: ["lock not-applicable", ...differs, ...machine, "pidNamespace different"]
        },
        {
          name: `${name}: its PID namespace gone`,
          ...elsewhere,
          circumstances: { ...around, search: { _tag: "Gone", by: "namespace" } },
          is: "unknown other-directory",
          compared: [...differs, ...machine, "pidNamespace different"]
        },
        {
          name: `${name}: the boot different`,
          host: { bootId: "boot-b" },
          seen: null,
          circumstances: { ...around },
          is: "unknown other-directory",
          compared: ["directory different", "bootId different", ...onMachine, "pidNamespace unknown"]
        },
        {
          name: `${name}: the root was moved, says the operator, and the owner is absent`,
          seen: absent,
          circumstances: { ...around, assumeMoved: "new disk" },
          is: "dead pid-dead",
          compared: [
            "directory different",
            "moved not-applicable",
            "bootId equal",
            ...machine,
            ...scope.slice(-2),
            "process different"
          ]
        },
        {
          name: `${name}: the root was moved, says the operator: the lock isn't that of the owner`,
          ...elsewhere,
          sentinel: held,
          circumstances: { ...around, ...free, assumeMoved: "new disk" },
          is: "unknown other-pid-namespace",
          compared: [
            "lock not-applicable",
            "directory different",
            "moved not-applicable",
            "bootId equal",
            ...machine,
            "pidNamespace different"
          ]
        }
      ]
    }
  ),
  {
    name: "another one, and the root was moved, says the operator, before a reboot",
    seen: null,
    host: { bootId: "boot-b" },
    circumstances: { file: "101", assumeMoved: "new disk" },
    is: "dead rebooted",
    compared: ["directory different", "moved not-applicable", "bootId different", "machineId equal"]
  },
  {
    name: "another one, and the operator gives no reason",
    seen: absent,
    circumstances: { file: "101", assumeMoved: " " },
    is: "unknown other-directory",
    compared: ["directory different", "bootId equal", "pidNamespace equal", "firstProcess equal", "process different"]
  },
  {
    name: "the same one, and the root was moved, says the operator",
    circumstances: { assumeMoved: "new disk" },
    is: "alive matches",
    compared: byId
  },
  ...rowsOf(
    [
      ["not recorded", { sentinel: v3({ lock: own }) }],
      [
        "without a birth, as recorded",
        { sentinel: inPlace({ directory: { type: "ext4", inode: "10", file: "100" }, lock: own }) }
      ],
      ["without a birth now", { sentinel: held, circumstances: { frame: frame({ birth: undefined }) } }]
    ],
    (name, given) => {
      const unbound = ["directory unknown", "bootId equal"]
      return [
        row(given, {
          name: `${name}: judged by its process, absent`,
          seen: absent,
          is: "dead pid-dead",
          compared: [...unbound, "pidNamespace equal", "firstProcess equal", "process different"]
        }),
        row(given, {
          name: `${name}: judged by its process, the same`,
          is: "alive matches",
          compared: [...unbound, "pidNamespace equal", "firstProcess equal", ...running, "processId64 equal"]
        }),
        row(given, {
          name: `${name}: no proof by another boot`,
          seen: null,
          host: { bootId: "boot-b" },
          is: "unknown machine-unknown",
          compared: ["directory unknown", "bootId different", ...onMachine, "pidNamespace unknown"]
        }),
        row(given, {
          name: `${name}: no proof without a boot`,
          seen: absent,
          host: { bootId: undefined },
          is: "unknown boot-unknown",
          compared: ["directory unknown", "bootId unknown"]
        }),
        row(given, {
          name: `${name}: no proof by a free lock`,
          ...elsewhere,
          circumstances: { ...given.circumstances, ...free },
          is: "unknown other-pid-namespace",
          compared: ["lock not-applicable", ...unbound, "pidNamespace different"]
        })
      ]
    }
  )
])
