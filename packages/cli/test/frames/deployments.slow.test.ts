/**
 * What deployments can prove: the table of docs/deployments.md, row by row. No test can reboot this machine. If a column
 * says reboot, the test changes the record to one of an earlier boot, in its file, so the directory stays bound.
 */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import { piped, until } from "@vm-sentinel/platform-linux/test/support/processes"
import * as Places from "../support/Places.ts"
import * as Records from "../support/Records.ts"
import * as Shell from "../support/Shell.ts"

const { real, without } = Places

const alive = /^kept: alive, (matches|lock-held)$/
const dead = /^removed: dead, /
const unknown = /^kept: unknown, /

type Kind = "plain" | "lxc" | "nspawn"

let machines = 0

/** A container of a kind, with a volume. A second one of the same kind differs only in its namespaces. */
const placeOf = (kind: Kind, scene: Places.Scene): Shell.Place => {
  switch (kind) {
    case "plain":
      return Places.container(scene.root)
    case "lxc":
      return [
        ...Places.covered(Places.makeBootId(scene.scratch, `boot-id-${machines++}`)),
        ...Places.container(scene.root)
      ]
    case "nspawn":
      return Places.nspawn(scene, scene.root, machines++)
  }
}

/** Scripts that start the processes of a container, by the names of their directories. All end with the container. */
const owners: Readonly<Record<string, string>> = {
  // The owner itself holds the lock, as `run` does.
  holds: "mkdir -m 700 /vms/holds; hold /vms/holds",
  // The owner is the first process of the container.
  first: "mkdir -m 700 /vms/first; $VS write /vms/first --pid 1",
  // The owner is a command, started and recorded by another process.
  command: "mkdir -m 700 /vms/command; sleep 1000000 >/dev/null & $VS write /vms/command --pid $!"
}

const names = Object.keys(owners)

const expectAll = (actions: Record<string, string>, what: Readonly<Record<string, RegExp>>) => {
  for (const [name, pattern] of Object.entries(what)) assert.match(actions[name] ?? "not there", pattern, name)
}

const each = (pattern: RegExp, ...exceptions: ReadonlyArray<readonly [string, RegExp]>) =>
  Object.fromEntries([...names.map((name) => [name, pattern] as const), ...exceptions])

const sweepVolume = "$VS sweep /vms --json"

describe("a host, on a file system of one kernel's", () => {
  real(
    without("setpriv"),
    "what deployments can prove: crash and reboot, dead",
    ({ open, owner, root }) =>
      Effect.gen(function* () {
        const host = yield* open()
        const crashed = yield* owner
        const other = yield* owner
        yield* host.run(`
          for name in crashed rebooted held; do mkdir -m 700 $R/$name; done
          $VS write $R/crashed --pid ${crashed.pid}; $VS write $R/rebooted --pid ${other.pid}
          hold $R/held; HOLDER=$!`)
        expectAll(yield* host.actions("$VS sweep $R --json"), { crashed: alive, rebooted: alive, held: alive })
        yield* crashed.kill
        yield* host.run("kill -KILL $HOLDER; wait $HOLDER || true")
        // A living process has the PID in the next boot.
        Records.change(`${root}/rebooted/.vm-sentinel`, Records.ofEarlierBoot)
        const actions = yield* host.actions("$VS sweep $R --json")
        expectAll(actions, { crashed: /^removed: dead, pid-dead$/, rebooted: /^removed: dead, rebooted$/, held: dead })
        assert.deepStrictEqual(FS.readdirSync(root), [])
      }),
    ["published", "withoutKoffi"]
  )
})

const kinds: ReadonlyArray<readonly [kind: Kind, title: string, tools: ReadonlyArray<string>]> = [
  ["plain", "a container", []],
  ["lxc", "LXC: a container with a covered boot id", []],
  ["nspawn", "systemd-nspawn", ["systemd-nspawn"]]
]

for (const [kind, title, tools] of kinds) {
  const start = (scene: Places.Scene) => scene.open(placeOf(kind, scene))

  real(
    without(...tools),
    `what deployments can prove: ${title}, a crash of one process swept inside, dead`,
    (scene) =>
      Effect.gen(function* () {
        const container = yield* start(scene)
        yield* container.run(`${owners["holds"]}; HOLDER=$!; ${owners["command"]}; COMMAND=$!`)
        expectAll(yield* container.actions(sweepVolume), { holds: alive, command: alive })
        yield* container.run("kill -KILL $HOLDER $COMMAND; wait $HOLDER || true; wait $COMMAND || true")
        expectAll(yield* container.actions(sweepVolume), { holds: dead, command: dead })
        assert.deepStrictEqual(FS.readdirSync(scene.root), [])
      }),
    kind === "nspawn" ? ["published"] : ["published", "withoutKoffi"]
  )

  real(
    without(...tools),
    `what deployments can prove: ${title}, restarted: dead where the owner holds or is the first process, else unknown`,
    (scene) =>
      Effect.gen(function* () {
        // Both containers run at once. Otherwise the kernel may give the number of the ended namespace to the next one,
        // which is a proof of its own.
        const [before, after] = [yield* start(scene), yield* start(scene)]
        yield* before.run(Object.values(owners).join("\n"))
        expectAll(yield* after.actions(sweepVolume), each(unknown, ["holds", alive]))
        yield* Places.end(before)
        yield* after.run("flock -xn /vms/holds true")
        const actions = yield* after.actions(sweepVolume)
        expectAll(actions, { holds: dead, first: unknown, command: unknown })
        expectAll(yield* (yield* scene.open()).actions("$VS sweep $R --json"), { first: dead, command: dead })
        assert.deepStrictEqual(FS.readdirSync(scene.root), [])
      })
  )

  real(
    without(...tools),
    `what deployments can prove: ${title}, restarted: a first process that held dooms all of its namespace`,
    (scene) =>
      Effect.gen(function* () {
        const host = yield* scene.open()
        FS.mkdirSync(`${scene.root}/vm`, { mode: 0o700 })
        const after = yield* start(scene)
        const command = `sleep 1000000 & ${scene.command} write /vms/vm --pid $! --role command; wait`
        const [file = "", ...args] = [
          ...placeOf(kind, scene),
          process.execPath,
          Shell.supervisor,
          "/vms/vm",
          "sh",
          "-c",
          command
        ]
        const before = yield* Effect.orDie(piped(file, args))
        assert.strictEqual(yield* before.line, "held")
        yield* until("a command's record", () => FS.existsSync(`${scene.root}/vm/.vm-sentinel.command`))
        assert.strictEqual(Records.read(`${scene.root}/vm/.vm-sentinel`).pid, 1)
        expectAll(yield* after.actions(sweepVolume), { vm: alive })
        yield* before.kill
        yield* host.run("unlocked $R/vm")
        expectAll(yield* after.actions(sweepVolume), { vm: dead })
        assert.deepStrictEqual(FS.readdirSync(scene.root), [])
      })
  )

  real(
    without(...tools),
    `what deployments can prove: ${title}, restarted: records of commands, where the operator knows that they keep the lock`,
    (scene) =>
      Effect.gen(function* () {
        const [before, after] = [yield* start(scene), yield* start(scene)]
        yield* before.run(`
          mkdir -m 700 /vms/vm; $VS run /vms/vm -- sleep 1000000 >/dev/null 2>&1 &
          running /vms/vm`)
        yield* Places.end(before)
        expectAll(yield* after.actions(sweepVolume), { vm: unknown })
        expectAll(yield* after.actions(`${sweepVolume} --lock inherited`), { vm: dead })
      })
  )

  real(
    without(...tools),
    `what deployments can prove: ${title}, swept from the host, alive and dead by a search`,
    (scene) =>
      Effect.gen(function* () {
        const host = yield* scene.open()
        const container = yield* start(scene)
        yield* container.run(`${Object.values(owners).join("\n")}`)
        expectAll(yield* host.actions("$VS sweep $R --json"), each(alive))
        yield* Places.end(container)
        expectAll(yield* host.actions("$VS sweep $R --json"), each(dead))
        assert.deepStrictEqual(FS.readdirSync(scene.root), [])
      }),
    kind === "nspawn" ? ["published"] : ["published", "withoutKoffi"]
  )

  real(
    without(...tools),
    `what deployments can prove: ${title}, rebooted: dead by the lock, or the kernel's id`,
    (scene) =>
      Effect.gen(function* () {
        const before = yield* start(scene)
        yield* before.run(`${owners["holds"]}; ${owners["command"]}`)
        yield* Places.end(before)
        for (const name of ["holds", "command"]) {
          const file = `${scene.root}/${name}/.vm-sentinel`
          const hasBootId = Records.read(file).record.bootId !== undefined
          if (hasBootId) Records.change(file, Records.ofEarlierBoot)
        }
        const after = yield* start(scene)
        const canRead = Records.read(`${scene.root}/command/.vm-sentinel`).record.bootId !== undefined
        expectAll(yield* after.actions(sweepVolume), { holds: dead, command: canRead ? dead : unknown })
      }),
    kind === "nspawn" ? ["published"] : ["published", "withoutKoffi"]
  )
}

describe("a shared root", () => {
  real(
    without("bindfs"),
    "what deployments can prove: NFS and others, a crash in a virtual machine is unknown, or dead where its operator trusts it",
    ({ open, owner }) =>
      Effect.gen(function* () {
        const host = yield* open()
        const [one, other] = [yield* owner, yield* owner]
        yield* host.run(`
          mkdir $W/shared; bindfs $R $W/shared; mkdir -m 700 $W/shared/dead $W/shared/alive
          $VS write $W/shared/dead --pid ${one.pid}; $VS write $W/shared/alive --pid ${other.pid}`)
        yield* one.kill
        const actions = yield* host.actions("$VS sweep $W/shared --json")
        const isVirtual = /^flags.* hypervisor/m.test(FS.readFileSync("/proc/cpuinfo", "utf8"))
        expectAll(actions, { dead: isVirtual ? /^kept: unknown, machine-unknown$/ : dead, alive })
        const trusted = yield* host.report("$VS sweep $W/shared --json --shared trust")
        assert.strictEqual(trusted.summary.shared, "trust")
        assert.strictEqual(yield* host.run("ls $W/shared"), "alive")
      })
  )

  real(
    without("bindfs"),
    "what deployments can prove: NFS and others, a restarted container is unknown to all but the host",
    ({ open, root }) =>
      Effect.gen(function* () {
        const host = yield* open()
        yield* host.run("mkdir $W/shared; bindfs $R $W/shared")
        const inside = ["nsenter", `--mount=/proc/${host.pid}/ns/mnt`, ...Places.ownPids]
        const [before, after] = [yield* open(inside), yield* open(inside)]
        yield* before.run("mkdir -m 700 $W/shared/vm; hold $W/shared/vm")
        yield* before.kill
        yield* host.run("unlocked $W/shared/vm")
        expectAll(yield* after.actions("$VS sweep $W/shared --json"), { vm: unknown })
        assert.deepStrictEqual(FS.readdirSync(root), ["vm"])
      })
  )
})
