#!/usr/bin/env -S node --max-semi-space-size=1 --heap-growing-percent=20
// Flags of Node: the objects of one directory are garbage when the sweep reaches the next directory. A young generation
// with semi-spaces of 1 MiB, and an old one that is collected before it has grown by 20 %, keep the memory of a long
// sweep near that of a short one.
import * as Fs from "node:fs"
import { version } from "./Version.ts"

/** `--version` alone needs no other module, and the other modules take longer to load. */
const isVersionAlone = ([flag, ...others]: ReadonlyArray<string>): boolean =>
  others.length === 0 && (flag === "--version" || flag === "-v")

const toldVersion = (): boolean => {
  try {
    Fs.writeSync(1, `vm-sentinel v${version}\n`)
    return true
  } catch {
    // `start` reports a closed or full stdout.
    return false
  }
}

if (!isVersionAlone(process.argv.slice(2)) || !toldVersion()) void import("./start.ts").then(({ start }) => start())
