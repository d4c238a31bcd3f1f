/** Programs that the tests start, in one temporary directory. */
import { Context, Effect, Layer } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { Missing } from "@vm-sentinel/core/test/support/able"

const find = (name: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path))

const compiler = find("cc") ?? find("gcc") ?? find("clang")

export const hasCompiler = compiler !== undefined
export const noCompiler = new Missing("no C compiler")

export const hasFlock = find("flock") !== undefined
export const noFlock = new Missing("no flock(1)")

export type Helper = "churn" | "filler" | "leader" | "reexec" | "removal"
export type Library = "listing" | "look" | "peek"

export class Programs extends Context.Service<
  Programs,
  {
    readonly folder: string
    /** A copy of `sleep`. `other` is a second copy, so the same program has two paths. */
    readonly one: string
    readonly other: string
    /** Copies a program to a file with this name. */
    readonly copy: (program: string, name: string) => string
    /** Copies `sleep` to a file with this name. Bytes can be a name that isn't UTF-8. */
    readonly named: (name: string | Buffer) => string | Buffer
    /** Path of a program of `programs/`, which the first call compiles. */
    readonly helper: (name: Helper) => string
    /** Path of a shared library of `programs/`, which the first call compiles. */
    readonly library: (name: Library) => string
  }
>()("test/Programs") {
  static readonly layer = Layer.effect(
    Programs,
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "vm-sentinel-inspector-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      // Other users run the programs, too.
      chmodSync(folder, 0o755)
      const sleep = find("sleep")
      if (sleep === undefined) return yield* Effect.die("no sleep in PATH")
      let copies = 0
      const place = () => {
        const inside = join(folder, `${++copies}`)
        mkdirSync(inside)
        return inside
      }
      const named = (name: string | Buffer) => {
        const inside = place()
        const path = typeof name === "string" ? join(inside, name) : Buffer.concat([Buffer.from(`${inside}/`), name])
        copyFileSync(sleep, path)
        return path
      }
      const copy = (program: string, name: string) => {
        const path = join(place(), name)
        copyFileSync(program, path)
        return path
      }
      const made = new Map<string, string>()
      const compiled = (name: string, ...options: ReadonlyArray<string>) => {
        const known = made.get(name)
        if (known !== undefined) return known
        if (compiler === undefined) throw new Error("no C compiler")
        const path = join(place(), name)
        const source = join(dirname(import.meta.filename), "programs", `${name}.c`)
        execFileSync(compiler, ["-O1", ...options, "-D_GNU_SOURCE", "-o", path, source], { stdio: "pipe" })
        made.set(name, path)
        return path
      }
      return Programs.of({
        folder,
        one: copy(sleep, "sleep"),
        other: copy(sleep, "sleep"),
        copy,
        named,
        helper: (name) => compiled(name, "-pthread"),
        library: (name) => compiled(name, "-shared", "-fPIC")
      })
    })
  )
}
