import { assert, describe, it } from "@effect/vitest"
import { errnoOf } from "@vm-sentinel/core/Errno"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { renameNew } from "../src/internal/renaming.ts"
import * as Scratch from "./support/scratch.ts"

const { constants } = Os
const errno = (rename: () => void): string | undefined => {
  try {
    rename()
    return undefined
  } catch (cause) {
    return errnoOf(cause)
  }
}

describe("renameNew", () => {
  const rename = (answer: number) => ({ renameNoReplace: () => answer })

  for (const name of ["EPERM", "EINVAL", "ENOSYS"] as const) {
    it.effect(`scenario 97: renames by a look and a rename where renameat2 answers ${name}`, () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const [from, to] = [`${scratch}/from`, `${scratch}/to`]
        const call = () => renameNew(rename(constants.errno[name]), from, to)
        Fs.mkdirSync(from)
        assert.isUndefined(errno(call))
        assert.deepStrictEqual(Fs.readdirSync(scratch), ["to"])
        Fs.mkdirSync(from)
        assert.strictEqual(errno(call), "EEXIST")
        assert.deepStrictEqual(Fs.readdirSync(scratch).sort(), ["from", "to"])
      })
    )
  }

  for (const name of ["EXDEV", "EEXIST", "EACCES", "ENOSPC"] as const) {
    it.effect(`leaves everything as it is where renameat2 answers ${name}`, () =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        Fs.mkdirSync(`${scratch}/from`)
        assert.strictEqual(
          errno(() => renameNew(rename(constants.errno[name]), `${scratch}/from`, `${scratch}/to`)),
          name
        )
        assert.deepStrictEqual(Fs.readdirSync(scratch), ["from"])
      })
    )
  }
})
