import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Errors from "../src/Errors.ts"
import * as Outcome from "../src/Outcome.ts"
import { Reason, reasons } from "../src/Reason.ts"

const outcome = (changes: Partial<Outcome.Outcome> = {}): Outcome.Outcome => ({
  _tag: "Outcome",
  name: "vm",
  path: "/srv/vms/vm",
  action: "kept",
  verdict: "alive",
  reason: "matches",
  evidence: {},
  ...changes
})

const line = Schema.fromJsonString(Outcome.Line)
const written = (value: typeof Outcome.Line.Type) => Schema.encodeEffect(line)(value)
const read = (text: string) => Schema.decodeEffect(line)(text)

const about = { operation: "read sentinel", path: "/srv/vms/vm" } as const
const errors: ReadonlyArray<Errors.DirectoryError> = [
  new Errors.NotFound({ ...about, kind: "missing" }),
  new Errors.PermissionDenied(about),
  new Errors.OversizedSentinel({ ...about, size: 5000, limit: 4096 }),
  new Errors.MalformedSentinel({ ...about, problem: "empty" }),
  new Errors.UnsupportedVersion({ ...about, version: "4" }),
  new Errors.UntrustedSentinel({ ...about, rule: "not-a-file", problem: "a symbolic link" }),
  new Errors.MountInside({ path: "/srv/vms/vm", mount: "/srv/vms/vm/mnt" }),
  new Errors.Taken({ path: "/srv/vms/vm" }),
  new Errors.Changed({ path: "/srv/vms/vm", problem: "it is another directory" }),
  new Errors.NameTaken({ path: "/srv/vms/vm", kept: "/srv/vms/kept" }),
  new Errors.LockBusy({ path: "/srv/vms/vm", holders: [17] }),
  new Errors.StoreFailure({ ...about, errno: "EIO", cause: new Error("disk on fire") })
]

describe("Outcome", () => {
  it("has each reason once", () => {
    const all = Object.values(reasons).flat()
    assert.strictEqual(new Set(all).size, all.length)
    assert.sameMembers([...all], [...Reason.literals])
  })

  it.effect("a line is one object of JSON, and says all when it is read again", () =>
    Effect.gen(function* () {
      const whole = outcome({
        name: "a\uFFFD",
        nameBytes: "Yf8=",
        action: "removed",
        verdict: "dead",
        reason: "pid-dead",
        pid: 17,
        since: "2026-01-01T00:00:00.000Z",
        bytes: 4096,
        evidence: { process: { recorded: "17", observed: "absent", result: "different" } }
      })
      const text = yield* written(whole)
      assert.notInclude(text, "\n")
      assert.deepStrictEqual(yield* read(text), whole)
      const summary = Outcome.empty("/srv/vms", { dryRun: true, sizes: true })
      assert.deepStrictEqual(yield* read(yield* written({ ...summary, interrupted: true })), {
        ...summary,
        interrupted: true
      })
    })
  )

  for (const error of errors) {
    it.effect(`carries ${error._tag}`, () =>
      Effect.gen(function* () {
        const text = yield* written(outcome({ action: "failed", error }))
        assert.strictEqual(JSON.parse(text).error._tag, error._tag)
        const again = yield* read(text)
        assert.strictEqual(again._tag === "Outcome" ? again.error?.message : "no outcome", error.message)
      })
    )
  }

  it.effect("says where nobody was excluded, and what the operator knew better", () =>
    Effect.gen(function* () {
      const unlocked = outcome({ action: "removed", verdict: "dead", reason: "process-gone", unlocked: true })
      assert.deepStrictEqual(yield* read(yield* written(unlocked)), unlocked)
      const summary = Outcome.count(Outcome.empty("/srv/vms"), [unlocked, outcome(), unlocked])
      assert.strictEqual(summary.unlocked, 2)
      const known = { ...summary, lock: "inherited", shared: "trust", assumeMoved: "new disk" } as const
      assert.deepStrictEqual(yield* read(yield* written(known)), known)
      for (const word of [{ lock: "self" }, { shared: "keep" }, { assumeMoved: 1 }, { unlocked: "2" }]) {
        const result = yield* Effect.exit(read(JSON.stringify({ ...summary, ...word })))
        assert.strictEqual(result._tag, "Failure", JSON.stringify(word))
      }
    })
  )

  it.effect("carries each reason with its verdict", () =>
    Effect.gen(function* () {
      for (const [verdict, of] of Object.entries(reasons)) {
        for (const reason of of) {
          const line = outcome({ reason, ...(verdict === "kept" ? { verdict: "dead" } : {}) })
          assert.deepStrictEqual(yield* read(yield* written(line)), line)
        }
      }
    })
  )

  it.effect("no other reason, verdict or action is read", () =>
    Effect.gen(function* () {
      for (const change of [{ reason: "because" }, { verdict: "gone" }, { action: "deleted" }, { _tag: "Other" }]) {
        const result = yield* Effect.exit(read(JSON.stringify({ ...outcome(), ...change })))
        assert.strictEqual(result._tag, "Failure", JSON.stringify(change))
      }
    })
  )
})

describe("the summary", () => {
  const outcomes = [
    outcome({ action: "removed", verdict: "dead", reason: "zombie", bytes: 1 }),
    outcome({ action: "would-remove", verdict: "dead", reason: "rebooted", bytes: 10 }),
    outcome({ action: "kept", bytes: 100 }),
    outcome({ action: "kept", verdict: "unknown", reason: "boot-unknown" }),
    outcome({ action: "failed", verdict: "dead", reason: "pid-dead", bytes: 1000 }),
    outcome({ action: "failed", verdict: "unknown", reason: "name-taken", bytes: 10_000 })
  ]

  it.each([
    { dryRun: true, removed: 2, kept: 2 },
    { dryRun: false, removed: 1, kept: 3 }
  ])("counts each outcome once, and the unknown ones beside (dry run: $dryRun)", ({ dryRun, kept, removed }) => {
    assert.deepStrictEqual(Outcome.count(Outcome.empty("/srv/vms", { dryRun }), outcomes), {
      _tag: "Summary",
      root: "/srv/vms",
      dryRun,
      scanned: 6,
      removed,
      kept,
      failed: 2,
      unknown: 2,
      durationMs: 0
    })
  })

  it("adds sizes where they were asked for: what went, and what stays", () => {
    const bytes = (dryRun: boolean) => {
      const { bytesFreed, bytesKept } = Outcome.count(Outcome.empty("/srv/vms", { dryRun, sizes: true }), outcomes)
      return [bytesFreed, bytesKept]
    }
    assert.deepStrictEqual(
      [bytes(true), bytes(false)],
      [
        [11, 11_100],
        [1, 11_110]
      ]
    )
  })

  it("tells what the operator asserts, and no default", () => {
    const asserted = { lock: "inherited", shared: "trust", assumeMoved: "rsync, 2 May" } as const
    assert.deepStrictEqual(Outcome.empty("/r", asserted), { ...Outcome.empty("/r"), ...asserted })
    assert.deepStrictEqual(Outcome.empty("/r", { lock: "self", shared: "keep" }), Outcome.empty("/r"))
    assert.doesNotHaveAnyKeys(Outcome.empty("/r"), ["lock", "shared", "assumeMoved"])
  })

  it("of nothing is nothing", () => {
    assert.deepInclude(Outcome.empty("/r", { dryRun: true, sizes: true }), {
      scanned: 0,
      dryRun: true,
      bytesFreed: 0,
      bytesKept: 0
    })
  })
})
