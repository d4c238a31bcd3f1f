/** The machine on which the figures were measured. */
import * as Mounts from "@vm-sentinel/core/Mounts"
import * as Fs from "node:fs"
import * as Os from "node:os"
import type { Lab } from "./lab.ts"

export interface Machine {
  readonly processor: string
  readonly memory: string
  readonly kernel: string
  readonly fileSystem: string
  readonly node: string
  readonly date: string
  /** Load averages of 1, 5 and 15 minutes, read before the measurements. Other load makes the figures worse. */
  readonly load: string
}

export const read = ({ directory }: Lab): Machine => {
  const processors = Os.cpus()
  const mounts = Mounts.parse(Fs.readFileSync("/proc/self/mountinfo", "utf8"))
  return {
    processor: `${processors.length} × ${processors[0]?.model.trim() ?? "unknown"}`,
    memory: `${(Os.totalmem() / 2 ** 30).toFixed(1)} GiB`,
    kernel: `${Os.type()} ${Os.release()} ${Os.machine()}`,
    fileSystem: Mounts.find(mounts, directory)?.fileSystem ?? "unknown",
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    load: Os.loadavg()
      .map((load) => load.toFixed(2))
      .join(" ")
  }
}
