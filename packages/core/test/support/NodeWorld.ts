import { Effect } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { Missing } from "./able.ts"
import type { World } from "./World.ts"

const run = (command: string, ...args: ReadonlyArray<string>): void => {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`)
}

const attempt = <A>(make: () => A): Effect.Effect<A> => Effect.sync(make)

const base = Fs.realpathSync(Os.tmpdir())
const temporary = (): string => Fs.mkdtempSync(Path.join(base, "vm-sentinel-test-"))

/** The scratch directory that contains a path. */
const scratchOf = (path: string): string => Path.join(base, path.slice(base.length + 1).split("/")[0] ?? "")

const works = (probe: (directory: string) => void): boolean => {
  const directory = temporary()
  try {
    probe(directory)
    return true
  } catch {
    return false
  } finally {
    Fs.rmSync(directory, { recursive: true, force: true })
  }
}

const isRoot = process.geteuid?.() === 0
const notRoot = new Missing("not root")

const canMount =
  isRoot &&
  works((directory) => {
    Fs.mkdirSync(`${directory}/a`)
    Fs.mkdirSync(`${directory}/b`)
    run("mount", "--bind", `${directory}/a`, `${directory}/b`)
    run("umount", `${directory}/b`)
  })

const overlay = (source: string, target: string): ReadonlyArray<string> => {
  const empty = `${scratchOf(target)}/.empty`
  Fs.mkdirSync(empty, { recursive: true, mode: 0o700 })
  return ["-t", "overlay", "overlay", "-o", `ro,lowerdir=${source}:${empty}`, target]
}

const canOverlay =
  isRoot &&
  works((directory) => {
    Fs.mkdirSync(`${directory}/a`)
    Fs.mkdirSync(`${directory}/b`)
    run("mount", ...overlay(`${directory}/a`, `${directory}/b`))
    run("umount", `${directory}/b`)
  })

const canMakeImmutable =
  isRoot &&
  works((directory) => {
    Fs.writeFileSync(`${directory}/a`, "")
    run("chattr", "+i", `${directory}/a`)
    run("chattr", "-i", `${directory}/a`)
  })

/** A FUSE file system without a server. It ends with its process. Then every call that waits for it fails. */
const hang = `exec 3<>/dev/fuse
mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung "$1" && echo mounted && exec sleep "$2"`

const hung = (target: string, seconds: number) =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.callback<ChildProcess>((resume) => {
        const child = spawn("sh", ["-c", hang, "sh", target, `${seconds}`], { stdio: ["ignore", "pipe", "inherit"] })
        child.stdout.once("data", () => resume(Effect.succeed(child)))
        child.once("exit", () => resume(Effect.die(new Error(`nothing mounted on ${target}`))))
      }),
      (child) =>
        Effect.callback<void>((resume) => {
          // The test may have moved the mount point. Then the removal of the scratch directory unmounts it.
          spawnSync("umount", ["--lazy", "--internal-only", target])
          if (child.exitCode !== null) return resume(Effect.void)
          child.once("close", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    )
  )

const canHang =
  isRoot &&
  works((directory) => {
    run("sh", "-c", hang, "sh", directory, "0")
    run("umount", "--lazy", "--internal-only", directory)
  })

const kindOf = (path: string): string => {
  const stat = Fs.lstatSync(path)
  if (stat.isFile()) return stat.size > 1_000_000 ? `${stat.size} bytes` : Fs.readFileSync(path, "utf8")
  if (stat.isSymbolicLink()) return `-> ${Fs.readlinkSync(path)}`
  if (stat.isDirectory()) return "directory"
  if (stat.isFIFO()) return "fifo"
  return stat.isSocket() ? "socket" : "device"
}

const describe = (path: string): Record<string, string> => {
  const found: Record<string, string> = {}
  const visit = (at: string): void => {
    for (const name of Fs.readdirSync(Path.join(path, at)).sort()) {
      const below = at === "" ? name : `${at}/${name}`
      const kind = kindOf(Path.join(path, below))
      found[below] = kind
      if (kind === "directory") visit(below)
    }
  }
  visit("")
  return found
}

const stubborn = (path: string) =>
  Effect.acquireRelease(
    attempt(() => {
      Fs.mkdirSync(path, { mode: 0o700 })
      Fs.writeFileSync(`${path}/kept`, "kept")
      run("chattr", "+i", `${path}/kept`)
      return Fs.statSync(path).ino
    }),
    // The test may have moved the directory inside its scratch directory.
    (ino) =>
      attempt(() => {
        const found = spawnSync("find", [scratchOf(path), "-inum", `${ino}`], { encoding: "utf8" }).stdout.split("\n")
        for (const directory of found.filter((line) => line !== "")) run("chattr", "-i", `${directory}/kept`)
      })
  )

const frozen = (path: string) =>
  Effect.acquireRelease(
    attempt(() => run("chattr", "+i", path)),
    () => attempt(() => run("chattr", "-i", path))
  )

const mounted = (target: string, ...options: ReadonlyArray<string>) =>
  Effect.asVoid(
    Effect.acquireRelease(
      attempt(() => run("mount", ...options)),
      () => attempt(() => spawnSync("umount", [target]))
    )
  )

const overlaid = (source: string, target: string) => Effect.suspend(() => mounted(target, ...overlay(source, target)))

/**
 * Unmounts what a failing test left mounted, before the scratch directory is removed. The removal must not reach into a
 * mount.
 */
const unmountAll = (directory: string): void => {
  if (!canMount) return
  const mounts = Fs.readFileSync("/proc/self/mountinfo", "utf8").split("\n")
  const inside = mounts.map((line) => line.split(" ")[4] ?? "").filter((path) => path.startsWith(`${directory}/`))
  for (const path of inside.toReversed()) run("umount", "--lazy", "--internal-only", path)
}

const scratch = Effect.acquireRelease(attempt(temporary), (directory) =>
  attempt(() => {
    unmountAll(directory)
    Fs.rmSync(directory, { recursive: true, force: true })
  })
)

const nobody = 65_534

/** Runs an act as root while the effective user is another one. */
const asRoot = (act: () => void): void => {
  const uid = process.geteuid?.() ?? 0
  process.seteuid?.(0)
  try {
    act()
  } finally {
    process.seteuid?.(uid)
  }
}

const ordinary = Effect.tap(scratch, (directory) =>
  Effect.acquireRelease(
    attempt(() => {
      Fs.chownSync(directory, nobody, nobody)
      process.seteuid?.(nobody)
    }),
    () => attempt(() => process.seteuid?.(0))
  )
)

/** The real file system, below a temporary directory. */
export const world: World = {
  scratch,
  directory: (path, mode = 0o700) =>
    attempt(() => {
      Fs.mkdirSync(path, { recursive: true, mode: 0o700 })
      Fs.chmodSync(path, mode)
    }),
  file: (path, content, mode = 0o600) =>
    attempt(() => {
      Fs.mkdirSync(Path.dirname(path), { recursive: true, mode: 0o700 })
      Fs.writeFileSync(path, content, { mode: 0o600 })
      Fs.chmodSync(path, mode)
    }),
  symlink: (path, target) => attempt(() => Fs.symlinkSync(target, path)),
  hardLink: (path, existing) => attempt(() => Fs.linkSync(existing, path)),
  fifo: (path) => attempt(() => run("mkfifo", path)),
  socket: (path) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.callback<Net.Server>((resume) => {
          const server = Net.createServer()
          server.listen(path, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      )
    ),
  sparse: (path, size) => attempt(() => run("truncate", "-s", `${size}`, path)),
  move: (from, to) => attempt(() => Fs.renameSync(from, to)),
  remove: (path) => attempt(() => Fs.rmSync(path, { recursive: true })),
  setMode: (path, mode) => attempt(() => Fs.chmodSync(path, mode)),
  setTime: (path, modifiedAt) => attempt(() => Fs.lutimesSync(path, modifiedAt / 1000, modifiedAt / 1000)),
  tree: (path) => attempt(() => describe(path)),
  permissions: !isRoot,
  device: isRoot ? (path) => attempt(() => run("mknod", path, "c", "1", "5")) : notRoot,
  setOwner: isRoot ? (path, uid) => attempt(() => asRoot(() => Fs.lchownSync(path, uid, uid))) : notRoot,
  ordinary: isRoot ? ordinary : scratch,
  // The Disk makes the entries of its own user writable, so only an immutable file can resist it.
  stubborn: !isRoot ? notRoot : canMakeImmutable ? stubborn : new Missing("no immutable files here"),
  frozen: !isRoot ? notRoot : canMakeImmutable ? frozen : new Missing("no immutable files here"),
  bindMount: canMount
    ? (source, target) => mounted(target, "--bind", source, target)
    : isRoot
      ? new Missing("no bind mounts here")
      : notRoot,
  ...(process.platform === "linux" ? { otherView: canOverlay ? overlaid : new Missing("no overlays here") } : {}),
  ...(process.platform === "linux"
    ? { hungMount: canHang ? (target: string) => hung(target, 20) : new Missing(isRoot ? "no FUSE here" : "not root") }
    : {}),
  copy: (from, to) => attempt(() => run("cp", "-a", from, to)),
  ...(process.platform === "linux"
    ? {
        remote: Effect.succeed("/proc"),
        rawFile: (directory, name, content) =>
          attempt(() => Fs.writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), name]), content, { mode: 0o600 }))
      }
    : {})
}
