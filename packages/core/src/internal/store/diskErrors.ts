import * as Effect from "effect/Effect"
import type { Disk } from "../../Disk.ts"
import type { DiskError } from "../../DiskModel.ts"
import { isRefusal } from "../../Errno.ts"
import { parentOf, splitAscent } from "../paths.ts"
import { NotFound, PermissionDenied, StoreFailure } from "../../Errors.ts"

const isMissing = (error: DiskError): boolean => error.errno === "ENOENT" || error.errno === "ENOTDIR"
const isDenied = (error: DiskError): boolean => isRefusal(error.errno)

const failure = (operation: string, error: DiskError): StoreFailure =>
  new StoreFailure({ operation, path: error.path, errno: error.errno, cause: error })

/** The error of a call on a path that may be missing. ENOENT and ENOTDIR become `NotFound`. */
export const toLookError = (operation: string, error: DiskError): NotFound | PermissionDenied | StoreFailure => {
  if (isMissing(error)) return new NotFound({ operation, path: error.path })
  return toStoreError(operation, error)
}

/** The error of a call on a path that exists unless another process interferes. ENOENT becomes a `StoreFailure`. */
export const toStoreError = (operation: string, error: DiskError): PermissionDenied | StoreFailure =>
  isDenied(error)
    ? new PermissionDenied({ operation, path: error.path, errno: error.errno })
    : failure(operation, error)

/** `undefined`: the error is mapped like those of other errnos. */
type Specific<E> = { readonly [errno: string]: (error: DiskError) => E | undefined }

/** Maps the errnos in `specific` by their own functions, and every other errno by {@link toLookError}. */
export const mapLookError =
  <E = never>(operation: string, specific: Specific<E> = {}) =>
  <A, R>(effect: Effect.Effect<A, DiskError, R>) =>
    Effect.mapError(effect, (error) => specific[error.errno]?.(error) ?? toLookError(operation, error))

/** Maps the errnos in `specific` by their own functions, and every other errno by {@link toStoreError}. */
export const mapStoreError =
  <E = never>(operation: string, specific: Specific<E> = {}) =>
  <A, R>(effect: Effect.Effect<A, DiskError, R>) =>
    Effect.mapError(effect, (error) => specific[error.errno]?.(error) ?? toStoreError(operation, error))

/**
 * Repeats a call once if it was refused and making `paths` writable changes one of them. The mode of a directory of the
 * calling user may have caused the refusal.
 */
export const permitted =
  (disk: { readonly permit: (path: string) => Effect.Effect<boolean, DiskError> }, paths: ReadonlyArray<string>) =>
  <A, R>(call: Effect.Effect<A, DiskError, R>): Effect.Effect<A, DiskError, R> =>
    Effect.catchIf(call, isDenied, (error) =>
      Effect.flatMap(
        Effect.forEach(paths, (path) => Effect.orElseSucceed(disk.permit(path), () => false)),
        (changed) => (changed.includes(true) ? call : Effect.fail(error))
      )
    )

/**
 * Makes a path absolute. `LINK/..` is the directory above the target of the link, as for the kernel. `resolve` would take
 * it for the directory of the link.
 */
export const absolute = (
  disk: Pick<Disk["Service"], "realPath" | "resolve">,
  path: string
): Effect.Effect<string, NotFound | PermissionDenied | StoreFailure> => {
  const resolve = (path: string) => mapStoreError("read working directory")(disk.resolve(path))
  const ascent = splitAscent(path)
  if (ascent === undefined) return resolve(path)
  const { below, rest } = ascent
  // The path of the working directory has no symbolic link.
  if (below === "") return resolve(path)
  return absolute(disk, below).pipe(
    Effect.flatMap((below) => mapLookError("resolve")(disk.realPath(below))),
    Effect.flatMap((real) => resolve(`${parentOf(real)}/${rest}`))
  )
}

/**
 * Whether a call failed because `path` names another file now. A network file system also reports ESTALE of an entry
 * below the path.
 */
export const isReplaced = ({ errno, path }: DiskError, at: string): boolean => errno === "ESTALE" && path === at

/** Recovers from the errnos in `errnos`. */
export const onErrno =
  <B>(errnos: ReadonlyArray<string>, recover: (error: DiskError) => Effect.Effect<B, DiskError>) =>
  <A, R>(effect: Effect.Effect<A, DiskError, R>): Effect.Effect<A | B, DiskError, R> =>
    Effect.catchIf(effect, (error) => errnos.includes(error.errno), recover)
