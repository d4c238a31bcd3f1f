/** The lock: what a free lock proves, and what a lock that is held, or can't be probed, doesn't prove. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as FS from "node:fs"
import { until } from "@vm-sentinel/platform-linux/test/support/processes"
import * as Places from "../support/Places.ts"
import * as Records from "../support/Records.ts"
import * as Shell from "../support/Shell.ts"

const { ownPids, real, without } = Places

const lockHeld = "kept: alive, lock-held"
const elsewhere = "kept: unknown, other-pid-namespace"

/** A program, for bash, that closes all descriptors above 2, as jailers and daemons do, and stays. */
const closing = `
  for descriptor in /proc/$$/fd/*; do
    [ "\${descriptor##*/}" -le 2 ] || eval "exec \${descriptor##*/}>&-"
  done
  echo $$ > $W/up; exec sleep 1000000`

describe("a lock that nobody holds", () => {
  real(
    without("bash"),
    "scenario 65: proves nothing where a command was to keep it that may have closed it",
    ({ open, root, scratch }) =>
      Effect.gen(function* () {
        const container = yield* open(ownPids)
        FS.writeFileSync(`${scratch}/closing`, closing)
        yield* container.run(`
          mkdir -m 700 $R/vm
          $VS run $R/vm -- bash $W/closing >/dev/null 2>&1 & RUN=$!
          until [ -s $W/up ]; do :; done; running $R/vm
          kill -KILL $RUN; wait $RUN || kill -0 $(cat $W/up)
          flock -n $R/vm true`)
        const next = yield* open(ownPids)
        assert.deepStrictEqual(yield* next.actions("$VS sweep $R --json"), { vm: elsewhere })
        const host = yield* open()
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: "kept: alive, matches" })
        yield* container.run("kill -0 $(cat $W/up)")
        assert.deepStrictEqual(FS.readdirSync(root), ["vm"])
      }),
    Shell.ways
  )

  real(without(), "scenario 65: proves it where the operator says that commands keep theirs", ({ open, root }) =>
    Effect.gen(function* () {
      const container = yield* open(ownPids)
      yield* container.run(`
        mkdir -m 700 $R/vm
        $VS run $R/vm -- sleep 1000000 >/dev/null 2>&1 &
        running $R/vm`)
      const next = yield* open(ownPids)
      assert.deepStrictEqual(yield* next.actions("$VS sweep $R --json --lock inherited"), { vm: lockHeld })
      yield* container.kill
      yield* until("the end of the lock", () => !isHeld(`${root}/vm`))
      assert.deepStrictEqual(yield* next.actions("$VS list $R --json"), { vm: elsewhere })
      const { outcomes, summary } = yield* next.report("$VS sweep $R --json --lock inherited")
      assert.deepInclude(outcomes[0], { action: "removed", reason: "lock-free" })
      assert.strictEqual(summary.lock, "inherited")
      assert.deepStrictEqual(FS.readdirSync(root), [])
    })
  )

  real(without(), "scenario 65: a record of another process claims none, though it is held", ({ open, owner, root }) =>
    Effect.gen(function* () {
      const { pid } = yield* owner
      const host = yield* open()
      yield* host.run(`mkdir -m 700 $R/vm; flock -s $R/vm $VS write $R/vm --pid ${pid}`)
      assert.isUndefined(Records.read(`${root}/vm/.vm-sentinel`).record.lock)
    })
  )
})

const isHeld = (directory: string): boolean => {
  const { dev, ino } = FS.statSync(directory)
  const device = [(dev >> 8) & 0xfff, dev & 0xff].map((part) => part.toString(16).padStart(2, "0")).join(":")
  return FS.readFileSync("/proc/locks", "utf8").includes(` ${device}:${ino} `)
}

describe("a lock that can't be asked", () => {
  /** `run` and its command are killed. A child of the command inherited the lock and still holds it. */
  const helped = (open: Places.Scene["open"]) =>
    Effect.gen(function* () {
      const container = yield* open(Places.ownMounts)
      yield* container.run(`
        mkdir -m 700 $R/vm
        setpriv --pdeathsig KILL $VS run $R/vm -- sh -c 'sleep 1000000 & echo $! > $W/helper; wait' >/dev/null 2>&1 & RUN=$!
        running $R/vm; until [ -s $W/helper ]; do :; done
        kill -KILL $RUN $(head -n 1 $R/vm/.vm-sentinel.command); wait $RUN || true`)
      return yield* Effect.acquireRelease(Effect.succeed(container), ({ run }) => run("kill -KILL $(cat $W/helper)"))
    })

  real(
    without("strace", "setpriv"),
    "scenario 68: is unknown, not free, where flock(2) fails",
    ({ open, root }) =>
      Effect.gen(function* () {
        const host = yield* helped(open)
        const traced = "strace -f -qq -o /dev/null -e trace=flock -e inject=flock:error=ENOLCK"
        assert.deepStrictEqual(yield* host.actions(`${traced} $VS sweep $R --json`), {
          vm: "kept: unknown, lock-unknown"
        })
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: lockHeld })
        assert.deepStrictEqual(FS.readdirSync(root), ["vm"])
      }),
    Shell.ways
  )

  real(
    without("setpriv"),
    "scenario 68: is unknown, not free, where neither koffi nor flock(1) is",
    ({ open, root, scratch }) =>
      Effect.gen(function* () {
        const host = yield* helped(open)
        FS.mkdirSync(`${scratch}/bin`)
        assert.deepStrictEqual(yield* host.actions(`PATH=$W/bin $VS sweep $R --json`), {
          vm: "kept: unknown, lock-unknown"
        })
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: lockHeld })
        assert.deepStrictEqual(FS.readdirSync(root), ["vm"])
      }),
    ["withoutKoffi"]
  )
})

describe("a lock that is held", () => {
  real(
    without(),
    "scenario 69: keeps a directory whose living owner's sentinel nobody reads, a dead one's beside it",
    ({ open, owner, root }) =>
      Effect.gen(function* () {
        const { kill, pid } = yield* owner
        const container = yield* open(ownPids)
        const host = yield* open()
        yield* host.run(`mkdir -m 700 $R/vm; $VS write $R/vm --pid ${pid}`)
        yield* kill
        yield* container.run(`
          $VS run $R/vm --sentinel-name .my-vmm -- sleep 1000000 >/dev/null 2>&1 &
          running $R/vm .my-vmm`)
        for (const reader of [host, yield* open(ownPids)]) {
          const actions = yield* reader.actions("$VS sweep $R --json")
          // A reader in another PID namespace keeps the old record without the lock.
          assert.strictEqual(actions["vm"], reader === host ? lockHeld : elsewhere)
        }
        assert.includeMembers(FS.readdirSync(`${root}/vm`), [".my-vmm", ".my-vmm.command", ".vm-sentinel"])
        yield* container.kill
        yield* until("the end of the lock", () => !isHeld(`${root}/vm`))
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: "removed: dead, pid-dead" })
      }),
    ["published", "sources", "withoutKoffi"]
  )

  real(
    without(),
    "scenario 69: keeps one whose only sentinel is of brood-box's kind, and dead",
    ({ open, owner, root }) =>
      Effect.gen(function* () {
        const { kill, pid } = yield* owner
        const host = yield* open()
        yield* host.run(`mkdir -m 700 $R/vm; $VS write $R/vm --pid ${pid} --sentinel-name .bbox-sentinel`)
        yield* kill
        const holder = yield* open(["flock", "-s", `${root}/vm`])
        const sweep = "$VS sweep $R --json --sentinel-name .bbox-sentinel"
        assert.deepStrictEqual(yield* host.actions(sweep), { vm: lockHeld })
        yield* holder.kill
        yield* until("the end of the lock", () => !isHeld(`${root}/vm`))
        assert.deepStrictEqual(yield* host.actions(sweep), { vm: "removed: dead, pid-dead" })
      })
  )

  real(
    without(),
    "scenario 102: is one role's owner's: of two containers that run a directory at once one is told so",
    ({ open, scratch }) =>
      Effect.gen(function* () {
        const containers = [yield* open(ownPids), yield* open(ownPids)]
        const run = `$VS run $R/vm -- sh -c 'echo $$ >> $W/winners; until [ -e $W/over ]; do sleep 0.01; done'`
        yield* containers[0]?.run("mkdir -m 700 $R/vm") ?? Effect.void
        for (let round = 0; round < 5; round++) {
          const fibers = yield* Effect.forEach(containers, ({ attempt }) => Effect.forkChild(attempt(run)))
          const first = yield* Effect.raceAll(fibers.map(Fiber.join))
          assert.strictEqual(first.code, 1, first.text)
          assert.match(first.text, /already owned/)
          FS.writeFileSync(`${scratch}/over`, "")
          const codes = yield* Effect.forEach(fibers, (fiber) => Effect.map(Fiber.join(fiber), ({ code }) => code))
          assert.deepStrictEqual(codes.sort(), [0, 1])
          assert.lengthOf(FS.readFileSync(`${scratch}/winners`, "utf8").trim().split("\n"), round + 1)
          FS.rmSync(`${scratch}/over`)
        }
      }),
    ["published", "withoutKoffi"]
  )

  real(
    without(),
    "scenario 102: and the second is told so as long as the first lives, whatever has become of its record",
    ({ open, root }) =>
      Effect.gen(function* () {
        const [one, other] = [yield* open(ownPids), yield* open(ownPids)]
        yield* one.run(`
          mkdir -m 700 $R/vm; $VS run $R/vm -- sleep 1000000 >/dev/null 2>&1 &
          running $R/vm`)
        const second = yield* other.attempt("$VS run $R/vm -- true")
        assert.deepStrictEqual([second.code, /already owned/.test(second.text)], [1, true], second.text)
        // An owner of another role may share the directory.
        const beside = yield* other.attempt("$VS write $R/vm --pid $$ --role other")
        assert.strictEqual(beside.code, 0, beside.text)
        assert.includeMembers(FS.readdirSync(`${root}/vm`), [".vm-sentinel", ".vm-sentinel.other"])
        assert.deepStrictEqual(yield* other.actions("$VS list $R --json"), { vm: lockHeld })
      }),
    ["published", "withoutKoffi"]
  )
})
