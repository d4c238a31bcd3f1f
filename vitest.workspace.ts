import * as Os from "node:os"
import * as Path from "node:path"
import { defineConfig } from "vitest/config"

const project = (name: string, root: string, globalSetup: ReadonlyArray<string> = []) => ({
  test: { name, root, include: ["test/**/*.test.ts"], globalSetup: [...globalSetup] }
})

const script = (name: string): string => Path.join(import.meta.dirname, "scripts", name)
const prebuilt = [script("prebuilt.ts")]

export default defineConfig({
  test: {
    // Most tests wait for real processes: on few cores one worker more keeps them busy.
    reporters: ["default", script("skipped.ts")],
    maxWorkers: Math.max(3, Os.availableParallelism() - 1),
    projects: [
      project("core", "packages/core"),
      project("platform-linux", "packages/platform-linux", prebuilt),
      project("platform-darwin", "packages/platform-darwin"),
      project("cli", "packages/cli", prebuilt),
      project("orchestrator", "examples/orchestrator"),
      project("repository", "scripts")
    ]
  }
})
