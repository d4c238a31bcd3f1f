/** Copies the examples into the pages that show them. A test checks that both are equal. */
import * as Fs from "node:fs"
import * as Path from "node:path"

const root = Path.join(import.meta.dirname, "..")

/** The pages of the documentation, relative to the repository. */
export const pages: ReadonlyArray<string> = [
  "README.md",
  ...Fs.readdirSync(Path.join(root, "docs")).flatMap((name) => (name.endsWith(".md") ? [`docs/${name}`] : []))
]

/** The text of a page with each example as it is now. `<!-- example: PATH -->` stands before each. */
export const withExamples = (text: string): string =>
  text.replace(/(<!-- example: (\S+) -->\n```\w+\n).*?```\n/gs, (_, opening: string, path: string) => {
    const code = Fs.readFileSync(Path.join(root, path), "utf8")
    return `${opening}${code}\`\`\`\n`
  })

if (process.argv[1] === import.meta.filename) {
  for (const page of pages) {
    const path = Path.join(root, page)
    Fs.writeFileSync(path, withExamples(Fs.readFileSync(path, "utf8")))
  }
}
