import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Layer, Logger, Result, Schema } from "effect"
import * as Cleanup from "../src/Cleanup.ts"
import { StoreFailure } from "../src/Errors.ts"
import { type JudgeInputs, JudgeInputsJson, type Subject } from "../src/JudgeInputs.ts"
import { decide } from "../src/Judgement.ts"
import { Answer, Reason } from "../src/Reason.ts"
import * as SentinelName from "../src/SentinelName.ts"
import { FakeProcessTable } from "../src/testing/FakeProcessTable.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import { AnyCase, type Case } from "./support/arbitraries.ts"
import { writtenAt } from "./support/fixtures.ts"
import { about, errors } from "./support/directoryJudgements.ts"
import { split } from "./support/judging.ts"
import { runs } from "./support/property.ts"
import { AnyWorld, caseOf } from "./support/truth.ts"

const record = Schema.encodeEffect(JudgeInputsJson)
const recall = Schema.decodeEffect(JudgeInputsJson)

const problems = [...Object.values(errors), new StoreFailure({ ...about, errno: "EIO", cause: "disk on fire" })]

const times = [writtenAt, 0, -1.5, 2 ** 62, Number.NaN, Number.POSITIVE_INFINITY]

/** All inputs about a directory except its owners. */
const Rest = Schema.Struct({
  kind: Schema.Literals(["Directory", "Directory", "Directory", "Workspace", "Remains"]),
  place: Schema.Literals(["vm", `${SentinelName.workspacePrefix}0123456789abcdef`, "marked"]),
  name: Schema.Literals(["a", "夜", "a b", "\udc80", "__proto__"]),
  distrust: Schema.Literals(["?", "?", "?", "other-user"]),
  foreign: Schema.Literals([0, 0, 0, 1, 2]),
  lock: Schema.Literals(["?", "?", "free", "shared", "exclusive", "unknown"]),
  below: Schema.Union([Schema.Undefined, Schema.Struct({ path: Schema.String, verdict: Answer, reason: Reason })]),
  assumeDead: Schema.Literals(["?", "?", "", "host was wiped"]),
  isKnown: Schema.Boolean,
  refused: Schema.Literals(["?", "?", "?", ...problems.keys()]),
  time: Schema.Literals([...times.keys()])
})

const pathOf = ({ name, place }: typeof Rest.Type): string => {
  const workspace = `/vms/${SentinelName.workspacePrefix}0123456789abcdef`
  if (place === "marked") return `${workspace}/dead/${name}`
  return place === "vm" ? `/vms/${name}` : workspace
}

const tag = "01234567"

const subjectOf = (one: Case, index: number, rest: typeof Rest.Type): Subject => {
  const writtenAt = times[rest.time] ?? 0
  const { changedAt = writtenAt, file = "1", observed } = split(one.around, one.seen, one.host)[0]
  const entry = SentinelName.ofRole(SentinelName.defaultName, `role${index}`)
  const content = Result.succeed(one.sentinel)
  return { entry, size: index, writtenAt, changedAt, file, tag, content, observed }
}

const inputsOf = (cases: ReadonlyArray<Case>, first: Case, rest: typeof Rest.Type): JudgeInputs => {
  const { frame, host, knowledge } = split(first.around, first.seen, first.host)[1]
  const { assumeDead, below, distrust, foreign, isKnown, kind, lock, refused } = rest
  const problem = typeof refused === "number" ? problems[refused] : undefined
  const subjects = cases.map((one, index) => subjectOf(one, index, rest))
  const [last] = subjects
  const unread = problem === undefined || last === undefined ? [] : [{ ...last, content: Result.fail(problem) }]
  return {
    host,
    frame,
    knowledge: { ...knowledge, ...(assumeDead === "?" ? {} : { assumeDead }) },
    path: pathOf(rest),
    kind: kind === "Remains" ? { _tag: kind, tags: isKnown ? [tag] : [] } : { _tag: kind },
    subjects: [...subjects, ...unread],
    foreign: [".bbox-sentinel", "data/go-microvm-state.json"].slice(0, foreign),
    ...(distrust === "?" ? {} : { distrust: { rule: distrust, problem: "owned by uid 7" } }),
    ...(lock === "?" ? {} : { lock }),
    ...(below === undefined ? {} : { below })
  }
}

const AnyOwner = Arbitrary.map(
  Arbitrary.all([AnyCase, AnyWorld, Arbitrary.schema(Schema.Boolean)]),
  ([drawn, world, isLawful]) => (isLawful ? caseOf(world) : drawn)
)

/** Frame, host and knowledge come from the first owner's case. Each owner keeps its own observations. */
const AnyInputs = Arbitrary.map(
  Arbitrary.all([AnyOwner, Arbitrary.array(AnyOwner, { maxLength: 3 }), Arbitrary.schema(Rest)]),
  ([first, others, rest]) => inputsOf(others.length === 3 ? [] : [first, ...others], first, rest)
)

describe("JudgeInputs", () => {
  it.effect.prop(
    "recorded, read and judged again give the same decision",
    [AnyInputs],
    ([inputs]) =>
      Effect.gen(function* () {
        const text = yield* record(inputs)
        assert.notInclude(text, "\n")
        const again = yield* recall(text)
        assert.deepStrictEqual(decide(again), decide(inputs))
        assert.strictEqual(yield* record(again), text)
      }),
    runs(500)
  )

  it.effect("the property above meets every answer, and most reasons", () =>
    Effect.gen(function* () {
      const all = (yield* Arbitrary.sampleEffect(AnyInputs, { count: 2000, seed: "inputs" })).map(decide)
      assert.sameMembers([...new Set(all.map(({ verdict }) => verdict))], [...Answer.literals])
      assert.isAtLeast(new Set(all.map(({ reason }) => reason)).size, 25)
    })
  )

  it.effect("judging changes nothing of them", () =>
    Effect.gen(function* () {
      for (const inputs of yield* Arbitrary.sampleEffect(AnyInputs, { count: 200, seed: "inputs" })) {
        const before = yield* record(inputs)
        decide(inputs)
        assert.strictEqual(yield* record(inputs), before)
      }
    })
  )
})

describe("a sweep", () => {
  const root = "/srv/vms"
  const at = (name: string) => `${root}/${name}`

  /** Directories of every state that a sweep meets. */
  const scene = Effect.gen(function* () {
    const table = yield* FakeProcessTable
    const living = yield* Simulation.actor({ exe: "/usr/bin/vmm" })
    yield* Simulation.seed({ [at("held/disk")]: "", [at("empty/disk")]: "", [at("torn/.vm-sentinel")]: "4242\n/x\n{" })
    yield* Simulation.hold(living, at("held"))
    yield* Simulation.owned(at("alive"))
    yield* Simulation.crashed(at("dead"))
    yield* Simulation.crashed(at("legacy"), { format: "v2" })
    yield* table.hide(yield* Simulation.owned(at("hidden")))
    yield* Simulation.crashed(at("two"))
    yield* Simulation.owned(at("two"), { role: "helper" })
    yield* Simulation.recycled(at("recycled"))
    yield* Simulation.crashed(at("nested"))
    yield* Simulation.owned(at("nested/inner"))
    yield* Simulation.crashed(at("foreign"))
    yield* Simulation.seed({ [at("foreign/.bbox-sentinel")]: "1\n/x\n" })
  })

  const options = { legacy: "trust", lock: "self" } as const

  it.effect("over the fakes, recorded: judged again from its record it says the same, when all is gone", () =>
    Effect.gen(function* () {
      yield* scene
      const names = (yield* Simulation.names(root)).toSorted()
      const judgements = yield* Effect.forEach(names, (name) => Cleanup.judge(at(name), options))
      const records = yield* Effect.forEach(judgements, ({ inputs }) => record(inputs))
      const { outcomes } = yield* Cleanup.sweep(root, options)
      // After a reboot and the removals, a live judgement would find neither the processes nor the directories.
      yield* FakeProcessTable.use((table) => table.reboot())
      const met = new Set<string>()
      for (const [index, text] of records.entries()) {
        const [judgement, name] = [judgements[index] ?? assert.fail(), names[index]]
        const decision = decide(yield* recall(text))
        const { condemned: _, state: __, inputs: ___, ...decided } = judgement
        assert.deepStrictEqual(decision, decided)
        // A sweep that finds an owner alive at its first look compares fewer data.
        const { evidence, reason, verdict } = outcomes.find((outcome) => outcome.name === name) ?? assert.fail(name)
        assert.deepStrictEqual(
          { reason, verdict, evidence: verdict === "alive" ? decision.evidence : evidence },
          { reason: decision.reason, verdict: decision.verdict, evidence: decision.evidence }
        )
        met.add(reason)
      }
      assert.isAtLeast(met.size, 7, [...met].join(" "))
    }).pipe(Effect.provide(Layer.merge(Simulation.layerWith({}), Logger.layer([]))))
  )
})
