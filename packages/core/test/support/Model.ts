import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Random, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Cleanup from "../../src/Cleanup.ts"
import { Disk } from "../../src/Disk.ts"
import type { SentinelFile } from "../../src/DirectoryState.ts"
import * as Ownership from "../../src/Ownership.ts"
import { ProcessInspector } from "../../src/ProcessInspector.ts"
import { FakeProcessTable } from "../../src/testing/FakeProcessTable.ts"
import { MemoryDisk, untilKilled } from "../../src/testing/MemoryDisk.ts"
import * as Simulation from "../../src/testing/Simulation.ts"
import * as Truth from "./modelTruth.ts"
import * as Kernels from "./modelKernels.ts"
import * as Races from "./Races.ts"

const names = ["a", "b", "c", "d"]
const executables = ["/usr/bin/vmm", "/usr/bin/node"]

type Act<A = unknown> = Effect.Effect<A, unknown, Simulation.Services | Scope.Scope>

/** A directory's lock that an owner holds until the scope closes, and the nonce of the record that claims the lock. */
interface Hold {
  readonly owner: Truth.Owner
  readonly scope: Scope.Closeable
  readonly nonce: string | undefined
}

interface Claim {
  readonly owner: Truth.Owner
  readonly role: string
}

/** The model's state: facts that the test has and the programs under test don't. */
export interface Model {
  readonly setting: Kernels.Setting
  readonly kernels: ReadonlyArray<Kernels.Kernel>
  readonly owners: Array<Truth.Owner>
  /** Owners that run a program now. An owner runs one at a time. */
  readonly busy: Set<Truth.Owner>
  readonly holds: Array<Hold>
  /** Key: a command that inherited a lock. Value: the owner that started it. */
  readonly parents: Map<Truth.Owner, Truth.Owner>
  /**
   * Key: name of a mark, a directory that lies in exactly one owned directory. Value: owners to which `Ownership` gave
   * the directory with this mark.
   */
  readonly owned: Map<string, Array<Claim>>
  /** Records that were written, by nonce. */
  readonly written: Map<string, Truth.Written>
  /** Whether two directories claimed one name. Then one of them stays in the place to which a sweep moved it. */
  nameTaken: boolean
  /** Paths of bind mounts of directories. Such a path leads to its directory even after the directory was moved. */
  readonly pins: Array<string>
  marks: number
  pinned: number
  removed: number
}

export const make = Effect.fnUntraced(function* (setting: Kernels.Setting) {
  const made: Model = {
    setting,
    kernels: yield* Kernels.make(setting),
    owners: [],
    busy: new Set(),
    holds: [],
    parents: new Map(),
    owned: new Map(),
    written: new Map(),
    nameTaken: false,
    pins: [],
    marks: 0,
    pinned: 0,
    removed: 0
  }
  return made
})

const chance = (percent: number) => Effect.map(Random.nextIntBetween(1, 100), (drawn) => drawn <= percent)

const seconds = Effect.flatMap(Random.nextIntBetween(0, 5), (count) => TestClock.adjust(`${count} seconds`))

const anyOwner = ({ busy, owners }: Model) => Random.choice(owners.filter((owner) => !busy.has(owner)))

const anyTree = ({ setting }: Model) =>
  Random.choice<ReadonlyArray<Kernels.Tree>>(setting === "plain" ? ["local"] : ["local", "shared"])

const anyStand = Effect.fnUntraced(function* ({ kernels }: Model) {
  const kernel = yield* Random.choice(kernels)
  return { place: yield* Random.choice(kernel.places), mount: yield* Random.choice(kernel.mounts) }
})

const newMark = (model: Model): string => `mark.${(model.marks += 1)}`

/** Controls the owner's process by its PID in the owner's namespace. */
const control = <A, E>(
  { place }: Truth.Owner,
  f: (table: FakeProcessTable["Service"]) => Effect.Effect<A, E>
): Effect.Effect<A, E> => Kernels.at(place)(FakeProcessTable.use(f))

const ownerOf = Effect.fnUntraced(function* (
  place: Kernels.Place,
  actor: Simulation.Actor
): Effect.fn.Return<Truth.Owner, unknown> {
  return yield* Kernels.at(place)(
    Effect.gen(function* () {
      const [inspector, table] = [yield* ProcessInspector, yield* FakeProcessTable]
      const { processId64 = "" } = yield* inspector.identify(actor.pid)
      return { actor, place, processId64, id: yield* table.idOf(actor.pid) }
    })
  )
})

const spawn = Effect.fnUntraced(function* (model: Model) {
  const { place } = yield* anyStand(model)
  const exe = yield* Random.choice(executables)
  const actor = yield* Kernels.at(place)(Simulation.actor({ exe }))
  model.owners.push(yield* ownerOf(place, actor))
})

/** Advances the test clock until the effect ends, because a process that waits for a lock sleeps by that clock. */
const patiently = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(effect)
  for (let round = 0; fiber.pollUnsafe() === undefined; round += 1) {
    for (let turn = 0; turn <= 100 && fiber.pollUnsafe() === undefined; turn += 1) yield* Effect.yieldNow
    yield* TestClock.adjust(round < 40 ? "5 millis" : "1 second")
  }
  return yield* Fiber.join(fiber)
})

const forget = (model: Model, isGone: (owner: Truth.Owner) => boolean) =>
  Effect.gen(function* () {
    for (const owner of model.owners.filter(isGone)) {
      yield* owner.actor.memory.kill
      model.owners.splice(model.owners.indexOf(owner), 1)
      model.parents.delete(owner)
    }
    model.holds.splice(0, Infinity, ...model.holds.filter(({ owner }) => !isGone(owner)))
  })

/** Ends an owner. Its locks are freed, except for those that a child inherited. */
const end = Effect.fnUntraced(function* (model: Model, become: "exit" | "zombie", owner: Truth.Owner) {
  yield* Effect.ignore(control(owner, (table) => table[become](owner.actor.pid)))
  yield* forget(model, (other) => other === owner)
})

interface Way {
  readonly mount: Kernels.Mount
  readonly directory: string
  readonly role: string
}

/** An owner to which `Ownership` gave a directory, in a role, by this record. */
type Told = Claim & { readonly file: SentinelFile }

const record = Effect.fnUntraced(function* (model: Model, owner: Truth.Owner, { directory, role }: Way) {
  const format = model.setting === "plain" ? yield* Random.choice(["v3", "v3", "v3", "v2", "v1"] as const) : "v3"
  const told: Told = { owner, role, file: yield* Ownership.record(directory, { role, format }) }
  return [told]
})

/** Holds a lock until the owner releases it or ends. A failed attempt frees the lock at once. */
const inScope = Effect.fnUntraced(function* (
  model: Model,
  owner: Truth.Owner,
  held: typeof Ownership.hold,
  { directory, role }: Way
) {
  const scope = yield* Scope.make()
  const { file, lock } = yield* held(directory, { role }).pipe(
    Scope.provide(scope),
    Effect.onError(() => Scope.close(scope, Exit.void))
  )
  model.holds.push({ owner, scope, nonce: nonceOf(file) })
  const told: Told = { owner, role, file }
  return { told, lock }
})

/** Makes an owner start a command that inherits the lock, and records the command. */
const start = Effect.fnUntraced(function* (model: Model, parent: Truth.Owner, way: Way) {
  const { lock, told } = yield* inScope(model, parent, Ownership.hold, way)
  if (lock === undefined) return [told]
  const actor = yield* Simulation.child(parent.actor)
  const owner = yield* ownerOf(parent.place, actor)
  model.owners.push(owner)
  model.parents.set(owner, parent)
  const role = `${way.role}-vm`
  const file = yield* Effect.option(Ownership.record(way.directory, { role, pid: actor.pid, lock }))
  return file._tag === "None" ? [told] : [told, { owner, role, file: file.value }]
})

const nonceOf = ({ content }: SentinelFile): string | undefined =>
  Result.isSuccess(content) && content.success._tag === "V3" ? content.success.record.nonce : undefined

/** Registers the records that a program of this owner wrote, even if it was killed before it ended. */
const register = Effect.fnUntraced(function* (
  model: Model,
  { owner, holdsLock }: { readonly owner: Truth.Owner; readonly holdsLock: boolean },
  { mount: { superblock, tree } }: Way,
  isOwn: (nonce: string, processId64: string | undefined) => boolean
) {
  const found = yield* Truth.snapshot(tree)
  for (const { directory, sentinel } of Truth.recordsIn(found, Kernels.trees[tree])) {
    if (sentinel?._tag !== "V3") continue
    const { nonce, processId64 } = sentinel.record
    const identity = Truth.identityOf(tree, found[directory])
    if (model.written.has(nonce) || identity === undefined || !isOwn(nonce, processId64)) continue
    model.written.set(nonce, { owner, holdsLock, boot: owner.place.kernel.boots, superblock, identity })
  }
})

/** Registers a new owner, and asserts that it's the directory's only living owner in its role. */
const hear = Effect.fnUntraced(function* (model: Model, { file, owner, role }: Told, way: Way) {
  const { tree } = way.mount
  const nonce = nonceOf(file)
  const holdsLock = model.holds.some((hold) => hold.owner === owner && hold.nonce === nonce)
  yield* register(model, { owner, holdsLock }, way, (other) => other === nonce)
  // A sweep may have moved the directory meanwhile, so the inode of the record finds it.
  const found = yield* Truth.snapshot(tree)
  const isFile = (path: string) => path.endsWith(`/${file.entry}`) && found[path]?.ino === file.id.ino
  const path = Object.keys(found).find(isFile)
  if (path === undefined) return assert.fail(`what ${owner.id} was told to own in ${way.directory} is gone`)
  const inside = Truth.parentOf(path)
  const mark = Object.keys(found).find((other) => other.startsWith(`${inside}/mark.`))
  if (mark === undefined) return
  const key = mark.slice(inside.length + 1)
  const before = model.owned.get(key) ?? []
  for (const other of before) {
    const isRival = other.role === role && other.owner.id !== owner.id
    if (isRival && (yield* Truth.isAlive(other.owner))) assert.fail(`${other.owner.id} and ${owner.id} own ${path}`)
  }
  model.owned.set(key, [...before, { owner, role }])
})

const anyWay = Effect.fnUntraced(function* ({ pins }: Model, { place: { kernel } }: Truth.Owner) {
  const [local] = kernel.mounts
  if (pins.length > 0 && local?.oneKernel === true && (yield* chance(25))) {
    return { mount: local, directory: yield* Random.choice(pins) }
  }
  const mount = yield* Random.choice(kernel.mounts)
  const top = `${mount.path}/${yield* Random.choice(names)}`
  return { mount, directory: (yield* chance(20)) ? `${top}/inner` : top }
})

/** Bind-mounts a directory. Like a working directory, the mount still leads to a directory that was moved. */
const pin = Effect.fnUntraced(function* (model: Model) {
  const { mount, unmount } = yield* MemoryDisk
  const directories = Object.keys(yield* Truth.snapshot("local")).filter((path) =>
    /^\/srv\/vms\/\w(\/inner)?$/.test(path)
  )
  const source = yield* Random.choice(directories)
  const path = `/pins/${(model.pinned += 1)}`
  yield* Simulation.seed({ [path]: { type: "directory" } })
  yield* mount(path, { source })
  model.pins.push(path)
  if (model.pins.length > 3) yield* unmount(model.pins.shift() ?? path)
})

/** Makes the directory if it is missing and owns it, like an orchestrator that starts a VM. */
const own = Effect.fnUntraced(function* (model: Model, isKilled = false) {
  const owner = yield* anyOwner(model)
  model.busy.add(owner)
  if (isKilled) yield* owner.actor.memory.killAt(yield* Random.nextIntBetween(1, 14))
  const way: Way = {
    ...(yield* anyWay(model, owner)),
    role: yield* Random.choice(["owner", "owner", "helper"])
  }
  const mark = newMark(model)
  const furnish = Effect.gen(function* () {
    const disk = yield* Disk
    const { directory } = way
    for (const missing of [
      disk.makeDirectory(`${directory}/rootfs`),
      disk.create(`${directory}/rootfs/disk`, () => Effect.succeed(new Uint8Array(9000))),
      disk.makeDirectory(`${directory}/${mark}`)
    ]) {
      yield* Effect.ignore(missing)
    }
  })
  const prepared = Effect.andThen(
    Disk.use((disk) => Effect.ignore(disk.makeDirectory(way.directory))),
    furnish
  )
  const kind = yield* Random.choice(["record", "record", "record", "hold", "hold", "start", "start", "create"] as const)
  const programs = {
    record: Effect.andThen(prepared, record(model, owner, way)),
    hold: Effect.map(Effect.andThen(prepared, inScope(model, owner, Ownership.hold, way)), ({ told }) => [told]),
    start: Effect.andThen(prepared, start(model, owner, way)),
    create: Effect.map(Effect.tap(inScope(model, owner, Ownership.create, way), furnish), ({ told }) => [told])
  }
  const claims = yield* Effect.option(owner.actor.run(patiently(untilKilled(programs[kind]))))
  model.busy.delete(owner)
  if (isKilled) {
    const isOwn = (_: string, processId64: string | undefined) => processId64 === owner.processId64
    yield* register(model, { owner, holdsLock: false }, way, isOwn)
    yield* end(model, "exit", owner)
  }
  if (claims._tag === "None" || claims.value._tag === "None") return
  for (const told of claims.value.value) yield* hear(model, told, way)
})

/** Makes an owner free a lock. The owner lives on. */
const release = Effect.fnUntraced(function* (model: Model) {
  const hold = yield* Random.choice(model.holds)
  model.holds.splice(model.holds.indexOf(hold), 1)
  const written = hold.nonce === undefined ? undefined : model.written.get(hold.nonce)
  if (written !== undefined) written.holdsLock = false
  yield* hold.owner.actor.run(patiently(untilKilled(Scope.close(hold.scope, Exit.void))))
})

/** Makes a command close the lock that it inherited. The owner that started it may exit. */
const closeInherited = Effect.fnUntraced(function* (model: Model) {
  const [child, parent] = yield* Random.choice([...model.parents])
  yield* child.actor.memory.closeInherited
  if (model.owners.includes(parent) && (yield* chance(50))) yield* end(model, "exit", parent)
})

const recycle = Effect.fnUntraced(function* (model: Model) {
  const owner = yield* anyOwner(model)
  yield* end(model, "exit", owner)
  yield* seconds
  const exe = yield* Random.choice(executables)
  yield* control(owner, (table) => table.spawnAt(owner.actor.pid, { exe }))
})

/**
 * Starts a thread of an owner. Thread ids come from the same numbers as PIDs, so the id may be the PID of an owner that
 * died.
 */
const thread = (model: Model) =>
  Effect.flatMap(anyOwner(model), (owner) => control(owner, (table) => table.addThread(owner.actor.pid)))

const exec = Effect.fnUntraced(function* (model: Model) {
  const owner = yield* anyOwner(model)
  const exe = yield* Random.choice(executables)
  yield* control(owner, (table) => table.exec(owner.actor.pid, exe))
})

const reboot = Effect.fnUntraced(function* (model: Model) {
  const kernel = yield* Random.choice(model.kernels.filter(({ mayReboot }) => mayReboot))
  yield* forget(model, ({ place }) => place.kernel === kernel)
  yield* Kernels.tableOf(kernel).reboot()
  kernel.boots += 1
  kernel.isHiding = false
  yield* Kernels.start(kernel)
})

const restart = Effect.fnUntraced(function* (model: Model) {
  const containers = model.kernels.flatMap(({ places }) => places.filter(({ isHost }) => !isHost))
  const container = yield* Random.choice(containers)
  yield* forget(model, ({ place }) => place === container)
  yield* Kernels.restart(container)
})

const hide = Effect.fnUntraced(function* (model: Model) {
  const owner = yield* anyOwner(model)
  owner.place.kernel.isHiding = true
  yield* control(owner, (table) => table.hide(owner.actor.pid))
})

const showAll = Effect.fnUntraced(function* ({ kernels }: Model) {
  for (const kernel of kernels) {
    for (const place of kernel.places) {
      const { allow, pids } = yield* Kernels.at(place)(FakeProcessTable)
      yield* Effect.forEach(yield* pids, (pid) => Effect.ignore(allow(pid)))
    }
    kernel.isHiding = false
  }
})

/** Gives the marks of a copy new names, since nobody owns the copy. */
const remark = Effect.fnUntraced(function* (model: Model, tree: Kernels.Tree, directory: string) {
  const { move } = yield* MemoryDisk
  const marks = Object.keys(yield* Truth.snapshot(tree)).filter(
    (path) => path.startsWith(`${directory}/`) && /\/mark\.\d+$/.test(path)
  )
  for (const path of marks) yield* move(path, `${Truth.parentOf(path)}/${newMark(model)}`)
})

const anyDirectory = Effect.fnUntraced(function* (model: Model) {
  const tree = yield* anyTree(model)
  const found = yield* Truth.snapshot(tree)
  const name = yield* Random.choice(names.filter((name) => found[`${Kernels.trees[tree]}/${name}`] !== undefined))
  return { tree, found, directory: `${Kernels.trees[tree]}/${name}` }
})

const copy = Effect.fnUntraced(function* (model: Model) {
  const { directory, found, tree } = yield* anyDirectory(model)
  const to = `${Kernels.trees[tree]}/${yield* Random.choice(names)}`
  if (found[to] !== undefined) return
  yield* MemoryDisk.use((memory) => memory.copy(directory, to))
  yield* remark(model, tree, to)
})

/** Living owners to which `Ownership` gave the directory or one below it. */
const livingIn = Effect.fnUntraced(function* ({ owned }: Model, found: Truth.Snapshot, directory: string) {
  const marks = Object.keys(found).filter((path) => path.startsWith(`${directory}/`))
  const claims = marks.flatMap((path) => owned.get(path.slice(path.lastIndexOf("/") + 1)) ?? [])
  return yield* Effect.filter(claims, ({ owner }) => Truth.isAlive(owner))
})

/** Removes a directory without a living owner, or replaces it with a backup of itself, like an operator. */
const operate = Effect.fnUntraced(function* (model: Model, isRestored: boolean) {
  const { directory, found, tree } = yield* anyDirectory(model)
  if ((yield* livingIn(model, found, directory)).length > 0) return
  const { copy, move, remove } = yield* MemoryDisk
  const backup = `${directory}.backup`
  if (isRestored) yield* copy(directory, backup)
  yield* remove(directory)
  if (!isRestored) return
  yield* move(backup, directory)
  yield* remark(model, tree, directory)
})

/** Starts a process that sweeps and ends. */
const sweep = Effect.fnUntraced(function* (
  { mount, place }: Truth.Stand,
  prepare: (sweeper: Simulation.Actor) => Act = () => Effect.void
) {
  const sweeper = yield* Kernels.at(place)(Simulation.actor())
  yield* prepare(sweeper)
  const concurrency = yield* Random.nextIntBetween(1, 4)
  const report = yield* sweeper.run(patiently(untilKilled(Cleanup.sweep(mount.path, { concurrency }))))
  yield* sweeper.kill
  return report
})

const anySweep = (model: Model, prepare: (sweeper: Simulation.Actor) => Act) =>
  Effect.flatMap(anyStand(model), (stand) => sweep(stand, prepare))

const hesitantly = ({ memory }: Simulation.Actor) =>
  memory.pause(Effect.flatMap(Random.nextIntBetween(1, 4), Races.giveWay))

const killed = (actor: Simulation.Actor) =>
  Effect.gen(function* () {
    yield* hesitantly(actor)
    yield* actor.memory.killAt(yield* Random.nextIntBetween(1, 40), (yield* chance(50)) ? "before" : "after")
  })

const together = (...acts: ReadonlyArray<Act>): Act => Effect.all(acts, { concurrency: "unbounded" })

/** Runs two owners and two sweeps at once, of which one may be killed. Their calls interleave at random. */
const crowd = Effect.fnUntraced(function* (model: Model) {
  for (const { actor } of model.owners) yield* hesitantly(actor)
  const others = [
    own(model),
    own(model),
    anySweep(model, hesitantly),
    anySweep(model, (yield* chance(50)) ? killed : hesitantly)
  ]
  yield* together(...(yield* Random.shuffle(others)).map((act) => Effect.ignore(act)))
  for (const { actor } of model.owners) yield* actor.memory.pause(Effect.void)
})

/** Asserts that a sweep that runs alone removes every directory that it can prove dead. */
const calmSweep = Effect.fnUntraced(function* (model: Model, stand: Truth.Stand) {
  let expected: Array<string> = []
  // The list is computed once the sweep's process exists, because a v1 record may name that process's PID.
  const report = yield* sweep(stand, () =>
    Effect.map(Truth.provable(model.written, names, stand), (names) => (expected = names))
  )
  assert.isTrue(report._tag === "Some")
  const outcomes = report._tag === "Some" ? report.value.outcomes : []
  for (const name of expected) {
    const outcome = outcomes.findLast((outcome) => outcome.name === name)
    assert.strictEqual(outcome?.action, "removed", `${stand.mount.path}/${name}: ${JSON.stringify(outcome)}`)
  }
  model.removed += expected.length
  for (const { action, error, reason } of outcomes) {
    if (reason === "name-taken") model.nameTaken = true
    else assert.notStrictEqual(action, "failed", error?.message)
  }
})

/** Asserts that the disk of every living owner is still there, and so is the directory around it. */
export const check = Effect.fnUntraced(function* (model: Model) {
  const found = { ...(yield* Truth.snapshot("local")), ...(yield* Truth.snapshot("shared")) }
  for (const [mark, claims] of model.owned) {
    for (const { owner } of claims) {
      if (!(yield* Truth.isAlive(owner))) continue
      const path = Object.keys(found).find((path) => path.endsWith(`/${mark}`)) ?? "none"
      const disk = found[`${Truth.parentOf(path)}/rootfs/disk`]
      assert.strictEqual(disk?.type, "file", `${owner.id} lives and has lost its own`)
    }
  }
})

const acts: Readonly<Record<string, readonly [weight: number, act: (model: Model) => Act]>> = {
  spawn: [10, spawn],
  own: [10, own],
  killedOwn: [3, (model) => own(model, true)],
  release: [3, release],
  closeInherited: [4, closeInherited],
  pin: [3, pin],
  exit: [3, (model) => Effect.flatMap(anyOwner(model), (owner) => end(model, "exit", owner))],
  zombie: [1, (model) => Effect.flatMap(anyOwner(model), (owner) => end(model, "zombie", owner))],
  recycle: [3, recycle],
  thread: [1, thread],
  exec: [1, exec],
  hide: [1, hide],
  showAll: [1, showAll],
  reboot: [1, reboot],
  restart: [3, restart],
  copy: [2, copy],
  restore: [1, (model) => operate(model, true)],
  remove: [2, (model) => operate(model, false)],
  wait: [1, () => TestClock.adjust("2 minutes")],
  sweep: [5, (model) => Effect.flatMap(anyStand(model), (stand) => calmSweep(model, stand))],
  killedSweep: [3, (model) => anySweep(model, killed)],
  crowd: [6, crowd]
}

const deck = Object.entries(acts).flatMap(([name, [weight]]) => Array.from({ length: weight }, () => name))

/** Makes one random act. An act without a subject, such as an owner, does nothing. */
export const step = Effect.fnUntraced(function* (model: Model) {
  const name = yield* Random.choice(deck)
  const [, act = () => Effect.void] = acts[name] ?? []
  yield* Effect.ignore(act(model))
  return name
})

/**
 * Asserts that the root of a single host holds only the VM names after the final sweeps. Two kinds of entries may stay:
 * one with a living owner below, which took a directory inside one that was being removed, and one with a v1 or v2
 * record, which doesn't name its writer.
 */
const checkLitter = Effect.fnUntraced(function* (model: Model) {
  const found = yield* Truth.snapshot("local")
  for (const name of yield* Simulation.names(Kernels.trees.local)) {
    if (names.includes(name)) continue
    const path = `${Kernels.trees.local}/${name}`
    const isUntold = Truth.recordsIn(found, path).some(({ sentinel }) => sentinel?._tag !== "V3")
    const isLivedIn = (yield* livingIn(model, found, path)).length > 0
    if (!isUntold && !isLivedIn) assert.fail(`${path} is left: ${Object.keys(found).join(" ")}`)
  }
})

/** Sweeps everything at the end. A directory that is left must have a living owner, or not be provably dead. */
export const finish = Effect.fnUntraced(function* (model: Model) {
  yield* showAll(model)
  for (const owner of model.owners.slice()) if (yield* chance(50)) yield* end(model, "exit", owner)
  for (let sweeps = 0; sweeps < 3; sweeps += 1) {
    yield* TestClock.adjust("2 minutes")
    for (const kernel of model.kernels) {
      const place = kernel.places.find(({ isHost }) => isHost) ?? assert.fail("there is no host")
      for (const mount of kernel.mounts) yield* calmSweep(model, { place, mount })
    }
    yield* check(model)
  }
  if (model.setting === "plain" && !model.nameTaken) yield* checkLitter(model)
})
