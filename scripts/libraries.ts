/** Checks what a compiled library needs, before it is published. */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { fileOf, type Target, targets } from "./native.ts"

/** The oldest glibc on which Node's own builds run. It is the same from Node 18 on. */
const oldest = [2, 28] as const

const machines = { x64: "Advanced Micro Devices X86-64", arm64: "AArch64" }
const libcs = { glibc: "libc.so.6", musl: "libc.so" }

const isNewer = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major > oldest[0] || (major === oldest[0] && minor > oldest[1])
}

const all = (text: string, pattern: RegExp): ReadonlyArray<string> =>
  [...text.matchAll(pattern)].flatMap(([, found]) => found ?? [])

/** The faults of a target's library, from the output of `readelf --file-header --dynamic --version-info`. */
export const complaints = ({ arch, libc }: Target, text: string): ReadonlyArray<string> => {
  const machine = all(text, /^\s*Machine:\s+(.+)$/gm)[0] ?? "none"
  const needed = all(text, /\(NEEDED\)\s+Shared library: \[(.+)\]/g)
  const versions = all(text, /Name: GLIBC_(\S+)/g)
  const tooNew = versions.filter(isNewer)
  return [
    ...(machine === machines[arch] ? [] : [`is for ${machine}, not ${machines[arch]}`]),
    ...(needed.join() === libcs[libc] ? [] : [`needs ${needed.join(" and ") || "no libc"}, not ${libcs[libc]}`]),
    ...(libc === "musl" && versions.length > 0 ? ["needs versions of glibc's symbols"] : []),
    ...(tooNew.length === 0 ? [] : [`needs glibc ${tooNew.join(" and ")}, not ${oldest.join(".")} or older`])
  ]
}

const read = (path: string): string => {
  const args = ["--file-header", "--dynamic", "--version-info", "--wide", path]
  const { error, status, stderr, stdout } = spawnSync("readelf", args, {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" }
  })
  if (error !== undefined) throw new Error("readelf can't be run: binutils has it", { cause: error })
  return status === 0 && stderr === "" ? stdout : ""
}

/** The faults that keep the libraries in a directory from being published. Each line names its library. */
export const check = (directory: string): ReadonlyArray<string> =>
  targets.flatMap((target) => {
    const path = `${directory}/${fileOf(target)}`
    if (!Fs.existsSync(path)) return [`${fileOf(target)} is missing`]
    return complaints(target, read(path)).map((complaint) => `${fileOf(target)} ${complaint}`)
  })
