/** The kernel reuses the numbers of namespaces. A namespace itself never comes back. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Places from "../support/Places.ts"
import * as Records from "../support/Records.ts"
import * as Shell from "../support/Shell.ts"

const { ownPids, real, without } = Places

const alive = "kept: alive, matches"

const shifted = (seconds: number): Shell.Place => [
  "unshare",
  "--time",
  "--boottime",
  `${seconds}`,
  "--fork",
  "--kill-child"
]

describe("the number of a time namespace", () => {
  real(
    without(),
    "scenario 73: condemns nobody when it is given again with another offset",
    ({ open, owner, root }) =>
      Effect.gen(function* () {
        const { pid } = yield* owner
        let isAgain = false
        // Another test may take the freed number. Then a new writer gets a new number.
        for (let round = 0; round < 3 && !isAgain; round++) {
          const writer = yield* open(shifted(1_000_000))
          const number = yield* writer.run(
            `rm -rf $R/vm; mkdir $R/vm; $VS write $R/vm --pid ${pid} >/dev/null; readlink /proc/self/ns/time`
          )
          assert.strictEqual(Records.read(`${root}/vm/.vm-sentinel`).record.timeOffset, "1000000000000000")
          yield* writer.kill
          // Each reader stays and keeps its number, so a later one gets the writer's number.
          for (let attempt = 0; attempt < 100 && !isAgain; attempt++) {
            const reader = yield* open(shifted(2_000_000 + 100 * round + attempt))
            isAgain = (yield* reader.run("readlink /proc/self/ns/time")) === number
            if (isAgain) assert.deepStrictEqual(yield* reader.actions("$VS sweep $R --json"), { vm: alive })
          }
        }
        assert.isTrue(isAgain, "the number was never given again")
        assert.deepStrictEqual(FS.readdirSync(root), ["vm"])
      }),
    Shell.ways
  )

  real(
    without(),
    "scenarios 20, 73: nor do two that live side by side, and the dead are seen to be dead by either",
    ({ open, owner }) =>
      Effect.gen(function* () {
        const { kill, pid } = yield* owner
        const [host, reader] = [yield* open(), yield* open(shifted(-1))]
        yield* host.run(`mkdir $R/vm; $VS write $R/vm --pid ${pid}`)
        assert.deepStrictEqual(yield* reader.actions("$VS sweep $R --json"), { vm: alive })
        yield* reader.run(`mkdir $R/other; $VS write $R/other --pid ${pid}`)
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: alive, other: alive })
        yield* kill
        const gone = "removed: dead, pid-dead"
        assert.deepStrictEqual(yield* reader.actions("$VS sweep $R --json"), { vm: gone, other: gone })
      }),
    ["published", "withoutKoffi"]
  )
})

describe("the procfs of the parent PID namespace", () => {
  real(
    without(),
    "scenario 74: says nothing to a reader whose two numbers agree by chance",
    ({ open, owner, root }) =>
      Effect.gen(function* () {
        const { pid } = yield* owner
        const host = yield* open()
        yield* host.run(`mkdir $R/by-host; $VS write $R/by-host --pid ${pid}`)
        const inside = yield* open(["unshare", "--pid", "--fork", "--kill-child"])
        // The owner inside has the PID of another process outside. The writer has a procfs of the inner namespace.
        yield* inside.run(`
          mkdir $R/inside; echo $((${pid} - 1)) > /proc/sys/kernel/ns_last_pid
          sleep 1000000 >/dev/null & OWNER=$!; [ $OWNER = ${pid} ]
          unshare --mount sh -c 'mount -t proc proc /proc; exec $VS write $R/inside --pid "$0"' $OWNER
          mkdir $R/second-format; printf '%s\n/usr/bin/vmm' $OWNER > $R/second-format/.vm-sentinel
          chmod 600 $R/second-format/.vm-sentinel`)
        const { text } = yield* inside.attempt(`
          # The process that sweeps has one number in both namespaces, or doesn't sweep.
          agreeing='read -r outer rest < /proc/self/stat; [ $outer = $$ ] || exit 99; exec $VS sweep $R --json'
          for attempt in $(seq 1000); do
            read -r last rest < /proc/self/stat
            outer=$(readlink /proc/self); echo $outer > /proc/sys/kernel/ns_last_pid
            sh -c "$agreeing"; code=$?
            [ $code = 99 ] || exit_code=$code
            [ $code = 99 ] || break
          done
          [ "$exit_code" = 0 ]`)
        assert.include(text, '"Summary"')
        for (const line of text.split("\n").filter((said) => said.includes('"Outcome"'))) {
          const reason = line.includes('"name":"second-format"') ? "no-procfs" : "other-pid-namespace"
          assert.include(line, '"action":"kept"')
          assert.include(line, `"reason":"${reason}"`)
        }
        assert.deepStrictEqual(FS.readdirSync(root).sort(), ["by-host", "inside", "second-format"])
      }),
    ["published", "sources", "withoutKoffi"]
  )
})

describe("the number of a PID namespace", () => {
  const numberOf = (shell: Shell.Shell) => shell.run("readlink /proc/self/ns/pid")

  real(
    without(),
    "scenario 104: that is given again makes no owner of the later one, nor a death",
    ({ open, root }) =>
      Effect.gen(function* () {
        const first = yield* open(ownPids)
        yield* first.run(`
          echo 499 > /proc/sys/kernel/ns_last_pid; sleep 1000000 >/dev/null & [ $! = 500 ]
          mkdir $R/vm; $VS write $R/vm --pid 1; $VS write $R/vm --pid 500 --role command`)
        const number = yield* numberOf(first)
        yield* first.kill
        const { pidNamespace, pidNamespaceInit } = Records.read(`${root}/vm/.vm-sentinel`).record
        assert.strictEqual(pidNamespace, number)
        assert.isDefined(pidNamespaceInit)
        let later: Shell.Shell | undefined
        // The kernel gives the lowest free number. Busy machines free the numbers of ended namespaces late.
        for (let attempt = 0; attempt < 1000 && later === undefined; attempt++) {
          // This place has no mount namespace of its own, because mount namespaces would take every other number.
          const next = yield* open(["unshare", "--pid", "--fork", "--kill-child"])
          if ((yield* numberOf(next)) === number) later = next
        }
        if (later === undefined) return assert.fail("the number was never given again")
        yield* later.run(`own() { unshare --mount sh -c 'mount -t proc proc /proc && exec "$@"' sh "$@"; }`)
        // A later namespace has the number, so all processes of the earlier one are gone, whoever has PID 1 or 500 now.
        for (const command of ["true", "echo 499 > /proc/sys/kernel/ns_last_pid; sleep 1000000 >/dev/null &"]) {
          yield* later.run(command)
          const actions = yield* later.actions("own $VS list $R --json")
          assert.deepStrictEqual(actions, { vm: "would-remove: dead, namespace-gone" })
        }
        yield* later.run(
          "mkdir $R/later; own $VS write $R/later --pid 1; own $VS write $R/later --pid 500 --role command"
        )
        // One directory has records of both namespaces. That the earlier first process is gone dooms no later record.
        yield* later.run("own $VS write $R/vm --pid 500 --role later")
        const host = yield* open()
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: alive, later: alive })
        yield* later.kill
        const actions = yield* host.actions("$VS sweep $R --json")
        for (const name of ["vm", "later"]) assert.match(actions[name] ?? "", /^removed: dead, /)
      }),
    ["published", "withoutKoffi"]
  )

  real(
    without("systemd-nspawn"),
    "scenario 111: on the host the whole kernel is searched: what lives in its containers, and what has ended",
    (scene) =>
      Effect.gen(function* () {
        const { open, root, scratch } = scene
        const containers = {
          nspawn: yield* open(Places.nspawn(scene, root)),
          lxc: yield* open([...Places.covered(Places.makeBootId(scratch)), ...Places.container(root)])
        }
        for (const [name, { run }] of Object.entries(containers)) {
          yield* run(`
            sleep 1000000 >/dev/null & mkdir /vms/${name} /vms/${name}-first
            $VS write /vms/${name} --pid $!; $VS write /vms/${name}-first --pid $$`)
        }
        const host = yield* open()
        const names = ["lxc", "lxc-first", "nspawn", "nspawn-first"]
        const all = (what: string) => Object.fromEntries(names.map((name) => [name, what]))
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), all(alive))
        // One process of each container ends. Only a search of the whole kernel can prove it.
        for (const { run } of Object.values(containers)) yield* run("kill -KILL $!; wait $! || true")
        const actions = yield* host.actions("$VS sweep $R --json")
        for (const name of ["nspawn", "lxc"]) {
          assert.match(actions[name] ?? "", /^removed: dead, /)
          assert.strictEqual(actions[`${name}-first`], alive)
        }
        for (const container of Object.values(containers)) yield* Places.end(container)
        const after = yield* host.actions("$VS sweep $R --json")
        for (const name of ["nspawn-first", "lxc-first"]) assert.match(after[name] ?? "", /^removed: dead, /)
        assert.deepStrictEqual(FS.readdirSync(root), [])
      }),
    ["published"]
  )
})
