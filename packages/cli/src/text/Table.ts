/**
 * Renders tables for a terminal: aligned, as wide as their content. Pure.
 *
 * @since 0.1.0
 */
import * as Text from "./Text.ts"

/**
 * How a text is shown.
 *
 * @category models
 * @since 0.1.0
 */
export type Style = "plain" | "bold" | "dim" | "red" | "green" | "yellow"

/**
 * Text that is safe to print (see `Text.escape`), and its style.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cell {
  readonly text: string
  readonly style?: Style
}

/**
 * Header of a column, and the side to which its cells are aligned. Default: left.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly header: string
  readonly align?: "left" | "right"
}

/**
 * Options of {@link render}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly colors: boolean
  /** Text before each line. */
  readonly indent?: string
}

const codes: Record<Style, number> = { plain: 0, bold: 1, dim: 2, red: 31, green: 32, yellow: 33 }

/**
 * A text in the escape sequences of a style. Without `colors` the text itself.
 *
 * @category rendering
 * @since 0.1.0
 */
export const paint = (text: string, style: Style, colors: boolean): string =>
  colors && style !== "plain" && text !== "" ? `\u001b[${codes[style]}m${text}\u001b[0m` : text

const columnWidths = (columns: ReadonlyArray<Column>, lines: ReadonlyArray<ReadonlyArray<Cell>>) =>
  columns.map(({ header }, index) =>
    lines.reduce((width, line) => Math.max(width, Text.width(line[index]?.text ?? "")), Text.width(header))
  )

/**
 * Columns of the terminal that a table takes, without an indent.
 *
 * @category rendering
 * @since 0.1.0
 */
export const width = (columns: ReadonlyArray<Column>, rows: ReadonlyArray<ReadonlyArray<Cell>>): number =>
  columnWidths(columns, rows).reduce((sum, width) => sum + width, Math.max(0, columns.length - 1) * 2)

/**
 * A table: a header and a line for each row, two spaces between columns. No line ends in spaces. Each line ends in a
 * newline.
 *
 * @category rendering
 * @since 0.1.0
 */
export const render = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<Cell>>,
  { colors, indent = "" }: Options
): string => {
  const header = columns.map(({ header }): Cell => ({ text: header, style: "bold" }))
  const lines = [header, ...rows]
  const widths = columnWidths(columns, rows)
  const line = (cells: ReadonlyArray<Cell>): string => {
    let text = indent
    let gap = ""
    for (const [index, { align }] of columns.entries()) {
      const { style = "plain", text: content } = cells[index] ?? { text: "" }
      const space = " ".repeat((widths[index] ?? 0) - Text.width(content))
      if (content !== "") text += `${gap}${align === "right" ? space : ""}${paint(content, style, colors)}`
      gap = content === "" ? `${gap}${space}  ` : align === "right" ? "  " : `${space}  `
    }
    return `${text}\n`
  }
  return lines.map(line).join("")
}
