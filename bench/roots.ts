/** Roots to sweep, on the real disk. */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import type { Kind, Owners } from "./owners.ts"

export interface RootSpec {
  readonly size: number
  readonly kind: Kind
  /** Percentage of directories whose owner has exited. */
  readonly dead: number
  /** Files in each directory, besides the sentinel. */
  readonly files: number
}

export const idOf = ({ dead, files, kind, size }: RootSpec): string =>
  `${size}-${kind}-${dead}${files === 1 ? "" : `-${files}files`}`

export const deadCount = ({ dead, size }: RootSpec): number => Math.round((size * dead) / 100)

const logLine = "2026-01-01T00:00:00.000Z the guest has started\n"

/** Unlike a counter, names of no order: sorted by name, directories aren't in the order in which they were made. */
const nameOf = (index: number): string =>
  `vm-${Crypto.createHash("sha256").update(`${index}`).digest("hex").slice(0, 12)}`

/** Makes a root. The dead ones lie evenly among the others. */
export const build = async (path: string, spec: RootSpec, owners: Owners): Promise<void> => {
  const { live } = owners
  const dead = await owners.dead()
  Fs.mkdirSync(path, { mode: 0o700 })
  for (let index = 0, written = 0; index < spec.size; index++) {
    const isDead = written < Math.round(((index + 1) * spec.dead) / 100)
    const pool = isDead ? dead : live
    const owner = pool[index % pool.length]
    if (owner === undefined) throw new Error("no owners")
    if (isDead) written++
    const directory = `${path}/${nameOf(index)}`
    Fs.mkdirSync(directory, { mode: 0o700 })
    Fs.writeFileSync(`${directory}/.vm-sentinel`, owner.inscribe(spec.kind, Crypto.randomBytes(16).toString("hex")), {
      mode: 0o600
    })
    for (let file = 0; file < spec.files; file++) {
      Fs.writeFileSync(`${directory}/${file === 0 ? "vm.log" : `file-${file}`}`, logLine)
    }
  }
}

/** What is left in a root. */
export const remaining = (path: string): number => Fs.readdirSync(path).length

export const remove = (path: string): void => Fs.rmSync(path, { recursive: true, force: true })
