import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Result, Schema } from "effect"
import { hasOwnerPart, ownerPart } from "../src/internal/canonicalRecords.ts"
import * as Sentinel from "../src/Sentinel.ts"
import { record, v1, v2, v3 } from "./support/fixtures.ts"
import { runs } from "./support/property.ts"

/** As this library writes it: the identity first, then the acquisition. */
const tidy = (sentinel: Sentinel.Sentinel): Sentinel.Sentinel => {
  if (sentinel._tag !== "V3") return sentinel
  const { createdAt, lock, nonce, role, ...identity } = sentinel.record
  return {
    ...sentinel,
    record: { ...identity, nonce, role, createdAt, ...(lock === undefined ? {} : { lock }) }
  }
}

/** Each byte as one character. */
const contentOf = (sentinel: Sentinel.Sentinel): string =>
  String.fromCharCode(...Result.getOrThrow(Sentinel.encode(tidy(sentinel))))

const parse = (content: string) => Sentinel.parse(Uint8Array.from(content, (byte) => byte.charCodeAt(0)))

const others = { nonce: "fedcba9876543210", role: "runner", createdAt: "2025-05-05T05:05:05.000Z" }

/** What a sentinel says of its owner, and nothing of the acquisition. */
const ownerIn = (content: string) =>
  Result.map(parse(content), (sentinel) => {
    if (sentinel._tag !== "V3") return sentinel
    const { createdAt: _, nonce: __, role: ___, ...owner } = sentinel.record
    return { ...sentinel, record: owner }
  })

const Choice = <A extends ReadonlyArray<string | undefined>>(values: A) => Schema.Literals([...values.keys()])
const pick = <A>(values: ReadonlyArray<A>, index: number): A | undefined => values[index]

const paths = [undefined, "/usr/bin/node", "/usr/bin/nodes", '/x","nonce":"y', "/opt/夜"]
const nonces = ["0123456789abcdef", "fedcba9876543210"]
const locks = [undefined, { kind: "flock", tested: true, survivesExec: true } as const]

const Drawn = Schema.Struct({
  format: Schema.Literals(["v1", "v2", "v3", "v3", "v3"]),
  path: Choice(paths),
  nonce: Choice(nonces),
  startTime: Schema.Literals(["1", "12"]),
  id: Schema.Literals(["1", "12", ""]),
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
      lock: pick(locks, drawn.lock),
      nonce: pick(nonces, drawn.nonce) ?? record.nonce
    })
  )
  // As somebody else may write it: what says more about the owner comes last.
  return drawn.isTidy
    ? text
    : text.replace(/,"processId64":"(\d+)"(.*)\}\n$/, ',$2,"processId64":"$1"}\n').replace(",,", ",")
}

describe("the part of a sentinel that is its owner's", () => {
  it("is the same in all that one process writes, whatever it acquires", () => {
    for (const sentinel of [v3(), v3({ exe: undefined }), v3({ processId64: undefined, uid: undefined })]) {
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
        // Only of what could be read is a part ever kept.
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
      "with a lock": contentOf(v3({ lock: { kind: "flock", tested: true, survivesExec: true } })),
      "twice acquired": `${part.content}${acquired.slice(0, -2)}${acquired}`,
      "with a byte that is no text": content.replace(record.createdAt, "\u00ff"),
      "with a NUL": content.replace(record.createdAt, "\0"),
      "with a nonce that is none": content.replace(record.nonce, "short"),
      "of another start": contentOf(v3({ startTime: "10000" }))
    }
    for (const [name, other] of Object.entries(lookalikes)) assert.isFalse(hasOwnerPart(other, part), name)
    // A v2 record goes on with a path, whatever that looks like.
    const v2Part = ownerPart(contentOf(v2("/usr/bin/node")))
    assert.isFalse(hasOwnerPart(`${contentOf(v2("/usr/bin/node"))}${acquired}`, v2Part))
  })
})
