/**
 * Findings: what a sweep can use on a machine or in a root, and what it has to do without.
 *
 * @since 0.1.0
 */
import * as Prospect from "@vm-sentinel/core/Prospect"
import * as Schema from "effect/Schema"

/**
 * One finding. `ok`: a sweep can use it. `limited`: it is missing or restricted, and a sweep leaves out the proofs or
 * steps that need it. `not`: because of it no owner can be recorded, no end of a process can be seen, or nothing can be
 * removed. `untried`: only a change of the disk would show it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Finding = Schema.Struct({
  what: Schema.String,
  state: Schema.Literals(["ok", "limited", "not", "untried"]),
  why: Schema.String,
  /** What the operator can do about it. */
  advice: Schema.optionalKey(Schema.String)
})
export type Finding = typeof Finding.Type

/**
 * What a sweep does with the directory of an owner that has ended. `failed`: the directory is condemned, and can't be
 * removed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Owner = Schema.Struct({
  ...Prospect.Prospect.fields,
  action: Schema.Literals(["removed", "kept", "failed"])
})
export type Owner = typeof Owner.Type

/**
 * The expected result of a sweep of a root. `removes`: a sweep removes the directories of owners that have ended here.
 * `keeps`: a sweep can't prove that they have ended. `refused`: the root can't be swept, or nothing in it can be
 * removed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Conclusion = Schema.Literals(["removes", "keeps", "refused"])
export type Conclusion = typeof Conclusion.Type

/**
 * The line about the machine, which `doctor --json` prints first.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Machine = Schema.TaggedStruct("Machine", { findings: Schema.Array(Finding) })
export type Machine = typeof Machine.Type

/**
 * The line that `doctor --json` prints for a root.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Root = Schema.TaggedStruct("Root", {
  path: Schema.String,
  conclusion: Conclusion,
  findings: Schema.Array(Finding),
  /** Empty if the root can't be opened. */
  owners: Schema.Array(Owner)
})
export type Root = typeof Root.Type

const make =
  (state: Finding["state"]) =>
  (what: string, why: string, advice?: string): Finding => ({
    what,
    state,
    why,
    ...(advice === undefined ? {} : { advice })
  })

/**
 * Makes a finding of one state: its name, the reason and, if there is something to do, the advice.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ok = make("ok")
/** See {@link ok}. */
export const limited = make("limited")
/** See {@link ok}. */
export const not = make("not")
/** See {@link ok}. */
export const untried = make("untried")
