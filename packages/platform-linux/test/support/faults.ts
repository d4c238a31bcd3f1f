/**
 * Every file-system-changing call that this process makes from now on, in order: `node:fs` itself is patched, and so is
 * the calls that go past it. Node's builtin modules are live bindings, so what imported them before sees it too.
 */
import { syncBuiltinESMExports } from "node:module"
import { libc } from "../../src/internal/libc.ts"

export type Moment = "before" | "after"

export interface Change {
  readonly call: string
  /** What it is about: a path, or a descriptor's number. */
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

/** Node's types have an overload for each kind of argument; here a function is a function. */
type Call = (...args: ReadonlyArray<unknown>) => unknown
const isCall = (value: unknown): value is Call => typeof value === "function"

const patch = (name: keyof typeof fs, changes: Call = always): void => {
  const real = fs[name]
  if (!isCall(real)) throw new Error(`node:fs has no ${name}`)
  Object.defineProperty(fs, name, { value: watch(name, real, (...args) => changes(...args) === true) })
}

/** Of a call whose last argument is told when it is done. */
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

/** Calls the observer right before and right after each change. What fails has no after. */
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

/** Ends this process as a power cut ends it, at the `n`-th change from now on. */
export const killAt = (n: number, when: Moment): void => {
  let seen = 0
  observe((moment) => {
    if (moment === "before") seen += 1
    if (seen === n && moment === when) process.kill(process.pid, "SIGKILL")
  })
}

/** Counts the changes from now on; the function says them. */
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
