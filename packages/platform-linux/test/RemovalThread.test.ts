/** What is the thread's own. What it removes, and how: the conformance suites. */
import { assert, describe, it } from "@effect/vitest"
import { Disk } from "@vm-sentinel/core/Disk"
import { Effect, Exit, Fiber, Layer, type Scope } from "effect"
import { execFileSync, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import * as Memory from "./deletion/memory.ts"
import * as Tree from "./deletion/tree.ts"

const threads = (): number => Fs.readdirSync("/proc/self/task").length

/** Of each thread its name, and field 19 of `proc_pid_stat(5)`: by how much it is nicer than most. */
const niceness = (): ReadonlyArray<{ readonly id: string; readonly name: string; readonly nice: number }> =>
  Fs.readdirSync("/proc/self/task").map((id) => {
    const [, name = "", fields = ""] =
      /\((.*)\) (.*)/s.exec(Fs.readFileSync(`/proc/self/task/${id}/stat`, "utf8")) ?? []
    return { id, name, nice: Number(fields.split(" ")[16]) }
  })

const removers = (): number => niceness().filter(({ name }) => name === "vm-sentinel rem").length

const withDisk = (
  title: string,
  removalsBeforeThread: number,
  test: () => Effect.Effect<void, unknown, Disk | Scope.Scope>
) => it.live(title, () => Effect.provide(test(), LinuxDisk.layerWith({ removalsBeforeThread })), 60_000)

const make = (path: string, files: number): void => {
  Fs.mkdirSync(path, { mode: 0o700 })
  for (let file = 0; file < files; file++) Fs.writeFileSync(`${path}/${file}`, "")
}

const modifiedAt = (path: string): bigint => Fs.statSync(path, { bigint: true }).mtimeNs

/** Waits until something in it has been removed. */
const untilTouched = Effect.fnUntraced(function* (path: string, before: bigint) {
  while (modifiedAt(path) === before) yield* Effect.yieldNow
})

describe("the thread that removes", () => {
  withDisk("is started in a row of removals, and not before", 6, () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Memory.scratch
      const before = threads()
      const counts: Array<number> = []
      for (let index = 0; index < 10; index++) {
        make(`${scratch}/${index}`, 3)
        yield* disk.removeTree(`${scratch}/${index}`)
        counts.push(threads() - before)
      }
      assert.deepStrictEqual(counts.slice(0, 3), [0, 0, 0])
      assert.isAbove(counts[9] ?? 0, 0)
      assert.deepStrictEqual(Tree.entries(scratch), [])
    })
  )

  for (const [names, started] of [
    [383, 0],
    [384, 1]
  ] as const) {
    withDisk(`is ${started === 0 ? "not " : ""}started early where ${names} names were listed`, 512, () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const scratch = yield* Memory.scratch
        const before = removers()
        for (let index = 0; index < names; index++) make(`${scratch}/${index}`, 0)
        assert.strictEqual((yield* disk.listing?.(scratch) ?? Effect.undefined)?.size, names)
        for (let index = 0; index < 16; index++) yield* disk.removeTree(`${scratch}/${index}`)
        assert.strictEqual(removers() - before, 0)
        yield* disk.removeTree(`${scratch}/16`)
        assert.strictEqual(removers() - before, started)
      })
    )
  }

  withDisk("starts one after the other: no second before the first is ready", 0, () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Memory.scratch
      const remove = (names: ReadonlyArray<string>) =>
        Effect.forEach(names, (name) => {
          make(`${scratch}/${name}`, 2)
          return Effect.forkChild(disk.removeTree(`${scratch}/${name}`), { startImmediately: true })
        })
      const before = threads()
      const first = yield* remove(["a", "b", "c"])
      assert.strictEqual(threads() - before, 1)
      yield* Fiber.joinAll(first)
      const second = yield* remove(["d", "e", "f"])
      assert.strictEqual(threads() - before, 2)
      yield* Fiber.joinAll(second)
      assert.deepStrictEqual(Tree.entries(scratch), [])
    })
  )

  withDisk("lets the thread that it works for go first, and no other thread is the nicer for it", 0, () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Memory.scratch
      const own = Os.getPriority()
      // Threads of Node's own may come at any time, and what another test has left may go.
      const before = new Map(niceness().map(({ id, nice }) => [id, nice]))
      make(`${scratch}/tree`, 3)
      yield* disk.removeTree(`${scratch}/tree`)
      const changed = niceness().filter(({ id, nice }) => nice !== (before.get(id) ?? own))
      assert.deepStrictEqual(
        changed.map(({ name, nice }) => [name, nice]),
        [["vm-sentinel rem", Math.min(own + 10, 19)]]
      )
    })
  )

  it.live("ends with its layer, and with it all that it had opened", () =>
    Effect.gen(function* () {
      const scratch = yield* Memory.scratch
      const before = [threads(), Tree.descriptors()] as const
      const use = Effect.gen(function* () {
        const disk = yield* Disk
        make(`${scratch}/tree`, 10)
        yield* disk.removeTree(`${scratch}/tree`)
        assert.isAbove(threads(), before[0])
      })
      yield* Effect.provide(use, Layer.fresh(LinuxDisk.layerWith({ removalsBeforeThread: 0 })))
      assert.deepStrictEqual([threads(), [...Tree.descriptors()].toSorted()], [before[0], [...before[1]].toSorted()])
    })
  )

  withDisk("scenario 52: interrupted, it stops between two removals, and whoever interrupts waits for that", 0, () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Memory.scratch
      // The second thread is started when the first is there, and is known to be when it has removed one of two.
      for (const names of [["a"], ["b", "c"]]) {
        for (const name of names) make(`${scratch}/${name}`, 1)
        yield* Effect.forEach(names, (name) => disk.removeTree(`${scratch}/${name}`), { concurrency: "unbounded" })
      }
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
      // Nothing goes on behind one's back: the next removal finds as much, and the thread is there for it.
      assert.deepStrictEqual(Tree.entries(`${scratch}/tree`), left)
      yield* disk.removeTree(`${scratch}/tree`)
      assert.deepStrictEqual(Tree.entries(scratch), [])
    })
  )

  withDisk("interrupted before its turn has come, it removes nothing, and keeps to the others", 0, () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Memory.scratch
      const names = Array.from({ length: 100 }, (_, index) => `${index}`)
      for (const name of names) make(`${scratch}/${name}`, name === "0" ? 10_000 : 2)
      const fibers = yield* Effect.forEach(names, (name) =>
        Effect.forkChild(disk.removeTree(`${scratch}/${name}`), { startImmediately: true })
      )
      // Those beyond what the thread takes at once were removed at once, by this one.
      yield* Fiber.interruptAll(fibers.filter((_, index) => index % 2 === 1))
      yield* Fiber.joinAll(fibers.filter((_, index) => index % 2 === 0))
      const left = Tree.entries(scratch)
      assert.isAbove(left.length, 20)
      for (const name of left) {
        assert.strictEqual(Number(name) % 2, 1)
        assert.lengthOf(Tree.entries(`${scratch}/${name}`), 2)
      }
    })
  )

  withDisk("when it dies, what it had to do is done without it", 0, () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* Memory.scratch
      const names = Array.from({ length: 20 }, (_, index) => `${index}`)
      for (const name of names) make(`${scratch}/${name}`, 3)
      const remove = (name: string) =>
        Effect.forkChild(disk.removeTree(`${scratch}/${name}`), { startImmediately: true })
      const before = yield* Effect.forEach(names.slice(0, 10), remove)
      // @ts-expect-error: nothing else makes it throw.
      const fatal = yield* Effect.forkChild(disk.removeTree(null), { startImmediately: true })
      const after = yield* Effect.forEach(names.slice(10), remove)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fatal)))
      yield* Fiber.joinAll([...before, ...after])
      assert.deepStrictEqual(Tree.entries(scratch), [])
    })
  )

  it("does not keep a process from ending, whose layer nobody closes", () => {
    const script = `
      import { Disk } from "@vm-sentinel/core/Disk"
      import { layerWith } from "${join(import.meta.dirname, "../src/LinuxDisk.ts")}"
      import * as Context from "effect/Context"
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import * as Scope from "effect/Scope"
      import { mkdirSync, existsSync } from "node:fs"
      const context = await Effect.runPromise(Layer.buildWithScope(layerWith({ removalsBeforeThread: 0 }), Scope.makeUnsafe()))
      const path = process.argv[1] + "/tree"
      mkdirSync(path)
      await Effect.runPromise(Context.get(context, Disk).removeTree(path))
      console.log(existsSync(path))`
    const scratch = Fs.mkdtempSync("/tmp/vm-sentinel-test-")
    try {
      const args = ["--input-type=module", "-e", script, scratch]
      const options = { cwd: join(import.meta.dirname, ".."), encoding: "utf8", timeout: 30_000 } as const
      assert.strictEqual(execFileSync(process.execPath, args, options), "false\n")
    } finally {
      Fs.rmSync(scratch, { recursive: true })
    }
  })

  it("lets a process end at any time, also while it loads native code", { timeout: 60_000 }, async () => {
    // It ends as soon as the library is mapped, of which nothing has run yet.
    const script = `
      import { make } from "${join(import.meta.dirname, "../src/internal/remover.ts")}"
      import * as Effect from "effect/Effect"
      import * as Scope from "effect/Scope"
      import { readFileSync } from "node:fs"
      const remover = await Effect.runPromise(Effect.provideService(make(true, 0), Scope.Scope, Scope.makeUnsafe()))
      Effect.runFork(remover.take({ path: "/missing/tree", expected: undefined }))
      while (!readFileSync("/proc/self/maps", "latin1").includes("koffi.node"));
      process.exit(7)`
    const run = () =>
      new Promise<unknown>((resolve) => {
        const args = ["--input-type=module", "-e", script]
        const child = spawn(process.execPath, args, { cwd: join(import.meta.dirname, ".."), stdio: "ignore" })
        child.once("exit", (code, signal) => resolve(signal ?? code))
      })
    for (let time = 0; time < 3; time++) assert.strictEqual(await run(), 7)
  })

  it("loads nothing of Effect", async () => {
    const script = join(import.meta.dirname, "../src/internal/removalThread.ts")
    const loaded = `
      import { registerHooks } from "node:module"
      import { parentPort } from "node:worker_threads"
      const urls = []
      registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) })
      await import(${JSON.stringify(pathToFileURL(script).href)})
      parentPort.postMessage(urls)`
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(loaded)}`), {
      workerData: {
        stops: new Int32Array(new SharedArrayBuffer(4)),
        koffi: true,
        isLoaded: new Int32Array(new SharedArrayBuffer(4))
      },
      execArgv: []
    })
    const urls = await new Promise<unknown>((resolve, reject) => worker.once("message", resolve).once("error", reject))
    await worker.terminate()
    assert.isArray(urls)
    assert.include(String(urls), "internal/removal.ts")
    assert.notMatch(String(urls), /node_modules\/effect/)
  })
})
