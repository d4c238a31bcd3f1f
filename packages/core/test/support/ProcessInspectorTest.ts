/**
 * The conformance suite of `ProcessInspector`. A test file calls {@link suite} with a Layer and with a
 * {@link ProcessWorld}, which makes processes. An ability that a world lacks isn't tested there.
 */
import { assert, it } from "@effect/vitest"
import { Effect, type Layer, Result, type Scope } from "effect"
import type { DirectoryFrame } from "../../src/DirectoryFrame.ts"
import type { FileId } from "../../src/FileId.ts"
import type { Observation, Present, ObserveDepth } from "../../src/Observation.ts"
import { compare, compareStartTokens, Pid, type ProcessIdentity } from "../../src/ProcessIdentity.ts"
import { ProcessInspector } from "../../src/ProcessInspector.ts"
import * as Sentinel from "../../src/Sentinel.ts"
import { answer, type Circumstances, judge, needed } from "./judging.ts"

export { answer }
import { type Able, ableIn } from "./able.ts"

/** Makes something that ends with the scope of the test. */
export type Making<A, R> = Effect.Effect<A, unknown, R | Scope.Scope>

/** Makes processes. All PIDs are numbers in the PID namespace of the inspector under test. */
export interface ProcessWorld<R = never> {
  /** A running process of the inspector's user, other than the inspector's own. */
  readonly spawn: Making<Pid, R>
  /** Makes the process exit and reaps it. No process has its number when the effect ends. */
  readonly exit?: (pid: Pid) => Making<void, R>
  /**
   * Makes the process exit and reaps it. A process of the same or of another executable, with another start time, gets
   * its number.
   */
  readonly recycle?: (pid: Pid, executable: "same" | "other") => Making<void, R>
  /** Makes the process exit, and doesn't reap it. */
  readonly zombify?: (pid: Pid) => Making<void, R>
  /** A process and one of its threads whose id isn't the PID. */
  readonly thread?: Making<{ readonly process: Pid; readonly thread: Pid }, R>
  /** A process whose leader has exited while another thread runs. */
  readonly leaderExited?: Able<Making<Pid, R>>
  /** Stops the process (SIGSTOP). */
  readonly stop?: (pid: Pid) => Making<void, R>
  /** A process that runs another executable in place (`execve(2)`) on request. */
  readonly reexec?: Making<{ readonly pid: Pid; readonly exec: Making<void, R> }, R>
  /** A running process of another user, not hidden from the inspector. */
  readonly otherUser?: Able<Making<Pid, R>>
  /** A running process about which the kernel reports to the inspector only that it exists. */
  readonly hidden?: Making<Pid, R>
  /** A running process that is the only holder of a directory's `flock(2)`, until `free` runs. */
  readonly lockHolder?: Able<
    Making<{ readonly pid: Pid; readonly directory: FileId; readonly free: Making<void, R> }, R>
  >
}

/** What an implementation can do. The suite can't detect this, so each implementation declares it. */
export interface Strength {
  /** Processes have a 64-bit id that is never reused. */
  readonly processId64: boolean
  /** Executables can be read. Default: they can. */
  readonly executable?: boolean
  /** Executables of other users' processes can be read. */
  readonly otherUserExecutable: boolean
  /** The 64-bit id of a hidden process can be read. */
  readonly hiddenProcessId64?: boolean
}

export interface Options<R, E> {
  readonly layer: Layer.Layer<ProcessInspector | R, E>
  readonly world: ProcessWorld<R>
  readonly strength: Strength
}

const depths: ReadonlyArray<ObserveDepth> = ["existence", "identity", "path", "executable", "all"]

/** A directory on a file system of one kernel. */
const frame: DirectoryFrame = {
  id: { dev: "1", ino: "2" },
  fileSystem: { type: "ext4", id: { kind: "uuid", value: "conformance" }, oneKernel: true },
  inode: "2",
  birth: "3"
}

/** Circumstances of a judgement in that directory. */
export const circumstances: Circumstances = { lock: "self", shared: "keep", frame, legacy: "trust" }

/** The v3 record of a process that owns the directory of {@link circumstances}. */
export const recordOf = (identity: ProcessIdentity): Sentinel.SentinelV3 => {
  const made = Sentinel.fromIdentity(identity, "v3", {
    nonce: "conformance-nonce",
    role: "owner",
    createdAt: "2026-01-01T00:00:00.000Z",
    directory: { type: "ext4", id: { kind: "uuid", value: "conformance" }, inode: "2", birth: "3" }
  })
  const sentinel = Result.getOrThrow(made)
  return sentinel._tag === "V3" ? sentinel : assert.fail(sentinel._tag)
}

/** Judges a record as a sweep does, without a search through PID namespaces, on a file system of one kernel. */
export const judged = Effect.fnUntraced(function* (sentinel: Sentinel.Sentinel) {
  const inspector = yield* ProcessInspector
  const host = yield* inspector.host
  const { process } = needed(sentinel, host, circumstances)
  const observation = process === undefined ? undefined : yield* inspector.observe(sentinel.pid, process)
  // The record counts as written right after the boot.
  const changedAt = observation?._tag === "Present" ? observation.bootedAt : undefined
  const when = changedAt === undefined ? circumstances : { ...circumstances, changedAt }
  return judge(sentinel, observation, host, when)
})

/** Judges the v3 record of a process as a sweep does. */
export const judgedIdentity = (identity: ProcessIdentity) => judged(recordOf(identity))

const present = (observation: Observation): Present => {
  if (observation._tag !== "Present") assert.fail(`expected Present, got ${JSON.stringify(observation)}`)
  return observation
}

const isThread = ({ pid, tgid }: Present): boolean => tgid !== undefined && tgid !== pid

const isExited = ({ state, threads }: Present): boolean =>
  (state === "Z" || state === "X") && threads !== undefined && threads <= 1

/** The record of the same process on a platform without 64-bit process ids. */
export const withoutId64 = (sentinel: Sentinel.SentinelV3): Sentinel.SentinelV3 => {
  const { processId64: _, ...record } = sentinel.record
  return { ...sentinel, record }
}

/** The conformance suite. `name` is the implementation and the world, for the title. */
export const suite = <R, E>(name: string, { layer, strength, world }: Options<R, E>): void => {
  const seesExecutable = strength.executable !== false
  const identify = (pid: Pid) => ProcessInspector.use((inspector) => inspector.identify(pid))
  const observe = (pid: Pid, wanted?: ObserveDepth) =>
    ProcessInspector.use((inspector) => inspector.observe(pid, wanted))
  const observeAll = (pid: Pid) => Effect.forEach(depths, (wanted) => observe(pid, wanted))

  it.layer(layer)(`ProcessInspector (${name})`, (it) => {
    const able = ableIn<ProcessInspector | R | Scope.Scope>((title, test) => it.effect(title, test))

    it.effect("host answers the same twice", () =>
      Effect.gen(function* () {
        const { host } = yield* ProcessInspector
        const first = yield* host
        assert.deepStrictEqual(yield* host, first)
        assert.include(["supported", "none"], first.namespaces)
        assert.strictEqual(first.namespaces === "supported", first.pidNamespace !== undefined)
        if (first.namespaces === "none") {
          assert.isUndefined(first.pidNamespaceInit)
          assert.isUndefined(first.timeOffset)
        }
        if (first.bootId !== undefined) assert.isUndefined(first.bootIdProblem)
        if (first.timeOffset !== undefined) assert.match(first.timeOffset, /^(0|-?[1-9][0-9]*)$/)
      })
    )

    it.effect("the first process of the namespace is the one with number 1", () =>
      Effect.gen(function* () {
        const { pidNamespaceInit } = yield* ProcessInspector.use(({ host }) => host)
        const first = yield* observe(Pid.make(1))
        if (pidNamespaceInit === undefined || first._tag !== "Present") return
        assert.strictEqual(first.startTime, pidNamespaceInit.startTime)
        assert.strictEqual(first.processId64, pidNamespaceInit.processId64)
        assert.strictEqual(pidNamespaceInit.processId64 !== undefined, strength.processId64)
      })
    )

    it.effect("scenario 1: self is of this host, stays the same, and is alive", () =>
      Effect.gen(function* () {
        const { host, self } = yield* ProcessInspector
        const identity = yield* self
        assert.deepStrictEqual(yield* self, identity)
        assert.deepStrictEqual(yield* identify(identity.pid), identity)
        const { bootId, hostname, machineId, pidNamespace, pidNamespaceInit, timeOffset } = yield* host
        assert.deepStrictEqual(
          [identity.bootId, identity.machineId, identity.hostname, identity.pidNamespace, identity.timeOffset],
          [bootId, machineId, hostname, pidNamespace, timeOffset]
        )
        assert.deepStrictEqual(identity.pidNamespaceInit, pidNamespaceInit)
        assert.strictEqual(identity.processId64 !== undefined, strength.processId64)
        assert.strictEqual(answer(yield* judgedIdentity(identity)), "alive matches")
      })
    )

    it.effect("a running process is present at every depth, and neither a thread nor exited", () =>
      Effect.gen(function* () {
        const pid = yield* world.spawn
        for (const observation of yield* observeAll(pid)) {
          const process = present(observation)
          assert.strictEqual(process.pid, pid)
          assert.isFalse(isThread(process))
          assert.isFalse(isExited(process))
        }
      })
    )

    it.effect("each depth reads what its name says, and all depths agree", () =>
      Effect.gen(function* () {
        const pid = yield* world.spawn
        const identity = yield* identify(pid)
        const shallow = present(yield* observe(pid, "identity"))
        const executable = present(yield* observe(pid, "executable"))
        const all = present(yield* observe(pid, "all"))
        // A new process is in state R, and in state S a moment later.
        const { bootedAt: _, startedAt: __, state: ___, ...byDefault } = present(yield* observe(pid))
        const { bootedAt, startedAt, state: ____, ...whole } = all
        assert.deepStrictEqual(byDefault, whole, "`all` is the default")
        assert.isNumber(startedAt)
        assert.isNumber(bootedAt)
        assert.isAtLeast(startedAt ?? 0, bootedAt ?? 0, "nothing starts before the boot")
        if (strength.processId64) assert.strictEqual(shallow.processId64, identity.processId64)
        else assert.strictEqual(compareStartTokens(identity.startTime, shallow.startTime), "equal")
        assert.strictEqual(identity.exe !== undefined, seesExecutable)
        assert.strictEqual(executable.exeError, seesExecutable ? undefined : "not-available")
        assert.strictEqual(executable.exe?.path, identity.exe?.path)
        assert.isNumber(executable.startedAt)
        assert.isNumber(executable.bootedAt)
        assert.strictEqual(compareStartTokens(identity.startTime, executable.startTime), "equal")
        assert.strictEqual(compareStartTokens(identity.startTime, all.startTime), "equal")
        assert.strictEqual(all.processId64, identity.processId64)
        assert.deepStrictEqual(all.exe, identity.exe)
        assert.strictEqual(all.uid, identity.uid)
      })
    )

    it.effect("a running process is identified, the same twice, and judged alive by each format", () =>
      Effect.gen(function* () {
        const pid = yield* world.spawn
        const identity = yield* identify(pid)
        assert.strictEqual(identity.pid, pid)
        assert.deepStrictEqual(yield* identify(pid), identity)
        assert.strictEqual(identity.processId64 !== undefined, strength.processId64)
        assert.strictEqual(answer(yield* judgedIdentity(identity)), "alive matches")
        const executable = identity.exe?.path ?? "/nonexistent/program"
        assert.strictEqual(
          answer(yield* judged({ _tag: "V2", pid, executable })),
          seesExecutable ? "alive matches" : "unknown permission-denied"
        )
        assert.strictEqual(answer(yield* judged({ _tag: "V1", pid })), "alive pid-alive")
      })
    )

    it.effect("a record without a 64-bit id is judged by its start", () =>
      Effect.gen(function* () {
        const pid = yield* world.spawn
        const record = withoutId64(recordOf(yield* identify(pid)))
        assert.strictEqual(answer(yield* judged(record)), "alive matches")
      })
    )

    it.effect("two processes differ in identity", () =>
      Effect.gen(function* () {
        const one = yield* identify(yield* world.spawn)
        const two = yield* identify(yield* world.spawn)
        assert.notStrictEqual(one.pid, two.pid)
        if (strength.processId64) assert.strictEqual(compare(one.processId64, two.processId64), "different")
      })
    )

    it.effect("scenario 60: a number beyond every PID is absent and can't be identified", () =>
      Effect.gen(function* () {
        for (const pid of [2 ** 22 + 1, 2 ** 31 - 1].map((number) => Pid.make(number))) {
          for (const observation of yield* observeAll(pid)) assert.deepStrictEqual(observation, { _tag: "Absent", pid })
          const error = yield* Effect.flip(identify(pid))
          assert.strictEqual(error._tag, "NotFound")
          assert.strictEqual(error.pid, pid)
        }
      })
    )

    able(world.exit, "scenario 2: a process that exited is absent at every depth", (exit) =>
      Effect.gen(function* () {
        const pid = yield* world.spawn
        const before = yield* identify(pid)
        yield* exit(pid)
        for (const observation of yield* observeAll(pid)) assert.deepStrictEqual(observation, { _tag: "Absent", pid })
        assert.strictEqual((yield* Effect.flip(identify(pid)))._tag, "NotFound")
        assert.strictEqual(answer(yield* judgedIdentity(before)), "dead pid-dead")
      })
    )

    able(world.recycle, "scenario 3: a PID reused by another executable is another process", (recycle) =>
      Effect.gen(function* () {
        const pid = yield* world.spawn
        const before = yield* identify(pid)
        yield* recycle(pid, "other")
        const after = yield* identify(pid)
        assert.strictEqual(after.pid, pid)
        if (seesExecutable) assert.notStrictEqual(after.exe?.path, before.exe?.path)
        const reason = strength.processId64 ? "identity-mismatch" : "start-time-mismatch"
        assert.strictEqual(answer(yield* judgedIdentity(before)), `dead ${reason}`)
        assert.strictEqual(answer(yield* judged(withoutId64(recordOf(before)))), "dead start-time-mismatch")
        const executable = before.exe?.path ?? "/nonexistent/program"
        assert.strictEqual(
          answer(yield* judged({ _tag: "V2", pid, executable })),
          seesExecutable ? "dead exe-mismatch" : "unknown permission-denied"
        )
      })
    )

    able(world.recycle, "scenario 4: a PID reused by the same executable is another process", (recycle) =>
      Effect.gen(function* () {
        const pid = yield* world.spawn
        const before = yield* identify(pid)
        yield* recycle(pid, "same")
        assert.strictEqual((yield* identify(pid)).exe?.path, before.exe?.path)
        const reason = strength.processId64 ? "identity-mismatch" : "start-time-mismatch"
        assert.strictEqual(answer(yield* judgedIdentity(before)), `dead ${reason}`)
        assert.strictEqual(answer(yield* judged(withoutId64(recordOf(before)))), "dead start-time-mismatch")
      })
    )

    able(world.thread, "scenario 14: a thread id is not a process", (thread) =>
      Effect.gen(function* () {
        const made = yield* thread
        for (const observation of yield* observeAll(made.thread)) {
          // A platform whose thread ids aren't PIDs answers Absent.
          if (observation._tag === "Present") {
            assert.strictEqual(observation.tgid, made.process)
            assert.notStrictEqual(observation.tgid, observation.pid)
          } else assert.strictEqual(observation._tag, "Absent")
        }
        assert.strictEqual((yield* Effect.flip(identify(made.thread)))._tag, "NotFound")
        assert.strictEqual((yield* judged({ _tag: "V1", pid: made.thread })).verdict, "dead")
        assert.isFalse(isThread(present(yield* observe(made.process))))
      })
    )

    able(world.zombify, "scenario 15: a zombie is seen as one at every depth, and identifies nobody", (zombify) =>
      Effect.gen(function* () {
        const pid = yield* world.spawn
        const before = yield* identify(pid)
        yield* zombify(pid)
        for (const observation of yield* observeAll(pid)) assert.isTrue(isExited(present(observation)))
        assert.strictEqual((yield* Effect.flip(identify(pid)))._tag, "NotFound")
        assert.strictEqual(answer(yield* judgedIdentity(before)), "dead zombie")
      })
    )

    able(world.leaderExited, "scenario 16: a process whose leader exited while threads run is alive", (leaderExited) =>
      Effect.gen(function* () {
        const pid = yield* leaderExited
        for (const observation of yield* observeAll(pid)) {
          const process = present(observation)
          assert.isFalse(isThread(process))
          assert.isFalse(isExited(process))
        }
        assert.strictEqual(answer(yield* judgedIdentity(yield* identify(pid))), "alive matches")
      })
    )

    able(world.stop, "scenario 17: a stopped process is alive", (stop) =>
      Effect.gen(function* () {
        const pid = yield* world.spawn
        const before = yield* identify(pid)
        yield* stop(pid)
        for (const observation of yield* observeAll(pid)) assert.isFalse(isExited(present(observation)))
        assert.deepStrictEqual(yield* identify(pid), before)
        assert.strictEqual(answer(yield* judgedIdentity(before)), "alive matches")
      })
    )

    able(world.reexec, "scenario 21: a process that runs another executable in place stays the same one", (reexec) =>
      Effect.gen(function* () {
        const { exec, pid } = yield* reexec
        const before = yield* identify(pid)
        yield* exec
        const after = yield* identify(pid)
        if (seesExecutable) assert.notStrictEqual(after.exe?.path, before.exe?.path)
        assert.strictEqual(after.processId64, before.processId64)
        assert.strictEqual(compareStartTokens(before.startTime, after.startTime), "equal")
        assert.strictEqual(answer(yield* judgedIdentity(before)), "alive matches")
      })
    )

    able(world.otherUser, "scenario 29: another user's process is known by its start", (otherUser) =>
      Effect.gen(function* () {
        const pid = yield* otherUser
        const identity = yield* identify(pid)
        assert.strictEqual(answer(yield* judgedIdentity(identity)), "alive matches")
        assert.strictEqual(answer(yield* judged(withoutId64(recordOf(identity)))), "alive matches")
        const observed = present(yield* observe(pid, "executable"))
        if (strength.otherUserExecutable) assert.isDefined(observed.exe)
        else {
          assert.strictEqual(observed.exeError, seesExecutable ? "permission-denied" : "not-available")
          assert.isUndefined(identity.exe)
          const executable = "/nonexistent/program"
          assert.strictEqual(answer(yield* judged({ _tag: "V2", pid, executable })), "unknown permission-denied")
        }
      })
    )

    able(world.hidden, "scenarios 27 and 28: a hidden process is hidden, and never dead", (hidden) =>
      Effect.gen(function* () {
        const pid = yield* hidden
        for (const observation of yield* observeAll(pid)) {
          if (strength.hiddenProcessId64) assert.isFalse(isExited(present(observation)))
          else assert.strictEqual(observation._tag, "Hidden")
        }
        assert.strictEqual((yield* Effect.flip(identify(pid)))._tag, "PermissionDenied")
        const executable = "/nonexistent/program"
        assert.strictEqual(answer(yield* judged({ _tag: "V2", pid, executable })), "unknown permission-denied")
        assert.notStrictEqual((yield* judged({ _tag: "V1", pid })).verdict, "dead")
      })
    )

    it.effect("nobody holds the lock of what isn't there", () =>
      Effect.gen(function* () {
        const { lockHolders } = yield* ProcessInspector
        assert.deepStrictEqual(yield* lockHolders({ dev: "0", ino: "0" }), [])
      })
    )

    able(world.lockHolder, "who holds a directory's lock is named, and who let go isn't", (lockHolder) =>
      Effect.gen(function* () {
        const { lockHolders } = yield* ProcessInspector
        const one = yield* lockHolder
        const two = yield* lockHolder
        assert.deepStrictEqual(yield* lockHolders(one.directory), [one.pid])
        assert.deepStrictEqual(yield* lockHolders(two.directory), [two.pid])
        assert.deepStrictEqual(yield* lockHolders({ ...one.directory, dev: "0" }), [])
        yield* one.free
        assert.deepStrictEqual(yield* lockHolders(one.directory), [])
        assert.deepStrictEqual(yield* lockHolders(two.directory), [two.pid])
      })
    )
  })
}
