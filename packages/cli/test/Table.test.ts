import { assert, describe, it } from "@effect/vitest"
import { stripVTControlCharacters } from "node:util"
import * as Table from "../src/text/Table.ts"

const columns: ReadonlyArray<Table.Column> = [{ header: "NAME" }, { header: "PID", align: "right" }, { header: "DONE" }]
const cells = (...texts: ReadonlyArray<string>) => texts.map((text): Table.Cell => ({ text }))
const plain = { colors: false }

describe("Table", () => {
  it("is as wide as its content", () => {
    const table = Table.render(columns, [cells("a", "1", "kept"), cells("longer", "12345", "removed")], plain)
    assert.strictEqual(table, "NAME      PID  DONE\na           1  kept\nlonger  12345  removed\n")
    assert.strictEqual(Table.width(columns, [cells("longer", "12345", "removed")]), "longer  12345  removed".length)
  })

  it("aligns under wide and combining characters", () => {
    const lines = Table.render(columns, [cells("漢字", "1", "x"), cells("e\u0301", "22", "y")], plain).split("\n")
    assert.deepStrictEqual(lines, ["NAME  PID  DONE", "漢字    1  x", "e\u0301      22  y", ""])
  })

  it("leaves no spaces at the end of a line", () => {
    const table = Table.render(
      columns,
      [cells("a", "1", ""), cells("b", "", ""), cells("", "", "z"), cells("c")],
      plain
    )
    for (const line of table.split("\n")) assert.strictEqual(line, line.trimEnd())
    assert.include(table, "\n           z\n")
  })

  it("colours cells and nothing else", () => {
    const rows = [
      [
        { text: "a", style: "green" as const },
        { text: "", style: "red" as const },
        { text: "b", style: "plain" as const }
      ]
    ]
    const colored = Table.render(columns, rows, { colors: true })
    assert.strictEqual(colored.split("\n")[1], "\u001b[32ma\u001b[0m          b")
    assert.strictEqual(stripVTControlCharacters(colored), Table.render(columns, rows, plain))
  })

  it("indents every line", () => {
    assert.strictEqual(Table.render([{ header: "A" }], [cells("b")], { colors: false, indent: "  " }), "  A\n  b\n")
  })
})
