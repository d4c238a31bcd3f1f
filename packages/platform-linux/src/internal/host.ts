/** Reads facts about the kernel and the machine from `/proc`, `/etc` and `/sys`. */
import type { Trees } from "../OpenTree.ts"
import { isProcfs, type KernelFile, read, readHead, readKernelFile, readLineOf, type Source, told } from "./procfs.ts"

/** The procfs, and the other sources of facts about the host. */
export interface HostSource extends Source {
  /** Loads the call. `undefined`: no native code. */
  readonly trees: () => Trees | undefined
  /** Mount point of the sysfs. */
  readonly sysRoot: string
  readonly machineIdFiles: ReadonlyArray<string>
}

const bootIdFile = "sys/kernel/random/boot_id"

const readId = (source: Source, fd: number): string => readHead(source, fd, 256).trim()

const isBootId = (id: string | undefined): id is string => id !== undefined && /^[0-9a-f-]{36}$/.test(id)

/** The boot id below everything that is mounted over it, by a clone of the procfs mount without its submounts. */
const readUncovered = (source: HostSource): string | undefined => {
  const { root } = source
  const trees = source.trees()
  const tree = trees?.open(root)
  if (trees === undefined || typeof tree !== "number") return undefined
  try {
    return read(source, `/proc/self/fd/${tree}/${bootIdFile}`, (fd) =>
      isProcfs(source, `/proc/self/fd/${fd}`) ? readId(source, fd) : undefined
    )
  } finally {
    trees.close(tree)
  }
}

/** The kernel's own boot id. `systemd-nspawn` and LXC mount a file of their own over the kernel's file. */
export const readBootId = (source: HostSource): KernelFile<string> => {
  const own = readKernelFile(source, bootIdFile, (fd) => readId(source, fd))
  if ("problem" in own) {
    const uncovered = readUncovered(source)
    return isBootId(uncovered) ? { value: uncovered } : own
  }
  return isBootId(own.value) ? own : { problem: `${source.root}/${bootIdFile} holds no boot id`, isTransient: false }
}

const isMachineId = (id: string): boolean => /^[0-9a-f]{32}$/.test(id) && !/^0+$/.test(id)

/**
 * The id of `machine-id(5)`. The file holds `uninitialized` during a first boot. In an image the file may be empty or
 * hold only zeros.
 */
export const readMachineId = (source: HostSource): KernelFile<string> => {
  for (const path of source.machineIdFiles) {
    const id = readLineOf(source, path)
    if ("value" in id ? isMachineId(id.value) : id.isTransient) return id
  }
  return { problem: "there is no machine id", isTransient: false }
}

/** Bytes of `cpuinfo` that are read. They hold the first processors. */
const cpuinfoBytes = 16_384

/** The complete `flags` lines, which only x86 has. The flag `hypervisor` marks a processor that a hypervisor shows. */
const flagsOf = (cpuinfo: string): ReadonlyArray<ReadonlyArray<string>> =>
  [...cpuinfo.matchAll(/^flags\t*: (.*)\n/gm)].map(([, flags = ""]) => flags.split(" "))

// Firmware names of virtual machines, as `systemd-detect-virt` has them. Any other name proves nothing, because clouds
// give their names to bare metal, too.
const virtualFirmware =
  /QEMU|KVM|VMware|VirtualBox|innotek GmbH|Xen|Bochs|Parallels|BHYVE|Virtual Machine|Apple Virtualization|Google Compute/

/**
 * Whether this is a virtual machine. `false`: an x86 machine shows none of the signs below. A hypervisor can hide them.
 * `undefined`: not known.
 */
export const readVirtualMachine = (source: HostSource): boolean | undefined => {
  const { kernel, root, sysRoot } = source
  const hypervisor = `${sysRoot}/hypervisor/type`
  const signs = [
    told(hypervisor, () => kernel.exists(hypervisor)),
    ...["sys_vendor", "product_name"].map((name) => readLineOf(source, `${sysRoot}/class/dmi/id/${name}`))
  ]
  const isSign = (value: boolean | string) => (typeof value === "string" ? virtualFirmware.test(value) : value)
  if (signs.some((sign) => "value" in sign && isSign(sign.value))) return true
  // A sign that wasn't read for want of a resource may be there.
  if (signs.some((sign) => "problem" in sign && sign.isTransient)) return undefined
  const own = readKernelFile(source, "cpuinfo", (fd) => readHead(source, fd, cpuinfoBytes))
  // lxcfs mounts a file with fewer processors over `cpuinfo`. The `hypervisor` flag in such a file is still true.
  const cpuinfo =
    "value" in own ? own.value : read(source, `${root}/cpuinfo`, (fd) => readHead(source, fd, cpuinfoBytes))
  if (cpuinfo === undefined) return undefined
  const flags = flagsOf(cpuinfo)
  if (/^vendor_id\t*: User Mode Linux$/m.test(cpuinfo) || flags.some((each) => each.includes("hypervisor"))) return true
  return "value" in own && flags.length > 0 ? false : undefined
}
