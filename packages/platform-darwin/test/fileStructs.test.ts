/** The layouts of Darwin's file calls, on bytes written here from the headers. */
import { assert, describe, it } from "@effect/vitest"
import { decodeBulk, decodeStatfs, namesAndTypes, statfsSize } from "../src/internal/fileStructs.ts"

const golden = ({ flags = 0x0480_9000, mountPoint = "/System/Volumes/Data", type = "apfs" } = {}): Buffer => {
  const bytes = Buffer.alloc(statfsSize, 0xa5)
  bytes.writeUInt32LE(4096, 0)
  bytes.writeUInt32LE(flags, 64)
  bytes.write(`${type}\0`, 72, "latin1")
  bytes.write(`${mountPoint}\0`, 88)
  bytes.write("/dev/disk3s5\0", 1112)
  return bytes
}

interface Fields {
  readonly name?: string
  readonly type?: number
  readonly returned?: number
  readonly error?: number
  readonly offset?: number
  readonly nameLength?: number
  readonly length?: number
}

const bulkEntry = ({ name = "disk.img", type = 1, returned = 0x8000_0009, error = 0, ...odd }: Fields): Buffer => {
  const text = Buffer.from(`${name}\0`)
  const bytes = Buffer.alloc(Math.ceil((40 + text.byteLength) / 8) * 8)
  bytes.writeUInt32LE(odd.length ?? bytes.byteLength, 0)
  bytes.writeUInt32LE(returned, 4)
  bytes.writeUInt32LE(error, 24)
  bytes.writeInt32LE(odd.offset ?? 12, 28)
  bytes.writeUInt32LE(odd.nameLength ?? text.byteLength, 32)
  bytes.writeUInt32LE(type, 36)
  text.copy(bytes, 40)
  return bytes
}

const decoded = (bytes: Buffer, count: number) =>
  decodeBulk(bytes, count)?.map(({ name, type }) => [name.toString(), type])

describe("statfs", () => {
  it("reads where the file system is mounted, its type, and whether it is local", () => {
    const expected = { local: true, type: "apfs", mountPoint: "/System/Volumes/Data" }
    assert.deepStrictEqual(decodeStatfs(golden()), expected)
    assert.deepStrictEqual(decodeStatfs(golden({ flags: 0, type: "smbfs", mountPoint: "/Volumes/a b" })), {
      local: false,
      type: "smbfs",
      mountPoint: "/Volumes/a b"
    })
    const shifted = Buffer.concat([Buffer.alloc(3), golden()]).subarray(3)
    assert.deepStrictEqual(decodeStatfs(shifted), expected)
  })

  it("refuses what is short, empty or has no end", () => {
    for (const size of [0, 88, 1112, statfsSize - 1]) assert.isUndefined(decodeStatfs(golden().subarray(0, size)))
    assert.isUndefined(decodeStatfs(Buffer.alloc(statfsSize)))
    assert.isUndefined(decodeStatfs(golden({ type: "" })))
    assert.isUndefined(decodeStatfs(golden({ mountPoint: "" })))
    assert.isUndefined(decodeStatfs(golden().fill(0x41, 72, 88)))
    assert.isUndefined(decodeStatfs(golden().fill(0x41, 88, 1112)))
  })
})

describe("getattrlistbulk", () => {
  it("asks for names and types, and errors", () => {
    assert.strictEqual(namesAndTypes.toString("hex"), "05000000090000a000000000000000000000000000000000")
  })

  it("reads names and types, one entry after another", () => {
    const entries = [
      { name: "a" },
      { name: "sub", type: 2 },
      { name: "link", type: 5 },
      { name: "odd", type: 0 },
      { name: "untyped", type: 2, returned: 0x8000_0001 },
      { name: "failed", type: 2, error: 5 },
      { name: "ü".repeat(100) },
      { name: "..." }
    ]
    assert.deepStrictEqual(decoded(Buffer.concat(entries.map(bulkEntry)), entries.length), [
      ["a", "other"],
      ["sub", "directory"],
      ["link", "other"],
      ["odd", "unknown"],
      ["untyped", "unknown"],
      ["failed", "unknown"],
      ["ü".repeat(100), "other"],
      ["...", "other"]
    ])
    assert.deepStrictEqual(decoded(Buffer.alloc(0), 0), [])
  })

  it.each<[string, Fields]>([
    ["no name", { returned: 0x8000_0008 }],
    ["an empty name", { name: "" }],
    ["a path", { name: "a/b" }],
    [".", { name: "." }],
    ["..", { name: ".." }],
    ["a name before its place", { offset: -28 }],
    ["a name beyond the entry", { offset: 400 }],
    ["a name of no length", { nameLength: 0 }],
    ["a name of another length", { nameLength: 5 }],
    ["an endless name", { nameLength: 0xffff_ffff }],
    ["an entry of no length", { length: 0 }],
    ["an entry that is too short", { length: 39 }],
    ["an entry beyond the buffer", { length: 4000 }]
  ])("refuses %s", (_, fields) => assert.isUndefined(decodeBulk(bulkEntry(fields), 1)))

  it("refuses fewer entries than were counted, and cut ones", () => {
    const bytes = bulkEntry({})
    assert.isUndefined(decodeBulk(bytes, 2))
    for (let size = 0; size < bytes.byteLength; size++) assert.isUndefined(decodeBulk(bytes.subarray(0, size), 1))
  })
})
