import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import { bundle } from "./support/Bundle.ts"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const timeout = 60_000

// An age of 7.5 days is printed in days, so it doesn't change between two lists.
const lastWeek = [Date.now() / 1000 - 7.5 * 86_400, Date.now() / 1000 - 7.5 * 86_400] as const

describe("the bundle", { timeout }, () => {
  it.live("does all that the sources do, with no package beside it", () =>
    Effect.gen(function* () {
      const { dist, run } = yield* bundle
      const fromSources = (...args: ReadonlyArray<string>) => Cli.execute(process.execPath, [Cli.source, ...args])
      for (const args of [["--version"], ["--help"], ["sweep", "--help"], ["list", dist, "--no-such-flag"]]) {
        assert.deepStrictEqual(yield* run(args), yield* fromSources(...args), args.join(" "))
      }
      const root = yield* Roots.scratch
      // The name has a character of two columns and a combining mark of none. The bundle loads the code that measures
      // such text on demand.
      const living = "alive 夜e\u0301"
      for (const [name, pid] of Object.entries({ [living]: process.pid, dead: 2 ** 31 - 1 })) {
        const sentinel = `${Roots.directory(root, name)}/.vm-sentinel`
        Roots.file(sentinel, `${pid}`)
        FS.utimesSync(sentinel, ...lastWeek)
      }
      const listed = yield* run(["list", root])
      assert.deepStrictEqual(listed, yield* fromSources("list", root))
      assert.include(listed.stdout, "2 scanned: 1 would be removed, 1 kept")
      const swept = yield* run(["sweep", "--json", root])
      assert.deepStrictEqual([swept.code, swept.stderr.includes("removed directory")], [0, false])
      assert.include(swept.stdout, '"name":"dead"')
      assert.deepStrictEqual(FS.readdirSync(root), [living])
      const owned = Roots.directory(root, "mine")
      const held = yield* run(["run", owned, "--", "cat", `${owned}/.vm-sentinel`])
      assert.deepStrictEqual([held.code, held.stderr], [0, ""])
      assert.include(held.stdout, '"v":3')
      assert.include(FS.readFileSync(`${dist}/LICENSES.txt`, "utf8"), "MIT License")
    })
  )
})
