/**
 * Renders an error as one line: the failure, and the operator's next step.
 *
 * @since 0.1.0
 */
import type { AlreadyOwned, Claimed, DirectoryError, IdentityUnavailable, RootError } from "@vm-sentinel/core/Errors"
import type { DemoError } from "./demo/DemoError.ts"
import type { OutputError } from "./Output.ts"
import type { UnsupportedPlatform } from "./Platform.ts"
import * as Text from "./Text.ts"

/**
 * Every error that a command can end with.
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

const explain = "`vm-sentinel explain` shows it; `vm-sentinel reclaim --assume-dead REASON` removes it all the same"

const advice = (error: CommandError): string | undefined => {
  switch (error._tag) {
    case "NotFound":
      if (error.pid !== undefined) return "give the PID of a process that runs"
      return error.operation === "open root" ? "check the path (sweep and list take --if-exists)" : "check the path"
    case "PermissionDenied":
      return "run as the owner, or as root"
    case "RefusedRoot":
      // The problem of a symbolic link already says which path to give.
      return error.problem.includes("give") ? undefined : "give the directory that holds the VM directories"
    case "OversizedSentinel":
    case "MalformedSentinel":
    case "UntrustedSentinel":
      return error.operation === "write sentinel" ? undefined : explain
    case "UnsupportedVersion":
      return "update vm-sentinel"
    case "AlreadyOwned":
      return error.verdict === "alive" ? "stop that process first, or use another directory" : explain
    case "LockBusy":
      return (error.holders ?? []).length === 0
        ? "look on the host, or in the container that has it mounted: the `lock:` lines of /proc/*/fdinfo name the holder"
        : "wait until it is done, or stop it"
    case "StoreFailure":
      return error.errno === "ENOSPC" ? "free some space and run it again" : "mend that and run it again"
    case "NameTaken":
      return "move one of the two away"
    case "Taken":
    case "Changed":
      return "look again"
    default:
      // The messages of these errors already say what to do.
      return undefined
  }
}

/**
 * The line for stderr, with its newline. Characters that a terminal would act on are escaped.
 *
 * @category rendering
 * @since 0.1.0
 */
export const line = (error: CommandError): string => {
  const hint = advice(error)
  const subject = "path" in error && error.path === "" ? '""' : ""
  return `vm-sentinel: ${subject}${Text.escape(error.message)}${hint === undefined ? "" : `; ${hint}`}\n`
}
