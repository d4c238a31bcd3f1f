/** Owners below the first level of a directory whose own owner is dead. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Places from "../support/Places.ts"
import * as Roots from "../support/Roots.ts"
import * as Shell from "../support/Shell.ts"
import * as Stopped from "../support/Stopped.ts"

const { ownPids, real, without } = Places

const ownerInside = "kept: dead, owner-inside"

/** A directory of a dead owner, with a root of directories in it. */
const group = Effect.fnUntraced(function* ({ open, owner }: Places.Scene, place?: Shell.Place) {
  const { kill, pid } = yield* owner
  const shell = yield* open(place)
  yield* (yield* open()).run(`mkdir -p -m 700 $R/group/vms; $VS write $R/group --pid ${pid}`)
  yield* kill
  return shell
})

describe("a dead owner's directory", () => {
  real(
    without(),
    "scenario 77: stays as long as one below its first level has an owner that lives, or holds its lock",
    (scene) =>
      Effect.gen(function* () {
        const host = yield* group(scene)
        const { pid } = yield* scene.owner
        const container = yield* scene.open(ownPids)
        yield* host.run(`
          mkdir -p -m 700 $R/group/vms/dead $R/group/vms/recorded
          echo precious > $R/group/vms/recorded/disk.img
          $VS write $R/group/vms/recorded --pid ${pid}`)
        const before = Roots.snapshot(scene.root)
        const { outcomes } = yield* host.report("$VS sweep $R --json")
        assert.deepInclude(outcomes[0], { name: "group", action: "kept", verdict: "dead", reason: "owner-inside" })
        assert.include(JSON.stringify(outcomes[0]?.evidence.below), "vms/recorded")
        assert.isUndefined(outcomes[0]?.error)
        assert.deepStrictEqual(Roots.snapshot(scene.root), before)
        yield* host.run("rm -r $R/group/vms/recorded")
        yield* container.run(`
          mkdir -m 700 $R/group/vms/held; $VS run $R/group/vms/held -- sleep 1000000 >/dev/null 2>&1 &
          running $R/group/vms/held`)
        assert.deepStrictEqual(yield* host.actions("$VS list $R --json"), { group: ownerInside })
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { group: ownerInside })
        yield* container.kill
        yield* host.run("unlocked $R/group/vms/held")
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { group: "removed: dead, pid-dead" })
        assert.deepStrictEqual(FS.readdirSync(scene.root), [])
      }),
    Shell.ways
  )

  const inner: ReadonlyArray<readonly [title: string, script: (pid: number) => string]> = [
    ["a role's", (pid) => `$VS write $I --pid ${pid} --role helper`],
    ["brood-box's", (pid) => `$VS write $I --pid ${pid} --sentinel-name .bbox-sentinel`],
    ["one that is no record", () => "printf nonsense > $I/.vm-sentinel"],
    ["an empty one", () => ": > $I/.vm-sentinel"],
    ["a link", () => "ln -s /etc/passwd $I/.vm-sentinel"],
    [
      "a living one of the first format, that others may write",
      (pid) => `echo ${pid} > $I/.vm-sentinel; chmod 666 $I/.vm-sentinel`
    ]
  ]
  for (const [title, script] of inner) {
    real(without(), `scenario 77: stays for a sentinel six levels below: ${title}`, (scene) =>
      Effect.gen(function* () {
        const host = yield* group(scene)
        const { pid } = yield* scene.owner
        yield* host.run(`I=$R/group/a/b/c/d/e/vm; mkdir -p -m 700 $I; ${script(pid)}`)
        const before = Roots.snapshot(scene.root)
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { group: ownerInside })
        assert.deepStrictEqual(Roots.snapshot(scene.root), before)
      })
    )
  }

  real(
    without(),
    "scenario 77: goes with all those in it whose owners are gone too, and with a copy of itself",
    (scene) =>
      Effect.gen(function* () {
        const host = yield* group(scene)
        const { kill, pid } = yield* scene.owner
        yield* host.run(`
        mkdir -p -m 700 $R/group/vms/one/data $R/group/vms/two
        for name in one two; do $VS write $R/group/vms/$name --pid ${pid}; done
        cp -a $R/group $W/copy; mv $W/copy $R/group/copy; rm -r $R/group/copy/vms`)
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { group: ownerInside })
        yield* kill
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { group: "removed: dead, pid-dead" })
        assert.deepStrictEqual(FS.readdirSync(scene.root), [])
      })
  )

  real(
    without("flock"),
    "scenario 109: goes but for the part that an owner of a name nobody knows holds by its lock",
    (scene) =>
      Effect.gen(function* () {
        const host = yield* group(scene)
        yield* host.run(`
          mkdir -p -m 700 $R/group/vms/mine $R/group/vms/other
          printf 1 > $R/group/vms/mine/.my-vmm; printf data > $R/group/vms/mine/disk.img; printf x > $R/group/vms/other/x`)
        const holder = yield* scene.open(["flock", "-s", `${scene.root}/group/vms/mine`])
        const { outcomes } = yield* host.report("$VS sweep $R --json")
        assert.notInclude(
          outcomes.map(({ action }) => action),
          "removed"
        )
        assert.include(JSON.stringify(outcomes), "vms/mine")
        // The sweep may have moved the file within the root.
        const found = yield* host.run("find $R -name disk.img -exec cat {} +; find $R -name x")
        assert.strictEqual(found, "data")
        yield* holder.kill
        yield* host.run("D=$(dirname $(find $R -name disk.img)); unlocked $D")
        yield* host.run("$VS sweep $R --json")
        assert.deepStrictEqual(FS.readdirSync(scene.root), [])
      }),
    ["published", "sources"]
  )

  real(
    without(...Stopped.tools),
    "scenario 109: goes but for the parts that owners came to after the look below, whose locks nobody holds",
    (scene) =>
      Effect.gen(function* () {
        const { kill, pid } = yield* scene.owner
        const next = yield* scene.owner
        const host = yield* scene.open()
        yield* host.run(`
          mkdir -m 700 $R/vm; $VS write $R/vm --pid ${pid}; ${Stopped.fill("$R/vm")}
          for part in a b c d w x y z; do mkdir -p -m 700 $R/vm/$part/inner; touch $R/vm/$part/inner/disk.img; done`)
        yield* kill
        yield* Stopped.caught(host, "STOP")
        // A program that takes no lock writes a sentinel into each directory that still has its file.
        const count = Number(
          yield* host.run(`
            for disk in $(find $R -name disk.img); do
              printf ${next.pid} > $(dirname $disk)/.vm-sentinel; chmod 600 $(dirname $disk)/.vm-sentinel
            done
            find $R -name disk.img | wc -l`)
        )
        assert.isAbove(count, 0)
        yield* host.run(Stopped.resume)
        assert.strictEqual(Number(yield* host.run("find $R -name disk.img | wc -l")), count)
      }),
    ["published", "withoutKoffi"]
  )
})
