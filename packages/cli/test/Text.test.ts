import { assert, describe, it } from "@effect/vitest"
import * as Text from "../src/text/Text.ts"

describe("Text", () => {
  it.each([
    ["plain", "plain"],
    ["größe 漢字 🐧", "größe 漢字 🐧"],
    ["a\nb\r\tc", "a\\nb\\r\\tc"],
    ["\u001b[31mred", "\\e[31mred"],
    ["\u009b2J\u007f\u0000", "\\x9b2J\\x7f\\x00"],
    ["evil\u202etxt.exe", "evil\\u{202e}txt.exe"],
    ["zero\u200bwidth\u2028", "zero\\u{200b}width\\u{2028}"],
    ["back\\nslash", "back\\\\nslash"],
    ["lone \ud800", "lone \\u{d800}"]
  ])("escapes %j", (text, expected) => {
    assert.strictEqual(Text.escape(text), expected)
  })

  it("escapes a line of a log, whose backslashes are escapes already", () => {
    assert.strictEqual(Text.escapeActive('a="b\\n" \u009b31m\u202e\u007f'), 'a="b\\n" \\x9b31m\\u{202e}\\x7f')
  })

  it.each([
    ["fits", 10, "fits"],
    ["one two three", 8, "one two\n  three"],
    ["  one two three", 9, "  one two\n    three"],
    ["a\n\nlonger than it", 8, "a\n\nlonger\n  than\n  it"],
    ["aVeryLongWord that follows", 10, "aVeryLongWord\n  that\n  follows"],
    ["  --flag   what it does here", 24, "  --flag   what it does\n           here"],
    ["  --a-long-flag-name  what it does", 20, "  --a-long-flag-name\n      what it does"],
    ["\u001b[1mbold\u001b[0m word", 9, "\u001b[1mbold\u001b[0m word"],
    ["no terminal at all", undefined, "no terminal at all"]
  ])("breaks %j for %s columns between words", (text, columns, expected) => {
    assert.strictEqual(Text.wrap(text, columns), expected)
  })

  it("escapes nothing twice to the same text", () => {
    assert.notStrictEqual(Text.escape("\n"), Text.escape("\\n"))
  })

  it("shows bytes that aren't UTF-8", () => {
    assert.strictEqual(Text.escapeBytes(Uint8Array.of(0x61, 0xff, 0xc3, 0xa9, 0x0a, 0xc3)), "a\\xffé\\n\\xc3")
    assert.strictEqual(Text.escapeBytes(new TextEncoder().encode("漢\u001b")), "漢\\e")
  })

  it.each([
    ["abcdefghij", 10, "abcdefghij"],
    ["abcdefghijk", 10, "abcde…hijk"],
    ["漢字漢字漢字", 7, "漢…字"],
    ["abc", 1, "…"]
  ])("shortens %j to %i columns", (text, columns, expected) => {
    assert.strictEqual(Text.shorten(text, columns), expected)
    assert.isAtMost(Text.width(Text.shorten(text, columns)), columns)
  })

  it.each([
    [-5000, "0s"],
    [999, "0s"],
    [59_999, "59s"],
    [60_000, "1m"],
    [3_600_000, "1h"],
    [86_400_000 * 12.9, "12d"]
  ])("says %i ms as %s", (milliseconds, expected) => {
    assert.strictEqual(Text.age(milliseconds), expected)
  })

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [3_355_443, "3.2 MiB"],
    [200 * 1024, "200 KiB"],
    [1_048_575, "1.0 MiB"],
    [2 ** 60, "1048576 TiB"]
  ])("says %i bytes as %s", (bytes, expected) => {
    assert.strictEqual(Text.size(bytes), expected)
  })
})
