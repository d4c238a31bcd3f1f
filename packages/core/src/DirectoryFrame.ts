/**
 * Which directory a record was made in: its file system, its inode, and when it was made. Pure.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { FileId } from "./FileId.ts"
import { compare, type Comparison, Decimal } from "./ProcessIdentity.ts"

/**
 * The id of a file system, and where it comes from: `uuid` (`FS_IOC_GETFSUUID`, or `XFS_IOC_FSGEOMETRY`), `fsid`
 * (`f_fsid` of `statfs(2)`), or `volume` (Darwin, `ATTR_VOL_UUID`). Ids of two kinds don't compare.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FileSystemId = Schema.Struct({
  kind: Schema.Literals(["uuid", "fsid", "volume"]),
  value: Schema.NonEmptyString
})
export type FileSystemId = typeof FileSystemId.Type

/**
 * A file by its inode and, after a dot, its time of birth: a restored file may get the inode of the one that it replaces.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FileToken = Schema.String.check(Schema.isPattern(/^[0-9]{1,20}(\.[0-9]{1,20})?$/))

/**
 * The {@link FileToken} of a file.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fileToken = ({ birth, id }: { readonly id: FileId; readonly birth?: string }): string =>
  birth === undefined ? id.ino : `${id.ino}.${birth}`

/**
 * The directory that a v3 record was made in, as its writer saw it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RecordedDirectory = Schema.Struct({
  /** File-system type: `ext4`, `overlay`, or `f_type` in hexadecimal. */
  type: Schema.NonEmptyString,
  id: Schema.optionalKey(FileSystemId),
  /** Darwin: `f_fsid`, the name of one mount in one boot. */
  mount: Schema.optionalKey(Schema.NonEmptyString),
  /** Inode of the directory. Missing where inode numbers change. */
  inode: Schema.optionalKey(Decimal),
  /** When the directory was made, nanoseconds since the epoch: `stx_btime` of `statx(2)`. */
  birth: Schema.optionalKey(Decimal),
  /** The sentinel file itself, see {@link fileToken}. */
  file: Schema.optionalKey(FileToken)
})
export type RecordedDirectory = typeof RecordedDirectory.Type

/**
 * The file system that a directory lies on, by a descriptor of the directory.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FileSystemFrame = Schema.Struct({
  /** As {@link RecordedDirectory} has it. */
  type: Schema.String,
  id: Schema.optionalKey(FileSystemId),
  /** Darwin: `f_fsid`. */
  mount: Schema.optionalKey(Schema.String),
  /** Only one kernel can have it mounted. */
  oneKernel: Schema.Boolean
})
export type FileSystemFrame = typeof FileSystemFrame.Type

/**
 * A directory as a reader sees it. A missing key is unknown, never different.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DirectoryFrame = Schema.Struct({
  id: FileId,
  fileSystem: Schema.optionalKey(FileSystemFrame),
  inode: Schema.optionalKey(Schema.String),
  birth: Schema.optionalKey(Schema.String)
})
export type DirectoryFrame = typeof DirectoryFrame.Type

/**
 * File systems that one kernel alone can have mounted. Every other type is shared, or may be.
 *
 * @category constants
 * @since 0.1.0
 */
export const oneKernelTypes: ReadonlySet<string> = new Set([
  "ext4",
  "xfs",
  "btrfs",
  "f2fs",
  "zfs",
  "tmpfs",
  "overlay",
  "apfs",
  "hfs"
])

/**
 * Whether a file system outlives the boot in which it was seen. The layers of an overlay can be joined anew in the next.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isLasting = (type: string): boolean => type !== "overlay"

/**
 * `bound`: the record was made in this very directory. `different`: in another one. `unbound`: that can't be told.
 *
 * @category models
 * @since 0.1.0
 */
export type Binding = "bound" | "different" | "unbound"

const keys = ["id", "mount", "inode", "birth", "file"] as const
type Key = (typeof keys)[number]

/** Which data of a directory compare, by the type of its file system. */
interface Rule {
  /** All of it must be equal. */
  readonly required: ReadonlyArray<Key>
  /** None of it counts: inodes of overlays move, and a restored copy on Darwin can have its birth time set back. */
  readonly ignored: ReadonlyArray<Key>
}

const ruleOf = (type: string, boot: Comparison): Rule => {
  switch (type) {
    case "overlay":
      return { required: ["id", "birth"], ignored: ["inode"] }
    case "apfs":
    case "hfs":
      // A mounted block copy has the same volume and inodes, and in one boot never the same mount.
      return boot === "different"
        ? { required: ["id", "inode"], ignored: ["mount", "birth"] }
        : { required: ["id", "inode", "mount"], ignored: ["birth"] }
    case "ext4":
    case "xfs":
    case "f2fs":
    case "tmpfs":
      return { required: ["inode", "birth"], ignored: [] }
    default:
      // A snapshot has the same inodes and births, and another id.
      return { required: ["id", "inode", "birth"], ignored: [] }
  }
}

/** A platform without a datum may report 0: missing, too. */
const datum = (text: string | undefined): string | undefined =>
  text === undefined || /^0*$/.test(text) ? undefined : text

const idOf = (id: FileSystemId | undefined): FileSystemId | undefined =>
  id === undefined || /^[0:-]*$/.test(id.value) ? undefined : id

const compareIds = (recorded: FileSystemId | undefined, observed: FileSystemId | undefined): Comparison =>
  recorded?.kind === observed?.kind ? compare(idOf(recorded)?.value, idOf(observed)?.value) : "unknown"

/** Compares the births of two files where both are known, and their inodes where inodes stay. */
const compareFiles = (recorded: string | undefined, observed: string | undefined, hasInodes: boolean): Comparison => {
  const [inode, birth] = recorded?.split(".") ?? []
  const [otherInode, otherBirth] = observed?.split(".") ?? []
  const byBirth = compare(datum(birth), datum(otherBirth))
  const byInode = hasInodes ? compare(datum(inode), datum(otherInode)) : "unknown"
  if (byBirth === "different" || byInode === "different") return "different"
  return byInode === "unknown" ? byBirth : byInode
}

/**
 * Compares a recorded directory with the one in which the record lies. `file`: {@link fileToken} of the sentinel. `boot`: whether the
 * record is of this boot, in which the number of a mount stays.
 *
 * @category comparing
 * @since 0.1.0
 */
export const compareDirectories = (
  recorded: RecordedDirectory | undefined,
  { birth, fileSystem, inode }: DirectoryFrame,
  file: string | undefined,
  boot: Comparison
): Binding => {
  if (recorded === undefined || fileSystem === undefined) return "unbound"
  if (recorded.type !== fileSystem.type) return "different"
  const { ignored, required } = ruleOf(recorded.type, boot)
  const mount = compare(recorded.mount, fileSystem.mount)
  const results: Readonly<Record<Key, Comparison>> = {
    id: compareIds(recorded.id, fileSystem.id),
    // Another mount is another directory only where both are of one boot.
    mount: mount === "different" && boot === "unknown" ? "unknown" : mount,
    inode: compare(datum(recorded.inode), datum(inode)),
    birth: compare(datum(recorded.birth), datum(birth)),
    // Where inodes of directories change, those of files do.
    file: compareFiles(recorded.file, file, inode !== undefined && !ignored.includes("inode"))
  }
  const isDifferent = keys.some((key) => results[key] === "different" && !ignored.includes(key))
  if (isDifferent) return "different"
  return required.every((key) => results[key] === "equal") ? "bound" : "unbound"
}

const describe = (
  type: string,
  id: FileSystemId | undefined,
  { birth, file, inode, mount }: Partial<Record<"birth" | "file" | "inode" | "mount", string | undefined>>
): string => {
  const part = (label: string, value: string | undefined) => (value === undefined ? "" : `, ${label} ${value}`)
  const device = id === undefined ? "" : part(id.kind, id.value)
  return `${type}${device}${part("mount", mount)}${part("inode", inode)}${part("birth", birth)}${part("file", file)}`
}

/**
 * A recorded directory in words.
 *
 * @category formatting
 * @since 0.1.0
 */
export const describeRecorded = ({ birth, file, id, inode, mount, type }: RecordedDirectory): string =>
  describe(type, id, { mount, inode, birth, file })

/**
 * A directory as it is now, in words; `undefined` where nothing is known of its file system.
 *
 * @category formatting
 * @since 0.1.0
 */
export const describeObserved = (
  { birth, fileSystem, inode }: DirectoryFrame,
  file: string | undefined
): string | undefined =>
  fileSystem === undefined
    ? undefined
    : describe(fileSystem.type, fileSystem.id, {
        mount: fileSystem.mount,
        inode,
        birth,
        file
      })

/**
 * The record of a directory that a writer makes in it; `undefined` where its file system is unknown.
 *
 * @category constructors
 * @since 0.1.0
 */
export const toRecord = (frame: DirectoryFrame, file: string): RecordedDirectory | undefined => {
  const { fileSystem } = frame
  if (fileSystem === undefined) return undefined
  const { mount, type } = fileSystem
  const [id, inode, birth] = [idOf(fileSystem.id), datum(frame.inode), datum(frame.birth)]
  return {
    type,
    ...(id === undefined ? {} : { id }),
    ...(mount === undefined ? {} : { mount }),
    ...(inode === undefined ? {} : { inode }),
    ...(birth === undefined ? {} : { birth }),
    file
  }
}
