/** Copies the examples into the pages that show them. A test checks that both are equal. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { pages, read, root, withBlocks } from "./pages.ts"

/** The text of a page with each example in its present state. `<!-- example: PATH -->` stands before each. */
export const withExamples = (page: string): string => withBlocks(page, "example", "\\w+", ({ from }) => read(from))

if (import.meta.main) {
  for (const path of pages()) {
    const page = read(path)
    const current = withExamples(page)
    if (current !== page) Fs.writeFileSync(Path.join(root, path), current)
  }
}
