/** Makes roots to sweep, on the real disk. */
import { fileToken, type RecordedDirectory, toRecord } from "@vm-sentinel/core/DirectoryFrame"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Frames from "../packages/platform-linux/src/internal/frames.ts"
import { fstat } from "../packages/platform-linux/src/internal/stat.ts"
import type { Kind, Owners } from "./owners.ts"

export interface RootSpec {
  readonly size: number
  readonly kind: Kind
  /** Percentage of directories whose owner has exited. */
  readonly dead: number
  /** Files in each directory, besides the sentinel. */
  readonly files: number
  /** Inner directories of each directory, in groups of {@link breadth}; none by default. */
  readonly inner?: number
}

export const idOf = ({ dead, files, inner = 0, kind, size }: RootSpec): string =>
  `${size}-${kind}-${dead}${files === 1 ? "" : `-${files}files`}${inner === 0 ? "" : `-${inner}inner`}`

/** Whether the portable Layer can run the case. It can't see file systems, so it condemns nothing in a VM. */
export const isPortable = ({ dead }: Pick<RootSpec, "dead">): boolean => dead === 0

export const deadCount = ({ dead, size }: RootSpec): number => Math.round((size * dead) / 100)

const logLine = "2026-01-01T00:00:00.000Z the guest has started\n"

/** The name is a hash, not a counter, so the order of the names isn't the order in which the directories were made. */
const nameOf = (index: number): string =>
  `vm-${Crypto.createHash("sha256").update(`${index}`).digest("hex").slice(0, 12)}`

const breadth = 100

const withDescriptor = <A>(path: string, flags: number, use: (fd: number) => A): A => {
  const fd = Fs.openSync(path, flags, 0o600)
  try {
    return use(fd)
  } finally {
    Fs.closeSync(fd)
  }
}

/** The directory as a v3 record describes it. `sentinel` is the descriptor of the still empty sentinel file. */
const recordOf = (directory: string, sentinel: number): RecordedDirectory | undefined =>
  withDescriptor(directory, Fs.constants.O_RDONLY | Fs.constants.O_DIRECTORY, (fd) =>
    toRecord(Frames.byNode(fd).frame, fileToken(fstat(sentinel)))
  )

const addInner = (directory: string, inner: number): void => {
  for (let made = 0; made < inner; made++) {
    const above = `${directory}/group-${Math.floor(made / breadth)}`
    if (made % breadth === 0) Fs.mkdirSync(above, { mode: 0o700 })
    Fs.mkdirSync(`${above}/disk-${made % breadth}`, { mode: 0o700 })
  }
}

/** Makes a root in which the dead directories are spread evenly among the live ones. */
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
    withDescriptor(`${directory}/.vm-sentinel`, Fs.constants.O_WRONLY | Fs.constants.O_CREAT, (fd) => {
      const nonce = Crypto.randomBytes(16).toString("hex")
      Fs.writeFileSync(fd, owner.inscribe(spec.kind, nonce, recordOf(directory, fd)))
    })
    addInner(directory, spec.inner ?? 0)
    for (let file = 0; file < spec.files; file++) {
      Fs.writeFileSync(`${directory}/${file === 0 ? "vm.log" : `file-${file}`}`, logLine)
    }
  }
}

/** Number of entries in a root. */
export const remaining = (path: string): number => Fs.readdirSync(path).length

export const remove = (path: string): void => Fs.rmSync(path, { recursive: true, force: true })
