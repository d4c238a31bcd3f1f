import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { runs } from "@vm-sentinel/core/test/support/property"
import * as Structs from "../src/internal/processStructs.ts"

type Field = readonly [offset: number, bytes: ReadonlyArray<number>]

const ascii = (text: string): ReadonlyArray<number> => [...Buffer.from(text, "ascii")]

/** A buffer with these bytes at these offsets. All other bytes are 0. */
const golden = (size: number, fields: ReadonlyArray<Field>): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (const [offset, field] of fields) bytes.set(field, offset)
  return bytes
}

// 2024-03-01T12:34:56.789012Z: 1709296496 s = 0x65e1cb70, 789012 µs = 0x000c0a14. PID 49265 = 0xc071, uid 501 = 0x1f5.
const kinfoProc = golden(648, [
  [0, [0x70, 0xcb, 0xe1, 0x65, 0, 0, 0, 0]],
  [8, [0x14, 0x0a, 0x0c, 0]],
  [32, [0x04, 0x40, 0, 0]],
  [36, [3]],
  [40, [0x71, 0xc0, 0, 0]],
  [44, [1, 0, 0, 0]],
  [243, ascii("node")],
  [392, [0, 0, 0, 0]],
  [420, [0xf5, 0x01, 0, 0]],
  [560, [1, 0, 0, 0]]
])

const bsdInfo = golden(136, [
  [0, [0x04, 0x40, 0, 0]],
  [4, [3, 0, 0, 0]],
  [12, [0x71, 0xc0, 0, 0]],
  [16, [1, 0, 0, 0]],
  [20, [0xf5, 0x01, 0, 0]],
  [28, [0, 0, 0, 0]],
  [48, ascii("node")],
  [64, ascii("node-with-a-long-name")],
  [120, [0x70, 0xcb, 0xe1, 0x65, 0, 0, 0, 0]],
  [128, [0x14, 0x0a, 0x0c, 0, 0, 0, 0, 0]]
])

// p_uniqueid 447433 = 0x6d3c9, p_puniqueid 119, p_idversion 1234.
const uniqueIdentifier = golden(56, [
  [0, Array.from({ length: 16 }, (_, index) => 0xa0 + index)],
  [16, [0xc9, 0xd3, 0x06, 0, 0, 0, 0, 0]],
  [24, [0x77, 0, 0, 0, 0, 0, 0, 0]],
  [32, [0xd2, 0x04, 0, 0]]
])

const pid = 49_265
const info: Structs.ProcessInfo = { pid, state: "S", started: 1_709_296_496_789_012n, uid: 501, comm: "node" }

/** The bytes with one field replaced. */
const changed = (bytes: Uint8Array, offset: number, field: ReadonlyArray<number>): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  copy.set(field, offset)
  return copy
}

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const bytesOf = (size: number) => Schema.Array(Byte).check(Schema.isMinLength(size), Schema.isMaxLength(size))
const AnyBytes = Schema.Array(Byte).check(Schema.isMaxLength(800))

describe("kinfo_proc", () => {
  it("has the documented size and fields", () => {
    assert.strictEqual(Structs.kinfoProcSize, 648)
    assert.deepStrictEqual(Structs.decodeKinfoProc(kinfoProc, pid), info)
  })

  it.for([
    [1, "I"],
    [2, "R"],
    [3, "S"],
    [4, "T"],
    [5, "Z"]
  ] as const)("p_stat %i is state %s", ([status, state]) => {
    assert.deepStrictEqual(Structs.decodeKinfoProc(changed(kinfoProc, 36, [status]), pid), { ...info, state })
  })

  it("decodes a view into a larger buffer", () => {
    const larger = Buffer.concat([Buffer.alloc(13, 0xff), kinfoProc, Buffer.alloc(5, 0xff)])
    assert.deepStrictEqual(Structs.decodeKinfoProc(larger.subarray(13, 13 + 648), pid), info)
  })

  it("keeps the largest uid and a name that fills its field", () => {
    const bytes = changed(changed(kinfoProc, 420, [0xfe, 0xff, 0xff, 0xff]), 243, ascii("seventeen letters"))
    assert.deepStrictEqual(Structs.decodeKinfoProc(bytes, pid), {
      ...info,
      uid: 4_294_967_294,
      comm: "seventeen letters"
    })
  })

  it.for<readonly [string, Uint8Array]>([
    ["no bytes", new Uint8Array()],
    ["one byte less", kinfoProc.subarray(1)],
    ["one byte more", Buffer.concat([kinfoProc, Buffer.alloc(1)])],
    ["a buffer that was never filled", new Uint8Array(648)],
    ["another process", changed(kinfoProc, 40, [0x72])],
    ["a state that doesn't exist", changed(kinfoProc, 36, [6])],
    ["no state", changed(kinfoProc, 36, [0])],
    ["a start before the epoch", changed(kinfoProc, 7, [0x80])],
    ["a start at the epoch", changed(kinfoProc, 0, [0, 0, 0, 0, 0, 0, 0, 0])],
    ["a million microseconds", changed(kinfoProc, 8, [0x40, 0x42, 0x0f, 0])],
    ["negative microseconds", changed(kinfoProc, 8, [0xff, 0xff, 0xff, 0xff])]
  ])("refuses %s", ([, bytes]) => {
    assert.isUndefined(Structs.decodeKinfoProc(bytes, pid))
  })
})

describe("proc_bsdinfo", () => {
  it("has the documented size and fields", () => {
    assert.strictEqual(Structs.bsdInfoSize, 136)
    assert.deepStrictEqual(Structs.decodeBsdInfo(bsdInfo, pid), info)
  })

  it("says of a zombie that it is one", () => {
    assert.deepStrictEqual(Structs.decodeBsdInfo(changed(bsdInfo, 4, [5]), pid), { ...info, state: "Z" })
  })

  it.for<readonly [string, Uint8Array]>([
    ["one byte less", bsdInfo.subarray(1)],
    ["the struct with the unique id behind it", Buffer.concat([bsdInfo, uniqueIdentifier])],
    ["the short struct", bsdInfo.subarray(0, 64)],
    ["a buffer that was never filled", new Uint8Array(136)],
    ["another process", changed(bsdInfo, 12, [0x72])],
    ["a state that doesn't exist", changed(bsdInfo, 5, [1])],
    ["a million microseconds", changed(bsdInfo, 128, [0x40, 0x42, 0x0f, 0])],
    ["microseconds beyond 32 bits", changed(bsdInfo, 132, [1])]
  ])("refuses %s", ([, bytes]) => {
    assert.isUndefined(Structs.decodeBsdInfo(bytes, pid))
  })
})

describe("proc_uniqidentifierinfo", () => {
  it("has the documented size and p_uniqueid", () => {
    assert.strictEqual(Structs.uniqueIdentifierSize, 56)
    assert.strictEqual(Structs.decodeUniqueIdentifier(uniqueIdentifier), "447433")
  })

  it("keeps all 64 bits", () => {
    const all = changed(
      uniqueIdentifier,
      16,
      Array.from({ length: 8 }, () => 0xff)
    )
    assert.strictEqual(Structs.decodeUniqueIdentifier(all), "18446744073709551615")
  })

  it("knows nothing of the parent's id, nor of the version that exec changes", () => {
    const other = changed(changed(uniqueIdentifier, 24, [1, 2, 3]), 32, [9, 9, 9, 9])
    assert.strictEqual(Structs.decodeUniqueIdentifier(other), "447433")
  })

  it.for<readonly [string, Uint8Array]>([
    ["one byte less", uniqueIdentifier.subarray(1)],
    ["one byte more", Buffer.concat([uniqueIdentifier, Buffer.alloc(1)])],
    ["the kernel's own id", changed(uniqueIdentifier, 16, [0, 0, 0])]
  ])("refuses %s", ([, bytes]) => {
    assert.isUndefined(Structs.decodeUniqueIdentifier(bytes))
  })
})

describe("properties of the decoders", () => {
  it.prop(
    "a buffer of any other size is refused",
    [AnyBytes],
    ([array]) => {
      const bytes = Uint8Array.from(array)
      if (bytes.length !== 648) assert.isUndefined(Structs.decodeKinfoProc(bytes, pid))
      if (bytes.length !== 136) assert.isUndefined(Structs.decodeBsdInfo(bytes, pid))
      if (bytes.length !== 56) assert.isUndefined(Structs.decodeUniqueIdentifier(bytes))
    },
    runs(500)
  )

  it.prop(
    "every shorter part of a struct is refused",
    [Schema.Natural],
    ([length]) => {
      assert.isUndefined(Structs.decodeKinfoProc(kinfoProc.subarray(0, length % 648), pid))
      assert.isUndefined(Structs.decodeBsdInfo(bsdInfo.subarray(0, length % 136), pid))
      assert.isUndefined(Structs.decodeUniqueIdentifier(uniqueIdentifier.subarray(0, length % 56)))
    },
    runs(500)
  )

  const isSound = (decoded: Structs.ProcessInfo | undefined): void => {
    if (decoded === undefined) return
    assert.strictEqual(decoded.pid, pid)
    assert.include(["I", "R", "S", "T", "Z"], decoded.state)
    assert.isTrue(decoded.started > 0n)
    assert.isTrue(Number.isInteger(decoded.uid) && decoded.uid >= 0)
  }

  it.prop(
    "random bytes of the right size are refused, or make sense",
    [bytesOf(648)],
    ([array]) => {
      const bytes = Uint8Array.from(array)
      isSound(Structs.decodeKinfoProc(bytes, pid))
      isSound(Structs.decodeBsdInfo(bytes.subarray(0, 136), pid))
      const uniqueId = Structs.decodeUniqueIdentifier(bytes.subarray(0, 56))
      if (uniqueId !== undefined) assert.match(uniqueId, /^[1-9]\d{0,19}$/)
    },
    runs(300)
  )

  it.prop(
    "another process's number is refused, whatever else changed",
    [Schema.Natural, Byte, Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2_147_483_647 }))],
    ([at, byte, other]) => {
      if (other === pid) return
      assert.isUndefined(Structs.decodeKinfoProc(kinfoProc, other))
      assert.isUndefined(Structs.decodeBsdInfo(bsdInfo, other))
      isSound(Structs.decodeKinfoProc(changed(kinfoProc, at % 648, [byte]), pid))
      isSound(Structs.decodeBsdInfo(changed(bsdInfo, at % 136, [byte]), pid))
    },
    runs(500)
  )

  const U64 = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 1n, maximum: 2n ** 64n - 1n }))

  it.prop(
    "p_uniqueid is read as it was written",
    [U64],
    ([id]) => {
      const bytes = Buffer.from(uniqueIdentifier)
      bytes.writeBigUInt64LE(id, 16)
      assert.strictEqual(Structs.decodeUniqueIdentifier(bytes), id.toString())
    },
    runs(300)
  )

  const Seconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 40 }))
  const Microseconds = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999_999 }))

  it.prop(
    "both structs give one start for one process, exact to the microsecond",
    [Seconds, Microseconds],
    ([seconds, microseconds]) => {
      const kinfo = Buffer.from(kinfoProc)
      kinfo.writeBigInt64LE(BigInt(seconds), 0)
      kinfo.writeInt32LE(microseconds, 8)
      const bsd = Buffer.from(bsdInfo)
      bsd.writeBigUInt64LE(BigInt(seconds), 120)
      bsd.writeBigUInt64LE(BigInt(microseconds), 128)
      const started = BigInt(seconds) * 1_000_000n + BigInt(microseconds)
      assert.strictEqual(Structs.decodeKinfoProc(kinfo, pid)?.started, started)
      assert.strictEqual(Structs.decodeBsdInfo(bsd, pid)?.started, started)
    },
    runs(300)
  )
})

describe("UUIDs", () => {
  const id = "01234567-89AB-4CDE-8F01-23456789ABCD"

  it.for<readonly [string, string, string | undefined]>([
    ["as sysctlbyname fills a buffer", `${id}\0`, id],
    ["with rubbish behind the NUL", `${id}\0\0garbage`, id],
    ["as the command prints it", `${id}\n`, id],
    ["in lower case", id.toLowerCase(), id],
    ["none", "", undefined],
    ["cut short", id.slice(1), undefined],
    ["something else", "{ sec = 1745966643, usec = 839385 }", undefined],
    ["two", `${id} ${id}`, undefined]
  ])("text: %s", ([, text, decoded]) => {
    assert.strictEqual(Structs.decodeUuidText(text), decoded)
  })

  it("16 bytes are written as macOS does, and none of zeros", () => {
    assert.strictEqual(Structs.formatUuid(Buffer.from(id.replaceAll("-", ""), "hex")), id)
    assert.isUndefined(Structs.formatUuid(new Uint8Array(16)))
    assert.isUndefined(Structs.formatUuid(new Uint8Array(15).fill(1)))
  })
})

describe("small answers of sysctl", () => {
  it("a flag is 0 or 1 in an int", () => {
    assert.isTrue(Structs.decodeFlag(golden(4, [[0, [1]]])))
    assert.isFalse(Structs.decodeFlag(golden(4, [])))
    for (const odd of [golden(4, [[0, [2]]]), golden(4, [[3, [1]]]), golden(3, []), golden(8, [[0, [1]]])]) {
      assert.isUndefined(Structs.decodeFlag(odd))
    }
  })

  it("a struct timeval is read to the millisecond, and none of no time or with too many microseconds", () => {
    const seconds: Field = [0, [0x70, 0xcb, 0xe1, 0x65]]
    assert.strictEqual(Structs.decodeTimeval(golden(16, [seconds, [8, [0x14, 0x0a, 0x0c]]])), 1_709_296_496_789)
    const negative: Field = [8, [0xff, 0xff, 0xff, 0xff]]
    const million: Field = [8, [0x40, 0x42, 0x0f]]
    for (const odd of [golden(16, []), golden(16, [seconds, negative]), golden(16, [seconds, million])]) {
      assert.isUndefined(Structs.decodeTimeval(odd))
    }
    assert.isUndefined(Structs.decodeTimeval(golden(8, [seconds])))
  })
})
