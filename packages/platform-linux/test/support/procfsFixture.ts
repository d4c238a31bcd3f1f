/** A procfs of plain files, and a kernel that agrees with it. */
import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { Context, Effect, Layer, type Scope } from "effect"
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { ProcessWorld } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import { type Kernel, live } from "../../src/Kernel.ts"
import * as LinuxProcessInspector from "../../src/LinuxProcessInspector.ts"
import type { Trees } from "../../src/OpenTree.ts"
import type { Pidfds } from "../../src/Pidfd.ts"
import * as Scratch from "./scratch.ts"

export interface Process {
  readonly pid: Pid
  readonly id: bigint
  readonly tgid: number
  readonly state: string
  readonly threads: number
  readonly ticks: number
  readonly exitSignal: number
  /** `undefined`: the link exists, but a read of it fails with ENOENT, as for a zombie. */
  readonly exe: string | undefined
  readonly uid: number
  readonly comm: Uint8Array
  /** PIDs in nested namespaces, from the outermost (`NStgid`). */
  readonly pids: ReadonlyArray<number>
  readonly namespace: string
  /**
   * `no-exe`: `exe` can't be read. `hidden`: `/proc` doesn't show the process, and kill(2) fails with EPERM. `gone`:
   * the PID is free.
   */
  readonly access: "all" | "no-exe" | "hidden" | "gone"
}

export const ownNamespace = "pid:[4026531836]"
export const now = 1_700_000_000_000
/** Seconds since boot. */
export const uptime = 5000
const procfsMagic = 0x9fa0
const pidfsMagic = 0x50494446

const encoder = new TextEncoder()

/** A line as `proc_pid_stat(5)` describes it. */
export const statOf = (process: Process): Uint8Array =>
  Buffer.concat([
    Buffer.from(`${process.pid} (`),
    process.comm,
    Buffer.from(
      `) ${process.state} 1 1 1 0 -1 4194560 110 0 0 0 3 4 0 0 20 0 ${process.threads} 0 ${process.ticks} 5873664 ` +
        `226 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 ${process.exitSignal} 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n`
    )
  ])

/** Text as `proc_pid_status(5)` describes it. In the name, only newlines and backslashes are escaped. */
export const statusOf = (process: Process): Uint8Array =>
  Buffer.concat([
    Buffer.from("Name:\t"),
    Buffer.from(
      Buffer.from(process.comm).toString("latin1").replaceAll("\\", "\\\\").replaceAll("\n", "\\n"),
      "latin1"
    ),
    Buffer.from(
      `\nUmask:\t0022\nState:\t${process.state} (sleeping)\nTgid:\t${process.tgid}\nNgid:\t0\nPid:\t${process.pid}\n` +
        `PPid:\t1\nTracerPid:\t0\nUid:\t99\t${process.uid}\t98\t97\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t0 4 20 \n` +
        `NStgid:\t${process.pids.join("\t")}\nNSpid:\t${process.pids.join("\t")}\nVmSize:\t5736 kB\nThreads:\t1\n`
    )
  ])

export const failed = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code })

export interface Answers {
  readonly kernel: Kernel
  readonly pidfds: Pidfds
}

export interface FixtureService {
  readonly root: string
  readonly kernel: Kernel
  readonly pidfds: Pidfds
  readonly machineIdFile: string
  readonly sysRoot: string
  readonly write: (path: string, content: string | Uint8Array) => void
  readonly link: (path: string, target: string) => void
  readonly remove: (path: string) => void
  readonly add: (process?: Partial<Process>) => Process
  readonly change: (pid: number, changes: Partial<Process>) => void
  /** Number of descriptors that were opened and not closed. */
  readonly leaked: () => number
  /** The arguments of kill(2), in order. */
  readonly killed: ReadonlyArray<number>
}

export class Fixture extends Context.Service<Fixture, FixtureService>()("test/Fixture") {}

export const make: Effect.Effect<FixtureService, never, Scope.Scope> = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(Scratch.base, "vm-sentinel-procfs-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const root = join(folder, "proc")
  const table = new Map<number, Process>()
  const descriptors = new Map<number, Process | "file">()
  const killed: Array<number> = []
  let nextPid = 100
  let nextId = 1000n
  let nextDescriptor = 1_000_000

  const write = (path: string, content: string | Uint8Array) => {
    mkdirSync(join(root, path, ".."), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  const remove = (path: string) => rmSync(join(root, path), { recursive: true, force: true })
  const link = (path: string, target: string) => {
    mkdirSync(join(root, path, ".."), { recursive: true })
    remove(path)
    symlinkSync(target, join(root, path))
  }
  for (const name of ["one", "other"]) writeFileSync(join(folder, name), "")

  const show = (process: Process) => {
    remove(`${process.pid}`)
    if (process.access === "gone" || process.access === "hidden") return
    write(`${process.pid}/stat`, statOf(process))
    write(`${process.pid}/status`, statusOf(process))
    if (process.exe !== undefined) link(`${process.pid}/exe`, process.exe)
    link(`${process.pid}/ns/pid`, process.namespace)
    for (const kind of ["time", "time_for_children"]) link(`${process.pid}/ns/${kind}`, "time:[4026531834]")
    write(`${process.pid}/timens_offsets`, "monotonic           0         0\nboottime            0         0\n")
  }
  const add = (changes: Partial<Process> = {}): Process => {
    const pid = changes.pid ?? Pid.make(nextPid++)
    const process: Process = {
      pid,
      id: nextId++,
      tgid: pid,
      state: "S",
      threads: 1,
      ticks: 1000 + Number(nextId % 100_000n),
      exitSignal: 17,
      exe: join(folder, "one"),
      uid: 0,
      comm: encoder.encode("one"),
      pids: [pid],
      namespace: ownNamespace,
      access: "all",
      ...changes
    }
    table.set(pid, process)
    show(process)
    return process
  }
  const find = (pid: number) => {
    const process = table.get(pid)
    return process?.access === "gone" ? undefined : process
  }
  const change = (pid: number, changes: Partial<Process>) => {
    const process = table.get(pid)
    if (process === undefined) throw new Error(`no process ${pid}`)
    const changed = { ...process, ...changes }
    table.set(pid, changed)
    show(changed)
  }
  const kill = (pid: number) => {
    killed.push(pid)
    const process = find(pid)
    return process === undefined ? "ESRCH" : process.access === "hidden" ? "EPERM" : undefined
  }

  const kernel: Kernel = {
    ...live,
    open: (path) => {
      const fd = live.open(path)
      descriptors.set(fd, "file")
      return fd
    },
    close: (fd) => {
      descriptors.delete(fd)
      live.close(fd)
    },
    readLink: (path) => {
      const process = find(Number(/\/([0-9]+)\/exe$/.exec(path)?.[1]))
      if (process?.access === "no-exe") throw failed("EACCES")
      return live.readLink(path)
    },
    fileSystemType: (path) => {
      const opened = descriptors.get(Number(/^\/proc\/self\/fd\/([0-9]+)$/.exec(path)?.[1]))
      return opened === undefined || opened === "file" ? procfsMagic : pidfsMagic
    },
    kill,
    hostname: () => "fixture",
    now: () => now
  }
  const pidfds: Pidfds = {
    open: (pid) => {
      const process = find(pid)
      if (process === undefined) return "ESRCH"
      if (process.tgid !== pid) return "ENOENT"
      descriptors.set(nextDescriptor, process)
      return nextDescriptor++
    },
    hasExited: (fd) => {
      const opened = descriptors.get(fd)
      if (opened === undefined || opened === "file") return "EBADF"
      const process = table.get(opened.pid)
      if (process?.id !== opened.id || process.access === "gone") return true
      // A pidfd reports no exit during an execve(2) by a thread. The leader is in state Z, but the kernel examines the
      // thread group, which isn't empty.
      return process.state === "Z" && process.threads === 1
    },
    inode: (fd) => {
      const opened = descriptors.get(fd)
      if (opened === undefined || opened === "file") throw failed("EBADF")
      return opened.id
    },
    close: (fd) => void descriptors.delete(fd),
    kill
  }

  write("sys/kernel/random/boot_id", "01234567-89ab-4cde-8f01-23456789abcd\n")
  write("uptime", `${uptime}.00 9999.00\n`)
  write("cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vme de\nbugs\t\t:\n\n")
  write("machine-id", "00112233445566778899aabbccddeeff\n")
  add({ pid: Pid.make(1), ticks: 3 })
  add({ pid: Pid.make(process.pid) })
  link("self", `${process.pid}`)
  write(`${process.pid}/mountinfo`, `22 27 0:21 / ${root} rw,relatime - proc proc rw\n`)
  return {
    root,
    kernel,
    pidfds,
    machineIdFile: join(root, "machine-id"),
    sysRoot: join(folder, "sys"),
    write,
    link,
    remove,
    add,
    change,
    leaked: () => descriptors.size,
    killed
  }
})

/** Replaces parts of the fixture. */
export interface Overrides {
  readonly kernel?: Partial<Kernel>
  readonly pidfds?: Partial<Pidfds>
  readonly trees?: Trees
}

export const optionsOf = (fixture: FixtureService, kind: "pidfd" | "procfs", overrides: Overrides = {}) => ({
  root: fixture.root,
  machineIdFiles: [fixture.machineIdFile],
  sysRoot: fixture.sysRoot,
  trees: () => overrides.trees,
  kernel: { ...fixture.kernel, ...overrides.kernel },
  pidfds: kind === "pidfd" ? () => ({ ...fixture.pidfds, ...overrides.pidfds }) : undefined
})

export const layer = (kind: "pidfd" | "procfs") =>
  Layer.unwrap(
    Effect.map(Effect.service(Fixture), (fixture) => LinuxProcessInspector.layerWith(optionsOf(fixture, kind)))
  ).pipe(Layer.provideMerge(Layer.effect(Fixture, make)))

const fdinfo = (locks: string) => `pos:\t0\nflags:\t0100000\nmnt_id:\t22\nino:\t2\n${locks}`

const use = <A>(f: (fixture: FixtureService) => A) => Effect.map(Effect.service(Fixture), f)

const other = (fixture: FixtureService) => join(fixture.root, "..", "other")

export const world: ProcessWorld<Fixture> = {
  spawn: use(({ add }) => add().pid),
  exit: (pid) => use(({ change }) => change(pid, { access: "gone" })),
  zombify: (pid) => use(({ change }) => change(pid, { state: "Z", exe: undefined })),
  stop: (pid) => use(({ change }) => change(pid, { state: "T" })),
  recycle: (pid, executable) =>
    use((fixture) => {
      fixture.change(pid, { access: "gone" })
      fixture.add({ pid, ticks: 400_000, ...(executable === "other" ? { exe: other(fixture) } : {}) })
    }),
  thread: use(({ add }) => {
    const process = add({ threads: 2 })
    const thread = add({ tgid: process.pid, threads: 2, exitSignal: -1, ticks: process.ticks + 1 })
    return { process: process.pid, thread: thread.pid }
  }),
  leaderExited: use(({ add }) => add({ state: "Z", threads: 2, exe: undefined }).pid),
  reexec: use((fixture) => {
    const { pid } = fixture.add()
    return { pid, exec: Effect.sync(() => fixture.change(pid, { exe: other(fixture) })) }
  }),
  otherUser: use(({ add }) => add({ uid: 1000, access: "no-exe" }).pid),
  hidden: use(({ add }) => add({ access: "hidden" }).pid),
  lockHolder: use((fixture) => {
    const { pid } = fixture.add()
    const path = join(fixture.root, "..", `locked-${pid}`)
    mkdirSync(path)
    const { dev, ino } = statSync(path, { bigint: true })
    fixture.link(`${pid}/fd/0`, "/dev/null")
    fixture.link(`${pid}/fd/7`, path)
    fixture.write(`${pid}/fdinfo/0`, fdinfo("lock:\t1: POSIX  ADVISORY  WRITE 9 00:01:2 0 EOF\n"))
    // As on btrfs, the device in `fdinfo` isn't the one that `stat(2)` returns.
    fixture.write(`${pid}/fdinfo/7`, fdinfo(`lock:\t1: FLOCK  ADVISORY  READ ${pid} 00:99:${ino} 0 EOF\n`))
    const free = Effect.sync(() => fixture.write(`${pid}/fdinfo/7`, fdinfo("")))
    return { pid, directory: { dev: `${dev}`, ino: `${ino}` }, free }
  })
}
