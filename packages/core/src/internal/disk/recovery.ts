/** Recovers from errors of a Disk by their errno. */
import * as Effect from "effect/Effect"
import type { DiskError } from "../../DiskModel.ts"
import { isRefusal } from "../../Errno.ts"

/** Recovers from the errnos in `errnos`. */
export const onErrno =
  <B>(errnos: ReadonlyArray<string>, recover: (error: DiskError) => Effect.Effect<B, DiskError>) =>
  <A, R>(effect: Effect.Effect<A, DiskError, R>): Effect.Effect<A | B, DiskError, R> =>
    Effect.catchIf(effect, (error) => errnos.includes(error.errno), recover)

/**
 * Succeeds if a call that failed has been carried out. The client of a network file system that gets no answer repeats
 * the call, which then fails because of the first one: a link with EEXIST, a rename with ENOENT.
 */
export const unlessDone =
  (isDone: Effect.Effect<boolean, DiskError>) =>
  <R>(call: Effect.Effect<void, DiskError, R>): Effect.Effect<void, DiskError, R> =>
    Effect.catch(call, (error) =>
      Effect.flatMap(
        Effect.orElseSucceed(isDone, () => false),
        (done) => (done ? Effect.void : Effect.fail(error))
      )
    )

/**
 * Repeats a call once if it was refused and making `paths` writable changes one of them. The mode of a directory of the
 * calling user may have caused the refusal.
 */
export const permitted =
  (disk: { readonly permit: (path: string) => Effect.Effect<boolean, DiskError> }, paths: ReadonlyArray<string>) =>
  <A, R>(call: Effect.Effect<A, DiskError, R>): Effect.Effect<A, DiskError, R> =>
    Effect.catchIf(
      call,
      ({ errno }) => isRefusal(errno),
      (error) =>
        Effect.flatMap(
          Effect.forEach(paths, (path) => Effect.orElseSucceed(disk.permit(path), () => false)),
          (changed) => (changed.includes(true) ? call : Effect.fail(error))
        )
    )
