/** Every answer of the kernel and its meaning, on the fixture procfs with failing calls. */
import { assert, describe, it } from "@effect/vitest"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { Observation, ObserveDepth } from "@vm-sentinel/core/Observation"
import { Effect, type Scope } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { circumstances } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import { judge } from "@vm-sentinel/core/test/support/judging"
import * as LinuxProcessInspector from "../src/LinuxProcessInspector.ts"
import type { Kernel } from "../src/Kernel.ts"
import * as Pidfd from "../src/Pidfd.ts"
import type { Trees } from "../src/OpenTree.ts"
import * as Fixture from "./support/procfsFixture.ts"

const depths: ReadonlyArray<ObserveDepth> = ["existence", "identity", "path", "executable", "all"]

type Kind = "pidfd" | "procfs"

/** Makes the first `times` calls fail. */
const failing =
  <Args extends ReadonlyArray<unknown>, A>(
    call: (...args: Args) => A,
    code: string,
    {
      on = () => true,
      times = Number.POSITIVE_INFINITY
    }: {
      readonly on?: (...args: Args) => boolean
      readonly times?: number
    } = {}
  ) =>
  (...args: Args): A => {
    if (!on(...args) || times-- <= 0) return call(...args)
    throw Fixture.failed(code)
  }

/** Tracks the descriptors of one file of the procfs, or of all files in one of its directories. */
const opening = ({ kernel, root }: Fixture.FixtureService, name: string) => {
  const opened = new Set<number>()
  const open: Kernel["open"] = (path) => {
    const fd = kernel.open(path)
    opened.delete(fd)
    if (`${path}/`.startsWith(`${root}/${name}/`)) opened.add(fd)
    return fd
  }
  return { open, isOf: (fd: number) => opened.has(fd) }
}

/** Replaces `read` for the files of one process. */
const reading = (fixture: Fixture.FixtureService, pid: Pid, read: Kernel["read"]): Partial<Kernel> => {
  const { isOf, open } = opening(fixture, `${pid}`)
  return { open, read: (fd, into, position) => (isOf(fd) ? read : fixture.kernel.read)(fd, into, position) }
}

/** Puts the file on another file system than procfs. */
const fuse = (fixture: Fixture.FixtureService, name: string): Fixture.Overrides => {
  const { isOf, open } = opening(fixture, name)
  const fileSystemType: Kernel["fileSystemType"] = (path) =>
    isOf(Number(/^\/proc\/self\/fd\/([0-9]+)$/.exec(path)?.[1])) ? 0x65735546 : fixture.kernel.fileSystemType(path)
  return { kernel: { open, fileSystemType } }
}

/** Makes the file the root of a mount of its own, which may be a procfs. */
const covered = (fixture: Fixture.FixtureService, name: string): Fixture.Overrides => {
  const { isOf, open } = opening(fixture, name)
  return { kernel: { open, mountId: (fd) => (isOf(fd) ? "99" : fixture.kernel.mountId(fd)) } }
}

type Body = (
  fixture: Fixture.FixtureService,
  inspect: (overrides?: Fixture.Overrides) => ProcessInspector["Service"]
) => Effect.Effect<void, unknown, Scope.Scope>

/** Makes a test on the fixture. It fails if a descriptor stays open, or if kill(2) gets a number that isn't a PID. */
const test = (name: string, kind: Kind, body: Body) =>
  it.effect(`${name} (${kind})`, () =>
    Effect.gen(function* () {
      const fixture = yield* Fixture.make
      yield* body(fixture, (overrides) =>
        Effect.runSync(
          Effect.provide(
            Effect.service(ProcessInspector),
            LinuxProcessInspector.layerWith(Fixture.optionsOf(fixture, kind, overrides))
          )
        )
      )
      assert.strictEqual(fixture.leaked(), 0, "descriptors stayed open")
      assert.isTrue(fixture.killed.every((pid) => pid >= 1))
    })
  )

const both = (name: string, body: (kind: Kind) => Body) => {
  for (const kind of ["pidfd", "procfs"] as const) test(name, kind, body(kind))
}

const tags = (observations: ReadonlyArray<Observation>) => observations.map(({ _tag }) => _tag)

const observeAll = (inspector: ProcessInspector["Service"], pid: Pid) =>
  Effect.forEach(depths, (wanted) => inspector.observe(pid, wanted))

const judgeV3 = (identity: { readonly pid: Pid; readonly startTime: string }, observation: Observation) =>
  judge(
    {
      _tag: "V3",
      pid: identity.pid,
      record: {
        v: 3,
        nonce: "table-nonce",
        startTime: identity.startTime,
        bootId: "boot",
        pidNamespace: Fixture.ownNamespace,
        timeOffset: "0",
        hostname: "fixture",
        role: "owner",
        createdAt: ""
      }
    },
    observation,
    {
      bootId: "boot",
      hostname: "fixture",
      namespaces: "supported",
      pidNamespace: Fixture.ownNamespace,
      timeOffset: "0"
    },
    circumstances
  )

describe("existence", () => {
  both(
    "absent is ENOENT and ESRCH, at every depth",
    () => (_, inspect) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(
          tags(yield* observeAll(inspect(), Pid.make(9999))),
          depths.map(() => "Absent")
        )
      })
  )

  for (const errno of ["EPERM", "EINVAL", undefined]) {
    test(`scenario 27: ENOENT and kill ${errno ?? "allowed"} is hidden`, "procfs", (_, inspect) =>
      Effect.gen(function* () {
        const pid = Pid.make(9999)
        const inspector = inspect({ kernel: { kill: () => errno } })
        for (const observation of yield* observeAll(inspector, pid)) {
          const detail = `stat: ENOENT, kill: ${errno ?? "allowed"}`
          assert.deepStrictEqual(observation, { _tag: "Hidden", pid, detail })
        }
        assert.strictEqual((yield* Effect.flip(inspector.identify(pid)))._tag, "PermissionDenied")
      })
    )
  }

  test("scenario 27: what /proc hides is known by its pidfd", "pidfd", (fixture, inspect) =>
    Effect.gen(function* () {
      const { id, pid } = fixture.add({ access: "hidden" })
      for (const observation of yield* observeAll(inspect(), pid)) assert.strictEqual(observation._tag, "Present")
      const seen = yield* inspect().observe(pid, "all")
      assert.deepStrictEqual(seen, { _tag: "Present", pid, tgid: pid, processId64: `${id}` })
    })
  )

  test("scenario 27: a hidden zombie is one", "pidfd", (fixture, inspect) =>
    Effect.gen(function* () {
      const { pid } = fixture.add({ access: "hidden", state: "Z" })
      for (const observation of yield* observeAll(inspect(), pid)) {
        assert.include(observation, { _tag: "Present", state: "Z", threads: 1 })
      }
    })
  )

  test("scenario 27: a hidden thread, and one whose pidfd is refused, is hidden", "pidfd", (fixture, inspect) =>
    Effect.gen(function* () {
      const { pid } = fixture.add({ access: "hidden" })
      for (const errno of ["ENOENT", "EINVAL", "EPERM", "EMFILE"]) {
        let opened = 0
        const open = (number: number) => (number === pid && opened++ >= 0 ? errno : fixture.pidfds.open(number))
        assert.strictEqual((yield* inspect({ pidfds: { open } }).observe(pid))._tag, "Hidden", errno)
      }
    })
  )

  for (const errno of ["EACCES", "EPERM"]) {
    const refuse = (fixture: Fixture.FixtureService, pid: Pid, call: "open" | "read") => {
      const { kernel } = fixture
      return call === "open"
        ? { open: failing(kernel.open, errno, { on: (path) => path.endsWith(`/${pid}/stat`) }) }
        : reading(fixture, pid, failing(kernel.read, errno))
    }
    for (const call of ["open", "read"] as const) {
      test(`scenario 28: ${errno} on ${call} is hidden`, "procfs", (fixture, inspect) =>
        Effect.gen(function* () {
          const { pid } = fixture.add()
          const inspector = inspect({ kernel: refuse(fixture, pid, call) })
          assert.deepStrictEqual(
            tags(yield* observeAll(inspector, pid)),
            depths.map(() => "Hidden")
          )
          assert.strictEqual((yield* Effect.flip(inspector.identify(pid)))._tag, "PermissionDenied")
        })
      )

      test(`scenario 28: ${errno} on ${call} leaves the pidfd`, "pidfd", (fixture, inspect) =>
        Effect.gen(function* () {
          const { id, pid } = fixture.add()
          const seen = yield* inspect({ kernel: refuse(fixture, pid, call) }).observe(pid, "all")
          assert.deepStrictEqual(seen, { _tag: "Present", pid, tgid: pid, processId64: `${id}` })
        })
      )
    }
  }

  both(
    "absent needs /proc to say so: not kill and the pidfd alone",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        const kill = () => "ESRCH"
        const open = (number: number) => (number === pid ? "ESRCH" : fixture.pidfds.open(number))
        const pidfds = { open, kill: (number: number) => (number === pid ? "ESRCH" : undefined) }
        const seen = yield* observeAll(inspect({ kernel: { kill }, pidfds }), pid)
        assert.deepStrictEqual(
          tags(seen),
          depths.map(() => "Present")
        )
      })
  )

  test("absent needs /proc to say so: not a refusal and kill", "procfs", (fixture, inspect) =>
    Effect.gen(function* () {
      const { pid } = fixture.add()
      const open = failing(fixture.kernel.open, "EACCES", { on: (path) => path.endsWith(`/${pid}/stat`) })
      assert.strictEqual((yield* inspect({ kernel: { open, kill: () => "ESRCH" } }).observe(pid))._tag, "Hidden")
    })
  )

  test("scenario 27: a hidden process that is reaped while it is looked at is absent", "pidfd", (fixture, inspect) =>
    Effect.gen(function* () {
      const { id, pid } = fixture.add({ access: "hidden" })
      const hasExited = (fd: number) => {
        if (fixture.pidfds.inode(fd) === id) fixture.change(pid, { access: "gone" })
        return fixture.pidfds.hasExited(fd)
      }
      assert.deepStrictEqual(yield* inspect({ pidfds: { hasExited } }).observe(pid, "all"), { _tag: "Absent", pid })
    })
  )

  test("scenario 30: kill EPERM and another start is another process", "procfs", (fixture, inspect) =>
    Effect.gen(function* () {
      const { pid } = fixture.add({ access: "no-exe" })
      const observation = yield* inspect({ kernel: { kill: () => "EPERM" } }).observe(pid, "identity")
      assert.strictEqual(judgeV3({ pid, startTime: "1" }, observation).reason, "start-time-mismatch")
    })
  )

  both(
    "scenario 36: what isn't a PID never reaches the kernel",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const asked: Array<number> = []
        const kill = (pid: number) => {
          asked.push(pid)
          return undefined
        }
        const open = (pid: number) => {
          if (pid !== process.pid) asked.push(pid)
          return fixture.pidfds.open(pid)
        }
        const inspector = inspect({ kernel: { kill }, pidfds: { open, kill } })
        for (const pid of [0, -1, -2147483648, 2147483648, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
          for (const wanted of depths) {
            // @ts-expect-error: a plain number isn't a `Pid`
            const observation = yield* inspector.observe(pid, wanted)
            assert.include(observation, { _tag: "Unavailable", reason: "malformed" })
          }
          // @ts-expect-error: a plain number isn't a `Pid`
          assert.strictEqual((yield* Effect.flip(inspector.identify(pid)))._tag, "IdentityUnavailable")
        }
        assert.deepStrictEqual(
          asked.filter((pid) => pid !== process.pid),
          []
        )
      })
  )
})

describe("scenario 26: failures of our own", () => {
  for (const errno of ["EMFILE", "ENFILE", "ENOMEM", "EIO", "EINTR", "EAGAIN"]) {
    both(
      `${errno} is asked again, and then says nothing`,
      () => (fixture, inspect) =>
        Effect.gen(function* () {
          const { pid } = fixture.add()
          const { kernel, pidfds } = fixture
          const on = (path: string) => path.endsWith(`/${pid}/stat`)
          const noPidfd = { open: (number: number) => (number === pid ? errno : pidfds.open(number)) }
          const once = { open: failing(kernel.open, errno, { on, times: 1 }) }
          assert.strictEqual((yield* inspect({ kernel: once }).observe(pid))._tag, "Present")
          const ever = { open: failing(kernel.open, errno, { on }) }
          const inspector = inspect({ kernel: ever, pidfds: noPidfd })
          for (const observation of yield* observeAll(inspector, pid)) {
            assert.include(observation, { _tag: "Unavailable", reason: "resources", detail: `stat: ${errno}` })
          }
          const error = yield* Effect.flip(inspector.identify(pid))
          assert.strictEqual(error._tag, "IdentityUnavailable")
          const unread = { kernel: reading(fixture, pid, failing(kernel.read, errno)), pidfds: noPidfd }
          for (const observation of yield* observeAll(inspect(unread), pid)) {
            assert.include(observation, { _tag: "Unavailable", reason: "resources" })
          }
        })
    )

    test(`${errno} of a pidfd alone is no reason to record less`, "pidfd", (fixture, inspect) =>
      Effect.gen(function* () {
        const { id, pid } = fixture.add()
        const once = (times: number) => ({
          open: (number: number) => (number === pid && times-- > 0 ? errno : fixture.pidfds.open(number))
        })
        assert.strictEqual((yield* inspect({ pidfds: once(1) }).identify(pid)).processId64, `${id}`)
        const never = yield* Effect.flip(inspect({ pidfds: once(1000) }).identify(pid))
        assert.strictEqual(never._tag, "IdentityUnavailable")
      })
    )
  }

  both(
    "ESRCH while reading, and then nothing, is absent",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        const read: typeof fixture.kernel.read = () => {
          fixture.change(pid, { access: "gone" })
          throw Fixture.failed("ESRCH")
        }
        assert.deepStrictEqual(yield* inspect({ kernel: reading(fixture, pid, read) }).observe(pid), {
          _tag: "Absent",
          pid
        })
      })
  )

  both(
    "ESRCH while reading, and then another process, is the other one whole",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const before = fixture.add({ uid: 1, comm: Buffer.from("before") })
        let after: Fixture.Process | undefined
        // The process exits after its executable and `status` were read, and before the last read of `stat`.
        let reads = 0
        const read: typeof fixture.kernel.read = (fd, into, position) => {
          if (++reads !== 2) return fixture.kernel.read(fd, into, position)
          fixture.change(before.pid, { access: "gone" })
          after = fixture.add({ pid: before.pid, ticks: 400_000, uid: 2, comm: Buffer.from("after") })
          throw Fixture.failed("ESRCH")
        }
        const seen = yield* inspect({ kernel: reading(fixture, before.pid, read) }).observe(before.pid, "all")
        assert.include(seen, { _tag: "Present", startTime: `${after?.ticks}`, uid: 2, comm: "after" })
        if (seen._tag === "Present" && seen.processId64 !== undefined) {
          assert.strictEqual(seen.processId64, `${after?.id}`)
        }
      })
  )

  test("ESRCH for ever says nothing", "procfs", (fixture, inspect) =>
    Effect.gen(function* () {
      const { pid } = fixture.add()
      const inspector = inspect({ kernel: reading(fixture, pid, failing(fixture.kernel.read, "ESRCH")) })
      for (const observation of yield* observeAll(inspector, pid)) {
        assert.include(observation, { _tag: "Unavailable", reason: "resources" })
      }
    })
  )

  both(
    "an errno nobody thought of says nothing",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        const open = failing(fixture.kernel.open, "ELOOP", { on: (path) => path.endsWith(`/${pid}/stat`) })
        assert.include(yield* inspect({ kernel: { open } }).observe(pid, "all"), {
          _tag: "Unavailable",
          reason: "resources",
          detail: "stat: ELOOP"
        })
      })
  )

  it.effect("a mistake of the program's own is no answer of the kernel", () =>
    Effect.gen(function* () {
      const fixture = yield* Fixture.make
      const open = () => {
        throw new TypeError("a bug")
      }
      const options = Fixture.optionsOf(fixture, "procfs", { kernel: { open } })
      const exit = yield* ProcessInspector.use(({ observe }) => observe(Pid.make(process.pid))).pipe(
        Effect.provide(LinuxProcessInspector.layerWith(options)),
        Effect.exit
      )
      assert.strictEqual(exit._tag, "Failure")
    })
  )

  test("stat cut short at any byte is malformed, never a process", "procfs", (fixture, inspect) =>
    Effect.gen(function* () {
      const process = fixture.add({ comm: Buffer.from(") S 1\n(") })
      const whole = Fixture.statOf(process)
      const inspector = inspect()
      for (let length = 0; length < whole.length; length++) {
        fixture.write(`${process.pid}/stat`, whole.subarray(0, length))
        const observation = yield* inspector.observe(process.pid, "identity")
        assert.include(observation, { _tag: "Unavailable", reason: "malformed" }, `${length} bytes`)
      }
    })
  )

  test("status cut short at any byte gives no wrong uid, and never another leader", "procfs", (fixture, inspect) =>
    Effect.gen(function* () {
      const process = fixture.add({ uid: 1234 })
      const whole = Fixture.statusOf(process)
      const inspector = inspect()
      for (let length = 0; length < whole.length; length++) {
        fixture.write(`${process.pid}/status`, whole.subarray(0, length))
        const seen = yield* inspector.observe(process.pid, "all")
        if (seen._tag !== "Present") return assert.fail(seen._tag)
        assert.strictEqual(seen.tgid, process.pid)
        assert.include([undefined, 1234], seen.uid)
      }
    })
  )

  test("stat that was cut short once is read again", "procfs", (fixture, inspect) =>
    Effect.gen(function* () {
      const { pid } = fixture.add()
      let reads = 0
      const read: typeof fixture.kernel.read = (fd, into, position) => {
        const length = fixture.kernel.read(fd, into, position)
        return reads++ === 0 ? length - 1 : length
      }
      assert.strictEqual(
        (yield* inspect({ kernel: reading(fixture, pid, read) }).observe(pid, "identity"))._tag,
        "Present"
      )
    })
  )

  test("stat of another number is malformed", "procfs", (fixture, inspect) =>
    Effect.gen(function* () {
      const { pid } = fixture.add()
      fixture.write(`${pid}/stat`, Fixture.statOf({ ...fixture.add(), pid: Pid.make(7) }))
      assert.include(yield* inspect().observe(pid), { _tag: "Unavailable", reason: "malformed" })
    })
  )
})

describe("threads and exits", () => {
  both(
    "scenario 14: an exit signal of -1 is a hint, and Tgid decides",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const leader = fixture.add({ exitSignal: -1, threads: 2 })
        const thread = fixture.add({ exitSignal: -1, tgid: leader.pid, threads: 2 })
        const inspector = inspect()
        for (const observation of yield* observeAll(inspector, leader.pid)) {
          assert.include(observation, { _tag: "Present", tgid: leader.pid })
        }
        for (const observation of yield* observeAll(inspector, thread.pid)) {
          assert.include(observation, { _tag: "Present", tgid: leader.pid })
        }
        fixture.write(`${thread.pid}/status`, "Name:\tcut")
        for (const observation of yield* observeAll(inspector, thread.pid)) {
          if (observation._tag === "Present") assert.strictEqual(observation.tgid, leader.pid)
          else assert.include(observation, { _tag: "Unavailable", reason: "malformed" })
        }
      })
  )

  both(
    "a task that is being replaced by a thread's execve is read again",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add({ state: "Z", threads: 0 })
        const { kernel } = fixture
        // A real pidfd reports no exit here, because the thread group isn't empty.
        const read =
          (times: number): typeof kernel.read =>
          (fd, into, position) => {
            if (times-- === 0) fixture.write(`${pid}/stat`, Fixture.statOf(fixture.add({ pid })))
            return kernel.read(fd, into, position)
          }
        const hasExited = () => "EBADF"
        const inspector = inspect({ pidfds: { hasExited } })
        for (const observation of yield* observeAll(inspector, pid)) {
          assert.include(observation, { _tag: "Unavailable", reason: "malformed" })
        }
        const seen = yield* inspect({ kernel: reading(fixture, pid, read(2)), pidfds: { hasExited } }).observe(
          pid,
          "identity"
        )
        assert.include(seen, { _tag: "Present", state: "S", threads: 1 })
      })
  )

  both(
    "scenario 15: a zombie is one, by state and threads",
    (kind) => (fixture, inspect) =>
      Effect.gen(function* () {
        const { id, pid } = fixture.add({ state: "Z", exe: undefined })
        for (const observation of yield* observeAll(inspect(), pid)) {
          assert.include(observation, { _tag: "Present", state: "Z", threads: 1 })
        }
        assert.strictEqual((yield* Effect.flip(inspect().identify(pid)))._tag, "NotFound")
        if (kind === "pidfd") assert.include(yield* inspect().observe(pid, "identity"), { processId64: `${id}` })
      })
  )
})

describe("the executable", () => {
  both(
    "permission denied, and not there, are told apart",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const refused = fixture.add({ access: "no-exe" })
        const zombie = fixture.add({ state: "Z", exe: undefined })
        const inspector = inspect()
        assert.include(yield* inspector.observe(refused.pid, "executable"), { exeError: "permission-denied" })
        assert.include(yield* inspector.observe(zombie.pid, "executable"), { exeError: "not-available" })
        assert.isUndefined((yield* inspector.identify(refused.pid)).exe)
      })
  )

  both(
    "device and inode are those of the file, and missing with it",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const there = fixture.add()
        const gone = fixture.add({ exe: "/nonexistent/program (deleted)" })
        const seen = yield* inspect().identify(there.pid)
        assert.match(seen.exe?.ino ?? "", /^[0-9]+$/)
        const { exe } = yield* inspect().identify(gone.pid)
        assert.deepStrictEqual(exe, { path: "/nonexistent/program (deleted)" })
      })
  )

  both(
    "a path that isn't UTF-8 is shown and not recorded",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        const readLink: typeof fixture.kernel.readLink = (path) =>
          path.endsWith("/exe") ? Uint8Array.from([0x2f, 0xff]) : fixture.kernel.readLink(path)
        const inspector = inspect({ kernel: { readLink } })
        const seen = yield* inspector.observe(pid, "executable")
        assert.deepStrictEqual(seen._tag === "Present" ? seen.exe : undefined, { path: "/\uFFFD" })
        assert.isUndefined((yield* inspector.identify(pid)).exe)
      })
  )

  both(
    "the start is placed on the wall clock by uptime and ticks",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add({ ticks: 123_456 })
        const bootedAt = Fixture.now - Fixture.uptime * 1000
        const startedAt = bootedAt + 1_234_560
        assert.include(yield* inspect().observe(pid, "executable"), { bootedAt, startedAt })
        assert.include(yield* inspect().observe(pid, "all"), { bootedAt, startedAt })
      })
  )

  both(
    "a time namespace moves the time since boot, not the boot",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add({ ticks: 123_456 })
        const startedAt = Fixture.now - Fixture.uptime * 1000 + 1_234_560
        fixture.write(`${process.pid}/timens_offsets`, "monotonic 0 0\nboottime 1000 500000000\n")
        const bootedAt = Fixture.now - Fixture.uptime * 1000 + 1_000_500
        assert.include(yield* inspect().observe(pid), { bootedAt, startedAt })
        fixture.remove(`${process.pid}/timens_offsets`)
        const seen = yield* inspect().observe(pid)
        assert.include(seen, { startedAt })
        assert.notProperty(seen, "bootedAt")
      })
  )

  both(
    "an uptime that isn't the kernel's places nothing",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        const unplaced = Effect.fnUntraced(function* (overrides?: Fixture.Overrides) {
          const seen = yield* inspect(overrides).observe(pid, "all")
          assert.strictEqual(seen._tag, "Present")
          assert.notProperty(seen, "startedAt")
          assert.notProperty(seen, "bootedAt")
        })
        yield* unplaced(fuse(fixture, "uptime"))
        yield* unplaced(covered(fixture, "uptime"))
        fixture.write("uptime", "soon")
        yield* unplaced()
        fixture.remove("uptime")
        yield* unplaced()
      })
  )
})

describe("scenario 31: a /proc that isn't to be believed", () => {
  const unbelieved = (name: string, overrides: (fixture: Fixture.FixtureService) => Fixture.Overrides) =>
    both(
      name,
      () => (fixture, inspect) =>
        Effect.gen(function* () {
          const { pid } = fixture.add()
          const inspector = inspect(overrides(fixture))
          for (const target of [pid, Pid.make(9999)]) {
            for (const observation of yield* observeAll(inspector, target)) {
              assert.include(observation, { _tag: "Unavailable", reason: "no-procfs" })
              const verdict = judgeV3({ pid: target, startTime: "1" }, observation)
              assert.deepInclude(verdict, { verdict: "unknown", reason: "no-procfs" })
            }
          }
          assert.strictEqual((yield* Effect.flip(inspector.identify(pid)))._tag, "IdentityUnavailable")
          assert.strictEqual((yield* Effect.flip(inspector.self))._tag, "IdentityUnavailable")
        })
    )

  unbelieved("another file system", () => ({ kernel: { fileSystemType: () => 0xef53 } }))

  unbelieved("not there", ({ kernel }) => ({ kernel: { fileSystemType: failing(kernel.fileSystemType, "ENOENT") } }))

  unbelieved("of another PID namespace, in which we have another number", (fixture) => {
    fixture.link("self", "1")
    return {}
  })

  unbelieved("of another PID namespace, in which we have no number", (fixture) => {
    fixture.remove("self")
    return {}
  })

  unbelieved("of another PID namespace, in which we have the same number (scenario 74)", (fixture) => {
    fixture.change(process.pid, { pids: [process.pid, process.pid] })
    return {}
  })

  unbelieved("in which our status is cut short", (fixture) => {
    fixture.write(`${process.pid}/status`, "Name:\tnode\nTgid:")
    return {}
  })

  both(
    "of a kernel before 4.1, which doesn't say in which namespaces we are, is believed by our number",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        fixture.write(`${process.pid}/status`, `Name:\tnode\nTgid:\t${process.pid}\nGroups:\t0\n`)
        assert.strictEqual((yield* inspect().observe(pid))._tag, "Present")
        fixture.write(`${process.pid}/status`, "Name:\tnode\nTgid:\t1\nGroups:\t0\n")
        assert.include(yield* inspect().observe(pid), { _tag: "Unavailable", reason: "no-procfs" })
      })
  )

  both(
    "says in which namespaces we are after however many groups",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        const status = (pids: string) =>
          `Name:\tnode\nTgid:\t${process.pid}\nGroups:\t${"4294967294 ".repeat(60_000)}\nNStgid:\t${pids}\n`
        fixture.write(`${process.pid}/status`, status(`${process.pid}`))
        assert.strictEqual((yield* inspect().observe(pid))._tag, "Present")
        fixture.write(`${process.pid}/status`, status(`${process.pid}\t${process.pid}`))
        assert.include(yield* inspect().observe(pid), { _tag: "Unavailable", reason: "no-procfs" })
      })
  )

  both(
    "mounted over after the first look",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        const inspector = inspect()
        assert.strictEqual((yield* inspector.observe(pid, "executable"))._tag, "Present")
        const isUnbelieved = Effect.fnUntraced(function* () {
          for (const depth of ["path", "executable", "all"] as const) {
            assert.include(yield* inspector.observe(pid, depth), { _tag: "Unavailable", reason: "no-procfs" }, depth)
          }
        })
        fixture.link("self", "1")
        yield* isUnbelieved()
        fixture.link("self", `${process.pid}`)
        assert.strictEqual((yield* inspector.observe(pid, "executable"))._tag, "Present")
        fixture.change(process.pid, { pids: [process.pid, process.pid] })
        yield* isUnbelieved()
      })
  )

  both(
    "is believed as soon as it is right",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const { pid } = fixture.add()
        fixture.link("self", "1")
        const inspector = inspect()
        assert.strictEqual((yield* inspector.observe(pid))._tag, "Unavailable")
        fixture.link("self", `${process.pid}`)
        assert.strictEqual((yield* inspector.observe(pid))._tag, "Present")
      })
  )

  both(
    "isn't blamed for our own lack of resources",
    () => (fixture, inspect) =>
      Effect.gen(function* () {
        const fileSystemType = failing(fixture.kernel.fileSystemType, "ENOMEM")
        const observation = yield* inspect({ kernel: { fileSystemType } }).observe(Pid.make(process.pid))
        assert.include(observation, { _tag: "Unavailable", reason: "resources" })
      })
  )
})

describe("scenario 59: the inode of a pidfd", () => {
  const proof = (overrides: Partial<Pidfd.Pidfds>, magic = 0x50494446, wide = true) =>
    Effect.map(Fixture.make, ({ leaked, pidfds }) => {
      const held = Pidfd.isProof({ ...pidfds, ...overrides }, process.pid, () => magic, wide)
      assert.strictEqual(leaked(), 0)
      return held
    })

  it.effect("is proof on pidfs of 64 bits", () => Effect.map(proof({}), (held) => assert.isTrue(held)))

  it.effect.each([
    ["on 32 bits", proof({}, undefined, false)],
    ["on the one anonymous inode of kernels before 6.9", proof({}, 0x09041934)],
    ["where a sandbox refuses poll", proof({ hasExited: () => "EPERM" })],
    ["where we have exited, it says", proof({ hasExited: () => true })],
    ["where it is 0", proof({ inode: () => 0n })],
    [
      "where it can't be read",
      proof({
        inode: () => {
          throw Fixture.failed("EPERM")
        }
      })
    ],
    ["where a sandbox refuses kill", proof({ kill: () => "EPERM" })]
  ] as const)("is no proof %s", ([, held]) => Effect.map(held, (held) => assert.isFalse(held)))

  it.effect("is no proof without pidfd_open, and the errno says why", () =>
    Effect.map(proof({ open: () => "ENOSYS" }), (held) => assert.strictEqual(held, "ENOSYS"))
  )

  test("is proof as soon as a descriptor is free for it", "pidfd", (fixture, inspect) =>
    Effect.gen(function* () {
      const { pid } = fixture.add()
      let isShort = true
      const open: typeof fixture.pidfds.open = (pid) => (isShort ? "EMFILE" : fixture.pidfds.open(pid))
      const inspector = inspect({ pidfds: { ...fixture.pidfds, open } })
      assert.notProperty(yield* inspector.observe(pid), "processId64")
      isShort = false
      assert.property(yield* inspector.observe(pid), "processId64")
    })
  )

  test("that is no proof is neither recorded nor compared", "pidfd", (fixture, inspect) =>
    Effect.gen(function* () {
      const { pid } = fixture.add()
      const fileSystemType: typeof fixture.kernel.fileSystemType = (path) =>
        path.startsWith("/proc/self/fd/") ? 0x09041934 : fixture.kernel.fileSystemType(path)
      const inspector = inspect({ kernel: { fileSystemType } })
      assert.isUndefined((yield* inspector.identify(pid)).processId64)
      for (const observation of yield* observeAll(inspector, pid)) assert.notProperty(observation, "processId64")
      const { pid: hidden } = fixture.add({ access: "hidden" })
      assert.strictEqual((yield* inspector.observe(hidden))._tag, "Hidden")
    })
  )
})

describe("the host", () => {
  const host = (prepare: (fixture: Fixture.FixtureService) => Fixture.Overrides | void) =>
    Effect.gen(function* () {
      const fixture = yield* Fixture.make
      const overrides = prepare(fixture) ?? {}
      const layer = LinuxProcessInspector.layerWith(Fixture.optionsOf(fixture, "procfs", overrides))
      return yield* Effect.provide(
        ProcessInspector.use(({ host }) => host),
        layer
      )
    })

  const whole = {
    namespaces: "supported",
    hostname: "fixture",
    bootId: "01234567-89ab-4cde-8f01-23456789abcd",
    machineId: "00112233445566778899aabbccddeeff",
    pidNamespace: Fixture.ownNamespace,
    pidNamespaceInit: { startTime: "3" },
    timeOffset: "0",
    virtualMachine: false
  } as const

  it.effect("is what procfs and /etc say", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* host(() => {}), whole)
    })
  )

  it.effect.each(["", "uninitialized\n", "0".repeat(32), "not an id", "00112233445566778899AABBCCDDEEFF"])(
    "has no machine id when the file says %j",
    (content) =>
      Effect.gen(function* () {
        const { machineId: _, ...rest } = whole
        assert.deepStrictEqual(yield* host(({ write }) => write("machine-id", content)), rest)
      })
  )

  it.effect("takes the second machine id file when the first is no good", () =>
    Effect.gen(function* () {
      const fixture = yield* Fixture.make
      const options = {
        ...Fixture.optionsOf(fixture, "procfs"),
        machineIdFiles: ["/nonexistent", fixture.machineIdFile]
      }
      const seen = yield* ProcessInspector.use(({ host }) => host).pipe(
        Effect.provide(LinuxProcessInspector.layerWith(options))
      )
      assert.deepStrictEqual(seen, whole)
    })
  )

  it.effect.each(["", "01234567", "../../etc/passwd"])(
    "scenario 8: has no boot id when the kernel says %j",
    (content) =>
      Effect.gen(function* () {
        const { bootId: _, ...rest } = whole
        const { bootIdProblem, ...seen } = yield* host(({ write }) => write("sys/kernel/random/boot_id", content))
        assert.deepStrictEqual(seen, rest)
        assert.match(bootIdProblem ?? "", /boot_id holds no boot id$/)
      })
  )

  it.effect("scenario 8: has no boot id when /proc/sys is masked", () =>
    Effect.gen(function* () {
      const { bootId: _, ...rest } = whole
      const { bootIdProblem, ...seen } = yield* host(({ remove }) => remove("sys"))
      assert.deepStrictEqual(seen, rest)
      assert.match(bootIdProblem ?? "", /boot_id: ENOENT$/)
    })
  )

  const bootIdFile = "sys/kernel/random/boot_id"

  it.effect.each([
    ["a file of its own mounted over it", covered, "a file is mounted over"],
    ["a file of another file system in its place", fuse, "is not procfs"]
  ] as const)("scenario 61: has no boot id with %s", ([, cover, problem]) =>
    Effect.gen(function* () {
      const { bootId: _, ...rest } = whole
      const { bootIdProblem, ...seen } = yield* host((fixture) => cover(fixture, bootIdFile))
      assert.deepStrictEqual(seen, rest)
      assert.include(bootIdProblem ?? "", problem)
    })
  )

  it.effect("scenario 61: looks below what is mounted over the boot id, where that can be", () =>
    Effect.gen(function* () {
      const fixture = yield* Fixture.make
      const closed: Array<number> = []
      const { kernel } = fixture
      const trees = (path = fixture.root): Trees => ({
        open: (root) => {
          assert.strictEqual(root, fixture.root)
          return kernel.open(path)
        },
        close: (fd) => {
          closed.push(fd)
          kernel.close(fd)
        }
      })
      const seen = (overrides: Fixture.Overrides) =>
        ProcessInspector.use(({ host }) => host).pipe(
          Effect.provide(LinuxProcessInspector.layerWith(Fixture.optionsOf(fixture, "procfs", overrides)))
        )
      const { kernel: cover } = covered(fixture, bootIdFile)
      assert.deepStrictEqual(yield* seen({ ...(cover === undefined ? {} : { kernel: cover }), trees: trees() }), whole)
      assert.strictEqual(closed.length, 1)
      // The opened tree isn't procfs, has no such file, or may not be opened.
      const foreign: Kernel["fileSystemType"] = (path) =>
        path.startsWith("/proc/self/fd/") ? 0xef53 : kernel.fileSystemType(path)
      for (const overrides of [
        { kernel: { ...cover, fileSystemType: foreign }, trees: trees() },
        { kernel: { ...cover }, trees: trees("/") },
        { kernel: { ...cover }, trees: { open: () => "EPERM", close: () => assert.fail("not opened") } }
      ]) {
        const { bootId, bootIdProblem } = yield* seen(overrides)
        assert.isUndefined(bootId)
        assert.include(bootIdProblem ?? "", "a file is mounted over")
      }
      assert.strictEqual(closed.length, 3)
      assert.strictEqual(fixture.leaked(), 0)
    })
  )

  for (const kind of ["pidfd", "procfs"] as const) {
    test("asks again for what was missing for want of resources alone", kind, (fixture, inspect) =>
      Effect.gen(function* () {
        const { kernel } = fixture
        let opened = 0
        const open = failing(kernel.open, "EMFILE", {
          on: (path) => path.endsWith("boot_id") && ++opened > 0,
          times: 1
        })
        const inspector = inspect({ kernel: { open } })
        assert.include((yield* inspector.host).bootIdProblem ?? "", "EMFILE")
        assert.strictEqual((yield* inspector.host).bootId, whole.bootId)
        assert.strictEqual((yield* inspector.host).bootId, whole.bootId)
        assert.strictEqual(opened, 2)
      })
    )
  }

  test(
    "asks again for the machine id, and for signs of a virtual machine, that weren't read for want of resources",
    "procfs",
    (fixture, inspect) =>
      Effect.gen(function* () {
        let isShort = true
        const isOfMachine = (path: string) => isShort && /machine-id$|sys_vendor$/.test(path)
        const open = failing(fixture.kernel.open, "EMFILE", { on: isOfMachine })
        const inspector = inspect({ kernel: { open } })
        const { machineId, machineIdProblem, virtualMachine } = yield* inspector.host
        assert.deepStrictEqual([machineId, virtualMachine], [undefined, undefined])
        assert.match(machineIdProblem ?? "", /machine-id: EMFILE$/)
        isShort = false
        const { bootId: _, ...seen } = yield* inspector.host
        assert.deepInclude(seen, { machineId: whole.machineId, virtualMachine: whole.virtualMachine })
        assert.notProperty(seen, "machineIdProblem")
      })
  )

  test("knows the first process of its namespace by its 64-bit id too", "pidfd", (fixture, inspect) =>
    Effect.gen(function* () {
      const first = { startTime: "3", processId64: "1000" }
      assert.deepStrictEqual((yield* inspect().host).pidNamespaceInit, first)
      const { pid } = fixture.add()
      assert.deepStrictEqual((yield* inspect().identify(pid)).pidNamespaceInit, first)
      fixture.change(1, { access: "hidden" })
      assert.isUndefined((yield* inspect().host).pidNamespaceInit)
    })
  )

  it.effect("doesn't know the first process of its namespace where that is hidden, or /proc is another's", () =>
    Effect.gen(function* () {
      const { pidNamespaceInit: _, ...rest } = whole
      assert.deepStrictEqual(yield* host(({ change }) => change(1, { access: "hidden" })), rest)
      const foreign = yield* host(({ change }) => change(process.pid, { pids: [process.pid, 1] }))
      assert.deepStrictEqual(foreign, rest)
    })
  )

  const offsets = "monotonic           7         8\nboottime     -1000000  20000000\n"

  it.effect.each([
    ["as its time namespace says", offsets, "-999999980000000"],
    [
      "as its time namespace says, in numbers",
      offsets.replace("boottime", "7").replace("monotonic", "1"),
      "-999999980000000"
    ],
    ["0", "monotonic 7 8\nboottime 0 0\n", "0"],
    ["missing from a file that lacks it", "monotonic 7 8\n", undefined],
    ["missing from an empty file", "", undefined]
  ] as const)("scenario 73: has a time offset: %s", ([, content, timeOffset]) =>
    Effect.gen(function* () {
      const seen = yield* host(({ write }) => write(`${process.pid}/timens_offsets`, content))
      assert.strictEqual(seen.timeOffset, timeOffset)
    })
  )

  it.effect("scenario 73: has no time offset where its children are to be of another time namespace", () =>
    Effect.gen(function* () {
      const { timeOffset: _, ...rest } = whole
      const seen = yield* host(({ link }) => link(`${process.pid}/ns/time_for_children`, "time:[4026532000]"))
      assert.deepStrictEqual(seen, rest)
    })
  )

  it.effect("scenario 73: has the offset 0 on a kernel without time namespaces", () =>
    Effect.gen(function* () {
      const seen = yield* host(({ remove }) => {
        for (const name of ["ns/time", "ns/time_for_children", "timens_offsets"]) remove(`${process.pid}/${name}`)
      })
      assert.deepStrictEqual(seen, whole)
    })
  )

  it.effect("doesn't know its namespaces where it can't see them", () =>
    Effect.gen(function* () {
      const { pidNamespace: _, timeOffset: __, ...rest } = whole
      assert.deepStrictEqual(yield* host(({ remove }) => remove(`${process.pid}/ns`)), rest)
      const refused = yield* host(({ kernel }) => ({
        kernel: { readLink: failing(kernel.readLink, "EACCES", { on: (path) => path.includes("/ns/") }) }
      }))
      assert.deepStrictEqual(refused, rest)
    })
  )

  it.effect("knows nothing of the kernel where /proc isn't procfs", () =>
    Effect.gen(function* () {
      const { bootIdProblem, ...seen } = yield* host(() => ({ kernel: { fileSystemType: () => 0xef53 } }))
      const { hostname, machineId, namespaces } = whole
      assert.deepStrictEqual(seen, { namespaces, hostname, machineId })
      assert.include(bootIdProblem ?? "", "is not procfs")
    })
  )

  const bare = "vendor_id\t: GenuineIntel\nflags\t\t: fpu vme\nbugs\t\t:\n"
  const arm = "processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xd0c\n"

  it.effect.each<readonly [string, boolean | undefined, (fixture: Fixture.FixtureService) => Fixture.Overrides | void]>(
    [
      ["has the flag of one", true, ({ write }) => write("cpuinfo", bare.replace("vme", "hypervisor vme"))],
      ["has it on a later processor", true, ({ write }) => write("cpuinfo", bare + bare.replace("fpu", "hypervisor"))],
      [
        "has it in a file mounted over the kernel's",
        true,
        (fixture) => {
          fixture.write("cpuinfo", bare.replace("vme", "hypervisor"))
          return covered(fixture, "cpuinfo")
        }
      ],
      ["is Xen", true, ({ sysRoot, write }) => write(`../sys/hypervisor/type`, `xen in ${sysRoot}`)],
      ["has a virtual machine's firmware", true, ({ write }) => write("../sys/class/dmi/id/sys_vendor", "QEMU\n")],
      [
        "has a virtual machine's product",
        true,
        ({ write }) => write("../sys/class/dmi/id/product_name", "Virtual Machine\n")
      ],
      ["is user mode Linux", true, ({ write }) => write("cpuinfo", bare.replace("GenuineIntel", "User Mode Linux"))],
      ["has neither", false, ({ write }) => write("cpuinfo", bare)],
      [
        "has neither, and a vendor's firmware",
        false,
        ({ write }) => write("../sys/class/dmi/id/sys_vendor", "Dell Inc.\n")
      ],
      ["has neither in a file mounted over the kernel's", undefined, (fixture) => covered(fixture, "cpuinfo")],
      ["has a file that was cut short", undefined, ({ write }) => write("cpuinfo", bare.slice(0, -20))],
      ["is no x86", undefined, ({ write }) => write("cpuinfo", arm)],
      [
        "is no x86, and has a vendor's firmware",
        undefined,
        ({ write }) => {
          write("cpuinfo", arm)
          write("../sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
        }
      ],
      [
        "is no x86, and has a virtual machine's firmware",
        true,
        ({ write }) => {
          write("cpuinfo", arm)
          write("../sys/class/dmi/id/product_name", "KVM Virtual Machine\n")
        }
      ],
      ["shows no processors", undefined, ({ remove }) => remove("cpuinfo")]
    ]
  )("scenario 99: a machine that %s: virtual %s", ([, virtualMachine, prepare]) =>
    Effect.map(host(prepare), (seen) => assert.strictEqual(seen.virtualMachine, virtualMachine))
  )
})

describe("scenario 19: the wall clock", () => {
  for (const [name, shift] of [
    ["a year back", -31_536_000_000],
    ["a year forward", 31_536_000_000]
  ] as const) {
    both(
      `set ${name} changes no identity and no verdict on one`,
      () => (fixture, inspect) =>
        Effect.gen(function* () {
          const { pid, ticks } = fixture.add()
          const before = yield* inspect().identify(pid)
          const shifted = inspect({ kernel: { now: () => Fixture.now + shift } })
          assert.deepStrictEqual(yield* shifted.identify(pid), before)
          const observation = yield* shifted.observe(pid, "all")
          assert.strictEqual(judgeV3({ pid, startTime: `${ticks}` }, observation).reason, "matches")
          assert.strictEqual(judgeV3({ pid, startTime: "1" }, observation).reason, "start-time-mismatch")
        })
    )
  }
})

describe("what is read", () => {
  const calls = (kind: Kind, wanted: ObserveDepth) =>
    Effect.gen(function* () {
      const fixture = yield* Fixture.make
      const { pid } = fixture.add()
      const made: Array<string> = []
      const note = (path: string) => made.push(path.slice(fixture.root.length + 1).replace(`${pid}`, "PID"))
      const { kernel, pidfds } = fixture
      const options = Fixture.optionsOf(fixture, kind, {
        kernel: {
          open: (path) => (note(path), kernel.open(path)),
          readLink: (path) => (note(path), kernel.readLink(path)),
          fileId: (path) => (note(`${path} (stat)`), kernel.fileId(path)),
          exists: (path) => (note(`${path} (exists)`), kernel.exists(path))
        },
        pidfds: {
          open: (number) => (made.push("pidfd"), pidfds.open(number))
        }
      })
      return yield* ProcessInspector.use(({ observe }) =>
        observe(pid, wanted).pipe(
          Effect.andThen(Effect.sync(() => made.splice(0))),
          Effect.andThen(observe(pid, wanted)),
          Effect.as(made)
        )
      ).pipe(Effect.provide(LinuxProcessInspector.layerWith(options)))
    })

  it.effect.each([
    ["pidfd", "existence", ["pidfd"]],
    ["pidfd", "identity", ["pidfd"]],
    ["pidfd", "executable", ["PID/stat", "PID/exe", "uptime", "self/status"]],
    ["pidfd", "all", ["PID/stat", "pidfd", "PID/exe", "PID/exe (stat)", "PID/status", "uptime", "self/status"]],
    ["procfs", "existence", ["PID/stat", "self/status"]],
    ["procfs", "identity", ["PID/stat", "self/status"]],
    ["procfs", "executable", ["PID/stat", "PID/exe", "uptime", "self/status"]],
    ["procfs", "all", ["PID/stat", "PID/exe", "PID/exe (stat)", "PID/status", "uptime", "self/status"]]
  ] as const)("%s, %s", ([kind, wanted, expected]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* calls(kind, wanted), [...expected])
    })
  )
})

describe("koffi", () => {
  it("gives working pidfds here", () => {
    const pidfds = Pidfd.load()
    if (pidfds === undefined) return assert.fail("koffi didn't load")
    const fd = pidfds.open(process.pid)
    if (typeof fd === "string") return assert.fail(fd)
    assert.strictEqual(pidfds.hasExited(fd), false)
    assert.include(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"), `Pid:\t${process.pid}\n`)
    pidfds.close(fd)
    assert.strictEqual(pidfds.open(2 ** 22 + 1), "ESRCH")
    assert.strictEqual(pidfds.kill(2 ** 22 + 1), "ESRCH")
    assert.strictEqual(pidfds.kill(process.pid), undefined)
    const thread = readdirSync("/proc/self/task").find((id) => id !== `${process.pid}`)
    assert.include(["EINVAL", "ENOENT"], pidfds.open(Number(thread)))
  })
})
