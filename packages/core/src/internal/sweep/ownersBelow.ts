/**
 * Examines owners below the first level of a directory. Nothing is removed unless all these owners are provably gone.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { MayRemove } from "../../Reclaimer.ts"
import { type Judgement, reconsider } from "../../Condemned.ts"
import { isShortage } from "../../Errno.ts"
import { sameFile } from "../../FileId.ts"
import { type DirectoryState, nonceOf } from "../../DirectoryState.ts"
import type { OwnerBelow } from "../../JudgeInputs.ts"
import type { Part } from "../../Judgement.ts"
import type { Layout } from "../../Layout.ts"
import type { SentinelStore } from "../../SentinelStore.ts"

/** A judgement, and the inner sentinels that may be deleted together with the condemned directory. */
export interface Examined {
  readonly judgement: Judgement
  readonly mayRemove: MayRemove
}

type InnerFile = Parameters<MayRemove>[1]

/**
 * Whether a file is the one that was judged, and wasn't written to since. Other programs overwrite their sentinel in
 * place, so the file keeps its id.
 */
const isUnchanged = (judged: InnerFile, now: InnerFile): boolean =>
  sameFile(judged.id, now.id) && judged.size === now.size && judged.changedAt === now.changedAt

const nothingBelow = (): boolean => false

const isDead = ({ judged }: Part): boolean => Result.isSuccess(judged) && judged.success.verdict === "dead"

/**
 * Makes the function that judges the inner directories of a condemned directory. The function stops at the first owner
 * that isn't provably gone. `judge` judges one directory. `permit`: makes the caller's unreadable directories readable.
 */
export const make = (
  store: SentinelStore["Service"],
  layout: Layout,
  judge: (state: DirectoryState) => Effect.Effect<Judgement>,
  permit: boolean
): ((judgement: Judgement) => Effect.Effect<Examined>) => {
  const examineBelow = Effect.fnUntraced(function* (judgement: Judgement) {
    const { path: top } = judgement.state
    // An operator's word is about the directory itself, and a copy of a living owner's record may lie there.
    const isWord = judgement.reason === "assumed-dead"
    const gone = judgement.parts.filter((part) => !isWord || isDead(part))
    const judgedNonces = new Set(gone.map(({ subject }) => nonceOf(subject)))
    const known = new Map<string, InnerFile>()

    /** Judges one inner directory. `undefined`: each of its owners is provably gone. */
    const ownerIn = (state: DirectoryState): Effect.Effect<OwnerBelow | undefined> => {
      const path = state.path.slice(top.length + 1)
      // A record with the nonce of a record of a gone owner is a copy of that record, and isn't judged again.
      const others = state.sentinels.filter((file) => {
        const nonce = nonceOf(file)
        return nonce === undefined || !judgedNonces.has(nonce)
      })
      const remember = () => {
        for (const { changedAt, entry, id, size } of state.sentinels)
          known.set(`${path}/${entry}`, { id, size, changedAt })
        return undefined
      }
      // A crowded directory has sentinels or other entries that weren't read.
      if (others.length > 0 || state.foreign.length > 0 || state.crowded !== undefined) {
        return Effect.map(judge({ ...state, sentinels: others }), ({ condemned, reason, verdict }) =>
          condemned === undefined && verdict !== "none" ? { path, verdict, reason } : remember()
        )
      }
      return Effect.sync(remember)
    }

    const owner = yield* store.ownersBelow(judgement.state, layout, { permit }).pipe(
      Stream.mapEffect(ownerIn),
      Stream.filter((found) => found !== undefined),
      Stream.runHead,
      Effect.map((head) => (head._tag === "Some" ? head.value : undefined)),
      Effect.catch((error) => {
        const { path = top } = error
        const isShort = error._tag === "StoreFailure" && error.errno !== undefined && isShortage(error.errno)
        return Effect.succeed<OwnerBelow>({
          path: path.slice(top.length + 1) || ".",
          verdict: "unknown",
          reason: "unreadable",
          ...(isShort ? { shortage: error } : {})
        })
      })
    )
    const mayRemove: MayRemove = (relative, file) => {
      const judged = known.get(relative)
      return judged !== undefined && isUnchanged(judged, file)
    }
    return { judgement: owner === undefined ? judgement : reconsider(judgement, { below: owner }), mayRemove }
  })

  return (judgement) =>
    judgement.condemned === undefined || judgement.state.subdirectories === "none"
      ? Effect.succeed({ judgement, mayRemove: nothingBelow })
      : examineBelow(judgement)
}
