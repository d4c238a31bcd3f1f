/** New owners that reach a directory while a sweep removes it, through references that a rename doesn't change. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Cli from "../support/Cli.ts"
import * as Places from "../support/Places.ts"
import * as Shell from "../support/Shell.ts"
import * as Stopped from "../support/Stopped.ts"

const { ownPids, real, without } = Places

/** Makes `$R/vm` so that its removal can be caught. Its owner is dead. */
const doomed = Effect.fnUntraced(function* ({ open, owner }: Places.Scene) {
  const { kill, pid } = yield* owner
  const host = yield* open()
  yield* host.run(`mkdir -m 700 $R/vm; $VS write $R/vm --pid ${pid}; ${Stopped.fill("$R/vm")}`)
  yield* kill
  return host
})

/** How an owner in its own shell reached the directory before the sweep, and by which path it then names it. */
const comings: ReadonlyArray<readonly [title: string, script: string, path: string]> = [
  ["its working directory", "cd $R/vm", "."],
  ["a path from within it", "cd $R/vm/data", ".."],
  ["a bind mount", "mkdir $W/volume; mount --bind $R/vm $W/volume", "$W/volume"],
  ["a bind mount of its root", "mkdir $W/volume; mount --bind $R $W/volume; cd $W/volume/vm", "."],
  ["a descriptor", "exec 9<$R/vm", "/proc/self/fd/9"]
]

describe("a directory that is being removed", () => {
  for (const [title, coming, path] of comings) {
    real(
      without(...Stopped.tools),
      `scenario 70: is nobody's who comes by ${title}`,
      (scene) =>
        Effect.gen(function* () {
          const host = yield* doomed(scene)
          const newcomer = yield* scene.open()
          yield* newcomer.run(coming)
          yield* Stopped.caught(host, "STOP")
          const refusals: ReadonlyArray<readonly [string, string]> = [
            ["run", `$VS run ${path} -- touch $W/ran`],
            ["write", `$VS write ${path} --pid $$`],
            ["a role's write", `$VS write ${path} --pid $$ --role other`]
          ]
          for (const [what, command] of refusals) {
            const { code, text } = yield* newcomer.attempt(command)
            assert.strictEqual(code, 1, `${what}: ${text}`)
          }
          assert.isFalse(FS.existsSync(`${scene.scratch}/ran`))
          yield* host.run(Stopped.resume)
          const report = Cli.report(FS.readFileSync(`${scene.scratch}/sweep.json`, "utf8"))
          assert.deepStrictEqual(Cli.actions(report), { vm: "removed: dead, pid-dead" })
          assert.deepStrictEqual(FS.readdirSync(scene.root), [])
        }),
      title.startsWith("its working") ? Shell.ways : ["published"]
    )
  }

  real(
    without(...Stopped.tools),
    "scenario 70: says that a sweep has it, to who comes by its working directory",
    (scene) =>
      Effect.gen(function* () {
        const host = yield* doomed(scene)
        const newcomer = yield* scene.open()
        yield* newcomer.run("cd $R/vm")
        yield* Stopped.caught(host, "STOP")
        const { text } = yield* newcomer.attempt("$VS run . -- true")
        assert.match(text, /sweep/)
      })
  )

  real(without(...Stopped.tools), "scenario 70: gives its name free: a new directory of that name lives on", (scene) =>
    Effect.gen(function* () {
      const host = yield* doomed(scene)
      yield* Stopped.caught(host, "STOP")
      const container = yield* scene.open(ownPids)
      yield* container.run(`
        mkdir -m 700 $R/vm; $VS run $R/vm -- sleep 1000000 >/dev/null 2>&1 &
        running $R/vm`)
      yield* host.run(Stopped.resume)
      assert.deepStrictEqual(FS.readdirSync(scene.root), ["vm"])
      assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: "kept: alive, lock-held" })
    })
  )

  real(without(...Stopped.tools), "scenario 70: by no way is anything lost of who came before the sweep", (scene) =>
    Effect.gen(function* () {
      for (const [title, coming, path] of comings.slice(0, 3)) {
        const { kill, pid } = yield* scene.owner
        const host = yield* scene.open()
        yield* host.run(`mkdir -m 700 $R/vm; mkdir $R/vm/data; $VS write $R/vm --pid ${pid}`)
        yield* kill
        const newcomer = yield* scene.open()
        // All processes of the newcomer end with its shell, and with them end its lock and its mounts.
        yield* newcomer.run(`${coming}; rm -f $R/vm/.vm-sentinel.command
          setpriv --pdeathsig KILL $VS run ${path} -- setpriv --pdeathsig KILL sleep 1000000 >/dev/null 2>&1 &
          running $R/vm`)
        for (const reader of [host, yield* scene.open(ownPids)]) {
          assert.deepStrictEqual(yield* reader.actions("$VS sweep $R --json"), { vm: "kept: alive, lock-held" }, title)
        }
        yield* newcomer.kill
        yield* host.run("unlocked $R/vm; rm -r $R/vm; if [ -e $W/volume ]; then rmdir $W/volume; fi")
      }
    })
  )

  real(
    without(...Stopped.tools),
    "scenario 108: which a killed sweep left takes no record through a container's bind mount",
    (scene) =>
      Effect.gen(function* () {
        const host = yield* doomed(scene)
        const container = yield* scene.open(Places.container(scene.root))
        yield* container.run("mkdir /volume; mount --bind /vms/vm /volume")
        yield* Stopped.caught(host, "KILL")
        const { code, text } = yield* container.attempt("$VS write /volume --pid $$")
        assert.strictEqual(code, 1, text)
        assert.match(text, /sweep/)
        assert.notInclude(yield* container.run("ls -A /volume"), "other")
        const { outcomes } = yield* host.report("$VS sweep $R --json")
        assert.include(
          outcomes.map(({ action }) => action),
          "removed"
        )
        assert.deepStrictEqual(FS.readdirSync(scene.root), [])
      })
  )

  real(
    without(...Stopped.tools),
    "scenario 108: which a killed sweep left is kept for a record that came into it all the same",
    (scene) =>
      Effect.gen(function* () {
        const host = yield* doomed(scene)
        const container = yield* scene.open(Places.container(scene.root))
        yield* container.run("mkdir /volume; mount --bind /vms/vm /volume")
        yield* Stopped.caught(host, "KILL")
        // A program that takes no lock writes a record.
        const { pid } = yield* scene.owner
        yield* container.run(
          `printf ${pid} > /volume/.vm-sentinel.late; chmod 600 /volume/.vm-sentinel.late; touch /volume/disk`
        )
        const actions = yield* host.actions("$VS sweep $R --json")
        assert.notInclude(Object.values(actions).join(), "removed: dead, pid-dead")
        assert.include(yield* container.run("ls -A /volume"), "disk")
      })
  )
})
