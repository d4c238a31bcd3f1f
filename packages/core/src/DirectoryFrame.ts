/**
 * Compares the directory in which a record was made with the one in which the record lies, by file system, mount,
 * inode, birth time and sentinel file. Pure.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { FileId } from "./FileId.ts"
import { compare, type Comparison, Decimal } from "./ProcessIdentity.ts"

/**
 * The id of a file system, and its source: `uuid` (`FS_IOC_GETFSUUID`, or `XFS_IOC_FSGEOMETRY`), `fsid` (`f_fsid` of
 * `statfs(2)`), or `volume` (Darwin, `ATTR_VOL_UUID`). Ids of different kinds can't be compared.
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
 * Identifies a file: its inode and, if known, after a dot its birth time in nanoseconds since the epoch. The inode
 * alone doesn't identify a file, because a restored file may get the inode of the file that it replaces.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FileToken = Schema.String.check(Schema.isPattern(/^[0-9]{1,20}(\.[0-9]{1,20})?$/))

/**
 * Returns the {@link FileToken} of a file.
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
  /** File-system type, such as `ext4`, `overlay` or `apfs`. A type without a known name is `f_type` in hexadecimal. */
  type: Schema.NonEmptyString,
  /** Missing if no id could be read, or the id is all zeros. */
  id: Schema.optionalKey(FileSystemId),
  /** Darwin: `f_fsid` of `statfs(2)`, which identifies one mount within one boot. */
  mount: Schema.optionalKey(Schema.NonEmptyString),
  /** Inode of the directory. Missing on file systems whose inode numbers change. */
  inode: Schema.optionalKey(Decimal),
  /** Birth time of the directory, nanoseconds since the epoch: `stx_btime` of `statx(2)`. */
  birth: Schema.optionalKey(Decimal),
  /** {@link FileToken} of the sentinel file itself. */
  file: Schema.optionalKey(FileToken)
})
export type RecordedDirectory = typeof RecordedDirectory.Type

/**
 * The file system that a directory lies on, as read through a descriptor of the directory.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FileSystemFrame = Schema.Struct({
  /** File-system type, in the form that {@link RecordedDirectory} has. */
  type: Schema.String,
  id: Schema.optionalKey(FileSystemId),
  /** Darwin: `f_fsid` of `statfs(2)`. */
  mount: Schema.optionalKey(Schema.String),
  /** Only one kernel at a time can have the file system mounted. */
  oneKernel: Schema.Boolean
})
export type FileSystemFrame = typeof FileSystemFrame.Type

/**
 * A directory as a reader sees it. A missing key means unknown, never different.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DirectoryFrame = Schema.Struct({
  id: FileId,
  fileSystem: Schema.optionalKey(FileSystemFrame),
  /** Missing on file systems whose inode numbers change. */
  inode: Schema.optionalKey(Schema.String),
  /** Birth time, nanoseconds since the epoch. */
  birth: Schema.optionalKey(Schema.String)
})
export type DirectoryFrame = typeof DirectoryFrame.Type

/**
 * File-system types that only one kernel at a time can have mounted. Every other type is shared, or may be.
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
 * Whether two boots show the same directory if its data are equal on a file system of this type. On an overlay they may
 * not, because the next boot may join its layers anew.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isLasting = (type: string): boolean => type !== "overlay"

/**
 * Relation of a record to the directory in which the record lies. `bound`: the record was made in this directory.
 * `different`: the record was made in another directory. `unbound`: the known data don't decide.
 *
 * @category models
 * @since 0.1.0
 */
export type Binding = "bound" | "different" | "unbound"

const keys = ["id", "mount", "inode", "birth", "file"] as const
type Key = (typeof keys)[number]

/** Which data of two directories are compared. Depends on the type of the file system and, on Darwin, on the boot. */
interface Rule {
  /** Data that must all be equal for `bound`. */
  readonly required: ReadonlyArray<Key>
  /**
   * Data that don't count. Inode numbers on overlayfs change. On Darwin, the birth time of a restored copy can be set
   * back, and the number of a mount is constant within one boot only.
   */
  readonly ignored: ReadonlyArray<Key>
}

const ruleOf = (type: string, boot: Comparison): Rule => {
  switch (type) {
    case "overlay":
      return { required: ["id", "birth"], ignored: ["inode"] }
    case "apfs":
    case "hfs":
      // A block-level copy has the volume UUID and the inodes of its original. Within one boot, the mounts of both
      // differ.
      return boot === "different"
        ? { required: ["id", "inode"], ignored: ["mount", "birth"] }
        : { required: ["id", "inode", "mount"], ignored: ["birth"] }
    case "ext4":
    case "xfs":
    case "f2fs":
    case "tmpfs":
      return { required: ["inode", "birth"], ignored: [] }
    default:
      // A snapshot has the inodes and birth times of its original, but another file-system id.
      return { required: ["id", "inode", "birth"], ignored: [] }
  }
}

/** A platform that lacks a datum may report 0, which counts as missing. */
const datum = (text: string | undefined): string | undefined =>
  text === undefined || /^0*$/.test(text) ? undefined : text

const idOf = (id: FileSystemId | undefined): FileSystemId | undefined =>
  id === undefined || /^[0:-]*$/.test(id.value) ? undefined : id

const compareIds = (recorded: FileSystemId | undefined, observed: FileSystemId | undefined): Comparison =>
  recorded?.kind === observed?.kind ? compare(idOf(recorded)?.value, idOf(observed)?.value) : "unknown"

/** Compares two file tokens: the birth times if both are known, and the inodes if inode numbers don't change. */
const compareFiles = (recorded: string | undefined, observed: string | undefined, hasInodes: boolean): Comparison => {
  const [inode, birth] = recorded?.split(".") ?? []
  const [otherInode, otherBirth] = observed?.split(".") ?? []
  const byBirth = compare(datum(birth), datum(otherBirth))
  const byInode = hasInodes ? compare(datum(inode), datum(otherInode)) : "unknown"
  if (byBirth === "different" || byInode === "different") return "different"
  return byInode === "unknown" ? byBirth : byInode
}

/**
 * Compares a recorded directory with the one in which the record lies. `file`: {@link fileToken} of the sentinel.
 * `boot`: whether the record is of this boot. The number of a mount is constant within one boot only.
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
    // A different mount proves a different directory only if both mounts are of one boot.
    mount: mount === "different" && boot === "unknown" ? "unknown" : mount,
    inode: compare(datum(recorded.inode), datum(inode)),
    birth: compare(datum(recorded.birth), datum(birth)),
    // If the inode numbers of directories change, those of files change too.
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
 * Describes a recorded directory in words.
 *
 * @category formatting
 * @since 0.1.0
 */
export const describeRecorded = ({ birth, file, id, inode, mount, type }: RecordedDirectory): string =>
  describe(type, id, { mount, inode, birth, file })

/**
 * Describes a directory as the reader sees it, in words. `undefined`: its file system is unknown.
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
 * Returns the record of a directory, for a sentinel that is written into that directory. `file`: {@link fileToken} of
 * the sentinel. `undefined`: the file system is unknown.
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
