import * as Os from "node:os"
import * as Path from "node:path"
import { defineConfig } from "vitest/config"

const script = (name: string): string => Path.join(import.meta.dirname, "scripts", name)

interface Before {
  readonly globalSetup?: Array<string>
}

/** Milliseconds. No test is timed: this ends what hangs, also on a machine that is busy. */
const patience = 30_000

const slow = "**/*.slow.test.ts"

const project = (name: string, root: string, before: Before = {}) => ({
  // Files share a worker, and with it the modules that they import: no module, of the tests or their support, holds anything
  // that one file changes and another one reads, or that ends with a file.
  test: {
    name,
    root,
    include: ["test/**/*.test.ts"],
    exclude: [slow],
    isolate: false,
    testTimeout: patience,
    hookTimeout: patience,
    ...before
  }
})

const prebuilt = { globalSetup: [script("prebuilt.ts")] }

export default defineConfig({
  test: {
    // Most tests wait for real processes: on few cores one worker more keeps them busy.
    reporters: ["default", script("skipped.ts")],
    maxWorkers: Math.max(3, Os.availableParallelism() - 1),
    projects: [
      project("core", "packages/core"),
      project("platform-linux", "packages/platform-linux", prebuilt),
      project("platform-darwin", "packages/platform-darwin", prebuilt),
      project("cli", "packages/cli", prebuilt),
      project("orchestrator", "examples/orchestrator", prebuilt),
      project("repository", "scripts"),
      // Containers, file systems, crashes at every change, whole pages: what takes seconds each. `npm run test:slow` and CI run them.
      {
        test: {
          ...project("slow", ".", prebuilt).test,
          include: [`packages/*/test/${slow}`, `scripts/test/${slow}`],
          exclude: ["**/node_modules/**"],
          testTimeout: 4 * patience,
          hookTimeout: 4 * patience
        }
      }
    ]
  }
})
