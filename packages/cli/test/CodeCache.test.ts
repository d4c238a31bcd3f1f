import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ChildProcess from "node:child_process"
import * as FS from "node:fs"
import { type Bundle, bundle } from "./support/Bundle.ts"
import * as Roots from "./support/Roots.ts"

const timeout = 60_000
const nobody = 65_534
const isRoot = process.geteuid?.() === 0

const program = ({ dist }: Bundle): string =>
  `${dist}/${FS.readdirSync(dist).find((name) => /^program-.*\.cjs$/.test(name))}`

const caches = ({ dist }: Bundle): ReadonlyArray<string> =>
  FS.readdirSync(dist).filter((name) => name.includes(".cache"))

/** A run of more than a second keeps nothing. */
const attempts = 20

const cacheOf = Effect.fnUntraced(function* (made: Bundle, root: string) {
  for (let attempt = 0; attempt < attempts && caches(made).length === 0; attempt++) yield* made.run(["sweep", root])
  const [name, ...others] = caches(made)
  assert.deepStrictEqual([typeof name, others], ["string", []])
  return `${made.dist}/${name}`
})

/** What V8 takes for the program's: of a source as long as that, and by the same V8. */
const forged = (made: Bundle): Buffer =>
  ChildProcess.execFileSync(process.execPath, [
    "-e",
    `const { Script } = require("node:vm")
     const { wrap } = require("node:module")
     const length = require("node:fs").readFileSync(process.argv[1], "latin1").length
     const source = wrap("process.stdout.write('forged');process.exit()".padEnd(length))
     process.stdout.write(new Script(source).createCachedData())`,
    program(made)
  ])

const said = (made: Bundle, root: string, env: Record<string, string> = {}) =>
  Effect.map(made.run(["list", root], { env }), ({ code, stderr, stdout }) => [code, stdout, stderr])

const empty = [0, "0 scanned: 0 would be removed, 0 kept\n", ""]

const scene = Effect.gen(function* () {
  return { made: yield* bundle, root: yield* Roots.scratch }
})

describe("the code cache", { timeout }, () => {
  it.live("is kept by a command that writes, and by none that only looks", () =>
    Effect.gen(function* () {
      const { made, root } = yield* scene
      const before = Roots.snapshot(made.dist)
      for (const args of [["list", root], ["sweep", root, "--dry-run"], ["explain", root], ["--help"]]) {
        yield* made.run(args)
        assert.deepStrictEqual(Roots.snapshot(made.dist), before, args.join(" "))
      }
      yield* made.run(["sweep", `${root}/missing`])
      assert.deepStrictEqual(caches(made), [], "one that failed")
      yield* made.run(["sweep", root], { env: { NODE_DISABLE_COMPILE_CACHE: "1" } })
      assert.deepStrictEqual(caches(made), [], "one that may not")
      const cache = yield* cacheOf(made, root)
      const { mode, mtimeNs } = FS.lstatSync(cache, { bigint: true })
      assert.strictEqual(mode & 0o022n, 0n)
      assert.deepStrictEqual(yield* said(made, root), empty)
      yield* made.run(["sweep", root])
      assert.strictEqual(FS.lstatSync(cache, { bigint: true }).mtimeNs, mtimeNs, "made again though it was of use")
    })
  )

  it.live("is run as the program, unless it isn't wanted", () =>
    Effect.gen(function* () {
      const { made, root } = yield* scene
      FS.writeFileSync(yield* cacheOf(made, root), forged(made))
      assert.deepStrictEqual(yield* said(made, root), [0, "forged", ""])
      assert.deepStrictEqual(yield* said(made, root, { NODE_DISABLE_COMPILE_CACHE: "1" }), empty)
    })
  )

  it.live("isn't read where others could have made it", () =>
    Effect.gen(function* () {
      const { made, root } = yield* scene
      const cache = yield* cacheOf(made, root)
      const poison = forged(made)
      FS.writeFileSync(cache, poison)
      assert.deepStrictEqual(yield* said(made, root), [0, "forged", ""], "nobody else's")
      const makings: ReadonlyArray<readonly [string, () => void]> = [
        ["a group's", () => FS.chmodSync(cache, 0o664)],
        ["everybody's", () => FS.chmodSync(cache, 0o646)],
        ...(isRoot ? [["another user's", () => FS.chownSync(cache, nobody, nobody)] as const] : []),
        [
          "a link",
          () => {
            FS.renameSync(cache, `${root}.poison`)
            FS.symlinkSync(`${root}.poison`, cache)
          }
        ],
        [
          "a pipe",
          () => {
            FS.rmSync(cache)
            ChildProcess.execFileSync("mkfifo", ["-m", "644", cache])
          }
        ],
        [
          "a directory",
          () => {
            FS.rmSync(cache)
            FS.mkdirSync(cache)
          }
        ]
      ]
      for (const [what, make] of makings) {
        FS.rmSync(cache, { recursive: true, force: true })
        FS.writeFileSync(cache, poison)
        make()
        assert.deepStrictEqual(yield* said(made, root), empty, what)
      }
      FS.rmSync(`${root}.poison`)
    })
  )

  it.live("that V8 doesn't take is made again", () =>
    Effect.gen(function* () {
      const { made, root } = yield* scene
      const cache = yield* cacheOf(made, root)
      const whole = FS.readFileSync(cache)
      for (const [what, bytes] of Object.entries({
        nothing: Buffer.alloc(0),
        half: whole.subarray(0, whole.length / 2),
        noise: Buffer.alloc(whole.length, 0xa5)
      })) {
        FS.writeFileSync(cache, bytes)
        assert.deepStrictEqual(yield* said(made, root), empty, what)
        for (let attempt = 0; attempt < attempts && FS.readFileSync(cache).equals(bytes); attempt++) {
          yield* made.run(["sweep", root])
        }
        assert.isFalse(FS.readFileSync(cache).equals(bytes), what)
        assert.deepStrictEqual(yield* said(made, root), empty, what)
      }
    })
  )

  it.live("is left to the program's owner, and to where it can be written", () =>
    Effect.gen(function* () {
      const { made, root } = yield* scene
      if (isRoot) {
        FS.chownSync(program(made), nobody, nobody)
        yield* made.run(["sweep", root])
        assert.deepStrictEqual(caches(made), [])
        FS.chownSync(program(made), 0, 0)
      }
      // Of that name is a directory, which no file can replace.
      const cache = yield* cacheOf(made, root)
      FS.rmSync(cache)
      FS.mkdirSync(cache)
      const { code, stderr } = yield* made.run(["sweep", root])
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(caches(made), [cache.slice(made.dist.length + 1)], "something unfinished is left")
    })
  )
})
