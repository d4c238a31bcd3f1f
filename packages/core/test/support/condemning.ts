import { Effect, Result } from "effect"
import * as Condemned from "../../src/Condemned.ts"
import type { DirectoryState } from "../../src/DirectoryState.ts"
import type { Kind } from "../../src/JudgeInputs.ts"
import type { Judgement } from "../../src/Condemned.ts"
import * as Layout from "../../src/Layout.ts"
import type { Pid } from "../../src/ProcessIdentity.ts"
import * as Sentinel from "../../src/Sentinel.ts"
import type { SentinelStore } from "../../src/SentinelStore.ts"
import { host, v3 } from "./fixtures.ts"

/** A frame on a file system of one kernel, for a Disk that can't identify file systems. */
const local = ({ frame }: DirectoryState) =>
  frame.fileSystem === undefined ? { fileSystem: { type: "ext4", oneKernel: true } } : {}

/** Judges a directory whose owners are all absent or, with `alive`, all present. */
export const judge = (state: DirectoryState, kind: Kind = { _tag: "Directory" }, alive = false): Judgement =>
  Condemned.judge({
    state: { ...state, frame: { ...state.frame, ...local(state) } },
    kind,
    host: host(),
    knowledge: { legacy: "trust", lock: "self", shared: "keep" },
    observed: state.sentinels.map(({ content }) => {
      if (Result.isFailure(content)) return {}
      const { pid } = content.success
      return { process: alive ? { _tag: "Present", pid, tgid: pid } : { _tag: "Absent", pid } }
    })
  })

/** The right to remove a directory, judged as if every process in its sentinels were absent. A defect if not dead. */
export const condemned = (state: DirectoryState, kind?: Kind) =>
  Effect.suspend(() => {
    const judgement = judge(state, kind)
    return judgement.condemned === undefined
      ? Effect.die(new Error(`not dead: ${judgement.reason}`))
      : Effect.succeed(judgement.condemned)
  })

export const condemnedAt = (store: SentinelStore["Service"], path: string, kind?: Kind) =>
  Effect.flatMap(Effect.orDie(store.look(path, Layout.standard)), (state) => condemned(state, kind))

let sentinels = 0

/** A v3 sentinel with a nonce of its own. */
export const fresh = (pid?: Pid): Sentinel.SentinelV3 => {
  sentinels += 1
  const sentinel = v3({ nonce: `nonce-${`${sentinels}`.padStart(8, "0")}` })
  return pid === undefined ? sentinel : { ...sentinel, pid }
}

export const textOf = (sentinel: Sentinel.Sentinel): string =>
  new TextDecoder().decode(Result.getOrThrow(Sentinel.encode(sentinel)))
