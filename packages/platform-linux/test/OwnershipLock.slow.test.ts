/**
 * The ownership lock, with real processes. `cli/test/frames` tests owners in containers, wrappers and supervisors, and
 * `Locks.slow.test.ts` tests the lock calls themselves.
 */
import { assert, describe } from "@effect/vitest"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import { LockBusy } from "@vm-sentinel/core/Errors"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { Effect, Exit, Result, Schema, Scope } from "effect"
import * as Fs from "node:fs"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as DirFd from "../src/internal/dirFd.ts"
import { libc } from "../src/internal/libc.ts"
import * as Locks from "../src/internal/locks.ts"
import * as Agents from "./support/sweepers.ts"
import { live } from "./support/live.ts"
import * as Scratch from "./support/scratch.ts"
import { byName } from "./support/outcomes.ts"
import * as Owners from "./support/owners.ts"
import * as Steps from "./support/steps.ts"
import * as Tree from "./support/tree.ts"
import * as Waits from "./support/waits.ts"
import { places } from "./support/inspectorsElsewhere.ts"
import { executableOf, piped, stateOf, until } from "./support/processes.ts"

const sweep = (root: string) => Effect.map(Cleanup.sweep(root), ({ outcomes }) => byName(outcomes))
const probe = (path: string) => SentinelStore.use(({ probeLock }) => probeLock(path))

const own = { kind: "flock", tested: true, holder: "self" } as const

/** The lock that a directory's sentinel records. */
const recordedLock = (path: string, file = ".vm-sentinel"): unknown => {
  const lines = Fs.readFileSync(`${path}/${file}`, "utf8").split("\n")
  const record: unknown = JSON.parse(lines[2] ?? "null")
  return typeof record === "object" && record !== null && "lock" in record ? record.lock : undefined
}

/** An agent that can be killed before the test ends. */
const mortal = Effect.fnUntraced(function* (command?: ReadonlyArray<string>) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const agent = yield* Scope.provide(Agents.start(command), scope)
  return { agent, kill: Scope.close(scope, Exit.void) }
})

/** A child that outlives its agent. `giving` is the held directory whose lock the child inherits. */
const started = Effect.fnUntraced(function* (agent: Agents.Agent, giving?: string) {
  const command = ["sleep", "1000000"]
  const pid = yield* agent.ask(Schema.Number, { op: "start", command, ...(giving === undefined ? {} : { giving }) })
  const end = Effect.sync(() => Fs.existsSync(`/proc/${pid}`) && process.kill(pid, "SIGKILL"))
  yield* Effect.addFinalizer(() => end)
  // An orphan may stay a zombie for some time. A zombie holds no lock.
  const gone = until("the end of a child", () => (stateOf(pid) ?? "Z") === "Z")
  return { pid, kill: Effect.andThen(end, gone) }
})

describe("a directory whose lock is held", () => {
  live("is kept, and free again as soon as its holder is killed", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { agent, kill } = yield* mortal()
      assert.deepStrictEqual(yield* Agents.create(agent, `${root}/made`), { tested: true })
      yield* world.directory(`${root}/held`)
      assert.deepStrictEqual(yield* Agents.hold(agent, `${root}/held`), { tested: true })
      for (const name of ["made", "held"]) {
        assert.deepStrictEqual(recordedLock(`${root}/${name}`), own)
        assert.strictEqual(yield* probe(`${root}/${name}`), "shared")
      }
      assert.deepStrictEqual(yield* sweep(root), { made: "kept lock-held", held: "kept lock-held" })
      yield* kill
      for (const name of ["made", "held"]) assert.strictEqual(yield* probe(`${root}/${name}`), "free")
      assert.deepStrictEqual(yield* sweep(root), { made: "removed pid-dead", held: "removed pid-dead" })
    })
  )

  live("is kept whatever is said of the process that its sentinel names, until its holder has no more use for it", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { agent } = yield* mortal()
      const named = yield* piped("sleep", ["1000000"])
      yield* world.directory(`${root}/vm`)
      yield* Agents.hold(agent, `${root}/vm`)
      yield* world.remove(`${root}/vm/.vm-sentinel`)
      yield* Ownership.record(`${root}/vm`, { pid: Pid.make(named.pid) })
      yield* named.kill
      assert.deepStrictEqual(yield* sweep(root), { vm: "kept lock-held" })
      yield* agent.ask(Schema.Null, { op: "release" })
      // After a release, the record stays and claims no lock.
      assert.isUndefined(recordedLock(`${root}/vm`))
      assert.strictEqual(yield* probe(`${root}/vm`), "free")
      assert.deepStrictEqual(yield* sweep(root), { vm: "removed pid-dead" })
    })
  )

  live("scenarios 44, 107: is kept while the one child of the dead owner lives that was given the lock", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { agent, kill } = yield* mortal()
      for (const name of ["given", "not given"]) {
        yield* world.directory(`${root}/${name}`)
        yield* Agents.hold(agent, `${root}/${name}`)
      }
      const other = yield* started(agent)
      const helper = yield* started(agent, `${root}/given`)
      yield* kill
      assert.strictEqual((yield* Cleanup.judge(`${root}/given`)).reason, "lock-held")
      assert.deepStrictEqual(yield* sweep(root), { given: "kept lock-held", "not given": "removed pid-dead" })
      yield* other.kill
      assert.deepStrictEqual(yield* sweep(root), { given: "kept lock-held" })
      yield* helper.kill
      assert.deepStrictEqual(yield* sweep(root), { given: "removed pid-dead" })
    })
  )

  live("is free once its holder has become another program, which is its owner yet; what a child was given isn't", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { agent, kill } = yield* mortal()
      const pid = yield* Agents.pid(agent)
      for (const name of ["given", "not given"]) {
        yield* world.directory(`${root}/${name}`)
        yield* Agents.hold(agent, `${root}/${name}`)
      }
      const helper = yield* started(agent, `${root}/given`)
      yield* Effect.forkScoped(agent.ask(Schema.Unknown, { op: "exec", command: ["/bin/sleep", "1000000"] }))
      yield* until("execve", () => executableOf(pid)?.endsWith("/node") === false)
      // At execve(2), the kernel first switches the program, then closes descriptors, and then frees the locks.
      yield* until("the end of the lock", () => Locks.probe(DirFd.make(libc()?.at), `${root}/not given`) === "free")
      assert.strictEqual(yield* probe(`${root}/given`), "shared")
      assert.deepStrictEqual(yield* sweep(root), { given: "kept lock-held", "not given": "kept matches" })
      yield* helper.kill
      assert.deepStrictEqual(yield* sweep(root), { given: "kept matches", "not given": "kept matches" })
      yield* kill
      assert.deepStrictEqual(yield* sweep(root), { given: "removed pid-dead", "not given": "removed pid-dead" })
    })
  )

  live("has one owner of each role, who share it; flock(1) can't have it alone", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const [one, other, third] = [yield* mortal(), yield* mortal(), yield* mortal()]
      const vm = `${root}/vm`
      yield* Agents.create(one.agent, vm)
      const refused = yield* Effect.flip(Agents.hold(other.agent, vm))
      assert.deepInclude(refused, { _tag: "Refused", failed: "AlreadyOwned" })
      // The refusal is due to the owner of this role, not to the held lock.
      assert.include(refused.message, "matches")
      assert.deepStrictEqual(yield* Agents.hold(other.agent, vm, "helper"), { tested: true })
      assert.deepStrictEqual([recordedLock(vm), recordedLock(vm, ".vm-sentinel.helper")], [own, own])
      const ran = (flag: string) =>
        Effect.scoped(Effect.flatMap(piped("flock", [flag, vm, "echo", "ran"]), ({ line }) => line))
      assert.strictEqual(yield* ran("-sn"), "ran")
      yield* Effect.flip(ran("-xn"))
      // The role may get its next owner while owners of other roles still hold the lock.
      yield* one.kill
      assert.deepStrictEqual(yield* Agents.hold(third.agent, vm), { tested: true })
      yield* other.kill
      assert.strictEqual(yield* probe(vm), "shared")
      assert.deepStrictEqual(yield* sweep(root), { vm: "kept lock-held" })
      yield* third.kill
      assert.deepStrictEqual(yield* sweep(root), { vm: "removed pid-dead" })
    })
  )

  live("of two who hold it at the very same time is one's", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const agents = [(yield* mortal()).agent, (yield* mortal()).agent]
      for (const name of ["a", "b", "c", "d", "e", "f"]) {
        yield* world.directory(`${root}/${name}`)
        const attempts = agents.map((agent) => Effect.result(Agents.hold(agent, `${root}/${name}`)))
        const results = yield* Effect.all(attempts, { concurrency: "unbounded" })
        const [refused, ...others] = results.flatMap((result) => (Result.isFailure(result) ? [result.failure] : []))
        assert.deepInclude(refused, { _tag: "Refused", failed: "AlreadyOwned" })
        assert.deepStrictEqual(others, [])
        assert.deepStrictEqual(recordedLock(`${root}/${name}`), own)
        assert.strictEqual(yield* probe(`${root}/${name}`), "shared")
      }
    })
  )

  live("is held and seen alike without koffi", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const [one, other] = [yield* mortal(places.withoutKoffi), yield* mortal(places.withoutKoffi)]
      assert.deepStrictEqual(yield* Agents.create(one.agent, `${root}/vm`), { tested: true })
      assert.deepStrictEqual(recordedLock(`${root}/vm`), own)
      assert.strictEqual(yield* probe(`${root}/vm`), "shared")
      assert.strictEqual(yield* Agents.probe(other.agent, `${root}/vm`), "shared")
      assert.deepStrictEqual(byName((yield* Agents.sweep(other.agent, root)).outcomes), { vm: "kept lock-held" })
      const helper = yield* started(one.agent, `${root}/vm`)
      yield* one.kill
      assert.deepStrictEqual(byName((yield* Agents.sweep(other.agent, root)).outcomes), { vm: "kept lock-held" })
      yield* helper.kill
      assert.strictEqual(yield* Agents.probe(other.agent, `${root}/vm`), "free")
      assert.deepStrictEqual(byName((yield* Agents.sweep(other.agent, root)).outcomes), { vm: "removed pid-dead" })
    })
  )
})

describe("who has the lock alone", () => {
  /** Holds the lock until `letGo` runs. */
  const looking = Effect.fnUntraced(function* (path: string) {
    const { kill, line, pid } = yield* piped("flock", ["-xn", "--no-fork", path, "sh", "-c", "echo looking; read word"])
    assert.strictEqual(yield* line, "looking")
    return { pid, letGo: kill }
  })

  live("is told to an owner that waited for it in vain, and nothing is written", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const vm = `${root}/vm`
      yield* world.directory(vm)
      const { letGo, pid } = yield* looking(vm)
      for (const attempt of [Effect.asVoid(Ownership.hold(vm)), Effect.asVoid(Ownership.record(vm))]) {
        const refused = yield* Effect.flip(Waits.inVain(attempt))
        assert.deepStrictEqual(refused, new LockBusy({ path: vm, holders: [pid] }))
      }
      assert.deepStrictEqual(Tree.entries(vm), [])
      yield* letGo
      yield* Ownership.hold(vm)
      assert.deepStrictEqual(recordedLock(vm), own)
    })
  )

  live("scenario 94: only to look is waited for, by an owner and by a sweep", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { dead } = yield* Owners.make
      const vm = `${root}/vm`
      yield* world.directory(vm)
      const first = yield* looking(vm)
      yield* Effect.scoped(Waits.instead(first.letGo)(Ownership.hold(vm)))
      assert.strictEqual((yield* Cleanup.judge(vm)).verdict, "alive")
      Fs.writeFileSync(`${vm}/.vm-sentinel`, Owners.inscribe(dead))
      const second = yield* looking(vm)
      const { outcomes } = yield* Waits.instead(second.letGo)(Cleanup.sweep(root))
      assert.deepStrictEqual(byName(outcomes), { vm: "removed pid-dead" })
    })
  )

  live("scenario 94: isn't taken for gone by a sweep that waited in vain", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { dead } = yield* Owners.make
      yield* world.file(`${root}/vm/.vm-sentinel`, Owners.inscribe(dead))
      const before = Tree.of(`${root}/vm`)
      const { letGo } = yield* looking(`${root}/vm`)
      const { outcomes } = yield* Waits.inVain(Cleanup.sweep(root))
      assert.deepStrictEqual(byName(outcomes), { vm: "kept lock-held" })
      assert.deepStrictEqual(Tree.entries(root), ["vm"])
      assert.deepStrictEqual(Tree.differences(before, Tree.of(`${root}/vm`)), [])
      yield* letGo
      assert.deepStrictEqual(yield* sweep(root), { vm: "removed pid-dead" })
    })
  )
})

describe("a lock taken at any call of a sweep", () => {
  for (const isShared of [true, false]) {
    const title = isShared ? "by an owner that shares it" : "by one that has it alone yet"
    live(`keeps the directory, as long as it was there to be locked: ${title}`, () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const owners = yield* Owners.make
        let [kept, removed] = [0, 0]
        for (let at = 1; ; at++) {
          const root = `${scratch}/${at}`
          const vm = `${root}/vm`
          Fs.mkdirSync(`${vm}/data`, { recursive: true, mode: 0o700 })
          Fs.writeFileSync(`${vm}/.vm-sentinel`, Owners.inscribe(owners.dead, { lock: own }), { mode: 0o600 })
          const store = yield* SentinelStore
          const scope = yield* Scope.make()
          let isLocked = false
          const act = Scope.provide(store.lock(vm), scope).pipe(
            Effect.tap(({ share, wasExclusive }) => (wasExclusive && isShared ? share : Effect.void)),
            Effect.match({ onSuccess: () => (isLocked = true), onFailure: () => {} }),
            Waits.inVain
          )
          const steps: Steps.Steps = { calls: 0, at, act, isFull: false }
          const { outcomes } = yield* Effect.provide(Cleanup.sweep(root), Steps.store(steps))
          const expected = isLocked ? ["kept lock-held", ...(isShared ? [] : ["kept taken"])] : ["removed pid-dead"]
          assert.include(expected, byName(outcomes)["vm"], `call ${at}`)
          assert.deepStrictEqual(Tree.entries(root), isLocked ? ["vm"] : [], `call ${at}`)
          yield* Scope.close(scope, Exit.void)
          if (isLocked) kept += 1
          else removed += 1
          if (steps.calls < at) break
        }
        assert.isAbove(kept, 5)
        assert.isAbove(removed, 5)
      })
    )
  }
})

describe("Ownership.hold", () => {
  live("says that a directory is locked only where it is that directory, whatever takes its place meanwhile", () =>
    Effect.gen(function* () {
      const scratch = yield* Scratch.scratch
      const owners = yield* Owners.make
      let held = 0
      for (let at = 1; ; at++) {
        const root = `${scratch}/${at}`
        const vm = `${root}/vm`
        Fs.mkdirSync(vm, { recursive: true, mode: 0o700 })
        Fs.writeFileSync(`${vm}/.vm-sentinel`, Owners.inscribe(owners.dead), { mode: 0o600 })
        const swap = Effect.sync(() => {
          Fs.renameSync(vm, `${root}/moved`)
          Fs.mkdirSync(vm, { mode: 0o700 })
        })
        const steps: Steps.Steps = { calls: 0, at, act: swap, isFull: false }
        const scope = yield* Scope.make()
        const result = yield* Ownership.hold(vm).pipe(
          Scope.provide(scope),
          Effect.provide(Steps.store(steps)),
          Effect.result
        )
        const title = `call ${at}`
        if (Result.isFailure(result)) {
          assert.include(["Claimed", "Changed", "NotFound"], result.failure._tag, title)
          assert.deepStrictEqual(Tree.entries(vm), [], title)
        } else {
          held += 1
          assert.strictEqual(yield* probe(vm), "shared", title)
          assert.strictEqual((yield* Cleanup.judge(vm)).reason, "lock-held", title)
        }
        yield* Scope.close(scope, Exit.void)
        if (steps.calls < at) break
      }
      assert.isAbove(held, 0)
    })
  )
})
