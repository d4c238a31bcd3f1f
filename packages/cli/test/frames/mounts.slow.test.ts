/** Mounts in a root. A mount that doesn't answer blocks no sweep, and no sweep deletes anything in a mount. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Places from "../support/Places.ts"

const { real, without } = Places

/** `dead DIR`: a dead owner's directory. `hang POINT MODE`: mounts FUSE without a server until the shell ends. */
const functions = `
  dead() { mkdir -m 700 -p "$1"; printf 2147483647 >"$1/.vm-sentinel"; chmod 600 "$1/.vm-sentinel"; }
  hang() {
    ( exec 3<>/dev/fuse
      mount -i -t fuse -o "fd=3,rootmode=$2,user_id=0,group_id=0" hung "$1" && exec sleep 100
    ) >/dev/null 2>&1 &
    until grep -q " $1 " /proc/self/mountinfo; do kill -0 $! || return 1; sleep 0.01; done
  }`

const noFuse = without() ?? (FS.existsSync("/dev/fuse") ? undefined : "no /dev/fuse")

/** The prefix of a command that may wait for a file system that doesn't answer. It kills the command after 30 s. */
const bounded = "timeout -s KILL 30"

describe("a file system that doesn't answer", () => {
  real(
    noFuse,
    "scenario 82: as a VM directory, below one or on a sentinel is left untouched, and all others are swept",
    ({ open, owner }) =>
      Effect.gen(function* () {
        const { pid } = yield* owner
        const shell = yield* open()
        yield* shell.run(`${functions}
          dead $R/gone; dead $R/own; dead $R/below; dead $R/covered
          mkdir -p $R/below/a/share; echo x >$R/below/a/file
          mkdir -m 700 $R/living; mkdir $R/living/share; $VS write $R/living --pid ${pid}
          for i in $(seq 100); do mkdir -m 700 $R/n$i; printf ${pid} >$R/n$i/.vm-sentinel; chmod 600 $R/n$i/.vm-sentinel; done
          for i in $(seq 200); do dead $R/d$i; done
          hang $R/own 40000; hang $R/below/a/share 40000; hang $R/living/share 40000; hang $R/covered/.vm-sentinel 100600`)
        const kept = {
          own: "kept: unknown, mount-inside",
          below: "kept: dead, mount-inside",
          // A mount covers the sentinel, and the sweep doesn't read the mount. So the owner stays unknown.
          covered: "kept: none, no-sentinel",
          living: "kept: alive, matches"
        }
        const listed = yield* shell.report(`${bounded} $VS list $R --json`)
        const named = (actions: Record<string, string>) =>
          Object.fromEntries(Object.entries(actions).filter(([name]) => !/^[nd]\d/.test(name)))
        const actionsOf = ({ outcomes }: typeof listed) =>
          Object.fromEntries(
            outcomes.map(({ action, name, reason, verdict }) => [name, `${action}: ${verdict}, ${reason}`])
          )
        assert.deepStrictEqual(named(actionsOf(listed)), { ...kept, gone: "would-remove: dead, pid-dead" })
        const [own, below] = ["own", "below"].map((name) => listed.outcomes.find((outcome) => outcome.name === name))
        assert.match(own?.evidence["mount"]?.observed ?? "", /\/vms\/own$/)
        assert.match(below?.evidence["mount"]?.observed ?? "", /\/vms\/below\/a\/share$/)
        const explained = yield* shell.attempt(`${bounded} $VS explain $R/own`)
        assert.strictEqual(explained.code, 1)
        assert.include(explained.text, "/vms/own: a mount point; unmount it first")
        assert.include(yield* shell.run(`cd $R; ${bounded} $VS explain below --json`), `"reason":"mount-inside"`)
        for (const name of ["own", "below"]) {
          const reclaimed = yield* shell.attempt(`${bounded} $VS reclaim $R/${name}`)
          assert.include(reclaimed.text, "; unmount it first")
        }
        const swept = yield* shell.report(`${bounded} $VS sweep $R --json --sizes`)
        assert.deepStrictEqual(named(actionsOf(swept)), { ...kept, gone: "removed: dead, pid-dead" })
        assert.strictEqual(swept.summary.removed, 201)
        assert.strictEqual(yield* shell.run("cat $R/below/a/file; ls $R | grep -vc '^n'"), "x\n4")
      }),
    ["published", "withoutKoffi"]
  )
})

describe("a mount that the path of the root doesn't show", () => {
  real(
    without(),
    "scenario 95: below a dead directory that is reached by a second bind mount of the root keeps it, untouched",
    ({ open }) =>
      Effect.gen(function* () {
        const shell = yield* open()
        yield* shell.run(`${functions}
          dead $R/a; dead $R/b; mkdir $R/a/m $W/source $W/alias; touch $R/a/file; echo precious >$W/source/file
          mount --bind $W/source $R/a/m; mount --bind $R $W/alias`)
        const actions = { a: "kept: dead, mount-inside", b: "removed: dead, pid-dead" }
        assert.deepStrictEqual(yield* shell.actions("$VS sweep $W/alias --json"), actions)
        assert.strictEqual(
          yield* shell.run("cd $R; find . | sort"),
          [".", "./a", "./a/.vm-sentinel", "./a/file", "./a/m", "./a/m/file"].join("\n")
        )
      }),
    ["published", "withoutKoffi"]
  )

  real(
    without(),
    "scenario 95: of another mount namespace goes with the directory that it lies on, and what is mounted stays",
    ({ open }) =>
      Effect.gen(function* () {
        const host = yield* open()
        yield* host.run(`${functions}
          dead $R/a; mkdir $R/a/m $W/source; echo precious >$W/source/file`)
        const other = yield* open()
        yield* other.run("mount --bind $W/source $R/a/m")
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { a: "removed: dead, pid-dead" })
        assert.strictEqual(yield* host.run("cat $W/source/file"), "precious")
        assert.strictEqual(yield* other.run("grep -c $R/a/m /proc/self/mountinfo || true"), "0")
      })
  )
})

describe("a directory of another user's that can't be read", () => {
  real(
    without("mkfs.ext4", "setpriv"),
    "scenario 97: lost+found at the top of a user's own volume isn't ours, and a strict sweep is content",
    ({ open }) =>
      Effect.gen(function* () {
        const shell = yield* open()
        yield* shell.run(`
          truncate -s 32M $W/image; mkfs.ext4 -q $W/image; mkdir $W/volume
          mount -o loop $W/image $W/volume; chown 1000 $W/volume`)
        const user = "setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/nonexistent"
        const swept = yield* shell.actions(`${user} $VS sweep $W/volume --strict --json`)
        assert.deepStrictEqual(swept, { "lost+found": "kept: none, no-sentinel" })
        const explained = yield* shell.run(`${user} $VS explain $W/volume/lost+found`)
        assert.include(explained.replace(/\s+/g, " "), "it is unreadable, and owned by uid 0.")
      })
  )
})
