/** The pages of Markdown in the repository, and their generated blocks. */
import * as Fs from "node:fs"
import * as Path from "node:path"

export const root: string = Path.join(import.meta.dirname, "..")

/** Paths of all pages, relative to the repository. */
export const pages = (): ReadonlyArray<string> =>
  Fs.globSync(["*.md", "{.changeset,.github,bench,docs,examples,packages,stress,tools}/**/*.md"], {
    cwd: root,
    exclude: (path) => path.includes("node_modules")
  }).sort()

/** Paths of the pages of the documentation: the README, and the pages directly in `docs`. */
export const documentation = (): ReadonlyArray<string> =>
  pages().filter((path) => path === "README.md" || Path.dirname(path) === "docs")

export const read = (path: string): string => Fs.readFileSync(Path.join(root, path), "utf8")

/** A block below a comment that names its source: `<!-- session: docs/sessions/sweep.sh -->`. */
export interface MadeBlock {
  /** The file that the comment names. */
  readonly from: string
  readonly text: string
}

/** `language` is a pattern. */
const blocks = (kind: string, language: string): RegExp =>
  new RegExp(`(<!-- ${kind}: (\\S+) -->\\n+\`\`\`${language}\\n)([^]*?)(?=\`\`\`\\n)`, "g")

/** The blocks of a language below comments of a kind. */
export const blocksOf = (page: string, kind: string, language: string): ReadonlyArray<MadeBlock> =>
  [...page.matchAll(blocks(kind, language))].map(([, , from = "", text = ""]) => ({ from, text }))

/** A page with new texts in these blocks. */
export const withBlocks = (page: string, kind: string, language: string, made: (block: MadeBlock) => string): string =>
  page.replace(
    blocks(kind, language),
    (_, before: string, from: string, text: string) => `${before}${made({ from, text })}`
  )
