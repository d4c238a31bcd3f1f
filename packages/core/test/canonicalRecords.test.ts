import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Result, Schema } from "effect"
import { hasOwnerPart, ownerPart, read } from "../src/internal/sentinel/canonicalRecords.ts"
import * as Sentinel from "../src/Sentinel.ts"
import { inPlace, made, record, v1, v2, v3 } from "./support/fixtures.ts"
import { runs } from "./support/property.ts"

/** The record in the library's order: the identity first, then the acquisition. */
const tidy = (sentinel: Sentinel.Sentinel): Sentinel.Sentinel => {
  if (sentinel._tag !== "V3") return sentinel
  const { createdAt, directory, lock, nonce, role, ...identity } = sentinel.record
  const claims = { ...(lock === undefined ? {} : { lock }), ...(directory === undefined ? {} : { directory }) }
  return { ...sentinel, record: { ...identity, nonce, role, createdAt, ...claims } }
}

/** The bytes as a string, one character for each byte. */
const contentOf = (sentinel: Sentinel.Sentinel): string =>
  String.fromCharCode(...Result.getOrThrow(Sentinel.encode(tidy(sentinel))))

const parse = (content: string) => Sentinel.parse(Uint8Array.from(content, (byte) => byte.charCodeAt(0)))

const others = {
  nonce: "fedcba9876543210",
  role: "runner",
  createdAt: "2025-05-05T05:05:05.000Z",
  directory: { ...made, inode: "11", file: "101" }
}

/** The data about the owner, without the acquisition. */
const ownerIn = (content: string) =>
  Result.map(parse(content), (sentinel) => {
    if (sentinel._tag !== "V3") return sentinel
    const { createdAt: _, directory: __, nonce: ___, role: ____, ...owner } = sentinel.record
    return { ...sentinel, record: owner }
  })

const Choice = <A extends ReadonlyArray<unknown>>(values: A) => Schema.Literals([...values.keys()])
const pick = <A>(values: ReadonlyArray<A>, index: number): A | undefined => values[index]

const paths = [undefined, "/usr/bin/node", "/usr/bin/nodes", '/x","nonce":"y', "/opt/夜"]
const nonces = ["0123456789abcdef", "fedcba9876543210"]
const directories = [undefined, made, { type: "overlay", birth: "17" }, { type: '夜","nonce":"y' }]
const locks = [undefined, { kind: "flock", tested: true, holder: "self" } as const]

const Drawn = Schema.Struct({
  format: Schema.Literals(["v1", "v2", "v3", "v3", "v3"]),
  path: Choice(paths),
  nonce: Choice(nonces),
  startTime: Schema.Literals(["1", "12"]),
  id: Schema.Literals(["1", "12", ""]),
  directory: Choice(directories),
  lock: Schema.Literals([0, 0, 0, 1]),
  isTidy: Schema.Literals([true, true, true, false])
})

const draw = (drawn: typeof Drawn.Type): string => {
  const path = pick(paths, drawn.path)
  if (drawn.format === "v1") return contentOf(v1)
  if (drawn.format === "v2") return contentOf(v2(path ?? "node"))
  const text = contentOf(
    v3({
      startTime: drawn.startTime,
      processId64: drawn.id === "" ? undefined : drawn.id,
      exe: path === undefined ? undefined : { path },
      directory: pick(directories, drawn.directory),
      lock: pick(locks, drawn.lock),
      nonce: pick(nonces, drawn.nonce) ?? record.nonce
    })
  )
  // Other writers may use another order. Here a datum about the owner comes last.
  return drawn.isTidy
    ? text
    : text.replace(/,"processId64":"(\d+)"(.*)\}\n$/, ',$2,"processId64":"$1"}\n').replace(",,", ",")
}

describe("the part of a sentinel that is its owner's", () => {
  it("is the same in all that one process writes, whatever it acquires", () => {
    for (const sentinel of [v3(), inPlace(), v3({ exe: undefined }), v3({ processId64: undefined, uid: undefined })]) {
      const again: Sentinel.Sentinel = { ...sentinel, record: { ...sentinel.record, ...others } }
      assert.isTrue(hasOwnerPart(contentOf(again), ownerPart(contentOf(sentinel))))
      assert.isTrue(ownerPart(contentOf(sentinel)).isOpen)
    }
    for (const sentinel of [v1, v2(), v2("node")]) {
      assert.deepStrictEqual(ownerPart(contentOf(sentinel)), { content: contentOf(sentinel), isOpen: false })
      assert.isTrue(hasOwnerPart(contentOf(sentinel), ownerPart(contentOf(sentinel))))
    }
  })

  it.effect.prop(
    "two contents that have it in common name one owner, and could both be read",
    { one: Arbitrary.schema(Drawn), other: Arbitrary.schema(Drawn) },
    ({ one, other }) =>
      Effect.sync(() => {
        const [known, content] = [draw(one), draw(other)]
        // A sweep keeps the owner's part of a record only if it could parse the record.
        if (Result.isFailure(parse(known)) || !hasOwnerPart(content, ownerPart(known))) return
        assert.deepStrictEqual(ownerIn(content), ownerIn(known))
      }),
    runs(3000)
  )

  it("is not in what only looks alike", () => {
    const content = contentOf(v3())
    const part = ownerPart(content)
    const acquired = content.slice(part.content.length)
    const lookalikes = {
      "something before it": ` ${content}`,
      "cut short": content.slice(0, -1),
      "without its end": part.content,
      "with a line more": `${content}x\n`,
      "with a key more": content.replace(/\}\n$/, ',"processId64":"1"}\n'),
      "with a directory that is none": content.replace(/\}\n$/, ',"directory":{"inode":"1"}}\n'),
      "with a directory twice": contentOf(inPlace()).replace(/\}\n$/, ',"directory":{"type":"ext4"}}\n'),
      "with a lock": contentOf(v3({ lock: { kind: "flock", tested: true, holder: "self" } })),
      "twice acquired": `${part.content}${acquired.slice(0, -2)}${acquired}`,
      "with a byte that is no text": content.replace(record.createdAt, "\u00ff"),
      "with a NUL": content.replace(record.createdAt, "\0"),
      "with a nonce that is none": content.replace(record.nonce, "short"),
      "of another start": contentOf(v3({ startTime: "10000" }))
    }
    for (const [name, other] of Object.entries(lookalikes)) assert.isFalse(hasOwnerPart(other, part), name)
    // In a v2 record, everything that follows belongs to the path.
    const v2Part = ownerPart(contentOf(v2("/usr/bin/node")))
    assert.isFalse(hasOwnerPart(`${contentOf(v2("/usr/bin/node"))}${acquired}`, v2Part))
  })
})

/** The keys of a record and of its inner objects, in the order in which the library writes them. */
const order = [
  "v,pid,startTime,processId64,bootId,pidNamespace,pidNamespaceInit,timeOffset,machineId,hostname,uid,exe,path,dev,ino",
  "nonce,role,createdAt,lock,kind,tested,holder,directory,type,id,value,mount,inode,birth,file"
].flatMap((keys) => keys.split(","))

const inOrder = (value: unknown): unknown =>
  typeof value === "object" && value !== null
    ? Object.fromEntries(
        Object.entries(value)
          .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
          .map(([key, inner]) => [key, inOrder(inner)])
      )
    : value

const Numbered = Schema.Struct({ ...Sentinel.RecordV3.fields, pid: Schema.Natural })
const isRecord = Schema.is(Sentinel.RecordV3)
const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Sentinel.RecordV3))

/** Parses a line by JSON and the schema. */
const readSlowly = (line: string) => Result.getOrUndefined(decode(line))

describe("a third line", () => {
  const AnyLine = Arbitrary.map(Arbitrary.schema(Numbered), (record) => JSON.stringify(inOrder(record)))
  const Character = Schema.Literals(['"', "\\", "0", "1", "-", ",", ":", "{", "}", "a", " ", "\u0000", "夜"])

  it("is read as it is written, with all that it can say", () => {
    for (const lock of [undefined, ...locks]) {
      for (const directory of [
        undefined,
        made,
        { type: "overlay", id: { kind: "fsid", value: "a" }, birth: "17" },
        { type: "0x1234" }
      ] as const) {
        for (const changes of [
          {},
          { exe: undefined },
          { pidNamespaceInit: { startTime: "1" } },
          { timeOffset: "-7" }
        ]) {
          const sentinel = tidy(v3({ lock, directory, ...changes }))
          const line = contentOf(sentinel).split("\n")[2] ?? ""
          const found = read(line)
          assert.isDefined(found)
          assert.deepStrictEqual([found?.pid, found?.record], [sentinel.pid, readSlowly(line)])
        }
      }
    }
  })

  it.prop(
    "is read as JSON and the schema read it, or not at all",
    [AnyLine],
    ([line]) => {
      const canonical = read(line)
      if (canonical === undefined) return
      assert.isTrue(isRecord(canonical.record))
      assert.deepStrictEqual(canonical.record, readSlowly(line))
      assert.strictEqual(canonical.pid, JSON.parse(line).pid)
    },
    runs(2000)
  )

  it.prop(
    "with one character replaced, too",
    [AnyLine, Schema.Natural, Character],
    ([line, at, character]) => {
      const index = at % line.length
      const damaged = line.slice(0, index) + character + line.slice(index + 1)
      const canonical = read(damaged)
      if (canonical !== undefined) assert.deepStrictEqual(canonical.record, readSlowly(damaged))
    },
    runs(3000)
  )

  it.effect("is mostly read without JSON", () =>
    Effect.gen(function* () {
      const lines = yield* Arbitrary.sampleEffect(AnyLine, { count: 500, seed: "lines" })
      const isSimple = (line: string) =>
        !line.includes("\\") && !/"uid":\d{16}/.test(line) && !/"pid":(0|\d{11})/.test(line)
      const simple = lines.filter(isSimple)
      assert.isAtLeast(simple.length, 20)
      for (const line of simple) assert.isDefined(read(line), line)
    })
  )

  it("is left to JSON where anything is in another order, or of another kind", () => {
    const line =
      contentOf(tidy(inPlace({ lock: { kind: "flock", tested: true, holder: "self" } }))).split("\n")[2] ?? ""
    assert.isDefined(read(line))
    const others = {
      "a space": line.replace(",", ", "),
      "a directory before its lock": line.replace(/("lock":\{.*?\}),("directory":.*\})\}$/, "$2,$1}"),
      "another holder": line.replace('"holder":"self"', '"holder":"other"'),
      "another kind of lock": line.replace('"flock"', '"lease"'),
      "another kind of id": line.replace('"kind":"uuid"', '"kind":"label"'),
      "an inode that is a number": line.replace(/"inode":"(\d+)"/, '"inode":$1'),
      "an offset that is a number": line.replace(/"timeOffset":"(\d+)"/, '"timeOffset":$1'),
      "a directory without a type": line.replace('"type":"ext4",', ""),
      "an empty id": line.replace('"value":"5eed"', '"value":""'),
      "a key more in the directory": line.replace('"type":"ext4"', '"type":"ext4","mode":"0"'),
      "a key twice": line.replace('"file":"100"', '"file":"100","file":"101"')
    }
    for (const [name, other] of Object.entries(others)) {
      assert.notStrictEqual(other, line, name)
      assert.isUndefined(read(other), name)
    }
  })
})
