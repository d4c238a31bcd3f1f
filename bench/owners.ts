/** Real processes as owners. Some live as long as the benchmark, the others have really exited. */
import type { RecordedDirectory } from "@vm-sentinel/core/DirectoryFrame"
import { Pid, type ProcessIdentity } from "@vm-sentinel/core/ProcessIdentity"
import { ProcessInspector } from "@vm-sentinel/core/ProcessInspector"
import * as Sentinel from "@vm-sentinel/core/Sentinel"
import * as LinuxProcessInspector from "@vm-sentinel/platform-linux/LinuxProcessInspector"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Result from "effect/Result"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"

export type Kind = "v2" | "v3"

/** Makes the sentinel's text for one directory. Each directory has its own nonce; a v3 record names its directory. */
export type Inscribe = (kind: Kind, nonce: string, directory: RecordedDirectory | undefined) => string

export interface Owners {
  /** Living processes. There are several, so that a cache of the last PID gives no contestant an advantage. */
  readonly live: ReadonlyArray<{ readonly pid: number; readonly inscribe: Inscribe }>
  /** Exited processes whose PIDs no process has now. */
  readonly dead: () => Promise<ReadonlyArray<{ readonly pid: number; readonly inscribe: Inscribe }>>
  readonly end: () => void
}

const owners = 32

const runtime = ManagedRuntime.make(LinuxProcessInspector.layer)

const identify = (pid: number): Promise<ProcessIdentity> =>
  runtime.runPromise(Effect.flatMap(ProcessInspector, (inspector) => inspector.identify(Pid.make(pid))))

/** Starts `cat`, which exits at the end of its standard input. So even a killed benchmark leaves no owner behind. */
const start = async (): Promise<ChildProcess & { readonly pid: number }> => {
  const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] })
  await once(child, "spawn")
  const { pid } = child
  if (pid === undefined) throw new Error("cat can't be started")
  return Object.assign(child, { pid })
}

const placeholder = "0".repeat(32)

const inscriber = (identity: ProcessIdentity): Inscribe => {
  const acquisition = { nonce: placeholder, role: "supervisor", createdAt: new Date().toISOString() }
  const textOf = (kind: Kind) => {
    const bytes = Result.flatMap(Sentinel.fromIdentity(identity, kind, acquisition), Sentinel.encode)
    return new TextDecoder().decode(Result.getOrThrow(bytes))
  }
  const texts = { v2: textOf("v2"), v3: textOf("v3") }
  return (kind, nonce, directory) => {
    const text = texts[kind].replace(placeholder, nonce)
    return kind === "v2" || directory === undefined
      ? text
      : text.replace(/\}\n$/, `,"directory":${JSON.stringify(directory)}}\n`)
  }
}

const isFree = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

export const make = async (): Promise<Owners> => {
  const children = await Promise.all(Array.from({ length: owners }, start))
  const known = async ({ pid }: { readonly pid: number }) => ({ pid, inscribe: inscriber(await identify(pid)) })
  const live = await Promise.all(children.map(known))

  const perished = async () => {
    const mortals = await Promise.all(Array.from({ length: owners }, start))
    const records = await Promise.all(mortals.map(known))
    await Promise.all(
      mortals.map(async (child) => {
        const exited = once(child, "exit")
        child.stdin?.end()
        await exited
      })
    )
    return records
  }

  let dead = await perished()
  return {
    live,
    dead: async () => {
      while (dead.some(({ pid }) => !isFree(pid))) dead = await perished()
      return dead
    },
    end: () => {
      for (const child of children) child.stdin?.end()
    }
  }
}
