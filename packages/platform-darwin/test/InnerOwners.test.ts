/** A removal leaves everything that has, or may have, an owner below the first level. */
import { assert } from "@effect/vitest"
import { Disk, type LockOptions, type RemoveTreeOptions } from "@vm-sentinel/core/Disk"
import { type Removed, removal } from "@vm-sentinel/core/TreeRemoval"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Scratch from "@vm-sentinel/platform-linux/test/support/scratch"
import * as Tree from "@vm-sentinel/platform-linux/test/support/tree"
import * as DirectoryCalls from "../src/internal/directoryCalls.ts"
import type { FileCalls } from "../src/internal/fileCalls.ts"
import * as Locks from "../src/internal/locks.ts"
import { world } from "./support/darwinWorld.ts"
import { before, overShim } from "./support/overShim.ts"

const [ENOTSUP, ENOLCK] = [45, 77]

const held = (mode: LockOptions["mode"]): LockOptions => ({ mode, test: false })

/** Runs a removal to its end. */
const remove = (calls: FileCalls, path: string, options: RemoveTreeOptions = {}): Removed => {
  const work = removal(
    DirectoryCalls.make(calls),
    { ...options, path },
    () => false,
    () => 0
  )
  for (;;) {
    const next = work.next()
    if (next.done === true) return next.value
  }
}

await overShim("owners below the first level", ({ calls, shim, test }) => {
  /** A tree with a sentinel at the top and three inner directories, one of them nested. */
  const plant = Effect.gen(function* () {
    const tree = `${yield* Scratch.scratch}/tree`
    for (const path of ["a", "one/a", "one/two/a", "one/two/b", "other/a", ".vm-sentinel"]) {
      yield* world.file(`${tree}/${path}`, path)
    }
    return tree
  })
  const rest = { ".vm-sentinel": ".vm-sentinel", one: "directory", "one/two": "directory" }
  const inner = { ...rest, "one/two/a": "one/two/a", "one/two/b": "one/two/b" }

  for (const mode of ["shared", "exclusive"] as const) {
    test(`scenario 109: an inner directory whose lock is held ${mode} stays as it is, with all above it`, () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const tree = yield* plant
        const open = Tree.descriptors()
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* disk.lock(`${tree}/one/two`, held(mode))
            const before = Tree.of(`${tree}/one/two`)
            assert.deepStrictEqual(yield* disk.removeTree(tree), ["one/two"])
            assert.deepStrictEqual(yield* world.tree(tree), inner)
            assert.deepStrictEqual(Tree.differences(before, Tree.of(`${tree}/one/two`)), [])
          })
        )
        assert.deepStrictEqual(yield* disk.removeTree(tree), [])
        assert.isFalse(Fs.existsSync(tree))
        assert.sameMembers([...Tree.descriptors()], [...open])
      }))
  }

  test("locks are passed over where they weren't asked for, or where there are none", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const tree = yield* plant
      yield* disk.lock(`${tree}/one/two`, held("shared"))
      assert.deepStrictEqual(yield* disk.removeTree(tree, { lockInner: false }), [])
      for (const errno of [ENOTSUP, ENOLCK]) {
        const other = yield* plant
        yield* Effect.scoped(Effect.andThen(shim.refuse("flock", errno), disk.removeTree(other)))
        assert.isFalse(Fs.existsSync(other))
      }
    }))

  test("a sentinel that nobody judged keeps its directory, one that was judged doesn't", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const tree = yield* plant
      const asked: Array<readonly [string, string]> = []
      const sentinel = `${tree}/one/two/.vm-sentinel`
      yield* world.file(sentinel, "living")
      assert.deepStrictEqual(yield* disk.removeTree(tree), ["one/two"])
      assert.deepStrictEqual(yield* world.tree(tree), { ...inner, "one/two/.vm-sentinel": "living" })
      const mayRemove =
        (is: boolean) =>
        (relative: string, { id }: { readonly id: { readonly ino: string } }) => {
          asked.push([relative, id.ino])
          return is
        }
      assert.deepStrictEqual(yield* disk.removeTree(tree, { mayRemove: mayRemove(false) }), ["one/two"])
      assert.deepStrictEqual(asked[0], ["one/two/.vm-sentinel", `${Fs.statSync(sentinel).ino}`])
      assert.deepStrictEqual(yield* disk.removeTree(tree, { mayRemove: mayRemove(true) }), [])
      assert.isFalse(Fs.existsSync(tree))
    }))

  test("sentinels of other owners count, directories of such a name don't, and what can't be opened does", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      for (const [name, stays] of [
        [".bbox-sentinel", true],
        [".vm-sentinel.supervisor", true],
        [".vm-sentinel-tmp.x", false]
      ] as const) {
        const tree = yield* plant
        yield* world.file(`${tree}/one/${name}`, "")
        assert.deepStrictEqual(yield* disk.removeTree(tree), stays ? ["one"] : [], name)
      }
      const tree = yield* plant
      yield* world.directory(`${tree}/one/.vm-sentinel`)
      assert.deepStrictEqual(yield* disk.removeTree(tree), [])
      const linked = yield* plant
      yield* world.symlink(`${linked}/one/.vm-sentinel`, "nowhere")
      assert.deepStrictEqual(yield* disk.removeTree(linked, { mayRemove: () => true }), ["one"])
    }))

  test("nothing is touched before a whole directory was looked through, however many names it has", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const tree = `${yield* Scratch.scratch}/tree`
      Fs.mkdirSync(`${tree}/wide`, { recursive: true })
      for (let index = 0; index < 6000; index++) Fs.writeFileSync(`${tree}/wide/${index}`, "")
      for (const name of [".vm-sentinel", ".vm-sentinel.one", ".vm-sentinel.two"]) {
        Fs.writeFileSync(`${tree}/wide/${name}`, "")
        assert.deepStrictEqual(yield* disk.removeTree(tree), ["wide"])
        assert.strictEqual(Tree.entries(`${tree}/wide`).length, 6001)
        Fs.unlinkSync(`${tree}/wide/${name}`)
      }
      const open = Tree.descriptors()
      assert.deepStrictEqual(yield* disk.removeTree(tree), [])
      assert.isFalse(Fs.existsSync(tree))
      assert.sameMembers([...Tree.descriptors()], [...open])
    }))

  test("an owner that comes while its directory is emptied keeps its sentinel, and what is left", () =>
    Effect.gen(function* () {
      for (let at = 1; ; at++) {
        const tree = yield* plant
        let count = 0
        let isPublished = false
        const acting = before(calls, () => {
          count += 1
          if (count !== at || !Fs.existsSync(`${tree}/one/two`)) return
          Fs.writeFileSync(`${tree}/one/two/.vm-sentinel`, "late")
          isPublished = true
        })
        const { failure, stayed } = remove(acting, tree)
        assert.isUndefined(failure)
        if (isPublished) {
          assert.strictEqual(Fs.readFileSync(`${tree}/one/two/.vm-sentinel`, "utf8"), "late", `call ${at}`)
          assert.deepStrictEqual(stayed, ["one/two"], `call ${at}`)
          assert.isTrue(Fs.existsSync(`${tree}/.vm-sentinel`), `call ${at}`)
        }
        if (count < at) {
          assert.isFalse(Fs.existsSync(tree))
          break
        }
      }
    }))

  test("while a directory is emptied its lock is held, however often it is read", () =>
    Effect.gen(function* () {
      const tree = yield* plant
      const places = new Map(Object.entries({ b: "one/two", again: "one/two", two: "one/two", one: "one" }))
      const seen: Array<string> = []
      // A file appears right before its directory is removed, so the removal reads the directory again.
      let writes = 3
      const acting = before(calls, (call, name) => {
        const place = places.get(name)
        if ((call !== "unlink" && call !== "removeDirectory") || place === undefined) return
        seen.push(`${name} ${Locks.probe(calls, `${tree}/${place}`)}`)
        if (name !== "two" || writes === 0) return
        writes -= 1
        Fs.writeFileSync(`${tree}/one/two/again`, "")
      })
      assert.deepStrictEqual(remove(acting, tree), { failure: undefined, stayed: [] })
      assert.strictEqual(writes, 0)
      assert.sameMembers(
        [...new Set(seen)],
        [...places.keys()].map((name) => `${name} exclusive`)
      )
    }))

  test("of two that remove one tree, the second leaves what the first is at work in", () =>
    Effect.gen(function* () {
      const tree = yield* plant
      let other: Removed | undefined
      const acting = before(calls, (call, name) => {
        if (call === "unlink" && name === "b") other = remove(calls, tree)
      })
      const { failure } = remove(acting, tree)
      assert.deepStrictEqual(other, { failure: undefined, stayed: ["one"] })
      assert.isUndefined(failure)
      assert.isFalse(Fs.existsSync(tree))
    }))

  test("an owner deeper than directories are open at once stays, and judged ones are known by where they lay", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const path = Array.from({ length: 70 }, (_, level) => `d${level}`)
      const tree = `${yield* Scratch.scratch}/tree`
      const relative = `${path.join("/")}/.vm-sentinel`
      yield* world.file(`${tree}/${relative}`, "deep")
      const [kept = "", ...others] = yield* disk.removeTree(tree)
      assert.deepStrictEqual(others, [])
      assert.strictEqual(Fs.readFileSync(`${tree}/${kept}/.vm-sentinel`, "utf8"), "deep")
      yield* world.remove(tree)
      yield* world.file(`${tree}/${relative}`, "deep")
      const asked = new Set<string>()
      const mayRemove = (relative: string) => {
        asked.add(relative)
        return true
      }
      assert.deepStrictEqual(yield* disk.removeTree(tree, { mayRemove }), [])
      assert.deepStrictEqual([...asked], [relative])
      assert.isFalse(Fs.existsSync(tree))
    }))
})
