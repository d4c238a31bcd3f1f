import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Random, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Cleanup from "../../src/Cleanup.ts"
import { Disk } from "../../src/Disk.ts"
import * as Ownership from "../../src/Ownership.ts"
import { ProcessInspector } from "../../src/ProcessInspector.ts"
import * as Sentinel from "../../src/Sentinel.ts"
import { FakeProcessTable } from "../../src/testing/FakeProcessTable.ts"
import { MemoryDisk, untilKilled } from "../../src/testing/MemoryDisk.ts"
import * as Stage from "./Stage.ts"

const root = "/srv/vms"
const names = ["a", "b", "c", "d"]
const executables = ["/usr/bin/vmm", "/usr/bin/node"]

type Act<A = unknown> = Effect.Effect<A, unknown, Stage.Services | Scope.Scope>

interface Owner {
  readonly actor: Stage.Actor
  /** The truth: a name that no other process ever has. */
  readonly id: string
}

/** What the test knows, and the programs don't. */
export interface Model {
  readonly owners: Array<Owner>
  /** By a mark in a directory, that no other has, who was told that it is its owner. */
  readonly owned: Map<string, Array<Owner>>
  /** By boot and 64-bit id, who that is. */
  readonly ids: Map<string, string>
  /** Two directories want one name: one of them stays where a sweep has put it. */
  nameTaken: boolean
}

export const make: Effect.Effect<Model, never, MemoryDisk> = Effect.map(
  Stage.seed({ [root]: { type: "directory" } }),
  () => ({ owners: [], owned: new Map(), ids: new Map(), nameTaken: false })
)

const chance = (percent: number) => Effect.map(Random.nextIntBetween(1, 100), (drawn) => drawn <= percent)

const seconds = Effect.flatMap(Random.nextIntBetween(0, 5), (count) => TestClock.adjust(`${count} seconds`))

const anyOwner = ({ owners }: Model) => Random.choice(owners)

const spawn = Effect.fnUntraced(function* ({ ids, owners }: Model) {
  const [inspector, table] = [yield* ProcessInspector, yield* FakeProcessTable]
  const actor = yield* Stage.actor({ exe: yield* Random.choice(executables) })
  const id = yield* table.idOf(actor.pid)
  const { bootId, processId64 } = yield* inspector.identify(actor.pid)
  ids.set(`${bootId} ${processId64}`, id)
  owners.push({ actor, id })
})

/** Who waits for a lock waits by the clock, which stands still unless somebody lets time pass. */
const patiently = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(effect)
  while (fiber.pollUnsafe() === undefined) {
    for (let turn = 0; turn <= 100 && fiber.pollUnsafe() === undefined; turn += 1) yield* Effect.yieldNow
    yield* TestClock.adjust("5 millis")
  }
  return yield* Fiber.join(fiber)
})

/** Also what it holds ends. */
const end = Effect.fnUntraced(function* (model: Model, become: "exit" | "zombie", owner: Owner) {
  const { memory, pid } = owner.actor
  yield* Effect.ignore(FakeProcessTable.use((table) => table[become](pid)))
  yield* memory.kill
  model.owners.splice(model.owners.indexOf(owner), 1)
})

/** Makes the directory where there is none, and owns it: the way of an orchestrator that starts a VM. */
const own = Effect.fnUntraced(function* (model: Model, isKilled = false) {
  const owner = yield* anyOwner(model)
  if (isKilled) yield* owner.actor.memory.killAt(yield* Random.nextIntBetween(1, 12))
  const directory = `${root}/${yield* Random.choice(names)}`
  const mark = `mark.${yield* Random.nextInt}`
  const format = yield* Random.choice(["v3", "v3", "v3", "v2", "v1"] as const)
  const role = yield* Random.choice(["owner", "owner", "helper"])
  // The lock is held as long as the process lives, or goes with the attempt.
  const scope = yield* Scope.make()
  const hold = Effect.map(Ownership.hold(directory, { role }), ({ file }) => file).pipe(
    Scope.provide(scope),
    Effect.onError(() => Scope.close(scope, Exit.void))
  )
  const record = (yield* chance(30)) ? hold : Ownership.record(directory, { role, format })
  const program = Effect.gen(function* () {
    const disk = yield* Disk
    for (const missing of [
      disk.makeDirectory(directory),
      disk.makeDirectory(`${directory}/rootfs`),
      disk.create(`${directory}/rootfs/disk`, new Uint8Array(9000)),
      disk.makeDirectory(`${directory}/${mark}`)
    ]) {
      yield* Effect.ignore(missing)
    }
    return yield* record
  })
  const file = yield* Effect.option(owner.actor.run(patiently(untilKilled(program))))
  if (isKilled) yield* end(model, "exit", owner)
  if (file._tag === "None" || file.value._tag === "None") return
  // It may have been claimed in the meantime: it is known by the file that was written.
  const found = yield* MemoryDisk.use(({ snapshot }) => snapshot(root))
  const { entry, id } = file.value.value
  const path = Object.keys(found).find((path) => path.endsWith(`/${entry}`) && found[path]?.ino === id.ino)
  if (path === undefined) return assert.fail(`what ${owner.id} was told to own in ${directory} is gone`)
  const inside = path.slice(0, -entry.length)
  const marked = Object.keys(found)
    .find((path) => path.startsWith(`${inside}mark.`))
    ?.slice(inside.length)
  if (marked !== undefined) model.owned.set(marked, [...(model.owned.get(marked) ?? []), owner])
})

const recycle = Effect.fnUntraced(function* (model: Model) {
  const owner = yield* anyOwner(model)
  yield* end(model, "exit", owner)
  yield* seconds
  const exe = yield* Random.choice(executables)
  yield* FakeProcessTable.use((table) => table.spawnAt(owner.actor.pid, { exe }))
})

/** As PIDs do, thread ids come round to the numbers of those who died. */
const thread = (model: Model) =>
  Effect.flatMap(anyOwner(model), ({ actor }) => FakeProcessTable.use((table) => table.addThread(actor.pid)))

const exec = Effect.fnUntraced(function* (model: Model) {
  const { actor } = yield* anyOwner(model)
  const exe = yield* Random.choice(executables)
  yield* FakeProcessTable.use((table) => table.exec(actor.pid, exe))
})

const reboot = Effect.fnUntraced(function* (model: Model) {
  for (const { actor } of model.owners.splice(0)) yield* actor.memory.kill
  yield* FakeProcessTable.use((table) => table.reboot())
})

const hide = (model: Model) =>
  Effect.flatMap(anyOwner(model), ({ actor }) => FakeProcessTable.use((table) => table.hide(actor.pid)))

const showAll = FakeProcessTable.use(({ allow, pids }) =>
  Effect.flatMap(pids, (all) => Effect.forEach(all, (pid) => Effect.ignore(allow(pid))))
)

/** One process that sweeps and ends. */
const sweep = Effect.fnUntraced(function* (prepare: (sweeper: Stage.Actor) => Act = () => Effect.void) {
  const sweeper = yield* Stage.actor()
  yield* prepare(sweeper)
  const concurrency = yield* Random.nextIntBetween(1, 4)
  const report = yield* sweeper.run(untilKilled(Cleanup.sweep(root, { concurrency })))
  yield* sweeper.kill
  return report
})

const hesitantly = ({ memory }: Stage.Actor) => memory.pause(Effect.flatMap(Random.nextIntBetween(1, 4), Stage.giveWay))

const killed = (actor: Stage.Actor) =>
  Effect.gen(function* () {
    yield* hesitantly(actor)
    yield* actor.memory.killAt(yield* Random.nextIntBetween(1, 40), (yield* chance(50)) ? "before" : "after")
  })

const together = (...acts: ReadonlyArray<Act>): Act => Effect.all(acts, { concurrency: "unbounded" })

/** Writers, sweeps, and sweeps that are killed, call by call in any order. */
const crowd = Effect.fnUntraced(function* (model: Model) {
  for (const { actor } of model.owners) yield* hesitantly(actor)
  const others = [own(model), own(model), sweep(hesitantly), (yield* chance(50)) ? sweep(killed) : sweep(hesitantly)]
  yield* together(...(yield* Random.shuffle(others)).map((act) => Effect.ignore(act)))
  for (const { actor } of model.owners) yield* actor.memory.pause(Effect.void)
})

/** What a sentinel says of its owner, as far as it can be known. */
const stateOf = Effect.fnUntraced(function* ({ ids }: Model, text: string) {
  const [inspector, table] = [yield* ProcessInspector, yield* FakeProcessTable]
  const sentinel = Result.getOrThrow(Sentinel.parse(new TextEncoder().encode(text)))
  const observed = yield* inspector.observe(sentinel.pid)
  if (sentinel._tag !== "V3") return observed._tag === "Absent" ? "dead" : "unknowable"
  const { bootId, processId64 } = sentinel.record
  const id = ids.get(`${bootId} ${processId64}`)
  if (id !== undefined && (yield* table.isAlive(id))) return "alive"
  const isOfThisBoot = bootId === (yield* inspector.host).bootId
  return isOfThisBoot && observed._tag === "Hidden" ? "unknowable" : "dead"
})

/** The directories under their own names of which every owner is known to be gone. */
const condemned = Effect.fnUntraced(function* (model: Model) {
  const found = yield* MemoryDisk.use(({ snapshot }) => snapshot(root))
  const gone: Array<string> = []
  for (const name of names) {
    const texts = Object.entries(found).flatMap(([path, { content = "" }]) =>
      path.startsWith(`${root}/${name}/.vm-sentinel`) && !path.includes("-tmp.") ? [content] : []
    )
    const states = yield* Effect.forEach(texts, (text) => stateOf(model, text))
    if (states.length > 0 && states.every((state) => state === "dead")) gone.push(name)
  }
  return gone
})

/** A sweep that nothing disturbs removes all that can be known to be dead. */
const calmSweep = Effect.fnUntraced(function* (model: Model) {
  let expected: Array<string> = []
  // The sweep has a PID, too, which may be one that a v1 record names.
  const report = yield* sweep(() => Effect.map(condemned(model), (names) => (expected = names)))
  assert.isTrue(report._tag === "Some")
  const outcomes = report._tag === "Some" ? report.value.outcomes : []
  const removed = outcomes.filter(({ action }) => action === "removed").map(({ name }) => name)
  assert.includeMembers(removed, expected)
  for (const { action, error, reason } of outcomes) {
    if (reason === "name-taken") model.nameTaken = true
    else assert.notStrictEqual(action, "failed", error?.message)
  }
})

/** No directory whose owner lives is ever removed, nor anything in it. */
export const check = Effect.fnUntraced(function* (model: Model) {
  const table = yield* FakeProcessTable
  const found = yield* MemoryDisk.use(({ snapshot }) => snapshot(root))
  for (const [mark, owners] of model.owned) {
    for (const { id } of owners) {
      if (!(yield* table.isAlive(id))) continue
      const path = Object.keys(found).find((path) => path.endsWith(`/${mark}`)) ?? "none"
      const disk = found[`${path.slice(0, -mark.length)}rootfs/disk`]
      assert.strictEqual(disk?.type, "file", `${id} lives and has lost its own`)
    }
  }
})

const acts: Readonly<Record<string, readonly [weight: number, act: (model: Model) => Act]>> = {
  spawn: [8, spawn],
  own: [8, own],
  killedOwn: [3, (model) => own(model, true)],
  exit: [3, (model) => Effect.flatMap(anyOwner(model), (owner) => end(model, "exit", owner))],
  zombie: [1, (model) => Effect.flatMap(anyOwner(model), (owner) => end(model, "zombie", owner))],
  recycle: [3, recycle],
  thread: [1, thread],
  exec: [1, exec],
  hide: [1, hide],
  showAll: [1, () => showAll],
  reboot: [1, reboot],
  wait: [1, () => TestClock.adjust("2 minutes")],
  sweep: [3, calmSweep],
  killedSweep: [3, () => sweep(killed)],
  crowd: [6, crowd]
}

const deck = Object.entries(acts).flatMap(([name, [weight]]) => Array.from({ length: weight }, () => name))

/** One random act. What it can't do, because there is nobody to do it, it leaves. */
export const step = Effect.fnUntraced(function* (model: Model) {
  const name = yield* Random.choice(deck)
  const [, act = () => Effect.void] = acts[name] ?? []
  yield* Effect.ignore(act(model))
  return name
})

/** In the end all is swept: what is left belongs to somebody, or can't be known, and there is no litter. */
export const finish = Effect.fnUntraced(function* (model: Model) {
  yield* showAll
  for (let sweeps = 0; sweeps < 3; sweeps += 1) {
    yield* TestClock.adjust("2 minutes")
    yield* calmSweep(model)
    yield* check(model)
  }
  const left = yield* Stage.names(yield* MemoryDisk, root)
  if (!model.nameTaken) assert.includeMembers([...names], left)
})
