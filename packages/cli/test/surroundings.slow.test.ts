/** The command works without a user entry, a working directory, descriptors and a writable stdout. */
import { because } from "@vm-sentinel/core/test/support/able"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as FS from "node:fs"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const timeout = 60_000

/** Reason why this user can't arrange a test that needs root. `undefined` if the user can. */
const notRoot = ((): string | undefined => {
  if (process.geteuid?.() !== 0) return "needs root"
  try {
    execFileSync("setpriv", ["--version"], { stdio: "ignore" })
    return undefined
  } catch {
    return "no setpriv"
  }
})()

/** A root with a directory for each command, owned by a user without an entry in the user database. */
const unknownUsers = Effect.gen(function* () {
  const scratch = yield* Roots.scratch
  FS.chmodSync(scratch, 0o755)
  const root = `${scratch}/vms`
  FS.mkdirSync(root)
  for (const name of ["explained", "run", "reclaimed", "swept", "written"]) Roots.directory(root, name)
  for (const name of ["explained", "reclaimed", "swept"]) Roots.file(`${root}/${name}/.vm-sentinel`, "2147483647")
  execFileSync("chown", ["-R", "54321:54321", scratch])
  return root
})

describe("a uid without an entry in the user database", { timeout }, () => {
  const as = "setpriv --reuid 54321 --regid 54321 --clear-groups"
  for (const [title, home] of [
    ["with HOME", "HOME=/tmp"],
    ["without HOME", "-u HOME"]
  ] as const) {
    it.live.skipIf(notRoot !== undefined)(because(`scenario 92: every command works, ${title}`, notRoot), () =>
      Effect.gen(function* () {
        const root = yield* unknownUsers
        const commands = [
          "list $1 --json",
          "explain $1/explained",
          "write $1/written --pid $$",
          "run $1/run -- true",
          "reclaim $1/reclaimed",
          "sweep $1 --json"
        ]
        const line = (command: string) => `${as} env ${home} "$NODE" "$BIN" ${command} >/dev/null`
        const { code, stderr } = yield* Cli.shell(commands.map(line).join(" && "), [root])
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.deepStrictEqual(FS.readdirSync(root), ["written"])
      })
    )
  }
})

describe("a working directory that was removed", { timeout }, () => {
  const gone = `mkdir "$1/cwd" && cd "$1/cwd" && rmdir "$1/cwd" && "$NODE" "$BIN" `

  it.live("scenario 97: is an error in words for a relative path", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const commands = [
        "list vms",
        "sweep vms --if-exists",
        "explain vms/a",
        "write vms/a --pid 1",
        "run vms/a -- true",
        "reclaim vms/a"
      ]
      for (const command of commands) {
        const { code, stderr, stdout } = yield* Cli.shell(gone + command, [root])
        assert.deepStrictEqual([code, stdout], [1, ""], command)
        assert.match(stderr, /^vm-sentinel: vms\S*: ENOENT \(read working directory\); change to .*\n$/, command)
      }
    })
  )

  it.live("scenario 97: matters to nobody who gives a whole path", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      FS.mkdirSync(`${root}/vms`, { mode: 0o700 })
      Roots.file(`${Roots.directory(`${root}/vms`, "a")}/.vm-sentinel`, "2147483647")
      const { code, stderr, stdout } = yield* Cli.shell(`${gone} sweep "$1/vms" --json`, [root])
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(Cli.actions(Cli.report(stdout)), { a: "removed: dead, pid-dead" })
    })
  )
})

describe("few descriptors", { timeout }, () => {
  const total = 40

  for (const limit of [24, 28, 40]) {
    it.live(`${limit}: each directory is told, what couldn't be done as such, and the next sweep finishes`, () =>
      Effect.gen(function* () {
        const root = yield* Roots.scratch
        for (let index = 0; index < total; index += 1) {
          const vm = Roots.directory(root, `vm${index}`)
          FS.mkdirSync(`${vm}/a/b/c`, { recursive: true })
          Roots.file(`${vm}/.vm-sentinel`, "2147483647")
        }
        const { code, stderr, stdout } = yield* Cli.shell(`ulimit -n ${limit}; exec "$NODE" "$BIN" sweep "$1" --json`, [
          root
        ])
        assert.deepStrictEqual([code, stderr], [0, ""], stdout)
        const { outcomes, summary } = Cli.report(stdout)
        assert.strictEqual(summary.scanned, total)
        for (const { action, reason, verdict } of outcomes) {
          if (action !== "removed" && action !== "failed") assert.strictEqual(verdict, "unknown", reason)
        }
        const rest = yield* Cli.run(["sweep", root, "--json"])
        assert.include(Cli.report(rest.stdout).summary, { removed: total - summary.removed, failed: 0, kept: 0 })
        assert.deepStrictEqual(FS.readdirSync(root), [])
      })
    )
  }
})

describe("a full disk behind stdout and stderr", { timeout }, () => {
  const crowd = Effect.gen(function* () {
    const root = yield* Roots.scratch
    for (let index = 0; index < 300; index += 1) {
      Roots.file(`${Roots.directory(root, `vm${index}`)}/.vm-sentinel`, "2147483647")
    }
    return root
  })

  for (const [title, redirected, stderr] of [
    [
      "stdout",
      ">/dev/full",
      /^vm-sentinel: stdout: ENOSPC; the sweep goes on.*\nvm-sentinel: 300 scanned: 300 removed, 0 kept\n$/
    ],
    ["both", ">/dev/full 2>/dev/full", /^$/]
  ] as const) {
    for (const json of ["--json", ""]) {
      it.live(`scenario 96: ${title} full: a sweep ${json} goes on, and its exit code says so`, () =>
        Effect.gen(function* () {
          const root = yield* crowd
          const result = yield* Cli.shell(`"$NODE" "$BIN" sweep "$1" ${json} ${redirected}`, [root])
          assert.strictEqual(result.code, 1)
          assert.match(result.stderr, stderr)
          assert.deepStrictEqual(FS.readdirSync(root), [])
        })
      )
    }
  }

  it.live("scenario 96: stderr full: the report is whole, and the code is that of the sweep", () =>
    Effect.gen(function* () {
      const root = yield* crowd
      const script = `"$NODE" "$BIN" sweep "$1" --json --log-level info 2>/dev/full`
      const { code, stdout } = yield* Cli.shell(script, [root])
      assert.deepStrictEqual([code, Cli.report(stdout).summary.removed], [0, 300])
    })
  )
})

describe("without a procfs", { timeout }, () => {
  it.live.skipIf(notRoot !== undefined)(because("each command names /proc, and how to mount it", notRoot), () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const vm = Roots.directory(root, "vm")
      for (const [command, operation] of [
        [`list ${root}`, "list root"],
        [`sweep --yes ${root}`, "list root"],
        [`explain ${vm}`, "look for mounts"],
        [`reclaim --yes ${vm}`, "look for mounts"],
        [`write --pid 1 ${vm}`, "lock"],
        [`run ${vm} -- true`, "lock"]
      ] as const) {
        const covered = `mount -t tmpfs none /proc && "$NODE" "$BIN" ${command}`
        const { code, stderr } = yield* Cli.shell(`unshare --mount --propagation private sh -c '${covered}'`, [])
        const advice = "mount the procfs of this PID namespace: `mount -t proc proc /proc`"
        assert.deepStrictEqual(
          [code, stderr],
          [1, `vm-sentinel: /proc/self/fd: not found (${operation}); ${advice}\n`],
          command
        )
      }
      assert.deepStrictEqual(FS.readdirSync(vm), ["console.log"])
    })
  )
})
