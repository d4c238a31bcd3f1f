/** Checks the links and anchors of Markdown pages. Links to this repository on GitHub count as links to its files. */
import { remark } from "remark"
import gfm from "remark-gfm"
import { engine, type VFileReporter } from "unified-engine"

const repository = "https://github.com/vm-sentinel/vm-sentinel"

/** The dead links of pages, one line each: `docs/a.md:3: …`. `pages`: paths relative to the repository at `root`. */
export const deadLinks = async (root: string, pages: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  let dead: ReadonlyArray<string> = []
  const reporter: VFileReporter = (files) => {
    dead = files.flatMap(({ messages, path }) => messages.map(({ line, reason }) => `${path}:${line ?? 1}: ${reason}`))
    return ""
  }
  await new Promise<void>((resolve, reject) => {
    const settings = {
      cwd: root,
      files: [...pages],
      processor: remark().use(gfm),
      // By name: the types of unified allow no plugin with options of its own here.
      plugins: [[import.meta.resolve("remark-validate-links"), { repository, root }] satisfies [string, object]],
      detectConfig: false,
      detectIgnore: false,
      output: false,
      reporter
    }
    engine(settings, (error) => (error instanceof Error ? reject(error) : resolve()))
  })
  return dead
}
