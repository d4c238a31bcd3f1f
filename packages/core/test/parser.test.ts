import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Parser from "../src/internal/sentinel/parser.ts"
import * as Sentinel from "../src/Sentinel.ts"
import { record } from "./support/fixtures.ts"

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const v3 = (changes: object): Uint8Array => utf8(`4242\n/usr/bin/node\n${JSON.stringify({ ...record, ...changes })}\n`)

describe("a parser that remembers its last result", () => {
  const contents = [
    utf8("4242"),
    utf8("4242\n/usr/bin/qemu"),
    v3({}),
    v3({ nonce: "0".repeat(32) }),
    utf8(""),
    utf8("\0"),
    utf8("4243")
  ]

  it("returns what Sentinel.parse returns, whatever it parsed before", () => {
    const parse = Parser.make()
    for (const before of contents) {
      for (const bytes of contents) {
        assert.deepStrictEqual(parse(before), Sentinel.parse(before))
        assert.deepStrictEqual(parse(bytes), Sentinel.parse(bytes))
        assert.deepStrictEqual(parse(bytes.slice()), Sentinel.parse(bytes))
      }
    }
  })

  it("parses a buffer again that a Disk has filled with another content", () => {
    for (const buffer of [utf8("4242"), Buffer.from("4242")]) {
      const parse = Parser.make()
      assert.strictEqual(Result.getOrThrow(parse(buffer)).pid, 4242)
      buffer.set(utf8("4343"))
      assert.strictEqual(Result.getOrThrow(parse(buffer)).pid, 4343)
    }
  })
})
