/** Two containers, simulated by namespaces, share one root. */
import { assert, describe } from "@effect/vitest"
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import { Effect, Exit, Schema, Scope } from "effect"
import * as Fs from "node:fs"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as Agents from "./support/sweepers.ts"
import { liveUnless } from "./support/live.ts"
import { byName } from "./support/outcomes.ts"
import * as Protocol from "./agents/sweeperProtocol.ts"
import * as Tree from "./support/tree.ts"
import { noNamespace, notRoot } from "./support/inspectorsElsewhere.ts"
import { until } from "./support/processes.ts"

/** The tests need root. In a user namespace a sweep would be another user, who doesn't trust the root's owner. */
const reason = notRoot ?? noNamespace

/** Only the initial PID namespace shows all processes, so only there can a sweep prove that a namespace has none. */
const isInitial = Fs.readlinkSync("/proc/self/ns/pid") === "pid:[4026531836]"

/** A PID namespace whose processes end with its first process. */
const ownPids = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]

/** A namespace's first process can't kill itself, so this shell is the first process and the agent below has PID 2. */
const belowShell = ["sh", "-c", 'exec 3<&0; "$@" <&3 & wait', "sh"]

/** PIDs, in the host's namespace, of the processes in a namespace. */
const membersOf = (namespace: string): ReadonlyArray<string> =>
  Fs.readdirSync("/proc").filter((entry) => {
    try {
      return /^\d+$/.test(entry) && Fs.readlinkSync(`/proc/${entry}/ns/pid`) === namespace
    } catch {
      return false
    }
  })

/** A container that can be killed before the test ends. */
const container = Effect.fnUntraced(function* (pid: 1 | 2 = 1) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const agent = yield* Scope.provide(Agents.start(pid === 1 ? ownPids : [...ownPids, ...belowShell]), scope)
  assert.strictEqual(yield* Agents.pid(agent), pid)
  const members = membersOf((yield* Agents.run(agent, "readlink", "/proc/self/ns/pid")).trim())
  assert.isAbove(members.length, 0)
  // `end` kills the namespace's processes and leaves `unshare`, which reaps them at once. The system's first process
  // may reap orphans later.
  const end = Effect.sync(() => {
    for (const member of members) {
      try {
        process.kill(Number(member), "SIGKILL")
      } catch {
        // The process ended with the namespace's first process.
      }
    }
  })
  const gone = until("the end of a namespace", () => members.every((member) => !Fs.existsSync(`/proc/${member}`)))
  return { agent, kill: end.pipe(Effect.andThen(gone), Effect.andThen(Scope.close(scope, Exit.void))) }
})

const sweepFrom = (agent: Agents.Agent, root: string) =>
  Effect.map(Agents.sweep(agent, root), ({ outcomes }) => byName(outcomes))

const sweepHere = (root: string) => Effect.map(Cleanup.sweep(root), ({ outcomes }) => byName(outcomes))

const furnish = (directory: string): void => {
  Fs.mkdirSync(`${directory}/data`)
  Fs.writeFileSync(`${directory}/data/disk.img`, "disk")
}

describe("two PID namespaces that share one root", () => {
  for (const place of ["from the other", "from the host"] as const) {
    liveUnless(
      reason,
      `scenarios 12, 13: neither removes the other's, both PID 1; the killed one's goes, swept ${place}`,
      () =>
        Effect.gen(function* () {
          const root = yield* world.scratch
          const [one, other] = [yield* container(), yield* container()]
          for (const [name, { agent }] of [["one", one] as const, ["other", other] as const]) {
            yield* Agents.create(agent, `${root}/${name}`)
            furnish(`${root}/${name}`)
          }
          const [before, otherBefore] = [Tree.of(root), Tree.of(`${root}/other`)]
          const kept = { one: "kept lock-held", other: "kept lock-held" }
          assert.deepStrictEqual(yield* sweepFrom(one.agent, root), kept)
          assert.deepStrictEqual(yield* sweepFrom(other.agent, root), kept)
          assert.deepStrictEqual(yield* sweepHere(root), kept)
          assert.deepStrictEqual(Tree.differences(before, Tree.of(root)), [])
          yield* one.kill
          const [swept, reason] =
            place === "from the other"
              ? [sweepFrom(other.agent, root), "lock-free"]
              : [sweepHere(root), isInitial ? "process-gone" : "lock-free"]
          assert.deepStrictEqual(yield* swept, { one: `removed ${reason}`, other: "kept lock-held" })
          assert.deepStrictEqual(Tree.entries(root), ["other"])
          assert.deepStrictEqual(Tree.differences(otherBefore, Tree.of(`${root}/other`)), [])
        })
    )
  }

  liveUnless(reason, "scenarios 10, 12: without a lock nobody but the host can tell: it is kept", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const [one, other] = [yield* container(), yield* container()]
      for (const [name, { agent }] of [["one", one] as const, ["other", other] as const]) {
        yield* world.directory(`${root}/${name}`)
        yield* agent.ask(Schema.Null, { op: "record", directory: `${root}/${name}` })
        furnish(`${root}/${name}`)
      }
      const unknown = "kept other-pid-namespace"
      assert.deepStrictEqual(yield* sweepFrom(one.agent, root), { one: "kept matches", other: unknown })
      assert.deepStrictEqual(yield* sweepFrom(other.agent, root), { one: unknown, other: "kept matches" })
      assert.deepStrictEqual(yield* sweepHere(root), { one: "kept matches", other: "kept matches" })
      // A new container has PID 1 again and never owned the directory, like a restarted one. It starts before the old
      // one ends. Otherwise it could get the old namespace's number, and the sweep would then compare processes.
      const again = yield* container()
      yield* one.kill
      assert.deepStrictEqual(yield* sweepFrom(again.agent, root), { one: unknown, other: unknown })
      assert.deepStrictEqual(yield* sweepFrom(other.agent, root), { one: unknown, other: "kept matches" })
      const gone = isInitial ? "removed process-gone" : unknown
      assert.deepStrictEqual(yield* sweepHere(root), { one: gone, other: "kept matches" })
    })
  )

  liveUnless(
    reason,
    "scenario 65: a free lock that another process was to inherit proves nothing to another namespace",
    () =>
      Effect.gen(function* () {
        const root = yield* world.scratch
        const [one, other] = [yield* container(), yield* container()]
        const pid = yield* one.agent.ask(Schema.Number, { op: "start", command: ["sleep", "1000000"] })
        yield* one.agent.ask(Protocol.Lock, { op: "create", directory: `${root}/one`, pid })
        assert.deepStrictEqual(yield* sweepFrom(other.agent, root), { one: "kept lock-held" })
        yield* one.kill
        assert.deepStrictEqual(yield* sweepFrom(other.agent, root), { one: "kept other-pid-namespace" })
        const swept = isInitial ? "removed process-gone" : "kept other-pid-namespace"
        assert.deepStrictEqual(yield* sweepHere(root), { one: swept })
      })
  )

  liveUnless(reason, "scenario 85: a sweep that was killed together with its container is resumed in another one", () =>
    Effect.gen(function* () {
      const root = yield* world.scratch
      const [one, other] = [yield* container(), yield* container()]
      yield* Agents.create(one.agent, `${root}/one`)
      yield* Agents.create(one.agent, `${root}/two`)
      yield* one.kill
      const doomed = yield* container(2)
      assert.isTrue(yield* Agents.untilKilled(doomed.agent, 14, "before", { op: "sweep", root, concurrency: 1 }))
      const left = Tree.entries(root)
      assert.isTrue(left.some((entry) => entry.startsWith(".vm-sentinel-reap.")))
      // The workspace's sentinel names the sweep, and records that the sweep itself held its lock.
      const resumed = Object.values(yield* sweepFrom(other.agent, root))
      assert.include(resumed, "removed resumed")
      assert.isTrue(
        resumed.every((outcome) => outcome.startsWith("removed ")),
        resumed.join()
      )
      assert.deepStrictEqual(Tree.entries(root), [])
    })
  )
})
