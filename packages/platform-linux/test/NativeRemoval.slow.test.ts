/** Removal by native code, with an act right before each of its system calls. */
import { assert, describe, it } from "@effect/vitest"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import { Arbitrary, Effect, Schema, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { dirname } from "node:path"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { runs } from "@vm-sentinel/core/test/support/property"
import { withKoffi } from "../src/internal/koffi.ts"
import * as Pool from "../src/internal/pool.ts"
import * as Scratch from "./support/scratch.ts"
import * as Places from "./support/sweepersElsewhere.ts"
import * as Tree from "./support/tree.ts"
import { hasCompiler, noCompiler, Programs } from "./support/programs.ts"

const isSentinel = withKoffi((koffi) =>
  koffi.load(Pool.libraryOf(koffi)).func("int vm_sentinel_is_sentinel(const char *)")
)

const able = ableIn<Programs | Scope.Scope>((title, test) =>
  it.live(title, () => Effect.provide(test(), Programs.layer), 60_000)
)
const whenCompiled = (title: string, test: () => Effect.Effect<void, unknown, Programs | Scope.Scope>) =>
  able(hasCompiler ? {} : noCompiler, title, test)

/** `enum result` of removal.c. */
const [gone, unfinished, left] = [1, 2, 3] as const

const sentinels = [".vm-sentinel", ".vm-sentinel.guest"]

const furnish = (tree: string): void => {
  for (const at of ["", "/sub", "/sub/sub"]) {
    Fs.mkdirSync(`${tree}${at}`, { recursive: true, mode: 0o700 })
    for (const file of ["a", "b"]) Fs.writeFileSync(`${tree}${at}/${file}`, file)
  }
  // A directory is never a sentinel, whatever its name.
  Fs.mkdirSync(`${tree}/sub/.bbox-sentinel`, { recursive: true, mode: 0o700 })
  for (const name of sentinels) Fs.writeFileSync(`${tree}/${name}`, "")
}

interface Seen {
  /** Number of system calls that the removal made. */
  readonly calls: number
  readonly result: number
}

type Act = "claim" | "crawl" | "hold" | "link" | "lockless" | "mount" | "none" | "publish" | "stop" | "swap" | "wait"

interface Scene {
  readonly tree: string
  /** The place to which `link` and `swap` move the original entry, and where `publish` makes its file. */
  readonly aside: string
  readonly outside: string
  /** Removes the tree, with an act before a call. `place` and `other` default to the tree and the outside directory. */
  readonly remove: (act: Act, at: number, place?: string, other?: string) => Seen
}

const sceneOf = Effect.gen(function* () {
  const scratch = yield* Scratch.scratch
  const program = (yield* Programs).helper("removal")
  const [tree, aside, outside] = [`${scratch}/base/root/tree`, `${scratch}/aside`, `${scratch}/outside`] as const
  Fs.mkdirSync(`${scratch}/base/root`, { recursive: true })
  furnish(outside)
  furnish(tree)
  const scene: Scene = {
    tree,
    aside,
    outside,
    remove: (act, at, place = tree, other = outside) => {
      const args = [act, `${at}`, tree, place, aside, other]
      const [calls = 0, result = 0] = execFileSync(program, args, { encoding: "utf8" }).split(" ").map(Number)
      return { calls, result }
    }
  }
  return scene
})

const clear = ({ aside, tree }: Scene): void => {
  for (const path of [tree, aside]) Fs.rmSync(path, { recursive: true, force: true })
}

/** Repeats the removal until it is complete, because one call may run out of time on a slow machine. */
const resultOf = (scene: Scene): number => {
  for (;;) {
    const { result } = scene.remove("none", 0)
    if (result !== unfinished) return result
  }
}

/** Runs the removal once for each of its calls, with the act before that call, until a run makes fewer calls. */
const beforeEachCall = (scene: Scene, act: Act, below: string, check: (seen: Seen, at: number) => void): number => {
  for (let at = 1; ; at++) {
    clear(scene)
    furnish(scene.tree)
    const seen = scene.remove(act, at, `${scene.tree}${below}`, `${scene.outside}${below}`)
    check(seen, at)
    if (seen.calls < at) return at - 1
  }
}

const places = ["", "/sub", "/sub/sub"] as const

describe("deleting by native code", () => {
  whenCompiled("removes a tree", () =>
    Effect.gen(function* () {
      const scene = yield* sceneOf
      assert.strictEqual(scene.remove("none", 0).result, gone)
      assert.isFalse(Fs.existsSync(scene.tree))
    })
  )

  whenCompiled("scenario 48: a directory swapped for a symbolic link, before each call, leads nowhere", () =>
    Effect.gen(function* () {
      const scene = yield* sceneOf
      const before = Tree.of(scene.outside)
      for (const below of places) {
        let swaps = 0
        const calls = beforeEachCall(scene, "link", below, ({ result }, at) => {
          assert.deepStrictEqual(Tree.differences(before, Tree.of(scene.outside)), [], `${below}, call ${at}`)
          if (Fs.lstatSync(`${scene.tree}${below}`, { throwIfNoEntry: false })?.isSymbolicLink() === true) swaps += 1
          assert.strictEqual(result === gone, !Fs.existsSync(scene.tree), `${below}, call ${at}`)
        })
        assert.isAbove(calls, 25)
        assert.isAbove(swaps, 0)
      }
    })
  )

  whenCompiled(
    "another directory, swapped in before it is opened, stays whole; ever after nothing of it is opened",
    () =>
      Effect.gen(function* () {
        const scene = yield* sceneOf
        const whole = Object.keys(Tree.of(scene.outside))
        let swaps = 0
        for (let at = 1, calls = 1; at <= calls; at++) {
          clear(scene)
          furnish(scene.tree)
          if (!Fs.existsSync(scene.outside)) furnish(scene.outside)
          ;({ calls } = scene.remove("swap", at))
          const isThere = Fs.existsSync(scene.outside)
          if (!isThere) swaps += 1
          assert.sameMembers(Object.keys(Tree.of(isThere ? scene.outside : scene.tree)), whole, `call ${at}`)
        }
        assert.isAbove(swaps, 20)
      })
  )

  able(
    !hasCompiler ? noCompiler : Places.noMounts === undefined ? {} : new Missing(Places.noMounts),
    "a mount that appears before any call is a wall",
    () =>
      Effect.gen(function* () {
        const scene = yield* sceneOf
        const before = Tree.of(scene.outside)
        for (const below of places) {
          let walls = 0
          beforeEachCall(scene, "mount", below, ({ result }, at) => {
            assert.deepStrictEqual(Tree.differences(before, Tree.of(scene.outside)), [], `${below}, call ${at}`)
            if (result === left) walls += 1
            assert.strictEqual(result === gone, !Fs.existsSync(scene.tree), `${below}, call ${at}`)
          })
          assert.isAbove(walls, 3)
        }
      })
  )

  able(
    !hasCompiler ? noCompiler : Places.noMounts === undefined ? {} : new Missing(Places.noMounts),
    "doesn't touch what is mounted on itself",
    () =>
      Effect.gen(function* () {
        const scene = yield* sceneOf
        const before = Tree.of(scene.tree)
        assert.strictEqual(scene.remove("mount", 1, scene.tree, scene.tree).result, left)
        assert.deepStrictEqual(Tree.differences(before, Tree.of(scene.tree)), [])
      })
  )

  whenCompiled("doesn't touch what lies behind a symbolic link, though it be the same directory", () =>
    Effect.gen(function* () {
      const scene = yield* sceneOf
      const before = Tree.of(scene.tree)
      for (const above of [dirname(scene.tree), dirname(dirname(scene.tree))]) {
        assert.strictEqual(scene.remove("link", 1, above, scene.aside).result, left)
        assert.deepStrictEqual(Tree.differences(before, Tree.of(scene.tree)), [])
        Fs.unlinkSync(above)
        Fs.renameSync(scene.aside, above)
      }
    })
  )

  for (const [act, result, title] of [
    ["wait", unfinished, "when it takes long, stops between two removals: another call goes on"],
    ["stop", left, "stops between two removals when it isn't wanted any more"]
  ] as const) {
    whenCompiled(title, () =>
      Effect.gen(function* () {
        const scene = yield* sceneOf
        let stopped = 0
        beforeEachCall(scene, act, "", (seen, at) => {
          // The removal was complete before the stop.
          if (seen.result === gone) return assert.isFalse(Fs.existsSync(scene.tree))
          stopped += 1
          assert.strictEqual(seen.result, result, `call ${at}`)
          const remains = Tree.entries(scene.tree)
          assert.includeMembers([...remains], sentinels, `call ${at}`)
          assert.strictEqual(scene.remove("none", 0).result, gone)
          assert.isFalse(Fs.existsSync(scene.tree))
        })
        assert.isAbove(stopped, 10)
      })
    )
  }

  whenCompiled("gets somewhere by each call, however long that takes", () =>
    Effect.gen(function* () {
      const scene = yield* sceneOf
      let last = Object.keys(Tree.of(scene.tree)).length
      for (let result: number = unfinished; result !== gone;) {
        ;({ result } = scene.remove("crawl", 0))
        const now = Fs.existsSync(scene.tree) ? Object.keys(Tree.of(scene.tree)).length : 0
        assert.isBelow(now, last)
        last = now
      }
      assert.strictEqual(last, 0)
    })
  )

  whenCompiled("with something in it that can't be removed, keeps the sentinels", () =>
    Effect.gen(function* () {
      const scene = yield* sceneOf
      // The tree is deeper than native code descends.
      const deep = `${scene.tree}${"/d".repeat(40)}`
      Fs.mkdirSync(deep, { recursive: true })
      assert.strictEqual(scene.remove("none", 0).result, left)
      assert.isTrue(Fs.existsSync(deep))
      assert.includeMembers([...Tree.entries(scene.tree)], sentinels)
    })
  )

  whenCompiled("scenario 89: a directory named like a sentinel goes with the rest", () =>
    Effect.gen(function* () {
      const scene = yield* sceneOf
      Fs.mkdirSync(`${scene.tree}/.vm-sentinel.logs/sub`, { recursive: true })
      Fs.writeFileSync(`${scene.tree}/.vm-sentinel.logs/sub/file`, "")
      assert.strictEqual(resultOf(scene), gone)
      assert.isFalse(Fs.existsSync(scene.tree))
    })
  )

  whenCompiled(
    "scenario 108: a tree with a sentinel of the top that wasn't judged is left untouched, however many names there are",
    () =>
      Effect.gen(function* () {
        const scene = yield* sceneOf
        for (const others of [0, 5000]) {
          for (const name of [".vm-sentinel.late", ".bbox-sentinel"]) {
            clear(scene)
            furnish(scene.tree)
            // A file system may list the first name or the last one first.
            const isFirst = name === ".bbox-sentinel"
            if (isFirst) Fs.writeFileSync(`${scene.tree}/${name}`, "")
            for (let index = 0; index < others; index++) Fs.writeFileSync(`${scene.tree}/${index}`, "")
            if (!isFirst) Fs.writeFileSync(`${scene.tree}/${name}`, "")
            const before = Tree.of(scene.tree)
            assert.strictEqual(resultOf(scene), left)
            assert.deepStrictEqual(Tree.differences(before, Tree.of(scene.tree)), [])
          }
        }
      })
  )

  whenCompiled("scenario 108: a sentinel of the top that comes before any call stays", () =>
    Effect.gen(function* () {
      const scene = yield* sceneOf
      let came = 0
      beforeEachCall(scene, "claim", "", ({ result }, at) => {
        if (result === gone) return assert.isFalse(Fs.existsSync(scene.tree), `call ${at}`)
        assert.strictEqual(result, left)
        came += 1
        assert.include(Tree.entries(scene.tree), ".vm-sentinel.late", `call ${at}`)
        assert.strictEqual(scene.remove("none", 0).result, left)
        assert.include(Tree.entries(scene.tree), ".vm-sentinel.late", `call ${at}`)
      })
      assert.isAbove(came, 25)
    })
  )

  whenCompiled("scenario 108: a judged sentinel of the top that is replaced before any call but its unlink stays", () =>
    Effect.gen(function* () {
      const scene = yield* sceneOf
      let [lost, stayed] = [0, 0]
      beforeEachCall(scene, "publish", "", ({ calls, result }, at) => {
        if (result === gone) {
          assert.isFalse(Fs.existsSync(scene.tree), `call ${at}`)
          // The new sentinel was in the tree.
          if (calls >= at && !Fs.existsSync(scene.aside)) lost += 1
          return
        }
        assert.strictEqual(result, left)
        stayed += 1
        assert.include(Tree.entries(scene.tree), ".vm-sentinel", `call ${at}`)
      })
      assert.isAbove(stayed, 25)
      // No call compares and unlinks at once.
      assert.strictEqual(lost, 1)
    })
  )

  for (const act of ["hold", "claim"] as const) {
    whenCompiled(
      `scenario 109: an inner owner that comes before any call, and ${act === "hold" ? "holds its lock" : "writes a record too"}, keeps what it has`,
      () =>
        Effect.gen(function* () {
          const scene = yield* sceneOf
          for (const below of ["/sub", "/sub/sub"]) {
            const here = `${scene.tree}${below}`
            let held = 0
            beforeEachCall(scene, act, below, ({ result }, at) => {
              if (result === gone) return assert.isFalse(Fs.existsSync(scene.tree), `${below}, call ${at}`)
              assert.strictEqual(result, left)
              held += 1
              const names = ["a", "b", ...(act === "claim" ? [".vm-sentinel.late"] : [])]
              assert.includeMembers([...Tree.entries(here)], names, `${below}, call ${at}`)
              assert.includeMembers([...Tree.entries(scene.tree)], sentinels, `${below}, call ${at}`)
            })
            assert.isAbove(held, 3)
          }
        })
    )
  }

  whenCompiled(
    "scenario 109: an inner sentinel, of any directory and however many names there are, is left to others",
    () =>
      Effect.gen(function* () {
        const scene = yield* sceneOf
        for (const below of ["/sub", "/sub/sub"]) {
          for (const others of [0, 5000]) {
            for (const name of [".vm-sentinel", ".vm-sentinel.guest", ".bbox-sentinel"]) {
              clear(scene)
              furnish(scene.tree)
              if (below === "/sub") Fs.rmdirSync(`${scene.tree}/sub/.bbox-sentinel`)
              for (let index = 0; index < others; index++) Fs.writeFileSync(`${scene.tree}${below}/${index}`, "")
              Fs.writeFileSync(`${scene.tree}${below}/${name}`, "")
              const before = Tree.of(`${scene.tree}${below}`)
              assert.strictEqual(resultOf(scene), left)
              assert.deepStrictEqual(Tree.differences(before, Tree.of(`${scene.tree}${below}`)), [])
              assert.includeMembers([...Tree.entries(scene.tree)], sentinels)
            }
          }
        }
      })
  )

  whenCompiled("a directory of very many names, and where there are no locks, goes", () =>
    Effect.gen(function* () {
      const scene = yield* sceneOf
      for (let index = 0; index < 5000; index++) Fs.writeFileSync(`${scene.tree}/sub/sub/${index}`, "")
      assert.strictEqual(resultOf(scene), gone)
      assert.isFalse(Fs.existsSync(scene.tree))
      furnish(scene.tree)
      assert.strictEqual(scene.remove("lockless", 1).result, gone)
      assert.isFalse(Fs.existsSync(scene.tree))
    })
  )

  able(
    isSentinel === undefined ? new Missing("no C compiler, or no koffi") : { isSentinel },
    "knows sentinels",
    (native) =>
      Effect.gen(function* () {
        const parts = [".", "vm-sentinel", ".vm-sentinel", ".bbox-sentinel", "-tmp", "s", " ", "夜", "\n", "x"]
        const name = Arbitrary.array(Arbitrary.schema(Schema.Literals(parts)), { maxLength: 4 })
        const property = (drawn: ReadonlyArray<string>) =>
          Effect.sync(() => {
            const text = drawn.join("")
            return (native.isSentinel(text) !== 0) === SentinelName.isSentinel(text)
          })
        const result = yield* Arbitrary.checkEffect(name, property, runs(1000).arbitrary)
        assert.isUndefined(Arbitrary.formatCheckFailure(result))
      })
  )
})
