import { Effect } from "effect"
import { MemoryDisk, type MountOptions } from "../../src/testing/MemoryDisk.ts"
import type { World } from "./World.ts"

let scratches = 0

const decode = (name: Uint8Array): string =>
  [...name].map((byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join("")

const mounted = (target: string, options: MountOptions) =>
  Effect.asVoid(
    Effect.acquireRelease(
      MemoryDisk.use(({ mount }) => mount(target, options)),
      // A failed unmount is ignored. It fails if the test has moved the mount point.
      () => Effect.exit(MemoryDisk.use(({ unmount }) => unmount(target)))
    )
  )

const scratch = Effect.gen(function* () {
  const path = `/scratch-${(scratches += 1)}`
  yield* MemoryDisk.use(({ seed }) => seed({ [path]: { type: "directory" } }))
  return path
})

/** A file system in memory. The Disk belongs to its first process, whose uid is 1000. */
export const world: World<MemoryDisk> = {
  scratch,
  directory: (path, mode = 0o700) => MemoryDisk.use(({ seed }) => seed({ [path]: { type: "directory", mode } })),
  file: (path, content, mode = 0o600) =>
    MemoryDisk.use(({ seed }) => seed({ [path]: { type: "file", content, mode } })),
  symlink: (path, target) => MemoryDisk.use(({ seed }) => seed({ [path]: { type: "symlink", target } })),
  hardLink: (path, existing) => MemoryDisk.use(({ hardLink }) => hardLink(existing, path)),
  fifo: (path) => MemoryDisk.use(({ seed }) => seed({ [path]: { type: "fifo" } })),
  socket: (path) => MemoryDisk.use(({ seed }) => seed({ [path]: { type: "socket" } })),
  device: (path) => MemoryDisk.use(({ seed }) => seed({ [path]: { type: "device" } })),
  sparse: (path, size) => MemoryDisk.use(({ seed }) => seed({ [path]: { type: "file", size } })),
  move: (from, to) => MemoryDisk.use(({ move }) => move(from, to)),
  remove: (path) => MemoryDisk.use(({ remove }) => remove(path)),
  setMode: (path, mode) => MemoryDisk.use(({ setAttributes }) => setAttributes(path, { mode })),
  setTime: (path, modifiedAt) => MemoryDisk.use(({ setAttributes }) => setAttributes(path, { modifiedAt })),
  setOwner: (path, uid) => MemoryDisk.use(({ setAttributes }) => setAttributes(path, { uid, gid: uid })),
  tree: (path) =>
    Effect.map(
      MemoryDisk.use(({ snapshot }) => snapshot(path)),
      (found) =>
        Object.fromEntries(
          Object.entries(found).flatMap(([at, { content = "", type }]) =>
            at === path
              ? []
              : [[at.slice(path.length + 1), type === "file" ? content : type === "symlink" ? `-> ${content}` : type]]
          )
        )
    ),
  permissions: true,
  ordinary: scratch,
  stubborn: (path) =>
    MemoryDisk.use(({ seed }) =>
      seed({ [`${path}/kept`]: "kept", [path]: { type: "directory", mode: 0o755, uid: 0, gid: 0 } })
    ),
  bindMount: (source, target) => mounted(target, { source }),
  hungMount: (target) => mounted(target, { fileSystem: "fuse", hangs: true }),
  otherView: (source, target) => mounted(target, { source, fileSystem: "overlay" }),
  copy: (from, to) => MemoryDisk.use(({ copy }) => copy(from, to)),
  remote: Effect.gen(function* () {
    const path = `/remote-${(scratches += 1)}`
    yield* MemoryDisk.use(({ seed }) => seed({ [path]: { type: "directory" } }))
    yield* MemoryDisk.use(({ mount }) => mount(path, { fileSystem: "nfs4" }))
    return path
  }),
  rawFile: (directory, name, content) =>
    MemoryDisk.use(({ seed }) => seed({ [`${directory}/${decode(name)}`]: content }))
}
