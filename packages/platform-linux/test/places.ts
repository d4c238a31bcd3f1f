/** Other places in the system from which to look at processes, and whether they can be had here. */
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as PidNamespace from "../src/testing/PidNamespace.ts"
import { script } from "./remote.ts"

export const nobody = 65534

export const isRoot = process.getuid?.() === 0

/** Why what needs root can't be run; `undefined` where it can. */
export const notRoot = isRoot ? undefined : "not root"

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
  try {
    execFileSync(file, args, { stdio: "pipe" })
    return undefined
  } catch (error) {
    return error instanceof Error ? (error.message.split("\n").at(-2) ?? error.message) : "failed"
  }
}

export const noNamespace = await Effect.runPromise(PidNamespace.unavailable)

/** Milliseconds that a test with programs of its own may take on a busy machine. */
export const patience = 60_000
