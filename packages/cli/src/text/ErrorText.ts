/**
 * Renders an error as one line: the failure, and the operator's next step.
 *
 * @since 0.1.0
 */
import type {
  AlreadyOwned,
  Claimed,
  DirectoryError,
  Distrust,
  DistrustRule,
  IdentityUnavailable,
  RootError,
  RootRule,
  StoreFailure
} from "@vm-sentinel/core/Errors"
import type { DemoError } from "../demo/DemoError.ts"
import type { OutputError } from "../Output.ts"
import type { UnsupportedPlatform } from "../Platform.ts"
import * as Text from "./Text.ts"

/**
 * The errors of a command. An invalid command line is a `CliError` instead.
 *
 * @category models
 * @since 0.1.0
 */
export type CommandError =
  | RootError
  | DirectoryError
  | AlreadyOwned
  | Claimed
  | IdentityUnavailable
  | OutputError
  | UnsupportedPlatform
  | DemoError

const explain =
  "`vm-sentinel explain DIR` shows it; `vm-sentinel reclaim DIR --assume-dead REASON` removes it all the same"

/** `--assume-dead` doesn't remove a directory with more sentinels or names than are read. */
const explainUnread = `${explain}, unless it has more sentinels or names than are read`

const immutable =
  process.platform === "darwin"
    ? "`ls -ldO` of it and of its directory shows what has a flag such as uchg, and `chflags nouchg,nouappnd` ends that"
    : "`lsattr -d` of it and of its directory shows what is immutable or append-only, and `chattr -i -a` ends that"

/**
 * The next step after a refusal. Modes of files stop root only without its capabilities or under root_squash. An
 * immutable file stops everybody.
 */
const ofRefusal = (errno: string | undefined, isRoot: boolean): string => {
  if (!isRoot) return errno === "EPERM" ? `run as the owner, or as root; ${immutable}` : "run as the owner, or as root"
  const others = "a missing capability, a security module or a server's root_squash"
  return errno === "EPERM" ? `${immutable}; otherwise look for ${others}` : `root is refused: look for ${others}`
}

/** What to do if a directory can't be deleted, by errno. */
const ofDeletion: { readonly [errno: string]: string } = {
  ENOTEMPTY: "a process keeps writing into it; `fuser -v` or `lsof` names the process, end it and sweep again",
  EROFS: "a read-only snapshot or file system; `btrfs property set DIRECTORY ro false` makes a snapshot writable"
}

const ofErrno: { readonly [errno: string]: string } = {
  ENOSPC: "free some space and run it again",
  EDQUOT: "a quota is used up: remove something of its user, or raise the quota, and run it again",
  EROFS: "the file system is mounted read-only: mount it read-write, or run it where it is",
  EMFILE: "raise the limit of open files (`ulimit -n`) and run it again",
  ENFILE: "the system has no open files left: end something and run it again",
  EIO: "the disk fails: the kernel's log (`dmesg`) says how",
  EBUSY: "unmount what is mounted there, or end what uses it, and run it again",
  ENOTEMPTY: "end the process that writes into it and run it again"
}

const ofStoreFailure = ({ errno = "", operation }: StoreFailure): string => {
  if (operation === "read working directory") return "change to a directory that exists, or give a whole path"
  // A directory that is a read-only snapshot itself can't even be claimed.
  const isRemoval = operation === "delete" || (operation === "claim" && errno === "EROFS")
  return (isRemoval ? ofDeletion[errno] : undefined) ?? ofErrno[errno] ?? "mend that and run it again"
}

const ofRefusedRoot = (rule: RootRule): string | undefined => {
  switch (rule) {
    case "world-writable":
    case "group-writable":
      return "`chmod go-w` it, and look first who has written into it"
    case "other-user":
      return "sweep as that user: `runuser -u USER -- vm-sentinel sweep ROOT`"
    case "symbolic-link":
    case "sweeps-own":
      // The problem contains the advice.
      return undefined
    default:
      return "give the directory that holds the VM directories"
  }
}

/**
 * What to do about an error. `undefined`: its message contains the advice, or there is none.
 *
 * @category rendering
 * @since 0.1.0
 */
export const advice = (error: CommandError, isRoot: boolean = process.geteuid?.() === 0): string | undefined => {
  switch (error._tag) {
    case "NotFound":
      if (error.pid !== undefined) return "give the PID of a process that runs"
      if (error.path === "/proc/self/fd") return "mount the procfs of this PID namespace: `mount -t proc proc /proc`"
      if (error.kind === "not-a-directory") return "give the directory itself: a symbolic link to it isn't followed"
      return error.operation === "open root" ? "check the path (sweep and list take --if-exists)" : "check the path"
    case "PermissionDenied":
      return ofRefusal(error.errno, isRoot)
    case "RefusedRoot":
      return ofRefusedRoot(error.rule)
    case "OversizedSentinel":
    case "MalformedSentinel":
      return error.operation === "write sentinel" ? undefined : explain
    case "UntrustedSentinel":
      return explainUnread
    case "UnsupportedVersion":
      return "update vm-sentinel"
    case "AlreadyOwned":
      return error.reason === "untrusted-sentinel"
        ? `no sweep believes what is in it either; ${explain}`
        : error.verdict === "alive"
          ? "stop that process first, or use another directory"
          : explain
    case "LockBusy":
      return (error.holders ?? []).length === 0
        ? "look on the host, or in the container that has it mounted: the `lock:` lines of /proc/*/fdinfo name the holder"
        : "wait until it is done, or stop it"
    case "StoreFailure":
      return ofStoreFailure(error)
    case "NameTaken":
      return "move one of the two away"
    case "Taken":
    case "Changed":
      return "look again"
    default:
      // The messages of `Claimed`, `MountInside` and `Immovable` contain the advice. The other errors have none.
      return undefined
  }
}

/**
 * An error and what to do about it. Characters that a terminal would act on are escaped.
 *
 * @category rendering
 * @since 0.1.0
 */
export const text = (error: CommandError, isRoot?: boolean): string => {
  const hint = advice(error, isRoot)
  const subject = "path" in error && error.path === "" ? '""' : ""
  return `${subject}${Text.escape(error.message)}${hint === undefined ? "" : `; ${hint}`}`
}

/**
 * Renders an error of one directory among many. Leaves out the advice about an oversized, malformed or untrusted
 * sentinel, which `NextStep` gives once.
 *
 * @category rendering
 * @since 0.1.0
 */
export const detail = (error: DirectoryError): string => {
  switch (error._tag) {
    case "OversizedSentinel":
    case "MalformedSentinel":
    case "UntrustedSentinel":
      return Text.escape(error.message)
    default:
      return text(error)
  }
}

/**
 * The line for stderr, with its newline.
 *
 * @category rendering
 * @since 0.1.0
 */
export const line = (error: CommandError, isRoot?: boolean): string => `vm-sentinel: ${text(error, isRoot)}\n`

const remedyOf = (rule: DistrustRule): string | undefined => {
  switch (rule) {
    case "other-user":
      return "`chown` it to yourself"
    case "world-writable":
    case "group-writable":
      return "`chmod go-w` it"
    default:
      return undefined
  }
}

/**
 * The warning that no sweep believes a sentinel, with its newline.
 *
 * @category rendering
 * @since 0.1.0
 */
export const ofDistrust = (path: string, { problem, rule }: Distrust): string => {
  const remedy = remedyOf(rule)
  const told = remedy === undefined ? problem : `${problem}; ${remedy}`
  return `vm-sentinel: warning: ${Text.escape(path)}: no sweep will believe its sentinel, and none will remove it: ${told}\n`
}

/**
 * The lines for stderr of a defect, which `Cause.pretty` renders.
 *
 * @category rendering
 * @since 0.1.0
 */
export const ofDefect = (pretty: string): string =>
  `vm-sentinel: a defect: ${pretty.split("\n").map(Text.escapeActive).join("\n")}\n`
