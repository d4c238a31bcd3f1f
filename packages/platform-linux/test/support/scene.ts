/**
 * A root with every kind of entry that a sweep meets, and the entries that must stay, whatever happens to the sweep.
 */
import * as Fs from "node:fs"
import { inscribe, type Owners } from "./owners.ts"
import * as Tree from "./tree.ts"

export interface Scene {
  readonly root: string
  readonly outside: string
  readonly owners: Owners
  /** Entries that no sweep may change, by name in the root, in their first state. */
  readonly kept: Readonly<Record<string, Tree.Tree>>
  readonly dead: ReadonlyArray<string>
  readonly before: Tree.Tree
}

const workspace = ".vm-sentinel-reap.0123456789abcdef0123456789abcdef"
const day = 86_400

const file = (path: string, content: string): void => {
  Fs.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 })
  Fs.writeFileSync(path, content, { mode: 0o600 })
}

/** Makes a directory with some of the files that a VM leaves. */
const vm = (path: string, sentinel: string, outside: string): void => {
  file(`${path}/.vm-sentinel`, sentinel)
  file(`${path}/console.log`, "log")
  file(`${path}/data/disk.img`, "disk")
  Fs.mkdirSync(`${path}/data/empty`)
  Fs.symlinkSync(outside, `${path}/data/link`)
}

const long = "n".repeat(255)

export interface Options {
  /** Adds the leftovers of killed sweeps. */
  readonly leftovers?: boolean
  /** Adds a name of 255 bytes, for which a full file system has no room. */
  readonly longNames?: boolean
}

/** Makes the scene in an empty directory. */
export const make = (scratch: string, owners: Owners, { leftovers = false, longNames = true }: Options = {}): Scene => {
  const { dead, live } = owners
  const [root, outside] = [`${scratch}/root`, `${scratch}/outside`]
  Fs.mkdirSync(root, { mode: 0o700 })
  file(`${outside}/precious`, "precious")
  const at = (name: string) => `${root}/${name}`
  const gone = ["dead-v3", "dead-roles", ...(longNames ? [long] : [])]
  for (const name of gone) vm(at(name), inscribe(dead), outside)
  Fs.linkSync(`${outside}/precious`, at("dead-v3/shared"))
  file(at("dead-roles/.vm-sentinel.helper"), inscribe(dead, { role: "helper" }))

  vm(at("live"), inscribe(live), outside)
  vm(at("helped"), inscribe(dead), outside)
  file(at("helped/.vm-sentinel.helper"), inscribe(live, { role: "helper" }))
  vm(at("broken"), "not a sentinel", outside)
  file(at("foreign/data"), "not ours")
  file(at("a file"), "not a directory")
  const keep = ["live", "helped", "broken", "foreign", "a file"]
  const kept = Object.fromEntries(keep.map((name) => [name, Tree.of(at(name))] as const))
  if (!leftovers) return { root, outside, owners, kept, dead: gone, before: Tree.of(outside) }

  file(at(`${workspace}/.vm-sentinel`), inscribe(dead, { role: "reaper" }))
  file(at(`${workspace}/.vm-sentinel-tmp.0123`), "half")
  file(at(`${workspace}/dead/half/data/rest`), "rest")
  vm(at(`${workspace}/claimed/claimed-dead`), inscribe(dead), outside)
  vm(at(`${workspace}/claimed/claimed-live`), inscribe(live), outside)
  vm(at(".vm-sentinel-reap.01234567.claimed=placed-dead"), inscribe(dead), outside)
  vm(at(".vm-sentinel-reap.01234567.claimed=placed-live"), inscribe(live), outside)
  file(at(".vm-sentinel-reap.01234567.dead=placed-half/data/rest"), "rest")
  const staged = at(".vm-sentinel-reap.fedcba9876543210fedcba9876543210.new")
  file(`${staged}/.vm-sentinel-tmp.0123`, "half")
  Fs.mkdirSync(`${staged}/claimed`)
  Fs.utimesSync(staged, Date.now() / 1000 - day, Date.now() / 1000 - day)
  return {
    root,
    outside,
    owners,
    kept: {
      ...kept,
      "claimed-live": Tree.of(at(`${workspace}/claimed/claimed-live`)),
      "placed-live": Tree.of(at(".vm-sentinel-reap.01234567.claimed=placed-live"))
    },
    dead: [...gone, "half", "claimed-dead", "placed-dead", "placed-half"],
    before: Tree.of(outside)
  }
}

/**
 * Sets the date of unfinished workspaces one day back. A sweep leaves them alone until they are a minute old, because
 * their creator may still be at work.
 */
export const aMinuteLater = (root: string): void => {
  for (const entry of Tree.entries(root)) {
    if (entry.endsWith(".new")) Fs.utimesSync(`${root}/${entry}`, Date.now() / 1000 - day, Date.now() / 1000 - day)
  }
}

/** Everything that is wrong in the root, as text: lost, left over or changed entries. */
export const problems = ({ before, kept, outside, root }: Scene): ReadonlyArray<string> => [
  ...Tree.differences(before, Tree.of(outside)).map((difference) => `outside: ${difference}`),
  ...Tree.entries(root).flatMap((entry) => (entry in kept ? [] : [`left over: ${entry}`])),
  ...Object.entries(kept).flatMap(([entry, tree]) =>
    Fs.existsSync(`${root}/${entry}`)
      ? Tree.differences(tree, Tree.of(`${root}/${entry}`)).map((difference) => `${entry}: ${difference}`)
      : [`lost: ${entry}`]
  )
]
