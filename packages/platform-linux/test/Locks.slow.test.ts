/** `flock(2)` of directories: its holders, its end, and the end of a thread that used it. */
import { assert, describe, it } from "@effect/vitest"
import { Disk, type DiskError, type LockOptions } from "@vm-sentinel/core/Disk"
import { Effect, Result, type Scope } from "effect"
import { execFile, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { join } from "node:path"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as DirFd from "../src/internal/dirFd.ts"
import { libc } from "../src/internal/libc.ts"
import * as Locks from "../src/internal/locks.ts"
import * as LinuxDisk from "../src/LinuxDisk.ts"
import * as Scratch from "./support/scratch.ts"
import * as Places from "./support/sweepersElsewhere.ts"
import * as Tree from "./support/tree.ts"

/** Open files and directories. Sockets and pipes are left out, because they may belong to the test runner. */
const files = (): ReadonlyArray<string> => Tree.descriptors().filter((path) => path.startsWith("/"))

const exclusive: LockOptions = { mode: "exclusive", test: true }
const shared: LockOptions = { mode: "shared", test: true }

const O_CLOEXEC = 0o2000000

const errno = <A, R>(call: Effect.Effect<A, DiskError, R>) =>
  Effect.map(Effect.result(call), (result) => (Result.isFailure(result) ? result.failure.errno : "success"))

const errnoOf = (call: () => unknown): unknown => {
  try {
    call()
    return "success"
  } catch (cause) {
    return cause instanceof Error && "code" in cause ? cause.code : cause
  }
}

/** The state of the lock as `flock(1)` reports it. */
const seenByCommand = (path: string): string => {
  const isFree = (flag: string) => spawnSync("flock", [flag, path, "true"]).status === 0
  return isFree("-xn") ? "free" : isFree("-sn") ? "shared" : "exclusive"
}

/** Makes another process hold the lock until the scope closes. */
const heldBy = (flag: "-x" | "-s", path: string) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof spawn>>((resume) => {
      const child = spawn("flock", [flag, "--no-fork", path, "sh", "-c", "echo held; exec sleep 1000000"], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      child.stdout.once("data", () => resume(Effect.succeed(child)))
    }),
    (child) =>
      Effect.callback<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )

const withPath = <A, E, R>(path: string, use: Effect.Effect<A, E, R>) => {
  const { PATH } = process.env
  return Effect.acquireUseRelease(
    Effect.sync(() => void (process.env["PATH"] = path)),
    () => use,
    () => Effect.sync(() => void (process.env["PATH"] = PATH))
  )
}

for (const [way, layer] of [
  ["with koffi", LinuxDisk.layer],
  ["by flock(1)", LinuxDisk.layerWithoutKoffi]
] as const) {
  const onDisk = (title: string, test: () => Effect.Effect<void, unknown, Disk | Scope.Scope>) =>
    it.live(title, () => Effect.provide(test(), layer), 60_000)
  const probe = (path: string) => Disk.use((disk) => disk.probeLock(path))

  describe(`the lock of a directory, ${way}`, () => {
    onDisk("is free, shared or exclusive, whoever holds it", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const vm = yield* world.scratch
        const before = files()
        assert.strictEqual(yield* probe(vm), "free")
        for (const [flag, options, state] of [
          ["-s", shared, "shared"],
          ["-x", exclusive, "exclusive"]
        ] as const) {
          yield* Effect.scoped(
            Effect.andThen(
              heldBy(flag, vm),
              Effect.map(probe(vm), (seen) => assert.strictEqual(seen, state))
            )
          )
          yield* Effect.scoped(
            Effect.gen(function* () {
              const held = yield* disk.lock(vm, options)
              assert.deepInclude(held, { tested: true, outlivesThread: true })
              assert.deepStrictEqual(held.id, (yield* disk.lstat(vm)).id)
              assert.deepStrictEqual([yield* probe(vm), seenByCommand(vm)], [state, state])
            })
          )
          assert.strictEqual(yield* probe(vm), "free")
        }
        assert.sameMembers([...files()], [...before])
      })
    )

    onDisk("is shared by many, and excludes who wants it alone", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const vm = yield* world.scratch
        yield* disk.lock(vm, shared)
        yield* Effect.scoped(
          Effect.gen(function* () {
            assert.isFalse((yield* disk.lock(vm, { ...shared, test: false })).tested)
            assert.strictEqual(yield* errno(Effect.scoped(disk.lock(vm, exclusive))), "EBUSY")
          })
        )
        assert.strictEqual(yield* probe(vm), "shared")
        const removed = yield* world.scratch
        yield* disk.lock(removed, exclusive)
        for (const options of [shared, exclusive])
          assert.strictEqual(yield* errno(Effect.scoped(disk.lock(removed, options))), "EBUSY")
      })
    )

    onDisk("becomes a shared one on the same descriptor, and excludes nobody who shares from then on", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const vm = yield* world.scratch
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { share } = yield* disk.lock(vm, exclusive)
            yield* share
            assert.deepStrictEqual([yield* probe(vm), seenByCommand(vm)], ["shared", "shared"])
            yield* Effect.scoped(disk.lock(vm, shared))
            assert.strictEqual(yield* errno(Effect.scoped(disk.lock(vm, exclusive))), "EBUSY")
            yield* share
            assert.strictEqual(yield* probe(vm), "shared")
          })
        )
        assert.strictEqual(yield* probe(vm), "free")
      })
    )

    onDisk("is closed on execve, so that no child has it that it wasn't given to", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const vm = yield* world.scratch
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { fd } = yield* disk.lock(vm, shared)
            const [, flags = "0"] = /^flags:\s+(\d+)$/m.exec(Fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? []
            assert.notStrictEqual(Number.parseInt(flags, 8) & O_CLOEXEC, 0)
          })
        )
        assert.strictEqual(yield* probe(vm), "free")
        const child = yield* Effect.scoped(Effect.map(disk.lock(vm, shared), () => spawn("sleep", ["1000000"])))
        assert.strictEqual(yield* probe(vm), "free")
        child.kill("SIGKILL")
      })
    )

    onDisk("ended by a scope stays with the child that was given it", () =>
      Effect.gen(function* () {
        const disk = yield* Disk
        const vm = yield* world.scratch
        const child = yield* Effect.scoped(
          Effect.map(disk.lock(vm, shared), ({ fd = -1 }) =>
            spawn("sleep", ["1000000"], { stdio: ["ignore", "ignore", "inherit", fd] })
          )
        )
        assert.strictEqual(yield* probe(vm), "shared")
        yield* Effect.callback<void>((resume) => {
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
        assert.strictEqual(yield* probe(vm), "free")
      })
    )
  })
}

describe("the lock of a directory without koffi", () => {
  const onDisk = (title: string, test: () => Effect.Effect<void, unknown, Disk | Scope.Scope>) =>
    it.live(title, () => Effect.provide(test(), LinuxDisk.layerWithoutKoffi))

  onDisk("is unknown where there is no such program, or it fails, as one does that ends with 1 whatever happens", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const [vm, bin] = [yield* world.scratch, yield* world.scratch]
      yield* world.file(`${bin}/flock`, "#!/bin/sh\necho 'flock: No locks available' >&2\nexit 1\n", 0o700)
      for (const path of ["/nowhere", bin]) {
        assert.strictEqual(yield* withPath(path, disk.probeLock(vm)), "unknown")
        assert.strictEqual(yield* withPath(path, errno(Effect.scoped(disk.lock(vm, exclusive)))), "ENOTSUP")
      }
      assert.strictEqual(yield* disk.probeLock(vm), "free")
    })
  )

  onDisk("is unknown where the program is killed or fails in another way, and nobody takes that for no locks", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const [vm, bin] = [yield* world.scratch, yield* world.scratch]
      for (const script of ["kill -KILL $$", "echo 'flock: 3: Input/output error' >&2; exit 74", "exit 3"]) {
        yield* world.file(`${bin}/flock`, `#!/bin/sh\n${script}\n`, 0o700)
        assert.strictEqual(yield* withPath(bin, disk.probeLock(vm)), "unknown", script)
        assert.strictEqual(yield* withPath(bin, errno(Effect.scoped(disk.lock(vm, exclusive)))), "EIO", script)
      }
    })
  )
})

describe("a lock that can't be asked for", () => {
  const native = libc()?.at

  for (const code of ["ENOLCK", "EOPNOTSUPP", "EINTR", "EBADF"]) {
    it.live(`${code}: is unknown, never free, and taken by nobody`, () =>
      Effect.gen(function* () {
        const vm = yield* world.scratch
        const before = Tree.descriptors()
        const at: DirFd.DirFd = { ...DirFd.make(native), flock: () => code }
        assert.strictEqual(Locks.probe(at, vm), "unknown")
        for (const options of [shared, exclusive])
          assert.strictEqual(
            errnoOf(() => Locks.acquire(at, vm, options)),
            code
          )
        assert.sameMembers([...Tree.descriptors()], [...before])
      })
    )
  }

  it.live("after the first answer is unknown as well", () =>
    Effect.gen(function* () {
      const vm = yield* world.scratch
      const before = Tree.descriptors()
      for (const failing of [Locks.LOCK_SH, Locks.LOCK_EX]) {
        const at: DirFd.DirFd = {
          ...DirFd.make(native),
          flock: (_, operation) => (operation === (failing | Locks.LOCK_NB) ? "ENOLCK" : "EAGAIN")
        }
        assert.strictEqual(Locks.probe(at, vm), "unknown")
      }
      assert.sameMembers([...Tree.descriptors()], [...before])
    })
  )

  it.live("EBUSY: one whose conversion comes too late is lost", () =>
    Effect.gen(function* () {
      const vm = yield* world.scratch
      let isLate = false
      const real = DirFd.make(native)
      const at: DirFd.DirFd = { ...real, flock: (fd, operation) => (isLate ? "EAGAIN" : real.flock?.(fd, operation)) }
      const { fd, share } = Locks.acquire(at, vm, exclusive)
      isLate = true
      assert.strictEqual(yield* errno(share), "EBUSY")
      at.close(fd)
    })
  )

  it.live("isn't said to work where a second open is let in too", () =>
    Effect.gen(function* () {
      const vm = yield* world.scratch
      const at: DirFd.DirFd = { ...DirFd.make(native), flock: () => undefined }
      for (const options of [shared, exclusive]) {
        const { fd, tested } = Locks.acquire(at, vm, options)
        assert.isFalse(tested)
        at.close(fd)
      }
    })
  )

  const able = ableIn<Scope.Scope>((title, test) => it.live(title, test, 60_000))
  able(
    Places.noStrace === undefined ? {} : new Missing(Places.noStrace),
    "scenario 68: the kernel has no locks left: unknown, with koffi and without",
    () =>
      Effect.gen(function* () {
        const vm = yield* Scratch.scratch
        const script = `${imports}
          for (const koffi of [true, false]) {
            const disk = await diskWith({ koffi })
            console.log(await Effect.runPromise(disk.probeLock(process.argv[1])))
            const lock = disk.lock(process.argv[1], { mode: "exclusive", test: true })
            console.log(await Effect.runPromise(Effect.flip(Effect.scoped(lock)).pipe(Effect.map(({ errno }) => errno))))
          }`
        const inject = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"]
        const said = yield* run(["strace", ...inject, process.execPath, "--input-type=module", "-e", script, vm])
        assert.deepStrictEqual(said.split("\n"), ["unknown", "ENOLCK", "unknown", "ENOTSUP", ""])
      })
  )

  able(
    Places.noStrace === undefined ? {} : new Missing(Places.noStrace),
    "scenario 69: no process can be started: unknown without koffi, and not taken for a system without locks",
    () =>
      Effect.gen(function* () {
        const vm = yield* Scratch.scratch
        const script = `${imports}
          const disk = await diskWith({ koffi: false })
          console.log(await Effect.runPromise(disk.probeLock(process.argv[1])))
          const lock = disk.lock(process.argv[1], { mode: "exclusive", test: true })
          console.log(await Effect.runPromise(Effect.flip(Effect.scoped(lock)).pipe(Effect.map(({ errno }) => errno))))`
        // glibc starts processes by `clone(2)` or `vfork(2)`, and threads by `clone3(2)`.
        const inject = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=clone,fork,vfork:error=EAGAIN"]
        const said = yield* run(["strace", ...inject, process.execPath, "--input-type=module", "-e", script, vm])
        assert.deepStrictEqual(said.split("\n"), ["unknown", "EAGAIN", ""])
      })
  )
})

const imports = `
  import { Disk } from "@vm-sentinel/core/Disk"
  import { scanning } from "@vm-sentinel/core/test/support/scanning"
  import { layerWith } from "${join(import.meta.dirname, "../src/LinuxDisk.ts")}"
  import * as Context from "effect/Context"
  import * as Effect from "effect/Effect"
  import * as Layer from "effect/Layer"
  import * as Scope from "effect/Scope"
  import * as Stream from "effect/Stream"
  const diskWith = async (options) =>
    Context.get(await Effect.runPromise(Layer.buildWithScope(layerWith(options), Scope.makeUnsafe())), Disk)`

const run = ([command = "", ...args]: ReadonlyArray<string>) =>
  Effect.callback<string, Error>((resume) => {
    execFile(command, args, { cwd: join(import.meta.dirname, "..") }, (error, stdout, stderr) =>
      resume(error === null ? Effect.succeed(stdout) : Effect.fail(new Error(`${error.message}\n${stderr}`)))
    )
  })

describe("a thread that ends", () => {
  /** A worker that loads native code, makes every call that opens a file, and waits for the message to exit. */
  const inThread = `${imports}
    import { parentPort, workerData } from "node:worker_threads"
    const { koffi, root } = workerData
    const disk = await diskWith({ koffi })
    const all = Effect.gen(function* () {
      yield* disk.lstat(root)
      yield* disk.entries(root)
      yield* disk.mountInside(root)
      yield* disk.mountsBelow(root)
      yield* disk.peekMany(root, ["dead"], ".vm-sentinel", 4096)
      yield* disk.scan(root + "/dead", scanning(() => "read", 4096))
      yield* disk.read(root + "/dead/.vm-sentinel", 4096)
      yield* Stream.runCollect((yield* disk.list(root)).visible)
      yield* disk.frame(root)
      yield* disk.location(root)
      yield* Stream.runCollect(disk.find(root, () => true))
      yield* disk.probeLock(root)
      yield* Effect.scoped(disk.lock(root, { mode: "exclusive", test: true }))
      yield* disk.usage(root)
      yield* disk.create(root + "/file", () => Effect.succeed(new Uint8Array(1)))
      yield* disk.syncDirectory(root)
      yield* disk.removeTree(root + "/dead", { mayRemove: () => true })
    })
    await Effect.runPromise(Effect.scoped(all))
    parentPort.postMessage("done")
    parentPort.once("message", () => process.exit(0))`

  for (const koffi of [true, false]) {
    it.live(
      `scenario 75: closes no descriptor that others have by then, ${koffi ? "with" : "without"} koffi`,
      () =>
        Effect.gen(function* () {
          const scratch = yield* Scratch.scratch
          yield* world.file(`${scratch}/root/dead/.vm-sentinel`, "1")
          yield* world.file(`${scratch}/root/dead/a/b/.vm-sentinel`, "1")
          const script = `${imports}
            import * as Fs from "node:fs"
            import { Worker } from "node:worker_threads"
            const [scratch, koffi] = process.argv.slice(1)
            process.on("warning", ({ message }) => console.log(message))
            const data = { root: scratch + "/root", koffi: koffi === "true" }
            const options = { eval: true, workerData: data, execArgv: ["--input-type=module"] }
            const worker = new Worker(${JSON.stringify(inThread)}, options)
            worker.on("error", (error) => console.log(error))
            await new Promise((resolve) => worker.once("message", resolve))
            const disk = await diskWith({ koffi: koffi === "true" })
            const scope = Scope.makeUnsafe()
            const held = []
            // Those that a thread closed have numbers that are given again.
            for (let index = 0; index < 40; index++) {
              const vm = scratch + "/vm" + index
              Fs.mkdirSync(vm)
              const lock = disk.lock(vm, { mode: "shared", test: false })
              held.push([vm, (await Effect.runPromise(Scope.provide(lock, scope))).fd])
            }
            const ended = new Promise((resolve) => worker.once("exit", resolve))
            worker.postMessage("end")
            await ended
            const lost = held.filter(([vm, fd]) => {
              try { return Fs.readlinkSync("/proc/self/fd/" + fd) !== vm } catch { return true }
            })
            console.log(lost.length, held.length)`
          const said = yield* run([process.execPath, "--input-type=module", "-e", script, scratch, `${koffi}`])
          assert.strictEqual(said, "0 40\n")
        }),
      60_000
    )
  }

  it.live(
    "takes along a lock that Node opened for it, and says so before; not one that native code did",
    () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const thread = `${imports}
          import { parentPort, workerData } from "node:worker_threads"
          const disk = await diskWith({ koffi: workerData.koffi })
          const lock = disk.lock(workerData.vm, { mode: "shared", test: true })
          const held = await Effect.runPromise(Scope.provide(lock, Scope.makeUnsafe()))
          parentPort.postMessage(held.outlivesThread)
          parentPort.once("message", () => process.exit(0))`
        const script = `${imports}
          import * as Fs from "node:fs"
          import { Worker } from "node:worker_threads"
          const disk = await diskWith({})
          for (const koffi of [true, false]) {
            const vm = process.argv[1] + "/" + koffi
            Fs.mkdirSync(vm)
            const options = { eval: true, workerData: { vm, koffi }, execArgv: ["--input-type=module"] }
            const worker = new Worker(${JSON.stringify(thread)}, options)
            const lasting = await new Promise((resolve) => worker.once("message", resolve))
            const probe = () => Effect.runPromise(disk.probeLock(vm))
            const before = await probe()
            const ended = new Promise((resolve) => worker.once("exit", resolve))
            worker.postMessage("end")
            await ended
            console.log(lasting, before, await probe())
          }`
        const said = yield* run([process.execPath, "--input-type=module", "-e", script, scratch])
        assert.deepStrictEqual(said.split("\n"), ["true shared shared", "false shared free", ""])
      }),
    60_000
  )
})
