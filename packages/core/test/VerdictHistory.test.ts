import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import * as FakeProcessTable from "../src/testing/FakeProcessTable.ts"
import { judged, soughtOf, type Written, writtenBy } from "./support/owner.ts"
import { runs } from "./support/property.ts"

const host = FakeProcessTable.initialPidNamespace

const Step = Schema.Struct({
  what: Schema.Literals([
    "spawn",
    "spawn",
    "spawn",
    "exit",
    "exit",
    "recycle",
    "recycle",
    "zombie",
    "reap",
    "thread",
    "exit leader",
    "exit thread",
    "exec",
    "deny",
    "hide",
    "allow",
    "fail",
    "restore",
    "mask",
    "unmask",
    "tick",
    "reboot",
    "container",
    "leave",
    "end container",
    "cover",
    "uncover",
    "time namespace"
  ]),
  at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 }))
})

describe("any history", () => {
  const masks = ["processId64", "startTime", "bootId", "machineId", "pidNamespace", "timeOffset", "threads"] as const

  const live = Effect.fnUntraced(function* (steps: ReadonlyArray<typeof Step.Type>) {
    const table = yield* FakeProcessTable.FakeProcessTable
    const records: Array<
      Written & { readonly id: string; readonly reader: string; readonly containers: number; readonly isWhole: boolean }
    > = []
    const blind = new Set<"mask" | "cover" | "hide" | "fail">()
    let reader = host
    let containers = 0

    const act = Effect.fnUntraced(function* ({ at, what }: typeof Step.Type) {
      const pids = (yield* table.pids).filter((pid) => pid !== 1)
      const pid = pids[at % pids.length]
      switch (what) {
        case "tick":
          return yield* table.tick(at)
        case "restore":
          blind.delete("fail")
          return yield* table.restore
        case "mask": {
          blind.add("mask")
          return yield* table.mask(masks[at % masks.length] ?? "startTime", ...masks.slice(at % 9))
        }
        case "unmask":
          blind.delete("mask")
          return yield* table.mask()
        case "reboot":
          blind.clear()
          reader = host
          yield* table.mask()
          return yield* table.reboot()
        case "cover":
          blind.add("cover")
          return yield* table.coverBootId({})
        case "uncover":
          blind.delete("cover")
          return yield* table.coverBootId(undefined)
        case "container":
        case "leave":
          reader = what === "leave" ? host : "pid:[2]"
          return yield* table.enterPidNamespace(reader)
        case "end container":
          if (reader !== host) return
          containers += 1
          return yield* table.endPidNamespace("pid:[2]")
        case "time namespace":
          return yield* table.setTimeNamespace((at % 3) * 7)
        case "spawn":
          return yield* table.spawn({ exe: `/bin/${at % 2}` })
      }
      if (pid === undefined) return
      switch (what) {
        case "exit":
          return yield* table.exit(pid)
        case "recycle":
          yield* table.exit(pid)
          return yield* table.spawnAt(pid)
        case "zombie":
          return yield* table.zombie(pid)
        case "reap":
          return yield* table.reap(pid)
        case "thread":
          return yield* table.addThread(pid)
        case "exit leader":
          return yield* table.exitLeader(pid)
        case "exit thread":
          return yield* Effect.forEach(pids, (tid) => table.exitThread(tid))
        case "exec":
          return yield* table.exec(pid, "/bin/exec")
        case "deny":
          return yield* table.deny(pid)
        case "hide":
          blind.add("hide")
          return yield* table.hide(pid)
        case "allow":
          return yield* table.allow(pid)
        case "fail":
          blind.add("fail")
          return yield* table.fail(at % 2 === 0 ? pid : "all", "resources")
      }
    })

    for (const step of steps) {
      yield* Effect.ignore(act(step))
      const pids = yield* table.pids
      for (const pid of pids) {
        const id = yield* table.idOf(pid)
        if (records.some((record) => record.id === id)) continue
        const isWhole = !blind.has("mask") && !blind.has("cover")
        yield* writtenBy(pid).pipe(
          Effect.map((written) => records.push({ ...written, id, reader, containers, isWhole })),
          Effect.ignore
        )
      }
      for (const record of records) {
        const isAlive = yield* table.isAlive(record.id)
        const search = yield* table.namespaceProof(soughtOf(record))
        for (const verdict of [yield* judged(record), yield* judged(record, { search })]) {
          const what = `${record.id} ${isAlive ? "lives" : "is gone"}: ${JSON.stringify(verdict)}`
          if (isAlive) assert.notStrictEqual(verdict.verdict, "dead", what)
          // Some dead owners may be judged alive. Without 64-bit ids, another process of the same tick equals the
          // owner. Without boot ids, a process of this boot may have the id of an owner of an earlier boot.
          if (!record.isWhole || blind.has("mask") || blind.has("cover")) continue
          if (!isAlive) assert.notStrictEqual(verdict.verdict, "alive", what)
          // A container that got the number of an ended container isn't that container.
          const isBeside = record.reader === reader && (reader === host || record.containers === containers)
          if (blind.size > 0 || !isBeside) continue
          assert.strictEqual(verdict.verdict, isAlive ? "alive" : "dead", what)
        }
      }
    }
  })

  it.effect.prop(
    "an owner that lives is never dead, one that doesn't never alive, and a reader that sees all knows",
    [Arbitrary.array(Arbitrary.schema(Step), { maxLength: 40 })],
    ([steps]) => live(steps).pipe(Effect.provide(FakeProcessTable.layerWith({ pidMax: 12 }))),
    runs(150)
  )
})
