/** The published command in a directory without `node_modules`, so it finds no koffi and no package to be bundled. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Scope } from "effect"
import * as FS from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import * as Cli from "./Cli.ts"
import * as Roots from "./Roots.ts"

const script = fileURLToPath(new URL("../../../../scripts/bundle.ts", import.meta.url))

export interface Bundle {
  readonly dist: string
  readonly run: (args: ReadonlyArray<string>, options?: Cli.Options) => Effect.Effect<Cli.Result>
}

export const bundle: Effect.Effect<Bundle, never, Scope.Scope> = Effect.gen(function* () {
  const directory = yield* Roots.scratch
  const dist = `${directory}/dist`
  FS.writeFileSync(`${directory}/package.json`, '{ "type": "module" }')
  if (Cli.bin === Cli.source) {
    const { code, stderr } = yield* Cli.execute(process.execPath, [script, dist])
    assert.deepStrictEqual([code, stderr], [0, ""])
  } else {
    FS.cpSync(dirname(Cli.bin), dist, { recursive: true })
  }
  const run = (args: ReadonlyArray<string>, options: Cli.Options = {}) =>
    Cli.execute(process.execPath, [`${dist}/bin.cjs`, ...args], options)
  return { dist, run }
})
