import { assert, describe, it } from "@effect/vitest"
import * as Sentinel from "@vm-sentinel/core/Sentinel"
import { Effect, Result } from "effect"
import * as ChildProcess from "node:child_process"
import * as FS from "node:fs"
import type { Readable } from "node:stream"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const timeout = 60_000

const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

const held = Effect.map(Roots.scratch, (root) => Roots.directory(root, "vm"))

const read = (path: string): Sentinel.SentinelV3 => {
  const sentinel = Result.getOrThrow(Sentinel.parse(FS.readFileSync(path)))
  if (sentinel._tag !== "V3") throw new Error(`${path}: ${sentinel._tag}`)
  return sentinel
}

/** A loop of a shell that pauses, and ends at the latest with the parent: a failed test leaves no process. */
const loop = (condition: string) => `while ${condition} && kill -0 $PPID 2>/dev/null; do sleep 0.02; done`

/**
 * Starts a command under `run` that prints `ready` and then runs the script. The default script waits for the file
 * `done`.
 */
const running = Effect.fnUntraced(function* (
  directory: string,
  { first = ":", script = `${loop('[ ! -e "$0/done" ]')}; exit 5` } = {}
) {
  // `run` writes the command's sentinel last, so the command waits for that sentinel.
  const ready = `${first}; ${loop('[ ! -e "$0/.vm-sentinel.command" ]')}; echo ready; ${script}`
  const child = yield* Cli.start(["run", directory, "--", "sh", "-c", ready, directory])
  const ended = Effect.callback<{ readonly code: number | null; readonly signal: string | null }>((resume) => {
    if (child.exitCode !== null) resume(Effect.succeed({ code: child.exitCode, signal: null }))
    else child.once("exit", (code, signal) => resume(Effect.succeed({ code, signal })))
  })
  yield* Effect.callback<void>((resume) => {
    child.stdout.once("data", () => resume(Effect.void))
  })
  return { child, ended }
})

/** The environment in which Node runs a script before `vm-sentinel`, so that it can step in between two calls. */
const behind = Effect.fnUntraced(function* (script: string) {
  const preload = `${yield* Roots.scratch}/preload.cjs`
  FS.writeFileSync(preload, script)
  return { env: { NODE_OPTIONS: `--require ${preload}` } }
})

/** What a child prints, and the code that it has ended with. */
const followed = (child: ChildProcess.ChildProcessByStdio<null, Readable, Readable>) => {
  const said: { stdout: string; stderr: string; code?: number | null } = { stdout: "", stderr: "" }
  const open = new Set(["stdout", "stderr"])
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (data) => (said[name] += data)).once("close", () => open.delete(name))
  }
  child.once("exit", (code) => (said.code = code))
  const until = (isThere: () => boolean) =>
    Effect.gen(function* () {
      while (!isThere() && said.code === undefined) yield* turn
    })
  const ended = Effect.gen(function* () {
    while (open.size > 0 || said.code === undefined) yield* turn
    return said
  })
  return { said, until, ended }
}

/** The beginning of a script that runs `step` with the child when `run` starts the command `sh`. */
const atStart = (step: string) => `
  const FS = require("node:fs")
  const ChildProcess = require("node:child_process")
  const { spawn } = ChildProcess
  ChildProcess.spawn = (file, ...rest) => {
    const child = spawn(file, ...rest)
    if (file === "sh") (${step})(child)
    return child
  }
  require("node:module").syncBuiltinESMExports()`

describe.concurrent("run", { timeout }, () => {
  it.live("holds the directory for the life of the command, and ends with its code", () =>
    Effect.gen(function* () {
      const directory = yield* held
      const { child, ended } = yield* running(directory)
      const owner = read(`${directory}/.vm-sentinel`)
      const command = read(`${directory}/.vm-sentinel.command`)
      assert.strictEqual(owner.pid, child.pid)
      assert.notStrictEqual(command.pid, owner.pid)
      assert.deepInclude(command.record, { role: "command" })
      assert.deepStrictEqual(owner.record.lock, { kind: "flock", tested: true, holder: "self" })
      assert.deepStrictEqual(command.record.lock, { kind: "flock", tested: true, holder: "inherited" })
      if (process.platform === "linux") assert.strictEqual(FS.readlinkSync(`/proc/${command.pid}/fd/3`), directory)
      const list = yield* Cli.inProcess(["list", `${directory}/..`, "--json"])
      assert.deepInclude(Cli.report(list.stdout).outcomes[0], { verdict: "alive", reason: "lock-held" })
      const second = yield* Cli.inProcess(["run", directory, "--", "true"])
      assert.strictEqual(second.code, 1)
      assert.match(second.stderr, new RegExp(`already owned by process ${owner.pid}: alive, matches`))
      Roots.file(`${directory}/done`, "")
      assert.deepStrictEqual(yield* ended, { code: 5, signal: null })
      // The record still claims the lock, which is free now: to another container that is the proof.
      assert.deepStrictEqual(read(`${directory}/.vm-sentinel`).record.lock, owner.record.lock)
      const swept = yield* Cli.inProcess(["sweep", `${directory}/..`, "--json"])
      assert.deepInclude(Cli.report(swept.stdout).outcomes[0], { action: "removed", verdict: "dead" })
    })
  )

  it.live("leaves no sentinel of its own if an earlier command may live", () =>
    Effect.gen(function* () {
      const directory = yield* held
      const args = ["write", directory, "--pid", `${process.pid}`, "--role", "command"]
      assert.strictEqual((yield* Cli.inProcess(args)).code, 0)
      const { code, stderr } = yield* Cli.inProcess(["run", directory, "--", "true"])
      assert.strictEqual(code, 1)
      assert.include(stderr, `already owned by process ${process.pid}: alive, matches`)
      const sentinels = FS.readdirSync(directory).filter((name) => name.startsWith(".vm-sentinel"))
      assert.deepStrictEqual(sentinels, [".vm-sentinel.command"])
    })
  )

  it.live("passes signals on, and the number of the one that ended the command", () =>
    Effect.gen(function* () {
      const directory = yield* held
      const caught = yield* running(directory, { first: "trap 'exit 9' TERM", script: loop(":") })
      caught.child.kill("SIGTERM")
      assert.deepStrictEqual(yield* caught.ended, { code: 9, signal: null })
      FS.rmSync(`${directory}/.vm-sentinel.command`)
      const fatal = yield* running(directory, { script: "exec sleep 1000" })
      fatal.child.kill("SIGTERM")
      assert.deepStrictEqual(yield* fatal.ended, { code: 128 + 15, signal: null })
    })
  )

  it.live("leaves the flags of the command's stdin alone when it passes SIGINT on", ({ skip }) =>
    Effect.gen(function* () {
      if (process.platform !== "linux") skip("reads /proc")
      const directory = yield* held
      const command = [
        "flags=$(grep ^flags /proc/$$/fdinfo/0)",
        "trap passed=1 INT",
        "kill -INT $PPID",
        loop("[ -z $passed ]"),
        '[ "$(grep ^flags /proc/$$/fdinfo/0)" = "$flags" ]'
      ].join("; ")
      // The command's stdin is a pipe that nobody writes to.
      const script = 'mkfifo "$1/pipe" && exec "$NODE" "$BIN" run "$1" -- sh -c "$2" 0<>"$1/pipe"'
      assert.deepStrictEqual(yield* Cli.shell(script, [directory, command]), { code: 0, stdout: "", stderr: "" })
    })
  )

  it.live("scenario 98: starts no command after a signal that came before it", ({ skip }) =>
    Effect.gen(function* () {
      if (process.platform !== "linux") skip("reads /proc")
      const directory = yield* held
      // Another process has the lock, so `run` tries again and again.
      const script = 'exec 9<"$0"; flock 9; echo held; exec sleep 1000'
      const holder = yield* Effect.acquireRelease(
        Effect.sync(() => ChildProcess.spawn("sh", ["-c", script, directory], { stdio: ["ignore", "pipe", "ignore"] })),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      yield* Effect.callback<void>((resume) => {
        holder.stdout.once("data", () => resume(Effect.void))
      })
      const child = yield* Cli.start(["run", directory, "--", "touch", `${directory}/started`])
      const ended = Effect.callback<number | null>((resume) => {
        child.once("exit", (code) => resume(Effect.succeed(code)))
      })
      // Nothing but `run` listens to SIGHUP, the first bit of SigCgt.
      const caught = () =>
        /^SigCgt:\s*([0-9a-f]+)$/m.exec(FS.readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? "0"
      while ((BigInt(`0x${caught()}`) & 1n) === 0n) yield* turn
      child.kill("SIGTERM")
      holder.kill("SIGKILL")
      assert.strictEqual(yield* ended, 128 + 15)
      assert.isFalse(FS.existsSync(`${directory}/started`))
    })
  )

  it.live("starts no command where an earlier command may still live", () =>
    Effect.gen(function* () {
      const directory = yield* held
      Roots.file(`${directory}/.vm-sentinel.command`, '1\n{"v":9}\n')
      const { code, stderr } = yield* Cli.inProcess(["run", directory, "--", "touch", `${directory}/started`])
      assert.strictEqual(code, 1)
      assert.match(stderr, /may have an owner: unknown, malformed-sentinel/)
      assert.isFalse(FS.existsSync(`${directory}/started`))
    })
  )

  it.live("leaves the lock with a command that outlives it", () =>
    Effect.gen(function* () {
      const directory = yield* held
      const { child, ended } = yield* running(directory, { script: "exec sleep 1000" })
      const command = read(`${directory}/.vm-sentinel.command`)
      child.kill("SIGKILL")
      yield* ended
      const alive = yield* Cli.inProcess(["list", `${directory}/..`, "--json"])
      assert.deepInclude(Cli.report(alive.stdout).outcomes[0], { verdict: "alive", reason: "lock-held" })
      process.kill(command.pid, "SIGKILL")
    })
  )

  it.live(
    "scenario 113: leaves the lock of an outer run, and of whoever else, with a command that outlives both",
    ({ skip }) =>
      Effect.gen(function* () {
        if (process.platform !== "linux") skip("reads /proc")
        const root = yield* Roots.scratch
        const [one, two, three] = ["one", "two", "three"].map((name) => Roots.directory(root, name))
        const script = `
        exec 9<"$1"; flock -s 9; shift
        exec "$NODE" "$BIN" run "$1" -- "$NODE" "$BIN" run "$2" -- sh -c 'echo $$; exec sleep 1000'`
        const outer = yield* Effect.acquireRelease(
          Effect.sync(() =>
            ChildProcess.spawn("sh", ["-c", script, "sh", `${three}`, `${one}`, `${two}`], {
              stdio: ["ignore", "pipe", "inherit"],
              env: { ...process.env, NODE: process.execPath, BIN: Cli.bin }
            })
          ),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        const command = yield* Effect.callback<number>((resume) => {
          outer.stdout.once("data", (data) => resume(Effect.succeed(Number(data))))
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => process.kill(command, "SIGKILL")))
        const inner = read(`${one}/.vm-sentinel.command`).pid
        while (!FS.existsSync(`${two}/.vm-sentinel.command`)) yield* turn
        outer.kill("SIGKILL")
        process.kill(inner, "SIGKILL")
        while (FS.existsSync(`/proc/${inner}/fd/3`) || FS.existsSync(`/proc/${outer.pid}/fd/3`)) yield* turn
        const locked = /^kept: (alive, lock-held|none, no-sentinel)$/
        const listed = Cli.actions(Cli.report((yield* Cli.inProcess(["list", root, "--json"])).stdout))
        for (const name of ["one", "two", "three"]) assert.match(listed[name] ?? "", locked, name)
        assert.strictEqual((yield* Cli.execute("flock", ["-xn", `${three}`, "true"])).code, 1)
      })
  )

  it.live("ends with the command's code, though it gets signals until the last moment", () =>
    Effect.gen(function* () {
      const directory = yield* held
      // Sends a signal after the end of the program, when its listeners are gone.
      const script = `process.once("exit", () => process.kill(process.pid, "SIGTERM"))`
      const { code, stderr } = yield* Cli.run(["run", directory, "--", "sh", "-c", "exit 7"], yield* behind(script))
      assert.deepStrictEqual([code, stderr], [7, ""])
    })
  )

  it.live("scenario 93: says that no sweep will believe the directory, and what to change, and write says so too", () =>
    Effect.gen(function* () {
      const directory = yield* held
      FS.chmodSync(directory, 0o777)
      const warning =
        /^vm-sentinel: warning: \S+\/vm: no sweep will believe .* writable by everybody; `chmod go-w` it\n$/
      const ran = yield* Cli.run(["run", directory, "--", "true"])
      assert.strictEqual(ran.code, 0)
      // The directory gets one warning, although `run` records itself and its command in it.
      assert.match(ran.stderr, warning)
      const other = Roots.directory(`${directory}/..`, "other")
      FS.chmodSync(other, 0o777)
      const written = yield* Cli.inProcess(["write", other, "--pid", `${process.pid}`])
      assert.strictEqual(written.code, 0)
      assert.match(written.stderr, /other: no sweep will believe/)
      FS.chmodSync(other, 0o700)
      const again = yield* Cli.inProcess(["write", other, "--pid", `${process.pid}`, "--role", "second"])
      assert.deepStrictEqual([again.code, again.stderr], [0, ""])
    })
  )

  it.live("says what a shell says of a command that can't be run", () =>
    Effect.gen(function* () {
      const directory = yield* held
      const path = yield* Roots.scratch
      const attempt = Effect.fnUntraced(function* (command: string) {
        const { code, stderr } = yield* Cli.run(["run", directory, "--", command], { env: { PATH: path } })
        return [code, stderr]
      })
      assert.deepStrictEqual(yield* attempt("no-such"), [127, "vm-sentinel: no-such: not found\n"])
      FS.mkdirSync(`${path}/directory`)
      assert.deepStrictEqual(yield* attempt("directory"), [127, "vm-sentinel: directory: not found\n"])
      FS.writeFileSync(`${path}/data`, "", { mode: 0o600 })
      assert.deepStrictEqual(yield* attempt("data"), [126, "vm-sentinel: data: permission denied\n"])
      assert.deepStrictEqual(yield* attempt(path), [126, `vm-sentinel: ${path}: permission denied\n`])
      const usage = yield* Cli.inProcess(["run", directory])
      assert.strictEqual(usage.code, 2)
      // A misspelt command leaves no record, so the directory stays unowned.
      const { stdout } = yield* Cli.inProcess(["list", `${directory}/..`, "--json"])
      assert.deepStrictEqual(Cli.actions(Cli.report(stdout)), { vm: "kept: none, no-sentinel" })
    })
  )

  it.live("leaves no sentinel, whatever keeps the command from starting", () =>
    Effect.gen(function* () {
      const directory = yield* held
      const path = yield* Roots.scratch
      FS.writeFileSync(`${path}/file`, "")
      FS.symlinkSync("loop", `${path}/loop`)
      FS.copyFileSync("/bin/true", `${path}/written`)
      const writer = FS.openSync(`${path}/written`, "r+")
      for (const [command, reason] of [
        [`${path}/file/x`, "ENOTDIR"],
        [`${path}/loop`, "ELOOP"],
        [`${path}/${"x".repeat(300)}`, "ENAMETOOLONG"],
        // Only Linux refuses to run what is open for writing.
        ...(process.platform === "linux" ? [[`${path}/written`, "ETXTBSY"] as const] : [])
      ] as const) {
        const { code, stderr } = yield* Cli.run(["run", directory, "--", command])
        assert.deepStrictEqual([code, stderr], [126, `vm-sentinel: ${command}: ${reason}\n`])
        assert.deepStrictEqual(FS.readdirSync(directory), ["console.log"], reason)
      }
      FS.closeSync(writer)
    })
  )

  it.live("refuses a sentinel name that leaves none for the command, before it writes anything", () =>
    Effect.gen(function* () {
      const directory = yield* held
      const longest = "\u00e9".repeat(117)
      for (const name of [".bbox-sentinel", `${longest}x`, "x".repeat(250)]) {
        const { code, stderr } = yield* Cli.run(["run", directory, "--sentinel-name", name, "--", "true"])
        assert.deepStrictEqual([code, FS.readdirSync(directory)], [2, ["console.log"]], stderr)
        const env = { VM_SENTINEL_SENTINEL_NAME: name }
        const set = yield* Cli.inProcess(["run", directory, "--", "true"], { env })
        assert.deepStrictEqual([set.code, FS.readdirSync(directory)], [2, ["console.log"]], set.stderr)
      }
      const script = loop('[ ! -e "$0/$1.command" ]')
      const command = ["sh", "-c", script, directory, longest]
      // The second `run` replaces the sentinels of the first.
      // The second `run` replaces the sentinels of the first.
      const nonces = new Set<string>()
      for (const _ of [1, 2]) {
        const ran = yield* Cli.run(["run", directory, "--sentinel-name", longest, "--", ...command])
        assert.deepStrictEqual([ran.code, ran.stderr], [0, ""])
        nonces.add(read(`${directory}/${longest}`).record.nonce)
      }
      assert.strictEqual(nonces.size, 2)
    })
  )

  it.live("holds the lock even if the command frees the one that it was given", ({ skip }) =>
    Effect.gen(function* () {
      if (process.platform !== "linux") skip("uses flock(1)")
      const directory = yield* held
      const { ended } = yield* running(directory, { first: "flock -u 3" })
      const isFree = Effect.map(Cli.execute("flock", ["-xn", directory, "true"]), ({ code }) => code === 0)
      assert.isFalse(yield* isFree)
      Roots.file(`${directory}/done`, "")
      assert.deepStrictEqual(yield* ended, { code: 5, signal: null })
      assert.isTrue(yield* isFree)
    })
  )

  it.live("loses no signal that comes while it takes the listeners over", () =>
    Effect.gen(function* () {
      const directory = yield* held
      // Sends SIGTERM at the last moment before a listener of SIGTERM is removed.
      const script = `
        let sent = false
        for (const method of ["off", "removeListener", "removeAllListeners"]) {
          const original = process[method]
          process[method] = function (name, ...rest) {
            if (name === "SIGTERM" && !sent) {
              sent = true
              process.kill(process.pid, "SIGTERM")
            }
            return original.call(this, name, ...rest)
          }
        }`
      const { code, stderr } = yield* Cli.run(["run", directory, "--", "sh", "-c", "exit 7"], yield* behind(script))
      assert.deepStrictEqual([code, stderr], [128 + 15, ""])
      assert.deepStrictEqual(FS.readdirSync(directory), ["console.log"])
    })
  )

  it.live("leaves a dead directory dead if the command can't be started", () =>
    Effect.gen(function* () {
      const root = yield* Roots.scratch
      const directory = Roots.directory(root, "vm")
      for (const name of [".vm-sentinel", ".other"]) {
        Roots.file(`${directory}/${name}`, yield* Roots.deadSentinel)
        const { code } = yield* Cli.run(["run", directory, "--sentinel-name", name, "--", `${directory}/misspelt`])
        assert.strictEqual(code, 127)
        const { stdout } = yield* Cli.inProcess(["list", root, "--json", "--sentinel-name", name])
        assert.deepStrictEqual(Cli.actions(Cli.report(stdout)), { vm: "would-remove: dead, pid-dead" })
        FS.rmSync(`${directory}/${name}`)
      }
      const misspelt = Effect.map(Cli.run(["run", directory, "--", `${directory}/misspelt`]), ({ code }) => code)
      const listed = Effect.map(Cli.inProcess(["list", root, "--json"]), ({ stdout }) =>
        Cli.actions(Cli.report(stdout))
      )
      // One owner is dead, and one lives below the first level.
      yield* Roots.dead(directory)
      FS.mkdirSync(`${directory}/deep/inner`, { recursive: true, mode: 0o700 })
      const inner = yield* Roots.alive(`${directory}/deep/inner`)
      assert.deepStrictEqual(yield* listed, { vm: "kept: dead, owner-inside" })
      assert.strictEqual(yield* misspelt, 127)
      assert.deepStrictEqual(yield* listed, { vm: "kept: dead, owner-inside" })
      yield* inner.crash
      assert.deepStrictEqual(yield* listed, { vm: "would-remove: dead, pid-dead" })
      // The sentinel claims the lock, so another container can see that the owner is gone.
      assert.property(read(`${directory}/.vm-sentinel`).record, "lock")
      // Only another role has a sentinel.
      FS.rmSync(`${directory}/.vm-sentinel`)
      yield* Roots.dead(directory, { role: "helper" })
      assert.strictEqual(yield* misspelt, 127)
      const sentinels = FS.readdirSync(directory).filter((name) => name.startsWith(".vm-sentinel"))
      assert.deepStrictEqual(sentinels, [".vm-sentinel.helper"])
    })
  )

  const changes: ReadonlyArray<readonly [what: string, step: string, warning: string]> = [
    ["is gone when it records the command", "atSpawn = () => renameSync(directory, moved)", "not there any more"],
    ["goes while it records the command", "atLink = () => renameSync(directory, moved)", "not there any more"],
    [
      "is replaced",
      "atSpawn = () => { renameSync(directory, moved); mkdirSync(directory, 0o700) }",
      "another directory has its path now"
    ],
    [
      "loses the new sentinel",
      "atLink = (path) => { atLink = () => {}; unlinkSync(path) }",
      "the command's sentinel was removed at once"
    ]
  ]
  for (const [what, step, warning] of changes) {
    it.live(`says that the directory ${what}, and the command runs on`, () =>
      Effect.gen(function* () {
        const root = yield* Roots.scratch
        const directory = Roots.directory(root, "vm")
        const script = `
          const FS = require("node:fs")
          const { linkSync, mkdirSync, renameSync, unlinkSync } = FS
          const ChildProcess = require("node:child_process")
          const { spawn } = ChildProcess
          const [directory, moved] = ["${directory}", "${root}/moved"]
          let [atSpawn, atLink] = [() => {}, () => {}]
          ${step}
          ChildProcess.spawn = (file, ...rest) => {
            if (file === "sleep") atSpawn()
            return spawn(file, ...rest)
          }
          FS.linkSync = (from, to) => {
            linkSync(from, to)
            if (to.endsWith(".vm-sentinel.command")) atLink(to)
          }
          require("node:module").syncBuiltinESMExports()`
        const child = yield* Cli.start(["run", directory, "--", "sleep", "1000"], yield* behind(script))
        const { ended, said, until } = followed(child)
        yield* until(() => said.stderr.endsWith("\n"))
        child.kill("SIGTERM")
        const { code, stderr } = yield* ended
        const told = `vm-sentinel: warning: ${directory}: ${warning}, so the command isn't recorded, and runs on\n`
        assert.deepStrictEqual([code, stderr], [128 + 15, told])
      })
    )
  }

  const whenReady = (directory: string, step: string) => `(child) => {
    const word = new Int32Array(new SharedArrayBuffer(4))
    while (!FS.existsSync("${directory}/ready")) Atomics.wait(word, 0, 0, 5)
    const step = ${step}
    step(child)
  }`

  const failures: ReadonlyArray<readonly [what: string, step: (directory: string) => string, error: RegExp]> = [
    [
      "can't be recorded",
      (directory) => `() => FS.writeFileSync("${directory}/.vm-sentinel.command", '1\\n{"v":9}\\n', { mode: 0o600 })`,
      /^vm-sentinel: \S+\/vm: may have an owner: unknown, malformed-sentinel/
    ],
    [
      "can't be recorded, because a sweep deletes its directory",
      (directory) => `() => FS.writeFileSync("${directory}/.vm-sentinel.removing", "1\\n", { mode: 0o600 })`,
      /^vm-sentinel: \S+\/vm: a sweep claimed the directory/
    ],
    [
      "meets a defect",
      () => `(child) => {
        const { kill } = child
        child.kill = (signal) => {
          if (signal === "SIGUSR1") throw new Error("broken")
          return kill.call(child, signal)
        }
        process.emit("SIGUSR1", "SIGUSR1")
      }`,
      /^vm-sentinel: a defect: Error: broken/
    ]
  ]
  for (const [what, step, error] of failures) {
    it.live(`ends after a command that ${what}, and asks it to end`, () =>
      Effect.gen(function* () {
        const directory = yield* held
        // The command holds no lock. It is asked to end after its trap is set.
        const script = `exec 3>&-; trap 'echo asked' TERM; : >"$0/ready"; while [ -e "$0" ] && [ ! -e "$0/done" ]; do sleep 0.05; done; : >"$0/over"`
        const child = yield* Cli.start(
          ["run", directory, "--", "sh", "-c", script, directory],
          yield* behind(atStart(whenReady(directory, step(directory))))
        )
        const { ended, said, until } = followed(child)
        yield* until(() => said.stdout === "asked\n")
        assert.match(said.stderr, error)
        const list = yield* Cli.inProcess(["list", `${directory}/..`, "--json"])
        assert.deepStrictEqual(Cli.actions(Cli.report(list.stdout)), { vm: "kept: alive, lock-held" })
        Roots.file(`${directory}/done`, "")
        const { code, stderr } = yield* ended
        assert.deepStrictEqual([code, stderr.match(/^vm-sentinel: /gm)?.length], [1, 1], stderr)
        assert.isTrue(FS.existsSync(`${directory}/over`))
      })
    )
  }

  it.live("says once that the kernel refuses its signals, and goes on", () =>
    Effect.gen(function* () {
      const directory = yield* held
      const refusing = `(child) => {
        child._handle.kill = (signal) => {
          FS.appendFileSync("${directory}/refused", signal + "\\n")
          return -require("node:os").constants.errno.EPERM
        }
        process.emit("SIGUSR1", "SIGUSR1")
        process.emit("SIGWINCH", "SIGWINCH")
      }`
      const script = 'echo ready; while [ -e "$0" ] && [ ! -e "$0/done" ]; do sleep 0.05; done; exit 5'
      const child = yield* Cli.start(
        ["run", directory, "--", "sh", "-c", script, directory],
        yield* behind(atStart(refusing))
      )
      const { ended, said, until } = followed(child)
      const refused = (count: number) => () =>
        FS.existsSync(`${directory}/refused`) &&
        FS.readFileSync(`${directory}/refused`, "utf8").split("\n").length > count
      yield* until(() => refused(2)() && said.stdout === "ready\n")
      child.kill("SIGTERM")
      yield* until(refused(3))
      child.kill("SIGUSR2")
      yield* until(refused(4))
      Roots.file(`${directory}/done`, "")
      const { code, stderr } = yield* ended
      const warning = "vm-sentinel: warning: sh: run can't signal it (EPERM): signal it as its own user, or as root\n"
      assert.deepStrictEqual([code, stderr], [5, warning])
    })
  )

  it.live("starts no command beside a process of an earlier one that holds the lock", ({ skip }) =>
    Effect.gen(function* () {
      if (process.platform !== "linux") skip("reads /proc")
      const crashed = yield* held
      const first = yield* running(crashed, { script: 'sleep 1000 & echo $! >"$0/guest"; wait' })
      while (!/^\d+\n$/.test(FS.readFileSync(`${crashed}/guest`, { encoding: "utf8", flag: "a+" }))) yield* turn
      const command = read(`${crashed}/.vm-sentinel.command`).pid
      for (const pid of [first.child.pid ?? 0, command]) process.kill(pid, "SIGKILL")
      yield* first.ended
      // A command that ends at once may leave no record.
      const daemonized = yield* held
      const script = 'sleep 1000 >/dev/null 2>&1 & echo $! >"$0/guest"'
      yield* Cli.run(["run", daemonized, "--", "sh", "-c", script, daemonized])
      FS.rmSync(`${daemonized}/.vm-sentinel.command`, { force: true })
      // A `run` that was killed while it replaced a record leaves the old one under another name.
      const replaced = yield* held
      yield* Cli.run(["run", replaced, "--", "sh", "-c", script, replaced])
      FS.rmSync(`${replaced}/.vm-sentinel.command`, { force: true })
      FS.renameSync(`${replaced}/.vm-sentinel`, `${replaced}/.vm-sentinel.old-0123abcd`)
      for (const directory of [crashed, daemonized, replaced]) {
        const guest = Number(FS.readFileSync(`${directory}/guest`, "utf8"))
        const again = () => Cli.run(["run", directory, "--", "touch", `${directory}/started`])
        // The refusal leaves the sentinels by which the next one is decided.
        for (const refused of [yield* again(), yield* again()]) {
          assert.strictEqual(refused.code, 1)
          assert.include(refused.stderr, `already owned by process ${guest}: alive, lock-held`)
        }
        assert.isFalse(FS.existsSync(`${directory}/started`))
        process.kill(guest, "SIGKILL")
        while (FS.existsSync(`/proc/${guest}`)) yield* turn
        const allowed = yield* again()
        assert.deepStrictEqual([allowed.code, allowed.stderr], [0, ""])
        assert.isTrue(FS.existsSync(`${directory}/started`))
      }
    })
  )

  it.live(
    "starts a command beside a living owner of another role, and beside a lock that no earlier run explains",
    ({ skip }) =>
      Effect.gen(function* () {
        if (process.platform !== "linux") skip("uses flock(1)")
        const directory = yield* held
        const script = 'exec 9<"$0"; flock -s 9; echo held; exec sleep 1000'
        const holder = yield* Effect.acquireRelease(
          Effect.sync(() =>
            ChildProcess.spawn("sh", ["-c", script, directory], { stdio: ["ignore", "pipe", "ignore"] })
          ),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        yield* Effect.callback<void>((resume) => {
          holder.stdout.once("data", () => resume(Effect.void))
        })
        const ran = Effect.map(Cli.run(["run", directory, "--", "sh", "-c", "exit 7"]), ({ code }) => code)
        assert.strictEqual(yield* ran, 7)
        assert.strictEqual(yield* ran, 1)
        const write = (role: string, pid: number | undefined) =>
          Effect.map(Cli.inProcess(["write", directory, "--pid", `${pid}`, "--role", role]), ({ code }) => code)
        // A living owner that doesn't hold the lock explains nothing.
        assert.strictEqual(yield* write("monitor", process.pid), 0)
        assert.strictEqual(yield* ran, 1)
        assert.strictEqual(yield* write("supervisor", holder.pid), 0)
        assert.strictEqual(yield* ran, 7)
      })
  )

  it.live("scenario 113: starts a command beside a lock of its own ancestors, again and again", ({ skip }) =>
    Effect.gen(function* () {
      if (process.platform !== "linux") skip("reads /proc")
      const twice = 'for n in 1 2; do "$NODE" "$BIN" run "$1" -- sh -c "echo ran" || exit; done'
      for (const [what, script] of [
        ["another run", `exec "$NODE" "$BIN" run --sentinel-name .outer "$1" -- sh -c '${twice}' sh "$1"`],
        // The process that took the lock has ended.
        ["a shell", `exec 9<"$1"; flock -s 9; ${twice}`]
      ] as const) {
        const directory = yield* held
        const { code, stderr, stdout } = yield* Cli.shell(script, [directory])
        assert.deepStrictEqual([code, stdout, stderr], [0, "ran\nran\n", ""], what)
      }
    })
  )

  it.live(
    "scenario 114: starts no command beside a process of an earlier one, which a living owner of another role hides",
    ({ skip }) =>
      Effect.gen(function* () {
        if (process.platform !== "linux") skip("uses flock(1)")
        const directory = yield* held
        // flock(1) takes the lock itself, and waits for `cat`, which inherits it.
        const supervisor = yield* Effect.acquireRelease(
          Effect.sync(() =>
            ChildProcess.spawn("flock", ["-s", directory, "sh", "-c", "echo held; exec cat"], {
              stdio: ["pipe", "pipe", "ignore"]
            })
          ),
          (child) => Effect.sync(() => child.stdin.end())
        )
        yield* Effect.callback<void>((resume) => {
          supervisor.stdout.once("data", () => resume(Effect.void))
        })
        const write = ["write", directory, "--pid", `${supervisor.pid}`, "--role", "supervisor"]
        assert.strictEqual((yield* Cli.inProcess(write)).code, 0)
        const run = (script: string) => Cli.run(["run", directory, "--", "sh", "-c", script, directory])
        // The supervisor and all that inherited its lock are no earlier command.
        for (const _ of [1, 2]) assert.strictEqual((yield* run("exit 7")).code, 7)
        assert.strictEqual((yield* run('sleep 1000 >/dev/null 2>&1 & echo $! >"$0/guest"')).code, 0)
        const guest = Number(FS.readFileSync(`${directory}/guest`, "utf8"))
        const refused = yield* run("exit 7")
        assert.strictEqual(refused.code, 1)
        assert.include(refused.stderr, `already owned by process ${guest}: alive, lock-held`)
        process.kill(guest, "SIGKILL")
        while (FS.existsSync(`/proc/${guest}`)) yield* turn
        assert.strictEqual((yield* run("exit 7")).code, 7)
      })
  )

  for (const isNew of [false, true]) {
    it.live(
      `starts no command beside an earlier one that came ${isNew ? "with its run " : ""}after the look at the lock`,
      ({ skip }) =>
        Effect.gen(function* () {
          if (process.platform !== "linux") skip("uses flock(1)")
          const directory = yield* held
          const leave = Effect.map(Roots.deadSentinel, (text) => Roots.file(`${directory}/.vm-sentinel`, text))
          if (!isNew) yield* leave
          // The command of a `run` that was killed before it recorded the command.
          const script = 'exec 9<"$0"; flock 9; echo held; read -r _; flock -s 9; exec sleep 1000'
          const earlier = yield* Effect.acquireRelease(
            Effect.sync(() =>
              ChildProcess.spawn("sh", ["-c", script, directory], { stdio: ["pipe", "pipe", "ignore"] })
            ),
            (child) => Effect.sync(() => child.kill("SIGKILL"))
          )
          yield* Effect.callback<void>((resume) => {
            earlier.stdout.once("data", () => resume(Effect.void))
          })
          // While another process has the lock, `run` asks again and again where its directory lies.
          const waiting = `${yield* Roots.scratch}/waiting`
          const preload = `
            const FS = require("node:fs")
            const { readlinkSync } = FS
            let asked = 0
            FS.readlinkSync = (path, ...rest) => {
              if (String(path).startsWith("/proc/self/fd/") && ++asked === 10) FS.writeFileSync("${waiting}", "")
              return readlinkSync(path, ...rest)
            }
            require("node:module").syncBuiltinESMExports()`
          const child = yield* Cli.start(
            ["run", directory, "--", "touch", `${directory}/started`],
            yield* behind(preload)
          )
          const { ended, until } = followed(child)
          yield* until(() => FS.existsSync(waiting))
          if (isNew) yield* leave
          earlier.stdin.write("\n")
          const { code, stderr } = yield* ended
          assert.strictEqual(code, 1, stderr)
          assert.include(stderr, `already owned by process ${earlier.pid}: alive, lock-held`)
          assert.isFalse(FS.existsSync(`${directory}/started`))
        })
    )
  }

  it.live("replaces no v2 sentinel with --legacy keep, nor does write", () =>
    Effect.gen(function* () {
      const directory = yield* held
      const { pid } = yield* Roots.dead(directory, { format: "v2" })
      const before = Roots.snapshot(directory)
      const run = ["run", directory, "--", "true"]
      const write = ["write", directory, "--pid", `${process.pid}`]
      for (const [args, env] of [
        [run, { VM_SENTINEL_LEGACY: "keep" }],
        [write, { VM_SENTINEL_LEGACY: "keep" }],
        [["run", "--legacy", "keep", ...run.slice(1)], {}],
        [[...write, "--legacy", "keep"], {}]
      ] as const) {
        const { code, stderr } = yield* Cli.inProcess(args, { env })
        assert.strictEqual(code, 1)
        assert.include(stderr, `already owned by process ${pid}: unknown, legacy-kept`)
        assert.deepStrictEqual(Roots.snapshot(directory), before)
      }
      FS.renameSync(`${directory}/.vm-sentinel`, `${directory}/.vm-sentinel.command`)
      assert.strictEqual((yield* Cli.inProcess(["run", "--legacy=keep", ...run.slice(1)])).code, 1)
      assert.deepStrictEqual(FS.readdirSync(directory).sort(), [".vm-sentinel.command", "console.log"])
      const trusted = yield* Cli.run(["run", "--legacy", "trust", ...run.slice(1)], {
        env: { VM_SENTINEL_LEGACY: "keep" }
      })
      assert.strictEqual(trusted.code, 0)
    })
  )

  it.live("refuses an argument that isn't UTF-8, which its command would get changed", ({ skip }) =>
    Effect.gen(function* () {
      if (process.platform !== "linux") skip("reads /proc")
      const directory = yield* held
      const attempt = (argument: string) =>
        Cli.shell(
          `exec "$NODE" "$BIN" run "$1" -- sh -c 'printf %s "$1"; : >"$0/started"' "$1" "$(printf '${argument}')"`,
          [directory]
        )
      const refused = yield* attempt(String.raw`a\377`)
      assert.deepStrictEqual([refused.code, refused.stdout], [2, ""])
      assert.include(refused.stderr, "Not UTF-8, so it can't be passed on: a\ufffd\n")
      assert.isFalse(FS.existsSync(`${directory}/started`))
      // U+FFFD itself is UTF-8.
      const given = yield* attempt(String.raw`a\357\277\275`)
      assert.deepStrictEqual([given.code, given.stdout, given.stderr], [0, "a\ufffd", ""])
    })
  )
})
