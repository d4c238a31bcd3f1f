#!/usr/bin/env node
import * as Fs from "node:fs"
import { version } from "./Version.ts"

/** `--version` alone needs no other module. The other modules take longer to load. */
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
