import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import type { Verdict } from "../src/Evidence.ts"
import { startMargin } from "../src/Verdict.ts"
import type { Case } from "./support/arbitraries.ts"
import { pid, present } from "./support/fixtures.ts"
import { runs } from "./support/property.ts"
import { AnyWorld, caseOf, type World } from "./support/truth.ts"
import { judgeCase } from "./support/verdicts.ts"

const told = (world: World, { evidence, reason }: Verdict): string =>
  `${reason} ${JSON.stringify(evidence)} of ${JSON.stringify(world)}`

const mustBe = (expected: Verdict["verdict"], world: World, given: Case = caseOf(world)) => {
  const verdict = judgeCase(given)
  assert.strictEqual(verdict.verdict, expected, told(world, verdict))
}

const mustNotBeDead = (world: World) => {
  const verdict = judgeCase(caseOf(world))
  assert.notStrictEqual(verdict.verdict, "dead", told(world, verdict))
}

/** A reader in the owner's place that can read everything. */
const nearby = (world: World): World => ({
  ...world,
  format: "v3",
  kernel: "this",
  lies: "own",
  probe: "not asked",
  reader: { ...world.reader, namespace: "same", answer: "Present", virtualMachine: false, assumesMoved: false },
  owner: { ...world.owner, hasOwnMachineId: false },
  lost: { record: [], host: [], seen: [], frame: [] }
})

describe("against the truth", () => {
  it.prop(
    "an owner that lives is never dead, wherever it is, and whatever the reader can't read",
    [AnyWorld],
    ([drawn]) => {
      const world = { ...drawn, isAlive: true }
      assert.isAtMost(world.owner.error, startMargin - 1)
      if (drawn.kernel === "earlier") return
      mustNotBeDead(world)
    },
    runs(20_000)
  )

  it.prop(
    "a record that lies in another directory condemns nothing, unless the operator says that it was moved",
    [AnyWorld],
    ([drawn]) => {
      if (drawn.format !== "v3" || drawn.lies === "own" || drawn.reader.assumesMoved) return
      // An overlay has no lasting inodes, so a file that was copied over another one looks like the original file.
      if (drawn.lies === "copied over" && drawn.fileSystem === "overlay") return
      const whole = { ...drawn, lost: { ...drawn.lost, record: [], frame: [] } }
      for (const isAlive of [true, false]) mustNotBeDead({ ...whole, isAlive })
    },
    runs(5000)
  )

  it.prop(
    "an owner that lives is alive to a reader beside it that can read all",
    [AnyWorld],
    ([drawn]) => mustBe("alive", { ...nearby(drawn), isAlive: true }),
    runs(1000)
  )

  it.prop(
    "an owner that is gone is dead to a reader beside it that can read all",
    [AnyWorld],
    ([drawn]) => {
      const near = caseOf({ ...nearby(drawn), isAlive: false })
      const ticks = { startTime: "5", ...(drawn.owner.hasId ? { processId64: "5" } : {}) }
      for (const seen of [
        { _tag: "Absent", pid } as const,
        { ...present(), ...ticks },
        { ...present(), state: "Z", threads: 1 },
        { ...present(), tgid: 1 }
      ]) {
        mustBe("dead", drawn, { ...near, seen })
      }
    },
    runs(1000)
  )

  it.prop(
    "an owner that is gone is dead to a reader that sees the whole kernel, covered boot ids included",
    [AnyWorld],
    ([drawn]) => {
      const world: World = {
        ...nearby(drawn),
        isAlive: false,
        fileSystem: "ext4",
        kernel: drawn.kernel === "earlier" ? "earlier" : "this",
        owner: { ...drawn.owner, namespace: "container" },
        reader: { ...nearby(drawn).reader, namespace: "initial", searches: true },
        lost: { ...nearby(drawn).lost, record: drawn.lost.record.filter((key) => key === "bootId") }
      }
      const isOther = world.kernel === "earlier" && world.owner.hasOwnMachineId && world.lost.record.length === 0
      mustBe(isOther ? "unknown" : "dead", world)
    },
    runs(1000)
  )

  it.prop(
    "an owner that is gone and held its lock itself is dead to another container, in its boot and in the next",
    [AnyWorld],
    ([drawn]) => {
      const world: World = {
        ...nearby(drawn),
        isAlive: false,
        fileSystem: "ext4",
        lock: "self",
        probe: "truth",
        kernel: drawn.kernel === "earlier" ? "earlier" : "this",
        owner: { ...drawn.owner, namespace: "container", hasOwnMachineId: false },
        reader: { ...nearby(drawn).reader, namespace: "other" },
        lost: { ...nearby(drawn).lost, record: drawn.lost.record.filter((key) => key === "bootId") }
      }
      mustBe("dead", world)
    },
    runs(1000)
  )

  it.effect("the worlds that are drawn are of every kind, and meet every answer", () =>
    Effect.gen(function* () {
      const worlds = yield* Arbitrary.sampleEffect(AnyWorld, { count: 10_000, seed: "worlds" })
      const kinds = new Set(worlds.map(({ fileSystem, kernel, lies }) => `${kernel} ${fileSystem} ${lies}`))
      for (const kind of [
        "fork nfs own",
        "clone nfs own",
        "other ext4 copy",
        "this btrfs snapshot",
        "earlier ext4 own"
      ]) {
        assert.isTrue(kinds.has(kind), kind)
      }
      const met = new Set(worlds.map((world) => judgeCase(caseOf(world)).reason))
      for (const reason of [
        "rebooted",
        "lock-free",
        "namespace-gone",
        "process-gone",
        "pid-dead",
        "other-directory",
        "other-machine",
        "machine-unknown",
        "lock-unknown",
        "boot-unknown",
        "other-pid-namespace"
      ] as const) {
        assert.isTrue(met.has(reason), reason)
      }
    })
  )
})
