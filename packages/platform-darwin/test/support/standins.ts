/** Executables that stand in for macOS's `ps`, `sysctl` and `ioreg`, made once for each test file. */
import { afterAll } from "@effect/vitest"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** Reason why the stand-ins and the shim run only on Linux. */
export const noProcfs = "procfs is Linux's"

const at = (name: string): string => fileURLToPath(new URL(`../standins/${name}`, import.meta.url))
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const systemPidMax = (): number => {
  try {
    return Number(readFileSync("/proc/sys/kernel/pid_max", "utf8"))
  } catch {
    return 0
  }
}

/** Linux allows larger PIDs than macOS. */
export const maxPid = Math.max(99_999, systemPidMax())

export interface Ps {
  readonly path: string
  /** The arguments of each run, in order. */
  readonly calls: () => ReadonlyArray<string>
}

export interface Replayed {
  readonly stdout?: string
  readonly stderr?: string
  readonly code?: number
}

export interface Standins {
  /** Makes a new executable from a shell script. */
  readonly executable: (script: string) => string
  /** Makes a new file. */
  readonly file: (content: string) => string
  /** Makes a `ps` over procfs. `replay` is its answer to every question except the one about its own process. */
  readonly ps: (replay?: Replayed) => Ps
  readonly sysctl: string
  readonly ioreg: string
}

/** Makes the stand-ins in a directory that is removed after the file's tests. */
export const make = (): Standins => {
  const directory = mkdtempSync(join(tmpdir(), "vm-sentinel-standins-"))
  chmodSync(directory, 0o755)
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  let made = 0
  const executable = (script: string): string => {
    const path = join(directory, `command-${made++}`)
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    return path
  }
  const file = (content: string): string => {
    const path = join(directory, `file-${made++}`)
    writeFileSync(path, content, { mode: 0o666 })
    return path
  }
  const ps = (replay?: Replayed): Ps => {
    const log = file("")
    const options = ["--log", log, "--max-pid", `${maxPid}`]
    if (replay !== undefined) {
      options.push("--replay", file(JSON.stringify({ stdout: "", stderr: "", code: 0, ...replay })))
    }
    const words = [process.execPath, "--no-warnings", at("ps.mjs"), ...options, "--"].map(quote)
    return {
      path: executable(`exec ${words.join(" ")} "$@"`),
      calls: () => readFileSync(log, "utf8").split("\n").slice(0, -1)
    }
  }
  return {
    executable,
    file,
    ps,
    sysctl: executable(`exec /bin/sh ${quote(at("sysctl.sh"))} "$@"`),
    ioreg: executable(`exec /bin/sh ${quote(at("ioreg.sh"))} "$@"`)
  }
}
