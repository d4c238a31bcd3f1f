import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const timeout = 60_000
const script = fileURLToPath(new URL("../../../scripts/bundle.ts", import.meta.url))

// Ages are told in days then, and don't change between two lists.
const lastWeek = [Date.now() / 1000 - 7.5 * 86_400, Date.now() / 1000 - 7.5 * 86_400] as const

/** Built where no package is: neither koffi nor anything that ought to be in it. */
const built = Effect.gen(function* () {
  const directory = yield* Roots.scratch
  FS.writeFileSync(`${directory}/package.json`, '{ "type": "module" }')
  const { code, stderr } = yield* Cli.execute(process.execPath, [script, `${directory}/dist`])
  assert.deepStrictEqual([code, stderr], [0, ""])
  const bin = `${directory}/dist/bin.js`
  return { directory, run: (...args: ReadonlyArray<string>) => Cli.execute(process.execPath, [bin, ...args]) }
})

describe("the bundle", { timeout }, () => {
  it.live("does all that the sources do, with no package beside it", () =>
    Effect.gen(function* () {
      const { directory, run } = yield* built
      const fromSources = (...args: ReadonlyArray<string>) => Cli.execute(process.execPath, [Cli.source, ...args])
      for (const args of [["--version"], ["--help"], ["sweep", "--help"], ["list", directory, "--no-such-flag"]]) {
        assert.deepStrictEqual(yield* run(...args), yield* fromSources(...args), args.join(" "))
      }
      const root = yield* Roots.scratch
      // Two columns, and a mark that takes none: what tells that is loaded for such text alone.
      const living = "alive 夜e\u0301"
      for (const [name, pid] of Object.entries({ [living]: process.pid, dead: 2 ** 31 - 1 })) {
        const sentinel = `${Roots.directory(root, name)}/.vm-sentinel`
        Roots.file(sentinel, `${pid}`)
        FS.utimesSync(sentinel, ...lastWeek)
      }
      const listed = yield* run("list", root)
      assert.deepStrictEqual(listed, yield* fromSources("list", root))
      assert.include(listed.stdout, "2 scanned: 1 would be removed, 1 kept")
      const swept = yield* run("sweep", "--json", root)
      assert.deepStrictEqual([swept.code, swept.stderr.includes("removed directory")], [0, false])
      assert.include(swept.stdout, '"name":"dead"')
      assert.deepStrictEqual(FS.readdirSync(root), [living])
      const doomed = Roots.directory(root, "doomed")
      const [stops, isLoaded] = [new Int32Array(new SharedArrayBuffer(4)), new Int32Array(new SharedArrayBuffer(4))]
      const thread = new Worker(`${directory}/dist/removalThread.js`, { workerData: { stops, koffi: false, isLoaded } })
      const answered = Effect.promise(() => once(thread, "message"))
      thread.postMessage({ slot: 0, task: { path: doomed, expected: undefined } }, [])
      assert.deepStrictEqual(yield* answered, [{ slot: 0, failure: undefined }])
      yield* Effect.promise(() => thread.terminate())
      assert.deepStrictEqual(FS.readdirSync(root), [living])
      const owned = Roots.directory(root, "mine")
      const held = yield* run("run", owned, "--", "cat", `${owned}/.vm-sentinel`)
      assert.deepStrictEqual([held.code, held.stderr], [0, ""])
      assert.include(held.stdout, '"v":3')
      assert.include(FS.readFileSync(`${directory}/dist/LICENSES.txt`, "utf8"), "MIT License")
    })
  )
})
