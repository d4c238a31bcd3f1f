/** What sentinels on the disk say. */
import * as Sentinel from "@vm-sentinel/core/Sentinel"
import { Result } from "effect"
import * as FS from "node:fs"

/** The v3 sentinel in a file. */
export const read = (path: string): Sentinel.SentinelV3 => {
  const sentinel = Result.getOrThrow(Sentinel.parse(FS.readFileSync(path)))
  if (sentinel._tag !== "V3") throw new Error(`${path}: ${sentinel._tag}`)
  return sentinel
}

/** Changes a record in its file, which stays the same file. */
export const change = (path: string, to: (record: Sentinel.RecordV3) => Sentinel.RecordV3): void => {
  const sentinel = read(path)
  FS.writeFileSync(path, Result.getOrThrow(Sentinel.encode({ ...sentinel, record: to(sentinel.record) })))
}

/** A record as the boot before this one would have left it. */
export const ofEarlierBoot = (record: Sentinel.RecordV3): Sentinel.RecordV3 => ({
  ...record,
  bootId: "0d1f5c3e-5d2a-4a7e-9a53-6c1f0e7b9a10"
})
