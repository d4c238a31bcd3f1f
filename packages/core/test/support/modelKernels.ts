/** Kernels, the places where programs run on each kernel, and the mounts through which they reach one volume. */
import { Context, Effect, Layer, Random } from "effect"
import type { ProcessInspector } from "../../src/ProcessInspector.ts"
import * as FakeProcessTable from "../../src/testing/FakeProcessTable.ts"
import { MemoryDisk } from "../../src/testing/MemoryDisk.ts"
import * as Simulation from "../../src/testing/Simulation.ts"

type Reader = Context.Context<ProcessInspector | FakeProcessTable.FakeProcessTable>

/**
 * A directory tree with one content, whichever mount leads to it. The model itself reads each tree at its path in
 * {@link trees}.
 */
export type Tree = "local" | "shared"

export const trees: Readonly<Record<Tree, string>> = { local: "/srv/vms", shared: "/ceph/vms" }

/** A path that leads to a tree. */
export interface Mount {
  readonly path: string
  readonly tree: Tree
  /** Programs on mounts with equal `superblock` see the same frame of a tree. No program ever sees this name. */
  readonly superblock: string
  readonly oneKernel: boolean
  readonly isLasting: boolean
}

/** A host or a container: the view of the programs in it. */
export interface Place {
  readonly kernel: Kernel
  readonly reader: Reader
  /** Identifies the PID namespace and is never reused. Programs see `pidNamespace`, which may be reused. */
  readonly namespace: number
  readonly pidNamespace: string
  readonly isHost: boolean
  readonly isCovered: boolean
  readonly hostname: string
}

export interface Kernel {
  readonly host: Reader
  readonly hostname: string
  readonly mounts: ReadonlyArray<Mount>
  readonly isVirtual: boolean
  readonly mayReboot: boolean
  readonly hasContainers: boolean
  boots: number
  /** Whether a process is hidden, so that no sweep sees all processes. */
  isHiding: boolean
  places: ReadonlyArray<Place>
}

const local = { tree: "local", oneKernel: true, isLasting: true } as const
const shared = { oneKernel: false, isLasting: true } as const

const localMounts: ReadonlyArray<Mount> = [
  { ...local, path: "/srv/vms", superblock: "ext4" },
  // The same directory is reached through a bind mount and through an overlay.
  { ...local, path: "/bind", superblock: "ext4" },
  { ...local, path: "/overlay", superblock: "overlay", isLasting: false }
]

/** The Ceph file system shows one id on all mounts. Each mount has locks of its own. */
const ceph = { ...shared, tree: "shared", superblock: "ceph" } as const

const mountsOfFirst: ReadonlyArray<Mount> = [
  ...localMounts,
  { ...ceph, path: "/ceph/vms" },
  { ...ceph, path: "/ceph-again/vms" }
]

/** The second kernel mounts the first kernel's export, and a Ceph volume that both kernels mount. */
const mountsOfSecond: ReadonlyArray<Mount> = [
  { ...shared, tree: "local", path: "/export", superblock: "nfs" },
  { ...ceph, path: "/ceph-there/vms" }
]

const makeVolume = Effect.gen(function* () {
  const { mount } = yield* MemoryDisk
  const views = ["/ceph-again", "/ceph-there"]
  const directories = ["/srv/vms", "/bind", "/overlay", "/export", "/ceph", ...views]
  const fileSystem = { fileSystem: "ceph", id: "shared", births: true }
  yield* Simulation.seed(Object.fromEntries(directories.map((path) => [path, { type: "directory" } as const])))
  yield* mount("/bind", { source: "/srv/vms" })
  yield* mount("/overlay", { source: "/srv/vms", fileSystem: "overlay" })
  yield* mount("/export", { source: "/srv/vms", fileSystem: "nfs" })
  yield* mount("/ceph", fileSystem)
  yield* Simulation.seed({ "/ceph/vms": { type: "directory" } })
  for (const path of views) yield* mount(path, { ...fileSystem, source: "/ceph" })
})

let namespaces = 0

const standAt = Effect.fnUntraced(function* (
  kernel: Kernel,
  { isHost, ...place }: Omit<Place, "kernel" | "reader" | "namespace">,
  timeOffset: number
) {
  const { reader } = Context.get(kernel.host, FakeProcessTable.FakeProcessTable)
  const { hostname, isCovered, pidNamespace } = place
  const options = { hostname, pidNamespace, timeOffset, ...(isCovered ? { cover: {} } : {}) }
  const made: Place = { ...place, isHost, kernel, reader: yield* reader(options), namespace: (namespaces += 1) }
  return made
})

const hostOf = (kernel: Kernel) =>
  standAt(
    kernel,
    { isHost: true, isCovered: false, hostname: kernel.hostname, pidNamespace: FakeProcessTable.initialPidNamespace },
    0
  )

/** Makes a container whose namespace has one of three numbers, so that numbers are reused. */
const containerOf = Effect.fnUntraced(function* (kernel: Kernel) {
  const taken = new Set(kernel.places.map(({ pidNamespace }) => pidNamespace))
  const free = ["pid:[1]", "pid:[2]", "pid:[3]"].filter((number) => !taken.has(number))
  const pidNamespace = yield* Random.choice(free)
  const isCovered = yield* Random.choice([false, true])
  const hostname = yield* Random.choice([kernel.hostname, "container"])
  const timeOffset = yield* Random.choice([0, 0, 500])
  return yield* standAt(kernel, { isHost: false, isCovered, hostname, pidNamespace }, timeOffset)
})

/** Starts the places of a boot: the host and, if the kernel has containers, two of them. */
export const start = Effect.fnUntraced(function* (kernel: Kernel) {
  kernel.places = [yield* hostOf(kernel)]
  for (let count = 0; kernel.hasContainers && count < 2; count += 1) {
    kernel.places = [...kernel.places, yield* containerOf(kernel)]
  }
})

/** Replaces a container with another one, whose namespace may have the same number. */
export const restart = Effect.fnUntraced(function* (place: Place) {
  const { kernel, pidNamespace } = place
  yield* Context.get(kernel.host, FakeProcessTable.FakeProcessTable).endPidNamespace(pidNamespace)
  kernel.places = kernel.places.filter((other) => other !== place)
  kernel.places = [...kernel.places, yield* containerOf(kernel)]
})

export const tableOf = ({ host }: Kernel): FakeProcessTable.FakeProcessTable["Service"] =>
  Context.get(host, FakeProcessTable.FakeProcessTable)

/** Runs an effect as a program at a place. */
export const at =
  ({ reader }: Place) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideContext(effect, reader)

/**
 * `plain`: one host without containers. Its owners also write v1 and v2, which record no namespace. `clone`: the second
 * kernel is a copy of the first kernel's virtual machine state, with the same ids.
 */
export type Setting = "plain" | "two kernels" | "clone"

export const make = Effect.fnUntraced(function* (setting: Setting) {
  yield* makeVolume
  const isVirtual = setting === "clone"
  const build = Effect.fnUntraced(function* (
    options: FakeProcessTable.Options,
    rest: Pick<Kernel, "hostname" | "mounts" | "mayReboot" | "hasContainers">
  ) {
    const { hostname } = rest
    const table = FakeProcessTable.layerWith({ pidMax: 24, virtualMachine: isVirtual, hostname, ...options })
    const host = yield* Layer.build(Layer.fresh(table))
    const kernel: Kernel = { ...rest, host, isVirtual, boots: 0, isHiding: false, places: [] }
    yield* start(kernel)
    return kernel
  })
  if (setting === "plain") {
    return [yield* build({}, { hostname: "host", mounts: localMounts, mayReboot: true, hasContainers: false })]
  }
  const first = { hostname: "host", mounts: mountsOfFirst, mayReboot: true, hasContainers: true }
  // A reboot would end the clone, because it gives the kernel a boot id of its own.
  const second = { mounts: mountsOfSecond, mayReboot: !isVirtual, hasContainers: false }
  const other = isVirtual
    ? build({}, { ...second, hostname: "host" })
    : build({ kernel: 1, machineId: "e".repeat(32) }, { ...second, hostname: "other" })
  return [yield* build({}, first), yield* other]
})
