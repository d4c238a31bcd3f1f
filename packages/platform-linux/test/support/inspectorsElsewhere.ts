/** Other places in the system from which to look at processes, and whether they can be had here. */
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as PidNamespace from "../../src/testing/PidNamespace.ts"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { script } from "./remoteInspector.ts"

export const nobody = 65534

export const isRoot = process.getuid?.() === 0

/** Why what needs root can't be run; `undefined` where it can. */
export const notRoot = isRoot ? undefined : "not root"

const repository = resolve(import.meta.dirname, "../../../..")

const asNobody = ["setpriv", "--reuid", `${nobody}`, "--regid", `${nobody}`, "--clear-groups"]

/** The rest of the command, with a `/proc` mounted so. */
const withProc = (options: string, then: ReadonlyArray<string> = []): ReadonlyArray<string> => [
  "unshare",
  "--mount",
  "sh",
  "-c",
  `mount -t proc -o ${options} proc /proc && exec "$0" "$@"`,
  ...(then.length === 0 ? ["env"] : then)
]

/** The rest of the command, where a file was mounted over the boot id. */
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
 * Two PID namespaces, one inside the other, that give out the same number at once; `/proc` is of the outer one. Nothing
 * else starts a process in either.
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

/** A system of this machine's programs, which sees what tests make; \`$TMPDIR\` is where tests put it. */
const nspawn = `
root=$(mktemp -d) && mkdir "$root/usr" "$root/etc" && : >"$root/etc/os-release"
for link in bin sbin lib lib64; do [ -L "/$link" ] && ln -s "usr/$link" "$root/$link"; done
exec systemd-nspawn --quiet --directory="$root" --machine=vm-sentinel-test --register=no --keep-unit --pipe --as-pid2 \\
  --bind-ro=/usr --bind=${repository} --bind=${tmpdir()} --setenv=TMPDIR="$TMPDIR" --setenv=PATH="$PATH" "$@"`

export const places = {
  /** Another user. */
  nobody: asNobody,
  /** `hidepid=invisible`, by the number that old kernels know too. */
  invisible: withProc("hidepid=2", asNobody),
  /** `hidepid=noaccess`. */
  noaccess: withProc("hidepid=1", asNobody),
  /** Root, for whom `hidepid` hides nothing. */
  invisibleToRoot: withProc("hidepid=2"),
  /** Nothing but processes in `/proc`. */
  subset: withProc("subset=pid"),
  /** `/proc` is an empty directory. */
  unmounted: ["unshare", "--mount", "sh", "-c", `mount -t tmpfs tmpfs /proc && exec "$0" "$@"`, "env"],
  /** Another PID namespace, and the `/proc` of this one. */
  foreign: ["unshare", "--pid", "--fork", "--kill-child"],
  /** Ticks since boot are 10 000 000 more. */
  shifted: ["unshare", "--time", "--boottime", "100000", "--fork", "--kill-child"],
  /** A file over the boot id, as systemd-nspawn and LXC mount one. */
  covered: withBootId(ownBootId),
  /** Likewise, looked at by another user. */
  coveredFromNobody: withBootId(ownBootId, asNobody),
  /** Likewise, another file of the same procfs. */
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
  /** Another PID namespace and the `/proc` of this one, in which we have the number that we have in there. */
  twin: ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", twins, "sh"],
  /** A container. */
  nspawn: ["sh", "-c", nspawn, "sh"],
  /** koffi isn't installed. */
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

/** Why a place can't be had; `undefined` where it can. A script must be readable from there too. */
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

/** Milliseconds that a test with programs of its own may take on a busy machine. */
export const patience = 60_000
