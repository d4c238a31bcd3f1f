/** Roots that differ from what their path suggests, and files that other users put into roots. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Places from "../support/Places.ts"
import * as Roots from "../support/Roots.ts"
import * as Shell from "../support/Shell.ts"

const { ownMounts, real, without } = Places

describe("a root through a link of procfs", () => {
  /** The host and a container have a directory of one path: `$R`. */
  const both = Effect.fnUntraced(function* ({ open, owner }: Places.Scene) {
    const { kill, pid } = yield* owner
    const host = yield* open()
    yield* host.run(`mkdir -m 700 $R/on-host; $VS write $R/on-host --pid ${pid}`)
    yield* kill
    const container = yield* open(ownMounts)
    yield* container.run(`
      mount -t tmpfs -o mode=755 tmpfs $R; mkdir -m 700 $R/in-container
      printf 2147483647 > $R/in-container/.vm-sentinel; chmod 600 $R/in-container/.vm-sentinel`)
    return { host, container }
  })

  for (const [title, path] of [
    ["a process's root", "/proc/$C/root$R"],
    ["its thread's", "/proc/$C/task/$C/root$R"],
    ["its working directory", "/proc/$C/cwd"],
    ["a descriptor of its", "/proc/$C/fd/9"],
    ["a link to its root", "$W/link$R"]
  ] as const) {
    real(
      without(),
      `scenario 79: is refused, or is the one that is swept, never the host's of that name: ${title}`,
      (scene) =>
        Effect.gen(function* () {
          const { container, host } = yield* both(scene)
          yield* container.run("cd $R; exec 9<$R")
          const { code, text } = yield* host.attempt(
            `C=${container.pid}; ln -s /proc/$C/root $W/link; $VS sweep ${path} --json; code=$?; rm $W/link; (exit $code)`
          )
          assert.deepStrictEqual(FS.readdirSync(scene.root), ["on-host"])
          const left = yield* container.run("ls $R")
          if (code === 0) assert.include(text, '"name":"in-container"')
          else {
            assert.strictEqual(code, 1, text)
            assert.match(text, /refused/i)
            assert.strictEqual(left, "in-container")
          }
        }),
      title === "a process's root" ? Shell.ways : ["published"]
    )
  }
})

describe("a workspace that somebody else planted", () => {
  const alice = "setpriv --reuid 1000 --regid 1000 --clear-groups"
  const bob = "setpriv --reuid 1001 --regid 1001 --groups 1001,1000"

  const plants: ReadonlyArray<readonly [title: string, plant: string]> = [
    ["in dead/", "mkdir -p $R/.vm-sentinel-reap.b0b/dead; mv $R/vm $R/.vm-sentinel-reap.b0b/dead/vm"],
    ["in claimed/", "mkdir -p $R/.vm-sentinel-reap.b0b/claimed; mv $R/vm $R/.vm-sentinel-reap.b0b/claimed/vm"],
    [
      "in dead/, with a dead sweep's sentinel",
      "mkdir -p $R/.vm-sentinel-reap.b0b/dead; mv $R/vm $R/.vm-sentinel-reap.b0b/dead/vm; printf 2147483647 > $R/.vm-sentinel-reap.b0b/.vm-sentinel"
    ]
  ]
  for (const [title, plant] of plants) {
    real(
      without("setpriv"),
      `scenario 80: deletes nothing of whoever sweeps: ${title}`,
      ({ open, root, scratch }) =>
        Effect.gen(function* () {
          const host = yield* open([...ownMounts, "unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
          yield* host.run(`
            chown 1000:1000 $R; chmod 775 $R
            ${alice} sh -c '
              umask 002; mkdir $R/vm; mkdir -m 700 $R/vm/secret; echo data > $R/vm/secret/disk
              sleep 1000000 >/dev/null & echo $! > $R/vm/pid; $VS write $R/vm --pid $!'
            ${bob} sh -c 'umask 0; rm -f $R/vm/.vm-sentinel; ${plant}'`)
          const { text } = yield* host.attempt(`${alice} $VS sweep $R --json`)
          assert.include(text, "Summary")
          const found = yield* host.run("find $R -name disk -exec cat {} +; kill -0 $(cat $(find $R -name pid))")
          assert.strictEqual(found, "data")
          assert.isTrue(FS.existsSync(root) && FS.existsSync(scratch))
        }),
      title === "in dead/" ? Shell.ways : ["published"]
    )
  }

  real(
    without(),
    "scenario 80: is judged like any directory where it is our own: a living owner in it is kept",
    ({ open, owner, root }) =>
      Effect.gen(function* () {
        const { pid } = yield* owner
        const host = yield* open()
        yield* host.run(`
        for place in dead claimed; do
          mkdir -p -m 700 $R/.vm-sentinel-reap.$place/$place/vm
          printf ${pid} > $R/.vm-sentinel-reap.$place/$place/vm/.vm-sentinel
          chmod 600 $R/.vm-sentinel-reap.$place/$place/vm/.vm-sentinel
          echo data > $R/.vm-sentinel-reap.$place/$place/vm/disk
        done`)
        yield* host.attempt("$VS sweep $R --json")
        assert.strictEqual(yield* host.run("find $R -name disk -exec cat {} + | sort | uniq -c | xargs"), "2 data")
        assert.isAbove(Object.keys(Roots.snapshot(root)).length, 2)
      })
  )
})
