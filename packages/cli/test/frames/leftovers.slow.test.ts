/** Killed sweeps and single failures leave directories. The next sweep finishes these. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Cli from "../support/Cli.ts"
import * as Places from "../support/Places.ts"
import * as Stopped from "../support/Stopped.ts"

const { ownPids, real, without } = Places

describe("a sweep that is killed together with its container", () => {
  real(
    without(...Stopped.tools),
    "scenario 85: is resumed by a sweep in the next container",
    ({ open, root }) =>
      Effect.gen(function* () {
        const first = yield* open(ownPids)
        yield* first.run(`
          mkdir -m 700 $R/vm; printf 2147483647 > $R/vm/.vm-sentinel; chmod 600 $R/vm/.vm-sentinel
          ${Stopped.fill("$R/vm")}`)
        yield* Stopped.caught(first, "STOP")
        yield* Places.end(first)
        assert.lengthOf(FS.readdirSync(root), 1)
        // One of these containers may get the number of the ended PID namespace.
        for (let others = 0; others < 3; others += 1) yield* open(ownPids)
        const next = yield* open(ownPids)
        assert.deepStrictEqual(yield* next.actions("$VS sweep $R --json"), { vm: "removed: dead, resumed" })
        assert.deepStrictEqual(FS.readdirSync(root), [])
      }),
    ["published", "withoutKoffi"]
  )
})

describe("one failure while a workspace is made", () => {
  real(without("strace"), "scenario 91: costs no directory", ({ open, owner, root }) =>
    Effect.gen(function* () {
      const { kill, pid } = yield* owner
      const host = yield* open()
      yield* host.run(`for vm in 1 2 3 4 5; do mkdir -m 700 $R/$vm; $VS write $R/$vm --pid ${pid}; done`)
      yield* kill
      const { text } = yield* host.attempt(
        // strace counts the calls of each thread separately, so libuv's pool has one thread.
        "UV_THREADPOOL_SIZE=1 strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:error=EIO:when=1 $VS sweep $R --json"
      )
      const lines = text.split("\n").filter((line) => line.startsWith("{"))
      const { summary } = Cli.report(lines.join("\n"))
      assert.deepInclude(summary, { removed: 5, failed: 0 })
      assert.deepStrictEqual(FS.readdirSync(root), [])
    })
  )
})

describe("a directory that was half made", () => {
  real(without(), "scenario 97: is removed though it is dated in the future", ({ open, owner, root }) =>
    Effect.gen(function* () {
      const { kill, pid } = yield* owner
      const host = yield* open()
      yield* kill
      yield* host.run(`
        D=$R/.vm-sentinel-reap.0123456789abcdef.new
        mkdir -m 700 $D; printf ${pid} > $D/.vm-sentinel; chmod 600 $D/.vm-sentinel; touch -d 2035-01-01 $D
        $VS sweep $R`)
      assert.deepStrictEqual(FS.readdirSync(root), [])
    })
  )
})

describe("a kernel, a filter or a file system that refuses renameat2(2)", () => {
  for (const errno of ["EPERM", "EINVAL", "ENOSYS"]) {
    real(without("strace"), `scenario 97: costs nothing: a look and a rename (${errno})`, ({ open, owner, root }) =>
      Effect.gen(function* () {
        const { kill, pid } = yield* owner
        const host = yield* open()
        yield* host.run(`mkdir -m 700 $R/vm; $VS write $R/vm --pid ${pid}`)
        yield* kill
        const refused = `strace -f -qq -o $W/trace -e trace=renameat2 -e inject=renameat2:error=${errno}`
        assert.deepStrictEqual(yield* host.actions(`${refused} $VS sweep $R --json`), { vm: "removed: dead, pid-dead" })
        assert.include(yield* host.run("cat $W/trace"), "INJECTED")
        assert.deepStrictEqual(FS.readdirSync(root), [])
      })
    )
  }
})
