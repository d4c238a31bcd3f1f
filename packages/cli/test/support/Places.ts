/** Places where real deployments run: containers, machines whose boot id is covered, local and shared file systems. */
import { it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as FS from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { because } from "@vm-sentinel/core/test/support/able"
import { piped, until } from "@vm-sentinel/platform-linux/test/support/processes"
import * as Roots from "./Roots.ts"
import * as Shell from "./Shell.ts"

const repository = fileURLToPath(new URL("../../../..", import.meta.url)).replace(/\/$/, "")

/** A mount namespace of its own. Mounts made inside are invisible outside and end with the namespace. */
export const ownMounts: Shell.Place = ["unshare", "--mount", "--propagation", "private"]

/** A PID namespace with its own `/proc`. Its first process ends with its parent, and all others with the first. */
export const ownPids: Shell.Place = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]

const bootIdFile = "/proc/sys/kernel/random/boot_id"

const then = (script: string, ...args: ReadonlyArray<string>): Shell.Place => [
  "sh",
  "-c",
  `${script} && exec "$@"`,
  ...args
]

/** Mounts a file over the kernel's boot id, as systemd-nspawn and LXC do. */
export const covered = (file: string): Shell.Place => [...ownMounts, ...then(`mount --bind "$0" ${bootIdFile}`, file)]

/** Makes a file with an id that no boot has had. */
export const makeBootId = (directory: string, name = "boot-id"): string => {
  const file = `${directory}/${name}`
  FS.writeFileSync(file, FS.readFileSync("/proc/sys/kernel/random/uuid"), { mode: 0o444 })
  return file
}

/** A container: an overlay over the host's root, where `volume`, a directory of the host, is `/vms`. */
export const container = (volume: string): Shell.Place => [
  "unshare",
  "--pid",
  "--fork",
  "--kill-child",
  ...ownMounts.slice(1),
  ...then(
    [
      "set -e",
      "mount -t tmpfs -o mode=755 tmpfs /mnt",
      "mkdir /mnt/upper /mnt/work /mnt/root",
      "mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root",
      "mkdir -p /mnt/root/vms",
      'mount --bind "$0" /mnt/root/vms',
      'mount --bind "$1" "/mnt/root$1"',
      "mount -t proc proc /mnt/root/proc",
      "mount --rbind /dev /mnt/root/dev",
      "mount --rbind /sys /mnt/root/sys",
      "shift",
      'set -- chroot /mnt/root "$@"'
    ].join("; "),
    volume,
    repository
  )
]

/** Makes the root directory for {@link nspawn}: empty mount points and the links of a merged `/usr`. */
const makeRoot = (root: string): string => {
  for (const name of ["usr", "etc", "proc", "sys", "dev", "run", "tmp", "var", "root", "vms"]) {
    FS.mkdirSync(`${root}/${name}`, { recursive: true, mode: 0o755 })
  }
  for (const name of ["bin", "lib", "lib64", "sbin"]) FS.symlinkSync(`usr/${name}`, `${root}/${name}`)
  FS.writeFileSync(`${root}/etc/os-release`, "")
  FS.writeFileSync(`${root}/etc/passwd`, "root:x:0:0:root:/root:/bin/sh\n")
  return root
}

/** A systemd-nspawn container where `volume`, a directory of the host, is `/vms`. */
export const nspawn = ({ command, scratch }: Scene, volume: string, number = 0): Shell.Place => [
  // A container outlives a killed systemd-nspawn. The PID namespace kills both.
  ...ownPids,
  "systemd-nspawn",
  "--quiet",
  "--register=no",
  "--keep-unit",
  "--kill-signal=SIGKILL",
  "--pipe",
  `--directory=${makeRoot(`${scratch}/machine-${number}`)}`,
  ...["/usr", repository, dirname(process.execPath), dirname(command)].map((path) => `--bind-ro=${path}`),
  `--bind=${volume}:/vms`
]

const fails = ([file = "", ...args]: ReadonlyArray<string>): string | undefined => {
  try {
    execFileSync(file, args, { stdio: "pipe" })
    return undefined
  } catch (error) {
    return error instanceof Error ? (error.message.split("\n").at(-2) ?? error.message) : "failed"
  }
}

const isRoot = process.getuid?.() === 0
const noPlaces = isRoot ? fails([...ownPids, ...ownMounts, "true"]) : "not root"
const found = new Map<string, boolean>()

const has = (tool: string): boolean => {
  const known = found.get(tool) ?? fails(["sh", "-c", 'command -v "$0"', tool]) === undefined
  found.set(tool, known)
  return known
}

/** Reason why a test that needs namespaces and these programs can't run here. `undefined` if it can. */
export const without = (...tools: ReadonlyArray<string>): string | undefined => {
  const missing = tools.find((tool) => !has(tool))
  return noPlaces ?? (missing === undefined ? undefined : `no ${missing}`)
}

export interface Scene {
  /** A directory on the disk that only this test uses. */
  readonly scratch: string
  /** Path of an executable file that runs `vm-sentinel`. */
  readonly command: string
  /** A directory in {@link scratch}, fit to be swept. */
  readonly root: string
  /** Starts a process that lives until it is killed or the test ends. */
  readonly owner: Effect.Effect<{ readonly pid: number; readonly kill: Effect.Effect<void> }, never, Scope.Scope>
  /** Opens a shell in a place. `$W` is the scratch directory, `$R` the root and `$VS` the command. */
  readonly open: (place?: Shell.Place) => Effect.Effect<Shell.Shell, never, Scope.Scope>
}

const makeScene = Effect.fnUntraced(function* (way: Shell.Way) {
  const scratch = yield* Roots.scratch
  // Other users must reach the root. `mkdtemp` gave the root's parent directory mode 0700.
  FS.chmodSync(scratch, 0o755)
  const command = yield* Shell.commandOf(way)
  const open = (place: Shell.Place = ownMounts) =>
    Shell.open(place, { W: scratch, R: root, VS: command, NO_COLOR: "1" })
  const root = `${scratch}/vms`
  FS.mkdirSync(root, { mode: 0o755 })
  return { scratch, root, command, owner: Effect.orDie(piped("sleep", ["1000000"])), open }
})

export const timeout = 60_000

/** Makes one test for each way to run `vm-sentinel`. */
export const real = (
  reason: string | undefined,
  title: string,
  test: (scene: Scene, way: Shell.Way) => Effect.Effect<void, unknown, Scope.Scope>,
  ways: ReadonlyArray<Shell.Way> = ["published"]
): void => {
  for (const way of ways) {
    const suffix = ways.length === 1 ? "" : ` (${way})`
    it.live.skipIf(reason !== undefined)(
      because(`${title}${suffix}`, reason),
      () => Effect.flatMap(makeScene(way), (scene) => test(scene, way)),
      timeout
    )
  }
}

/** Kills a container and waits until the kernel has ended all processes of its PID namespace. */
export const end = ({ kill, run }: Shell.Shell) =>
  Effect.gen(function* () {
    const namespace = yield* run("readlink /proc/self/ns/pid")
    yield* kill
    yield* Effect.orDie(until("the end of a container", () => !namespaces().includes(namespace)))
  })

const namespaces = (): ReadonlyArray<string> =>
  FS.readdirSync("/proc").flatMap((entry) => {
    try {
      return /^\d+$/.test(entry) ? [FS.readlinkSync(`/proc/${entry}/ns/pid`)] : []
    } catch {
      return []
    }
  })
