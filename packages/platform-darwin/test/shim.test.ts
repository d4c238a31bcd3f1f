/** The libSystem stand-in answers about real processes as the documentation of macOS says, quirks included. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { because, skipped, whyNot } from "@vm-sentinel/core/test/support/able"
import { Programs } from "@vm-sentinel/platform-linux/test/support/programs"
import { makeWorld } from "@vm-sentinel/platform-linux/test/support/processes"
import { errno } from "../src/internal/errno.ts"
import * as Shim from "./support/shim.ts"

const shim = Shim.build()

const sizes = { 3: 136, 13: 64, 17: 56, 18: 192 } as const
const flavors = [3, 13, 17, 18] as const

if (typeof shim === "string") {
  skipped("the shim", shim)
} else {
  const { exit, otherUser, spawn, zombify } = makeWorld()
  const missing = 2 ** 31 - 1

  it.layer(Programs.layer)("the shim", (it) => {
    it.effect("proc_pidinfo answers the size of the struct, and 0 with errno where it fails", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        for (const flavor of flavors) {
          const size = sizes[flavor]
          assert.strictEqual(shim.pidInfo(pid, flavor, 0, size)[0], size)
          assert.strictEqual(shim.pidInfo(pid, flavor, 1, size + 100)[0], size, "a larger buffer is fine")
          assert.deepStrictEqual(shim.pidInfo(pid, flavor, 1, size - 1), [0, errno.ENOMEM])
          assert.deepStrictEqual(shim.pidInfo(missing, flavor, 1, size), [0, errno.ESRCH])
        }
        assert.deepStrictEqual(shim.pidInfo(pid, 99, 1, 4096), [0, errno.EINVAL])
      })
    )

    it.effect("its refusals come in order: flavor, buffer, process", () =>
      Effect.sync(() => {
        assert.deepStrictEqual(shim.pidInfo(missing, 99, 1, 0), [0, errno.EINVAL])
        assert.deepStrictEqual(shim.pidInfo(missing, 17, 1, 0), [0, errno.ENOMEM])
        assert.deepStrictEqual(shim.pidInfo(missing, 17, 1, 56), [0, errno.ESRCH])
      })
    )

    it.effect("a zombie is ESRCH with arg 0, found with arg 1, ESRCH for its path, and known to sysctl", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        if (zombify === undefined) return assert.fail("no zombies here")
        yield* zombify(pid)
        for (const flavor of flavors) {
          assert.deepStrictEqual(shim.pidInfo(pid, flavor, 0, sizes[flavor]), [0, errno.ESRCH])
          assert.strictEqual(shim.pidInfo(pid, flavor, 1, sizes[flavor])[0], sizes[flavor])
        }
        assert.deepStrictEqual(shim.pidPath(pid, 4096), [0, errno.ESRCH])
        assert.deepStrictEqual(shim.kinfoProc(pid, 648), [0, 648, 0])
      })
    )

    it.effect("sysctl answers length 0 for a number without a process, and ENOMEM for a short buffer", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        assert.deepStrictEqual(shim.kinfoProc(pid, 648), [0, 648, 0])
        assert.deepStrictEqual(shim.kinfoProc(pid, 1000), [0, 648, 0])
        assert.deepStrictEqual(shim.kinfoProc(pid, 647), [-1, 647, errno.ENOMEM])
        if (exit === undefined) return assert.fail("nothing exits here")
        yield* exit(pid)
        assert.deepStrictEqual(shim.kinfoProc(pid, 648), [0, 0, 0])
      })
    )

    it.effect("proc_pidpath takes buffers of 1024 to 4096 bytes and answers the length of the path", () =>
      Effect.gen(function* () {
        const pid = yield* spawn
        const { one } = yield* Programs
        assert.deepStrictEqual(shim.pidPath(pid, 4096), [one.length, 0])
        assert.deepStrictEqual(shim.pidPath(pid, 1024), [one.length, 0])
        assert.deepStrictEqual(shim.pidPath(pid, 1023), [0, errno.ENOMEM])
        assert.deepStrictEqual(shim.pidPath(pid, 4097), [0, errno.EOVERFLOW])
        assert.deepStrictEqual(shim.pidPath(missing, 4096), [0, errno.ESRCH])
      })
    )

    it.effect("a thread id names no process", () =>
      Effect.gen(function* () {
        const { thread } = makeWorld()
        if (thread === undefined) return assert.fail("no threads here")
        const made = yield* thread
        assert.deepStrictEqual(shim.pidInfo(made.thread, 17, 1, 56), [0, errno.ESRCH])
        assert.deepStrictEqual(shim.kinfoProc(made.thread, 648), [0, 0, 0])
      })
    )

    const seteuid = process.seteuid?.bind(process)

    const reason = whyNot(otherUser) ?? (seteuid === undefined ? "no seteuid(2)" : undefined)

    it.effect.skipIf(reason !== undefined)(
      because("another effective user's process is EPERM for flavors 3 and 18 alone", reason),
      () =>
        Effect.gen(function* () {
          const pid = yield* spawn
          yield* Effect.acquireRelease(
            Effect.sync(() => seteuid?.(65_534)),
            () => Effect.sync(() => seteuid?.(0))
          )
          for (const flavor of [3, 18] as const) {
            assert.deepStrictEqual(shim.pidInfo(pid, flavor, 1, sizes[flavor]), [0, errno.EPERM])
          }
          for (const flavor of [13, 17] as const) {
            assert.strictEqual(shim.pidInfo(pid, flavor, 1, sizes[flavor])[0], sizes[flavor])
          }
          assert.deepStrictEqual(shim.kinfoProc(pid, 648), [0, 648, 0])
        })
    )
  })
}
