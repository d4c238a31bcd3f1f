/** The process that makes the calls, and its homes. */
import type { Principal } from "@vm-sentinel/core/Disk"
import type { FileId } from "@vm-sentinel/core/FileId"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { toStat } from "./stat.ts"

const homeBy = (ask: () => string): ReadonlyArray<string> => {
  try {
    return [ask()].filter((home) => home !== "")
  } catch {
    // A uid may have no entry in the user database (containers, a directory service that is down).
    return []
  }
}

const idsOf = (home: string): ReadonlyArray<FileId> => {
  try {
    return [toStat(Fs.statSync(home, { bigint: true })).id]
  } catch {
    return []
  }
}

/** Home directories by the environment and by the user database. */
const findHomes = (): Pick<Principal, "homes" | "homeIds"> => {
  const homes = [...homeBy(Os.homedir), ...homeBy(() => Os.userInfo().homedir)]
  return { homes, homeIds: homes.flatMap(idsOf) }
}

/** The homes are looked for once. */
export const make = (): (() => Principal) => {
  let homes: ReturnType<typeof findHomes> | undefined
  return () => ({ uid: process.geteuid?.(), ...(homes ??= findHomes()) })
}
