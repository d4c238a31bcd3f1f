import { assert, describe, it } from "@effect/vitest"
import type { Present } from "../src/Observation.ts"
import type { RecordV3 } from "../src/Sentinel.ts"
import { circumstances, host, inPlace, present, rows, v2, v3, writtenAt } from "./support/fixtures.ts"
import { judge } from "./support/judging.ts"
import {
  absent,
  elsewhere,
  free,
  hidden,
  noId,
  onShared,
  own,
  proof,
  type Rest,
  unavailable,
  unbound,
  younger
} from "./support/verdicts.ts"

describe("scenario 58: the evidence", () => {
  const evidence = (given: Rest) =>
    judge(given.sentinel ?? inPlace(), given.seen ?? undefined, host(given.host), circumstances(given.circumstances))
      .evidence

  it("shows both values of all that was compared", () => {
    const seen = present({ processId64: undefined, startTime: "2000", comm: "bash" })
    const place = "ext4, uuid 5eed, inode 10, birth 1700000000000000001, file 100"
    assert.deepStrictEqual(evidence({ seen }), {
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

  it("shows what the kernel answered", () => {
    assert.deepStrictEqual(evidence({ seen: hidden }).process, {
      recorded: "4242",
      observed: "stat: ENOENT, kill: EPERM",
      result: "unknown"
    })
    assert.deepStrictEqual(evidence({ seen: unavailable("resources") }).process?.observed, "resources")
    assert.deepStrictEqual(evidence({ seen: absent }).process?.observed, "absent")
    assert.deepStrictEqual(evidence({}).process, { recorded: "4242", result: "unknown" })
    const refused = present({ exe: undefined, exeError: "permission-denied" })
    assert.deepStrictEqual(evidence({ sentinel: v2(), seen: refused }).executable, {
      recorded: "/usr/bin/node",
      observed: "permission-denied",
      result: "unknown"
    })
  })

  it("shows the executables and times of a v2 record", () => {
    const { executable, startedAt } = evidence({ sentinel: v2(), seen: younger("/usr/bin/other") })
    assert.deepStrictEqual(executable, { recorded: "/usr/bin/node", observed: "/usr/bin/other", result: "different" })
    assert.deepStrictEqual(startedAt, {
      recorded: "2024-01-01T00:00:00.000Z",
      observed: "2024-01-01T00:01:00.000Z",
      result: "different"
    })
  })

  it("shows start tokens that couldn't be compared, so that a person sees both", () => {
    assert.deepStrictEqual(
      evidence({ sentinel: inPlace(noId), seen: present(), host: { timeOffset: undefined } }).startTime,
      {
        recorded: "1000",
        observed: "1000",
        result: "unknown"
      }
    )
  })

  it("shows both directories", () => {
    assert.deepStrictEqual(
      evidence({ seen: absent, circumstances: { file: "101", assumeMoved: "new disk" } }).directory,
      {
        recorded: "ext4, uuid 5eed, inode 10, birth 1700000000000000001, file 100",
        observed: "ext4, uuid 5eed, inode 10, birth 1700000000000000001, file 101",
        result: "different"
      }
    )
    assert.deepStrictEqual(
      evidence({ sentinel: v3(), circumstances: { frame: { id: { dev: "1", ino: "1" } } } }).directory,
      {
        result: "unknown"
      }
    )
    assert.deepStrictEqual(evidence({ circumstances: { file: "101", assumeMoved: "new disk" } }).moved, {
      recorded: "other-directory",
      observed: "new disk",
      result: "not-applicable"
    })
  })

  it("shows both boots and machines", () => {
    assert.deepStrictEqual(evidence({ host: { bootId: "boot-b", machineId: "machine-b" } }).machineId, {
      recorded: "machine-a",
      observed: "machine-b",
      result: "different"
    })
    assert.deepStrictEqual(
      evidence({ host: { bootId: undefined, bootIdProblem: "a file is mounted over it" } }).bootId,
      {
        recorded: "boot-a",
        observed: "a file is mounted over it",
        result: "unknown"
      }
    )
    const shared = { sentinel: inPlace({ hostname: "ubuntu" }), circumstances: onShared }
    assert.deepStrictEqual(evidence({ ...shared, host: { hostname: "ubuntu" } }).hostname, {
      recorded: "ubuntu",
      observed: "ubuntu",
      result: "unknown"
    })
  })

  it("shows whether the machine is virtual, and the operator's word", () => {
    const shown = (virtualMachine: boolean | undefined, shared: "trust" | "keep") =>
      evidence({ sentinel: unbound, host: { virtualMachine }, circumstances: { ...onShared, shared } }).virtualMachine
    const result = "not-applicable"
    assert.deepStrictEqual(shown(false, "trust"), { observed: "no", result })
    assert.deepStrictEqual(shown(true, "keep"), { observed: "yes", result })
    assert.deepStrictEqual(shown(undefined, "keep"), { observed: "not known", result })
    assert.deepStrictEqual(shown(true, "trust"), { recorded: "trusted", observed: "yes", result })
  })

  it("shows the lock that is claimed, and how it was found", () => {
    const shown = (lock: RecordV3["lock"]) => evidence({ sentinel: inPlace({ lock }), circumstances: free }).lock
    const result = "not-applicable"
    assert.deepStrictEqual(shown(undefined), { observed: "free", result })
    assert.deepStrictEqual(shown(own), { recorded: "flock of its own, tested", observed: "free", result })
    assert.deepStrictEqual(shown({ kind: "flock", tested: false, holder: "inherited" }), {
      recorded: "flock that it inherited, not tested",
      observed: "free",
      result
    })
    const word = {
      ...elsewhere,
      sentinel: inPlace({ lock: { kind: "flock", tested: true, holder: "inherited" } })
    } as const
    assert.deepStrictEqual(evidence({ ...word, circumstances: { ...free, lock: "inherited" } }).lockHolder, {
      recorded: "inherited",
      observed: "inherited",
      result
    })
  })

  it("shows both first processes, and what a search says", () => {
    assert.deepStrictEqual(evidence({ host: { pidNamespaceInit: { startTime: "11" } } }).firstProcess, {
      recorded: "start 10, id 100",
      observed: "start 11",
      result: "different"
    })
    assert.deepStrictEqual(evidence(proof({ _tag: "Gone", by: "namespace" })).search, {
      recorded: "pid:[1]",
      observed: "no process of this kernel",
      result: "different"
    })
  })

  it("shows when this boot began, of a v2 record that is older", () => {
    const seen: Present = present({ exe: { path: "/bin/x" }, bootedAt: writtenAt + 1000 })
    assert.deepStrictEqual(evidence({ sentinel: v2(), seen }).bootedAt, {
      recorded: "2024-01-01T00:00:00.000Z",
      observed: "2024-01-01T00:00:01.000Z",
      result: "different"
    })
  })

  it("has a row for each step, in order", () => {
    const given = {
      sentinel: inPlace({ lock: own }),
      seen: absent,
      circumstances: { ...free, file: "101", assumeMoved: "x" }
    }
    assert.deepStrictEqual(rows(evidence(given)), [
      "lock not-applicable",
      "directory different",
      "moved not-applicable",
      "bootId equal",
      "pidNamespace equal",
      "firstProcess equal",
      "process different"
    ])
  })
})
