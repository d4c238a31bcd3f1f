/** What is read ahead is what a peek would have seen, or nothing. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Fiber, Schema, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { ableIn, Missing } from "../../core/test/support/able.ts"
import { runs } from "../../core/test/support/property.ts"
import * as At from "../src/internal/at.ts"
import { withKoffi } from "../src/internal/koffi.ts"
import { libc } from "../src/internal/libc.ts"
import * as Looking from "../src/internal/looking.ts"
import * as Pool from "../src/internal/pool.ts"
import * as ReadAhead from "../src/internal/readAhead.ts"
import * as Agents from "./deletion/agents.ts"
import * as Memory from "./deletion/memory.ts"
import * as Places from "./deletion/places.ts"
import { trace } from "./deletion/trace.ts"
import * as Tree from "./deletion/tree.ts"

const entry = ".vm-sentinel"
const limit = 4096

/** The native call, in this thread. */
const read = withKoffi((koffi) => koffi.load(Pool.library).func("void vm_sentinel_read_ahead(void *)"))
const readNow = (batch: Uint8Array) => Pool.pool()?.readNow(batch)

const noCompiler = new Missing("no C compiler, or no koffi")
const able = ableIn<Scope.Scope>((title, test) => it.live(title, test, 60_000))
const whenCompiled = (title: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  able(read === undefined ? noCompiler : {}, title, test)

/** Reads when it is told to, and calls back when it is told to. */
const byHand = () => {
  const all: Array<Uint8Array> = []
  const started: Array<Uint8Array> = []
  const callbacks: Array<() => void> = []
  return {
    run: (batch: Uint8Array, ended: () => void) => {
      all.push(batch)
      started.push(batch)
      callbacks.push(ended)
    },
    started: () => started.length,
    /** Of each that was started, the first directory that is told. */
    told: () => all.map(({ buffer }) => new Int32Array(buffer)[1]),
    memories: () => all.map(({ buffer }) => buffer),
    read: () => started.splice(0).forEach((batch) => read?.(batch)),
    pending: () => callbacks.length,
    callBack: (count = callbacks.length) => callbacks.splice(0, count).forEach((ended) => ended())
  }
}

/** For which no time passes, unless it is told to, and nothing is read when it is wanted. */
const aheadOf = (readAhead: Pool.Call, fd: number, now = () => 0, readNow: Pool.Pool["readNow"] = () => {}) =>
  ReadAhead.make(() => ({ readAhead, readNow }), fd, entry, limit, now)

const named = (count: number, prefix = "vm") => Array.from({ length: count }, (_, index) => `${prefix}-${index}`)

const makeRoot = (names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const root = yield* Memory.scratch
    for (const name of names) {
      Fs.mkdirSync(`${root}/${name}`, { mode: 0o700 })
      Fs.writeFileSync(`${root}/${name}/${entry}`, name)
    }
    const fd = yield* Effect.acquireRelease(
      Effect.sync(() => Fs.openSync(root, Fs.constants.O_DIRECTORY)),
      (fd) => Effect.sync(() => Fs.closeSync(fd))
    )
    const at = At.make(libc()?.at)
    return { root, fd, peek: (name: string) => Looking.peek(at, fd, name, `/${entry}`, limit) }
  })

/** A root, and what is read ahead of it by hand. */
const makeScene = (names: ReadonlyArray<string>) =>
  Effect.map(makeRoot(names), (made) => {
    const hand = byHand()
    return { ...made, hand, ahead: aheadOf(hand.run, made.fd) }
  })

/** Beside those that are plain, such as a look is wanted for. */
const oddities = {
  empty: (path: string) => Fs.mkdirSync(path),
  file: (path: string) => Fs.writeFileSync(path, ""),
  link: (path: string) => Fs.symlinkSync("vm-0", path),
  dangling: (path: string) => Fs.symlinkSync("nowhere", path),
  missing: () => undefined,
  linked: (path: string) => {
    Fs.mkdirSync(path)
    Fs.symlinkSync("../vm-0/.vm-sentinel", `${path}/${entry}`)
  },
  fifo: (path: string) => {
    Fs.mkdirSync(path)
    execFileSync("mkfifo", [`${path}/${entry}`])
  },
  directory: (path: string) => Fs.mkdirSync(`${path}/${entry}`, { recursive: true }),
  large: (path: string) => {
    Fs.mkdirSync(path)
    Fs.writeFileSync(`${path}/${entry}`, "1".repeat(limit + 1))
  }
}

/** The threads by which a command opens sentinels. */
const readers = (log: string, args: ReadonlyArray<string>) =>
  Effect.map(trace(log, [process.execPath, Agents.command, ...args]), () => {
    const opened = [...Fs.readFileSync(log, "utf8").matchAll(/^(\d+) +openat\(.*\/\.vm-sentinel"/gm)]
    return new Set(opened.map(([, thread]) => thread)).size
  })

describe("what is read ahead", () => {
  able(
    read === undefined ? noCompiler : Places.noStrace === undefined ? {} : new Missing(Places.noStrace),
    "is read by a second thread of the command, of many directories; of few there is none",
    () =>
      Effect.gen(function* () {
        const scratch = yield* Memory.scratch
        const own = `${process.pid}\n${Fs.readlinkSync("/proc/self/exe")}\n`
        for (const [root, count] of [
          ["many", 1000],
          ["few", ReadAhead.fewest - 1]
        ] as const) {
          for (const name of named(count)) {
            Fs.mkdirSync(`${scratch}/${root}/${name}`, { recursive: true, mode: 0o700 })
            Fs.writeFileSync(`${scratch}/${root}/${name}/${entry}`, own)
          }
        }
        assert.strictEqual(yield* readers(`${scratch}/log`, ["list", `${scratch}/few`]), 1)
        assert.isAbove(yield* readers(`${scratch}/log`, ["list", `${scratch}/many`]), 1)
      })
  )

  whenCompiled("is what a peek sees, of each kind of file and directory", () =>
    Effect.gen(function* () {
      const plain = named(ReadAhead.most - Object.keys(oddities).length - 4)
      const { ahead, hand, peek, root } = yield* makeScene([...plain, "夜 é", "x".repeat(255), "full", "over"])
      for (const [name, make] of Object.entries(oddities)) make(`${root}/${name}`)
      Fs.writeFileSync(`${root}/full/${entry}`, "\u00ff".repeat(ReadAhead.contentBytes / 2))
      Fs.writeFileSync(`${root}/over/${entry}`, "1".repeat(ReadAhead.contentBytes + 1))
      Fs.linkSync(`${root}/vm-1/${entry}`, `${root}/vm-1/second`)
      Fs.chmodSync(`${root}/vm-2`, 0o1777)
      Fs.chmodSync(`${root}/vm-3/${entry}`, 0o4666)
      Fs.utimesSync(`${root}/vm-4/${entry}`, -86_400.5, -86_400.25)
      Fs.writeFileSync(`${root}/vm-5/${entry}`, "")
      const names = [...plain, "夜 é", "x".repeat(255), "full", "over", ...Object.keys(oddities)]
      const before = [...Tree.descriptors()]
      ahead.expect(names)
      hand.read()
      assert.sameMembers([...Tree.descriptors()], before)
      const unknown = new Set(["over", ...Object.keys(oddities)])
      for (const name of names) {
        const taken = ahead.take(name)
        if (unknown.has(name)) assert.isUndefined(taken, name)
        else {
          assert.isDefined(taken, name)
          assert.deepStrictEqual(taken, peek(name), name)
        }
      }
      assert.deepStrictEqual(peek("full")?.content.length, ReadAhead.contentBytes)
      assert.isDefined(peek("over"))
    })
  )

  whenCompiled("is read by a thread of Node's pool, and is what was there then; after a moment it is forgotten", () =>
    Effect.gen(function* () {
      const names = named(ReadAhead.fewest)
      const { fd, root } = yield* makeRoot(names)
      let time = 0
      const ended = yield* Effect.callback<ReadAhead.ReadAhead>((resume) => {
        const run: Pool.Call = (batch, ended) =>
          Pool.pool()?.readAhead(batch, () => {
            ended()
            resume(Effect.succeed(ahead))
          })
        const ahead = aheadOf(run, fd, () => time)
        ahead.expect(names)
      })
      for (const name of names) Fs.writeFileSync(`${root}/${name}/${entry}`, "changed")
      time = 250
      for (const name of names.slice(0, 10)) assert.strictEqual(ended.take(name)?.content, name)
      time = -1
      for (const name of names.slice(10, 20)) assert.isUndefined(ended.take(name), `${name}: the clock was set back`)
      time = 251
      for (const name of names.slice(20)) assert.isUndefined(ended.take(name), name)
    })
  )

  whenCompiled("is what nobody has wanted yet, from the last to the first", () =>
    Effect.gen(function* () {
      const names = named(ReadAhead.fewest)
      const { ahead, hand } = yield* makeScene(names)
      ahead.expect(names)
      const told = (list: ReadonlyArray<string>) => list.map((name) => ahead.take(name)?.content)
      const [first, rest] = [names.slice(0, 2 * ReadAhead.atOnce), names.slice(2 * ReadAhead.atOnce)]
      assert.deepStrictEqual(
        told(first),
        first.map(() => undefined)
      )
      hand.read()
      assert.deepStrictEqual(hand.told(), [first.length])
      assert.deepStrictEqual(told(rest), rest)
      assert.deepStrictEqual(
        told(names),
        [...names].fill("").map(() => undefined),
        "once each"
      )
    })
  )

  whenCompiled("is of two batches: what was expected before them is neither read nor written over by them", () =>
    Effect.gen(function* () {
      const [a, b, c, d] = ["a", "b", "c", "d"].map((prefix) => named(ReadAhead.fewest, prefix))
      const { ahead, fd, hand } = yield* makeScene([a, b, c, d].flatMap((names) => names ?? []))
      for (const names of [a, b, c]) ahead.expect(names ?? [])
      assert.deepStrictEqual(hand.told(), [ReadAhead.fewest, ReadAhead.fewest], "two calls at once")
      assert.isUndefined(ahead.take("a-0"))
      assert.isUndefined(ahead.take("b-0"))
      hand.read()
      assert.deepStrictEqual(hand.told(), [ReadAhead.fewest, ReadAhead.atOnce])
      hand.callBack()
      hand.read()
      assert.strictEqual(new Set(hand.memories()).size, 3)
      assert.deepStrictEqual(hand.told(), [ReadAhead.fewest, ReadAhead.atOnce, 0])
      hand.callBack()
      ahead.expect(d ?? [])
      hand.read()
      assert.strictEqual(new Set(hand.memories()).size, 3)
      for (const name of [...(c ?? []), ...(d ?? [])]) assert.strictEqual(ahead.take(name)?.content, name)
      hand.callBack()
      const other = aheadOf(hand.run, fd)
      for (const names of [a, b]) {
        other.expect(names ?? [])
        hand.read()
        hand.callBack()
      }
      assert.strictEqual(other.take("a-0")?.content, "a-0")
    })
  )

  const Step = Schema.Struct({
    act: Schema.Literals(["expect", "expect", "read", "read", "call back", "take", "take", "take", "wait"]),
    at: Schema.Literals([0, 0, 64, 128]),
    count: Schema.Literals([64, 128, 256])
  })

  whenCompiled("is of no other directory, whatever was expected and is taken, and in whichever order it is read", () =>
    Effect.gen(function* () {
      const all = named(400)
      const { fd } = yield* makeRoot(all)
      let taken = 0
      let isReading = false
      const AnySteps = Arbitrary.array(Arbitrary.schema(Step), { maxLength: 30 })
      const property = (steps: ReadonlyArray<typeof Step.Type>) => {
        let time = 0
        const hand = byHand()
        isReading = !isReading
        const ahead = aheadOf(hand.run, fd, () => time, isReading ? readNow : undefined)
        for (const { act, at, count } of steps) {
          const names = all.slice(at, at + count)
          if (act === "expect") ahead.expect(names)
          else if (act === "read") hand.read()
          else if (act === "call back") hand.callBack()
          else if (act === "wait") time += count
          else {
            for (const name of names) {
              const glimpse = ahead.take(name)
              if (glimpse !== undefined) taken += 1
              if ((glimpse?.content ?? name) !== name) return false
            }
          }
        }
        return true
      }
      const result = yield* Arbitrary.checkEffect(AnySteps, property, runs(300).arbitrary)
      assert.isUndefined(Arbitrary.formatCheckFailure(result))
      assert.isAbove(taken, 500)
    })
  )

  whenCompiled("isn't where a name isn't one, or isn't UTF-8, or they are too few or too many", () =>
    Effect.gen(function* () {
      const names = named(ReadAhead.most)
      const { ahead, hand } = yield* makeScene(names)
      ahead.expect([...names.slice(1), "\udcff"])
      ahead.expect(["vm-1\0vm-2", ...names.slice(2)])
      ahead.expect(names.slice(0, ReadAhead.fewest - 1))
      ahead.expect([...names, "one"])
      assert.strictEqual(hand.started(), 0)
      ahead.expect(names)
      assert.strictEqual(hand.started(), 1)
    })
  )

  whenCompiled("isn't where koffi takes no other call now, and is again when it does", () =>
    Effect.gen(function* () {
      const [names, others] = [named(ReadAhead.fewest), named(ReadAhead.fewest, "other")]
      const { fd, hand } = yield* makeScene([...names, ...others])
      let isFull = true
      const run: Pool.Call = (batch, ended) => {
        if (isFull) throw new Error("too many")
        hand.run(batch, ended)
      }
      const ahead = aheadOf(run, fd)
      ahead.expect(names)
      assert.isUndefined(ahead.take("vm-0"))
      isFull = false
      ahead.expect(others)
      hand.read()
      assert.strictEqual(ahead.take("other-0")?.content, "other-0")
    })
  )

  whenCompiled(
    "is read when it is wanted where no thread has come to it, with those that follow, which that leaves out",
    () =>
      Effect.gen(function* () {
        const names = named(ReadAhead.fewest)
        const { fd, peek, root } = yield* makeRoot(names)
        const hand = byHand()
        const calls: Array<number> = []
        let time = 1000
        const ahead = aheadOf(
          hand.run,
          fd,
          () => time,
          (batch) => {
            calls.push(new Int32Array(batch.buffer)[4] ?? 0)
            readNow(batch)
          }
        )
        ahead.expect(names)
        const taken = names.slice(0, 10).map(ahead.take)
        assert.deepStrictEqual(taken, names.slice(0, 10).map(peek))
        assert.deepStrictEqual(calls, [ReadAhead.atOnce])
        hand.read()
        assert.deepStrictEqual(hand.told(), [ReadAhead.atOnce])
        // Read already, and as it was then; until that is too long ago.
        for (const name of names) Fs.writeFileSync(`${root}/${name}/${entry}`, "changed")
        const content = (index: number) => ahead.take(`vm-${index}`)?.content
        assert.deepStrictEqual([10, 11, 12, 13, 16, 17].map(content), [
          "vm-10",
          "vm-11",
          "vm-12",
          "vm-13",
          "vm-16",
          "vm-17"
        ])
        assert.deepStrictEqual(calls, [ReadAhead.atOnce])
        ahead.expect(named(ReadAhead.fewest))
        assert.strictEqual(content(14), "vm-14")
        time = 1250.1
        assert.isUndefined(content(15))
        ahead.expect(names)
        assert.deepStrictEqual([0, 1].map(content), ["changed", "changed"])
        hand.callBack()
        yield* ahead.end
        assert.isUndefined(content(2))
      })
  )

  whenCompiled("ends when no thread uses the root any more, and waits for none that hasn't begun", () =>
    Effect.gen(function* () {
      const names = named(ReadAhead.fewest)
      const { ahead, hand } = yield* makeScene(names)
      ahead.expect(names)
      yield* ahead.end
      hand.read()
      assert.deepStrictEqual(hand.told(), [names.length])
      ahead.expect(names)
      hand.read()
      let isOver = false
      const ending = yield* Effect.forkChild(Effect.tap(ahead.end, () => Effect.sync(() => (isOver = true))))
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      assert.isFalse(isOver)
      hand.callBack(1)
      yield* Effect.yieldNow
      assert.isFalse(isOver, "of two calls one goes on")
      hand.callBack()
      yield* Fiber.join(ending)
      assert.strictEqual(hand.pending(), 0)
      assert.isUndefined(ahead.take("vm-0"))
    })
  )
})
