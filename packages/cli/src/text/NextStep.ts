/**
 * What an operator can do about a directory that is kept. Pure.
 *
 * @since 0.1.0
 */
import type { Outcome } from "@vm-sentinel/core/Outcome"
import type { FileReason, KeptReason, Reason, UnknownReason } from "@vm-sentinel/core/Reason"

type Advised = UnknownReason | FileReason | Exclude<KeptReason, "skipped" | "name-taken">

const overridden = "if nobody uses the directory, `vm-sentinel reclaim DIR --assume-dead REASON` removes it"

const steps: Record<Advised, string> = {
  "other-directory":
    "its record was made in another directory: this is a copy, or it was moved. If you moved it: --assume-moved REASON",
  "other-machine": `sweep on the machine that wrote it; ${overridden}`,
  "machine-unknown":
    "sweep on the machine that wrote it; --shared trust if no other running kernel has its machine id and host name",
  "lock-unknown": "sweep on the machine that has the file system, as the owner or as root, with koffi or flock(1)",
  "boot-unknown": "sweep on the host, which sees its own boot id and all processes",
  "other-pid-namespace":
    "sweep on the host, which sees all processes; --lock inherited if commands keep the lock that they were started with",
  "permission-denied": "sweep as the owner or as root",
  "not-comparable": `sweep on the host, in the time namespace of the owner; ${overridden}`,
  "exe-changed":
    "its process seems to live, from an executable that was replaced: a sweep removes it after that process ended",
  "no-procfs": "mount the procfs of this PID namespace: `mount -t proc proc /proc`",
  "inspection-failed": "run it again; `vm-sentinel explain DIR` shows what the kernel answered",
  "legacy-kept": `without --legacy keep a sweep judges it; ${overridden}`,
  "not-local": `v1 and v2 prove nothing on a file system that may be shared: let the owner write v3; ${overridden}`,
  "oversized-sentinel": `look at the file; ${overridden}`,
  "malformed-sentinel": `look at the file; ${overridden}`,
  "untrusted-sentinel": `others could have written it, or there are more than are read: look, then \`chown\`, \`chmod go-w\` or remove some; ${overridden}, unless there are more than are read`,
  "unsupported-version": "update vm-sentinel",
  unreadable: "sweep as the owner or as root; `chmod u+rwx` it if its owner can't read it",
  "other-owner": "it belongs to another program: if that is yours, sweep with --sentinel-name NAME",
  "mount-inside": "unmount what is mounted there",
  "owner-inside":
    "end the owner inside, or `vm-sentinel reclaim` the inner directory first; if that can't be read, sweep as root",
  taken: "another sweep has it: look again",
  changed: "it changed during the sweep: look again"
}

const isAdvised = (reason: Reason): reason is Advised => Object.hasOwn(steps, reason)

/**
 * What to do about a directory that is kept for a reason. `undefined`: nothing needs to be done, or the outcome's error
 * says what to do (`name-taken`).
 *
 * @category rendering
 * @since 0.1.0
 */
export const of = (reason: Reason): string | undefined => (isAdvised(reason) ? steps[reason] : undefined)

/**
 * The next steps after a table of outcomes, one for each reason for which a directory is kept. Empty if there is
 * nothing to do.
 *
 * @category rendering
 * @since 0.1.0
 */
export const overview = (outcomes: ReadonlyArray<Pick<Outcome, "action" | "reason">>): string => {
  const kept = new Set(outcomes.flatMap(({ action, reason }) => (action === "kept" ? [reason] : [])))
  const advised = [...kept].filter(isAdvised)
  const widest = Math.max(...advised.map((reason) => reason.length))
  const lines = advised.map((reason) => `  ${reason.padEnd(widest)}  ${steps[reason]}\n`)
  return lines.length === 0 ? "" : `Next steps:\n${lines.join("")}\n`
}
