#!/usr/bin/env -S node --max-semi-space-size=1 --heap-growing-percent=20
// The flags: what a sweep makes for one directory is garbage by the next. A small young generation, and an old one that is
// collected before it has grown by more than a fifth, keep the memory of a long sweep near that of a short one.
import * as Fs from "node:fs"
import { version } from "./Version.ts"

/** Asked for alone it needs nothing of the rest, which takes longer to load. */
const isVersionAlone = ([flag, ...others]: ReadonlyArray<string>): boolean =>
  others.length === 0 && (flag === "--version" || flag === "-v")

const toldVersion = (): boolean => {
  try {
    Fs.writeSync(1, `vm-sentinel v${version}\n`)
    return true
  } catch {
    // What is to be said of a closed or full stdout is known there.
    return false
  }
}

if (!isVersionAlone(process.argv.slice(2)) || !toldVersion()) void import("./start.ts").then(({ start }) => start())
