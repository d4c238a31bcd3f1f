/** The real kernel of macOS: facts that no stand-in can confirm. */
import { assert, describe, it } from "@effect/vitest"
import type { Observation, Present } from "@vm-sentinel/core/Observation"
import { compareStartTokens, Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect, type Layer, Schema } from "effect"
import { execFile, execFileSync } from "node:child_process"
import { copyFileSync, mkdtempSync, realpathSync, renameSync, rmSync, unlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { suite, type ProcessWorld } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import * as Protocol from "@vm-sentinel/platform-linux/test/agents/inspectorProtocol"
import { piped, until } from "@vm-sentinel/platform-linux/test/support/processes"
import * as DarwinProcessInspector from "../src/DarwinProcessInspector.ts"
import { defaultPath, type LibSystem, load, type Reply } from "../src/internal/libSystem.ts"
import { parseRow } from "../src/internal/psRows.ts"
import * as Standins from "./support/standins.ts"

const observeBy = (layer: Layer.Layer<ProcessInspector>, pid: Pid) =>
  Effect.provide(
    ProcessInspector.use(({ observe }) => observe(pid)),
    layer
  )

const present = (observation: Observation): Present => {
  if (observation._tag !== "Present") assert.fail(`expected Present, got ${JSON.stringify(observation)}`)
  return observation
}

if (process.platform === "darwin") {
  /** One column of the real `ps`. Empty if there is no such process. */
  const psColumn = (column: string, pid: number): string => {
    try {
      return execFileSync("/bin/ps", ["-ww", "-o", `${column}=`, "-p", `${pid}`], { encoding: "utf8" }).trim()
    } catch {
      return ""
    }
  }

  interface Kept {
    readonly exit: Effect.Effect<void, Error>
    readonly zombify: Effect.Effect<void, Error>
  }

  const kept = new Map<number, Kept>()

  /** On `exit` the shell reaps its child. On `keep` it becomes `cat`, which never reaps children. */
  const nurse = `sleep 1000000 & echo $!; read word; [ "$word" = keep ] && exec cat; wait; echo reaped; read word`

  const spawn = Effect.gen(function* () {
    const shell = yield* piped("/bin/sh", ["-c", nurse])
    const pid = Pid.make(Number(yield* shell.line))
    let alive = true
    const end = Effect.sync(() => {
      if (alive) process.kill(pid, "SIGKILL")
      alive = false
    })
    yield* Effect.addFinalizer(() => end)
    yield* until("execve", () => psColumn("comm", pid) === "sleep")
    kept.set(pid, {
      exit: end.pipe(Effect.andThen(Effect.sync(() => shell.write("exit"))), Effect.andThen(shell.line), Effect.asVoid),
      zombify: Effect.gen(function* () {
        shell.write("keep")
        shell.write("awake")
        yield* shell.line
        yield* end
        yield* until("zombie", () => psColumn("state", pid).startsWith("Z"))
      })
    })
    return pid
  })

  const of = (pid: Pid): Kept => kept.get(pid) ?? assert.fail(`PID ${pid} is not of this world`)

  const zombify = (pid: Pid) => Effect.suspend(() => of(pid).zombify)

  const reexec = Effect.gen(function* () {
    const shell = yield* piped("/bin/sh", ["-c", "echo ready; read word; exec sleep 1000000"])
    yield* shell.line
    const exec = Effect.sync(() => shell.write("go")).pipe(
      Effect.andThen(until("execve", () => psColumn("comm", shell.pid) === "sleep"))
    )
    return { pid: Pid.make(shell.pid), exec }
  })

  const launchd = Pid.make(1)

  const world: ProcessWorld = {
    spawn,
    exit: (pid) => Effect.suspend(() => of(pid).exit),
    zombify,
    stop: (pid) =>
      Effect.sync(() => process.kill(pid, "SIGSTOP")).pipe(
        Effect.andThen(until("stopped", () => psColumn("state", pid).startsWith("T")))
      ),
    reexec,
    ...(process.getuid?.() === 0 ? {} : { otherUser: Effect.succeed(launchd) })
  }

  suite("macOS, libSystem", {
    layer: DarwinProcessInspector.layer,
    world,
    strength: { processId64: true, otherUserExecutable: true }
  })

  suite("macOS, ps", {
    layer: DarwinProcessInspector.layerPs,
    world,
    strength: { processId64: false, executable: false, otherUserExecutable: false }
  })

  const observe = (pid: Pid) => observeBy(DarwinProcessInspector.layer, pid)

  const call = <A>(f: (library: LibSystem) => A) => Effect.map(load(defaultPath), f)
  const short = (reply: Reply): string | number =>
    reply._tag === "Bytes" ? reply.bytes.byteLength : reply._tag === "Failed" ? reply.errno : reply._tag

  const flavors = [
    [3, 136],
    [13, 64],
    [17, 56],
    [18, 192]
  ] as const

  describe("the calls themselves", () => {
    it.effect("every flavor has its documented size, and ENOMEM one byte below", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        for (const [flavor, size] of flavors) {
          assert.strictEqual(yield* call(({ pidInfo }) => short(pidInfo(pid, flavor, 1, size))), size)
          assert.strictEqual(yield* call(({ pidInfo }) => short(pidInfo(pid, flavor, 1, size - 1))), "ENOMEM")
        }
        assert.strictEqual(yield* call(({ kinfoProc }) => short(kinfoProc(pid))), 648)
      })
    )

    it.effect("a zombie is ESRCH with arg 0, found with arg 1, and known to sysctl", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        yield* zombify(pid)
        for (const [flavor, size] of flavors) {
          assert.strictEqual(yield* call(({ pidInfo }) => short(pidInfo(pid, flavor, 0, size))), "ESRCH")
          assert.strictEqual(yield* call(({ pidInfo }) => short(pidInfo(pid, flavor, 1, size))), size)
        }
        assert.strictEqual(yield* call(({ pidPath }) => short(pidPath(pid))), "ESRCH")
        assert.strictEqual(yield* call(({ kinfoProc }) => short(kinfoProc(pid))), 648)
        const zombie = present(yield* observe(pid))
        assert.deepStrictEqual([zombie.state, zombie.threads, zombie.exeError], ["Z", 1, "not-available"])
      })
    )

    it.effect("a number without a process is ESRCH, and length 0 of sysctl", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        yield* of(pid).exit
        assert.strictEqual(yield* call(({ pidInfo }) => short(pidInfo(pid, 17, 1, 56))), "ESRCH")
        assert.strictEqual(yield* call(({ kinfoProc }) => short(kinfoProc(pid))), 0)
        assert.strictEqual((yield* observe(pid))._tag, "Absent")
      })
    )
  })

  describe("processes", () => {
    it.effect("PID 1 is launchd, root's, with its id", () =>
      Effect.gen(function* () {
        const process = present(yield* observe(launchd))
        assert.deepStrictEqual([process.uid, process.exe?.path, process.comm], [0, "/sbin/launchd", "launchd"])
        assert.match(process.processId64 ?? "", /^[1-9]\d*$/)
        const byPs = present(yield* observeBy(DarwinProcessInspector.layerPs, launchd))
        assert.strictEqual(compareStartTokens(process.startTime, byPs.startTime), "equal")
      })
    )

    it.effect("a setuid child of ours has id and start, where flavor 3 is EPERM", () =>
      Effect.gen(function* () {
        const { pid } = yield* piped("/usr/bin/top", ["-l", "2", "-s", "1000"])
        yield* until("top is root's", () => psColumn("uid", pid) === "0")
        if (process.getuid?.() !== 0) {
          assert.strictEqual(yield* call(({ pidInfo }) => short(pidInfo(pid, 3, 1, 136))), "EPERM")
        }
        const top = present(yield* observe(Pid.make(pid)))
        assert.deepStrictEqual([top.uid, top.exe?.path], [0, "/usr/bin/top"])
        assert.isDefined(top.processId64)
        assert.isDefined(top.startTime)
      })
    )

    it.effect("exec keeps p_uniqueid and the start to the microsecond", () =>
      Effect.gen(function* () {
        const { exec, pid } = yield* reexec
        const before = present(yield* observe(pid))
        yield* exec
        const after = present(yield* observe(pid))
        assert.isDefined(before.processId64)
        assert.strictEqual(after.processId64, before.processId64)
        assert.strictEqual(after.startTime, before.startTime)
        assert.notStrictEqual(after.exe?.path, before.exe?.path)
      })
    )

    it.effect("a renamed binary is followed, a deleted one is no executable and no death", () =>
      Effect.gen(function* () {
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "vm-sentinel-")))),
          (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
        )
        // macOS refuses to run Apple's own programs from another directory, but runs a copy of Node.
        const path = join(folder, "owner")
        copyFileSync(process.execPath, path)
        const owner = yield* piped(path, ["-e", "console.log('ready'); setInterval(() => {}, 1000000)"])
        yield* owner.line
        const before = present(yield* observe(Pid.make(owner.pid)))
        assert.strictEqual(before.exe?.path, path)
        renameSync(path, `${path}.old`)
        const renamed = present(yield* observe(Pid.make(owner.pid)))
        assert.strictEqual(renamed.exe?.path, `${path}.old`)
        assert.strictEqual(renamed.processId64, before.processId64)
        unlinkSync(`${path}.old`)
        const deleted = present(yield* observe(Pid.make(owner.pid)))
        assert.strictEqual(deleted.exeError, "not-available")
        assert.strictEqual(deleted.processId64, before.processId64)
      })
    )
  })

  describe("ps and libSystem agree", () => {
    it.effect("on the host", () =>
      Effect.gen(function* () {
        const host = ProcessInspector.use(({ host }) => host)
        const byLibrary = yield* Effect.provide(host, DarwinProcessInspector.layer)
        assert.deepStrictEqual(yield* Effect.provide(host, DarwinProcessInspector.layerPs), byLibrary)
        assert.isDefined(byLibrary.bootId)
        assert.isDefined(byLibrary.machineId)
        // The test also runs in virtual machines, so both values are possible.
        assert.isBoolean(byLibrary.virtualMachine)
      })
    )

    const withEnvironment = (changes: Record<string, string>) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const before = Object.keys(changes).map((name) => [name, process.env[name]] as const)
          Object.assign(process.env, changes)
          return before
        }),
        (before) =>
          Effect.sync(() => {
            for (const [name, value] of before) {
              if (value === undefined) delete process.env[name]
              else process.env[name] = value
            }
          })
      )

    it.effect.each(["de_DE.UTF-8", "ja_JP.UTF-8", "ru_RU.UTF-8", "en_GB.UTF-8"])(
      "on starts, when the caller's LC_TIME is %s and its zone is far away",
      (locale) =>
        Effect.gen(function* () {
          const pid = yield* spawn
          yield* withEnvironment({ LC_ALL: locale, LC_TIME: locale, LANG: locale, TZ: "Asia/Tokyo" })
          const byLibrary = present(yield* observe(pid))
          const byPs = present(yield* observeBy(DarwinProcessInspector.layerPs, pid))
          assert.match(byPs.startTime ?? "", /^s:\d+$/)
          assert.strictEqual(compareStartTokens(byLibrary.startTime, byPs.startTime), "equal")
          assert.strictEqual(byPs.uid, byLibrary.uid)
        })
    )

    it.effect("a row in another locale never gives a start", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        const args = ["-ww", "-o", "pid=,uid=,state=,lstart=,comm=", "-p", `${pid}`]
        const env = { LC_ALL: "de_DE.UTF-8", TZ: "UTC" }
        const row = parseRow(execFileSync("/bin/ps", args, { encoding: "utf8", env }).trimEnd())
        assert.strictEqual(row?.pid, pid)
        assert.isUndefined(row?.started)
        assert.strictEqual(row?.comm, "sleep")
      })
    )
  })

  describe("a sandbox", () => {
    const standins = Standins.make()
    const sandbox = (profile: string) => `/usr/bin/sandbox-exec -p '(version 1)(allow default)${profile}'`

    it.effect("that refuses setuid programs is no death", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        const psPath = standins.executable(`exec ${sandbox("")} /bin/ps "$@"`)
        const observation = yield* observeBy(DarwinProcessInspector.layerPsWith({ psPath }), pid)
        assert.include(["Hidden", "Unavailable"], observation._tag)
      })
    )

    it.effect("that forbids to look at processes is no death", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        const path = standins.executable(`exec ${sandbox("(deny process-info*)")} "$@"`)
        const script = fileURLToPath(new URL("agents/observe.ts", import.meta.url))
        const stdout = yield* Effect.callback<string, Error>((resume) => {
          execFile(path, [process.execPath, "--no-warnings", script, `${pid}`], (error, stdout) =>
            resume(error === null ? Effect.succeed(stdout) : Effect.fail(error))
          )
        })
        const observation = yield* Schema.decodeEffect(Schema.fromJsonString(Protocol.Observed))(stdout)
        assert.notStrictEqual(observation._tag, "Absent")
      })
    )
  })
} else {
  it.effect("is asked on macOS alone: here `layer` calls nothing", () =>
    Effect.gen(function* () {
      const observation = yield* observeBy(DarwinProcessInspector.layer, Pid.make(process.pid))
      assert.strictEqual(observation._tag === "Unavailable" ? observation.reason : "", "unsupported")
    })
  )
}
