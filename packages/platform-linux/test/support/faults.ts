/**
 * Observes every call of this process that changes the file system, in order. Patches `node:fs` and the native calls
 * that bypass it. `syncBuiltinESMExports` passes the patch to modules that imported `node:fs` before.
 */
import { syncBuiltinESMExports } from "node:module"
import { libc } from "../../src/internal/libc.ts"

export type Moment = "before" | "after"

export interface Change {
  readonly call: string
  /** The path, or the number of the descriptor, that the call changes. */
  readonly subject: string
}

export type Observer = (moment: Moment, change: Change) => void

const fs = process.getBuiltinModule("node:fs")
const { O_CREAT, O_TRUNC } = fs.constants

const isCreation = (flags: unknown): boolean => typeof flags === "number" && (flags & (O_CREAT | O_TRUNC)) !== 0

let observer: Observer = () => {}

const text = (subject: unknown): string => (Buffer.isBuffer(subject) ? subject.toString("latin1") : String(subject))

const watch =
  <A extends ReadonlyArray<unknown>, B>(
    call: string,
    real: (...args: A) => B,
    changes: (...args: A) => boolean,
    subject = 0
  ) =>
  (...args: A): B => {
    if (!changes(...args)) return real(...args)
    const change = { call, subject: text(args[subject]) }
    observer("before", change)
    const result = real(...args)
    observer("after", change)
    return result
  }

const always = () => true

/** Node's types have an overload for each kind of argument, which a patch doesn't need. */
type Call = (...args: ReadonlyArray<unknown>) => unknown
const isCall = (value: unknown): value is Call => typeof value === "function"

const patch = (name: keyof typeof fs, changes: Call = always): void => {
  const real = fs[name]
  if (!isCall(real)) throw new Error(`node:fs has no ${name}`)
  Object.defineProperty(fs, name, { value: watch(name, real, (...args) => changes(...args) === true) })
}

/** Patches a call whose last argument is a callback. */
const patchAsync = (name: keyof typeof fs): void => {
  const real = fs[name]
  if (!isCall(real)) throw new Error(`node:fs has no ${name}`)
  const value: Call = (...args) => {
    const change = { call: name, subject: text(args[0]) }
    const done = args.at(-1)
    observer("before", change)
    return real(...args.slice(0, -1), (cause: unknown) => {
      if (cause === null) observer("after", change)
      if (isCall(done)) done(cause)
    })
  }
  Object.defineProperty(fs, name, { value })
}

let isInstalled = false

/** Calls the observer right before and right after each change. A call that fails has no `after`. */
export const observe = (next: Observer): void => {
  observer = next
  if (isInstalled) return
  isInstalled = true
  for (const name of ["renameSync", "unlinkSync", "rmdirSync", "mkdirSync", "linkSync", "writeSync"] as const) {
    patch(name)
  }
  patchAsync("fsync")
  patch("openSync", (_, flags) => isCreation(flags))
  syncBuiltinESMExports()
  const native = libc()
  if (native === undefined) return
  const { at, renameNoReplace } = native
  Object.defineProperty(native, "renameNoReplace", { value: watch("renameat2", renameNoReplace, always) })
  if (at === undefined) return
  Object.defineProperty(at, "unlink", { value: watch("unlinkat", at.unlink, always, 1) })
  Object.defineProperty(at, "rename", { value: watch("renameat", at.rename, always, 1) })
}

/** Kills this process, as suddenly as a power cut, at the `n`-th change from now on. */
export const killAt = (n: number, when: Moment): void => {
  let seen = 0
  observe((moment) => {
    if (moment === "before") seen += 1
    if (seen === n && moment === when) process.kill(process.pid, "SIGKILL")
  })
}

/** Records the changes from now on. The returned function ends the recording and returns the changes. */
export const record = (): (() => ReadonlyArray<Change>) => {
  const changes: Array<Change> = []
  observe((moment, change) => {
    if (moment === "before") changes.push(change)
  })
  return () => {
    observe(() => {})
    return changes
  }
}
