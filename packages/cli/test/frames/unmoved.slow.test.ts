/** Directories that can't be renamed. A sweep deletes them in place, under their lock. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Cli from "../support/Cli.ts"
import * as Places from "../support/Places.ts"
import * as Shell from "../support/Shell.ts"
import * as Stopped from "../support/Stopped.ts"

const { real, without } = Places

const layers = "lowerdir=$L/lower,upperdir=$T/upper,workdir=$T/work,redirect_dir=off"

/** `lower` is the file system of the lower layer. The upper layer is a tmpfs. */
const overlay = (lower: "the same" | "another"): string => `
  T=$W/tmpfs; mkdir $T; mount -t tmpfs -o mode=755 tmpfs $T
  L=${lower === "the same" ? "$T" : "$W"}; mkdir $L/lower $T/upper $T/work; chmod 755 $L/lower $T/upper`

const mountOverlay = `mount -t overlay -o ${layers} overlay $R`

/** A v1 record of a process that no kernel has. */
const dead = (directory: string): string =>
  `printf 2147483647 > ${directory}/.vm-sentinel; chmod 600 ${directory}/.vm-sentinel`

/** Renames by `rename(2)` alone, without the copy that `mv` falls back to. */
const renaming = (from: string, to: string): string =>
  `${process.execPath} -e 'fs.renameSync(process.argv[1], process.argv[2])' ${from} ${to}`

/** A shell with the mounts of another one. */
const beside = (open: Places.Scene["open"], { pid }: Shell.Shell) => open(["nsenter", `--mount=/proc/${pid}/ns/mnt`])

describe("a directory of a lower layer of overlayfs", () => {
  for (const lower of ["the same", "another"] as const) {
    real(
      without(),
      `scenario 86: is removed where it lies; the layer is on ${lower} file system as the upper one`,
      ({ open, owner }) =>
        Effect.gen(function* () {
          const { kill, pid } = yield* owner
          const host = yield* open()
          yield* host.run(`${overlay(lower)}
            for vm in legacy recorded living; do mkdir -p -m 700 $L/lower/$vm/data/deep; touch $L/lower/$vm/disk $L/lower/$vm/data/deep/file; done
            ${dead("$L/lower/legacy")}
            ${mountOverlay}
            $VS write $R/recorded --pid ${pid}; touch $R/recorded/log; mkdir -m 700 $R/upper; ${dead("$R/upper")}
            $VS write $R/living --pid $$`)
          yield* kill
          assert.include((yield* host.attempt(renaming("$R/legacy", "$R/upper/legacy"))).text, "EXDEV")
          const report = yield* host.report("$VS sweep $R --json")
          assert.deepStrictEqual(Cli.actions(report), {
            legacy: "removed: dead, pid-dead",
            recorded: "removed: dead, pid-dead",
            upper: "removed: dead, pid-dead",
            living: "kept: alive, matches"
          })
          assert.isUndefined(report.summary.unlocked)
          assert.strictEqual(yield* host.run("ls -A $R"), "living")
          assert.strictEqual(yield* host.run("find $R/living -type f | wc -l"), "3")
        }),
      lower === "the same" ? ["published", "withoutKoffi"] : ["published"]
    )
  }

  const doomed = Effect.fnUntraced(function* ({ open, owner }: Places.Scene) {
    const { kill, pid } = yield* owner
    const host = yield* open()
    yield* host.run(`${overlay("the same")}
      mkdir -m 700 $L/lower/vm; ${mountOverlay}; ${Stopped.fill("$R/vm")}; $VS write $R/vm --pid ${pid}`)
    yield* kill
    return host
  })

  const refusals: ReadonlyArray<readonly [string, string]> = [
    ["run", "$VS run $R/vm -- touch $W/ran"],
    ["write", "$VS write $R/vm --pid $$"],
    ["a role's write", "$VS write $R/vm --pid $$ --role other"]
  ]

  const refuse = Effect.fnUntraced(function* (newcomer: Shell.Shell, scratch: string) {
    for (const [what, command] of refusals) {
      const { code, text } = yield* newcomer.attempt(command)
      assert.strictEqual(code, 1, `${what}: ${text}`)
      assert.match(text, /sweep/, what)
    }
    assert.isFalse(FS.existsSync(`${scratch}/ran`))
  })

  real(
    without(...Stopped.tools),
    "scenario 70: is nobody's who comes by its path while it is deleted where it lies",
    (scene) =>
      Effect.gen(function* () {
        const host = yield* doomed(scene)
        yield* Stopped.caught(host, "STOP", "where it lies")
        yield* refuse(yield* beside(scene.open, host), scene.scratch)
        yield* host.run(Stopped.resume)
        const report = Cli.report(FS.readFileSync(`${scene.scratch}/sweep.json`, "utf8"))
        assert.deepStrictEqual(Cli.actions(report), { vm: "removed: dead, pid-dead" })
        assert.strictEqual(yield* host.run("ls -A $R"), "")
      }),
    ["published", "withoutKoffi"]
  )

  real(
    without(...Stopped.tools),
    "scenario 105: is nobody's whose removal where it lay was killed, and the next sweep finishes it",
    (scene) =>
      Effect.gen(function* () {
        const host = yield* doomed(scene)
        yield* Stopped.caught(host, "KILL", "where it lies")
        yield* refuse(host, scene.scratch)
        assert.deepStrictEqual(yield* host.actions("$VS list $R --json | grep -v reap"), {
          vm: "would-remove: dead, pid-dead"
        })
        assert.include(Object.values(yield* host.actions("$VS sweep $R --json")), "removed: dead, pid-dead")
        assert.strictEqual(yield* host.run("ls -A $R"), "")
      })
  )
})

describe("a directory with another project's id than its root's", () => {
  real(without("mkfs.xfs", "xfs_io"), "scenario 86: is removed where it lies", ({ open }) =>
    Effect.gen(function* () {
      const host = yield* open()
      yield* host.run(`
        truncate -s 320M $W/image; mkfs.xfs -q $W/image; mount -o loop $W/image $R; chmod 755 $R
        mkdir -m 700 $R/vm; ${dead("$R/vm")}; touch $R/vm/disk; xfs_io -c 'chproj -R 9' $R/vm
        xfs_io -c 'chattr +P' -c 'chproj 7' $R; mkdir $R/other`)
      assert.include((yield* host.attempt(renaming("$R/vm", "$R/other/vm"))).text, "EXDEV")
      assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), {
        vm: "removed: dead, pid-dead",
        other: "kept: none, no-sentinel"
      })
      assert.strictEqual(yield* host.run("ls -A $R"), "other")
    })
  )
})

describe("a directory with a name of 240 bytes", () => {
  for (const [what, mount] of [
    ["a tmpfs", "mount -t tmpfs -o size=1m,mode=755 tmpfs $R"],
    ["an ext4", "truncate -s 4M $W/image; mkfs.ext4 -q -m 0 $W/image; mount -o loop $W/image $R; rmdir $R/lost+found"]
  ] as const) {
    real(
      without("mkfs.ext4"),
      `scenario 97: is removed on a full file system, ${what}`,
      ({ open }) =>
        Effect.gen(function* () {
          const host = yield* open()
          const name = "x".repeat(240)
          yield* host.run(`
          ${mount}; mkdir -m 700 $R/${name}; ${dead(`$R/${name}`)}; touch $R/${name}/disk
          mkdir $R/filler; for size in 65536 4096 1; do dd if=/dev/zero of=$R/filler/$size bs=$size 2>/dev/null || true; done`)
          const actions = yield* host.actions("$VS sweep $R --json")
          assert.deepStrictEqual(actions, { [name]: "removed: dead, pid-dead", filler: "kept: none, no-sentinel" })
          assert.strictEqual(yield* host.run("ls -A $R"), "filler")
        }),
      what === "a tmpfs" ? Shell.ways : ["published"]
    )
  }
})
