/**
 * A reporter for vitest that names the skipped tests. Each title contains the reason: `(skipped: not root)`.
 *
 * `SENTINEL_TEST_MAY_SKIP` lists the allowed reasons, separated by `;`. If the variable is set, a skip for another
 * reason is an error, and so is a run in which no test passes. If it is empty, no test may be skipped.
 */
import type { Reporter, TestModule } from "vitest/node"

export interface Test {
  readonly name: string
  readonly state: "passed" | "failed" | "skipped" | "pending"
}

/** The text at the end of a run, and whether the run fails. `mayBe` has the allowed reasons. `undefined` allows any. */
export const summary = (
  tests: ReadonlyArray<Test>,
  mayBe: ReadonlyArray<string> | undefined
): { readonly text: string; readonly isFailure: boolean } => {
  const count = (state: Test["state"]) => tests.filter((test) => test.state === state).length
  const skipped = tests.filter(({ state }) => state === "skipped" || state === "pending")
  const isMeant = ({ name }: Test) => mayBe === undefined || mayBe.some((why) => name.includes(`(skipped: ${why})`))
  const lines = skipped.map((test) => `${isMeant(test) ? "skipped" : "skipped, and must run here"}: ${test.name}\n`)
  const counts = `${count("passed")} passed, ${count("failed")} failed, ${skipped.length} skipped\n`
  const hasNone = mayBe !== undefined && count("passed") === 0
  return { text: `${lines.join("")}${counts}`, isFailure: hasNone || !skipped.every(isMeant) }
}

const { SENTINEL_TEST_MAY_SKIP: reasons } = process.env

export default class Skipped implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    const tests = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => ({
        name: `${test.project.name}: ${test.fullName}`,
        state: test.result().state
      }))
    )
    const { isFailure, text } = summary(
      tests,
      reasons?.split(";").filter((reason) => reason !== "")
    )
    process.stdout.write(`\n${text}`)
    if (isFailure) process.exitCode = 1
  }
}
