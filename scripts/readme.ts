/** Copies the source of the example into the README. A test checks that both are equal. */
import * as Fs from "node:fs"

const readme = new URL("../README.md", import.meta.url)
const text = Fs.readFileSync(readme, "utf8")
const shown = text.replace(/(<!-- example: (\S+) -->\n)```ts\n.*?```\n/s, (_, marker: string, path: string) => {
  const code = Fs.readFileSync(new URL(`../${path}`, import.meta.url), "utf8")
  return `${marker}\`\`\`ts\n${code}\`\`\`\n`
})
Fs.writeFileSync(readme, shown)
