/** The conformance suite on a procfs of plain files. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import { suite } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import { turnsOf } from "@vm-sentinel/core/test/support/eventLoopTurns"
import * as Fixture from "./support/procfsFixture.ts"

suite("fixture procfs, with pidfds", {
  layer: Fixture.layer("pidfd"),
  world: Fixture.world,
  strength: { processId64: true, otherUserExecutable: false, hiddenProcessId64: true }
})

suite("fixture procfs alone", {
  layer: Fixture.layer("procfs"),
  world: Fixture.world,
  strength: { processId64: false, otherUserExecutable: false }
})

/** The device as `/proc/locks` writes it, from the number that `makedev(3)` makes. */
const deviceText = (dev: bigint): string => {
  const major = ((dev >> 32n) & ~0xfffn) | ((dev >> 8n) & 0xfffn)
  const minor = ((dev >> 12n) & ~0xffn) | (dev & 0xffn)
  return [major, minor].map((number) => number.toString(16).padStart(2, "0")).join(":")
}

it.effect("scenario 88: who took a lock is named where nobody may look into the process, and no other", () =>
  Effect.gen(function* () {
    const fixture = yield* Fixture.Fixture
    const { lockHolders } = yield* ProcessInspector
    const directory = join(fixture.root, "..", "locked")
    mkdirSync(directory)
    const { dev, ino } = statSync(directory, { bigint: true })
    const id = { dev: `${dev}`, ino: `${ino}` }
    const [taker, released] = [fixture.add({ uid: 1000 }), fixture.add()]
    // `fdinfo` of the second process can be read, and shows nothing open.
    mkdirSync(join(fixture.root, `${released.pid}/fdinfo`), { recursive: true })
    const line = (kind: string, pid: number, device: string, inode = ino) =>
      `1: ${kind}  ADVISORY  READ ${pid} ${device}:${inode} 0 EOF\n`
    const device = deviceText(dev)
    fixture.write(
      "locks",
      line("POSIX", 900, device) +
        line("FLOCK", taker.pid, device) +
        line("FLOCK", released.pid, device) +
        line("FLOCK", 901, device, ino + 1n) +
        line("FLOCK", 902, "00:99")
    )
    assert.deepStrictEqual(yield* lockHolders(id), [taker.pid])
    fixture.write("locks", line("FLOCK", taker.pid, "00:99"))
    assert.deepStrictEqual(yield* lockHolders(id), [])
  }).pipe(Effect.provide(Fixture.layer("procfs")))
)

it.effect("scenario 114: who took a lock hides who inherited it from another process, unless all are asked for", () =>
  Effect.gen(function* () {
    const fixture = yield* Fixture.Fixture
    const { lockHolders } = yield* ProcessInspector
    const directory = join(fixture.root, "..", "locked")
    mkdirSync(directory)
    const { dev, ino } = statSync(directory, { bigint: true })
    const id = { dev: `${dev}`, ino: `${ino}` }
    const line = (taker: number) => `1: FLOCK  ADVISORY  READ ${taker} ${deviceText(dev)}:${ino} 0 EOF\n`
    const [taker, child, guest] = [fixture.add(), fixture.add(), fixture.add()]
    const hold = (pid: number, from: number) => {
      fixture.link(`${pid}/fd/7`, directory)
      fixture.write(`${pid}/fdinfo/7`, `pos:\t0\nlock:\t${line(from)}`)
    }
    hold(taker.pid, taker.pid)
    hold(child.pid, taker.pid)
    // A container shows 0 for a process that has ended, and not its line in `locks`. The host shows both.
    for (const [ended, locks] of [
      [0, line(taker.pid)],
      [999, line(taker.pid) + line(999)]
    ] as const) {
      hold(guest.pid, ended)
      fixture.write("locks", locks)
      assert.deepStrictEqual(yield* lockHolders(id), [taker.pid])
      assert.deepStrictEqual(yield* lockHolders(id, "all"), [taker.pid, guest.pid])
    }
    // The one that has ended had the PID of the one that lives now. Nothing tells the inheritors of the two apart.
    hold(guest.pid, taker.pid)
    fixture.write("locks", line(taker.pid) + line(taker.pid))
    assert.deepStrictEqual(yield* lockHolders(id, "all"), [taker.pid, child.pid, guest.pid])
  }).pipe(Effect.provide(Fixture.layer("procfs")))
)

it.live("scenario 88: a search for who holds a lock gives the event loop turns within a process with many files", () =>
  Effect.gen(function* () {
    const fixture = yield* Fixture.Fixture
    const { lockHolders } = yield* ProcessInspector
    const { pid } = fixture.add()
    for (let descriptor = 0; descriptor < 100; descriptor++) fixture.write(`${pid}/fdinfo/${descriptor}`, "pos:\t0\n")
    assert.isAtLeast(yield* turnsOf(lockHolders({ dev: "1", ino: "2" })), 20)
  }).pipe(Effect.provide(Fixture.layer("procfs")))
)
