import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Equal, Result, Schema } from "effect"
import { Pid, ProcessIdentity } from "../src/ProcessIdentity.ts"
import * as Sentinel from "../src/Sentinel.ts"
import { made, pid, record, v1, v2, v3 } from "./support/fixtures.ts"
import { runs } from "./support/property.ts"

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

const json = (changes: object = {}): string => JSON.stringify({ ...record, ...changes })
const file = (line3: string, line2 = "/usr/bin/node", line1 = "4242"): string => `${line1}\n${line2}\n${line3}\n`

const encoded = (sentinel: Sentinel.Sentinel): Uint8Array => Result.getOrThrow(Sentinel.encode(sentinel))

describe("Sentinel.parse reads", () => {
  const readable: ReadonlyArray<readonly [name: string, text: string, sentinel: Sentinel.Sentinel]> = [
    ["v1", "4242", v1],
    ["v1 with a newline", "4242\n", v1],
    ["v1 with an empty line 2", "4242\n\n", v1],
    ["v1 with CRLF", "4242\r\n", v1],
    ["scenario 36: white space around the PID", " \t4242 \v\f\n", v1],
    ["leading zeros, as every decimal reader takes them", "0004242", v1],
    ["the smallest PID", "1", { _tag: "V1", pid: Pid.make(1) }],
    ["scenario 60: a PID past every pid_max", "2147483647", { _tag: "V1", pid: Pid.make(2_147_483_647) }],
    ["v2 as brood-box writes it, without a newline at the end", "4242\n/usr/bin/node", v2()],
    ["v2 with a newline", "4242\n/usr/bin/node\n", v2()],
    ["v2 with CRLF", "4242\r\n/usr/bin/node\r\n", v2()],
    ["v2 with a bare name", "4242\ngo-microvm-runner", v2("go-microvm-runner")],
    ["v2 with spaces in and around the path", "4242\n /opt/my app/run ", v2(" /opt/my app/run ")],
    ["v2 with a path beyond ASCII", "4242\n/опт/夜/🦀", v2("/опт/夜/🦀")],
    ["v2 with a path named (deleted)", "4242\n/x (deleted)", v2("/x (deleted)")],
    ["v3", file(json()), v3()],
    ["v3 without the last newline", file(json()).slice(0, -1), v3()],
    ["v3 with CRLF", file(json()).replaceAll("\n", "\r\n"), v3()],
    ["v3 without an executable", file(json({ exe: undefined }), ""), v3({ exe: undefined })],
    ["v3 with keys of a later release", file(json({ later: { startTime: "1" } })), v3()],
    ["v3 with white space inside the JSON", file(JSON.stringify(record, undefined, " ").replaceAll("\n", " ")), v3()],
    [
      "v3 with its keys in another order",
      file(JSON.stringify({ ...record, v: 3 }, Object.keys(record).toReversed().concat("path", "dev", "ino"))),
      v3()
    ],
    [
      "v3 with a lock",
      file(json({ lock: { kind: "flock", tested: true, holder: "inherited" } })),
      v3({ lock: { kind: "flock", tested: true, holder: "inherited" } })
    ],
    ["v3 with the directory it was made in", file(json({ directory: made })), v3({ directory: made })],
    [
      "v3 with as little of its directory as can be",
      file(json({ directory: { type: "0x9fa0" } })),
      v3({ directory: { type: "0x9fa0" } })
    ],
    ["v3 with an offset below 0", file(json({ timeOffset: "-70000000000" })), v3({ timeOffset: "-70000000000" })],
    ["v3 with the same key in two objects", file(json({ other: { v: 3, path: "x" }, list: ["v", "v"] })), v3()],
    ["v3 of seconds, as ps gives them", file(json({ startTime: "s:1704067200" })), v3({ startTime: "s:1704067200" })]
  ]

  it.for(readable)("%s", ([, text, sentinel]) => {
    assert.deepStrictEqual(Sentinel.parse(utf8(text)), Result.succeed(sentinel))
  })

  it("a file of exactly the cap", () => {
    const path = `/${"x".repeat(Sentinel.maxBytes - 6)}`
    assert.deepStrictEqual(Sentinel.parse(utf8(`4242\n${path}`)), Result.succeed(v2(path)))
  })
})

describe("Sentinel.parse refuses", () => {
  const line1 = "line 1 is not a PID in decimal digits"
  const range = "line 1 is out of the range of PIDs, 1 to 2147483647"
  const unreadable: ReadonlyArray<readonly [name: string, bytes: Uint8Array, problem: string]> = [
    ["scenario 33: an empty file", utf8(""), "empty"],
    ["a newline alone", utf8("\n"), line1],
    ["white space alone", utf8(" \r\n"), line1],
    ["scenario 33: a NUL-filled file", new Uint8Array(64), "contains a NUL byte"],
    ["a NUL after the PID", utf8("4242\0"), "contains a NUL byte"],
    ["a NUL in the path", utf8("4242\n/usr/bin\0/node"), "contains a NUL byte"],
    ["a word", utf8("owner"), line1],
    ["scenario 36: PID 0", utf8("0"), range],
    ["scenario 36: PID -1", utf8("-1"), line1],
    ["a plus sign", utf8("+42"), line1],
    ["a float", utf8("4242.0"), line1],
    ["scenario 36: PID 1e400", utf8("1e400"), line1],
    ["an exponent", utf8("1e3"), line1],
    ["hexadecimal", utf8("0x10"), line1],
    ["a digit separator", utf8("4_242"), line1],
    ["digits that aren't ASCII", utf8("٤٢"), line1],
    ["scenario 36: trailing garbage, 12abc", utf8("12abc"), line1],
    ["two numbers", utf8("42 42"), line1],
    ["white space that isn't ASCII", utf8("\u00a04242"), line1],
    ["an empty line 1", utf8("\n4242"), line1],
    ["scenario 36: 2^31", utf8("2147483648"), range],
    ["2^32 + 1, which truncates to 1", utf8("4294967297"), range],
    ["2^53 + 1", utf8("9007199254740993"), range],
    ["more digits than any number has", utf8("1".repeat(400)), line1],
    ["zeros to the cap", utf8("0".repeat(4000) + "42"), line1],
    ["one byte over the cap", utf8(`4242\n/${"x".repeat(Sentinel.maxBytes - 5)}`), "over 4096 bytes"],
    ["a byte order mark", utf8("\ufeff4242"), line1],
    ["UTF-16", Uint8Array.from([0xff, 0xfe, 0x34, 0x00]), "contains a NUL byte"],
    ["a path that isn't UTF-8", latin1("4242\n/usr/bin/caf\xe9"), "not UTF-8"],
    ["a lone surrogate as bytes", latin1("4242\n/\xed\xa0\x80"), "not UTF-8"],
    ["an overlong encoding", latin1("4242\n/\xc0\xaf"), "not UTF-8"],
    ["an empty line 3", utf8("4242\n/usr/bin/node\n\n"), "line 3 is not JSON"],
    ["a line 3 of a path with a newline", utf8("4242\n/usr/bin\nnode"), "line 3 is not JSON"],
    ["a line 4", utf8(`${file(json())}x`), "more than three lines"],
    ["an empty line 4", utf8(`${file(json())}\n`), "more than three lines"],
    ["a record over two lines", utf8(file(json().replace(",", ",\n"))), "more than three lines"],
    ["scenario 33: half a record", utf8(`4242\n/usr/bin/node\n${json().slice(0, 40)}`), "line 3 is not JSON"],
    ["a record that ends twice", utf8(file(`${json()}}`)), "line 3 is not JSON"],
    ["two records in one line", utf8(file(json() + json())), "line 3 is not JSON"],
    ["a record in line 2", utf8(`4242\n${json({ exe: undefined })}\n`), "line 2 holds a record"],
    ["a record that follows the path in line 2", utf8(`4242\n/usr/bin/node${json()}\n`), "line 2 holds a record"],
    ["a number in line 3", utf8(file("3")), "line 3 has no version"],
    ["null in line 3", utf8(file("null")), "line 3 has no version"],
    ["a list in line 3", utf8(file(`[${json()}]`)), "line 3 has no version"],
    ["no version", utf8(file(json({ v: undefined }))), "line 3 has no version"],
    ["a version of null", utf8(file(json({ v: null }))), "line 3 has no version"],
    ["line 3 of another executable than line 2", utf8(file(json(), "/usr/bin/deno")), "line 3 disagrees with line 2"],
    ["line 3 of an executable, line 2 empty", utf8(file(json(), "")), "line 3 disagrees with line 2"],
    ["line 2 of an executable, line 3 without", utf8(file(json({ exe: undefined }))), "line 3 disagrees with line 2"],
    [
      "scenario 36: a key twice",
      utf8(file(json().replace("{", '{"startTime":"1",'))),
      'line 3 has the key "startTime" twice'
    ],
    [
      "scenario 36: a key twice, once escaped",
      utf8(file(json().replace("{", String.raw`{"\u0076":3,`))),
      'line 3 has the key "v" twice'
    ],
    [
      "a key twice in an inner object",
      utf8(file(json({ exe: undefined }).replace("{", '{"exe":{"path":"/a","path":"/usr/bin/node"},'))),
      'line 3 has the key "path" twice'
    ]
  ]

  it.for(unreadable)("%s", ([, bytes, problem]) => {
    assert.deepStrictEqual(Sentinel.parse(bytes), Result.fail<Sentinel.Problem>({ _tag: "Malformed", problem }))
  })

  const invalid: ReadonlyArray<readonly [name: string, changes: object]> = [
    ["no nonce", { nonce: undefined }],
    ["a short nonce", { nonce: "0123" }],
    ["a nonce with a slash", { nonce: "../../etc/passwd" }],
    ["no start time", { startTime: undefined }],
    ["a start time that is a number", { startTime: 1000 }],
    ["a negative start time", { startTime: "-1000" }],
    ["an empty start time", { startTime: "" }],
    ["a process id that is a number, and may have lost its last digits", { processId64: 9007199254740992 }],
    ["an empty boot id", { bootId: "" }],
    ["a boot id of null", { bootId: null }],
    ["no host name", { hostname: undefined }],
    ["a negative uid", { uid: -1 }],
    ["a fractional uid", { uid: 0.5 }],
    ["a role with a dot", { role: "a.b" }],
    ["no role", { role: undefined }],
    ["a lock of an unknown holder", { lock: { kind: "flock", tested: true, holder: "other" } }],
    ["a lock of no holder, as it was once written", { lock: { kind: "flock", tested: true, survivesExec: true } }],
    ["a directory that is a path", { directory: "/srv/vms/vm" }],
    ["a directory of null", { directory: null }],
    ["a directory that is a list", { directory: ["ext4"] }],
    ["a directory of no type", { directory: { ...made, type: undefined } }],
    ["a directory of an empty type", { directory: { ...made, type: "" } }],
    ["a directory whose id is of an unknown kind", { directory: { ...made, id: { kind: "label", value: "x" } } }],
    ["a directory whose id is of no kind", { directory: { ...made, id: "5eed" } }],
    ["a directory with an inode that is a number", { directory: { ...made, inode: 10 } }],
    ["a directory with an inode that isn't one", { directory: { ...made, inode: "0x10" } }],
    ["a directory with a birth below 0", { directory: { ...made, birth: "-1" } }],
    ["a directory with a file that is a name", { directory: { ...made, file: ".vm-sentinel" } }],
    ["an offset that is a number", { timeOffset: 0 }],
    ["an offset that isn't one", { timeOffset: "1.5" }],
    ["an empty offset", { timeOffset: "" }],
    ["a first process that is a PID", { pidNamespaceInit: 1 }],
    ["a first process without a start", { pidNamespaceInit: { processId64: "1" } }],
    ["a first process whose start is a number", { pidNamespaceInit: { startTime: 10 } }],
    ["a lock of another kind", { lock: { kind: "lease", tested: true, holder: "self" } }],
    ["a lock that doesn't say whether it was tested", { lock: { kind: "flock", holder: "self" } }],
    ["an executable that is a string", { exe: "/usr/bin/node" }]
  ]

  it.for(invalid)("a v3 record with %s", ([, changes]) => {
    const parsed = Sentinel.parse(utf8(file(json(changes))))
    assert.isTrue(Result.isFailure(parsed))
    if (Result.isFailure(parsed)) {
      assert.strictEqual(parsed.failure._tag, "Malformed")
      const problem = parsed.failure._tag === "Malformed" ? parsed.failure.problem : ""
      assert.match(problem, /^line 3: (Expected|Missing key|Unexpected key)/)
      // The problem names the key, on one line.
      assert.include(problem, `at ["${Object.keys(changes)[0]}"]`)
      assert.notInclude(problem, "\n")
    }
  })

  it.for([
    ["4", "4"],
    ["2", "2"],
    ["3.5", "3.5"],
    ["1e400", "Infinity"],
    ['"3"', "3"],
    [`"${"9".repeat(40)}"`, "9".repeat(32)]
  ] as const)("scenario 37: version %s as unsupported, never as an older one", ([v, version]) => {
    const text = file(json().replace('"v":3', `"v":${v}`))
    assert.deepStrictEqual(
      Sentinel.parse(utf8(text)),
      Result.fail<Sentinel.Problem>({ _tag: "UnsupportedVersion", version })
    )
  })

  it("scenario 37: a later version by its number, even where its other keys mean nothing today", () => {
    assert.deepStrictEqual(
      Sentinel.parse(utf8(file('{"v":4,"owner":{"kind":"lease"}}'))),
      Result.fail<Sentinel.Problem>({ _tag: "UnsupportedVersion", version: "4" })
    )
  })
})

describe("Sentinel.encode", () => {
  it("writes v1 as digits alone", () => {
    assert.deepStrictEqual(encoded(v1), utf8("4242"))
  })

  it("writes v2 byte for byte as brood-box does: no newline at the end", () => {
    assert.deepStrictEqual(encoded(v2("/opt/brood-box/bin/bbox")), utf8("4242\n/opt/brood-box/bin/bbox"))
  })

  it("writes v3 as three lines, with the version first", () => {
    const lines = new TextDecoder().decode(encoded(v3())).split("\n")
    assert.deepStrictEqual(lines.slice(0, 2), ["4242", "/usr/bin/node"])
    assert.isTrue(lines[2]?.startsWith('{"v":3,"pid":4242,"nonce":"0123456789abcdef",'))
    assert.deepStrictEqual(lines.slice(3), [""])
    assert.deepStrictEqual(JSON.parse(lines[2] ?? ""), { ...record, pid: 4242 })
  })

  it("refuses a line 1 that line 3 doesn't know", () => {
    const text = new TextDecoder().decode(encoded(v3()))
    const damaged = Sentinel.parse(new TextEncoder().encode(text.replace("4242", "424")))
    assert.deepStrictEqual(damaged, Result.fail({ _tag: "Malformed", problem: "line 3 disagrees with line 1" }))
    const without = Sentinel.parse(new TextEncoder().encode(text.replace('"pid":4242,', "").replace("4242", "424")))
    assert.isTrue(Result.isSuccess(without))
  })

  it("writes integers past 2^53 as strings", () => {
    assert.include(new TextDecoder().decode(encoded(v3())), '"processId64":"9007199254740993"')
  })

  it("writes an empty line 2 where the executable isn't known", () => {
    assert.match(new TextDecoder().decode(encoded(v3({ exe: undefined }))), /^4242\n\n\{"v":3,/)
  })

  const withPath = (path: string) => [v2(path), v3({ exe: { path } })]
  it.for([
    ["a newline in the path", withPath("/a\nb"), "the executable's path contains a newline or NUL"],
    ["a NUL in the path", withPath("/a\0b"), "the executable's path contains a newline or NUL"],
    ["a path that ends in CR", withPath("/a\r"), "the executable's path ends in a carriage return"],
    ["a path that isn't valid Unicode", withPath("/a\ud800"), "the executable's path is not valid UTF-8"],
    ["a path that reads as a record", withPath('/a{"v":3}'), "the executable's path contains a record"],
    ["v2 without a path", [v2("")], "a v2 record needs an executable path"],
    ["a path over the cap", [v2(`/${"x".repeat(4092)}`)], "4098 bytes, at most 4096 fit"],
    ["a path whose bytes, not characters, pass the cap", [v2(`/${"夜".repeat(1364)}`)], "4098 bytes, at most 4096 fit"],
    ["a nonce that couldn't be read back", [v3({ nonce: "short" })], "not a valid v3 record"],
    ["a role that couldn't be read back", [v3({ role: "a/b" })], "not a valid v3 record"]
  ] as const)("refuses %s", ([, sentinels, problem]) => {
    for (const sentinel of sentinels) {
      assert.deepStrictEqual(Sentinel.encode(sentinel), Result.fail<Sentinel.Problem>({ _tag: "Malformed", problem }))
    }
  })

  it("refuses a v3 record over the cap rather than cut it", () => {
    const path = `/${"x".repeat(2000)}`
    const result = Sentinel.encode(v3({ exe: { path } }))
    assert.isTrue(Result.isFailure(result))
    assert.isTrue(Result.isSuccess(Sentinel.encode(v2(path))))
  })
})

describe("Sentinel.fromIdentity", () => {
  const { v: _, nonce, role, createdAt, ...identity } = record
  const owner = new ProcessIdentity({ pid, ...identity })
  const acquisition = { nonce, role, createdAt }

  it("keeps all of the identity in v3, the path in v2, the PID in v1", () => {
    assert.deepStrictEqual(Sentinel.fromIdentity(owner, "v3", acquisition), Result.succeed(v3()))
    assert.deepStrictEqual(Sentinel.fromIdentity(owner, "v2", acquisition), Result.succeed(v2()))
    assert.deepStrictEqual(Sentinel.fromIdentity(owner, "v1", acquisition), Result.succeed(v1))
  })

  it("keeps the directory", () => {
    const sentinel = Sentinel.fromIdentity(owner, "v3", { ...acquisition, directory: made })
    assert.deepStrictEqual(sentinel, Result.succeed(v3({ directory: made })))
  })

  it("keeps the lock", () => {
    const lock = { kind: "flock", tested: true, holder: "self" } as const
    assert.deepStrictEqual(Sentinel.fromIdentity(owner, "v3", { ...acquisition, lock }), Result.succeed(v3({ lock })))
  })

  it("refuses v2 where the executable can't be read, and doesn't need it otherwise", () => {
    const { exe: __, ...bare } = identity
    const hidden = new ProcessIdentity({ pid, ...bare })
    assert.isTrue(Result.isFailure(Sentinel.fromIdentity(hidden, "v2", acquisition)))
    assert.deepStrictEqual(Sentinel.fromIdentity(hidden, "v1", acquisition), Result.succeed(v1))
    assert.deepStrictEqual(Sentinel.fromIdentity(hidden, "v3", acquisition), Result.succeed(v3({ exe: undefined })))
  })
})

const AnyV1 = Arbitrary.schema(Schema.Struct({ _tag: Schema.tag("V1"), pid: Pid }))
const AnyV2 = Arbitrary.schema(Schema.Struct({ _tag: Schema.tag("V2"), pid: Pid, executable: Schema.String }))
const AnyV3 = Arbitrary.schema(Schema.Struct({ _tag: Schema.tag("V3"), pid: Pid, record: Sentinel.RecordV3 }))
const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const Bytes = Arbitrary.map(Arbitrary.array(Arbitrary.schema(Byte), { maxLength: 200 }), (bytes) =>
  Uint8Array.from(bytes)
)

/** Pieces of files that resemble sentinels. */
const Pieces = Schema.Literals([
  "4",
  "0",
  "\n",
  "\r",
  " ",
  "/",
  "/usr/bin/node",
  "{",
  "}",
  json(),
  '"v":3',
  '{"v":',
  ",",
  "-",
  "\0",
  "é",
  "\ufeff"
])
const NearlySentinel = Arbitrary.map(Arbitrary.array(Arbitrary.schema(Pieces), { maxLength: 8 }), (pieces) =>
  utf8(pieces.join(""))
)

const isLine = (path: string): boolean => !/[\n\0]|\r$/.test(path) && path.isWellFormed() && !path.includes('{"v":')

describe("properties of the formats", () => {
  const roundTrip = (sentinel: Sentinel.Sentinel) => {
    const bytes = Sentinel.encode(sentinel)
    const path = Sentinel.executableOf(sentinel)
    assert.strictEqual(Result.isSuccess(bytes), path === undefined || (path !== "" && isLine(path)))
    if (Result.isSuccess(bytes)) assert.deepStrictEqual(Sentinel.parse(bytes.success), Result.succeed(sentinel))
  }

  it.prop("a v1 that is written reads as itself", [AnyV1], ([sentinel]) => roundTrip(sentinel), runs(200))
  it.prop("a v2 that is written reads as itself", [AnyV2], ([sentinel]) => roundTrip(sentinel), runs(1000))
  it.prop("a v3 that is written reads as itself", [AnyV3], ([sentinel]) => roundTrip(sentinel), runs(1000))

  const isTotal = (bytes: Uint8Array) => {
    const parsed = Sentinel.parse(bytes)
    if (Result.isFailure(parsed)) return
    const again = Sentinel.encode(parsed.success)
    assert.deepStrictEqual(Result.flatMap(again, Sentinel.parse), Result.succeed(parsed.success))
  }

  it.prop(
    "random bytes are never a v3, and what they are can be written again",
    [Bytes],
    ([bytes]) => {
      isTotal(bytes)
      const parsed = Sentinel.parse(bytes)
      assert.isFalse(Result.isSuccess(parsed) && parsed.success._tag === "V3")
    },
    runs(2000)
  )

  it.prop(
    "files that are nearly sentinels are parsed totally",
    [NearlySentinel],
    ([bytes]) => isTotal(bytes),
    runs(2000)
  )
})

describe("damage to a v3 record", () => {
  const data = (sentinel: Sentinel.SentinelV3): Readonly<Record<string, unknown>> => ({
    pid: sentinel.pid,
    ...sentinel.record
  })

  /**
   * One damaged byte may go unnoticed inside a value. It must not change a second value or turn the file into an older
   * format.
   */
  const isHarmless = (sentinel: Sentinel.SentinelV3, bytes: Uint8Array) => {
    const parsed = Sentinel.parse(bytes)
    if (Result.isFailure(parsed)) return
    assert.strictEqual(parsed.success._tag, "V3")
    if (parsed.success._tag !== "V3") return
    const [before, after] = [data(sentinel), data(parsed.success)]
    const keys = new Set([...Object.keys(before), ...Object.keys(after)])
    const changed = [...keys].filter((key) => !Equal.equals(before[key], after[key]))
    assert.isAtMost(changed.length, 1, `changed: ${changed.join(", ")}`)
  }

  const everywhere = (bytes: Uint8Array, f: (index: number) => void) => bytes.forEach((_, index) => f(index))
  const splice = (bytes: Uint8Array, index: number, removed: number, ...added: ReadonlyArray<number>) =>
    Uint8Array.from([...bytes.slice(0, index), ...added, ...bytes.slice(index + removed)])

  it.for([
    ["with an executable", v3()],
    ["without an executable", v3({ exe: undefined })],
    ["with a lock", v3({ lock: { kind: "flock", tested: true, holder: "self" } })]
  ] as const)("%s: every cut is malformed, but for the cuts that leave a whole shorter format", ([, sentinel]) => {
    const bytes = encoded(sentinel)
    const third = bytes.lastIndexOf(10, -2) + 1
    const path = Sentinel.executableOf(sentinel) ?? ""
    everywhere(bytes, (length) => {
      const parsed = Sentinel.parse(bytes.slice(0, length))
      if (length > third) {
        const isWhole = length === bytes.length - 1
        assert.deepStrictEqual(Result.isSuccess(parsed) ? parsed.success : undefined, isWhole ? sentinel : undefined)
        return
      }
      // A file that is cut before its third line reads as v1 or v2, because these formats have no end mark. Publishing
      // is atomic, so it never leaves a cut file.
      const line2 = path.slice(0, Math.max(0, length - 5))
      const shorter: Sentinel.Sentinel | undefined =
        length === 0
          ? undefined
          : line2 === ""
            ? { _tag: "V1", pid: Pid.make(Number("4242".slice(0, length))) }
            : v2(line2)
      assert.deepStrictEqual(Result.isSuccess(parsed) ? parsed.success : undefined, shorter)
    })
  })

  it.for([
    ["with an executable", v3()],
    ["without an executable", v3({ exe: undefined })]
  ] as const)("%s: no replaced, lost or added byte makes a v1 or v2 of it", ([, sentinel]) => {
    const bytes = encoded(sentinel)
    const likely = Uint8Array.from([0, 9, 10, 13, 32, 34, 44, 47, 48, 49, 57, 58, 92, 123, 125, 128, 255])
    everywhere(bytes, (index) => {
      isHarmless(sentinel, splice(bytes, index, 1))
      for (const byte of likely) {
        isHarmless(sentinel, splice(bytes, index, 1, byte))
        isHarmless(sentinel, splice(bytes, index, 0, byte))
      }
    })
  })

  it.prop(
    "any record: no replaced byte makes a v1 or v2 of it",
    [AnyV3, Schema.Natural, Byte],
    ([sentinel, at, byte]) => {
      const bytes = Sentinel.encode(sentinel)
      if (Result.isSuccess(bytes)) isHarmless(sentinel, splice(bytes.success, at % bytes.success.length, 1, byte))
    },
    runs(2000)
  )

  /** A space before line 3 doesn't change its meaning, but the library never writes one. */
  const spaced = (bytes: Uint8Array): Uint8Array => splice(bytes, bytes.indexOf(10, bytes.indexOf(10) + 1) + 1, 0, 32)

  it.prop(
    "any record, whole or damaged: it is read the same whether or not it is written as we write it",
    [AnyV3, Schema.Natural, Byte],
    ([sentinel, at, byte]) => {
      const bytes = Sentinel.encode(sentinel)
      if (Result.isFailure(bytes) || bytes.success.length >= Sentinel.maxBytes) return
      const damaged = splice(bytes.success, at % bytes.success.length, 1, byte)
      for (const either of [bytes.success, damaged]) {
        if (either.filter((byte) => byte === 10).length !== 3) continue
        const [here, there] = [Sentinel.parse(either), Sentinel.parse(spaced(either))]
        assert.deepStrictEqual(Result.getOrUndefined(here), Result.getOrUndefined(there))
      }
    },
    runs(2000)
  )

  it.prop(
    "any record: NUL bytes from any offset on, as after a power loss, make it malformed",
    [AnyV3, Schema.Natural],
    ([sentinel, at]) => {
      const bytes = Sentinel.encode(sentinel)
      if (Result.isFailure(bytes)) return
      const offset = at % bytes.success.length
      const filled = bytes.success.map((byte, index) => (index < offset ? byte : 0))
      assert.deepStrictEqual(
        Sentinel.parse(filled),
        Result.fail<Sentinel.Problem>({ _tag: "Malformed", problem: "contains a NUL byte" })
      )
    },
    runs(300)
  )
})
