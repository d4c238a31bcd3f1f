/** Places in the system from which an agent looks at processes, and whether this machine offers them. */
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as PidNamespace from "../../src/testing/PidNamespace.ts"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { script } from "./remoteInspector.ts"

export const nobody = 65534

export const isRoot = process.getuid?.() === 0

/** Reason why tests that need root can't run. `undefined` if they can. */
export const notRoot = isRoot ? undefined : "not root"

const repository = resolve(import.meta.dirname, "../../../..")

const asNobody = ["setpriv", "--reuid", `${nobody}`, "--regid", `${nobody}`, "--clear-groups"]

/** A command that mounts a `/proc` with these options and runs `then` and the rest of its arguments there. */
const withProc = (options: string, then: ReadonlyArray<string> = []): ReadonlyArray<string> => [
  "unshare",
  "--mount",
  "sh",
  "-c",
  `mount -t proc -o ${options} proc /proc && exec "$0" "$@"`,
  ...(then.length === 0 ? ["env"] : then)
]

/** A command that mounts a file over the boot id and runs `then` and the rest of its arguments there. */
const withBootId = (file: string, then: ReadonlyArray<string> = ["env"]): ReadonlyArray<string> => [
  "unshare",
  "--mount",
  "sh",
  "-c",
  `${file} && mount --bind "$file" /proc/sys/kernel/random/boot_id && exec "$0" "$@"`,
  ...then
]

const ownBootId = "file=$(mktemp) && cat /proc/sys/kernel/random/uuid >$file && chmod 444 $file"

/**
 * Runs the agent in the inner one of two nested PID namespaces, under the `/proc` of the outer one. The agent has PID
 * 5000 in both, because `ns_last_pid` is 4999 in each, and no other process starts in either.
 */
const twins = `
exec 3<&0
folder=$(mktemp -d) && mkfifo "$folder/ready" "$folder/go"
unshare --pid --fork --kill-child sh -c '
  echo >"$0/ready"; read -r go <"$0/go"
  echo 4999 >/proc/sys/kernel/ns_last_pid
  "$@" <&3 & wait $!' "$folder" "$@" &
read -r ready <"$folder/ready"
echo 4999 >/proc/sys/kernel/ns_last_pid
echo >"$folder/go"
wait $!`

/** A systemd-nspawn container with this machine's programs. It shares `$TMPDIR`, in which tests make their files. */
const nspawn = `
root=$(mktemp -d) && mkdir "$root/usr" "$root/etc" && : >"$root/etc/os-release"
for link in bin sbin lib lib64; do [ -L "/$link" ] && ln -s "usr/$link" "$root/$link"; done
exec systemd-nspawn --quiet --directory="$root" --machine=vm-sentinel-test --register=no --keep-unit --pipe --as-pid2 \\
  --bind-ro=/usr --bind=${repository} --bind=${tmpdir()} --setenv=TMPDIR="$TMPDIR" --setenv=PATH="$PATH" "$@"`

export const places = {
  /** Runs as another user. */
  nobody: asNobody,
  /** `hidepid=invisible`. The number 2 means the same, and old kernels accept only the number. */
  invisible: withProc("hidepid=2", asNobody),
  /** `hidepid=noaccess`. */
  noaccess: withProc("hidepid=1", asNobody),
  /** `hidepid=2` for root, to whom all processes stay visible. */
  invisibleToRoot: withProc("hidepid=2"),
  /** `/proc` has only the directories of processes. */
  subset: withProc("subset=pid"),
  /** `/proc` is an empty directory. */
  unmounted: ["unshare", "--mount", "sh", "-c", `mount -t tmpfs tmpfs /proc && exec "$0" "$@"`, "env"],
  /** Another PID namespace, under the `/proc` of the present one. */
  foreign: ["unshare", "--pid", "--fork", "--kill-child"],
  /** Times since boot are larger by 100 000 s, which is 10 000 000 ticks. */
  shifted: ["unshare", "--time", "--boottime", "100000", "--fork", "--kill-child"],
  /** A file covers the boot id, as in systemd-nspawn and LXC containers. */
  covered: withBootId(ownBootId),
  /** A file covers the boot id, and the reader is another user. */
  coveredFromNobody: withBootId(ownBootId, asNobody),
  /** Another file of the same procfs covers the boot id. */
  coveredByProcfs: withBootId("file=/proc/sys/kernel/random/uuid"),
  /** `/proc/sys` is read-only, as runc makes it. */
  runc: [
    "unshare",
    "--mount",
    "sh",
    "-c",
    `mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$0" "$@"`,
    "env"
  ],
  /** Another PID namespace, under the `/proc` of its parent. The agent has the same number in both. */
  twin: ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", twins, "sh"],
  /** A systemd-nspawn container. */
  nspawn: ["sh", "-c", nspawn, "sh"],
  /** A Node where koffi isn't installed. */
  withoutKoffi: [
    "env",
    `NODE_OPTIONS=--import=data:text/javascript,${encodeURIComponent(
      `import { registerHooks } from "node:module"
      registerHooks({ resolve: (name, context, next) => {
        if (name === "koffi") throw Object.assign(new Error("no koffi"), { code: "ERR_MODULE_NOT_FOUND" })
        return next(name, context)
      } })`
    )}`
  ]
} as const

export type Place = keyof typeof places

/** Reason why a place isn't available. `undefined` if it is. The place must be able to read the agent's script. */
export const unavailable = (place: Place): string | undefined => {
  const [file, ...args] = [...places[place], "test", "-r", script]
  if (file === undefined) return "no command"
  const folder = mkdtempSync(join(tmpdir(), "vm-sentinel-place-"))
  try {
    chmodSync(folder, 0o777)
    execFileSync(file, args, { stdio: "pipe", env: { ...process.env, TMPDIR: folder } })
    return undefined
  } catch (error) {
    return error instanceof Error ? (error.message.split("\n").at(-2) ?? error.message) : "failed"
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const noNamespace = await Effect.runPromise(PidNamespace.unavailable)

/** Time limit in milliseconds for a test that starts programs, on a busy machine. */
export const patience = 60_000
