/** The files that `docs/deployments.md` and `docs/operating.md` show act as the pages say. */
import { assert, describe, it } from "@effect/vitest"
import { because } from "@vm-sentinel/core/test/support/able"
import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

const root = Path.join(import.meta.dirname, "../..")
const examples = Path.join(root, "examples")

/** Milliseconds after which a program that hangs is killed. The machine may be busy. */
const patience = 120_000

/** Runs a test in an empty directory that is removed afterwards. */
const inScratch = async (use: (directory: string) => Promise<void> | void): Promise<void> => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-deployments-"))
  try {
    await use(directory)
  } finally {
    Fs.rmSync(directory, { recursive: true })
  }
}

const container = ["--pid", "--fork", "--kill-child", "--mount-proc"]

const noContainer =
  process.getuid?.() !== 0
    ? "not root"
    : spawnSync("unshare", [...container, "true"]).status === 0
      ? undefined
      : "no PID namespaces"
const noSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0 ? undefined : "no systemd-analyze"

describe("the units for systemd", () => {
  it.skipIf(noSystemd !== undefined)(because("have no error that systemd finds", noSystemd), () =>
    inScratch((directory) => {
      Fs.cpSync(Path.join(examples, "systemd"), directory, { recursive: true })
      Fs.writeFileSync(`${directory}/orchestrator.service`, "[Service]\nExecStart=/bin/true\n")
      const service = `${directory}/vm-sentinel-sweep.service`
      // The command needn't be installed on the machine that runs the tests.
      Fs.writeFileSync(service, Fs.readFileSync(service, "utf8").replace("/usr/bin/vm-sentinel", "/bin/true"))
      const units = ["orchestrator.service", "vm-sentinel-sweep.service", "vm-sentinel-sweep.timer"]
      const args = ["verify", ...units.map((unit) => `${directory}/${unit}`)]
      const env = { ...process.env, SYSTEMD_UNIT_PATH: `${directory}:` }
      const { status, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8", env })
      assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
    })
  )
})

describe("the entry point for Docker", () => {
  it.skipIf(noContainer !== undefined)(
    because("removes what a killed container left, though its own PID namespace is another", noContainer),
    { timeout: patience },
    () =>
      inScratch(async (directory) => {
        const volume = `${directory}/vms`
        const env = { ...process.env, ROOT: volume, PATH: `${root}/node_modules/.bin:${process.env.PATH}` }
        const entry = [...container, Path.join(examples, "docker/entrypoint.sh")]
        // The command prints a line once its sentinel exists.
        const command = `until [ -e ${volume}/first/.vm-sentinel.command ]; do sleep 0.1; done; echo recorded; exec sleep 1000`
        const first = spawn("unshare", [...entry, "first", "sh", "-c", command], {
          env,
          timeout: patience / 2,
          killSignal: "SIGKILL"
        })
        let said = ""
        // The output ends when every process of the container has ended.
        for await (const chunk of first.stdout) {
          said += String(chunk)
          if (said.endsWith("recorded\n")) first.kill("SIGKILL")
        }
        assert.match(said, /recorded\n$/)
        const second = execFileSync("unshare", [...entry, "second", "true"], { encoding: "utf8", env })
        // The kernel may have given the first namespace's number to the second one.
        assert.match(second, /^first +dead +(lock-free|namespace-gone) .* removed$/m)
        assert.deepStrictEqual(Fs.readdirSync(volume), ["second"])
      })
  )
})
