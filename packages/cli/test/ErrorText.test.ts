import * as Errors from "@vm-sentinel/core/Errors"
import { assert, describe, it } from "@effect/vitest"
import * as ErrorText from "../src/text/ErrorText.ts"
import { OutputError } from "../src/Output.ts"
import { UnsupportedPlatform } from "../src/Platform.ts"

const errors: ReadonlyArray<readonly [ErrorText.CommandError, RegExp]> = [
  [new Errors.NotFound({ operation: "open root", path: "/r", kind: "missing" }), /\/r: not found.*--if-exists/],
  [
    new Errors.NotFound({ operation: "look", path: "/r", kind: "not-a-directory" }),
    /\/r: not a directory \(look\); give the directory itself: a symbolic link to it isn't followed$/m
  ],
  [
    new Errors.NotFound({ operation: "release sentinel", path: "/d", kind: "no-sentinel" }),
    /\/d: no such sentinel \(release sentinel\)/
  ],
  [new Errors.NotFound({ operation: "identify process", pid: 7, kind: "missing" }), /process 7: not found.*runs/],
  [new Errors.PermissionDenied({ operation: "list root", path: "/r" }), /\/r: permission denied.*as root/],
  [
    new Errors.RefusedRoot({ path: "/", rule: "file-system-root", problem: "the root of the file system" }),
    /\/: refused.*give the directory/
  ],
  [
    new Errors.RefusedRoot({ path: "/r", rule: "world-writable", problem: "writable by everybody" }),
    /everybody; `chmod go-w` it, and look/
  ],
  [
    new Errors.RefusedRoot({ path: "/r", rule: "group-writable", problem: "writable by group 7" }),
    /group 7; `chmod go-w` it, and look/
  ],
  [
    new Errors.RefusedRoot({ path: "/r", rule: "other-user", problem: "owned by uid 7, neither ours (0) nor root's" }),
    /; sweep as that user/
  ],
  [new Errors.RefusedRoot({ path: "", rule: "empty-path", problem: "an empty path" }), /: "": refused/],
  [
    new Errors.RefusedRoot({ path: "/r", rule: "symbolic-link", problem: "a symbolic link; give the directory" }),
    /: a symbolic link; give the directory$/m
  ],
  [
    new Errors.RefusedRoot({ path: "/r", rule: "sweeps-own", problem: "a sweep's own; sweep the root" }),
    /: a sweep's own; sweep the root$/m
  ],
  [new Errors.AlreadyOwned({ path: "/d", owner: 7, verdict: "alive", reason: "matches" }), /process 7.*stop that/],
  [new Errors.AlreadyOwned({ path: "/d", verdict: "unknown", reason: "other-machine" }), /vm-sentinel explain/],
  [
    new Errors.AlreadyOwned({ path: "/d", verdict: "unknown", reason: "path-in-use" }),
    /\/d: may have an owner: unknown, there is something under the path; `vm-sentinel explain/
  ],
  [new Errors.Claimed({ path: "/d", reason: "swept" }), /\/d: a sweep claimed.*create it again$/m],
  [new Errors.Claimed({ path: "/d", reason: "gone" }), /\/d: .* removed or moved away, .*; create it again$/m],
  [
    new Errors.Claimed({ path: "/d", reason: "replaced" }),
    /\/d: another directory has its path now; look whose it is$/m
  ],
  [
    new Errors.Claimed({ path: "/d", reason: "record-lost" }),
    /\/d: the new record .*; look what is there, then try again$/m
  ],
  [new Errors.Claimed({ path: "/d", reason: "lock-lost" }), /\/d: another process took the ownership lock, .*; look/],
  [
    new Errors.LockBusy({ path: "/d", holders: [7, 8] }),
    /\/d: process 7, 8 holds the ownership lock; wait until .*stop/
  ],
  [new Errors.LockBusy({ path: "/d" }), /\/d: somebody not visible from here holds .*; look on the host/],
  [new Errors.MountInside({ path: "/d", mount: "/d/m" }), /\/d\/m is mounted inside; unmount/],
  [new Errors.StoreFailure({ operation: "write sentinel", path: "/d", errno: "ENOSPC" }), /\/d: ENOSPC.*space/],
  [
    new Errors.MalformedSentinel({ operation: "read sentinel", path: "/d/x\n", problem: "empty" }),
    /\/d\/x\\n: .*`vm-sentinel explain DIR` .*`vm-sentinel reclaim DIR --assume-dead REASON`/
  ],
  [
    new Errors.StoreFailure({ operation: "write sentinel", path: "/d", errno: "EDQUOT" }),
    /\/d: EDQUOT.*raise the quota/
  ],
  [
    new Errors.StoreFailure({ operation: "claim", path: "/d", errno: "EROFS" }),
    /\/d: EROFS \(claim\); a read-only snapshot .* makes a snapshot writable$/m
  ],
  [
    new Errors.StoreFailure({ operation: "delete", path: "/d", errno: "EROFS" }),
    /\/d: EROFS \(delete\); a read-only snapshot .* makes a snapshot writable$/m
  ],
  [
    new Errors.StoreFailure({ operation: "write sentinel", path: "/d", errno: "EROFS" }),
    /\/d: EROFS \(write sentinel\); the file system is mounted read-only: /
  ],
  [
    new Errors.StoreFailure({ operation: "delete", path: "/d", errno: "ENOTEMPTY" }),
    /\/d: ENOTEMPTY \(delete\); a process keeps writing into it; .* end it and sweep again$/m
  ],
  [
    new Errors.StoreFailure({ operation: "claim", path: "/d", errno: "ENOTEMPTY" }),
    /\/d: ENOTEMPTY \(claim\); end the process that writes into it/
  ],
  [new Errors.StoreFailure({ operation: "mark", path: "/d" }), /\/d: failed \(mark\); mend that and run it again$/m],
  [new Errors.StoreFailure({ operation: "delete", path: "/d", errno: "EMFILE" }), /\/d: EMFILE.*ulimit -n/],
  [
    new Errors.StoreFailure({ operation: "read working directory", path: "d", errno: "ENOENT" }),
    /: d: ENOENT.*change to a directory that exists/
  ],
  [
    new Errors.AlreadyOwned({ path: "/d", verdict: "unknown", reason: "untrusted-sentinel" }),
    /no sweep believes what is in it.*explain/
  ],
  [new OutputError({ errno: "ENOSPC" }), /stdout: ENOSPC/],
  [new UnsupportedPlatform({ platform: "aix" }), /aix: unsupported platform/]
]

describe("ErrorText", () => {
  it.each(errors)("is one line that says what and what to do: %s", (error, expected) => {
    const line = ErrorText.line(error, false)
    assert.match(line, expected)
    assert.match(line, /^vm-sentinel: [^\n]+\n$/)
  })

  const refusals: ReadonlyArray<readonly [errno: string, isRoot: boolean, expected: RegExp]> = [
    ["EACCES", false, /; run as the owner, or as root$/],
    ["EPERM", false, /; run as the owner, or as root; .*(chattr -i|chflags)/],
    ["EACCES", true, /; root is refused: look for a missing capability/],
    ["EPERM", true, /; `ls.* ends that; otherwise look for a missing capability/]
  ]
  it.each(refusals)("says what %s means, to root %s", (errno, isRoot, expected) => {
    const error = new Errors.PermissionDenied({ operation: "delete", path: "/d/disk", errno })
    assert.match(ErrorText.text(error, isRoot), expected)
  })

  it("of one directory among many doesn't repeat what explain says", () => {
    const malformed = new Errors.MalformedSentinel({ operation: "read sentinel", path: "/d/x\u009b", problem: "empty" })
    assert.strictEqual(ErrorText.detail(malformed), "/d/x\\x9b: malformed sentinel: empty (read sentinel)")
    const full = new Errors.StoreFailure({ operation: "delete", path: "/d", errno: "ENOSPC" })
    assert.match(ErrorText.detail(full), /; free some space/)
  })

  it("warns of a sentinel that no sweep believes, with what to change", () => {
    const [group, theirs] = ["its directory is writable by group 107", "its directory is owned by uid 7, neither"]
    const warned = ErrorText.ofDistrust("/d\u202e", { rule: "group-writable", problem: group })
    assert.match(warned, /^vm-sentinel: warning: \/d\\u\{202e\}: no sweep .* group 107; `chmod go-w` it\n$/)
    const told = ErrorText.ofDistrust("/d", { rule: "other-user", problem: theirs })
    assert.match(told, /uid 7, neither; `chown` it to yourself\n$/)
    const linked = ErrorText.ofDistrust("/d", { rule: "hard-linked", problem: "3 hard links" })
    assert.match(linked, /: 3 hard links\n$/)
  })
})
