/** The lock of a directory, over the shim. */
import { assert } from "@effect/vitest"
import { Disk, type DiskError, type LockOptions } from "@vm-sentinel/core/Disk"
import { Effect, Result, Schema } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import { text } from "node:stream/consumers"
import { Worker } from "node:worker_threads"
import * as Tree from "@vm-sentinel/platform-linux/test/support/tree"
import { world } from "./support/darwinWorld.ts"
import { overShim } from "./support/overShim.ts"

const [EPERM, ENOTSUP, EAGAIN, ENOLCK] = [1, 45, 35, 77]

const shared: LockOptions = { mode: "shared", test: true }
const exclusive: LockOptions = { mode: "exclusive", test: true }

const Held = Schema.fromJsonString(Schema.Struct({ fd: Schema.Int, outlivesThread: Schema.Boolean }))

const errno = <A, R>(call: Effect.Effect<A, DiskError, R>) =>
  Effect.map(Effect.result(call), (result) => (Result.isFailure(result) ? result.failure.errno : "success"))

await overShim("locks over the shim", ({ calls, shim, test }) => {
  test("owners hold it together, removers alone, and who looks takes nothing", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* world.scratch
      const attempt = (options: LockOptions) => errno(Effect.scoped(disk.lock(scratch, options)))
      const open = Tree.descriptors()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { dev, ino } = Fs.statSync(scratch)
          const lock = yield* disk.lock(scratch, shared)
          assert.deepInclude(lock, { tested: true, outlivesThread: true, id: { dev: `${dev}`, ino: `${ino}` } })
          assert.strictEqual(yield* disk.probeLock(scratch), "shared")
          assert.strictEqual(yield* attempt(shared), "success")
          assert.strictEqual(yield* attempt(exclusive), "EBUSY")
        })
      )
      assert.strictEqual(yield* disk.probeLock(scratch), "free")
      yield* Effect.scoped(
        Effect.gen(function* () {
          assert.isTrue((yield* disk.lock(scratch, exclusive)).tested)
          assert.isFalse((yield* disk.lock(yield* world.scratch, { ...exclusive, test: false })).tested)
          assert.strictEqual(yield* disk.probeLock(scratch), "exclusive")
          assert.strictEqual(yield* attempt(shared), "EBUSY")
        })
      )
      assert.strictEqual(yield* attempt(exclusive), "success")
      assert.sameMembers([...Tree.descriptors()], [...open])
    }))

  test("an exclusive lock becomes a shared one on the same descriptor, or is lost", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* world.scratch
      const lock = yield* disk.lock(scratch, exclusive)
      yield* lock.share
      assert.strictEqual(yield* disk.probeLock(scratch), "shared")
      const lost = Effect.scoped(Effect.andThen(shim.refuse("flock", EAGAIN), lock.share))
      assert.strictEqual(yield* errno(lost), "EBUSY")
    }))

  test("where it can't be taken or looked at, that is unknown, and never free", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* world.scratch
      for (const [number, name] of [
        [ENOTSUP, "ENOTSUP"],
        [ENOLCK, "ENOLCK"],
        [EPERM, "EPERM"]
      ] as const) {
        const refused = Effect.gen(function* () {
          yield* shim.refuse("flock", number)
          assert.strictEqual(yield* errno(disk.lock(scratch, shared)), name)
          assert.strictEqual(yield* disk.probeLock(scratch), "unknown")
        })
        yield* Effect.scoped(refused)
      }
      assert.strictEqual(yield* disk.probeLock(`${scratch}/missing`), "unknown")
      yield* world.symlink(`${scratch}/link`, scratch)
      assert.strictEqual(yield* disk.probeLock(`${scratch}/link`), "unknown")
    }))

  test("it is closed on exec, and lives on in the one child that it is given to", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const scratch = yield* world.scratch
      /** Starts a child, which ends with its input. Waits for its first output, after which `execve(2)` is complete. */
      const start = (...more: ReadonlyArray<number>) =>
        Effect.promise(async () => {
          const child = spawn("cat", [], { stdio: ["pipe", "pipe", "ignore", ...more] })
          const { stdin, stdout } = child
          if (stdin === null || stdout === null) return assert.fail("no pipes")
          stdin.write("started")
          await once(stdout, "data")
          const ended = once(child, "close")
          return Effect.promise(async () => {
            stdin.end()
            stdout.resume()
            await ended
          })
        })
      const held = Effect.scoped(
        Effect.gen(function* () {
          const { fd } = yield* disk.lock(scratch, shared)
          if (fd === undefined) return assert.fail("a lock is of a descriptor")
          return { end: yield* start(fd), endStray: yield* start() }
        })
      )
      const { end, endStray } = yield* held
      assert.strictEqual(yield* disk.probeLock(scratch), "shared")
      yield* end
      assert.strictEqual(yield* disk.probeLock(scratch), "free", "the other child never had it")
      yield* endStray
    }))

  test("scenario 75: a worker thread that ends closes no lock, neither its own nor another's", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const [scratch, other] = [yield* world.scratch, yield* world.scratch]
      yield* world.file(`${scratch}/tree/sub/file`, "")
      yield* disk.lock(other, shared)
      const warnings: Array<string> = []
      const heard = (warning: Error) => void warnings.push(warning.message)
      process.on("warning", heard)
      const printed = yield* Effect.promise(async () => {
        const url = new URL("agents/lockingWorker.ts", import.meta.url)
        const worker = new Worker(url, { stdout: true, workerData: { libraryPath: shim.path, directory: scratch } })
        const exited = once(worker, "exit")
        const printed = await text(worker.stdout)
        await exited
        return printed
      })
      const { fd, outlivesThread } = yield* Schema.decodeEffect(Held)(printed)
      process.off("warning", heard)
      yield* Effect.addFinalizer(() => Effect.sync(() => calls.close(fd)))
      assert.isTrue(outlivesThread)
      assert.isFalse(Fs.existsSync(`${scratch}/tree`))
      assert.strictEqual(yield* disk.probeLock(scratch), "shared")
      assert.strictEqual(yield* disk.probeLock(other), "shared")
      assert.deepStrictEqual(warnings, [])
    }))
})
