/** The layouts of the structs of Darwin's file calls, tested on bytes that follow the headers. */
import { assert, describe, it } from "@effect/vitest"
import {
  accessList,
  decodeAccessList,
  decodeBulk,
  decodeLock,
  decodeStatfs,
  decodeVolumeUuid,
  namesAndTypes,
  statfsSize,
  volumeUuid,
  wholeFileLock
} from "../src/internal/fileStructs.ts"

const golden = ({ flags = 0x0480_9000, more = 0, mountPoint = "/System/Volumes/Data", type = "apfs" } = {}): Buffer => {
  const bytes = Buffer.alloc(statfsSize, 0xa5)
  bytes.writeUInt32LE(4096, 0)
  bytes.writeInt32LE(16_777_220, 48)
  bytes.writeInt32LE(-26, 52)
  bytes.writeUInt32LE(flags, 64)
  bytes.write(`${type}\0`, 72, "latin1")
  bytes.write(`${mountPoint}\0`, 88)
  bytes.write("/dev/disk3s5\0", 1112)
  bytes.writeUInt32LE(more, 2136)
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
  it("reads where the file system is mounted, its type, the name of the mount, and what the flags say", () => {
    const expected = {
      plain: true,
      ownerless: false,
      type: "apfs",
      mount: "16777220:-26",
      mountPoint: "/System/Volumes/Data"
    }
    assert.deepStrictEqual(decodeStatfs(golden()), expected)
    const shifted = Buffer.concat([Buffer.alloc(3), golden()]).subarray(3)
    assert.deepStrictEqual(decodeStatfs(shifted), expected)
    const share = golden({ flags: 0x20_0000, type: "smbfs", mountPoint: "/Volumes/a b" })
    assert.deepInclude(decodeStatfs(share), {
      plain: false,
      ownerless: true,
      type: "smbfs",
      mountPoint: "/Volumes/a b"
    })
  })

  it.each<[string, { readonly flags?: number; readonly more?: number }]>([
    ["not local", { flags: 0 }],
    ["a snapshot", { flags: 0x4000_1000 }],
    ["a union", { flags: 0x1020 }],
    ["a program's", { more: 2 }]
  ])("a file system that is %s is no plain one", (_, flags) => assert.isFalse(decodeStatfs(golden(flags))?.plain))

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

describe("the volume's UUID", () => {
  const reply = ({ length = 40, volume = 0x8004_0000, uuid = "00112233445566778899aabbccddeeff" } = {}): Buffer => {
    const bytes = Buffer.alloc(40)
    bytes.writeUInt32LE(length, 0)
    bytes.writeUInt32LE(volume, 8)
    bytes.write(uuid, 24, "hex")
    return bytes
  }

  it("is asked for alone, and read as macOS writes UUIDs", () => {
    assert.strictEqual(volumeUuid.toString("hex"), "050000000000008000000480000000000000000000000000")
    assert.strictEqual(decodeVolumeUuid(reply()), "00112233-4455-6677-8899-AABBCCDDEEFF")
  })

  it("is missing where it wasn't returned, is zero, or the answer has another length", () => {
    assert.isUndefined(decodeVolumeUuid(reply({ volume: 0x8000_0000 })))
    assert.isUndefined(decodeVolumeUuid(reply({ uuid: "00".repeat(16) })))
    assert.isUndefined(decodeVolumeUuid(reply({ length: 24 })))
    assert.isUndefined(decodeVolumeUuid(reply().subarray(0, 39)))
  })
})

describe("an access control list", () => {
  type Entry = readonly [flags: number, rights: number]
  const [allow, deny, inherited] = [1, 2, 0x10]

  const reply = (
    entries: ReadonlyArray<Entry>,
    odd: { readonly at?: number; readonly value?: number } = {}
  ): Buffer => {
    const bytes = Buffer.alloc(32 + 44 + entries.length * 24)
    bytes.writeUInt32LE(bytes.byteLength, 0)
    bytes.writeUInt32LE(0x8040_0000, 4)
    bytes.writeInt32LE(8, 24)
    bytes.writeUInt32LE(bytes.byteLength - 32, 28)
    bytes.writeUInt32LE(0x012c_c16d, 32)
    bytes.writeUInt32LE(entries.length, 32 + 36)
    entries.forEach(([flags, rights], index) => {
      const at = 32 + 44 + index * 24
      bytes.writeUInt32LE(flags, at + 16)
      bytes.writeUInt32LE(rights, at + 20)
    })
    if (odd.at !== undefined) bytes.writeUInt32LE(odd.value ?? 0, odd.at)
    return bytes
  }

  it("is asked for alone", () => {
    assert.strictEqual(accessList.toString("hex"), "050000000000408000000000000000000000000000000000")
  })

  it("lets others change a file where an entry allows one of the rights to, whatever comes before it", () => {
    for (const bit of [2, 4, 5, 6, 8, 10, 12, 13, 21, 23]) {
      const entries: ReadonlyArray<Entry> = [
        [deny, 0xffff_ffff],
        [allow, 1 << 1],
        [allow | inherited, 1 << bit]
      ]
      assert.isTrue(decodeAccessList(reply(entries)), `bit ${bit}`)
    }
  })

  it("lets nobody change it where entries deny, or allow to read, or there are none", () => {
    // Rights: read, execute, read attributes, extended attributes and security, synchronize, generic execute and read
    const reading = [1, 3, 7, 9, 11, 20, 22, 24].reduce((rights, bit) => rights | (1 << bit), 0)
    assert.isFalse(decodeAccessList(reply([])))
    assert.isFalse(decodeAccessList(reply([[allow, reading]])))
    assert.isFalse(decodeAccessList(reply([[deny, 0xffff_ffff]])))
    assert.isFalse(decodeAccessList(reply([[allow, 0xff]], { at: 4, value: 0x8000_0000 })), "not returned")
    assert.isFalse(decodeAccessList(reply([[allow, 0xff]], { at: 28, value: 0 })), "of no length")
    assert.isFalse(decodeAccessList(reply([[allow, 0xff]], { at: 68, value: 0xffff_ffff })), "KAUTH_FILESEC_NOACL")
  })

  it.each<[string, { readonly at: number; readonly value: number }]>([
    ["another magic number", { at: 32, value: 1 }],
    ["more entries than there are", { at: 68, value: 2 }],
    ["a place outside of it", { at: 24, value: 4000 }],
    ["a place before it", { at: 24, value: 0 }],
    ["a size beyond it", { at: 28, value: 4000 }],
    ["a size that is too small", { at: 28, value: 43 }],
    ["a length beyond the buffer", { at: 0, value: 4000 }],
    ["no length", { at: 0, value: 0 }]
  ])("is refused with %s", (_, odd) => assert.isUndefined(decodeAccessList(reply([[deny, 4]], odd))))

  it("is refused where it is cut", () => {
    const bytes = reply([[allow, 4]])
    for (let size = 0; size < bytes.byteLength; size++) assert.isUndefined(decodeAccessList(bytes.subarray(0, size)))
  })
})

describe("struct flock", () => {
  it("asks for an exclusive lock of all, and tells what it met", () => {
    const lock = wholeFileLock()
    assert.strictEqual(lock.toString("hex"), `${"00".repeat(20)}03000000`)
    for (const [type, state] of [
      [2, "free"],
      [1, "shared"],
      [3, "exclusive"],
      [0, "unknown"],
      [4, "unknown"]
    ] as const) {
      lock.writeInt16LE(type, 20)
      assert.strictEqual(decodeLock(lock), state)
    }
  })
})
