import type { Knowledge, Observed, OwnerInputs, Reader } from "../../src/JudgeInputs.ts"
import type { Observation } from "../../src/Observation.ts"
import type { HostIdentity } from "../../src/ProcessIdentity.ts"
import type { Sentinel } from "../../src/Sentinel.ts"
import type * as Evidence from "../../src/Evidence.ts"
import * as Verdict from "../../src/Verdict.ts"

/** All inputs of a judgement except for the record, the process and the host, in one object that a test can vary. */
export interface Circumstances
  extends
    Omit<Knowledge, "assumeDead">,
    Omit<OwnerInputs, "observed">,
    Omit<Observed, "process">,
    Pick<Reader, "frame"> {}

export const split = (
  { assumeMoved, frame, legacy, lock, lockState, search, shared, ...file }: Circumstances,
  process: Observation | undefined,
  host: HostIdentity
): readonly [OwnerInputs, Reader] => [
  {
    ...file,
    observed: {
      ...(lockState === undefined ? {} : { lockState }),
      ...(process === undefined ? {} : { process }),
      ...(search === undefined ? {} : { search })
    }
  },
  { host, frame, knowledge: { legacy, lock, shared, ...(assumeMoved === undefined ? {} : { assumeMoved }) } }
]

export const judge = (
  sentinel: Sentinel,
  process: Observation | undefined,
  host: HostIdentity,
  circumstances: Circumstances
): Evidence.Verdict => Verdict.judge(sentinel, ...split(circumstances, process, host))

export const needed = (sentinel: Sentinel, host: HostIdentity, circumstances: Circumstances): Verdict.Needed =>
  Verdict.needed(sentinel, ...split(circumstances, undefined, host))

/** Verdict and reason: `dead pid-dead`. */
export const answer = ({ reason, verdict }: Evidence.Verdict): string => `${verdict} ${reason}`
