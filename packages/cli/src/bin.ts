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

/** An older Node lacks functions that the command calls. npm only warns about such a Node. */
const isTooOld = ([major = 0, minor = 0]: ReadonlyArray<number>): boolean => major < 22 || (major === 22 && minor < 19)

if (!isVersionAlone(process.argv.slice(2)) || !toldVersion()) {
  if (isTooOld(process.versions.node.split(".").map(Number))) {
    process.stderr.write(`vm-sentinel needs Node 22.19 or later. This is Node ${process.versions.node}.\n`)
    process.exitCode = 1
  } else void import("./start.ts").then(({ start }) => start())
}
