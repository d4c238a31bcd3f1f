/**
 * The simplest sweep in Node. It is synchronous, makes no claim and no second look, and deletes through mounts. Any
 * process with the same executable counts as the owner. The time is a lower bound for Node. The sweep is no model for a
 * safe one.
 */
import * as Fs from "node:fs"

const isAlive = (pid: string, executable: string): boolean => {
  try {
    return Fs.readlinkSync(`/proc/${pid}/exe`) === executable
  } catch {
    return false
  }
}

export const sweep = (root: string): { readonly alive: number; readonly removed: number } => {
  let alive = 0
  let removed = 0
  for (const entry of Fs.readdirSync(root, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const directory = `${root}/${entry.name}`
    const [pid = "", executable = ""] = Fs.readFileSync(`${directory}/.vm-sentinel`, "utf8").split("\n")
    if (isAlive(pid, executable)) alive += 1
    else {
      Fs.rmSync(directory, { recursive: true, force: true })
      removed += 1
    }
  }
  return { alive, removed }
}
