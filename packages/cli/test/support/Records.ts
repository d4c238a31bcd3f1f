/** Reads and changes sentinels on the disk. */
import * as Sentinel from "@vm-sentinel/core/Sentinel"
import { Result } from "effect"
import * as FS from "node:fs"

/** Reads a file that must hold a v3 sentinel. */
export const read = (path: string): Sentinel.SentinelV3 => {
  const sentinel = Result.getOrThrow(Sentinel.parse(FS.readFileSync(path)))
  if (sentinel._tag !== "V3") throw new Error(`${path}: ${sentinel._tag}`)
  return sentinel
}

/** Changes the record in a file. The file keeps its inode. */
export const change = (path: string, to: (record: Sentinel.RecordV3) => Sentinel.RecordV3): void => {
  const sentinel = read(path)
  FS.writeFileSync(path, Result.getOrThrow(Sentinel.encode({ ...sentinel, record: to(sentinel.record) })))
}

/** The record as if it had been written in an earlier boot. */
export const ofEarlierBoot = (record: Sentinel.RecordV3): Sentinel.RecordV3 => ({
  ...record,
  bootId: "0d1f5c3e-5d2a-4a7e-9a53-6c1f0e7b9a10"
})
