/** `layerPs` over stand-ins for macOS's commands: real processes, recorded rows, and every kind of failure. */
import { assert, describe, it } from "@effect/vitest"
import type { Observation, Present } from "@vm-sentinel/core/Observation"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { Effect, Fiber, type Layer, PlatformError } from "effect"
import { ChildProcessSpawner, make as makeSpawner } from "effect/process/ChildProcessSpawner"
import { TestClock } from "effect/testing"
import { chmodSync, readFileSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { skipped } from "@vm-sentinel/core/test/support/able"
import { Programs } from "@vm-sentinel/platform-linux/test/support/programs"
import { makeWorld, until } from "@vm-sentinel/platform-linux/test/support/processes"
import * as DarwinProcessInspector from "../src/DarwinProcessInspector.ts"
import { defaultPaths, makeWith } from "../src/internal/psInspector.ts"
import * as Standins from "./support/standins.ts"

const standins = Standins.make()

const layerOf = (psPath: string, options: DarwinProcessInspector.PsOptions = {}): Layer.Layer<ProcessInspector> =>
  DarwinProcessInspector.layerPsWith({
    psPath,
    sysctlPath: standins.sysctl,
    ioregPath: standins.ioreg,
    maxPid: Standins.maxPid,
    ...options
  })

const observe = (pid: Pid) => ProcessInspector.use((inspector) => inspector.observe(pid))
const observeAll = (pids: ReadonlyArray<Pid>) => Effect.forEach(pids, observe, { concurrency: "unbounded" })

const present = (observation: Observation): Present => {
  if (observation._tag !== "Present") assert.fail(`expected Present, got ${JSON.stringify(observation)}`)
  return observation
}

const short = (observation: Observation): string =>
  observation._tag === "Unavailable"
    ? `Unavailable ${observation.reason}: ${observation.detail}`
    : observation._tag === "Hidden"
      ? `Hidden: ${observation.detail}`
      : observation._tag

const ours = Pid.make(process.pid)
const columns = "pid=,uid=,state=,lstart=,comm="

if (process.platform === "linux") {
  const { spawn, zombify } = makeWorld()

  /** PIDs that `ps` accepts and that no process has. */
  const free = (count: number): ReadonlyArray<Pid> =>
    Array.from({ length: count }, (_, index) => Pid.make(Standins.maxPid - index))

  const startOf = (pid: number): number => {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    const ticks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19])
    return Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "latin1"))?.[1]) + Math.floor(ticks / 100)
  }

  describe("real processes", () => {
    it.effect("a row is read whole: whole seconds, state, uid, what it calls itself, and no executable", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        const { one } = yield* Programs
        const process = present(yield* observe(pid))
        const started = startOf(pid)
        const booted = /^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]
        assert.deepStrictEqual(
          { ...process, state: "" },
          {
            _tag: "Present",
            pid,
            state: "",
            startTime: `s:${started}`,
            startedAt: started * 1000,
            bootedAt: Number(booted) * 1000,
            uid: globalThis.process.getuid?.() ?? -1,
            comm: one,
            exeError: "not-available"
          }
        )
        assert.include(["R", "S"], process.state)
      }).pipe(Effect.provide([layerOf(standins.ps().path), Programs.layer]))
    )

    it.effect("a zombie is one, with at most one thread", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        if (zombify === undefined) return assert.fail("no zombies here")
        yield* zombify(pid)
        const zombie = present(yield* observe(pid))
        assert.deepStrictEqual([zombie.state, zombie.threads, zombie.comm], ["Z", 1, "<defunct>"])
      }).pipe(Effect.provide([layerOf(standins.ps().path), Programs.layer]))
    )

    it.effect("the host is named as `layer` names it", () =>
      Effect.gen(function* () {
        const { host } = yield* ProcessInspector
        const machine = readFileSync("/etc/machine-id", "utf8").trim().toUpperCase()
        assert.deepStrictEqual(yield* host, {
          hostname: hostname(),
          namespaces: "none",
          bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().toUpperCase(),
          machineId: machine.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
          virtualMachine: false
        })
      }).pipe(Effect.provide(layerOf(standins.ps().path)))
    )

    it.effect("commands that fail leave the host without the name, not with an error", () =>
      Effect.gen(function* () {
        const { host } = yield* ProcessInspector
        assert.deepStrictEqual(yield* host, { hostname: hostname(), namespaces: "none" })
      }).pipe(
        Effect.provide(
          layerOf(standins.ps().path, {
            sysctlPath: standins.executable(`echo "sysctl: unknown oid '$2'" >&2; exit 1`),
            ioregPath: "/nonexistent/ioreg"
          })
        )
      )
    )
  })

  describe("one question for many", () => {
    it.effect("observations made at the same time share one ps", () => {
      const ps = standins.ps()
      return Effect.gen(function* () {
        const pids = yield* Effect.replicateEffect(spawn, 5)
        for (const observation of yield* observeAll([...pids, ...pids, ours])) present(observation)
        assert.strictEqual(ps.calls()[0], `-ww -o ${columns} -p ${[...pids, ours].join(",")}`)
        // The second run is about `ps` itself, whose own start time shows how `ps` prints dates. It happens only once.
        assert.strictEqual(ps.calls().length, 2)
        for (const observation of yield* observeAll(pids)) present(observation)
        assert.strictEqual(ps.calls().length, 3)
      }).pipe(Effect.provide([layerOf(ps.path), Programs.layer]))
    })

    it.effect("those without a row are asked for again, alone: silence about some of them is no answer", () => {
      const ps = standins.ps()
      return Effect.gen(function* () {
        const missing = free(3)
        const [first, ...rest] = yield* observeAll([ours, ...missing])
        assert.strictEqual(first?._tag, "Present")
        assert.deepStrictEqual(
          rest,
          missing.map((pid) => ({ _tag: "Absent", pid }))
        )
        const asked = ps.calls().map((call) => call.split(" ").at(-1))
        assert.deepStrictEqual([asked[0], asked[2]], [[ours, ...missing].join(","), missing.join(",")])
        assert.strictEqual(asked.length, 3)
      }).pipe(Effect.provide(layerOf(ps.path)))
    })

    it.effect("many are asked about in several runs, each of at most 256", () => {
      const ps = standins.ps()
      return Effect.gen(function* () {
        const observations = yield* observeAll(free(300))
        assert.isTrue(observations.every(({ _tag }) => _tag === "Absent"))
        // Both runs start at the same time, so their order varies.
        assert.sameMembers(
          ps.calls().map((call) => call.split(",").length - 4),
          [256, 44]
        )
      }).pipe(Effect.provide(layerOf(ps.path)))
    })

    it.effect("a number that ps wouldn't take doesn't spoil the others", () => {
      const ps = standins.ps()
      return Effect.gen(function* () {
        const beyond = Pid.make(Standins.maxPid + 1)
        const observations = yield* observeAll([ours, beyond])
        assert.deepStrictEqual(observations.map(short), ["Present", "Absent"])
        assert.isTrue(ps.calls().every((call) => !call.includes(`${beyond}`)))
      }).pipe(Effect.provide(layerOf(ps.path)))
    })

    it.effect("a living process that ps wouldn't take is unavailable", () =>
      Effect.gen(function* () {
        assert.strictEqual(short(yield* observe(ours)), `Unavailable unsupported: ps takes numbers up to ${ours - 1}`)
      }).pipe(Effect.provide(layerOf(standins.ps().path, { maxPid: ours - 1 })))
    )
  })

  describe("the time", () => {
    it.effect("is asked for in C and in UTC, whatever the caller's locale and zone", () => {
      const environment = standins.executable("env | sort >&2; exit 1")
      return Effect.gen(function* () {
        const observation = short(yield* observe(ours))
        assert.include(observation, "LC_CTYPE=UTF-8")
        const script = standins.executable(
          `[ "$LC_TIME.$TZ.$LC_ALL.$LANG.$HOME" = C.UTC... ] || echo "$LC_TIME.$TZ.$LC_ALL.$LANG.$HOME" >&2; exit 1`
        )
        const clean = yield* Effect.provide(observe(ours), layerOf(script))
        assert.strictEqual(
          short(clean),
          "Unavailable malformed: contradicting answers: ps: no such process, kill: it exists"
        )
      }).pipe(Effect.provide(layerOf(environment)))
    })

    /** A `ps` that ignores the caller's environment and sets this one. */
    const stubborn = (environment: string): string =>
      standins.executable(`${environment} exec ${standins.ps().path} "$@"`)

    it.effect.each<readonly [name: string, environment: string]>([
      ["another zone", "TZ=Asia/Tokyo"],
      ["another locale", "LC_TIME=de_DE.UTF-8"]
    ])("a ps that insists on %s dates itself wrong: its starts are left out", ([, environment]) =>
      Effect.gen(function* () {
        const pid = yield* spawn
        const process = present(yield* observe(pid))
        assert.isUndefined(process.startTime)
        assert.isUndefined(process.startedAt)
        assert.isDefined(process.state)
        const { identify } = yield* ProcessInspector
        const error = yield* Effect.flip(identify(pid))
        assert.strictEqual(error._tag, "IdentityUnavailable")
        assert.include(error.message, "the start time is not to be had")
      }).pipe(Effect.provide([layerOf(stubborn(environment)), Programs.layer]))
    )

    it.effect("a ps that can't date itself yet is asked again", () => {
      const flag = standins.file("")
      const ps = standins.ps()
      const late = standins.executable(
        `case "$*" in *"-p ${ours}") ;; *) [ -s ${flag} ] || exit 1;; esac; exec ${ps.path} "$@"`
      )
      return Effect.gen(function* () {
        assert.isUndefined(present(yield* observe(ours)).startTime)
        writeFileSync(flag, "now")
        assert.strictEqual(present(yield* observe(ours)).startTime, `s:${startOf(ours)}`)
      }).pipe(Effect.provide(layerOf(late)))
    })
  })

  describe("recorded rows", () => {
    const pids = [346, 812, 999, 9693, 52_749].map((pid) => Pid.make(pid))
    const row = (text: string) => `${text}\n`
    const chrome =
      "/Users/leo/Library/Caches/.wrangler/chrome/mac_arm-126.0.6478.182/chrome-mac-arm64/" +
      "Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing"
    const stdout =
      row("  346     0 Ss   Thu Sep 24 12:11:07 2026     /Library/PrivilegedHelperTools/com.docker.vmnetd") +
      row(
        "  812   501 U    Mon Sep 28 14:22:39 2026     /Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
      ) +
      row("  999   501 Z+   Tue Oct  6 02:07:00 2026     (node)") +
      row(" 9693   501 S    Di. 15 Sep. 23:54:57 2026     /Applications/Docker.app/Contents/MacOS/com.docker.backend") +
      row(`52749    -2 R    Fri Oct  2 16:52:02 2026     ${chrome}`)

    it.effect("are the observations of their numbers, in whatever order", () =>
      Effect.gen(function* () {
        const observations = (yield* observeAll(pids)).map((observation) => {
          const { comm, startTime, state, threads, uid } = present(observation)
          return [state, threads, uid, startTime, comm]
        })
        const token = (iso: string) => `s:${Date.parse(iso) / 1000}`
        assert.deepStrictEqual(observations, [
          ["S", undefined, 0, token("2026-09-24T12:11:07Z"), "/Library/PrivilegedHelperTools/com.docker.vmnetd"],
          [
            "U",
            undefined,
            501,
            token("2026-09-28T14:22:39Z"),
            "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
          ],
          ["Z", 1, 501, token("2026-10-06T02:07:00Z"), "(node)"],
          ["S", undefined, 501, undefined, "/Applications/Docker.app/Contents/MacOS/com.docker.backend"],
          ["R", undefined, 4_294_967_294, token("2026-10-02T16:52:02Z"), chrome]
        ])
      }).pipe(Effect.provide(layerOf(standins.ps({ stdout }).path)))
    )
  })

  describe("a ps that fails is never a death", () => {
    const missing = free(1)

    it.effect.each<readonly [name: string, replayed: Standins.Replayed, answer: string]>([
      [
        "exit 1 and not a word, but kill knows it",
        { code: 1 },
        "Unavailable malformed: contradicting answers: ps: no such process, kill: it exists"
      ],
      ["exit 0 without a row", { code: 0 }, "Unavailable resources: ps: exit 0 without a row"],
      [
        "exit 0 with rows of others",
        { stdout: "    1     0 Ss   Thu Oct  1 21:59:06 2026     /sbin/launchd\n" },
        "Unavailable malformed: ps: a row for process 1, which wasn't asked for"
      ],
      ["a complaint", { stderr: "ps: time warp\n", code: 1 }, "Unavailable malformed: ps: exit 1: ps: time warp"],
      [
        "a refusal",
        { stderr: "ps: Operation not permitted\n", code: 1 },
        "Hidden: ps: exit 1: ps: Operation not permitted"
      ],
      ["another exit code", { code: 71 }, "Unavailable malformed: ps: exit 71"]
    ])("%s", ([, replayed, answer]) =>
      Effect.gen(function* () {
        assert.strictEqual(short(yield* observe(ours)), answer)
      }).pipe(Effect.provide(layerOf(standins.ps(replayed).path)))
    )

    it.effect("exit 0 that keeps leaving some out leaves them unavailable, after three questions", () => {
      const first = standins.executable(
        `for list; do :; done; echo "\${list%%,*} 0 S Thu Oct  1 21:59:06 2026     /sbin/launchd"`
      )
      return Effect.gen(function* () {
        const observations = yield* observeAll([Pid.make(1), ...free(3), ours])
        assert.deepStrictEqual(observations.map(short), [
          "Present",
          "Present",
          "Present",
          "Unavailable malformed: ps: exit 0 without a row",
          "Unavailable malformed: ps: exit 0 without a row"
        ])
      }).pipe(Effect.provide(layerOf(first)))
    })

    it.effect("exit 1 and not a word, and kill agrees: absent", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual((yield* observeAll(missing)).map(short), ["Absent"])
        const { identify } = yield* ProcessInspector
        const [pid] = missing
        if (pid === undefined) return assert.fail("no number")
        assert.strictEqual((yield* Effect.flip(identify(pid)))._tag, "NotFound")
      }).pipe(Effect.provide(layerOf(standins.ps({ code: 1 }).path)))
    )

    it.effect("a command that isn't there is unsupported", () =>
      Effect.gen(function* () {
        assert.strictEqual(short(yield* observe(ours)), "Unavailable unsupported: ps can't be started: ENOENT")
        const { self } = yield* ProcessInspector
        assert.strictEqual((yield* Effect.flip(self))._tag, "IdentityUnavailable")
      }).pipe(Effect.provide(layerOf("/nonexistent/ps")))
    )

    it.effect("a command that may not be run is a refusal", () => {
      const path = standins.executable("exit 0")
      chmodSync(path, 0o644)
      return Effect.gen(function* () {
        assert.strictEqual(short(yield* observe(ours)), "Hidden: ps can't be started: EACCES")
        const { identify } = yield* ProcessInspector
        assert.strictEqual((yield* Effect.flip(identify(ours)))._tag, "PermissionDenied")
      }).pipe(Effect.provide(layerOf(path)))
    })

    it.effect("a command that is killed is a shortage", () =>
      Effect.gen(function* () {
        assert.include(short(yield* observe(ours)), "Unavailable resources: ps: ")
      }).pipe(Effect.provide(layerOf(standins.executable("kill -9 $$"))))
    )

    it.effect("a command that doesn't end is given up, and ended", () => {
      const pidFile = standins.file("")
      const path = standins.executable(`echo $$ >${pidFile}; exec sleep 1000`)
      const asked = () => Number(readFileSync(pidFile, "utf8"))
      return Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(observe(ours))
        yield* until("ps runs", () => asked() > 0)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(short(yield* Fiber.join(fiber)), "Unavailable resources: ps: no answer in 10 seconds")
        assert.throws(() => process.kill(asked(), 0), "ESRCH")
      }).pipe(Effect.provide(layerOf(path)))
    })

    const failing = (code: string) =>
      makeSpawner(() =>
        Effect.fail(
          PlatformError.systemError({
            _tag: code === "EPERM" ? "PermissionDenied" : "Unknown",
            module: "ChildProcess",
            method: "spawn",
            cause: Object.assign(new Error(`spawn ${code}`), { code })
          })
        )
      )

    it.effect.each([
      ["EPERM", "Hidden: ps can't be started: EPERM"],
      ["EMFILE", "Unavailable resources: ps can't be started: EMFILE"],
      ["EAGAIN", "Unavailable resources: ps can't be started: EAGAIN"]
    ] as const)("a spawn that is %s", ([code, answer]) =>
      Effect.gen(function* () {
        const inspector = yield* makeWith(defaultPaths, () => "ESRCH")
        assert.strictEqual(short(yield* inspector.observe(Pid.make(812))), answer)
        assert.deepStrictEqual(yield* inspector.host, { hostname: hostname(), namespaces: "none" })
      }).pipe(Effect.provideService(ChildProcessSpawner, failing(code)))
    )
  })
} else skipped("layerPs over the stand-ins", Standins.noProcfs)
