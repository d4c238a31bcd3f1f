import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Logger, type Scope, Stream } from "effect"
import * as Cleanup from "../src/Cleanup.ts"
import type { Judgement } from "../src/Condemned.ts"
import type { DirectoryState } from "../src/DirectoryState.ts"
import { Disk } from "../src/Disk.ts"
import * as Layout from "../src/Layout.ts"
import type { GroupOptions, Reclaimer, Removal } from "../src/Reclaimer.ts"
import { layer as storeLayer, SentinelStore } from "../src/SentinelStore.ts"
import { type Call, layerWith, MemoryDisk } from "../src/testing/MemoryDisk.ts"
import * as Simulation from "../src/testing/Simulation.ts"
import { fresh, judge, textOf } from "./support/condemning.ts"
import { world } from "./support/MemoryWorld.ts"
import * as Races from "./support/Races.ts"
import { anonymous, reapingIn } from "./support/reaping.ts"
import { deadNames, populated, root, sweptTwice } from "./support/deadGroup.ts"

const { dead, empty } = reapingIn(world)

const names = ["a", "vm", "z"] as const

type Services = Disk | MemoryDisk | SentinelStore | Scope.Scope

const groupTest = (title: string, test: () => Effect.Effect<void, unknown, Services>): void => {
  const layer = Layer.provideMerge(storeLayer, layerWith({}))
  it.effect(title, () => Effect.provide(test(), Layer.merge(layer, Logger.layer([]))))
}

const lookAt = (path: string) => SentinelStore.use(({ look }) => look(path, Layout.standard))

const judgeAt = (path: string): Effect.Effect<Judgement, unknown, SentinelStore> =>
  Effect.map(lookAt(path), (state) => judge(state))

/** A root with three dead directories, their judgements, and the sweep that removes them in a group. */
const group = Effect.gen(function* () {
  const made = yield* empty
  const { directory, sweep } = made
  for (const name of names) yield* dead(`${directory}/${name}`)
  const judgements = yield* Effect.forEach(names, (name) => judgeAt(`${directory}/${name}`))
  const before = yield* world.tree(directory)
  const removeBy =
    (judge: GroupOptions["judge"], judged: ReadonlyArray<Judgement> = judgements) =>
    (reclaimer: Reclaimer) =>
      reclaimer.removeMany(judged, { judge, interruptible: Effect.interruptible })
  const remove = (judge: GroupOptions["judge"] = again, judged?: ReadonlyArray<Judgement>) =>
    sweep(removeBy(judge, judged))
  return { ...made, judgements, before, remove, removeBy, vm: `${directory}/vm` }
})

const again = (state: DirectoryState) => Effect.succeed(judge(state))

const isVm = ({ path }: Pick<DirectoryState, "path">) => path.endsWith("/vm")

const aliveIn = (state: DirectoryState) => Effect.succeed(judge(state, undefined, isVm(state)))

const tags = (answers: ReadonlyArray<Removal | undefined>) => answers.map((answer) => answer?._tag)

/** Tag of the error of `vm`. */
const errorOf = (answers: ReadonlyArray<Removal | undefined>) => {
  const answer = answers[names.indexOf("vm")]
  return answer?._tag === "Failed" ? answer.error : undefined
}

const beforeCall = (
  matches: (call: Call) => boolean,
  effect: Effect.Effect<unknown, unknown, MemoryDisk | Scope.Scope>
) =>
  Effect.gen(function* () {
    const memory = yield* MemoryDisk
    const context = Context.add(yield* Effect.context<Scope.Scope>(), MemoryDisk, memory)
    yield* memory.before(matches, Effect.orDie(Effect.provideContext(effect, context)))
  })

const isOfClaimed = (call: Call) => call.operation !== "rename" && call.path.endsWith("/claimed/vm")
const isOfDead = ({ path }: Pick<Call, "path">) => /\/dead\/[^/]*=vm(\/|$)/.test(path)

/** Path of `vm`, wherever a sweep has put it. */
const pathOfVm = (directory: string) =>
  Effect.map(world.tree(directory), (tree) => {
    const found = Object.keys(tree).find((path) => /(^|[/=])vm$/.test(path))
    return `${directory}/${found ?? "none"}`
  })

const onlyVm = (tree: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(tree).filter(([path]) => /^vm(\/|$)/.test(path)))

describe("Reclaimer.lookMany", () => {
  groupTest("says what a look at each directory says, or leaves it out", () =>
    Effect.gen(function* () {
      const { directory, reclaimer, root, store } = yield* group
      yield* world.file(`${directory}/z/.bbox-sentinel`, "17\n/usr/bin/bbox")
      yield* world.directory(`${directory}/a/sub`)
      const { lookMany } = yield* reclaimer
      const entries = [...names, "missing"].map((entry) => ({
        kind: "directory" as const,
        entry,
        path: `${directory}/${entry}`
      }))
      const [first, ...others] = entries
      if (first === undefined) return
      const states = yield* lookMany([first, ...others])
      for (const [index, name] of names.entries())
        assert.deepStrictEqual(states[index], yield* store.inspect(`${directory}/${name}`, Layout.standard), name)
      assert.isUndefined(states[names.length])
      assert.strictEqual(states[0]?.subdirectories, "some")
      yield* world.directory(`${directory}/other/mnt`)
      yield* MemoryDisk.use(({ mount }) => mount(`${directory}/other/mnt`))
      assert.deepStrictEqual(
        yield* lookMany([first, ...others]),
        entries.map(() => undefined)
      )
      assert.strictEqual(root.path, directory)
    })
  )
})

describe("Reclaimer.removeMany", () => {
  groupTest("removes plain dead directories, and tells the second judgement of each", () =>
    Effect.gen(function* () {
      const { directory, remove } = yield* group
      const seen: Array<string> = []
      const answers = yield* remove((state) => {
        seen.push(...Object.keys(anonymous({ [state.path.slice(directory.length + 1)]: "" })))
        return Effect.succeed(judge(state))
      })
      assert.deepStrictEqual(tags(answers), ["Removed", "Removed", "Removed"])
      assert.deepStrictEqual(
        seen,
        names.map((name) => `WS/claimed/${name}`)
      )
      for (const answer of answers) {
        assert.isTrue(answer?._tag === "Removed" && answer.judgement.reason === "pid-dead")
        assert.isTrue(answer?._tag === "Removed" && answer.judgement.state.path.includes("/claimed/"))
      }
      assert.deepStrictEqual(yield* world.tree(directory), {})
    })
  )

  for (const [why, change, judge, tag] of [
    ["the second judgement keeps", () => Effect.void, aliveIn, "Kept"],
    ["has changed before its lock", (vm: string) => world.file(`${vm}/.vm-sentinel.new`, "4242\n"), again, undefined]
  ] as const) {
    groupTest(`holds no lock of a directory that ${why} while the others are deleted`, () =>
      Effect.gen(function* () {
        const { judgements, remove, vm } = yield* group
        const disk = yield* Disk
        yield* change(vm)
        const seen: Array<string> = []
        const look = Effect.map(disk.probeLock(vm), (state) => seen.push(state))
        yield* beforeCall(({ operation, path }) => operation !== "rename" && /\/dead\/[^/]*=z$/.test(path), look)
        assert.deepStrictEqual(tags(yield* remove(judge, judgements)), ["Removed", tag, "Removed"])
        assert.deepStrictEqual([seen[0], new Set(seen).size], ["free", 1])
      })
    )
  }

  groupTest("answers each judgement in its place, and none that doesn't condemn", () =>
    Effect.gen(function* () {
      const { before, directory, judgements, remove, vm } = yield* group
      const state = yield* lookAt(vm)
      const answers = yield* remove(
        again,
        judgements.map((judgement, index) => (index === 1 ? judge(state, undefined, true) : judgement))
      )
      assert.deepStrictEqual(tags(answers), ["Removed", undefined, "Removed"])
      assert.deepStrictEqual(yield* world.tree(directory), onlyVm(before))
      assert.deepStrictEqual(yield* remove(again, []), [])
    })
  )

  for (const mode of ["shared", "exclusive"] as const) {
    for (const moment of ["before the group", "right before the lock of the directory"] as const) {
      groupTest(`a directory whose lock an owner takes ${moment}, ${mode}, isn't touched`, () =>
        Effect.gen(function* () {
          const { directory, remove, vm } = yield* group
          const other = yield* MemoryDisk.use(({ fork }) => fork)
          const lock = Disk.use((disk) => disk.lock(vm, { mode, test: false }))
          const locked = Effect.provideContext(lock, Context.merge(other, yield* Effect.context<Scope.Scope>()))
          if (moment === "before the group") yield* locked
          else yield* beforeCall(({ operation, path }) => operation === "flock" && path === vm, locked)
          const before = yield* world.tree(directory)
          assert.deepStrictEqual(tags(yield* remove()), ["Removed", undefined, "Removed"])
          assert.deepStrictEqual(yield* world.tree(directory), onlyVm(before))
        })
      )
    }
  }

  interface Moment {
    readonly when: string
    /** Call before which the record comes. `undefined`: it comes before the group. */
    readonly matches: ((call: Call, vm: string) => boolean) | undefined
    readonly answer: Removal["_tag"] | undefined
  }
  const moments: ReadonlyArray<Moment> = [
    { when: "between the judgement and the lock", matches: undefined, answer: undefined },
    {
      when: "between the look under the lock and the claim",
      matches: ({ operation, path }, vm) => operation === "rename" && path === vm,
      answer: "Failed"
    },
    { when: "between the claim and the second look", matches: isOfClaimed, answer: "Failed" },
    {
      when: "between the second judgement and the mark",
      matches: ({ operation, to = "" }) => operation === "rename" && isOfDead({ path: to }),
      answer: "Unfinished"
    },
    {
      when: "between the mark and the deletion",
      matches: (call) => call.operation !== "rename" && isOfDead(call),
      answer: "Unfinished"
    },
    {
      when: "right before the first unlink",
      matches: (call) => call.operation === "unlink" && isOfDead(call),
      answer: "Unfinished"
    },
    {
      when: "right before the last rmdir",
      matches: (call) => call.operation === "rmdir" && isOfDead(call),
      answer: "Unfinished"
    }
  ]
  for (const { answer, matches, when } of moments) {
    for (const entry of [".vm-sentinel", ".vm-sentinel.late", ".bbox-sentinel"]) {
      groupTest(
        `scenario 108: ${entry} that an owner without locks publishes ${when} stays, and the answer is ${answer ?? "none"}`,
        () =>
          Effect.gen(function* () {
            const { directory, remove, vm } = yield* group
            const late = `${textOf(fresh())} `
            const come = Effect.flatMap(pathOfVm(directory), (path) => world.file(`${path}/${entry}`, late))
            if (matches === undefined) yield* come
            else yield* beforeCall((call) => matches(call, vm), come)
            const answers = yield* remove()
            assert.deepStrictEqual(tags(answers), ["Removed", answer, "Removed"])
            const path = yield* pathOfVm(directory)
            assert.strictEqual((yield* world.tree(path))[entry], late)
            if (answer === "Unfinished") {
              const left = answers[1]
              if (left?._tag !== "Unfinished") return assert.fail("the deletion is finished")
              assert.strictEqual(left.judgement.reason, "pid-dead")
              assert.deepStrictEqual(yield* left.rest, { stayed: ["."] })
              assert.strictEqual((yield* world.tree(path))[entry], late)
            } else {
              assert.strictEqual(path, vm)
              assert.strictEqual((yield* world.tree(vm))["disk"], "data")
              if (answer === "Failed") assert.deepInclude(errorOf(answers), { _tag: "Changed", path: vm })
            }
          })
      )
    }
  }

  groupTest("a directory that the second judgement doesn't condemn goes back, with its bytes", () =>
    Effect.gen(function* () {
      const { before, directory, remove } = yield* group
      const answers = yield* remove(aliveIn)
      assert.deepStrictEqual(tags(answers), ["Removed", "Kept", "Removed"])
      assert.isTrue(answers[1]?._tag === "Kept" && answers[1].judgement.condemned === undefined)
      assert.deepStrictEqual(yield* world.tree(directory), onlyVm(before))
    })
  )

  groupTest("each lock is free after the group", () =>
    Effect.gen(function* () {
      const { descriptors } = yield* MemoryDisk
      const { directory, remove, removeBy, reclaimer, vm } = yield* group
      yield* remove(aliveIn)
      const opened = yield* reclaimer
      const own = yield* judgeAt(vm)
      yield* dead(`${directory}/more`)
      const more = yield* judgeAt(`${directory}/more`)
      // The first group makes the workspace, whose lock the sweep keeps.
      yield* removeBy(again, [more])(opened)
      const before = yield* descriptors
      assert.deepStrictEqual(tags(yield* removeBy(aliveIn, [own])(opened)), ["Kept"])
      assert.strictEqual(yield* descriptors, before)
      assert.strictEqual(yield* SentinelStore.use(({ probeLock }) => probeLock(vm)), "free")
    })
  )

  for (const [when, matches] of [
    ["the second look finds a change", isOfClaimed],
    ["the second judgement finds an owner", undefined],
    ["the mark fails", ({ to = "" }: Call) => isOfDead({ path: to })]
  ] as const) {
    groupTest(`a directory that is to go back where its name was given away stays, whole: ${when}`, () =>
      Effect.gen(function* () {
        const { directory, remove, vm } = yield* group
        const memory = yield* MemoryDisk
        let path = ""
        const give = Effect.gen(function* () {
          path = yield* pathOfVm(directory)
          yield* world.file(`${vm}/disk`, "new")
          if (matches === isOfClaimed) yield* world.file(`${path}/.vm-sentinel`, textOf(fresh()))
          if (when === "the mark fails") yield* memory.failNext("rename", "EIO")
        })
        if (matches !== undefined) yield* beforeCall(matches, give)
        const answers = yield* remove((state) =>
          matches === undefined && isVm(state)
            ? Effect.as(
                Effect.orDie(Effect.provideService(Effect.scoped(give), MemoryDisk, memory)),
                judge(state, undefined, true)
              )
            : Effect.succeed(judge(state))
        )
        assert.deepStrictEqual(tags(answers), ["Removed", "Failed", "Removed"])
        assert.deepInclude(errorOf(answers), { _tag: "NameTaken", path: vm, kept: path })
        const tree = yield* world.tree(directory)
        assert.deepInclude(tree, { "vm/disk": "new", [`${path.slice(directory.length + 1)}/disk`]: "data" })
      })
    )
  }

  groupTest("a directory that can't go back is told as a failure", () =>
    Effect.gen(function* () {
      const { directory, remove } = yield* group
      const memory = yield* MemoryDisk
      const answers = yield* remove((state) =>
        isVm(state)
          ? Effect.as(memory.failNext("rename", "EIO"), judge(state, undefined, true))
          : Effect.succeed(judge(state))
      )
      assert.deepStrictEqual(tags(answers), ["Removed", "Failed", "Removed"])
      assert.strictEqual(errorOf(answers)?._tag, "StoreFailure")
      assert.deepInclude(anonymous(yield* world.tree(directory)), { "WS/claimed/vm/disk": "data" })
    })
  )

  groupTest("a directory whose mark fails lies in the root as before", () =>
    Effect.gen(function* () {
      const { before, directory, remove } = yield* group
      const memory = yield* MemoryDisk
      yield* beforeCall(({ to = "" }) => isOfDead({ path: to }), memory.failNext("rename", "EIO"))
      assert.deepStrictEqual(tags(yield* remove()), ["Removed", undefined, "Removed"])
      assert.deepStrictEqual(yield* world.tree(directory), onlyVm(before))
    })
  )

  for (const operation of ["lstat", "readdir", "read"] as const) {
    groupTest(`a claimed directory that can't be looked at again (${operation}) isn't told as changed`, () =>
      Effect.gen(function* () {
        const { before, directory, remove } = yield* group
        const memory = yield* MemoryDisk
        const isFailing = (call: Call) => call.operation === operation && /\/claimed\/vm/.test(call.path)
        yield* beforeCall(isFailing, memory.failNext(operation, "EIO"))
        const answers = yield* remove()
        assert.notStrictEqual(errorOf(answers)?._tag, "Changed")
        assert.deepStrictEqual(yield* world.tree(directory), onlyVm(before))
      })
    )
  }

  for (const [when, isAtMark] of [
    ["right before the mark", true],
    ["during the second judgement", false]
  ] as const) {
    groupTest(`no other directory that is put where the claim lies is deleted: ${when}`, () =>
      Effect.gen(function* () {
        const { directory, remove } = yield* group
        const memory = yield* MemoryDisk
        const swap = Effect.gen(function* () {
          const path = yield* pathOfVm(directory)
          yield* world.move(path, `${directory}/moved`)
          yield* world.file(`${path}/disk`, "new")
        })
        if (isAtMark) yield* beforeCall(({ to = "" }) => isOfDead({ path: to }), swap)
        const swapping = Effect.orDie(Effect.provideService(Effect.scoped(swap), MemoryDisk, memory))
        yield* memory.clearCalls
        const answers = yield* remove((state) =>
          Effect.as(!isAtMark && isVm(state) ? swapping : Effect.void, judge(state))
        )
        assert.deepStrictEqual(tags(answers), ["Removed", "Failed", "Removed"])
        const isMark = ({ operation, to = "" }: Call) => operation === "rename" && isOfDead({ path: to })
        assert.strictEqual((yield* memory.calls).some(isMark), isAtMark)
        assert.strictEqual(errorOf(answers)?._tag, "Changed")
        // The directory that took the place lies in `claimed`, where a sweep judges it. It isn't marked.
        const tree = anonymous(yield* world.tree(directory))
        assert.deepInclude(tree, { "WS/claimed/vm/disk": "new", "moved/disk": "data" })
      })
    )
  }

  groupTest("a group isn't touched when something is mounted below the root", () =>
    Effect.gen(function* () {
      const { before, directory, judgements, remove } = yield* group
      yield* world.directory(`${directory}/other/mnt`)
      yield* MemoryDisk.use(({ mount }) => mount(`${directory}/other/mnt`))
      const nothing = judgements.map(() => undefined)
      assert.deepStrictEqual(yield* remove(), nothing)
      assert.deepInclude(yield* world.tree(directory), before)
      yield* MemoryDisk.use(({ unmount }) => unmount(`${directory}/other/mnt`))
      assert.deepStrictEqual(tags(yield* remove()), ["Removed", "Removed", "Removed"])
    })
  )

  groupTest("a claimed directory on which something is mounted isn't deleted", () =>
    Effect.gen(function* () {
      const { directory, remove } = yield* group
      let claimed = ""
      yield* beforeCall(
        (call) => {
          const isIt = call.operation === "mountinfo" && call.path.endsWith("/claimed/vm")
          if (isIt) claimed = call.path
          return isIt
        },
        Effect.suspend(() => MemoryDisk.use(({ mount }) => mount(claimed)))
      )
      const answers = yield* remove()
      assert.deepStrictEqual(tags(answers), ["Removed", "Failed", "Removed"])
      assert.strictEqual(errorOf(answers)?._tag, "MountInside")
      yield* MemoryDisk.use(({ unmount }) => unmount(claimed))
      assert.strictEqual((yield* world.tree(yield* pathOfVm(directory)))["disk"], "data")
    })
  )

  groupTest("a group isn't touched when the mount table can't be read", () =>
    Effect.gen(function* () {
      const { before, directory, remove, removeBy, reclaimer } = yield* group
      const memory = yield* MemoryDisk
      const opened = yield* reclaimer
      yield* dead(`${directory}/more`)
      const more = yield* judgeAt(`${directory}/more`)
      yield* removeBy(again, [more])(opened)
      yield* memory.failNext("mountinfo", "EIO")
      assert.deepStrictEqual(tags(yield* removeBy(again)(opened)), [undefined, undefined, undefined])
      assert.deepInclude(yield* world.tree(directory), before)
      assert.deepStrictEqual(tags(yield* remove()), ["Removed", "Removed", "Removed"])
    })
  )

  for (const when of ["before the judgement", "after the judgement"] as const) {
    groupTest(`a directory that gets a subdirectory ${when} isn't touched`, () =>
      Effect.gen(function* () {
        const { directory, judgements, remove, vm } = yield* group
        yield* world.file(`${vm}/sub/disk`, "inner")
        const before = yield* world.tree(directory)
        const own = when === "before the judgement" ? yield* judgeAt(vm) : judgements[1]
        const answers = yield* remove(again, own === undefined ? [] : [own])
        assert.deepStrictEqual(answers, [undefined])
        assert.deepStrictEqual(yield* world.tree(directory), before)
      })
    )
  }

  groupTest("a hidden directory, one outside the root, and one that no judgement has condemned aren't touched", () =>
    Effect.gen(function* () {
      const { before, directory, judgements, remove, vm } = yield* group
      const outside = yield* world.scratch
      for (const path of [`${directory}/.hidden`, `${outside}/vm`, `${vm}-/deep`]) yield* dead(path)
      const state = yield* lookAt(vm)
      const [, own] = judgements
      const forged: Judgement = {
        ...judge(state),
        condemned: Object.create(Object.getPrototypeOf(own?.condemned), { path: { value: vm } })
      }
      const others = [
        yield* judgeAt(`${directory}/.hidden`),
        yield* judgeAt(`${outside}/vm`),
        yield* judgeAt(`${vm}-/deep`),
        forged
      ]
      assert.deepStrictEqual(
        yield* remove(again, others),
        others.map(() => undefined)
      )
      assert.deepInclude(yield* world.tree(directory), { ...before, ".hidden/disk": "data", "vm-/deep/disk": "data" })
      assert.deepInclude(yield* world.tree(outside), { "vm/disk": "data" })
    })
  )

  groupTest("discards nothing by the judgement of another directory, or of another time", () =>
    Effect.gen(function* () {
      const { before, directory, remove, vm } = yield* group
      yield* dead(`${directory}/other`)
      const ofOther = yield* judgeAt(`${directory}/other`)
      const earlier = yield* judgeAt(vm)
      yield* world.file(`${vm}/.vm-sentinel`, textOf(fresh()))
      const now = yield* world.tree(vm)
      const own = yield* judgeAt(vm)
      for (const wrong of [ofOther, earlier]) {
        const answers = yield* remove(() => Effect.succeed(wrong), [own])
        assert.deepStrictEqual(tags(answers), ["Failed"])
        assert.isTrue(answers[0]?._tag === "Failed" && answers[0].error._tag === "Changed")
        assert.deepStrictEqual(yield* world.tree(vm), now)
      }
      assert.deepInclude(yield* world.tree(directory), { "a/disk": before["a/disk"], "other/disk": "data" })
    })
  )

  groupTest("removes directories with names of 255 bytes, and of odd characters", () =>
    Effect.gen(function* () {
      const { directory, remove } = yield* group
      const odd = ["x".repeat(255), "a=b", "\udcff", "é 🦀"]
      for (const name of odd) yield* dead(`${directory}/${name}`)
      const judged = yield* Effect.forEach(odd, (name) => judgeAt(`${directory}/${name}`))
      assert.deepStrictEqual(
        tags(yield* remove(again, judged)),
        odd.map(() => "Removed")
      )
      assert.sameMembers(
        Object.keys(yield* world.tree(directory)).filter((path) => !path.includes("/")),
        [...names]
      )
    })
  )

  groupTest("another directory under the judged name isn't touched", () =>
    Effect.gen(function* () {
      const { directory, remove, vm } = yield* group
      const { ".vm-sentinel": text = "" } = yield* world.tree(vm)
      yield* world.move(vm, `${directory}/elsewhere`)
      yield* world.file(`${vm}/.vm-sentinel`, text)
      yield* world.file(`${vm}/disk`, "new")
      assert.deepStrictEqual(tags(yield* remove()), ["Removed", undefined, "Removed"])
      assert.deepInclude(yield* world.tree(directory), { "vm/disk": "new", "elsewhere/disk": "data" })
    })
  )

  /** Runs a group, and interrupts it when `begun` is done. Returns its answers, if it has any. */
  const interrupted = Effect.fnUntraced(function* <E, R>(
    removing: Effect.Effect<ReadonlyArray<Removal | undefined>, E, R>,
    begun: Deferred.Deferred<void>
  ) {
    let answers: ReadonlyArray<Removal | undefined> | undefined
    const told = Effect.tap(removing, (given) => Effect.sync(() => void (answers = given)))
    const fiber = yield* Effect.forkChild(Effect.uninterruptible(told))
    yield* Deferred.await(begun)
    yield* Fiber.interrupt(fiber)
    const exit = yield* Fiber.await(fiber)
    assert.isTrue(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause))
    return answers
  })

  for (const [place, at] of [
    ["first", "a"],
    ["second", "vm"]
  ] as const) {
    groupTest(`an interruption during the second judgement of the ${place} directory puts back what isn't marked`, () =>
      Effect.gen(function* () {
        const { before, directory, remove } = yield* group
        const begun = yield* Deferred.make<void>()
        const removing = remove((state) =>
          state.path.endsWith(`/${at}`)
            ? Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
            : Effect.succeed(judge(state))
        )
        const answers = yield* interrupted(removing, begun)
        assert.deepStrictEqual(tags(answers ?? []), [at === "a" ? undefined : "Unfinished", undefined, undefined])
        const tree = anonymous(yield* world.tree(directory))
        if (at === "a") return assert.deepStrictEqual(tree, before)
        assert.deepInclude(tree, {
          "vm/disk": "data",
          "z/disk": "data",
          "WS/dead/a/disk": "data"
        })
        assert.strictEqual(yield* SentinelStore.use(({ probeLock }) => probeLock(`${directory}/vm`)), "free")
      })
    )
  }

  groupTest("an interruption during the deletion tells what is gone, and leaves the rest marked", () =>
    Effect.gen(function* () {
      const { directory, remove } = yield* group
      const begun = yield* Deferred.make<void>()
      const stopping = Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
      yield* beforeCall((call) => call.operation === "unlink" && isOfDead(call), stopping)
      const answers = yield* interrupted(remove(), begun)
      assert.deepStrictEqual(tags(answers ?? []), ["Removed", "Unfinished", "Unfinished"])
      const tree = anonymous(yield* world.tree(directory))
      assert.deepInclude(tree, { "WS/dead/vm/disk": "data", "WS/dead/z/disk": "data" })
      assert.isTrue(Object.keys(tree).every((path) => path.startsWith("WS")))
    })
  )
})

const stageTest = (
  title: string,
  test: () => Effect.Effect<void, unknown, Simulation.Services | Scope.Scope>
): void => {
  it.effect(title, () => Effect.provide(test(), Layer.merge(Simulation.layer, Logger.layer([]))))
}

describe("Cleanup.sweep of a group", () => {
  stageTest("takes the calls of a group: each directory is locked before the first is claimed", () =>
    Effect.gen(function* () {
      yield* populated
      const sweeper = yield* Simulation.actor()
      yield* sweeper.run(Cleanup.sweep(root))
      const calls = yield* sweeper.memory.calls
      const firstOf = (operation: string, matches: RegExp) =>
        calls.findIndex((call) => call.operation === operation && matches.test(`${call.path} ${call.to ?? ""}`))
      const claim = firstOf("rename", /\/claimed\//)
      for (const name of deadNames) assert.isBelow(firstOf("flock", new RegExp(`^${root}/${name} `)), claim)
      assert.isBelow(claim, firstOf("rename", /\/dead\//))
    })
  )

  stageTest("a directory whose deletion isn't finished at once keeps the reason of its own judgement", () =>
    Effect.gen(function* () {
      yield* populated
      const sweeper = yield* Simulation.actor()
      yield* sweeper.memory.before(
        ({ operation, path }) => operation === "unlink" && /\/dead\/[^/]*=b\//.test(path),
        sweeper.memory.failNext("unlink", "EIO")
      )
      const { outcomes } = yield* sweeper.run(Cleanup.sweep(root))
      const said = outcomes.map(({ action, name, reason, verdict }) => `${name} ${action} ${verdict} ${reason}`)
      assert.sameMembers(said, [
        "a removed dead pid-dead",
        "b removed dead pid-dead",
        "c removed dead pid-dead",
        "live kept alive matches"
      ])
      assert.isTrue(outcomes.every(({ name, path }) => path === `${root}/${name}`))
      assert.deepStrictEqual(yield* Simulation.names(root), ["live"])
    })
  )

  stageTest("no other directory that is put where a claim lies is lost", () =>
    Effect.gen(function* () {
      yield* populated
      const memory = yield* MemoryDisk
      const sweeper = yield* Simulation.actor()
      let claimed = ""
      const swap = Effect.suspend(() =>
        Effect.andThen(memory.move(claimed, `${root}/moved`), memory.seed({ [`${claimed}/disk`]: "new" }))
      )
      yield* sweeper.memory.before(({ path, to = "" }) => {
        claimed = path
        return /\/dead\/[^/]*=b$/.test(to)
      }, swap)
      const { outcomes } = yield* sweeper.run(Cleanup.sweep(root))
      yield* sweeper.kill
      assert.strictEqual(outcomes.find(({ name }) => name === "b")?.reason, "changed")
      yield* sweptTwice
      assert.sameMembers(yield* Simulation.paths(root), ["b", "b/disk", "live", "live/.vm-sentinel", "live/disk"])
      assert.strictEqual((yield* memory.snapshot(root))[`${root}/b/disk`]?.content, "new")
    })
  )

  stageTest("a directory whose deletion isn't finished at once delays no other outcome", () =>
    Effect.gen(function* () {
      yield* populated
      const sweeper = yield* Simulation.actor()
      const isOfB = ({ operation, path }: Call) => operation === "unlink" && /\/dead\/[^/]*=b\//.test(path)
      const latch = yield* Deferred.make<void>()
      // The first deletion of the directory fails. The second one waits.
      yield* sweeper.memory.before(
        isOfB,
        Effect.andThen(sweeper.memory.failNext("unlink", "EIO"), sweeper.memory.before(isOfB, Deferred.await(latch)))
      )
      const told: Array<string> = []
      const telling = Stream.runForEach(Cleanup.outcomes(root), ({ action, name, reason }) =>
        Effect.sync(() => told.push(`${name} ${action} ${reason}`))
      )
      const fiber = yield* Effect.forkChild(sweeper.run(telling))
      yield* Races.giveWay(3000)
      assert.sameMembers(told, ["a removed pid-dead", "c removed pid-dead", "live kept matches"])
      yield* Deferred.succeed(latch, undefined)
      yield* Fiber.join(fiber)
      assert.include(told, "b removed pid-dead")
    })
  )
})
