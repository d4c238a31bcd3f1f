/** The command as the first process, and on disks that are full, read-only or have immutable files. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as FS from "node:fs"
import * as OS from "node:os"
import * as Places from "../support/Places.ts"

const { real, without } = Places
const first = Places.ownPids.join(" ")

describe("run as the first process of a container", () => {
  real(
    without(),
    "scenario 98: reaps what it inherits, and ends with the command's code",
    ({ open }) =>
      Effect.gen(function* () {
        const host = yield* open()
        // Each orphan prints its PID and ends. Without a reap it would stay in /proc as a zombie.
        const script = `
          for n in 1 2 3; do (sh -c "echo \\$\\$ > $0/orphan.$n" &); done
          for n in 1 2 3; do
            until [ -s $0/orphan.$n ]; do sleep 0.01; done
            while [ -e /proc/$(cat $0/orphan.$n) ]; do sleep 0.01; done
          done
          exit 7`
        FS.writeFileSync(`${yield* host.run("echo $W")}/script`, script)
        const { code, text } = yield* host.attempt(
          `mkdir -m 700 $R/vm; ${first} $VS run $R/vm -- sh -c "$(cat $W/script)" $R/vm`
        )
        assert.deepStrictEqual([code, text.trim()], [7, ""])
      }),
    ["published", "sources"]
  )

  real(
    without(),
    "scenario 98: passes a signal on that the kernel keeps from a first process without a listener",
    ({ open }) =>
      Effect.gen(function* () {
        const host = yield* open()
        const script = `trap "exit 9" TERM; kill -TERM 1; while :; do sleep 0.01; done`
        const { code } = yield* host.attempt(`mkdir -m 700 $R/vm; ${first} $VS run $R/vm -- sh -c '${script}'`)
        assert.strictEqual(code, 9)
      })
  )

  real(
    without(),
    "scenario 98: says that it can't reap where it can't",
    ({ open }) =>
      Effect.gen(function* () {
        const host = yield* open()
        const { code, text } = yield* host.attempt(`mkdir -m 700 $R/vm; ${first} $VS run $R/vm -- true`)
        assert.strictEqual(code, 0)
        assert.match(text, /can't reap what it inherits without koffi: start it under an init/)
        const ordinary = yield* host.run("mkdir -m 700 $R/other; $VS run $R/other -- true")
        assert.strictEqual(ordinary, "")
      }),
    ["withoutKoffi"]
  )
})

describe("run after run, each as the first process of a container of its own", () => {
  for (const [signal, end] of [
    ["KILL", "was killed"],
    ["TERM", "has ended in good order"]
  ] as const) {
    real(without(), `scenario 112: knows that the one before ${end}, and so does a sweep`, ({ open, scratch }) =>
      Effect.gen(function* () {
        const host = yield* open()
        const start = `
            rm -f $W/started
            ${first} $VS run $R/vm -- sh -c "touch $W/started; exec sleep 1000000" >/dev/null 2>&1 & RUN=$!
            until [ -e $W/started ]; do kill -0 $RUN || break; sleep 0.01; done; running $R/vm`
        const stop = `kill -${signal} $(cat /proc/$RUN/task/$RUN/children); wait $RUN || true`
        // The descriptor keeps the kernel from giving the number of the first namespace to the second.
        yield* host.run(`mkdir -m 700 $R/vm; ${start}; exec 8</proc/$RUN/ns/pid_for_children`)
        const next = yield* open(Places.ownPids)
        assert.strictEqual((yield* next.attempt("$VS run $R/vm -- touch $W/beside")).code, 1)
        yield* host.run(stop)
        assert.deepStrictEqual(yield* next.actions("$VS list $R --json"), { vm: "would-remove: dead, lock-free" })
        yield* host.run(start)
        assert.isFalse(FS.existsSync(`${scratch}/beside`))
        assert.deepStrictEqual(yield* next.actions("$VS sweep $R --json"), { vm: "kept: alive, lock-held" })
        yield* host.run(stop)
        assert.deepStrictEqual(yield* next.actions("$VS sweep $R --json"), { vm: "removed: dead, lock-free" })
      })
    )
  }
})

const dead = (directory: string) =>
  `mkdir -m 700 ${directory}; printf 2147483647 > ${directory}/.vm-sentinel; chmod 600 ${directory}/.vm-sentinel`

/** Reason why no file can be made immutable here. `undefined` if one can. */
const notImmutable = ((): string | undefined => {
  const directory = FS.mkdtempSync(`${OS.tmpdir()}/vm-sentinel-immutable-`)
  try {
    execFileSync("chattr", ["+i", directory], { stdio: "ignore" })
    execFileSync("chattr", ["-i", directory], { stdio: "ignore" })
    return undefined
  } catch {
    return "no immutable files on this file system"
  } finally {
    FS.rmdirSync(directory)
  }
})()

describe("a disk", () => {
  real(without(), "scenario 96: that becomes full under a report cuts no table off in silence", ({ open, root }) =>
    Effect.gen(function* () {
      const host = yield* open()
      yield* host.run(`
        for n in $(seq 200); do ${dead("$R/vm$n")}; done
        mkdir $W/full; mount -t tmpfs -o size=8k tmpfs $W/full`)
      const { code, text } = yield* host.attempt("$VS sweep $R > $W/full/report")
      assert.strictEqual(code, 1)
      assert.match(text, /^vm-sentinel: stdout: ENOSPC; .*\nvm-sentinel: 200 scanned: 200 removed, 0 kept\n?$/)
      assert.deepStrictEqual(FS.readdirSync(root), [])
    })
  )

  real(without(), "that is read-only is told with the next step", ({ open }) =>
    Effect.gen(function* () {
      const host = yield* open()
      yield* host.run(`mount -t tmpfs -o mode=755 tmpfs $R; ${dead("$R/vm")}; mount -o remount,ro $R`)
      const { code, text } = yield* host.attempt("$VS sweep $R")
      assert.strictEqual(code, 0)
      assert.match(text, /\n {2}\S+: EROFS \([a-z ]+\); the file system is mounted read-only: mount it read-write/)
      assert.match(text, /1 failed/)
    })
  )

  real(
    without("chattr") ?? notImmutable,
    "with an immutable file: root is told what to do, and the directory is found by its name",
    ({ open, root }) =>
      Effect.gen(function* () {
        const host = yield* open()
        yield* host.run(`${dead("$R/vm")}; touch $R/vm/disk`)
        yield* host.run("chattr +i $R/vm/disk")
        const swept = yield* host.attempt("$VS sweep $R")
        assert.match(swept.text, /dead\/\S+vm\/disk: permission denied \(delete\); `lsattr -d` .*`chattr -i -a`/)
        const explained = yield* host.run("$VS explain $R/vm")
        assert.match(explained, /\/vm: dead, resumed\n {2}It lies in \S+\/dead\/\S+vm now\.\n {2}A sweep proved/)
        yield* host.run("chattr -R -i $R")
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: "removed: dead, resumed" })
        assert.deepStrictEqual(FS.readdirSync(root), [])
      })
  )
})
