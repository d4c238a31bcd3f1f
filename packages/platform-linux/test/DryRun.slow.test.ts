/** A dry run and a listing change nothing. */
import { assert, describe } from "@effect/vitest"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import type { Outcome } from "@vm-sentinel/core/Outcome"
import { Effect } from "effect"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import { live, liveUnless } from "./support/live.ts"
import * as Owners from "./support/owners.ts"
import * as Places from "./support/sweepersElsewhere.ts"
import * as Agents from "./support/sweepers.ts"
import * as Scene from "./support/scene.ts"
import { trace } from "./support/trace.ts"
import * as Tree from "./support/tree.ts"

describe("scenario 57: a dry run", () => {
  live("says what a sweep then does, of each directory, and changes nothing", () =>
    Effect.gen(function* () {
      const scene = Scene.make(yield* world.scratch, yield* Owners.make, { leftovers: true })
      const before = Tree.of(scene.root)
      const dry = yield* Cleanup.sweep(scene.root, { dryRun: true, sizes: true })
      assert.deepStrictEqual(Tree.differences(before, Tree.of(scene.root)), [])
      const real = yield* Cleanup.sweep(scene.root, { sizes: true })
      assert.deepStrictEqual(Scene.problems(scene), [])
      // A removal is reported once it is complete, so the order of the outcomes may differ.
      const byPath = (a: Outcome, b: Outcome): number => (a.path < b.path ? -1 : 1)
      assert.deepStrictEqual(
        dry.outcomes
          .toSorted(byPath)
          .map((said) => Object.assign({}, said, { action: said.action.replace("would-remove", "removed") })),
        real.outcomes.toSorted(byPath)
      )
      assert.deepStrictEqual(
        dry.outcomes.flatMap(({ action, name }) => (action === "would-remove" ? [name] : [])).toSorted(),
        [...scene.dead].toSorted()
      )
    })
  )

  live("scenario 105: tells once of a directory that a killed sweep was deleting where it lies", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { dead } = yield* Owners.make
      yield* world.file(`${root}/vm/.vm-sentinel.removing`, Owners.inscribe(dead))
      yield* world.file(`${root}/vm/disk`, "half")
      yield* world.directory(`${root}/.vm-sentinel-reap.0/dead/0123456700000000=vm`)
      const dry = yield* Cleanup.sweep(root, { dryRun: true })
      const real = yield* Cleanup.sweep(root)
      assert.deepStrictEqual([dry.summary.removed, real.summary.removed], [1, 1])
      assert.deepStrictEqual(
        dry.outcomes.map(({ action, reason }) => [action, reason]),
        [["would-remove", "pid-dead"]]
      )
      assert.deepStrictEqual(Tree.entries(root), [])
    })
  )

  for (const args of [
    ["list", "--json"],
    ["sweep", "--dry-run", "--sizes"]
  ]) {
    liveUnless(Places.noStrace, `vm-sentinel ${args.join(" ")} makes no system call that changes anything`, () =>
      Effect.gen(function* () {
        const scratch = yield* world.scratch
        const { dead, root } = Scene.make(scratch, yield* Owners.make, { leftovers: true })
        const before = Tree.of(root)
        const { calls, changes, stdout } = yield* trace(`${scratch}/log`, [
          process.execPath,
          Agents.command,
          ...args,
          root
        ])
        assert.deepStrictEqual(changes, [])
        assert.isAbove(calls, 50)
        for (const name of dead) assert.include(stdout, name.slice(0, 10))
        assert.deepStrictEqual(Tree.differences(before, Tree.of(root)), [])
      })
    )
  }

  liveUnless(Places.noStrace, "and a sweep makes such calls, in the root alone", () =>
    Effect.gen(function* () {
      const scratch = yield* world.scratch
      const scene = Scene.make(scratch, yield* Owners.make, { leftovers: true })
      const { changes } = yield* trace(`${scratch}/log`, [process.execPath, Agents.command, "sweep", scene.root])
      assert.deepStrictEqual(Scene.problems(scene), [])
      for (const call of ["mkdir", "rename", "renameat2", "link", "unlink", "unlinkat", "rmdir", "openat"]) {
        assert.isTrue(
          changes.some((line) => line.includes(` ${call}(`)),
          call
        )
      }
      // strace prints the path of each descriptor argument, so a change of the root names the root.
      const elsewhere = changes.filter((line) => !line.includes(`"${scene.root}/`) && !line.includes(`<${scene.root}`))
      assert.deepStrictEqual(elsewhere, [])
    })
  )
})
