import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as PidNamespace from "@vm-sentinel/platform-linux/testing/PidNamespace"
import * as FS from "node:fs"
import * as Cli from "./support/Cli.ts"
import * as Roots from "./support/Roots.ts"

const timeout = 30_000

const rows = (stdout: string): Record<string, string> =>
  Object.fromEntries(
    stdout
      .split("\n")
      .filter((line) => /[✓✗]/.test(line))
      .map((line) => {
        const [name = "", verdict, reason] = line.split(/ +/)
        const action = /(removed|kept) +[✓✗]/.exec(line)?.[1]
        return [name, `${verdict} ${reason} ${action} ${line.includes("✓") ? "✓" : "✗"}`]
      })
  )

const everywhere = {
  "alive-v1": "alive pid-alive kept ✓",
  "alive-v2": "alive matches kept ✓",
  "alive-v3": "alive matches kept ✓",
  "brood-box": "unknown other-owner kept ✓",
  "crashed-v1": "dead pid-dead removed ✓",
  "crashed-v2": "dead pid-dead removed ✓",
  "crashed-v3": "dead pid-dead removed ✓",
  "copy-of-crashed": "unknown other-directory kept ✓",
  malformed: "unknown malformed-sentinel kept ✓",
  "no-sentinel": "- no-sentinel kept ✓",
  "owner-inside": "dead owner-inside kept ✓",
  oversized: "unknown oversized-sentinel kept ✓",
  symlink: "unknown untrusted-sentinel kept ✓",
  zombie: "dead zombie removed ✓"
}

describe("demo", { timeout }, () => {
  it.live("tells recycled PIDs from living owners, and leaves nothing behind", ({ skip }) =>
    Effect.gen(function* () {
      const problem = yield* PidNamespace.unavailable
      if (problem !== undefined) skip(`needs a PID namespace: ${problem}`)
      const tmp = yield* Roots.scratch
      const { code, stderr, stdout } = yield* Cli.run(["demo"], { env: { TMPDIR: tmp } })
      assert.deepStrictEqual([code, stderr], [0, ""], stdout)
      const { "recycled-same-exe": same, ...rest } = rows(stdout)
      assert.match(same ?? "", /^dead (start-time|identity)-mismatch removed ✓$/)
      assert.deepStrictEqual(rest, {
        ...everywhere,
        "recycled-other-exe": "dead exe-mismatch removed ✓",
        "recycled-v1": "alive pid-alive kept ✓",
        "thread-not-process": "dead not-a-process removed ✓"
      })
      assert.match(stdout, /\n18 scanned: 7 removed, 11 kept \(5 unknown\)\n/)
      assert.deepStrictEqual(FS.readdirSync(tmp), [])
    })
  )

  it.live("shows the rest where the kernel gives no namespace, and keeps the root on request", () =>
    Effect.gen(function* () {
      const tmp = yield* Roots.scratch
      const path = `${tmp}/bin`
      FS.mkdirSync(path)
      for (const name of ["sh", "cat"]) FS.symlinkSync(`/bin/${name}`, `${path}/${name}`)
      const { code, stderr, stdout } = yield* Cli.run(["demo", "--keep"], { env: { TMPDIR: tmp, PATH: path } })
      assert.deepStrictEqual([code, stderr], [0, ""], stdout)
      assert.match(stdout, /^No PID namespace .*\n/)
      assert.deepStrictEqual(rows(stdout), { ...everywhere, "thread-not-process": "dead not-a-process removed ✓" })
      const root = /Left for you to look at: (.*)\n$/.exec(stdout)?.[1] ?? ""
      assert.deepStrictEqual(FS.readdirSync(root).sort(), [
        "alive-v1",
        "alive-v2",
        "alive-v3",
        "brood-box",
        "copy-of-crashed",
        "malformed",
        "no-sentinel",
        "notes.txt",
        "oversized",
        "owner-inside",
        "symlink"
      ])
    })
  )

  it.live("interrupted leaves nothing either", () =>
    Effect.gen(function* () {
      const tmp = yield* Roots.scratch
      const child = yield* Cli.start(["demo"], { env: { TMPDIR: tmp } })
      const code = yield* Effect.callback<number | null>((resume) => {
        // The scratch root exists now, and the demo is still making its directories.
        const watcher = FS.watch(tmp).once("change", () => child.kill("SIGINT"))
        child.stdout.resume()
        child.stderr.resume()
        child.once("close", (code) => {
          watcher.close()
          resume(Effect.succeed(code))
        })
      })
      assert.strictEqual(code, 130)
      assert.deepStrictEqual(FS.readdirSync(tmp), [])
    })
  )
})
