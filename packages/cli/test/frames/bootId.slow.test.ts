/** Which kernel and which boot a record is from. A boot id counts only if it is the kernel's own. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Cli from "../support/Cli.ts"
import * as Places from "../support/Places.ts"
import * as Records from "../support/Records.ts"
import * as Roots from "../support/Roots.ts"
import * as Shell from "../support/Shell.ts"
import * as Stopped from "../support/Stopped.ts"

const { ownMounts, ownPids, real, without } = Places

const alive = "kept: alive, matches"
const kernels = FS.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()

describe("a boot id that lies under a mount", () => {
  real(
    without(),
    "scenario 61: doesn't condemn a living owner, be it the writer's or the reader's",
    ({ open, owner, root, scratch }) =>
      Effect.gen(function* () {
        const { pid } = yield* owner
        const host = yield* open()
        const inside = yield* open(Places.covered(Places.makeBootId(scratch)))
        yield* host.run(`mkdir $R/by-host && $VS write $R/by-host --pid ${pid}`)
        yield* inside.run(`mkdir $R/by-other && $VS write $R/by-other --pid ${pid}`)
        // The recorded id is missing or the kernel's own, never the one that is mounted over it.
        assert.include([undefined, kernels], Records.read(`${root}/by-other/.vm-sentinel`).record.bootId)
        for (const reader of [inside, host]) {
          assert.deepStrictEqual(yield* reader.actions("$VS sweep $R --json"), { "by-host": alive, "by-other": alive })
        }
        assert.deepStrictEqual(FS.readdirSync(root).sort(), ["by-host", "by-other"])
      }),
    Shell.ways
  )

  real(
    without(),
    "scenario 61: another file of procfs over it is no kernel's boot id either",
    ({ open, owner, root }) =>
      Effect.gen(function* () {
        const { pid } = yield* owner
        const host = yield* open()
        // Each read of this file gives another id.
        const inside = yield* open(Places.covered("/proc/sys/kernel/random/uuid"))
        yield* host.run(`mkdir $R/vm && $VS write $R/vm --pid ${pid}`)
        yield* inside.run(`mkdir $R/inner && $VS write $R/inner --pid ${pid}`)
        assert.include([undefined, kernels], Records.read(`${root}/inner/.vm-sentinel`).record.bootId)
        assert.deepStrictEqual(yield* inside.actions("$VS sweep $R --json"), { vm: alive, inner: alive })
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: alive, inner: alive })
      }),
    ["published", "withoutKoffi"]
  )

  real(
    without(),
    "scenario 61: it keeps nobody who can be seen to be gone, whichever boot it was",
    ({ open, owner, root, scratch }) =>
      Effect.gen(function* () {
        const [one, other] = [yield* owner, yield* owner]
        const inside = yield* open(Places.covered(Places.makeBootId(scratch)))
        yield* inside.run(`
          mkdir $R/gone $R/here
          $VS write $R/gone --pid ${one.pid}
          $VS write $R/here --pid ${other.pid}`)
        yield* one.kill
        const actions = yield* inside.actions("$VS sweep $R --json")
        assert.strictEqual(actions["here"], alive)
        assert.match(actions["gone"] ?? "", /^removed: dead, /)
        assert.deepStrictEqual(FS.readdirSync(root), ["here"])
      }),
    ["published", "withoutKoffi"]
  )

  real(without("systemd-nspawn"), "scenario 61: in systemd-nspawn, whoever records and whoever sweeps", (scene) =>
    Effect.gen(function* () {
      const { open, owner, root, scratch } = scene
      const { pid } = yield* owner
      const host = yield* open()
      const inside = yield* open(Places.nspawn(scene, root))
      yield* host.run(`mkdir $R/by-host && $VS write $R/by-host --pid ${pid}`)
      yield* inside.run("mkdir /vms/by-container && $VS write /vms/by-container --pid $$")
      const { bootId } = Records.read(`${root}/by-container/.vm-sentinel`).record
      assert.include([undefined, kernels], bootId)
      const within = yield* inside.actions("$VS sweep /vms --json")
      assert.strictEqual(within["by-container"], alive)
      // The sweep may detect the cover, and then the boot is unknown.
      assert.match(within["by-host"] ?? "", /^kept: unknown, (boot-unknown|other-pid-namespace)$/)
      assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { "by-host": alive, "by-container": alive })
      assert.isTrue(FS.existsSync(`${scratch}/vms/by-container`))
    })
  )

  real(
    without(...Stopped.tools),
    "scenario 62: a sweep there leaves the workspace of one of the host's alone",
    (scene) =>
      Effect.gen(function* () {
        const { open, owner, root, scratch } = scene
        const { kill, pid } = yield* owner
        const host = yield* open()
        const covered = yield* open(Places.covered(Places.makeBootId(scratch)))
        const container = yield* open([...Places.covered(Places.makeBootId(scratch, "other-id")), ...ownPids])
        yield* host.run(`mkdir -m 700 $R/vm && $VS write $R/vm --pid ${pid}; ${Stopped.fill("$R/vm")}`)
        yield* kill
        yield* Stopped.caught(host, "STOP")
        const before = Roots.snapshot(root)
        for (const reader of [covered, container]) {
          const { outcomes } = yield* reader.report("$VS sweep $R --json")
          assert.deepStrictEqual(
            outcomes.filter(({ action }) => action !== "kept"),
            []
          )
          assert.deepStrictEqual(Roots.snapshot(root), before)
        }
        yield* host.run(Stopped.resume)
        const ended = Cli.report(FS.readFileSync(`${scratch}/sweep.json`, "utf8"))
        assert.deepStrictEqual(Cli.actions(ended), { vm: "removed: dead, pid-dead" })
        assert.deepStrictEqual(FS.readdirSync(root), [])
      }),
    ["published", "withoutKoffi"]
  )

  real(
    without(),
    "scenario 106: all of /proc/sys bound on itself, as runc has it, leaves the id the kernel's",
    ({ open, owner }) =>
      Effect.gen(function* () {
        const { kill, pid } = yield* owner
        const inside = yield* open([
          ...ownMounts,
          "sh",
          "-c",
          'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"',
          "sh"
        ])
        yield* inside.run(`mkdir $R/vm && $VS write $R/vm --pid ${pid}`)
        yield* kill
        const { outcomes } = yield* inside.report("$VS sweep $R --json")
        assert.strictEqual(outcomes[0]?.action, "removed")
        assert.deepStrictEqual(outcomes[0]?.evidence.bootId, { recorded: kernels, observed: kernels, result: "equal" })
      }),
    ["published", "withoutKoffi"]
  )
})

describe("a machine's id", () => {
  real(
    without(),
    "scenario 63: that two clones share condemns no owner of the other, which came through an export",
    ({ open, root, scratch }) =>
      Effect.gen(function* () {
        const host = yield* open()
        // The other clone has its own name, boot and processes. It reaches the disk through a FUSE file system.
        const clone = yield* open([...ownMounts, "unshare", "--uts", ...ownPids])
        yield* clone.run(`
          hostname guest7
          mount --bind ${Places.makeBootId(scratch)} /proc/sys/kernel/random/boot_id
          mkdir $W/export && bindfs $R $W/export
          mkdir $W/export/held $W/export/recorded
          $VS run $W/export/held -- sleep 1000000 >/dev/null 2>&1 &
          sleep 1000000 & $VS write $W/export/recorded --pid $!
          running $R/held`)
        for (const reader of [yield* open(ownPids), host]) {
          const actions = yield* reader.actions("$VS sweep $R --json")
          for (const name of ["held", "recorded"]) assert.match(actions[name] ?? "", /^kept: /, name)
        }
        assert.deepStrictEqual(FS.readdirSync(root).sort(), ["held", "recorded"])
      }),
    ["published", "withoutKoffi"]
  )

  real(
    without(),
    "scenario 63: nor on one and the same disk, where only names and boots differ",
    ({ open, owner, root, scratch }) =>
      Effect.gen(function* () {
        const { pid } = yield* owner
        const clone = yield* open([...Places.covered(Places.makeBootId(scratch)), "unshare", "--uts"])
        yield* clone.run(`hostname guest7; mkdir $R/guest; $VS write $R/guest --pid ${pid}`)
        const host = yield* open()
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { guest: alive })
        assert.deepStrictEqual(FS.readdirSync(root), ["guest"])
      }),
    Shell.ways
  )

  const noMachineId =
    'for file in /etc/machine-id /var/lib/dbus/machine-id; do [ ! -e $file ] || mount --bind /dev/null $file; done && exec "$@"'

  real(
    without(),
    "scenario 64: on a disk of one kernel's an earlier boot needs no machine's id, and one that differs is doubt",
    ({ open, owner, root }) =>
      Effect.gen(function* () {
        const { pid } = yield* owner
        const host = yield* open()
        const nameless = yield* open([...ownMounts, "sh", "-c", noMachineId, "sh"])
        yield* nameless.run(`for name in a b; do mkdir $R/$name; $VS write $R/$name --pid ${pid}; done`)
        yield* host.run(`for name in c d; do mkdir $R/$name; $VS write $R/$name --pid ${pid}; done`)
        for (const name of ["a", "b", "c", "d"]) {
          const file = `${root}/${name}/.vm-sentinel`
          assert.strictEqual(Records.read(file).record.machineId === undefined, name < "c")
          Records.change(file, Records.ofEarlierBoot)
        }
        Records.change(`${root}/d/.vm-sentinel`, (record) => ({ ...record, machineId: "0".repeat(32) }))
        const rebooted = "removed: dead, rebooted"
        assert.deepStrictEqual(yield* nameless.actions("$VS sweep $R --json --skip b --skip d"), {
          a: rebooted,
          b: "kept: none, skipped",
          c: rebooted,
          d: "kept: none, skipped"
        })
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), {
          b: rebooted,
          d: "kept: unknown, other-machine"
        })
      }),
    ["published", "withoutKoffi"]
  )

  real(
    without("bindfs"),
    "scenario 64: where a disk may be shared and no machine has an id, none is said to be another",
    ({ open, owner }) =>
      Effect.gen(function* () {
        const { pid } = yield* owner
        const nameless = yield* open([...ownMounts, "sh", "-c", noMachineId, "sh"])
        const actions = yield* nameless.actions(`
          mkdir $W/shared && bindfs $R $W/shared
          mkdir $W/shared/vm && $VS write $W/shared/vm --pid ${pid}
          $VS sweep $W/shared --json`)
        assert.deepStrictEqual(actions, { vm: alive })
        const { kill, pid: mortal } = yield* owner
        yield* nameless.run(`mkdir $W/shared/gone && $VS write $W/shared/gone --pid ${mortal}`)
        yield* kill
        assert.deepStrictEqual(yield* nameless.actions("$VS sweep $W/shared --json"), {
          vm: alive,
          gone: "kept: unknown, machine-unknown"
        })
      })
  )
})
