import { initialPidNamespace } from "../src/ProcessIdentity.ts"
import { inPlace, present } from "./support/fixtures.ts"
import {
  absent,
  byId,
  free,
  type Given,
  held,
  hidden,
  own,
  rebooted,
  rowsOf,
  running,
  stranger,
  table
} from "./support/verdicts.ts"

table("the boot, where one kernel alone can have mounted the directory", [
  {
    name: "equal: the machine isn't asked, however it differs",
    host: { machineId: "machine-b", hostname: "host-b" },
    is: "alive matches",
    compared: byId
  },
  {
    name: "scenario 7: different, the machine equal, PID, ticks and id equal now",
    host: { bootId: "boot-b" },
    is: "dead rebooted",
    compared: rebooted
  },
  {
    name: "different, before a hidden process",
    seen: hidden,
    host: { bootId: "boot-b" },
    is: "dead rebooted",
    compared: rebooted
  },
  {
    name: "different, before another PID namespace, and whatever the host's name",
    host: { bootId: "boot-b", pidNamespace: "pid:[2]", hostname: "host-b", virtualMachine: true },
    is: "dead rebooted",
    compared: rebooted
  },
  {
    name: "scenario 64: different, no machine id on either side",
    sentinel: inPlace({ machineId: undefined }),
    host: { bootId: "boot-b", machineId: undefined },
    is: "dead rebooted",
    compared: ["directory equal", "bootId different", "machineId unknown"]
  },
  {
    name: "scenario 64: different, no machine id recorded",
    sentinel: inPlace({ machineId: undefined }),
    host: { bootId: "boot-b" },
    is: "dead rebooted",
    compared: ["directory equal", "bootId different", "machineId unknown"]
  },
  {
    name: "scenario 64: different, no machine id now",
    host: { bootId: "boot-b", machineId: undefined },
    is: "dead rebooted",
    compared: ["directory equal", "bootId different", "machineId unknown"]
  },
  ...["boot-b", undefined].map((bootId) => ({
    name: `scenario 64: ${bootId ?? "unreadable"} now, and the machine id wasn't read for want of a resource`,
    sentinel: held,
    seen: absent,
    host: { bootId, machineId: undefined, machineIdProblem: "/etc/machine-id: EMFILE" },
    circumstances: free,
    is: "unknown machine-unknown",
    compared: [
      "lock not-applicable",
      "directory equal",
      `bootId ${bootId === undefined ? "unknown" : "different"}`,
      "machineId unknown"
    ]
  })),
  {
    name: "scenarios 9 and 64: different, the machine ids contradict, its lock free",
    sentinel: held,
    seen: absent,
    host: { bootId: "boot-b", machineId: "machine-b", pidNamespace: "pid:[2]" },
    circumstances: free,
    is: "unknown other-machine",
    compared: ["lock not-applicable", "directory equal", "bootId different", "machineId different"]
  },
  ...rowsOf(
    [
      ["unreadable now", { host: { bootId: undefined } }],
      ["covered now", { host: { bootId: undefined, bootIdProblem: "a file is mounted over it" } }],
      ["not recorded", { sentinel: inPlace({ bootId: undefined, lock: own }) }],
      ["unknown on both sides", { sentinel: inPlace({ bootId: undefined, lock: own }), host: { bootId: undefined } }]
    ],
    (name, { host: place, sentinel = held }) => {
      const machine = ["directory equal", "bootId unknown", "machineId equal"]
      const beside = [...machine, "pidNamespace equal", "firstProcess equal"]
      const away = { sentinel, seen: absent, host: { ...place, pidNamespace: "pid:[2]" } }
      return [
        {
          name: `scenario 8: ${name}, the PID absent in the same PID namespace`,
          sentinel,
          host: { ...place },
          seen: absent,
          is: "dead pid-dead",
          compared: [...beside, "process different"]
        },
        {
          name: `scenario 61: ${name}, the PID taken in the same PID namespace`,
          sentinel,
          host: { ...place },
          seen: stranger,
          is: "dead identity-mismatch",
          compared: [...beside, ...running, "processId64 different"]
        },
        {
          name: `scenario 61: ${name}, an equal id of a living process`,
          sentinel,
          host: { ...place, pidNamespace: "pid:[2]" },
          is: "alive matches",
          compared: [...machine, "pidNamespace different", ...running, "processId64 equal"]
        },
        {
          name: `scenario 61: ${name}, in another PID namespace`,
          ...away,
          is: "unknown boot-unknown",
          compared: [...machine, "pidNamespace different"]
        },
        {
          name: `${name}, in a PID namespace of the same number and another first process`,
          sentinel,
          host: { ...place, pidNamespaceInit: { startTime: "11", processId64: "101" } },
          seen: absent,
          is: "unknown boot-unknown",
          compared: [...machine, "pidNamespace equal", "firstProcess different"]
        },
        {
          name: `${name}, its lock free`,
          ...away,
          circumstances: free,
          is: "dead lock-free",
          compared: ["lock not-applicable", ...machine, "pidNamespace different"]
        },
        {
          name: `${name}, no process of the whole kernel has its id`,
          ...away,
          circumstances: { search: { _tag: "Gone", by: "processId64" } },
          is: "dead process-gone",
          compared: [...machine, "pidNamespace different", "search different"]
        },
        {
          name: `${name}, found in the whole kernel`,
          ...away,
          circumstances: { search: { _tag: "Found", observation: present() } },
          is: "alive matches",
          compared: [...machine, "pidNamespace different", ...running, "processId64 equal"]
        },
        {
          name: `scenario 64: ${name}, the machine ids contradict, the PID absent`,
          sentinel,
          host: { ...place, machineId: "machine-b" },
          seen: absent,
          is: "unknown other-machine",
          compared: [
            "directory equal",
            "bootId unknown",
            "machineId different",
            "pidNamespace equal",
            "firstProcess equal",
            "process different"
          ]
        },
        {
          name: `scenario 64: ${name}, the machine ids contradict, its lock free`,
          ...away,
          host: { ...away.host, machineId: "machine-b" },
          circumstances: free,
          is: "unknown other-machine",
          compared: [
            "lock not-applicable",
            "directory equal",
            "bootId unknown",
            "machineId different",
            "pidNamespace different"
          ]
        },
        {
          name: `scenario 111: ${name}, the machine id that of its container, and the whole kernel hasn't got it`,
          ...away,
          host: { ...away.host, machineId: "machine-b" },
          circumstances: { search: { _tag: "Gone", by: "namespace" } },
          is: "dead namespace-gone",
          compared: [
            "directory equal",
            "bootId unknown",
            "machineId different",
            "pidNamespace different",
            "search different"
          ]
        }
      ]
    }
  ),
  ...(["absent", "another process"] as const).map((name): Given => ({
    name: `the boot unknown, the initial PID namespace, whose number is enough, ${name}`,
    sentinel: inPlace({ pidNamespace: initialPidNamespace, pidNamespaceInit: undefined }),
    host: { bootId: undefined, pidNamespace: initialPidNamespace, pidNamespaceInit: undefined },
    seen: name === "absent" ? absent : stranger,
    is: name === "absent" ? "dead pid-dead" : "dead identity-mismatch",
    compared: [
      "directory equal",
      "bootId unknown",
      "machineId equal",
      "pidNamespace equal",
      ...(name === "absent" ? ["process different"] : [...running, "processId64 different"])
    ]
  }))
])
