import type { Reporter, TestModule } from "vitest/node"

/** Says, after a run of vitest, which tests were skipped: a reason is in each title. */
export default class Skipped implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    const tests = modules.flatMap((module) => [...module.children.allTests("skipped")])
    if (tests.length === 0) return
    const lines = tests.map(({ fullName, project }) => `  ${project.name}: ${fullName}\n`)
    process.stdout.write(`\n${tests.length} skipped:\n${lines.join("")}`)
  }
}
