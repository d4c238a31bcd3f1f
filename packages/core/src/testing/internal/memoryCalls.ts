/** Makes the calls of one process. Counts and logs each call, and injects failures, kills and other effects. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { DiskError } from "../../Disk.ts"
import type { FileId } from "../../FileId.ts"
import { type Call, isMutation, type Operation } from "../MemoryDiskModel.ts"
import { type Caller, Refusal, type User } from "./memoryInode.ts"

/** Defect with which each call of a killed process dies. */
export class Killed extends Error {
  override readonly message = "the process was killed"
}

/** Thrown if a call waits for a file system that doesn't answer. */
export class Hung extends Error {
  override readonly message = "the file system doesn't answer"
}

interface Hook {
  readonly matches: (call: Call) => boolean
  readonly run: Effect.Effect<unknown>
}

/** An open file description of a directory. It is open while a living process among `holders` hasn't closed it. */
export interface Description extends User {
  readonly opener: Process
  readonly holders: Set<Process>
  mode: "shared" | "exclusive" | undefined
}

export interface Process {
  uid: number | undefined
  homes: ReadonlyArray<string>
  homeIds: ReadonlyArray<FileId>
  isKilled: boolean
  /** Open file descriptions that the process has a descriptor of. */
  readonly descriptions: Set<Description>
  readonly calls: Array<Call>
  mutations: number
  hooks: ReadonlyArray<Hook>
  pause: Effect.Effect<unknown>
  failures: ReadonlyArray<{ readonly operation: Operation; readonly errno: string }>
  readonly failAt: Map<number, string>
  killAt: { readonly mutation: number; readonly when: "before" | "after" } | undefined
}

type Principal = Pick<Process, "uid" | "homes" | "homeIds">

export const makeProcess = ({ homeIds, homes, uid }: Principal): Process => ({
  uid,
  homes,
  homeIds,
  isKilled: false,
  descriptions: new Set(),
  calls: [],
  mutations: 0,
  hooks: [],
  pause: Effect.void,
  failures: [],
  failAt: new Map(),
  killAt: undefined
})

const kill = (process: Process): Effect.Effect<never> =>
  Effect.suspend(() => {
    process.isKilled = true
    return Effect.die(new Killed())
  })

const takeFailure = (process: Process, { operation }: Call, isMutating: boolean): string | undefined => {
  const byNumber = isMutating ? process.failAt.get(process.mutations) : undefined
  if (byNumber !== undefined) return byNumber
  const next = process.failures.find((failure) => failure.operation === operation)
  process.failures = process.failures.filter((failure) => failure !== next)
  return next?.errno
}

/** Makes one call. `body` changes the volume synchronously, or throws a {@link Refusal}. */
export const perform = Effect.fnUntraced(function* <A>(
  process: Process,
  call: Call,
  body: (caller: Caller) => A
): Effect.fn.Return<A, DiskError> {
  const { operation, path } = call
  yield* process.pause
  const hook = process.hooks.find(({ matches }) => matches(call))
  if (hook !== undefined) {
    process.hooks = process.hooks.filter((other) => other !== hook)
    yield* hook.run
  }
  if (process.isKilled) return yield* kill(process)
  const now = yield* Clock.currentTimeMillis
  const isMutating = isMutation(call)
  if (isMutating) process.mutations += 1
  const isLast = isMutating && process.killAt?.mutation === process.mutations
  if (isLast && process.killAt?.when === "before") return yield* kill(process)
  process.calls.push(call)
  const failed = (errno: string) => new DiskError({ errno, operation, path: call.to ?? path })
  const errno = takeFailure(process, call, isMutating)
  if (errno !== undefined) return yield* failed(errno)
  const result = yield* Effect.try({
    try: () => body({ uid: process.uid ?? 0, now }),
    catch: (cause) => (cause instanceof Refusal ? failed(cause.errno) : cause)
  }).pipe(
    Effect.catchIf(
      (error): error is Hung => error instanceof Hung,
      () => Effect.never
    ),
    Effect.catchIf((error): error is Exclude<typeof error, DiskError> => !(error instanceof DiskError), Effect.die)
  )
  if (isLast) return yield* kill(process)
  return result
})
