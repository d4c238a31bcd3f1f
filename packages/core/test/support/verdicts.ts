import { assert, describe, it } from "@effect/vitest"
import type { Observation, Unavailable } from "../../src/Observation.ts"
import type { NamespaceProof } from "../../src/PidNamespaces.ts"
import type { RecordV3, Sentinel } from "../../src/Sentinel.ts"
import type { Verdict } from "../../src/Evidence.ts"
import type { Case } from "./arbitraries.ts"
import { circumstances, frame, host, inPlace, pid, present, rows, sharedFrame, writtenAt } from "./fixtures.ts"
import { answer, judge } from "./judging.ts"

/** One judgement and its expected result. Default: {@link inPlace}, judged on its own host and in its own directory. */
export interface Given {
  readonly name: string
  readonly sentinel?: Sentinel
  /** `null`: the process wasn't observed. Default: {@link present}. */
  readonly seen?: Observation | null
  readonly host?: Parameters<typeof host>[0]
  readonly circumstances?: Parameters<typeof circumstances>[0]
  /** `<verdict> <reason>` */
  readonly is: string
  /** All data that were compared, in order. */
  readonly compared: ReadonlyArray<string>
}

export type Rest = Omit<Given, "name" | "is" | "compared">

export const row = (given: Rest, rest: Given): Given => ({ ...given, ...rest })

/** The rows of all cases in one list. `each` may make several rows from one case. */
export const rowsOf = (
  cases: ReadonlyArray<readonly [name: string, given: Rest]>,
  each: (name: string, given: Rest) => ReadonlyArray<Given>
): ReadonlyArray<Given> => cases.flatMap(([name, given]) => each(name, given))

/** Judges a drawn case. */
export const judgeCase = ({ around, host, seen, sentinel }: Case): Verdict => judge(sentinel, seen, host, around)

const verdictOf = (given: Given) =>
  judge(
    given.sentinel ?? inPlace(),
    given.seen === null ? undefined : (given.seen ?? present()),
    host(given.host),
    circumstances(given.circumstances)
  )

export const table = (title: string, given: ReadonlyArray<Given>) =>
  describe(title, () => {
    for (const row of given) {
      it(`${row.name} → ${row.is}`, () => {
        const verdict = verdictOf(row)
        assert.strictEqual(answer(verdict), row.is)
        assert.deepStrictEqual(rows(verdict.evidence), row.compared)
      })
    }
  })

export const absent: Observation = { _tag: "Absent", pid }
export const hidden: Observation = { _tag: "Hidden", pid, detail: "stat: ENOENT, kill: EPERM" }
export const unavailable = (reason: Unavailable["reason"]): Observation => ({
  _tag: "Unavailable",
  pid,
  reason,
  detail: reason
})

export const sameBoot = ["directory equal", "bootId equal"]
export const sameScope = [...sameBoot, "pidNamespace equal", "firstProcess equal"]
export const otherScope = [...sameBoot, "pidNamespace different"]
export const noScope = [...sameBoot, "pidNamespace unknown"]
export const running = ["process equal", "tgid equal", "state not-applicable"]
export const byId = [...sameScope, ...running, "processId64 equal"]
export const byStart = [...sameScope, ...running, "processId64 unknown", "timeOffset equal"]

export const noId: Partial<Record<"processId64", undefined>> = { processId64: undefined }

export const own: RecordV3["lock"] = { kind: "flock", tested: true, holder: "self" }
export const held = inPlace({ lock: own })
export const free = { lockState: "free" } as const
export const stranger = present({ processId64: "7", startTime: "2000" })

/** A process that runs this executable and started 1 minute after the record was written. */
export const younger = (path: string, changes: Parameters<typeof present>[0] = {}) =>
  present({ exe: { path }, startedAt: writtenAt + 60_000, ...changes })

export const overlay = {
  frame: frame({ inode: undefined, fileSystem: { type: "overlay", id: { kind: "fsid", value: "a" }, oneKernel: true } })
}
export const onOverlay: RecordV3["directory"] = {
  type: "overlay",
  id: { kind: "fsid", value: "a" },
  birth: "1700000000000000001"
}

export const onMachine = ["machineId equal", "hostname equal", "virtualMachine not-applicable"]
export const elsewhere = { host: { pidNamespace: "pid:[2]" }, seen: absent } as const

export const onShared = { frame: sharedFrame }
export const unbound = inPlace({ directory: { type: "nfs", inode: "10", file: "100" } })
export const noted = ["directory unknown", "bootId equal"]

export const rebooted = ["directory equal", "bootId different", "machineId equal"]

export const proof = (search: NamespaceProof, sentinel = inPlace()): Rest => ({
  sentinel,
  host: { pidNamespace: "pid:[2]" },
  circumstances: { search }
})
export const found = (observation: Parameters<typeof present>[0]): NamespaceProof => ({
  _tag: "Found",
  observation: present(observation)
})
