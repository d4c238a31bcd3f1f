import { assert, describe, it } from "@effect/vitest"
import type { FileType, Principal, Stat } from "../src/Disk.ts"
import * as Trust from "../src/Trust.ts"

const me = 1000

const stat = (changes: Partial<Stat> = {}): Stat => ({
  type: "file",
  id: { dev: "1", ino: "1" },
  size: 1,
  mode: 0o600,
  uid: me,
  gid: me,
  nlink: 1,
  modifiedAt: 0,
  changedAt: 0,
  ...changes
})

const principal = (uid: number | undefined): Principal => ({ uid, homes: ["/home/me", "/srv/home/"], homeIds: [] })

type Row = readonly [title: string, changes: Partial<Stat>, asMe: boolean, asRoot: boolean]

/** Owner, group and mode of a file or directory. A sentinel, its directory and a root have the same rules. */
const keeping: ReadonlyArray<Row> = [
  ["ours", {}, true, false],
  ["root's", { uid: 0, gid: 0 }, true, true],
  ["another user's", { uid: 1001, gid: 1001 }, false, false],
  ["without an owner", { uid: undefined, gid: undefined }, false, false],
  ["readable by everybody", { mode: 0o644 }, true, false],
  ["writable by everybody", { mode: 0o602 }, false, false],
  ["root's, writable by everybody", { uid: 0, gid: 0, mode: 0o666 }, false, false],
  ["writable by our own group", { mode: 0o660 }, true, false],
  ["writable by another group", { mode: 0o660, gid: 100 }, false, false],
  ["writable by a group that can't be told", { mode: 0o660, gid: undefined }, false, false],
  ["root's, writable by root's group", { uid: 0, gid: 0, mode: 0o660 }, true, false],
  ["root's, writable by another group", { uid: 0, gid: 1000, mode: 0o660 }, false, false]
]

const check = (problem: string | undefined, trusted: boolean): void => {
  if (trusted) assert.isUndefined(problem)
  else assert.isNotEmpty(problem)
}

const others: ReadonlyArray<FileType> = ["symlink", "fifo", "socket", "device", "unknown"]

describe("Trust", () => {
  for (const [title, changes, asMe, asRoot] of keeping) {
    for (const [who, uid, trusted] of [
      ["us", me, asMe],
      ["root", 0, asRoot],
      ["a caller without uid", undefined, false]
    ] as const) {
      it(`${title}: ${trusted ? "believed" : "not believed"} by ${who}`, () => {
        check(Trust.ofSentinel(stat(changes), principal(uid), 1), trusted)
        const directory = stat({ ...changes, type: "directory" })
        check(Trust.ofDirectory(directory, principal(uid)), trusted)
        check(Trust.ofRoot(directory, principal(uid)), trusted)
      })
    }
  }

  it("says whose it is", () => {
    assert.strictEqual(
      Trust.ofSentinel(stat({ uid: 7 }), principal(me), 1),
      "owned by uid 7, neither ours (1000) nor root's"
    )
    assert.strictEqual(Trust.ofSentinel(stat({ mode: 0o660, gid: 7 }), principal(me), 1), "writable by group 7")
  })

  it("believes a regular file alone", () => {
    for (const type of [...others, "directory"] as const) {
      assert.strictEqual(Trust.ofSentinel(stat({ type }), principal(me), 1), `a ${type}, not a regular file`)
    }
  })

  it("believes no file of more links than are accounted for", () => {
    assert.strictEqual(Trust.ofSentinel(stat({ nlink: 2 }), principal(me), 1), "2 hard links")
    assert.isUndefined(Trust.ofSentinel(stat({ nlink: 2 }), principal(me), 2))
    assert.strictEqual(Trust.ofSentinel(stat({ nlink: 3 }), principal(me), 2), "3 hard links")
    assert.strictEqual(Trust.ofSentinel(stat({ nlink: undefined }), principal(me), 1), "unknown hard links")
  })

  it("takes nothing but a directory for one", () => {
    for (const type of [...others, "file"] as const) {
      assert.strictEqual(Trust.ofDirectory(stat({ type }), principal(me)), `a ${type}, not a directory`)
      assert.isNotEmpty(Trust.ofRoot(stat({ type }), principal(me)))
    }
    assert.include(Trust.ofRoot(stat({ type: "symlink" }), principal(me)), "symbolic link")
  })

  it("refuses a shared directory as a root, sticky or not", () => {
    const shared = stat({ type: "directory", uid: 0, gid: 0, mode: 0o1777 })
    assert.strictEqual(Trust.ofRoot(shared, principal(me)), "a directory shared by all users")
    assert.isNotEmpty(Trust.ofDirectory(shared, principal(me)))
    assert.isUndefined(Trust.ofRoot(stat({ type: "directory", mode: 0o1700 }), principal(me)))
  })

  it.each([
    ["/", "the root of the file system"],
    ["//", "the root of the file system"],
    ["///", "the root of the file system"],
    ["/home/me", "a home directory"],
    ["/home/me/", "a home directory"],
    ["/srv/home", "a home directory"],
    ["/srv/home//", "a home directory"],
    ["/home", undefined],
    ["/home/me/vms", undefined],
    ["/home/meme", undefined],
    ["/var/lib/vms/", undefined]
  ])("as a root, %s is %s", (path, problem) => {
    assert.strictEqual(Trust.ofRootPath(path, principal(me)), problem)
  })
})
