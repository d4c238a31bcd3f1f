/** File systems in memory: paths, links, mounts. Synchronous. A call that fails throws a `Refusal`. */
import { type DirectoryFrame, type FileSystemFrame, oneKernelTypes } from "../../DirectoryFrame.ts"
import type { FileType, Room } from "../../Disk.ts"
import {
  allocate,
  block,
  type Births,
  type Caller,
  charge,
  type Content,
  type Device,
  type Inode,
  makeDevice,
  may,
  type Measured,
  occupied,
  refuse,
  release,
  requireAccess,
  statOf,
  blocks
} from "./memoryInode.ts"
import type { Mounted } from "../../Mounts.ts"
import type { FileSystemOptions, MountOptions } from "../MemoryDiskModel.ts"

/** One superblock. Another superblock, of another type, may show the same directories, as overlayfs and NFS do. */
export interface Superblock {
  readonly number: number
  readonly root: Inode
  readonly fileSystem: FileSystemFrame
  /** Whether the superblock gives birth times. */
  readonly births: boolean
}

interface Mount {
  readonly superblock: Superblock
  /** Root of the mount. The root of a bind mount may lie below the superblock's root. */
  readonly root: Inode
  readonly on: { readonly mount: Mount; readonly inode: Inode } | undefined
  /** The path through which the file system was mounted. */
  readonly point: string
  /** Whether the file system doesn't answer, so that no call on it ends. */
  readonly hangs: boolean
}

export interface Volume {
  readonly mounts: Array<Mount>
  readonly root: Mount
  readonly births: Births
  /** Highest number of a superblock. */
  superblocks: number
}

/** An inode, with the mount and the parents through which it was found. */
export interface Spot {
  readonly mount: Mount
  readonly inode: Inode
  readonly name: string
  readonly parent: Spot | undefined
}

const rootDirectory = (number: number, capacity: number, births: Births): Inode =>
  allocate(makeDevice(number, capacity, births), "directory", { uid: 0, now: 0 }, { mode: 0o755 })

const superblockOf = (
  number: number,
  root: Inode,
  { births, fileSystem: type = "ext4", id }: FileSystemOptions
): Superblock => {
  const oneKernel = oneKernelTypes.has(type)
  const value = id ?? (oneKernel ? `file-system-${number}` : "")
  const fileSystem = { type, oneKernel, ...(value === "" ? {} : { id: { kind: "uuid", value } as const }) }
  return { number, root, fileSystem, births: births ?? oneKernel }
}

export const make = (options: FileSystemOptions, capacity: number, reuseInodes: boolean): Volume => {
  const births = { last: 0n, reuseInodes }
  const inode = rootDirectory(1, capacity, births)
  const root = { superblock: superblockOf(1, inode, options), root: inode, on: undefined, point: "/", hangs: false }
  return { root, mounts: [root], births, superblocks: 1 }
}

const components = (path: string): Array<string> => path.split("/").filter((name) => name !== "" && name !== ".")

const coveredBy = (volume: Volume, mount: Mount, inode: Inode): Mount | undefined =>
  volume.mounts.findLast(({ on }) => on?.mount === mount && on.inode === inode)

/** The mount on a directory, whatever mount it was made through. */
const mountedOn = (volume: Volume, inode: Inode): Mount | undefined =>
  volume.mounts.findLast(({ on }) => on?.inode === inode)

const cross = (volume: Volume, spot: Spot): Spot => {
  const mount = coveredBy(volume, spot.mount, spot.inode)
  return mount === undefined ? spot : cross(volume, { ...spot, mount, inode: mount.root })
}

/** Place of the last component of a path. */
interface Place {
  readonly directory: Spot
  readonly name: string
  /** `undefined`: the directory has no such entry. */
  readonly spot: Spot | undefined
}

/** Finds the place of a path. Follows symbolic links in all components but the last. `follow`: follows the last too. */
const place = (volume: Volume, uid: number, path: string, follow = false): Place => {
  const root = cross(volume, { mount: volume.root, inode: volume.root.root, name: "", parent: undefined })
  const pending = components(path).toReversed()
  let at = root
  let followed = 0
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (at.inode.type !== "directory") refuse("ENOTDIR")
    requireAccess(at.inode, uid, 1)
    if (name === "..") {
      at = at.parent ?? at
      continue
    }
    const inode = at.inode.children.get(name)
    if (inode === undefined) return pending.length === 0 ? { directory: at, name, spot: undefined } : refuse("ENOENT")
    if (inode.type === "symlink" && (follow || pending.length > 0)) {
      followed += 1
      if (followed > 40) refuse("ELOOP")
      if (inode.target.startsWith("/")) at = root
      pending.push(...components(inode.target).toReversed())
    } else at = cross(volume, { mount: at.mount, inode, name, parent: at })
  }
  return { directory: at.parent ?? at, name: at.name, spot: at }
}

const find = (volume: Volume, uid: number, path: string, follow?: boolean): Spot =>
  place(volume, uid, path, follow).spot ?? refuse("ENOENT")

const pathOf = ({ name, parent }: Spot): string =>
  parent === undefined ? "/" : `${parent.parent === undefined ? "" : pathOf(parent)}/${name}`

export const realPath = (volume: Volume, { uid }: Caller, path: string): string => pathOf(find(volume, uid, path, true))

/** The inode under a path and its mount, without permission checks. */
const spotAt = (volume: Volume, path: string): Spot | undefined => {
  try {
    return find(volume, 0, path)
  } catch {
    return undefined
  }
}

/** The inode under a path, without permission checks. */
export const inodeAt = (volume: Volume, path: string): Inode | undefined => spotAt(volume, path)?.inode

const statAt = ({ inode, mount: { superblock } }: Spot): Measured => {
  const { birth, ...stat } = statOf(inode, superblock.number)
  return superblock.births && birth !== undefined ? { ...stat, birth } : stat
}

export const lstat = (volume: Volume, { uid }: Caller, path: string): Measured => statAt(find(volume, uid, path))

/** Opens a directory. `bits`: permissions that the caller needs on it, by default read. */
export const open = (volume: Volume, { uid }: Caller, path: string, bits = 4): Spot => {
  const spot = find(volume, uid, path)
  if (spot.inode.type !== "directory") refuse("ENOTDIR")
  requireAccess(spot.inode, uid, bits)
  return spot
}

export const frame = (volume: Volume, caller: Caller, path: string): DirectoryFrame => {
  const spot = open(volume, caller, path)
  const { births, fileSystem } = spot.mount.superblock
  const { id } = statAt(spot)
  return {
    id,
    fileSystem,
    // overlayfs doesn't keep the inode numbers of directories.
    ...(fileSystem.type === "overlay" ? {} : { inode: id.ino }),
    ...(births ? { birth: `${spot.inode.birth}` } : {})
  }
}

/** Whether entries of a directory can be made, and the space that is left. */
export const room = (volume: Volume, caller: Caller, path: string): Room => {
  const { inode } = open(volume, caller, path, 0)
  const { capacity, used } = inode.device
  const bytes = Math.max(0, capacity - used)
  const refusal = !may(inode, caller.uid, 3) ? "EACCES" : bytes < block ? "ENOSPC" : undefined
  return { refusal, bytes: bytes === Infinity ? undefined : bytes, files: undefined }
}

const pathTo = (from: Inode, to: Inode, at: string): string | undefined => {
  if (from === to) return at
  for (const [name, child] of from.children) {
    const found = pathTo(child, to, `${at}/${name}`)
    if (found !== undefined) return found
  }
  return undefined
}

/** Path of a directory relative to the root of its file system. */
export const location = (volume: Volume, caller: Caller, path: string): string => {
  const { inode, mount } = open(volume, caller, path, 0)
  const found = pathTo(mount.superblock.root, inode, "") ?? refuse("ENOENT")
  return found === "" ? "/" : found
}

export const readDirectory = (volume: Volume, caller: Caller, path: string): ReadonlyMap<string, Inode> =>
  open(volume, caller, path).inode.children

export const read = (volume: Volume, { uid }: Caller, path: string, limit: number) => {
  const spot = find(volume, uid, path)
  const { inode } = spot
  if (inode.type !== "file") refuse("EINVAL")
  requireAccess(inode, uid, 4)
  const bytes = new Uint8Array(Math.min(limit, inode.size))
  bytes.set(inode.bytes.subarray(0, bytes.length))
  return { stat: statAt(spot), bytes }
}

/** Checks that the caller may add `name` to the directory, or may remove the inode `removed` from it. */
const requireChange = ({ directory, name }: Place, { uid }: Caller, removed?: Inode): void => {
  // No entry can be made in a removed directory, even while the directory is still open or mounted.
  if (directory.inode.links === 0) refuse("ENOENT")
  requireAccess(directory.inode, uid, 3)
  if (new TextEncoder().encode(name.replace(/[\uDC80-\uDCFF]/g, "?")).length > 255) refuse("ENAMETOOLONG")
  const isSticky = (directory.inode.mode & 0o1000) !== 0 && uid !== 0 && directory.inode.uid !== uid
  if (removed !== undefined && isSticky && removed.uid !== uid) refuse("EPERM")
}

const attach = (volume: Volume, caller: Caller, path: string, inode: (device: Device) => Inode): Inode => {
  const at = place(volume, caller.uid, path)
  if (at.spot !== undefined) refuse("EEXIST")
  requireChange(at, caller)
  const added = inode(at.directory.inode.device)
  at.directory.inode.children.set(at.name, added)
  at.directory.inode.modifiedAt = caller.now
  return added
}

export const add = (volume: Volume, caller: Caller, path: string, type: FileType, content: Content = {}): Inode =>
  attach(volume, caller, path, (device) => allocate(device, type, caller, content))

export const write = (inode: Inode, { now }: Caller, bytes: Uint8Array, size = bytes.length): void => {
  charge(inode.device, blocks(bytes.length) - occupied(inode))
  Object.assign(inode, { bytes: new Uint8Array(bytes), size, modifiedAt: now, changedAt: now })
}

export const link = (volume: Volume, caller: Caller, from: string, to: string): void => {
  const source = find(volume, caller.uid, from)
  if (source.inode.type === "directory") refuse("EPERM")
  attach(volume, caller, to, () => {
    if (source.mount !== place(volume, caller.uid, to).directory.mount) refuse("EXDEV")
    source.inode.links += 1
    source.inode.changedAt = caller.now
    return source.inode
  })
}

/** `chmod u+rwx` of a directory, by its owner. `false`: nothing was changed. */
export const permit = (volume: Volume, { now, uid }: Caller, path: string): boolean => {
  const { inode } = find(volume, uid, path)
  if (inode.type !== "directory" || inode.uid !== uid || (inode.mode & 0o700) === 0o700) return false
  inode.mode |= 0o700
  inode.changedAt = now
  return true
}

/** The inode of a name. EBUSY for a mount point and for the root. */
const named = (volume: Volume, at: Place): Inode => {
  if (at.name === "") refuse("EBUSY")
  const inode = at.directory.inode.children.get(at.name) ?? refuse("ENOENT")
  return mountedOn(volume, inode) === undefined ? inode : refuse("EBUSY")
}

const isInside = (directory: Inode, spot: Spot | undefined): boolean =>
  spot !== undefined && (spot.inode === directory || isInside(directory, spot.parent))

const requireReplaceable = (moved: Inode, replaced: Inode): void => {
  if (replaced.type === "directory") {
    if (moved.type !== "directory") refuse("EISDIR")
    if (replaced.children.size > 0) refuse("ENOTEMPTY")
  } else if (moved.type === "directory") refuse("ENOTDIR")
}

export const rename = (volume: Volume, caller: Caller, from: string, to: string, replace: boolean): void => {
  const source = place(volume, caller.uid, from)
  const target = place(volume, caller.uid, to)
  if (source.spot === undefined) refuse("ENOENT")
  if (source.directory.mount !== target.directory.mount) refuse("EXDEV")
  if (!replace && target.spot !== undefined) refuse("EEXIST")
  const moved = named(volume, source)
  const replaced = target.spot === undefined ? undefined : named(volume, target)
  if (moved === replaced) return
  requireChange(source, caller, moved)
  requireChange(target, caller, replaced)
  if (moved.type === "directory") {
    if (moved.isLower) refuse("EXDEV")
    if (isInside(moved, target.directory)) refuse("EINVAL")
    if (source.directory.inode !== target.directory.inode) requireAccess(moved, caller.uid, 2)
  }
  if (replaced !== undefined) {
    requireReplaceable(moved, replaced)
    release(replaced)
  }
  source.directory.inode.children.delete(source.name)
  target.directory.inode.children.set(target.name, moved)
  source.directory.inode.modifiedAt = caller.now
  target.directory.inode.modifiedAt = caller.now
  moved.changedAt = caller.now
}

const detach = (volume: Volume, caller: Caller, path: string, check: (inode: Inode) => void): void => {
  const at = place(volume, caller.uid, path)
  const inode = named(volume, at)
  check(inode)
  requireChange(at, caller, inode)
  at.directory.inode.children.delete(at.name)
  at.directory.inode.modifiedAt = caller.now
  inode.changedAt = caller.now
  release(inode)
}

export const unlink = (volume: Volume, caller: Caller, path: string): void =>
  detach(volume, caller, path, ({ type }) => {
    if (type === "directory") refuse("EISDIR")
  })

export const removeDirectory = (volume: Volume, caller: Caller, path: string): void =>
  detach(volume, caller, path, ({ children, type }) => {
    if (type !== "directory") refuse("ENOTDIR")
    if (children.size > 0) refuse("ENOTEMPTY")
  })

/**
 * Mounts a new file system. With a `source`, bind-mounts that directory. With a `source` and a `fileSystem`, mounts
 * another superblock that shows `source`, as overlayfs, bindfs and NFS do, with its own frame and its own locks.
 */
export const mount = (volume: Volume, path: string, options: MountOptions): void => {
  const { inode, mount } = find(volume, 0, path)
  const source = options.source === undefined ? undefined : find(volume, 0, options.source)
  const add = (superblock: Superblock, root: Inode): void => {
    const added = { superblock, root, on: { mount, inode }, point: path, hangs: options.hangs ?? false }
    volume.mounts.push(added)
    root.users.add({ isOpen: () => volume.mounts.includes(added) })
  }
  if (source !== undefined && options.fileSystem === undefined) return add(source.mount.superblock, source.inode)
  const number = (volume.superblocks += 1)
  const root = source?.inode ?? rootDirectory(number, options.capacity ?? Infinity, volume.births)
  return add(superblockOf(number, root, options), root)
}

/** Removes the mount that was mounted last on a path. */
export const unmount = (volume: Volume, path: string): void => {
  const { mount } = find(volume, 0, path)
  if (mount === volume.root) refuse("EINVAL")
  volume.mounts.splice(volume.mounts.indexOf(mount), 1)
}

/** All mounts at or below a directory, whatever path they were mounted through. Looks at the table alone. */
export const mountsBelow = (volume: Volume, _: Caller, path: string): ReadonlyArray<Mounted> => {
  const found: Array<Mounted> = []
  const search = (inode: Inode, at: string): void => {
    for (const [name, child] of inode.children) visit(child, `${at === "/" ? "" : at}/${name}`)
  }
  const visit = (inode: Inode, at: string): void => {
    const mount = mountedOn(volume, inode)
    if (mount !== undefined) found.push({ path: at, mountPoint: mount.point })
    search(mount?.root ?? inode, at)
  }
  const top = spotAt(volume, path)
  if (top === undefined) return []
  const { inode, mount, parent } = top
  const covering = mountedOn(volume, inode)
  if (inode === mount.root && parent !== undefined) found.push({ path, mountPoint: mount.point })
  else if (covering !== undefined) found.push({ path, mountPoint: covering.point })
  search(inode, path)
  return found
}

/** Path of a mount point at or below a directory. */
export const mountInside = (volume: Volume, caller: Caller, path: string): string | undefined => {
  find(volume, caller.uid, path)
  return mountsBelow(volume, caller, path)[0]?.path
}

/** Whether a path leads to, or through, a file system that doesn't answer. */
export const isHung = (volume: Volume, path: string): boolean =>
  volume.mounts.some(({ hangs }) => hangs) &&
  components(path).some((_, index, names) => spotAt(volume, `/${names.slice(0, index + 1).join("/")}`)?.mount.hangs)

/**
 * Copies a tree, with new inodes, births and ctimes, and the same contents, modes and owners. Files keep their mtimes.
 * Two hard links become two files.
 */
export const copy = (volume: Volume, caller: Caller, from: string, to: string): void => {
  for (const [path, source] of below(volume, from)) {
    const { bytes, gid, mode, modifiedAt, size, target, type, uid } = source
    const made = add(volume, caller, `${to}${path.slice(from.length)}`, type, { target })
    if (type === "file") write(made, caller, bytes, size)
    Object.assign(made, { gid, mode, modifiedAt, uid })
  }
}

/** Every path at or below `path`, without permission checks. Parents come before their entries. */
export const below = (volume: Volume, path: string): ReadonlyMap<string, Inode> => {
  const found = new Map<string, Inode>()
  const visit = (at: string): void => {
    const inode = inodeAt(volume, at)
    if (inode === undefined) return
    found.set(at, inode)
    for (const name of [...inode.children.keys()].sort()) visit(`${at === "/" ? "" : at}/${name}`)
  }
  visit(path)
  return found
}
