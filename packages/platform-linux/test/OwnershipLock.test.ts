/** The ownership lock, with real processes. */
import { assert, describe } from "@effect/vitest"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import * as Ownership from "@vm-sentinel/core/Ownership"
import { SentinelStore } from "@vm-sentinel/core/SentinelStore"
import { Effect, Exit, Result, Schema, Scope } from "effect"
import * as Fs from "node:fs"
import { world } from "../../core/test/support/NodeWorld.ts"
import { libc } from "../src/internal/libc.ts"
import * as Locks from "../src/internal/locks.ts"
import * as Agents from "./deletion/agents.ts"
import { live } from "./deletion/live.ts"
import * as Memory from "./deletion/memory.ts"
import { byName } from "./deletion/outcomes.ts"
import * as Owners from "./deletion/owners.ts"
import * as Steps from "./deletion/steps.ts"
import * as Tree from "./deletion/tree.ts"
import { places } from "./places.ts"
import { executableOf, piped, stateOf, until } from "./world.ts"

const sweep = (root: string) => Effect.map(Cleanup.sweep(root), ({ outcomes }) => byName(outcomes))
const probe = (path: string) => SentinelStore.use(({ probeLock }) => probeLock(path))

/** What a directory's sentinel says of its lock. */
const recordedLock = (path: string): unknown => {
  const lines = Fs.readFileSync(`${path}/.vm-sentinel`, "utf8").split("\n")
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

describe("a directory whose lock is held", () => {
  live("is kept, and free again as soon as its holder is killed", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { agent, kill } = yield* mortal()
      assert.deepStrictEqual(yield* Agents.create(agent, `${root}/made`), { tested: true, survivesExec: false })
      yield* world.directory(`${root}/held`)
      assert.deepStrictEqual(yield* Agents.hold(agent, `${root}/held`), { tested: true, survivesExec: false })
      const lock = { kind: "flock", tested: true, survivesExec: false }
      for (const name of ["made", "held"]) {
        assert.deepStrictEqual(recordedLock(`${root}/${name}`), lock)
        assert.strictEqual(yield* probe(`${root}/${name}`), "busy")
      }
      assert.deepStrictEqual(yield* sweep(root), { made: "kept lock-held", held: "kept lock-held" })
      yield* kill
      for (const name of ["made", "held"]) assert.strictEqual(yield* probe(`${root}/${name}`), "free")
      assert.deepStrictEqual(yield* sweep(root), { made: "removed pid-dead", held: "removed pid-dead" })
    })
  )

  live("is kept whatever is said of the process that its sentinel names", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { agent } = yield* mortal()
      const named = yield* piped("sleep", ["1000000"])
      yield* world.directory(`${root}/vm`)
      yield* agent.ask(Schema.Unknown, { op: "hold", directory: `${root}/vm`, pid: named.pid })
      yield* named.kill
      assert.deepStrictEqual(yield* sweep(root), { vm: "kept lock-held" })
      yield* agent.ask(Schema.Null, { op: "release" })
      assert.deepStrictEqual(yield* sweep(root), { vm: "removed pid-dead" })
    })
  )

  live("scenario 44: is kept while a helper of the dead owner holds the lock that it inherited", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { agent, kill } = yield* mortal()
      yield* world.directory(`${root}/vm`)
      assert.deepStrictEqual(yield* Agents.hold(agent, `${root}/vm`, true), { tested: true, survivesExec: true })
      assert.deepStrictEqual(recordedLock(`${root}/vm`), { kind: "flock", tested: true, survivesExec: true })
      const helper = yield* Effect.acquireRelease(
        agent.ask(Schema.Number, { op: "start", command: ["sleep", "1000000"] }),
        (pid) => Effect.sync(() => Fs.existsSync(`/proc/${pid}`) && process.kill(pid, "SIGKILL"))
      )
      yield* kill
      assert.strictEqual((yield* Cleanup.judge(`${root}/vm`)).reason, "lock-held")
      assert.deepStrictEqual(yield* sweep(root), { vm: "kept lock-held" })
      process.kill(helper, "SIGKILL")
      // Nobody may be in a hurry to reap an orphan, and a zombie holds nothing.
      yield* until("the helper's end", () => (stateOf(helper) ?? "Z") === "Z")
      assert.deepStrictEqual(yield* sweep(root), { vm: "removed pid-dead" })
    })
  )

  live("stays locked across execve where its sentinel says so, and only there", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const { agent, kill } = yield* mortal()
      const pid = yield* Agents.pid(agent)
      for (const name of ["lasting", "passing"]) {
        yield* world.directory(`${root}/${name}`)
        yield* Agents.hold(agent, `${root}/${name}`, name === "lasting")
      }
      yield* Effect.forkScoped(agent.ask(Schema.Unknown, { op: "exec", command: ["/bin/sleep", "1000000"] }))
      yield* until("execve", () => executableOf(pid)?.endsWith("/node") === false)
      // The kernel closes descriptors after the program has changed.
      yield* until("the end of the lock", () => Locks.probe(libc(), `${root}/passing`) === "free")
      assert.strictEqual(yield* probe(`${root}/lasting`), "busy")
      assert.deepStrictEqual(yield* sweep(root), { lasting: "kept lock-held", passing: "kept matches" })
      yield* kill
      assert.deepStrictEqual(yield* sweep(root), { lasting: "removed pid-dead", passing: "removed pid-dead" })
    })
  )

  live("has no second holder, by this library or by flock(1)", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const [one, other] = [yield* mortal(), yield* mortal()]
      yield* Agents.create(one.agent, `${root}/vm`)
      const refused = yield* Effect.flip(Agents.hold(other.agent, `${root}/vm`))
      assert.deepInclude(refused, { _tag: "Refused", failed: "AlreadyOwned" })
      assert.include(refused.message, "lock-held")
      const command = piped("flock", ["-xn", `${root}/vm`, "echo", "locked"])
      yield* Effect.flip(Effect.scoped(Effect.flatMap(command, ({ line }) => line)))
      yield* one.kill
      assert.deepStrictEqual(yield* Agents.hold(other.agent, `${root}/vm`), { tested: true, survivesExec: false })
    })
  )

  live("is held and seen alike without koffi", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const [one, other] = [yield* mortal(places.withoutKoffi), yield* mortal(places.withoutKoffi)]
      assert.deepStrictEqual(yield* Agents.create(one.agent, `${root}/vm`, true), { tested: true, survivesExec: false })
      assert.strictEqual(yield* probe(`${root}/vm`), "busy")
      assert.strictEqual(yield* Agents.probe(other.agent, `${root}/vm`), "busy")
      assert.deepStrictEqual(byName((yield* Agents.sweep(other.agent, root)).outcomes), { vm: "kept lock-held" })
      yield* one.kill
      assert.strictEqual(yield* Agents.probe(other.agent, `${root}/vm`), "free")
      assert.deepStrictEqual(byName((yield* Agents.sweep(other.agent, root)).outcomes), { vm: "removed pid-dead" })
    })
  )
})

describe("who asks whether a lock is held", () => {
  live("isn't seen by another who asks, at the very same time", () =>
    Effect.gen(function* () {
      const vm = yield* world.scratch
      // Asks, and doesn't get to the end of asking.
      const asking = yield* piped("flock", ["-sn", vm, "sh", "-c", "echo asked; read word"])
      assert.strictEqual(yield* asking.line, "asked")
      assert.strictEqual(yield* probe(vm), "free")
      const { agent } = yield* mortal(places.withoutKoffi)
      assert.strictEqual(yield* Agents.probe(agent, vm), "free")
      yield* asking.kill
    })
  )

  live("a lock taken at any call of a sweep keeps the directory, as long as it was there to be locked", () =>
    Effect.gen(function* () {
      const scratch = yield* Memory.scratch
      const owners = yield* Owners.make
      const lock = { kind: "flock", tested: true, survivesExec: true } as const
      let [kept, removed] = [0, 0]
      for (let at = 1; ; at++) {
        const root = `${scratch}/${at}`
        const vm = `${root}/vm`
        Fs.mkdirSync(vm, { recursive: true, mode: 0o700 })
        Fs.writeFileSync(`${vm}/.vm-sentinel`, Owners.inscribe(owners.dead, { lock }), { mode: 0o600 })
        const store = yield* SentinelStore
        const scope = yield* Scope.make()
        let isLocked = false
        const act = Effect.match(Scope.provide(store.lock(vm), scope), {
          onSuccess: () => (isLocked = true),
          onFailure: () => {}
        })
        const steps: Steps.Steps = { calls: 0, at, act, isFull: false }
        const { outcomes } = yield* Effect.provide(Cleanup.sweep(root), Steps.store(steps))
        const expected = isLocked ? { vm: "kept lock-held" } : { vm: "removed pid-dead" }
        assert.deepStrictEqual(byName(outcomes), expected, `call ${at}`)
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
})

describe("Ownership.hold", () => {
  live("says that a directory is locked only where it is that directory, whatever takes its place meanwhile", () =>
    Effect.gen(function* () {
      const scratch = yield* Memory.scratch
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
          assert.strictEqual(yield* probe(vm), "busy", title)
          assert.strictEqual((yield* Cleanup.judge(vm)).reason, "lock-held", title)
        }
        yield* Scope.close(scope, Exit.void)
        if (steps.calls < at) break
      }
      assert.isAbove(held, 0)
    })
  )
})
