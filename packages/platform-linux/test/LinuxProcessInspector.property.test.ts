/** No living owner is judged dead, whichever calls fail, and however they fail. */
import { assert, describe, it } from "@effect/vitest"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import type { Sentinel } from "@vm-sentinel/core/Sentinel"
import { Effect, Schema } from "effect"
import { judged, recordOf, withoutId64 } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import * as LinuxProcessInspector from "../src/LinuxProcessInspector.ts"
import * as Fixture from "./support/procfsFixture.ts"
import { patience } from "./support/inspectorsElsewhere.ts"

/** Fates of the owner after it was recorded. */
const fates = {
  runs: { dead: false, change: {} },
  stopped: { dead: false, change: { state: "T" } },
  "runs another program": { dead: false, change: { exe: "/nonexistent/other" } },
  "hides its executable": { dead: false, change: { access: "no-exe" } },
  "is hidden": { dead: false, change: { access: "hidden" } },
  "lost its leader": { dead: false, change: { state: "Z", threads: 2, exe: undefined } },
  "runs execve in a thread": { dead: false, change: { state: "Z", threads: 0, exe: undefined, exitSignal: -1 } },
  "is a zombie": { dead: true, change: { state: "Z", exe: undefined } },
  exited: { dead: true, change: { access: "gone" } },
  "was recycled": { dead: true, change: { id: 9999n, ticks: 400_000 } },
  "was recycled by another program": { dead: true, change: { id: 9999n, ticks: 400_000, exe: "/nonexistent/other" } },
  "was recycled by a thread": { dead: true, change: { id: 9999n, ticks: 400_000, tgid: 99, exitSignal: -1 } }
} as const satisfies Record<string, { readonly dead: boolean; readonly change: Partial<Fixture.Process> }>

const calls = [
  "open",
  "read",
  "readLink",
  "fileId",
  "exists",
  "fileSystemType",
  "kill",
  "pidfd",
  "poll",
  "inode"
] as const

const Failure = Schema.Struct({
  call: Schema.Literals(calls),
  /** Index of the first failing call among the calls of this kind in an observation. */
  from: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 8 })),
  times: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })),
  errno: Schema.Literals(["EMFILE", "ENFILE", "ENOMEM", "EIO", "EINTR", "EAGAIN", "EACCES", "EPERM", "ELOOP"])
})

const FateName = Schema.Literals([
  "runs",
  "stopped",
  "runs another program",
  "hides its executable",
  "is hidden",
  "lost its leader",
  "runs execve in a thread",
  "is a zombie",
  "exited",
  "was recycled",
  "was recycled by another program",
  "was recycled by a thread"
])

const Case = {
  fate: FateName,
  kind: Schema.Literals(["pidfd", "procfs"]),
  failures: Schema.Array(Failure).check(Schema.isMaxLength(3)),
  /** Number of bytes of `stat` that a read returns. If the file has fewer, the read returns the file. */
  statBytes: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 }))
}

type Failing = typeof Failure.Type

const inject = (fixture: Fixture.FixtureService, failures: ReadonlyArray<Failing>, statBytes: number) => {
  const made = new Map<string, number>()
  const errnoFor = (call: Failing["call"]): string | undefined => {
    const count = made.get(call) ?? 0
    made.set(call, count + 1)
    return failures.find((each) => each.call === call && count >= each.from && count < each.from + each.times)?.errno
  }
  const attempt = <A>(call: Failing["call"], make: () => A): A => {
    const errno = errnoFor(call)
    if (errno !== undefined) throw Fixture.failed(errno)
    return make()
  }
  const { kernel, pidfds } = fixture
  const overrides: Fixture.Overrides = {
    kernel: {
      open: (path) => attempt("open", () => kernel.open(path)),
      read: (fd, into, position) =>
        attempt("read", () => {
          const length = kernel.read(fd, into, position)
          return length > 200 && statBytes < 200 ? statBytes : length
        }),
      readLink: (path) => attempt("readLink", () => kernel.readLink(path)),
      fileId: (path) => attempt("fileId", () => kernel.fileId(path)),
      exists: (path) => attempt("exists", () => kernel.exists(path)),
      fileSystemType: (path) => attempt("fileSystemType", () => kernel.fileSystemType(path)),
      kill: (pid) => errnoFor("kill") ?? kernel.kill(pid)
    },
    pidfds: {
      open: (pid) => errnoFor("pidfd") ?? pidfds.open(pid),
      hasExited: (fd) => errnoFor("poll") ?? pidfds.hasExited(fd),
      inode: (fd) => attempt("inode", () => pidfds.inode(fd)),
      kill: (pid) => errnoFor("kill") ?? pidfds.kill(pid)
    }
  }
  return overrides
}

describe("errno injection", () => {
  it.effect.prop(
    "no owner that lives is judged dead, and no descriptor stays open",
    Case,
    ({ failures, fate, kind, statBytes }) =>
      Effect.gen(function* () {
        const fixture = yield* Fixture.make
        const owner = fixture.add()
        const sound = LinuxProcessInspector.layerWith(Fixture.optionsOf(fixture, kind))
        const identity = yield* Effect.provide(
          ProcessInspector.use(({ identify }) => identify(owner.pid)),
          sound
        )
        const records: ReadonlyArray<Sentinel> = [
          recordOf(identity),
          withoutId64(recordOf(identity)),
          { _tag: "V1", pid: owner.pid }
        ]
        fixture.change(owner.pid, fates[fate].change)
        for (const record of records) {
          const options = Fixture.optionsOf(fixture, kind, inject(fixture, failures, statBytes))
          const verdict = yield* Effect.provide(judged(record), LinuxProcessInspector.layerWith(options))
          if (!fates[fate].dead) assert.notStrictEqual(verdict.verdict, "dead", `${record._tag}: ${verdict.reason}`)
          if (record._tag === "V3" && verdict.verdict === "alive") assert.isFalse(fates[fate].dead, verdict.reason)
        }
        assert.strictEqual(fixture.leaked(), 0)
      }),
    { arbitrary: { runs: 300 }, timeout: patience }
  )
})
