/** A tree of directories in memory, with calls relative to descriptors. A test may act before each call. */
import type { DirectoryCalls, ListedEntry } from "../../src/DirectoryCalls.ts"
import { errnoOf } from "../../src/Errno.ts"

export type Tree = { readonly [name: string]: Tree | string }

interface File {
  readonly ino: number
  readonly entries?: undefined
}

interface Directory {
  readonly ino: number
  readonly entries: Map<string, Node>
}

type Node = File | Directory

/** Acts before a call. The call fails with the error that the act throws. */
export type Act = (call: string, name: string) => void

export const fail = (code: string): never => {
  throw Object.assign(new Error(code), { code })
}

export interface Fake {
  readonly calls: DirectoryCalls<string>
  /** The present tree. The text of each file is `""`. */
  readonly tree: () => Tree
  /** Creates a file, or replaces it by a file with another inode. */
  readonly write: (path: string) => void
  /** Adds a tree to the present one. */
  readonly furnish: (tree: Tree) => void
  readonly open: () => number
  /** Names that a listing returns without a type. */
  readonly untold: Set<string>
  /** Names of directories on another mount. */
  readonly mounts: Set<string>
  /** Names of the user's own directories that can't be opened before `permit` has made them writable. */
  readonly closed: Set<string>
  /** Names of the user's own directories whose entries can't be changed before `permit` has made them writable. */
  readonly readOnly: Set<string>
  /** Names of directories, such as subvolumes, that a rename can't leave (EXDEV). */
  readonly volumes: Set<string>
}

export const make = (content: Tree, act: Act = () => {}): Fake => {
  let inodes = 0
  const file = (): File => ({ ino: ++inodes })
  const directoryOf = (tree: Tree): Directory => ({
    ino: ++inodes,
    entries: new Map(
      Object.entries(tree).map(([name, inner]) => [name, typeof inner === "string" ? file() : directoryOf(inner)])
    )
  })
  const treeOf = ({ entries }: Directory): Tree =>
    Object.fromEntries([...entries].map(([name, node]) => [name, node.entries === undefined ? "" : treeOf(node)]))

  const merge = ({ entries }: Directory, tree: Tree): void => {
    for (const [name, inner] of Object.entries(tree)) {
      const there = entries.get(name)
      if (typeof inner === "string") entries.set(name, file())
      else if (there?.entries === undefined) entries.set(name, directoryOf(inner))
      else merge(there, inner)
    }
  }

  const root = directoryOf(content)
  const names = new Map<number, string>()
  const descriptors = new Map<number, Directory>()
  let last = 2
  const [untold, mounts] = [new Set<string>(), new Set<string>()]
  const [closed, readOnly, volumes] = [new Set<string>(), new Set<string>(), new Set<string>()]
  const parents = new Map<number, number>()

  const opened = (directory: Directory, name: string, parent?: number): number => {
    last += 1
    if (parent !== undefined) parents.set(last, parent)
    descriptors.set(last, directory)
    names.set(last, name)
    return last
  }
  const at = (fd: number): Directory => descriptors.get(fd) ?? fail("EBADF")
  const nodeAt = (fd: number, name: string): Node => at(fd).entries.get(name) ?? fail("ENOENT")
  const nameOf = (fd: number): string => names.get(fd) ?? ""
  const before = (call: string, name: string): void => act(call, name)
  const change = (fd: number): void => {
    if (readOnly.has(nameOf(fd))) fail("EACCES")
  }
  /** The subvolume that an open directory lies in. */
  const volumeOf = (fd: number): string => {
    for (let at: number | undefined = fd; at !== undefined; at = parents.get(at)) {
      if (volumes.has(nameOf(at))) return nameOf(at)
    }
    return ""
  }

  const calls: DirectoryCalls<string> = {
    nameOf: (text) => text,
    textOf: (name) => name,
    openPath: (path) => {
      before("openPath", path)
      return path === "/" ? opened(root, "/") : fail("ENOENT")
    },
    openDirectory: (fd, name) => {
      before("openDirectory", name)
      const node = nodeAt(fd, name)
      if (node.entries === undefined) return fail("ENOTDIR")
      return closed.has(name) ? fail("EACCES") : opened(node, name, fd)
    },
    close: (fd) => {
      if (!descriptors.delete(fd)) fail("EBADF")
    },
    idOf: (fd) => {
      before("idOf", nameOf(fd))
      return { dev: "1", ino: `${at(fd).ino}` }
    },
    mount: (fd) => {
      before("mount", nameOf(fd))
      return mounts.has(nameOf(fd)) ? "2" : "1"
    },
    statAt: (fd, name) => {
      before("statAt", name)
      const { entries, ino } = nodeAt(fd, name)
      return {
        type: entries === undefined ? "file" : "directory",
        id: { dev: "1", ino: `${ino}` },
        size: 0,
        modifiedAt: 0,
        changedAt: 0
      }
    },
    list: (fd) => {
      let found: ReadonlyArray<ListedEntry<string>> | undefined
      let index = 0
      const read = (): ReadonlyArray<ListedEntry<string>> =>
        [...at(fd).entries].map(([name, { entries }]) => ({
          name,
          type: untold.has(name) ? "unknown" : entries === undefined ? "file" : "directory"
        }))
      const rewind = () => {
        before("rewind", nameOf(fd))
        found = undefined
        index = 0
      }
      return {
        next: () => {
          before("next", nameOf(fd))
          found ??= read()
          return found[index++]
        },
        rewind,
        again: () => {
          index = 0
        },
        close: () => {}
      }
    },
    lock: (fd) => {
      try {
        before("lock", nameOf(fd))
        return undefined
      } catch (cause) {
        return errnoOf(cause)
      }
    },
    unlink: (fd, name) => {
      before("unlink", name)
      change(fd)
      if (nodeAt(fd, name).entries !== undefined) fail("EISDIR")
      at(fd).entries.delete(name)
    },
    removeDirectory: (fd, name) => {
      before("removeDirectory", name)
      change(fd)
      const { entries } = nodeAt(fd, name)
      if (entries === undefined) fail("ENOTDIR")
      else if (entries.size > 0) fail("ENOTEMPTY")
      at(fd).entries.delete(name)
    },
    rename: (fromFd, from, toFd, to) => {
      before("rename", from)
      change(fromFd)
      change(toFd)
      if (volumeOf(fromFd) !== volumeOf(toFd)) fail("EXDEV")
      at(toFd).entries.set(to, nodeAt(fromFd, from))
      at(fromFd).entries.delete(from)
    },
    permit: (_, name) => {
      before("permit", name)
      const wasClosed = closed.delete(name)
      return readOnly.delete(name) || wasClosed
    }
  }

  return {
    calls,
    tree: () => treeOf(root),
    write: (path) => {
      const [name = "", ...above] = path
        .split("/")
        .filter((part) => part !== "")
        .toReversed()
      let directory = root
      for (const part of above.toReversed()) {
        const node = directory.entries.get(part)
        if (node?.entries === undefined) return fail("ENOENT")
        directory = node
      }
      directory.entries.set(name, file())
    },
    furnish: (tree) => merge(root, tree),
    open: () => descriptors.size,
    untold,
    mounts,
    closed,
    readOnly,
    volumes
  }
}
