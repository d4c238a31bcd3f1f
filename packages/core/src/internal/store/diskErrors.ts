import * as Effect from "effect/Effect"
import type { DiskError } from "../../DiskModel.ts"
import { isRefusal } from "../../Errno.ts"
import { NotFound, type Operation, PermissionDenied, StoreFailure } from "../../Errors.ts"

const isMissing = (error: DiskError): boolean => error.errno === "ENOENT" || error.errno === "ENOTDIR"
const isDenied = (error: DiskError): boolean => isRefusal(error.errno)

const failure = (operation: Operation, error: DiskError): StoreFailure =>
  new StoreFailure({ operation, path: error.path, errno: error.errno, cause: error })

/** The error of a call on a path that may be missing. ENOENT and ENOTDIR become `NotFound`. */
export const toLookError = (operation: Operation, error: DiskError): NotFound | PermissionDenied | StoreFailure => {
  if (isMissing(error)) {
    return new NotFound({
      operation,
      path: error.path,
      kind: error.errno === "ENOTDIR" ? "not-a-directory" : "missing"
    })
  }
  return toStoreError(operation, error)
}

/** The error of a call on a path that exists unless another process interferes. ENOENT becomes a `StoreFailure`. */
export const toStoreError = (operation: Operation, error: DiskError): PermissionDenied | StoreFailure =>
  isDenied(error)
    ? new PermissionDenied({ operation, path: error.path, errno: error.errno })
    : failure(operation, error)

/** `undefined`: the error is mapped like those of other errnos. */
type Specific<E> = { readonly [errno: string]: (error: DiskError) => E | undefined }

/** Maps the errnos in `specific` by their own functions, and every other errno by {@link toLookError}. */
export const mapLookError =
  <E = never>(operation: Operation, specific: Specific<E> = {}) =>
  <A, R>(effect: Effect.Effect<A, DiskError, R>) =>
    Effect.mapError(effect, (error) => specific[error.errno]?.(error) ?? toLookError(operation, error))

/** Maps the errnos in `specific` by their own functions, and every other errno by {@link toStoreError}. */
export const mapStoreError =
  <E = never>(operation: Operation, specific: Specific<E> = {}) =>
  <A, R>(effect: Effect.Effect<A, DiskError, R>) =>
    Effect.mapError(effect, (error) => specific[error.errno]?.(error) ?? toStoreError(operation, error))

/**
 * Whether a call failed because `path` names another file now. A network file system also reports ESTALE of an entry
 * below the path.
 */
export const isReplaced = ({ errno, path }: DiskError, at: string): boolean => errno === "ESTALE" && path === at
