/**
 * Compares expected outcomes with actual ones.
 *
 * @since 0.1.0
 */
import type { Outcome } from "@vm-sentinel/core/Outcome"
import * as FS from "node:fs"
import * as Overview from "../text/Overview.ts"
import * as Table from "../text/Table.ts"
import * as Text from "../text/Text.ts"
import { bystander, type Expectation } from "./Scene.ts"

/**
 * One directory: the expectation, the outcome, and their difference.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verification {
  readonly expected: Expectation | undefined
  readonly outcome: Outcome | undefined
  /** The difference. `undefined`: there is none. */
  readonly problem: string | undefined
}

const isWhole = (root: string, { files, name }: Expectation): boolean => {
  try {
    return Object.entries(files).every(([path, text]) => FS.readFileSync(`${root}/${name}/${path}`, "utf8") === text)
  } catch {
    return false
  }
}

const problemOf = (root: string, expected: Expectation, outcome: Outcome | undefined): string | undefined => {
  const { action, name, reasons, verdict } = expected
  if (outcome === undefined) return "not reported"
  if (outcome.action !== action || outcome.verdict !== verdict || !reasons.includes(outcome.reason)) {
    return `expected ${verdict}, ${reasons.join(" or ")}: ${action}`
  }
  if (action === "removed") return FS.existsSync(`${root}/${name}`) ? "still there" : undefined
  return isWhole(root, expected) ? undefined : "not whole any more"
}

/**
 * Compares outcomes with expectations, and both with the files on the disk.
 *
 * @category verifying
 * @since 0.1.0
 */
export const verify = (
  root: string,
  expectations: ReadonlyArray<Expectation>,
  outcomes: ReadonlyArray<Outcome>
): ReadonlyArray<Verification> => [
  ...outcomes.map((outcome): Verification => {
    const expected = expectations.find(({ name }) => name === outcome.name)
    const problem = expected === undefined ? "not expected at all" : problemOf(root, expected, outcome)
    return { expected, outcome, problem }
  }),
  ...expectations
    .filter(({ name }) => outcomes.every((outcome) => outcome.name !== name))
    .map((expected): Verification => ({ expected, outcome: undefined, problem: problemOf(root, expected, undefined) }))
]

/**
 * Names in the root that should not be there, and names that are missing.
 *
 * @category verifying
 * @since 0.1.0
 */
export const strays = (root: string, expectations: ReadonlyArray<Expectation>): ReadonlyArray<string> => {
  const kept = expectations.filter(({ action }) => action === "kept").map(({ name }) => name)
  const wanted = [...kept, bystander]
  const there = FS.readdirSync(root)
  return [...wanted.filter((name) => !there.includes(name)), ...there.filter((name) => !wanted.includes(name))]
}

const check = ({ problem }: Verification): Table.Cell =>
  problem === undefined ? { text: "✓", style: "green" } : { text: `✗ ${problem}`, style: "red" }

/**
 * The outcomes as a table, with a column for the comparison.
 *
 * @category rendering
 * @since 0.1.0
 */
export const render = (verifications: ReadonlyArray<Verification>, options: Overview.Options): string =>
  Table.render(
    [...Overview.columns, { header: "EXPECTED" }],
    verifications.map((verification) => {
      const { expected, outcome } = verification
      const cells =
        outcome === undefined
          ? [{ text: Text.escape(expected?.name ?? "") }, ...Overview.columns.slice(1).map(() => ({ text: "" }))]
          : Overview.row(outcome, options.now)
      return [...cells, check(verification)]
    }),
    options
  )
