/** Things that people, programs and file systems may put into a directory. Each furnisher makes one of them. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import type { Random } from "@vm-sentinel/platform-linux/test/support/random"

export interface Place {
  /** The VM directory. */
  readonly path: string
  /** A directory beside the root, which nothing may touch. */
  readonly canary: string
  readonly random: Random
  readonly inscribe: () => string
}

/** Whether a sweep can remove a dead directory with this in it. `undefined` if both are right. */
export type Removable = boolean | undefined

export interface Furnisher {
  readonly name: string
  readonly removable: Removable
  readonly make: (place: Place) => Promise<void> | void
}

const bytes = (path: string, ...name: ReadonlyArray<number>): Buffer =>
  Buffer.concat([Buffer.from(`${path}/`), Buffer.from(name)])

const run = (command: string, ...args: ReadonlyArray<string>): void =>
  void execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] })

const oddNames = [
  [0x0a],
  [0xff, 0xfe, 0x80],
  [0xc3, 0x28],
  [0x1b, 0x5b, 0x32, 0x4a],
  [0x2d, 0x72, 0x66],
  [0x20],
  [0x2e, 0x2e, 0x2e],
  Array.from({ length: 255 }, () => 0x6e),
  Array.from({ length: 255 }, (_, index) => (index % 2 === 0 ? 0xe2 : 0x0a))
]

const daemons = new Set<ChildProcess>()
const points = new Set<string>()

const isMounted = (point: string): boolean => Fs.statSync(point).dev !== Fs.statSync(Path.dirname(point)).dev

/** Mounts a view through FUSE, whose process is then stopped or killed. */
const viewed = async (point: string, canary: string, signal: "SIGSTOP" | "SIGKILL"): Promise<void> => {
  Fs.mkdirSync(point, { recursive: true, mode: 0o700 })
  const daemon = spawn("bindfs", ["-f", "-o", "nonempty", canary, point], { stdio: "ignore" })
  daemons.add(daemon)
  points.add(point)
  while (!isMounted(point)) {
    if (daemon.exitCode !== null) throw new Error("bindfs can't mount")
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  daemon.kill(signal)
}

/** Ends all mounts. After that no call hangs. */
export const unmountAll = (): void => {
  for (const daemon of daemons) daemon.kill("SIGKILL")
  for (const point of points) spawnSync("umount", ["-l", point])
  daemons.clear()
  points.clear()
}

/** Picks a directory for the thing: the VM directory itself, or one in it. */
const inside = ({ path, random }: Place): string => {
  const at = random.pick([path, `${path}/data`, `${path}/data/deep/er`])
  Fs.mkdirSync(at, { recursive: true, mode: 0o700 })
  return at
}

export const crowd: Furnisher = {
  name: "100 000 names",
  removable: true,
  make: (place) => {
    const at = `${place.path}/many`
    Fs.mkdirSync(at)
    for (let index = 0; index < 100_000; index++) Fs.closeSync(Fs.openSync(`${at}/${index}`, "w"))
  }
}

export const furnishers: ReadonlyArray<Furnisher> = [
  {
    name: "odd names",
    removable: true,
    make: (place) => {
      const at = inside(place)
      for (const name of oddNames) {
        if (place.random.below(2) === 0) Fs.mkdirSync(bytes(at, ...name))
        else Fs.writeFileSync(bytes(at, ...name), "odd")
      }
    }
  },
  {
    name: "symbolic links",
    removable: true,
    make: (place) => {
      const at = inside(place)
      const targets = [place.canary, `${place.canary}/file`, "/", ".", "..", "loop", "/nonexistent", "/proc/self/fd/0"]
      for (const [index, target] of targets.entries()) Fs.symlinkSync(target, `${at}/link${index}`)
      Fs.symlinkSync("loop", `${at}/loop`)
    }
  },
  {
    name: "devices, sockets and FIFOs",
    removable: true,
    make: async (place) => {
      const at = inside(place)
      run("mknod", `${at}/null`, "c", "1", "3")
      run("mknod", `${at}/disk`, "b", "7", "77")
      run("mkfifo", `${at}/fifo`)
      // A socket's path has at most 107 bytes.
      const short = `/proc/self/fd/${Fs.openSync(at, "r")}`
      const server = Net.createServer().listen(`${short}/listening`)
      await new Promise((resolve) => server.once("listening", resolve))
      Fs.renameSync(`${at}/listening`, `${at}/socket`)
      server.close()
      Fs.closeSync(Number(short.slice("/proc/self/fd/".length)))
    }
  },
  {
    name: "immutable parts",
    removable: false,
    make: (place) => {
      const at = inside(place)
      Fs.writeFileSync(`${at}/immutable`, "")
      Fs.mkdirSync(`${at}/append-only`)
      Fs.writeFileSync(`${at}/append-only/log`, "")
      run("chattr", "+i", `${at}/immutable`)
      run("chattr", "+a", `${at}/append-only`)
    }
  },
  {
    name: "read-only parts of others",
    removable: true,
    make: (place) => {
      const at = inside(place)
      Fs.mkdirSync(`${at}/others/inner`, { recursive: true })
      Fs.writeFileSync(`${at}/others/file`, "")
      Fs.chownSync(`${at}/others/file`, 65_534, 65_534)
      Fs.chownSync(`${at}/others/inner`, 65_534, 65_534)
      Fs.chmodSync(`${at}/others/inner`, 0)
      Fs.chmodSync(`${at}/others`, 0o555)
    }
  },
  {
    name: "another owner",
    removable: undefined,
    make: ({ path }) => Fs.chownSync(path, 65_534, 65_534)
  },
  {
    name: "many sentinels",
    removable: undefined,
    make: ({ inscribe, path }) => {
      for (let index = 0; index < 2000; index++) {
        Fs.writeFileSync(`${path}/.vm-sentinel.r${index}`, inscribe(), { mode: 0o600 })
      }
    }
  },
  {
    name: "sentinels that are none",
    removable: undefined,
    make: (place) => {
      const { path, random } = place
      const sentinel = `${path}/.vm-sentinel${random.pick(["", ".helper"])}`
      Fs.rmSync(sentinel, { force: true })
      random.pick([
        () => run("mkfifo", sentinel),
        () => Fs.mkdirSync(sentinel),
        () => Fs.symlinkSync(`${place.canary}/file`, sentinel),
        () => run("mknod", sentinel, "c", "1", "5"),
        () => Fs.writeFileSync(sentinel, "", { mode: 0o600 }),
        () => Fs.writeFileSync(sentinel, "1".repeat(100_000), { mode: 0o600 }),
        () => Fs.writeFileSync(sentinel, Buffer.from([0x31, 0x0a, 0, 0xff]), { mode: 0o600 })
      ])()
    }
  },
  {
    name: "a deep tree",
    removable: true,
    make: ({ path }) => {
      const here = process.cwd()
      process.chdir(path)
      for (let depth = 0; depth < 800; depth++) {
        Fs.mkdirSync("deeper-and-deeper")
        process.chdir("deeper-and-deeper")
      }
      process.chdir(here)
    }
  },
  {
    name: "a bind mount of the canary",
    removable: false,
    make: (place) => {
      const at = `${inside(place)}/mount`
      Fs.mkdirSync(at)
      run("mount", "--bind", place.canary, at)
      points.add(at)
    }
  },
  {
    name: "a dead mount",
    removable: false,
    make: (place) => viewed(`${inside(place)}/dead-mount`, place.canary, "SIGKILL")
  },
  { name: "a dead mount over it", removable: false, make: ({ canary, path }) => viewed(path, canary, "SIGKILL") }
]

/** Mounts that never answer. */
export const hungMounts: ReadonlyArray<Furnisher> = [
  {
    name: "a hung mount",
    removable: false,
    make: (place) => viewed(`${inside(place)}/hung-mount`, place.canary, "SIGSTOP")
  },
  { name: "a hung mount over it", removable: false, make: ({ canary, path }) => viewed(path, canary, "SIGSTOP") }
]
