/** The file system of a directory decides what can be proved about the directory. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Places from "../support/Places.ts"
import * as Records from "../support/Records.ts"
import * as Shell from "../support/Shell.ts"

const { ownPids, real, without } = Places

const otherDirectory = "kept: unknown, other-directory"

interface Kind {
  readonly type: string
  readonly make: string
  readonly mount: string
  readonly tools: ReadonlyArray<string>
}

const image = (type: string, size: string, make: string): Kind => ({
  type,
  make: `truncate -s ${size} $W/${type}.img; ${make} $W/${type}.img`,
  mount: `mount -o loop $W/${type}.img $W/disk`,
  tools: [`mkfs.${type}`]
})

const oneKernel: ReadonlyArray<Kind> = [
  image("ext4", "64M", "mkfs.ext4 -q"),
  image("xfs", "320M", "mkfs.xfs -q"),
  image("btrfs", "128M", "mkfs.btrfs -q")
]

describe("a directory on a file system of one kernel's", () => {
  for (const { make, mount, tools, type } of oneKernel) {
    real(
      without(...tools),
      `scenario 67: of ${type} is the record's own over unmounts and other devices, and its free lock proves a death`,
      ({ open, owner }, way) =>
        Effect.gen(function* () {
          const { kill, pid } = yield* owner
          const host = yield* open()
          yield* host.run(`
            mkdir $W/disk; ${make}; truncate -s 16M $W/before.img; mkfs.ext4 -q $W/before.img
            ${mount}; mkdir -m 755 $W/disk/vms; mkdir -m 700 $W/disk/vms/recorded $W/disk/vms/held
            $VS write $W/disk/vms/recorded --pid ${pid}`)
          yield* kill
          // Another device gets the device number of the first one.
          yield* host.run(`umount $W/disk; mkdir $W/before; mount -o loop $W/before.img $W/before; ${mount}`)
          const explained = yield* host.run("$VS explain $W/disk/vms/recorded --json")
          assert.match(explained, new RegExp(`"directory":\\{[^}]*${type}[^}]*"result":"equal"`))
          const [container, other] = [yield* openIn(open, host.pid), yield* openIn(open, host.pid)]
          yield* container.run(`
            hold $W/disk/vms/held`)
          assert.deepStrictEqual(yield* other.actions("$VS list $W/disk/vms --json"), {
            recorded: "kept: unknown, other-pid-namespace",
            held: "kept: alive, lock-held"
          })
          yield* container.kill
          yield* other.run("unlocked $W/disk/vms/held")
          assert.deepStrictEqual(yield* other.actions("$VS sweep $W/disk/vms --json"), {
            recorded: "kept: unknown, other-pid-namespace",
            held: "removed: dead, lock-free"
          })
          assert.deepStrictEqual(yield* host.actions("$VS sweep $W/disk/vms --json"), {
            recorded: "removed: dead, pid-dead"
          })
          if (way === "published") assert.include(explained, type === "btrfs" ? "fsid" : "uuid")
        }),
      ["published", "withoutKoffi"]
    )
  }
})

/** A container that shares the mounts of a shell. */
const openIn = (open: Places.Scene["open"], pid: number) => open(["nsenter", `--mount=/proc/${pid}/ns/mnt`, ...ownPids])

describe("a directory that is seen through another file system", () => {
  const views: ReadonlyArray<readonly [title: string, mount: string, tools: ReadonlyArray<string>]> = [
    [
      "an overlay over the layer that the reader sees",
      "mkdir $W/lower $W/work; mount -t overlay -o lowerdir=$W/lower,upperdir=$R,workdir=$W/work overlay $W/view",
      []
    ],
    ["a file system of user space", "bindfs $R $W/view", ["bindfs"]]
  ]
  for (const [title, mount, tools] of views) {
    real(
      without(...tools),
      `scenario 67: has another lock there, which proves nothing here: ${title}`,
      ({ open, root }) =>
        Effect.gen(function* () {
          const container = yield* open([...Places.ownMounts, ...ownPids])
          yield* container.run(`
            mkdir $W/view; ${mount}; mkdir -m 700 $W/view/vm; touch $W/view/vm/disk.img
            hold $W/view/vm`)
          const [host, other] = [yield* open(), yield* open(ownPids)]
          yield* host.run("flock -xn $R/vm true")
          assert.deepStrictEqual(yield* other.actions("$VS sweep $R --json"), { vm: otherDirectory })
          // The host may see that the owner lives.
          const actions = yield* host.actions("$VS sweep $R --json")
          assert.match(actions["vm"] ?? "", /^kept: (alive, matches|unknown, other-directory)$/)
          assert.deepStrictEqual(FS.readdirSync(`${root}/vm`).sort(), [".vm-sentinel", "disk.img"])
          yield* container.kill
          assert.deepStrictEqual(yield* other.actions("$VS sweep $R --json"), { vm: otherDirectory })
        }),
      ["published", "withoutKoffi"]
    )

    real(without(...tools), `scenario 67: nor the other way round, the reader's view being ${title}`, ({ open }) =>
      Effect.gen(function* () {
        const container = yield* open(ownPids)
        yield* container.run(`
          mkdir -m 700 $R/vm; hold $R/vm`)
        const other = yield* open([...Places.ownMounts, ...ownPids])
        yield* other.run(`mkdir $W/view; ${mount}`)
        assert.deepStrictEqual(yield* other.actions("$VS sweep $W/view --json"), { vm: otherDirectory })
        yield* container.run("kill -0 $!; [ -e $R/vm ]")
      })
    )
  }
})

describe("a file system that may be shared", () => {
  real(
    without("bindfs"),
    "scenario 72: is what counts where it lies over one of one kernel's that was mounted before",
    ({ open, scratch }) =>
      Effect.gen(function* () {
        FS.mkdirSync(`${scratch}/srv/vms`, { recursive: true })
        FS.mkdirSync(`${scratch}/share/vms/vm`, { recursive: true })
        // The owner runs on another machine.
        FS.writeFileSync(`${scratch}/share/vms/vm/.vm-sentinel`, "2147483647\n/usr/bin/qemu", { mode: 0o600 })
        const host = yield* open()
        yield* host.run(`
          mount -t tmpfs -o mode=755 tmpfs $W/srv/vms
          bindfs -o nonempty $W/share $W/srv
          [ $(stat -f -c %T $W/srv/vms) = fuseblk ] || [ $(stat -f -c %T $W/srv/vms) = fuse ]`)
        const { outcomes } = yield* host.report("$VS sweep $W/srv/vms --json")
        assert.deepInclude(outcomes[0], { action: "kept", verdict: "unknown", reason: "not-local" })
        assert.match(outcomes[0]?.evidence.fileSystem?.observed ?? "", /fuse|0x65735546/)
        assert.isTrue(FS.existsSync(`${scratch}/share/vms/vm`))
        // Now a local file system covers the share.
        yield* host.run(`
          mount -t tmpfs -o mode=755 tmpfs $W/srv/vms; mkdir -m 700 $W/srv/vms/vm
          cp $W/share/vms/vm/.vm-sentinel $W/srv/vms/vm; chmod 600 $W/srv/vms/vm/.vm-sentinel`)
        assert.deepStrictEqual(yield* host.actions("$VS sweep $W/srv/vms --json"), { vm: "removed: dead, pid-dead" })
        assert.isTrue(FS.existsSync(`${scratch}/share/vms/vm`))
      }),
    Shell.ways
  )

  real(
    without("bindfs"),
    "takes an owner's record though it refuses every chmod(2)",
    ({ open, owner }) =>
      Effect.gen(function* () {
        const host = yield* open()
        const { pid } = yield* owner
        yield* host.run(`
          mkdir $W/view; bindfs --chmod-deny $R $W/view; mkdir -m 700 $W/view/vm
          ! chmod 755 $W/view/vm
          $VS write $W/view/vm --pid ${pid}`)
        assert.deepStrictEqual(yield* host.actions("$VS sweep $W/view --json"), { vm: "kept: alive, matches" })
      }),
    ["published", "withoutKoffi"]
  )

  real(
    without("bindfs"),
    "scenario 103: binds no record by its inode alone, and its free lock proves nothing",
    ({ open, scratch }) =>
      Effect.gen(function* () {
        const container = yield* open([...Places.ownMounts, ...ownPids])
        yield* container.run(`
          mkdir $W/one; bindfs $R $W/one; mkdir -m 700 $W/one/vm
          hold $W/one/vm`)
        const other = yield* open([...Places.ownMounts, ...ownPids])
        yield* other.run("mkdir $W/two; bindfs $R $W/two; flock -xn $W/two/vm true")
        const { lock } = Records.read(`${scratch}/vms/vm/.vm-sentinel`).record
        assert.strictEqual(lock?.holder, "self")
        for (const knowing of ["", "--lock inherited", "--shared trust"]) {
          const actions = yield* other.actions(`$VS sweep $W/two --json ${knowing}`)
          assert.match(actions["vm"] ?? "", /^kept: unknown, /, knowing)
        }
        yield* container.run("kill -0 $!; [ -e $W/one/vm ]")
      }),
    ["published", "withoutKoffi"]
  )
})
