/** Reads the docstrings of a module: which exports they document, and the programs in them. This code is pure. */
import { parseSync } from "rolldown/utils"

/** A program in a docstring. `line` is the line of the module at which the program starts, from 1. */
export interface Example {
  readonly line: number
  readonly code: string
}

/** An exported name. `line` is the line of its first declaration, from 1. */
export interface Export {
  readonly name: string
  readonly line: number
  /** The docstrings directly before its declarations. There are several if a schema and its type share the name. */
  readonly docstrings: ReadonlyArray<string>
}

export interface Module {
  /** The docstring at the top of the module, without tags. Empty if there is none. */
  readonly about: string
  /** The exports that the module itself declares. */
  readonly exports: ReadonlyArray<Export>
  /** Specifiers of the modules that it re-exports from. */
  readonly sources: ReadonlyArray<string>
  readonly examples: ReadonlyArray<Example>
}

interface Docstring {
  readonly end: number
  /** The line at which the comment starts, from 1. */
  readonly line: number
  readonly text: string
}

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

/** The text of a comment without its asterisks. The number of lines stays the same. */
const contentOf = (comment: string): string =>
  comment
    .slice(1)
    .split("\n")
    .map((line, index) => (index === 0 ? line.trim() : line.replace(/^\s*\*? ?/, "").trimEnd()))
    .join("\n")

const fence = /^\s*(`{3,}|~{3,})\s*(\S*)/

interface Block {
  /** Index of the block's first line of code. */
  readonly first: number
  /** Index of the line that closes the block. */
  readonly last: number
  readonly language: string
}

/** The fenced blocks of a docstring. An unclosed block extends to the end of the docstring, as in Markdown. */
const blocksOf = (lines: ReadonlyArray<string>): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  for (let at = 0; at < lines.length; at++) {
    const [, mark, language = ""] = fence.exec(lines[at] ?? "") ?? []
    if (mark === undefined) continue
    const first = at + 1
    while (at + 1 < lines.length && lines[at + 1]?.trim() !== mark) at++
    at++
    blocks.push({ first, last: at, language })
  }
  return blocks
}

const isProgram = ({ language }: Block): boolean => /^(ts|typescript|mts)$/i.test(language)

/** The programs in a docstring or a page of Markdown. `line` is the line at which `text` starts. */
export const examplesIn = ({ line, text }: Pick<Docstring, "line" | "text">): ReadonlyArray<Example> => {
  const lines = text.split("\n")
  return blocksOf(lines).flatMap((block) =>
    isProgram(block) ? [{ line: line + block.first, code: lines.slice(block.first, block.last).join("\n") }] : []
  )
}

/** A title, such as `**Gotchas**` and `**Example** (Sweeping a root)`. */
const title = /^\*\*[^*]+\*\*(\s*\(.*\))?$/

/** Whether a docstring has a sentence before its first tag. Titles and code don't count as sentences. */
const hasSentence = (docstring: string): boolean => {
  const lines = docstring.split("\n")
  const blocks = blocksOf(lines)
  const prose = lines.filter(
    (line, at) => !blocks.some(({ first, last }) => first - 1 <= at && at <= last) && !title.test(line)
  )
  const tags = prose.findIndex((line) => /^@\w/.test(line))
  const text = prose.slice(0, tags === -1 ? prose.length : tags).join(" ")
  return /\w\S*\s+\S.*[.!?](\s|$)/.test(text)
}

/** Parses a module. Throws a `SyntaxError` if the text isn't TypeScript. */
export const parse = (text: string): Module => {
  const { comments, errors, module } = parseSync("module.ts", text)
  const [error] = errors
  if (error !== undefined) throw new SyntaxError(error.codeframe ?? error.message)

  const docstrings = comments.flatMap(({ end, start, type, value }): ReadonlyArray<Docstring> =>
    type === "Block" && value.startsWith("*") ? [{ end, line: lineAt(text, start), text: contentOf(value) }] : []
  )
  const before = (start: number) => docstrings.find(({ end }) => end <= start && text.slice(end, start).trim() === "")

  const exports = new Map<string, Export>()
  const sources = new Set<string>()
  for (const { entries, start } of module.staticExports) {
    const docstring = before(start)
    for (const { exportName, moduleRequest } of entries) {
      if (moduleRequest !== null) {
        sources.add(moduleRequest.value)
        continue
      }
      const name = exportName.name ?? "default"
      const { docstrings, line } = exports.get(name) ?? { line: lineAt(text, start), docstrings: [] }
      exports.set(name, {
        name,
        line,
        docstrings: docstring === undefined ? docstrings : [...docstrings, docstring.text]
      })
    }
  }
  const [top] = text.startsWith("/**") ? docstrings : []
  const about = (top?.text ?? "").replace(/^@\w[^]*/m, "").trim()
  return { about, exports: [...exports.values()], sources: [...sources], examples: docstrings.flatMap(examplesIn) }
}

/** The exports without a sentence of documentation, one a line: `12: name has no docstring`. */
export const undocumented = ({ exports }: Module): ReadonlyArray<string> =>
  exports
    .filter(({ docstrings }) => !docstrings.some(hasSentence))
    .map(
      ({ docstrings, line, name }) => `${line}: ${name} has no ${docstrings.length === 0 ? "docstring" : "sentence"}`
    )
