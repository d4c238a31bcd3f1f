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

const check = (refused: { readonly problem: string } | undefined, trusted: boolean): void => {
  if (trusted) assert.isUndefined(refused)
  else assert.isNotEmpty(refused?.problem)
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
    const theirs = Trust.ofSentinel(stat({ uid: 7 }), principal(me), 1)
    assert.deepStrictEqual(theirs, { rule: "other-user", problem: "owned by uid 7, neither ours (1000) nor root's" })
    const groups = Trust.ofSentinel(stat({ mode: 0o660, gid: 7 }), principal(me), 1)
    assert.deepStrictEqual(groups, { rule: "group-writable", problem: "writable by group 7" })
  })

  for (const [rule, changes, uid] of [
    ["no-uid", {}, undefined],
    ["unknown-owner", { uid: undefined }, me],
    ["other-user", { uid: 7 }, me],
    ["world-writable", { mode: 0o777 }, me],
    ["group-writable", { mode: 0o770, gid: 7 }, me]
  ] as const) {
    it(`names the rule ${rule}, of a sentinel, its directory and a root alike`, () => {
      const directory = stat({ ...changes, type: "directory" })
      assert.strictEqual(Trust.ofSentinel(stat(changes), principal(uid), 1)?.rule, rule)
      assert.strictEqual(Trust.ofDirectory(directory, principal(uid))?.rule, rule)
      assert.strictEqual(Trust.ofRoot(directory, principal(uid))?.rule, rule)
    })
  }

  it("says of a sentinel whose directory isn't believed that the directory isn't", () => {
    const above = Trust.ofDirectoryAbove({ rule: "group-writable", problem: "writable by group 7" })
    assert.deepStrictEqual(above, { rule: "group-writable", problem: "its directory is writable by group 7" })
  })

  it("believes a regular file alone", () => {
    for (const type of [...others, "directory"] as const) {
      const refused = { rule: "not-a-file", problem: `a ${type}, not a regular file` } as const
      assert.deepStrictEqual(Trust.ofSentinel(stat({ type }), principal(me), 1), refused)
    }
  })

  it("believes no file of more links than are accounted for", () => {
    const refused = (nlink: number | undefined, links: number) =>
      Trust.ofSentinel(stat({ nlink }), principal(me), links)
    assert.deepStrictEqual(refused(2, 1), { rule: "hard-linked", problem: "2 hard links" })
    assert.isUndefined(refused(2, 2))
    assert.deepStrictEqual(refused(3, 2), { rule: "hard-linked", problem: "3 hard links" })
    assert.deepStrictEqual(refused(undefined, 1), { rule: "hard-linked", problem: "unknown hard links" })
  })

  it("takes nothing but a directory for one", () => {
    for (const type of [...others, "file"] as const) {
      const refused = { rule: "not-a-directory", problem: `a ${type}, not a directory` } as const
      assert.deepStrictEqual(Trust.ofDirectory(stat({ type }), principal(me)), refused)
      if (type !== "symlink") assert.deepStrictEqual(Trust.ofRoot(stat({ type }), principal(me)), refused)
    }
    const link = Trust.ofRoot(stat({ type: "symlink" }), principal(me))
    assert.strictEqual(link?.rule, "symbolic-link")
    assert.include(link?.problem, "symbolic link")
  })

  it("refuses a shared directory as a root, sticky or not", () => {
    const shared = stat({ type: "directory", uid: 0, gid: 0, mode: 0o1777 })
    const problem = "a directory shared by all users"
    assert.deepStrictEqual(Trust.ofRoot(shared, principal(me)), { rule: "shared", problem })
    assert.strictEqual(Trust.ofDirectory(shared, principal(me))?.rule, "world-writable")
    assert.isUndefined(Trust.ofRoot(stat({ type: "directory", mode: 0o1700 }), principal(me)))
  })

  const everything = { rule: "file-system-root", problem: "the root of the file system" } as const
  const aHome = { rule: "home", problem: "a home directory" } as const
  it.each([
    ["/", everything],
    ["//", everything],
    ["///", everything],
    ["/home/me", aHome],
    ["/home/me/", aHome],
    ["/srv/home", aHome],
    ["/srv/home//", aHome],
    ["/home", undefined],
    ["/home/me/vms", undefined],
    ["/home/meme", undefined],
    ["/var/lib/vms/", undefined]
  ] as const)("as a root, %s is %s", (path, refused) => {
    assert.deepStrictEqual(Trust.ofRootPath(path, principal(me)), refused)
  })
})
