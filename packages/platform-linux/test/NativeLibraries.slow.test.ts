/** Each library that can be built here, called in a process of the library's machine and libc. */
import { assert, describe, it } from "@effect/vitest"
import { ableIn, Missing } from "@vm-sentinel/core/test/support/able"
import { Effect, type Scope } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { buildNative, compilersFor, fileOf, outputOf, type Target } from "../../../scripts/native.ts"
import * as Scratch from "./support/scratch.ts"

const source = Path.join(import.meta.dirname, "support/programs/calls.c")

const isHere = (command: string): boolean => spawnSync(command, ["--version"]).error === undefined

/** How a program for the target is started here. QEMU runs it if the target has another processor. */
const starterFor = ({ arch, machine }: Target): Missing | ReadonlyArray<string> => {
  if (arch === process.arch) return []
  const emulator = `qemu-${machine}-static`
  return isHere(emulator) ? [emulator, "-L", `/usr/${machine}-linux-gnu`] : new Missing(`no ${emulator}`)
}

const able = ableIn<Scope.Scope>(it.live)

describe("the native library", () => {
  for (const target of buildNative()) {
    able(starterFor(target), `${fileOf(target)} is taken by its loader, and does what it is asked`, (starter) =>
      Effect.gen(function* () {
        const scratch = yield* Scratch.scratch
        const program = `${scratch}/calls`
        const compiler = compilersFor(target).find(isHere) ?? assert.fail("no compiler")
        execFileSync(compiler, ["-Wall", "-Werror", "-o", program, source])
        const root = `${scratch}/root`
        Fs.mkdirSync(`${root}/vm/inner`, { recursive: true, mode: 0o700 })
        Fs.writeFileSync(`${root}/vm/file`, "hello")
        const [command = "", ...args] = [...starter, program, outputOf(target), root]
        const output = execFileSync(command, args, { encoding: "utf8" })
        const [layout, names, content, look, result] = output.split("\n")
        assert.deepStrictEqual(
          [layout, names, content],
          ["layout 4", "names 1, error 0, done 1", "content hello, done 1"]
        )
        // QEMU has no openat2(2) before 9.1. Without openat2 the library leaves all but the
        // listing and the peek to the caller.
        const gone = result === "result 1"
        const isLocked = gone ? 1 : 0
        assert.strictEqual(look, `told ${isLocked}, done 1, locked ${isLocked}, then 0`)
        assert.deepStrictEqual(Fs.readdirSync(root), gone ? [] : ["vm"])
        if (!gone) assert.deepStrictEqual([result, starter.length > 0], ["result 3", true])
      })
    )
  }
})
