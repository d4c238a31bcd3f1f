/** Effect or Ctrl-C interrupts a sweep, and another sweep follows. `stress/big.ts` does the same at full size. */
import { assert } from "@effect/vitest"

import * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { Disk } from "@vm-sentinel/core/Disk"
import { Line } from "@vm-sentinel/core/Outcome"
import { Cause, Effect, Exit, Fiber, Latch, type Layer, Schema } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import * as Agents from "./support/sweepers.ts"
import { live } from "./support/live.ts"
import * as Scratch from "./support/scratch.ts"
import { byName } from "./support/outcomes.ts"
import * as Owners from "./support/owners.ts"
import * as Scene from "./support/scene.ts"
import * as Steps from "./support/steps.ts"
import * as Tree from "./support/tree.ts"

const make = (path: string, sentinel: string, files: number): void => {
  Fs.mkdirSync(`${path}/data`, { recursive: true, mode: 0o700 })
  Fs.chmodSync(path, 0o700)
  Fs.writeFileSync(`${path}/.vm-sentinel`, sentinel, { mode: 0o600 })
  for (let file = 0; file < files; file++) Fs.writeFileSync(`${path}/data/${file}`, "")
}

const stride = 3

for (const [who, pool] of [
  ["", true],
  [", without threads of the pool", false]
] as const) {
  const title = "interrupted at any call, a sweep has closed what it opened, and the next one goes on"
  const disk = LinuxDisk.layerWith({ pool })
  live(`scenario 52: ${title}${who}`, () => interruptions(disk, stride))
  live(`scenario 52: told to stop at any call, it has told what is gone, and the next one goes on${who}`, () =>
    stops(disk, 2 * stride)
  )
}

const interruptions = (disk: Layer.Layer<Disk>, stride: number) =>
  Effect.gen(function* () {
    const scratch = yield* Scratch.scratch
    const owners = yield* Owners.make
    let [interrupted, removals] = [0, 0]
    for (let at = 1; ; at += stride) {
      Fs.mkdirSync(`${scratch}/${at}`)
      const scene = Scene.make(`${scratch}/${at}`, owners, { leftovers: true })
      const before = Tree.descriptors()
      let fiber: Fiber.Fiber<unknown, unknown> | undefined
      const steps: Steps.Steps = { calls: 0, at, act: Effect.sync(() => fiber?.interruptUnsafe()), isFull: false }
      fiber = yield* Effect.forkChild(Effect.provide(Cleanup.sweep(scene.root), Steps.store(steps, disk)))
      const exit = yield* Fiber.await(fiber)
      if (Exit.isFailure(exit)) interrupted += 1
      assert.sameMembers([...Tree.descriptors()], [...before], `call ${at}`)
      assert.isTrue(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause), `call ${at}`)
      const { outcomes } = yield* Cleanup.sweep(scene.root)
      removals += outcomes.filter(({ action }) => action === "removed").length
      assert.deepStrictEqual(Scene.problems(scene), [], `call ${at}`)
      assert.notInclude(Object.values(byName(outcomes)).join(), "failed", `call ${at}`)
      if (steps.calls < at) break
    }
    assert.isAbove(interrupted * stride, 30)
    assert.isAbove(removals, 10)
  })

const stops = (disk: Layer.Layer<Disk>, stride: number) =>
  Effect.gen(function* () {
    const scratch = yield* Scratch.scratch
    const owners = yield* Owners.make
    const removed = ({ outcomes }: Cleanup.Report) =>
      outcomes.flatMap(({ action, name }) => (action === "removed" ? [name] : []))
    let [stopped, removals] = [0, 0]
    for (let at = 1; ; at += stride) {
      Fs.mkdirSync(`${scratch}/${at}`)
      const scene = Scene.make(`${scratch}/${at}`, owners, { leftovers: true })
      const before = Tree.descriptors()
      const stop = yield* Latch.make()
      const steps: Steps.Steps = { calls: 0, at, act: stop.open, isFull: false }
      const sweep = Cleanup.sweep(scene.root, { stopWhen: stop.await })
      const first = yield* Effect.provide(sweep, Steps.store(steps, disk))
      if (first.summary.interrupted === true) stopped += 1
      assert.sameMembers([...Tree.descriptors()], [...before], `call ${at}`)
      const second = yield* Cleanup.sweep(scene.root)
      assert.deepStrictEqual(Scene.problems(scene), [], `call ${at}`)
      assert.notInclude(Object.values(byName([...first.outcomes, ...second.outcomes])).join(), "failed", `call ${at}`)
      // Only a lock keeps another sweep away from remains in the root, so a removal there may go unreported.
      const told = [...removed(first), ...removed(second)]
      assert.deepStrictEqual(
        told.filter((name) => !name.startsWith("placed")).toSorted(),
        scene.dead.filter((name) => !name.startsWith("placed")).toSorted(),
        `call ${at}`
      )
      assert.strictEqual(new Set(told).size, told.length, `call ${at}`)
      removals += removed(first).length
      if (steps.calls < at) break
    }
    assert.isAbove(stopped * stride, 30)
    assert.isAbove(removals, 10)
  })

const decode = Schema.decodeSync(Schema.fromJsonString(Line))

/** Runs the command and interrupts it once it has printed `after` lines. */
const run = (args: ReadonlyArray<string>, after = Infinity) =>
  Effect.callback<{ readonly code: number | null; readonly lines: ReadonlyArray<typeof Line.Type> }>((resume) => {
    const child = spawn(process.execPath, [Agents.command, ...args], { stdio: ["ignore", "pipe", "inherit"] })
    let [text, isInterrupted] = ["", false]
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
      if (isInterrupted || text.split("\n").length <= after) return
      isInterrupted = true
      child.kill("SIGINT")
    })
    child.once("close", (code) => {
      const lines = text.split("\n").filter((line) => line !== "")
      resume(Effect.succeed({ code, lines: lines.map((line) => decode(line)) }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

live("scenario 51: many directories, one with many files: Ctrl-C on the way, and a second run finishes", () =>
  Effect.gen(function* () {
    const root = yield* Scratch.scratch
    const { dead, live } = yield* Owners.make
    for (let index = 0; index < 1000; index++) make(`${root}/vm-${index}`, Owners.inscribe(dead), 1)
    make(`${root}/vm-big`, Owners.inscribe(dead), 10_000)
    make(`${root}/live`, Owners.inscribe(live), 1)
    const before = Tree.of(`${root}/live`)
    const first = yield* run(["sweep", "--json", root], 100)
    const summary = first.lines.at(-1)
    assert.strictEqual(first.code, 130)
    assert.deepInclude(summary, { _tag: "Summary", interrupted: true })
    const left = Tree.entries(root).filter((entry) => !entry.startsWith("."))
    assert.isAbove(left.length, 1)
    const second = yield* run(["sweep", "--json", root])
    assert.strictEqual(second.code, 0)
    assert.deepStrictEqual(Tree.entries(root), ["live"])
    assert.deepStrictEqual(Tree.differences(before, Tree.of(`${root}/live`)), [])
    // Each removal is reported once, even a removal that was under way at the interruption.
    const removed = [...first.lines, ...second.lines].flatMap((line) =>
      line._tag === "Outcome" && line.action === "removed" ? [line.name] : []
    )
    assert.strictEqual(new Set(removed).size, removed.length)
    assert.strictEqual(removed.length, 1001)
  })
)
