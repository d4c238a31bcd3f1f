import type { SentinelV3 } from "../src/Sentinel.ts"
import { frame, inPlace, present } from "./support/fixtures.ts"
import {
  absent,
  elsewhere,
  free,
  type Given,
  noted,
  onMachine,
  onOverlay,
  onShared,
  overlay,
  own,
  type Rest,
  running,
  sameScope,
  table,
  unbound
} from "./support/verdicts.ts"

/** A record that only data of the machine can place. Its PID is absent. */
const gone = { sentinel: unbound, seen: absent } as const
const scope = ["pidNamespace equal", "firstProcess equal"]
const sameMachine = [...noted, ...onMachine, ...scope]

const trusted = { ...onShared, shared: "trust" } as const

const nextBoot = (sentinel: SentinelV3, virtualMachine: boolean | undefined, around: Rest["circumstances"]): Rest => ({
  sentinel,
  seen: null,
  host: { virtualMachine, bootId: "boot-b" },
  circumstances: around
})

const initial = "pid:[4026531836]"

/** An earlier boot, read on bare metal. The reader and the record are in these PID namespaces. */
const onMetal = (pidNamespace: string, recorded: string, around: Rest["circumstances"]): Rest => ({
  sentinel: inPlace({ directory: undefined, pidNamespace: recorded }),
  seen: null,
  host: { virtualMachine: false, bootId: "boot-b", pidNamespace },
  circumstances: around
})

const onEitherBoot = (bootId: "boot-a" | "boot-b"): ReadonlyArray<Given> => {
  const isSame = bootId === "boot-a"
  const boot = ["directory unknown", `bootId ${isSame ? "equal" : "different"}`]
  const rest = isSame ? [...scope, "process different"] : []
  const name = isSame ? "the boot equal" : "the boot different"
  return [
    {
      name: `${name}, the machine id different`,
      ...gone,
      host: { bootId, machineId: "machine-b" },
      circumstances: trusted,
      is: "unknown other-machine",
      compared: [...boot, "machineId different", ...rest]
    },
    {
      name: `${name}, the machine id unknown`,
      ...gone,
      host: { bootId, machineId: undefined },
      circumstances: trusted,
      is: "unknown machine-unknown",
      compared: [...boot, "machineId unknown", "hostname equal", ...rest]
    },
    {
      name: `${name}, the host's name different, as of a clone of one image`,
      ...gone,
      host: { bootId, hostname: "host-b" },
      circumstances: trusted,
      is: "unknown other-machine",
      compared: [...boot, "machineId equal", "hostname different", ...rest]
    },
    ...["", "localhost", "ubuntu"].map((hostname): Given => ({
      name: `${name}, the host's name "${hostname}", which many have`,
      sentinel: inPlace({ hostname, directory: undefined }),
      seen: absent,
      host: { bootId, hostname },
      circumstances: trusted,
      is: "unknown machine-unknown",
      compared: [...boot, "machineId equal", "hostname unknown", ...rest]
    })),
    {
      name: `${name}, nothing known of the file system`,
      seen: absent,
      host: { bootId, virtualMachine: true },
      circumstances: { frame: { id: { dev: "1", ino: "10" } } },
      is: "unknown machine-unknown",
      compared: [...boot, ...onMachine, ...rest]
    }
  ]
}

table("the machine, where other kernels may have mounted the directory too", [
  {
    name: "all equal, on bare metal, the PID absent",
    ...gone,
    circumstances: onShared,
    is: "dead pid-dead",
    compared: [...sameMachine, "process different"]
  },
  {
    name: "scenario 99: on a file system of one kernel a virtual machine is no doubt",
    seen: absent,
    host: { virtualMachine: true },
    is: "dead pid-dead",
    compared: [...sameScope, "process different"]
  },
  ...([true, undefined] as const).flatMap((virtualMachine): ReadonlyArray<Given> => {
    const name = virtualMachine === true ? "in a virtual machine" : "in what may be a virtual machine"
    return [
      {
        name: `scenario 99: all equal, ${name}, the PID absent`,
        ...gone,
        host: { virtualMachine },
        circumstances: onShared,
        is: "unknown machine-unknown",
        compared: [...sameMachine, "process different"]
      },
      {
        name: `scenario 99: all equal, ${name}, an equal id of a living process`,
        sentinel: unbound,
        host: { virtualMachine },
        circumstances: onShared,
        is: "alive matches",
        compared: [...sameMachine, ...running, "processId64 equal"]
      },
      {
        name: `scenario 99: all equal, ${name}, a zombie of an equal id`,
        sentinel: unbound,
        seen: present({ state: "Z" }),
        host: { virtualMachine },
        circumstances: onShared,
        is: "unknown machine-unknown",
        compared: [...sameMachine, ...running]
      },
      {
        name: `all equal, ${name}, which is trusted, the PID absent`,
        ...gone,
        host: { virtualMachine },
        circumstances: trusted,
        is: "dead pid-dead",
        compared: [...sameMachine, "process different"]
      },
      {
        name: `all but the boot equal, ${name}`,
        ...nextBoot(unbound, virtualMachine, onShared),
        is: "unknown machine-unknown",
        compared: ["directory unknown", "bootId different", ...onMachine]
      }
    ]
  }),
  {
    name: "all but the boot equal, on bare metal",
    ...onMetal(initial, initial, onShared),
    is: "dead rebooted",
    compared: ["directory unknown", "bootId different", ...onMachine]
  },
  ...(
    [
      ["in a container", "pid:[1]", "pid:[1]"],
      ["by a sweep in a container", "pid:[1]", initial],
      ["by an owner in a container", initial, "pid:[1]"]
    ] as const
  ).flatMap(([where, reader, recorded]): ReadonlyArray<Given> => {
    const compared = ["directory unknown", "bootId different", ...onMachine, "pidNamespace unknown"]
    return [
      {
        name: `all but the boot equal, on bare metal, ${where}, whose machine id may be its image's`,
        ...onMetal(reader, recorded, onShared),
        is: "unknown machine-unknown",
        compared
      },
      {
        name: `all but the boot equal, on bare metal, ${where}, which is trusted`,
        ...onMetal(reader, recorded, trusted),
        is: "dead rebooted",
        compared
      }
    ]
  }),
  {
    name: "all but the boot equal, in a virtual machine that is trusted",
    ...nextBoot(unbound, true, trusted),
    is: "dead rebooted",
    compared: ["directory unknown", "bootId different", ...onMachine]
  },
  ...onEitherBoot("boot-a"),
  ...onEitherBoot("boot-b"),
  {
    name: "the boot unknown",
    ...gone,
    host: { bootId: undefined },
    circumstances: { ...trusted, search: { _tag: "Gone", by: "namespace" } },
    is: "unknown boot-unknown",
    compared: ["directory unknown", "bootId unknown"]
  },
  {
    name: "scenario 61: the boot unknown, a zombie of an equal id, which may be another kernel's",
    sentinel: unbound,
    seen: present({ state: "Z" }),
    host: { bootId: undefined },
    circumstances: onShared,
    is: "unknown boot-unknown",
    compared: ["directory unknown", "bootId unknown"]
  },
  {
    name: "scenario 103: two views of one directory by FUSE, its lock free",
    ...elsewhere,
    sentinel: inPlace({
      directory: {
        type: "fuse",
        id: { kind: "fsid", value: "0" },
        inode: "10",
        birth: "1700000000000000001",
        file: "100"
      },
      lock: own
    }),
    circumstances: {
      ...free,
      frame: frame({ fileSystem: { type: "fuse", id: { kind: "fsid", value: "0" }, oneKernel: false } })
    },
    is: "unknown other-pid-namespace",
    compared: ["lock not-applicable", ...noted, ...onMachine, "pidNamespace different"]
  },
  {
    name: "an overlay in one boot is of one kernel, the PID absent",
    sentinel: inPlace({ directory: onOverlay }),
    seen: absent,
    host: { virtualMachine: true, machineId: "machine-b" },
    circumstances: overlay,
    is: "dead pid-dead",
    compared: [...sameScope, "process different"]
  },
  {
    name: "an overlay in another boot isn't, in a virtual machine",
    ...nextBoot(inPlace({ directory: onOverlay }), true, overlay),
    is: "unknown machine-unknown",
    compared: ["directory equal", "bootId different", ...onMachine]
  },
  {
    name: "an overlay in another boot of the same machine",
    ...onMetal(initial, initial, overlay),
    sentinel: inPlace({ directory: onOverlay, pidNamespace: initial }),
    is: "dead rebooted",
    compared: ["directory equal", "bootId different", ...onMachine]
  },
  {
    name: "an overlay, the boot unknown, its lock free",
    ...elsewhere,
    sentinel: inPlace({ directory: onOverlay, lock: own }),
    host: { bootId: undefined },
    circumstances: { ...overlay, ...free },
    is: "unknown boot-unknown",
    compared: ["lock not-applicable", "directory equal", "bootId unknown"]
  }
])
