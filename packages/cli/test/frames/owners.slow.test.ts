/** Owners that wrap, fork, hand over and work in threads, and owners that other processes record. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import { because } from "@vm-sentinel/core/test/support/able"
import { piped, until } from "@vm-sentinel/platform-linux/test/support/processes"
import * as Cli from "../support/Cli.ts"
import * as Places from "../support/Places.ts"
import * as Records from "../support/Records.ts"
import * as Roots from "../support/Roots.ts"
import * as Shell from "../support/Shell.ts"

const { ownPids, real, without } = Places

const alive = "kept: alive, matches"
const program = (name: string) => `${import.meta.dirname}/../agents/${name}.ts`

describe("a program that holds directories", () => {
  real(
    without(),
    "scenario 66: isn't dead to another container once its scope has closed, for it lives on",
    ({ open, root }) =>
      Effect.gen(function* () {
        FS.mkdirSync(`${root}/vm`, { mode: 0o700 })
        const [file = "", ...args] = [...ownPids, process.execPath, program("closingScope"), `${root}/vm`]
        const holder = yield* piped(file, args)
        assert.strictEqual(yield* holder.line, "closed")
        const [host, other] = [yield* open(), yield* open(ownPids)]
        for (const knowing of ["", "--lock inherited"]) {
          const actions = yield* other.actions(`flock -xn $R/vm true; $VS sweep $R --json ${knowing}`)
          assert.deepStrictEqual(actions, { vm: "kept: unknown, other-pid-namespace" }, knowing)
        }
        assert.isUndefined(Records.read(`${root}/vm/.vm-sentinel`).record.lock)
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: alive })
      }),
    ["published", "withoutKoffi"]
  )

  it.live.skipIf(without("flock") !== undefined)(
    because("scenario 75: keeps their locks when a worker of its own that swept comes to its end", without("flock")),
    () =>
      Effect.gen(function* () {
        const scratch = yield* Roots.scratch
        FS.mkdirSync(`${scratch}/root`)
        yield* Roots.alive(Roots.directory(`${scratch}/root`, "vm"))
        const directories = Array.from({ length: 8 }, (_, index) => Roots.directory(scratch, `mine-${index}`))
        const { code, stderr, stdout } = yield* Cli.execute(process.execPath, [
          program("sweepingWorker"),
          `${scratch}/root`,
          ...directories
        ])
        assert.strictEqual(code, 0, stderr)
        const all = directories.map(() => true)
        assert.deepStrictEqual(JSON.parse(stdout), { kept: 1, before: all, after: all })
      }),
    Places.timeout
  )

  real(
    without("flock"),
    "scenario 107: has them removed when it is killed, though an unrelated child of it lives on",
    ({ open, scratch }) =>
      Effect.gen(function* () {
        const container = yield* open(ownPids)
        FS.writeFileSync(
          `${scratch}/supervisor.sh`,
          "sleep 1000000 >/dev/null 2>&1 & echo $! > $W/child; echo ready > $W/ready; read -r forever < $W/never"
        )
        // The supervisor passes every descriptor that isn't close-on-exec to its child.
        yield* container.run(`
          mkfifo $W/never; mkdir -m 700 $R/vm
          ${process.execPath} ${program("supervisor")} $R/vm sh $W/supervisor.sh >/dev/null 2>&1 & SUPERVISOR=$!
          until [ -e $W/ready ]; do kill -0 $SUPERVISOR; sleep 0.01; done
          ! flock -xn $R/vm true
          kill -KILL $SUPERVISOR; wait $SUPERVISOR || true
          kill -0 $(cat $W/child)
          flock -xn $R/vm true`)
        const host = yield* open()
        assert.match((yield* host.actions("$VS sweep $R --json"))["vm"] ?? "", /^removed: dead, /)
        yield* container.run("kill -0 $(cat $W/child)")
      })
  )
})

describe("write", () => {
  const wrappers: ReadonlyArray<readonly [title: string, command: string]> = [
    ["a shell", "sh -c '$VS write $R/vm; true'"],
    ["timeout(1)", "timeout 60 $VS write $R/vm"],
    ["xargs(1)", "echo $R/vm | xargs $VS write"],
    ["env(1)", "env $VS write $R/vm"],
    ["nohup(1)", "nohup $VS write $R/vm"]
  ]
  for (const [title, command] of wrappers) {
    real(without(), `scenario 76: takes no wrapper that ends at once for the owner: ${title}`, ({ open, root }) =>
      Effect.gen(function* () {
        const host = yield* open()
        const { code, text } = yield* host.attempt(`mkdir -m 700 $R/vm; (${command})`)
        // xargs replaces the exit code of its command.
        assert.include(title === "a shell" ? [0] : title.startsWith("xargs") ? [123] : [2], code, text)
        assert.include(text, '--pid "$$"')
        assert.deepStrictEqual(FS.readdirSync(`${root}/vm`), [])
        yield* host.run('$VS write $R/vm --pid "$$"')
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: alive })
      })
    )
  }
})

describe("a v2 record", () => {
  const ageing: ReadonlyArray<readonly [title: string, script: string]> = [
    ["touch(1)", "touch -d @$EARLY $R/vm/.vm-sentinel"],
    [
      "cp -p",
      "touch -d @$EARLY $R/vm/.vm-sentinel; cp -p $R/vm/.vm-sentinel $W/s; rm $R/vm/.vm-sentinel; cp -p $W/s $R/vm/.vm-sentinel"
    ],
    [
      "tar",
      "touch -d @$EARLY $R/vm/.vm-sentinel; tar -C $R/vm -cf $W/s.tar .vm-sentinel; rm $R/vm/.vm-sentinel; tar -C $R/vm -xpf $W/s.tar"
    ]
  ]
  for (const [title, age] of ageing) {
    real(
      without("bash"),
      `scenario 81: with an mtime set back by ${title} condemns no owner that has become another program`,
      ({ open, root }) =>
        Effect.gen(function* () {
          const host = yield* open(ownPids)
          yield* host.run(`
            mkdir -m 700 $R/vm; cp /bin/sleep $W/vmm
            bash -c 'printf "%s\\n%s" $$ $(readlink /proc/$$/exe) > $R/vm/.vm-sentinel; chmod 600 $R/vm/.vm-sentinel
              until [ -e $W/go ]; do :; done; exec $W/vmm 1000000' >/dev/null & OWNER=$!
            until [ -s $R/vm/.vm-sentinel ]; do kill -0 $OWNER; done`)
          assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: alive })
          // The new mtime lies in this boot and before the start of the owner.
          yield* host.run(`
            EARLY=$(($(sed -n 's/^btime //p' /proc/stat) + 5))
            touch $W/go; until [ $(readlink /proc/$OWNER/exe) = $W/vmm ]; do kill -0 $OWNER; done; ${age}`)
          assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: "kept: unknown, exe-changed" })
          assert.deepStrictEqual(FS.readdirSync(root), ["vm"])
        }),
      title === "touch(1)" ? Shell.ways : ["published"]
    )
  }

  real(without("bash"), "scenario 81: condemns one that isn't that old, in another program's hands", ({ open }) =>
    Effect.gen(function* () {
      const host = yield* open(ownPids)
      yield* host.run(`
        mkdir -m 700 $R/vm; printf '4999\\n/usr/bin/no-such' > $R/vm/.vm-sentinel; chmod 600 $R/vm/.vm-sentinel
        start() { echo 4998 > /proc/sys/kernel/ns_last_pid; sleep 1000000 >/dev/null & [ $! = 4999 ]; }
        start`)
      assert.deepStrictEqual(yield* host.actions("$VS list $R --json"), { vm: "kept: unknown, exe-changed" })
      // By the clock alone, the next process starts certainly later than the record was written.
      const writtenAt = FS.statSync(yield* host.run("echo $R/vm/.vm-sentinel")).ctimeMs
      yield* until("a later second", () => Date.now() > writtenAt + 2500)
      yield* host.run("kill -KILL $!; wait $! || true; start")
      assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: "removed: dead, exe-mismatch" })
    })
  )
})
