import * as Errors from "@vm-sentinel/core/Errors"
import { assert, describe, it } from "@effect/vitest"
import * as ErrorText from "../src/ErrorText.ts"
import { OutputError } from "../src/Output.ts"
import { UnsupportedPlatform } from "../src/Platform.ts"

const errors: ReadonlyArray<readonly [ErrorText.CommandError, RegExp]> = [
  [new Errors.NotFound({ operation: "open root", path: "/r" }), /\/r: not found.*--if-exists/],
  [new Errors.NotFound({ operation: "identify process", pid: 7 }), /process 7: not found.*runs/],
  [new Errors.PermissionDenied({ operation: "list root", path: "/r" }), /\/r: permission denied.*as root/],
  [new Errors.RefusedRoot({ path: "/", problem: "the root of the file system" }), /\/: refused.*give the directory/],
  [new Errors.RefusedRoot({ path: "", problem: "an empty path" }), /: "": refused/],
  [new Errors.AlreadyOwned({ path: "/d", owner: 7, verdict: "alive", reason: "matches" }), /process 7.*stop that/],
  [new Errors.AlreadyOwned({ path: "/d", verdict: "unknown", reason: "other-machine" }), /vm-sentinel explain/],
  [new Errors.Claimed({ path: "/d" }), /\/d: a sweep claimed.*create it again/],
  [
    new Errors.LockBusy({ path: "/d", holders: [7, 8] }),
    /\/d: process 7, 8 holds the ownership lock; wait until .*stop/
  ],
  [new Errors.LockBusy({ path: "/d" }), /\/d: somebody not visible from here holds .*; look on the host/],
  [new Errors.MountInside({ path: "/d", mount: "/d/m" }), /\/d\/m is mounted inside; unmount/],
  [new Errors.StoreFailure({ operation: "write", path: "/d", errno: "ENOSPC" }), /\/d: ENOSPC.*space/],
  [
    new Errors.MalformedSentinel({ operation: "read sentinel", path: "/d/x\n", problem: "empty" }),
    /\/d\/x\\n: .*explain/
  ],
  [new OutputError({ errno: "ENOSPC" }), /stdout: ENOSPC/],
  [new UnsupportedPlatform({ platform: "aix" }), /aix: unsupported platform/]
]

describe("ErrorText", () => {
  it.each(errors)("is one line that says what and what to do: %s", (error, expected) => {
    const line = ErrorText.line(error)
    assert.match(line, expected)
    assert.match(line, /^vm-sentinel: [^\n]+\n$/)
  })
})
