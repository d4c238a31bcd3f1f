import { coded } from "@vm-sentinel/core/Errno"
import * as Fs from "node:fs"
import { close } from "./closing.ts"

const buffer = Buffer.alloc(512)

/** Id of the mount that a descriptor's file lies on: `mnt_id` of `proc_pid_fdinfo(5)`, one of the first lines. */
export const mountId = (fd: number): string => {
  const info = Fs.openSync(`/proc/self/fdinfo/${fd}`, Fs.constants.O_RDONLY)
  try {
    const text = buffer.toString("latin1", 0, Fs.readSync(info, buffer))
    const id = /^mnt_id:\s*(\d+)/m.exec(text)?.[1]
    if (id === undefined) throw coded("ENOTSUP", "no mnt_id in fdinfo")
    return id
  } finally {
    close(info)
  }
}
