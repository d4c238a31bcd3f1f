/** Checks the links and anchors of Markdown pages. Links to this repository on GitHub count as links to its files. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { remark } from "remark"
import gfm from "remark-gfm"
import { engine, type VFileReporter } from "unified-engine"

const repository = "/vm-sentinel/vm-sentinel"

/** Checks pages. `view` stands before the branch in links to GitHub: `blob` for files, `tree` for directories. */
const check = async (root: string, pages: ReadonlyArray<string>, view: string): Promise<ReadonlyArray<string>> => {
  let dead: ReadonlyArray<string> = []
  const reporter: VFileReporter = (files) => {
    dead = files.flatMap(({ messages, path }) => messages.map(({ line, reason }) => `${path}:${line ?? 1}: ${reason}`))
    return ""
  }
  const urlConfig = {
    hostname: "github.com",
    prefix: `${repository}/${view}/`,
    headingPrefix: "#",
    topAnchor: "#readme"
  }
  await new Promise<void>((resolve, reject) => {
    const settings = {
      cwd: root,
      files: [...pages],
      processor: remark().use(gfm),
      // The plugin is named by its path, because unified's types here allow no plugin with options of its own.
      plugins: [
        [import.meta.resolve("remark-validate-links"), { repository: false, root, urlConfig }] satisfies [
          string,
          object
        ]
      ],
      detectConfig: false,
      detectIgnore: false,
      output: false,
      out: false,
      reporter
    }
    engine(settings, (error) => (error instanceof Error ? reject(error) : resolve()))
  })
  return dead
}

/** The dead links of pages, one a line: `docs/a.md:3: …`. `pages` has paths relative to the repository at `root`. */
export const deadLinks = async (root: string, pages: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const isViewing = (page: string): boolean =>
    Fs.readFileSync(Path.join(root, page), "utf8").includes(`github.com${repository}/tree/`)
  const files = await check(root, pages, "blob")
  const directories = pages.some(isViewing) ? await check(root, pages.filter(isViewing), "tree") : []
  return [...new Set([...files, ...directories])]
}
