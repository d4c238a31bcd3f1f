import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  type Binding,
  compareDirectories,
  describeObserved,
  describeRecorded,
  fileToken,
  type FileSystemId,
  isLasting,
  oneKernelTypes,
  RecordedDirectory,
  toRecord
} from "../src/DirectoryFrame.ts"
import type { Comparison } from "../src/ProcessIdentity.ts"
import { frame, made } from "./support/fixtures.ts"

type Data = Partial<Record<"mount" | "inode" | "birth" | "file", string>>

interface Given {
  readonly name: string
  readonly type?: string
  readonly recorded: Data
  readonly observed?: Data
  /** The file system id that the reader sees instead of the recorded one. */
  readonly id?: FileSystemId | null
  readonly recordedId?: FileSystemId | null
  readonly boot?: Comparison
  readonly is: Binding
}

const uuid: FileSystemId = { kind: "uuid", value: "5eed" }
const all: Data = { inode: "10", birth: "17", file: "100" }

const bindingOf = (given: Given): Binding => {
  const { boot = "equal", id, observed = given.recorded, recorded, recordedId = uuid, type = "ext4" } = given
  const seenId = id === undefined ? recordedId : id
  const { birth, file, inode, mount } = observed
  return compareDirectories(
    { type, ...recorded, ...(recordedId === null ? {} : { id: recordedId }) },
    frame({
      inode,
      birth,
      fileSystem: {
        type,
        oneKernel: true,
        ...(seenId === null ? {} : { id: seenId }),
        ...(mount === undefined ? {} : { mount })
      }
    }),
    file,
    boot
  )
}

const table = (title: string, given: ReadonlyArray<Given>) =>
  describe(title, () => {
    for (const row of given) it(`${row.name} → ${row.is}`, () => assert.strictEqual(bindingOf(row), row.is))
  })

const lacking = (key: keyof Data): Data => Object.fromEntries(Object.entries(all).filter(([name]) => name !== key))

table("a directory on ext4", [
  { name: "all equal", recorded: all, is: "bound" },
  ...(["inode", "birth", "file"] as const).map((key): Given => ({
    name: `scenario 78: another ${key}`,
    recorded: all,
    observed: { ...all, [key]: "99" },
    is: "different"
  })),
  ...(["inode", "birth"] as const).flatMap((key): ReadonlyArray<Given> => [
    { name: `no ${key} recorded`, recorded: lacking(key), observed: all, is: "unbound" },
    { name: `no ${key} now`, recorded: all, observed: lacking(key), is: "unbound" },
    { name: `a ${key} of 0 recorded, which is none`, recorded: { ...all, [key]: "0" }, observed: all, is: "unbound" },
    { name: `a ${key} of 0 now, which is none`, recorded: all, observed: { ...all, [key]: "0" }, is: "unbound" }
  ]),
  {
    name: "no birth, and another inode",
    recorded: lacking("birth"),
    observed: { ...all, inode: "99" },
    is: "different"
  },
  { name: "no file recorded", recorded: lacking("file"), observed: all, is: "bound" },
  { name: "another id", recorded: all, id: { kind: "uuid", value: "c0de" }, is: "different" },
  { name: "an id of another kind is a missing one", recorded: all, id: { kind: "fsid", value: "c0de" }, is: "bound" },
  { name: "an id of 0 is a missing one", recorded: all, id: { kind: "uuid", value: "0000-0000" }, is: "bound" },
  { name: "no id", recorded: all, id: null, is: "bound" },
  { name: "nothing to compare", recorded: {}, recordedId: null, is: "unbound" },
  { name: "nothing but the id", recorded: {}, is: "unbound" },
  ...(["equal", "different", "unknown"] as const).map((boot): Given => ({
    name: `all equal, the boot ${boot}`,
    recorded: all,
    boot,
    is: "bound"
  }))
])

table(
  "a directory where snapshots have the same inodes and births",
  ["btrfs", "zfs"].flatMap((type): ReadonlyArray<Given> => [
    { name: `${type}, all equal`, type, recorded: all, is: "bound" },
    {
      name: `scenario 78: ${type}, a snapshot`,
      type,
      recorded: all,
      id: { kind: "uuid", value: "c0de" },
      is: "different"
    },
    { name: `${type}, no id`, type, recorded: all, id: null, is: "unbound" },
    { name: `${type}, an id of another kind`, type, recorded: all, id: { kind: "fsid", value: "5eed" }, is: "unbound" }
  ])
)

table("a directory on an overlay", [
  { name: "id and birth equal", type: "overlay", recorded: { birth: "17" }, is: "bound" },
  {
    name: "scenario 67: another birth",
    type: "overlay",
    recorded: { birth: "17" },
    observed: { birth: "18" },
    is: "different"
  },
  {
    name: "another id",
    type: "overlay",
    recorded: { birth: "17" },
    id: { kind: "uuid", value: "c0de" },
    is: "different"
  },
  { name: "no id", type: "overlay", recorded: { birth: "17" }, id: null, is: "unbound" },
  {
    name: "inodes that moved",
    type: "overlay",
    recorded: all,
    observed: { ...all, inode: "11", file: "101" },
    is: "bound"
  },
  {
    name: "no inode now, so that of the file moves too",
    type: "overlay",
    recorded: all,
    observed: { birth: "17", file: "9" },
    is: "bound"
  }
])

const volume: FileSystemId = { kind: "volume", value: "7A0B" }
const onVolume = { type: "apfs", recordedId: volume, recorded: { mount: "1:2", inode: "10", file: "100" } }

const onBoot = (boot: Comparison, is: Binding, name: string, observed: Data): Given => ({
  ...onVolume,
  name,
  observed,
  boot,
  is
})

table("a directory on apfs or hfs", [
  { ...onVolume, name: "all equal", is: "bound" },
  { ...onVolume, name: "hfs, all equal", type: "hfs", is: "bound" },
  {
    ...onVolume,
    name: "another birth says nothing",
    recorded: { ...onVolume.recorded, birth: "17" },
    observed: { ...onVolume.recorded, birth: "18" },
    is: "bound"
  },
  {
    ...onVolume,
    name: "another inode, as of a clone",
    observed: { ...onVolume.recorded, inode: "11" },
    is: "different"
  },
  { ...onVolume, name: "another volume", id: { kind: "volume", value: "C0DE" }, is: "different" },
  { ...onVolume, name: "no volume", id: null, is: "unbound" },
  ...(
    [
      ["equal", "different"],
      ["different", "bound"],
      ["unknown", "unbound"]
    ] as const
  ).map(([boot, is]) =>
    onBoot(boot, is, `another mount, as of a block copy, the boot ${boot}`, { ...onVolume.recorded, mount: "1:3" })
  ),
  ...(
    [
      ["equal", "unbound"],
      ["different", "bound"],
      ["unknown", "unbound"]
    ] as const
  ).map(([boot, is]) => onBoot(boot, is, `no mount, the boot ${boot}`, { inode: "10", file: "100" }))
])

table("a directory on a file system of another type", [
  {
    name: "scenario 103: FUSE without an id",
    type: "fuse",
    recorded: all,
    recordedId: { kind: "fsid", value: "0" },
    is: "unbound"
  },
  { name: "NFS, which has no births", type: "nfs", recorded: { inode: "10", file: "100" }, is: "unbound" },
  { name: "NFS, another inode", type: "nfs", recorded: { inode: "10" }, observed: { inode: "11" }, is: "different" },
  { name: "all there is", type: "0x1234", recorded: all, is: "bound" }
])

describe("compareDirectories", () => {
  it("scenario 63: another type is another directory, whatever else agrees", () => {
    const fileSystem = { type: "nfs", id: { kind: "uuid", value: "5eed" }, oneKernel: false } as const
    assert.strictEqual(compareDirectories(made, frame({ fileSystem }), "100", "equal"), "different")
  })

  it("is unbound where nothing was recorded, or nothing is known now", () => {
    assert.strictEqual(compareDirectories(undefined, frame(), "100", "equal"), "unbound")
    assert.strictEqual(compareDirectories(made, { id: { dev: "1", ino: "10" } }, "100", "equal"), "unbound")
    assert.strictEqual(compareDirectories(made, frame(), undefined, "equal"), "bound")
  })
})

describe("oneKernelTypes", () => {
  it.each(["ext4", "xfs", "btrfs", "f2fs", "zfs", "tmpfs", "overlay", "apfs", "hfs"])("%s is one", (type) => {
    assert.isTrue(oneKernelTypes.has(type))
    assert.strictEqual(isLasting(type), type !== "overlay")
  })

  it.each([
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "virtiofs",
    "AppleVirtIOFS",
    "fuse",
    "fuse.sshfs",
    "ceph",
    "proc",
    "",
    "EXT4"
  ])("%s isn't known to be", (type) => assert.isFalse(oneKernelTypes.has(type)))
})

describe("toRecord", () => {
  it("says what was seen, and is bound to it", () => {
    assert.deepStrictEqual(toRecord(frame(), "100"), made)
    assert.strictEqual(compareDirectories(toRecord(frame(), "100"), frame(), "100", "equal"), "bound")
    assert.isTrue(Schema.is(RecordedDirectory)(toRecord(frame(), "100")))
  })

  it("leaves out what is 0 or missing", () => {
    assert.deepStrictEqual(
      toRecord(
        frame({
          inode: undefined,
          birth: "0",
          fileSystem: { type: "overlay", id: { kind: "fsid", value: "0:0" }, mount: "1:2", oneKernel: true }
        }),
        "100"
      ),
      { type: "overlay", mount: "1:2", file: "100" }
    )
    assert.isUndefined(toRecord({ id: { dev: "1", ino: "10" } }, "100"))
  })
})

describe("in words", () => {
  it("a record and what is seen read alike", () => {
    const words = "ext4, uuid 5eed, inode 10, birth 1700000000000000001, file 100"
    assert.strictEqual(describeRecorded(made), words)
    assert.strictEqual(describeObserved(frame(), "100"), words)
    assert.strictEqual(describeRecorded({ type: "nfs" }), "nfs")
    assert.strictEqual(describeRecorded({ type: "apfs", mount: "1:2", inode: "10" }), "apfs, mount 1:2, inode 10")
  })

  it("nothing where nothing is known", () => {
    assert.isUndefined(describeObserved({ id: { dev: "1", ino: "10" } }, "100"))
    assert.strictEqual(
      describeObserved(frame({ inode: undefined, birth: undefined }), "100"),
      "ext4, uuid 5eed, file 100"
    )
  })
})

describe("DirectoryFrame.fileToken", () => {
  const id = { dev: "1", ino: "12" }

  it("is the inode, and the birth where that is known", () => {
    assert.strictEqual(fileToken({ id }), "12")
    assert.strictEqual(fileToken({ id, birth: "1795784507526585226" }), "12.1795784507526585226")
  })

  const ext4 = { type: "ext4", inode: "10", birth: "17" }
  const overlay = { type: "overlay", id: { kind: "fsid", value: "ab" }, birth: "17" } as const
  it.for([
    ["scenario 78a: a restored file that got the inode of the one before", ext4, "12.5", "12.9", "different"],
    ["the same file", ext4, "12.5", "12.5", "bound"],
    ["a file whose birth the reader can't see", ext4, "12.5", "12", "bound"],
    ["another inode, born at the same time", ext4, "12.5", "13.5", "different"],
    ["scenario 78a: on an overlay, where inodes move, a restored file", overlay, "12.5", "13.9", "different"],
    ["on an overlay the same file, whose inode has moved", overlay, "12.5", "13.5", "bound"]
  ] as const)("%s", ([, made, recorded, observed, expected]) => {
    const { birth, type } = made
    const frame = {
      id,
      birth,
      ...("inode" in made ? { inode: made.inode } : {}),
      fileSystem: { type, oneKernel: true, ...("id" in made ? { id: made.id } : {}) }
    }
    const binding = compareDirectories({ ...made, file: recorded }, frame, observed, "equal")
    assert.strictEqual(binding, expected)
  })
})
