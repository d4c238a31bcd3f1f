/** Other users and namespaces from which tests sweep, and whether this machine offers them. */
import { execFileSync } from "node:child_process"
import { ownMounts, script } from "./sweepers.ts"

export const nobody = 65534

export const asNobody = ["setpriv", "--reuid", `${nobody}`, "--regid", `${nobody}`, "--clear-groups"]

const fails = (...[file = "", ...args]: ReadonlyArray<string>): string | undefined => {
  try {
    execFileSync(file, args, { stdio: "pipe" })
    return undefined
  } catch (error) {
    return error instanceof Error ? (error.message.split("\n").at(-2) ?? error.message) : "failed"
  }
}

/** Reason why tests can't run in these places. `undefined` if they can. `nobody` must be able to read the sources. */
export const noNobody = fails(...asNobody, "test", "-r", script)
export const noMounts = fails(...ownMounts, "mount", "-t", "tmpfs", "tmpfs", "/mnt")
export const noOverlay = fails(
  ...ownMounts,
  "sh",
  "-c",
  "mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w overlay m"
)
export const noExt4 = fails("sh", "-c", "command -v mkfs.ext4 && test -e /dev/loop-control")
export const noStrace = fails("strace", "-o", "/dev/null", "true")
