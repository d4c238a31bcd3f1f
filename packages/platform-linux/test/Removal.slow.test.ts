/**
 * When a removal uses native code, and in which call. The conformance suites and `NativeRemoval.slow.test.ts` test the
 * removal itself.
 */
import { assert, describe, it } from "@effect/vitest"
import { Disk, type JudgedSentinel, type Tree as TreeOptions } from "@vm-sentinel/core/Disk"
import { Effect, Fiber, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import { join } from "node:path"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { withKoffi } from "../src/internal/koffi.ts"
import * as Pool from "../src/internal/pool.ts"
import * as Removal from "../src/internal/removal.ts"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import * as Scratch from "./support/scratch.ts"
import * as Places from "./support/sweepersElsewhere.ts"
import { trace } from "./support/trace.ts"
import * as Tree from "./support/tree.ts"

/** The native call, made in this thread. */
const remove = withKoffi((koffi) => koffi.load(Pool.libraryOf(koffi)).func("void vm_sentinel_remove(void *)"))

const noCompiler = new Missing("no C compiler, or no koffi")
const able = ableIn<Scope.Scope>((title, test) => it.live(title, test, 60_000))
const whenCompiled = (title: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  able(remove === undefined ? noCompiler : {}, title, test)

const onDisk = (title: string, test: () => Effect.Effect<void, unknown, Disk | Scope.Scope>) =>
  whenCompiled(title, () => Effect.provide(test(), LinuxDisk.layer))

const make = (path: string, files: number): void => {
  Fs.mkdirSync(path, { mode: 0o700 })
  for (let file = 0; file < files; file++) Fs.writeFileSync(`${path}/${file}`, "")
}

// The first line has the sizes in bytes, in `struct orders` of removal.c, of the header and one order. The others have
// the states and the results after which a call must be repeated.
const [header, orderBytes] = [64, 4096] as const
const [waiting, begun, unwanted] = [0, 1, 2] as const
const [unknown, unfinished] = [0, 2] as const

/** Whether a call ran out of time, as on a busy machine. Such a call is prepared for repetition. */
const isToGoOn = ({ buffer }: Uint8Array): boolean => {
  const numbers = new Int32Array(buffer)
  const count = numbers[0] ?? 0
  const late = Array.from({ length: count }, (_, index) => (header + index * orderBytes) / 4).filter(
    (at) =>
      (numbers[at] === waiting && numbers[at + 1] === unknown) ||
      (numbers[at] === begun && numbers[at + 1] === unfinished)
  )
  for (const at of late) numbers[at] = waiting
  return late.length > 0
}

/** A native call that removes, and reports its end, only when the test requests it. */
const byHand = () => {
  let calls: Array<{ readonly memory: Uint8Array; readonly ended: (wasMade: boolean) => void }> = []
  return {
    call: (memory: Uint8Array, ended: (wasMade: boolean) => void) => void calls.push({ memory, ended }),
    /** Number of trees in each pending call. */
    shares: () => calls.map(({ memory }) => new Int32Array(memory.buffer)[0]),
    remove: () => {
      for (const { memory } of calls)
        do remove?.(memory)
        while (isToGoOn(memory))
    },
    /** The states of the trees in each pending call. */
    states: () =>
      calls.map(({ memory }) => {
        const numbers = new Int32Array(memory.buffer)
        return Array.from({ length: numbers[0] ?? 0 }, (_, index) => numbers[(header + index * orderBytes) / 4])
      }),
    /** Begins the first tree of the first pending call, without an end. */
    begin: () => calls.slice(0, 1).forEach(({ memory }) => (new Int32Array(memory.buffer)[header / 4] = begun)),
    /** Sets the result of the first tree of each pending call. */
    say: (result: number) => calls.forEach(({ memory }) => (new Int32Array(memory.buffer)[header / 4 + 1] = result)),
    callBack: () => {
      const before = calls
      calls = []
      for (const { ended } of before) ended(true)
    },
    /** Reports the end of the first pending call. */
    callFirstBack: () => calls.shift()?.ended(true)
  }
}

const named = (count: number) => Array.from({ length: count }, (_, index) => `vm-${index}`)

/** Makes this many trees and starts a removal of each. */
const makeScene = (count: number) =>
  Effect.gen(function* () {
    const scratch = yield* Scratch.scratch
    const hand = byHand()
    const remover = removerBy(() => hand.call)
    for (const name of named(count)) make(`${scratch}/${name}`, 2)
    const fibers = yield* Effect.forEach(named(count), (name) =>
      Effect.forkChild(remover({ path: `${scratch}/${name}` }), { startImmediately: true })
    )
    const left = () => Tree.entries(scratch)
    return { scratch, hand, remover, fibers, left }
  })

/** Makes trees with these names, and a remover that gives each tree one call. */
const makeImpatient = (names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const scratch = yield* Scratch.scratch
    const hand = byHand()
    const remover = Removal.make(() => hand.call)
    // After a failed test no fiber waits for a call.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        while (hand.shares().length > 0) {
          hand.remove()
          hand.callBack()
        }
      })
    )
    for (const name of names) make(`${scratch}/${name}`, 2)
    const treesOf = (names: ReadonlyArray<string>) => names.map((name) => ({ path: `${scratch}/${name}` }))
    return {
      hand,
      left: () => Tree.entries(scratch),
      removal: (...names: ReadonlyArray<string>) => remover(treesOf(names), false),
      fork: (...names: ReadonlyArray<string>) =>
        Effect.forkChild(remover(treesOf(names), false), { startImmediately: true })
    }
  })

/** Interrupts the fibers. The interruption ends only after their calls. */
const interruptions = (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) =>
  Effect.forkChild(Fiber.interruptAll(fibers), { startImmediately: true })

/** Removes one tree, patiently. */
const removerBy = (load: Parameters<typeof Removal.make>[0]) => {
  const remover = Removal.make(load)
  return (tree: TreeOptions) => Effect.map(remover([tree], true), ([isGone]) => isGone)
}

const modifiedAt = (path: string): bigint => Fs.statSync(path, { bigint: true }).mtimeNs

/** Waits until an entry of the directory has been removed. */
const untilTouched = Effect.fnUntraced(function* (path: string, before: bigint) {
  while (modifiedAt(path) === before) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
})

const execute = (script: string, ...args: ReadonlyArray<string>) => {
  const options = { cwd: join(import.meta.dirname, ".."), timeout: 30_000 } as const
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, ...args], {
    ...options,
    stdio: "inherit"
  })
  return new Promise<unknown>((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code)))
}

const imports = `
  import { Disk } from "@vm-sentinel/core/Disk"
  import { layerWith } from "${join(import.meta.dirname, "../src/LinuxDisk.ts")}"
  import * as Context from "effect/Context"
  import * as Effect from "effect/Effect"
  import * as Layer from "effect/Layer"
  import * as Scope from "effect/Scope"
  const diskWith = async (options) =>
    Context.get(await Effect.runPromise(Layer.buildWithScope(layerWith(options), Scope.makeUnsafe())), Disk)`

describe("the remover", () => {
  whenCompiled("makes two calls at most, which all that wait share", () =>
    Effect.gen(function* () {
      const { fibers, hand, left } = yield* makeScene(80)
      assert.deepStrictEqual(hand.shares(), [1, 1])
      hand.remove()
      assert.lengthOf(left(), 78)
      hand.callBack()
      assert.deepStrictEqual(hand.shares(), [32, 23])
      while (hand.shares().length > 0) {
        assert.isAtMost(hand.shares().length, 2)
        hand.remove()
        hand.callBack()
      }
      assert.deepStrictEqual(new Set(yield* Fiber.joinAll(fibers)), new Set([true]))
      assert.deepStrictEqual([hand.shares(), left()], [[], []])
    })
  )

  whenCompiled("scenario 52: what is interrupted before it was begun is never begun, and nobody waits for it", () =>
    Effect.gen(function* () {
      const { fibers, hand, left } = yield* makeScene(6)
      // Each of the first two trees is in a pending call. The other four wait.
      const [first, second, third, ...others] = fibers
      assert.isDefined(first)
      assert.isDefined(second)
      assert.isDefined(third)
      yield* Fiber.interruptAll([second, third])
      hand.remove()
      hand.callBack()
      hand.remove()
      hand.callBack()
      assert.deepStrictEqual(yield* Fiber.joinAll([first, ...others]), [true, true, true, true])
      assert.deepStrictEqual(left(), ["vm-1", "vm-2"])
      assert.deepStrictEqual(hand.shares(), [])
    })
  )

  whenCompiled("scenario 52: whoever interrupts what was begun waits until it is over", () =>
    Effect.gen(function* () {
      const { fibers, hand, left } = yield* makeScene(2)
      hand.remove()
      const interruption = yield* interruptions(fibers)
      yield* Effect.yieldNow
      assert.isUndefined(interruption.pollUnsafe())
      hand.callBack()
      yield* Fiber.join(interruption)
      assert.deepStrictEqual([left(), hand.shares()], [[], []])
    })
  )

  for (const [result, what, last] of [
    [0, "wasn't begun, before all others", "vm-3"],
    [2, "wasn't finished, after all others", "vm-1"]
  ] as const) {
    whenCompiled(`asks again for what ${what}`, () =>
      Effect.gen(function* () {
        const { fibers, hand, left } = yield* makeScene(4)
        hand.say(result)
        hand.callBack()
        assert.deepStrictEqual(hand.shares(), [2, 1])
        hand.remove()
        assert.deepStrictEqual(left(), [last])
        hand.callBack()
        hand.remove()
        hand.callBack()
        assert.deepStrictEqual(yield* Fiber.joinAll(fibers), [true, true, true, true])
        assert.deepStrictEqual([left(), hand.shares()], [[], []])
      })
    )
  }

  able(remove === undefined ? noCompiler : {}, "scenario 83: leaves to others what isn't finished after 10 s", () =>
    Effect.gen(function* () {
      const { fibers, hand, left } = yield* makeScene(1)
      for (const seconds of [0, 9]) {
        yield* TestClock.adjust(`${seconds} seconds`)
        hand.say(2)
        hand.callBack()
        assert.deepStrictEqual(hand.shares(), [1])
      }
      yield* TestClock.adjust("1 second")
      hand.say(2)
      hand.callBack()
      assert.deepStrictEqual(hand.shares(), [])
      assert.deepStrictEqual(yield* Fiber.joinAll(fibers), [false])
      assert.deepStrictEqual(left(), ["vm-0"])
    }).pipe(Effect.provide(TestClock.layer()))
  )

  whenCompiled("asks once for each tree of an impatient caller, and again only for what wasn't begun", () =>
    Effect.gen(function* () {
      const { fork, hand, left } = yield* makeImpatient(["a", "b", "c", "d"])
      const fiber = yield* fork("a", "b", "c", "d")
      assert.deepStrictEqual(hand.shares(), [2, 1])
      hand.say(2)
      hand.callBack()
      // `b` wasn't begun. `d` has waited.
      assert.deepStrictEqual(hand.shares(), [1, 1])
      hand.remove()
      assert.deepStrictEqual(left(), ["a", "c"])
      hand.callBack()
      assert.deepStrictEqual(yield* Fiber.join(fiber), [false, true, false, true])
      assert.deepStrictEqual([hand.shares(), left()], [[], ["a", "c"]])
    })
  )

  whenCompiled("answers for each of several trees, in order, also for those that it can't ask for", () =>
    Effect.gen(function* () {
      const { fork, hand, left, removal } = yield* makeImpatient(["a", "b", "c"])
      const fiber = yield* fork("c", "missing", "..", "b", "a\0", "x".repeat(4000), "a")
      while (hand.shares().length > 0) {
        hand.remove()
        hand.callBack()
      }
      assert.deepStrictEqual(yield* Fiber.join(fiber), [true, false, false, true, false, false, true])
      assert.deepStrictEqual(left(), [])
      assert.deepStrictEqual([yield* removal(), yield* removal("..")], [[], [false]])
    })
  )

  whenCompiled(
    "scenario 52: interrupted, it withdraws each tree that wasn't begun, and waits for those that were",
    () =>
      Effect.gen(function* () {
        const names = ["a", "b", "c", "d", "e", "f"]
        const { fork, hand, left } = yield* makeImpatient(names)
        const fiber = yield* fork(...names)
        assert.deepStrictEqual(hand.shares(), [3, 2])
        hand.begin()
        const interruption = yield* interruptions([fiber])
        yield* Effect.yieldNow
        assert.isUndefined(interruption.pollUnsafe())
        assert.deepStrictEqual(hand.states(), [
          [unwanted, unwanted, unwanted],
          [unwanted, unwanted]
        ])
        hand.callFirstBack()
        // Nobody waits for the second call, in which no tree was begun.
        yield* Fiber.join(interruption)
        hand.remove()
        hand.callBack()
        assert.deepStrictEqual([hand.shares(), left()], [[], names])
      })
  )

  whenCompiled("interrupted, it keeps away from the next order in the memory of one that was answered", () =>
    Effect.gen(function* () {
      const { fork, hand, left } = yield* makeImpatient(["a", "b", "c"])
      const fiber = yield* fork("a", "b")
      hand.remove()
      hand.callFirstBack()
      const other = yield* fork("c")
      assert.deepStrictEqual(hand.states(), [[begun], [waiting]])
      const interruption = yield* interruptions([fiber])
      assert.deepStrictEqual(hand.states(), [[unwanted], [waiting]])
      hand.callFirstBack()
      yield* Fiber.join(interruption)
      hand.remove()
      hand.callBack()
      assert.deepStrictEqual(yield* Fiber.join(other), [true])
      assert.deepStrictEqual([hand.shares(), left()], [[], []])
    })
  )

  whenCompiled("an answer that interrupts others of its call leaves the orders of the next call alone", () =>
    Effect.gen(function* () {
      const names = [..."abcdefghijkl"]
      const { fork, hand, left, removal } = yield* makeImpatient([...names, "x", "y"])
      const before = yield* Effect.forEach(["x", "y"], (name) => fork(name))
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      // The answer for `a` interrupts the removal of `b`, which is about to be answered.
      const first = Effect.andThen(
        removal("a"),
        Effect.suspend(() => Fiber.interrupt(fibers[0] ?? assert.fail("no fiber")))
      )
      const interrupting = yield* Effect.forkChild(first, { startImmediately: true })
      for (const name of names.slice(1)) fibers.push(yield* fork(name))
      hand.remove()
      hand.callFirstBack()
      assert.deepStrictEqual(hand.shares(), [1, 6])
      hand.callFirstBack()
      assert.deepStrictEqual(hand.shares(), [6, 3])
      hand.remove()
      hand.callFirstBack()
      // The second of these orders lies where that of `b` was.
      assert.deepStrictEqual(hand.states(), [
        [begun, begun, begun],
        [waiting, waiting]
      ])
      yield* Fiber.join(interrupting)
      while (hand.shares().length > 0) {
        hand.remove()
        hand.callBack()
      }
      yield* Fiber.joinAll([...before, ...fibers.slice(1)])
      assert.deepStrictEqual(left(), [])
    })
  )

  whenCompiled("doesn't ask again for what nobody wants any more", () =>
    Effect.gen(function* () {
      const { fibers, hand, left } = yield* makeScene(2)
      yield* Fiber.interruptAll(fibers)
      hand.say(2)
      hand.callBack()
      assert.deepStrictEqual(hand.shares(), [])
      assert.lengthOf(left(), 2)
    })
  )

  whenCompiled("says what it didn't remove: of another identity, or with something in it that isn't plain", () =>
    Effect.gen(function* () {
      const { fibers, hand, left, remover, scratch } = yield* makeScene(1)
      const { dev, ino } = Fs.lstatSync(`${scratch}/vm-0`, { bigint: true })
      hand.say(3)
      hand.callBack()
      assert.deepStrictEqual(yield* Fiber.joinAll(fibers), [false])
      const removed = (ino: bigint, dev: bigint) =>
        Effect.gen(function* () {
          const expected = { dev: `${dev}`, ino: `${ino}` }
          const task = { path: `${scratch}/vm-0`, expected }
          const fiber = yield* Effect.forkChild(remover(task), { startImmediately: true })
          hand.remove()
          hand.callBack()
          return yield* Fiber.join(fiber)
        })
      assert.isFalse(yield* removed(ino + 1n, dev))
      assert.isFalse(yield* removed(ino, dev + 1n))
      assert.isFalse(yield* removed(0n, 0n))
      assert.deepStrictEqual(Tree.entries(`${scratch}/vm-0`), ["0", "1"])
      assert.isTrue(yield* removed(ino, dev))
      assert.deepStrictEqual(left(), [])
    })
  )

  whenCompiled("asks for nothing where koffi takes no other call now, and does again when it does", () =>
    Effect.gen(function* () {
      const scratch = yield* Scratch.scratch
      const hand = byHand()
      let isFull = true
      const remover = removerBy(() => (memory, ended) => {
        if (isFull) ended(false)
        else hand.call(memory, ended)
      })
      make(`${scratch}/tree`, 1)
      const task = { path: `${scratch}/tree` }
      assert.isFalse(yield* remover(task))
      isFull = false
      const fiber = yield* Effect.forkChild(remover(task), { startImmediately: true })
      hand.remove()
      hand.callBack()
      assert.isTrue(yield* Fiber.join(fiber))
    })
  )

  onDisk("scenario 108: removes the sentinels of the top that were judged, and no others", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      const tree = `${scratch}/tree`
      const hand = byHand()
      const remover = removerBy(() => hand.call)
      const all = [".vm-sentinel.removing", ".vm-sentinel", ".vm-sentinel.a", ".bbox-sentinel"]
      for (const names of [[], all.slice(0, 1), all]) {
        make(tree, 2)
        for (const name of names) Fs.writeFileSync(`${tree}/${name}`, name)
        // A time before 1970 that has milliseconds.
        if (names.length > 0) Fs.utimesSync(`${tree}/${names[0]}`, -1.5, -1.5)
        const judged = yield* Effect.forEach(names, (entry) =>
          Effect.map(disk.lstat(`${tree}/${entry}`), (file) => ({ entry, file }))
        )
        // First all but one are judged, then all.
        for (const given of [...judged.slice(0, 1).map(() => judged.slice(1)), judged]) {
          const fiber = yield* Effect.forkChild(remover({ path: tree, judged: given }), { startImmediately: true })
          hand.remove()
          hand.callBack()
          const isWhole = given === judged
          assert.strictEqual(yield* Fiber.join(fiber), isWhole)
          assert.deepStrictEqual(Tree.entries(scratch), isWhole ? [] : ["tree"])
        }
      }
    })
  )

  it.effect("asks for nothing without native code, nor for what it can't write down", () =>
    Effect.gen(function* () {
      const hand = byHand()
      const [without, remover] = [removerBy(() => undefined), removerBy(() => hand.call)]
      assert.isFalse(yield* without({ path: "/tree" }))
      const long = `/${"x".repeat(3926)}`
      for (const path of ["tree", "/tmp/", "/tmp/.", "/tmp/..", "/tmp/a\0b", long]) {
        assert.isFalse(yield* remover({ path }), path)
      }
      const file = { id: { dev: "1", ino: "1" }, size: 1, modifiedAt: 1 }
      const sentinels = (names: ReadonlyArray<string>) => names.map((entry) => ({ entry, file }))
      const others: ReadonlyArray<ReadonlyArray<JudgedSentinel>> = [
        sentinels(["a", "b", "c", "d", "e"]),
        sentinels(["a\0b"]),
        sentinels(["a/b"]),
        sentinels(["x".repeat(4000)]),
        [{ entry: "a", file: undefined }]
      ]
      for (const judged of others) assert.isFalse(yield* remover({ path: "/tree", judged }), JSON.stringify(judged))
      assert.deepStrictEqual(hand.shares(), [])
      for (const task of [{ path: long.slice(0, -1) }, { path: "/tree", judged: sentinels(["a", "b", "c", "d"]) }]) {
        const fiber = yield* Effect.forkChild(remover(task), { startImmediately: true })
        assert.deepStrictEqual(hand.shares(), [1])
        hand.say(3)
        hand.callBack()
        assert.isFalse(yield* Fiber.join(fiber))
      }
    })
  )

  onDisk("scenario 52: interrupted, it stops between two removals, with all closed again", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      const before = Tree.descriptors()
      make(`${scratch}/tree`, 20_000)
      const made = modifiedAt(`${scratch}/tree`)
      const fiber = yield* Effect.forkChild(disk.removeTree(`${scratch}/tree`), { startImmediately: true })
      yield* untilTouched(`${scratch}/tree`, made)
      yield* Fiber.interrupt(fiber)
      const left = Tree.entries(`${scratch}/tree`)
      assert.isAbove(left.length, 0)
      assert.isBelow(left.length, 20_000)
      assert.sameMembers([...Tree.descriptors()], [...before])
      // The removal doesn't continue in the background, so the next one finds the same entries.
      assert.deepStrictEqual(Tree.entries(`${scratch}/tree`), left)
      yield* disk.removeTree(`${scratch}/tree`)
      assert.deepStrictEqual(Tree.entries(scratch), [])
    })
  )

  onDisk("interrupted before its turn has come, it removes nothing, and keeps to the others", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Scratch.scratch
      for (const name of named(100)) make(`${scratch}/${name}`, name === "vm-0" ? 10_000 : 2)
      const fibers = yield* Effect.forEach(named(100), (name) =>
        Effect.forkChild(disk.removeTree(`${scratch}/${name}`), { startImmediately: true })
      )
      yield* Fiber.interruptAll(fibers.filter((_, index) => index % 2 === 1))
      yield* Fiber.joinAll(fibers.filter((_, index) => index % 2 === 0))
      const left = Tree.entries(scratch)
      assert.isAbove(left.length, 20)
      for (const name of left) {
        assert.strictEqual(Number(name.slice(3)) % 2, 1)
        assert.lengthOf(Tree.entries(`${scratch}/${name}`), 2)
      }
    })
  )

  able(
    remove === undefined ? noCompiler : Places.noStrace === undefined ? {} : new Missing(Places.noStrace),
    "is threads of Node's pool, and without those the calling thread",
    () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const script = `${imports}
          const disk = await diskWith({ pool: process.argv[2] === "true" })
          await Promise.all([0, 1, 2].map((name) => Effect.runPromise(disk.removeTree(process.argv[1] + "/" + name))))
          console.log(process.pid)`
        for (const pool of [true, false]) {
          for (const name of [0, 1, 2]) make(`${scratch}/${name}`, 3)
          const args = ["--input-type=module", "-e", script, scratch, `${pool}`]
          const { changes, stdout } = yield* trace(`${scratch}-log`, [process.execPath, ...args])
          Fs.rmSync(`${scratch}-log`)
          const removals = changes.filter((line) => /unlinkat\(/.test(line))
          assert.lengthOf(removals, 12)
          const isOwn = (line: string) => line.startsWith(`${stdout.trim()} `)
          assert.strictEqual(removals.some(isOwn), !pool)
          assert.strictEqual(removals.every(isOwn), !pool)
          assert.deepStrictEqual(Tree.entries(scratch), [])
        }
      })
  )

  whenCompiled("does not keep a process from ending, whose layer nobody closes", () =>
    Effect.gen(function* () {
      const scratch = yield* Scratch.scratch
      make(`${scratch}/tree`, 3)
      const script = `${imports}
        const disk = await diskWith({})
        await Effect.runPromise(disk.removeTree(process.argv[1] + "/tree"))
        process.exitCode = 7`
      assert.strictEqual(yield* Effect.promise(() => execute(script, scratch)), 7)
      assert.deepStrictEqual(Tree.entries(scratch), [])
    })
  )

  whenCompiled("lets a process end, and a thread of it, while it removes", () =>
    Effect.gen(function* () {
      const scratch = yield* Scratch.scratch
      const script = `${imports}
        import { readdirSync } from "node:fs"
        const disk = await diskWith({ koffi: true })
        const root = ${JSON.stringify(scratch)}
        const trees = readdirSync(root).map((name) => root + "/" + name)
        for (const tree of trees) Effect.runFork(disk.removeTree(tree))
        while (readdirSync(trees[0]).length === 2000);
        process.exit(7)`
      for (const inThread of [false, true]) {
        for (const name of named(8)) make(`${scratch}/${name}`, 2000)
        const outer = `
          import { Worker } from "node:worker_threads"
          const worker = new Worker(${JSON.stringify(script)}, { eval: true, execArgv: ["--input-type=module"] })
          worker.on("error", console.error).on("exit", (code) => process.exit(code))`
        assert.strictEqual(yield* Effect.promise(() => execute(inThread ? outer : script)), 7)
        assert.isAbove(Tree.entries(scratch).length, 0)
        for (const name of Tree.entries(scratch)) Fs.rmSync(`${scratch}/${name}`, { recursive: true })
      }
    })
  )
})
