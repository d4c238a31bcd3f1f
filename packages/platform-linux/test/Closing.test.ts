/** A `close(2)` that fails. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { close } from "../src/internal/closing.ts"
import * as DirFd from "../src/internal/dirFd.ts"
import { libc } from "../src/internal/libc.ts"

const { EBADF, EINTR, EIO, ENOSPC } = Os.constants.errno

describe("a close that fails", () => {
  it.effect("is a close all the same, since Linux frees the number in any case", () =>
    Effect.sync(() => {
      const at = libc()?.at
      if (at === undefined) return
      for (const errno of [EIO, EINTR, ENOSPC]) {
        const calls = DirFd.make({ ...at, close: () => -errno })
        assert.doesNotThrow(() => calls.close(0))
      }
    })
  )

  it.effect("is a mistake where the number was free already", () =>
    Effect.sync(() => {
      const fd = Fs.openSync("/", "r")
      close(fd)
      assert.throws(() => close(fd), /EBADF/)
      const at = libc()?.at
      if (at !== undefined) assert.throws(() => DirFd.make({ ...at, close: () => -EBADF }).close(0), /EBADF/)
    })
  )
})
