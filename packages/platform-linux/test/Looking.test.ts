/** What a scan reads of a directory. */
import { assert, describe, it } from "@effect/vitest"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import { scanning } from "@vm-sentinel/core/test/support/scanning"
import { Effect } from "effect"
import * as DirFd from "../src/internal/dirFd.ts"
import { libc } from "../src/internal/libc.ts"
import * as Looking from "../src/internal/looking.ts"

const all = [
  ["with native code", DirFd.make(libc()?.at)],
  ["without native code", DirFd.procfs]
] as const

/** The same calls, which count the entries that were asked for. */
const counting = (calls: DirFd.DirFd) => {
  const count = { entries: 0 }
  const list: DirFd.DirFd["list"] = (fd, from) => {
    const listing = calls.list(fd, from)
    return {
      ...listing,
      next: () => {
        count.entries += 1
        return listing.next()
      }
    }
  }
  return { count, calls: { ...calls, list } }
}

const toEnd = <A>(work: Generator<void, A>): A => {
  let step = work.next()
  while (step.done !== true) step = work.next()
  return step.value
}

describe("a scan reads no entry after the last that it wants", () => {
  for (const [name, real] of all) {
    it.live(`of a directory with too many sentinels, ${name}`, () =>
      Effect.gen(function* () {
        const directory = yield* world.scratch
        for (let index = 0; index < 50; index++) yield* world.file(`${directory}/read-${index}`, "x")
        const { calls, count } = counting(real)
        const options = scanning(() => "read", 10, { mostNames: 3 })
        const { files, isCrowded, subdirectories } = toEnd(Looking.scan(calls, directory, options, () => true))
        assert.isTrue(isCrowded)
        assert.lengthOf(files, 0)
        assert.strictEqual(subdirectories, "some")
        assert.strictEqual(count.entries, 4)
      })
    )

    it.live(`of a directory that isn't read, ${name}`, () =>
      Effect.gen(function* () {
        const directory = yield* world.scratch
        for (let index = 0; index < 50; index++) yield* world.file(`${directory}/other-${index}`, "x")
        const { calls, count } = counting(real)
        const options = scanning(() => "ignore", 10, { isRead: () => false, mostUnread: 10 })
        const { isCrowded, subdirectories } = toEnd(Looking.scan(calls, directory, options, () => true))
        assert.isFalse(isCrowded)
        assert.strictEqual(subdirectories, "some")
        assert.strictEqual(count.entries, 10)
      })
    )
  }
})
