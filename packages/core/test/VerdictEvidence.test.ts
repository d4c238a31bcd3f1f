import { assert, describe, it } from "@effect/vitest"
import type { Present } from "../src/Observation.ts"
import type { RecordV3 } from "../src/Sentinel.ts"
import { circumstances, host, inPlace, present, rows, v2, v3, writtenAt } from "./support/fixtures.ts"
import { judge } from "./support/judging.ts"
import { absent, elsewhere, free, onShared, own, proof, type Rest, unbound } from "./support/verdicts.ts"

describe("scenario 58: the evidence of frames", () => {
  const evidence = (given: Rest) =>
    judge(given.sentinel ?? inPlace(), given.seen ?? undefined, host(given.host), circumstances(given.circumstances))
      .evidence

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
