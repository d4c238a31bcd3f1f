/** Real directories owned by real processes. */
import * as Ownership from "@vm-sentinel/core/Ownership"
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Crypto from "node:crypto"
import * as FS from "node:fs"
import * as OS from "node:os"
import * as Path from "node:path"
import * as Actors from "../../src/demo/Actors.ts"
import * as Platform from "../../src/Platform.ts"

/** A directory that only this test uses. It is removed with the scope. */
export const scratch: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => FS.realpathSync(FS.mkdtempSync(Path.join(OS.tmpdir(), "vm-sentinel-cli-test-")))),
  (path) => Effect.sync(() => FS.rmSync(path, { recursive: true, force: true }))
)

export const directory = (root: string, name: string): string => {
  const path = `${root}/${name}`
  FS.mkdirSync(path, { mode: 0o700 })
  FS.writeFileSync(`${path}/console.log`, `${name}\n`)
  return path
}

export const file = (path: string, content: string): void => FS.writeFileSync(path, content, { mode: 0o600 })

type Options = Pick<Ownership.RecordOptions, "format" | "role" | "sentinelName">

/** Records a process that lives until the scope ends. */
export const alive = Effect.fnUntraced(
  function* (path: string, options: Options = {}) {
    const actor = yield* Actors.start
    yield* Ownership.record(path, { ...options, pid: actor.pid })
    return actor
  },
  Effect.provide(Platform.layer),
  Effect.orDie
)

/** Records a process that then dies and is reaped. */
export const dead = Effect.fnUntraced(function* (path: string, options: Options = {}) {
  const actor = yield* alive(path, options)
  yield* actor.crash
  return actor
})

/** Text of a sentinel whose owner is dead. It names no directory, so it fits every directory. */
export const deadSentinel = Effect.gen(function* () {
  const path = yield* scratch
  yield* dead(path)
  return FS.readFileSync(`${path}/.vm-sentinel`, "utf8").replace(/,"directory":\{.*\}(?=\}\n$)/, "")
}).pipe(Effect.scoped)

/** Type, mode, inode, times and content of everything below a path. Every change alters one of these. */
export const snapshot = (path: string): Record<string, string> => {
  const seen: Record<string, string> = {}
  const visit = (path: string): void => {
    const { ctimeNs, ino, mode, mtimeNs, nlink } = FS.lstatSync(path, { bigint: true })
    const isFile = FS.lstatSync(path).isFile()
    const content = isFile ? Crypto.hash("sha256", FS.readFileSync(path)) : ""
    seen[path] = [ino, mode, nlink, mtimeNs, ctimeNs, content].join(" ")
    if (FS.lstatSync(path).isDirectory()) for (const name of FS.readdirSync(path)) visit(`${path}/${name}`)
  }
  visit(path)
  return seen
}
