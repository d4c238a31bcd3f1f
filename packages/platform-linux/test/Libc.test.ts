import { assert, describe, it } from "@effect/vitest"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { Effect, type Scope } from "effect"
import * as Fs from "node:fs"
import type { Library } from "../src/internal/koffi.ts"
import { withKoffi } from "../src/internal/koffi.ts"
import * as Libc from "../src/internal/libc.ts"
import * as Statx from "../src/internal/statx.ts"
import * as Scratch from "./support/scratch.ts"

const able = ableIn<Scope.Scope>(it.live)

const names = ["getdents64", "renameat2", "statx"]

/** koffi over a libc that lacks the names. Each name that is looked up in vain goes into `asked`. */
const lacking = (koffi: Library, asked: Array<string>): Library => ({
  errno: koffi.errno,
  load: (path) =>
    new Proxy(koffi.load(path), {
      get: (library, key) => {
        if (key !== "func") return Reflect.get(library, key)
        return (name: string, ...rest: ReadonlyArray<unknown>): unknown => {
          if (!names.includes(name)) return Reflect.apply(library.func, library, [name, ...rest])
          asked.push(name)
          throw new Error("no symbol")
        }
      }
    })
})

const asked: Array<string> = []
const made =
  withKoffi((koffi) => ({ byName: Libc.make(koffi), byNumber: Libc.make(lacking(koffi, asked)) })) ??
  new Missing("no koffi")
const numbered = process.arch === "x64" || process.arch === "arm64"

describe("the calls of a libc", () => {
  able(numbered && made, "are made by number where it lacks their names, as musl does", ({ byName, byNumber }) =>
    Effect.gen(function* () {
      assert.sameMembers(asked, names)
      const scratch = yield* Scratch.scratch
      for (const name of ["a", "b"]) Fs.writeFileSync(`${scratch}/${name}`, name)
      const told = [byName, byNumber].map(({ at }) => {
        if (at === undefined) return assert.fail("the calls relative to a descriptor are missing")
        const into = Buffer.alloc(Statx.size)
        assert.strictEqual(at.statx(Libc.AT_FDCWD, `${scratch}/a`, Statx.basicStats, into), 0)
        assert.strictEqual(at.statx(Libc.AT_FDCWD, `${scratch}/c`, Statx.basicStats, Buffer.alloc(Statx.size)), -2)
        const fd = at.open(Libc.AT_FDCWD, scratch, Fs.constants.O_DIRECTORY)
        const entries = Buffer.alloc(4096)
        const filled = at.getdents(fd, entries)
        at.close(fd)
        return { stat: into.toString("hex"), entries: entries.toString("hex"), filled }
      })
      assert.deepStrictEqual(told[1], told[0])
      assert.isAbove(told[1]?.filled ?? 0, 0)
      assert.strictEqual(byNumber.renameNoReplace(`${scratch}/a`, `${scratch}/b`), 17)
      assert.strictEqual(byNumber.renameNoReplace(`${scratch}/a`, `${scratch}/c`), 0)
      assert.deepStrictEqual(Fs.readdirSync(scratch).sort(), ["b", "c"])
    })
  )
})
