import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Condemned, reconsider } from "../src/Condemned.ts"
import type { DirectoryState } from "../src/DirectoryState.ts"
import { JudgeInputsJson } from "../src/JudgeInputs.ts"
import type { Judgement } from "../src/Condemned.ts"
import { decide } from "../src/Judgement.ts"
import { v1, v3 } from "./support/fixtures.ts"
import { bytes, errors, file, state, judgeOf, judgeSeen, owners, read } from "./support/directoryJudgements.ts"
import { absent } from "./support/verdicts.ts"

/** The judgement of a directory with one sentinel whose owner is gone. */
const deadJudgement = (held = state([read(v3())])) => judgeSeen(held, absent)

const condemnedOf = (judgement: Judgement): Condemned => judgement.condemned ?? assert.fail("not condemned")

describe("a Condemned", () => {
  const condemned = condemnedOf(deadJudgement())

  it("names the directory and the reason", () => {
    assert.strictEqual(condemned.path, "/vms/a")
    assert.strictEqual(condemned.reason, "pid-dead")
    assert.isTrue(Condemned.is(condemned))
  })

  it("can't be constructed", () => {
    const construct = (...args: ReadonlyArray<unknown>): unknown => Reflect.construct(Condemned, [...args])
    assert.throws(() => construct(), TypeError, "made by a judgement alone")
    assert.throws(() => construct(Symbol("Condemned"), state([]), "pid-dead"), TypeError)
    assert.throws(() => construct(Symbol.for("Condemned"), state([]), "pid-dead"), TypeError)
    assert.throws(() => construct(undefined, state([]), "pid-dead"), TypeError)
    for (const symbol of Object.getOwnPropertySymbols(Condemned)) {
      assert.throws(() => construct(symbol, state([]), "pid-dead"), TypeError)
    }
  })

  it("can't be constructed through a subclass or its own constructor", () => {
    const construct = (): unknown => Reflect.construct(condemned.constructor, [Symbol("Condemned"), state([]), "x"])
    assert.throws(construct, TypeError)
    assert.throws(() => Reflect.construct(Condemned, [Symbol("Condemned"), state([]), "x"], Object), TypeError)
  })

  it("can't be imitated or copied", () => {
    const imitations: ReadonlyArray<unknown> = [
      Object.create(Condemned.prototype),
      Object.create(condemned),
      { ...condemned },
      structuredClone({ reason: condemned.reason }),
      Object.setPrototypeOf({ reason: "pid-dead" }, Condemned.prototype),
      new Proxy(condemned, {}),
      { path: "/vms/a", reason: "pid-dead", difference: () => undefined },
      undefined,
      null,
      "pid-dead"
    ]
    for (const imitation of imitations) assert.isFalse(Condemned.is(imitation))
  })

  it("an imitation has no path and compares nothing", () => {
    const imitation: unknown = Object.create(Condemned.prototype)
    const { difference } = Condemned.prototype
    assert.throws(() => Reflect.get(Condemned.prototype, "path", imitation), TypeError)
    assert.throws(() => Reflect.apply(difference, imitation, [state([])]), TypeError)
  })

  it("can't be changed", () => {
    assert.isTrue(Object.isFrozen(condemned))
    assert.isFalse(Reflect.set(condemned, "reason", "rebooted"))
    assert.isFalse(Reflect.set(condemned, "path", "/home"))
    assert.isFalse(Reflect.defineProperty(condemned, "path", { value: "/home" }))
    assert.strictEqual(condemned.path, "/vms/a")
  })

  it("tells nothing of the sentinels it was made of", () => {
    assert.deepStrictEqual(Reflect.ownKeys(condemned), ["reason"])
    assert.strictEqual(JSON.stringify(condemned), '{"reason":"pid-dead"}')
  })
})

describe("what a Condemned is bound to", () => {
  const runner = read(v3(), { entry: ".vm-sentinel.runner", id: { dev: "1", ino: "101" } })
  const refused = file(Result.fail(errors["oversized-sentinel"]), { entry: "z", bytes: undefined, size: 5000 })
  const judged = state([read(v3()), runner])
  const condemned = condemnedOf(deadJudgement(judged))
  const changedBytes = new TextEncoder().encode("4243")

  it("the same directory with the same sentinels, wherever it was moved", () => {
    assert.isUndefined(condemned.difference(judged))
    assert.isUndefined(condemned.difference(structuredClone(judged)))
    assert.isUndefined(condemned.difference({ ...judged, path: "/vms/.vm-sentinel-reap.0/claimed/a" }))
  })

  const changes: ReadonlyArray<readonly [name: string, now: DirectoryState, difference: RegExp]> = [
    ["another inode of the directory", { ...judged, id: { dev: "1", ino: "11" } }, /another directory/],
    ["another device of the directory", { ...judged, id: { dev: "2", ino: "10" } }, /another directory/],
    ["no sentinel any more", state([]), /appeared or went away/],
    ["one sentinel less", state([read(v3())]), /appeared or went away/],
    ["one sentinel more", state([read(v3()), runner, read(v1, { entry: "x" })]), /appeared or went away/],
    ["another order", state([runner, read(v3())]), /\.vm-sentinel is another/],
    ["another name", state([read(v3()), { ...runner, entry: ".vm-sentinel.x" }]), /\.vm-sentinel\.runner is another/],
    ["other bytes", state([read(v3(), { bytes: changedBytes }), runner]), /\.vm-sentinel is another/],
    ["bytes more", state([read(v3(), { bytes: new TextEncoder().encode("42420") }), runner]), /is another/],
    ["bytes less", state([read(v3(), { bytes: bytes.slice(0, 3) }), runner]), /is another/],
    ["the same bytes in another file", state([read(v3(), { id: { dev: "1", ino: "7" } }), runner]), /is another/],
    ["the same file, written again", state([read(v3(), { writtenAt: 0 }), runner]), /is another/],
    ["the same inode on another device", state([read(v3(), { id: { dev: "2", ino: "100" } }), runner]), /is another/],
    ["a sentinel refused now", state([read(v3()), { ...refused, entry: runner.entry, id: runner.id }]), /is another/],
    ["another owner's sentinel", { ...judged, foreign: [".bbox-sentinel"] }, /\.bbox-sentinel appeared/]
  ]
  for (const [name, now, difference] of changes) {
    it(`not: ${name}`, () => {
      assert.match(condemned.difference(now) ?? "", difference)
    })
  }

  it("the bytes that were judged, even if the caller writes others over them", () => {
    for (const reused of [Uint8Array.from(bytes), Buffer.from(bytes)]) {
      const now = state([read(v3(), { bytes: reused })])
      const condemned = condemnedOf(deadJudgement(now))
      assert.isUndefined(condemned.difference(now))
      reused.set(changedBytes)
      assert.match(condemned.difference(now) ?? "", /\.vm-sentinel is another/)
    }
  })

  it("a sentinel that was never read is known by its size and time", () => {
    const { condemned } = judgeSeen(state([refused]), absent, { assumeDead: "it was me" })
    assert.isDefined(condemned)
    assert.isUndefined(condemned?.difference(state([refused])))
    assert.isDefined(condemned?.difference(state([{ ...refused, size: 5001 }])))
    assert.isDefined(condemned?.difference(state([{ ...refused, writtenAt: 0 }])))
    assert.isDefined(condemned?.difference(state([{ ...refused, bytes }])))
  })

  it("another owner's sentinel that was judged, and is gone now, is no difference", () => {
    const foreign = { foreign: [".bbox-sentinel"] }
    const { condemned } = judgeOf(["dead"], foreign, { assumeDead: "it was me" })
    assert.isUndefined(condemned?.difference(state([owners.dead[0]])))
    assert.isUndefined(condemned?.difference(state([owners.dead[0]], foreign)))
  })
})

describe("who gets no Condemned", () => {
  it("recorded inputs that are judged again: the decision is the same, and condemns nobody", () => {
    const judgement = deadJudgement()
    const recorded = Schema.decodeSync(JudgeInputsJson)(Schema.encodeSync(JudgeInputsJson)(judgement.inputs))
    for (const inputs of [judgement.inputs, recorded]) {
      const again = decide(inputs)
      assert.strictEqual(again.verdict, "dead")
      assert.strictEqual(again.reason, "pid-dead")
      assert.notProperty(again, "condemned")
      for (const value of [again, ...Object.values(again), inputs, ...Object.values(inputs)]) {
        assert.isFalse(Condemned.is(value))
      }
    }
  })

  it("a judgement that condemned nobody, whatever is made of a copy of it", () => {
    const alive = judgeOf(["alive"])
    const { inputs } = deadJudgement()
    const forged: ReadonlyArray<Judgement> = [
      { ...alive, inputs },
      { ...alive, verdict: "dead", reason: "pid-dead", decidedBy: "process", inputs },
      {
        ...judgeOf(["unknown"]),
        inputs: { ...inputs, knowledge: { ...inputs.knowledge, assumeDead: "host was wiped" } }
      }
    ]
    for (const judgement of forged) {
      for (const found of [{}, { lock: "free" }] as const) {
        assert.strictEqual(reconsider(judgement, found), judgement)
        assert.isUndefined(judgement.condemned)
      }
    }
  })
})
