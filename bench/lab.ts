/** Environment of a measurement: a directory on the real disk, owner processes, and a process for each contestant. */
import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ReadLine from "node:readline"
import type { Readable, Writable } from "node:stream"
import * as Owners from "./owners.ts"
import * as Roots from "./roots.ts"
import { buildNative, copyNative } from "../scripts/native.ts"
import { decode, type Sample } from "./sample.ts"

export interface Settings {
  readonly quick: boolean
  readonly full: boolean
  readonly rounds: number | undefined
  /** Only cases whose id contains this text are measured. */
  readonly only: string
}

export interface Lab {
  readonly settings: Settings
  readonly directory: string
  readonly owners: Owners.Owners
  /** The program that runs a contestant in Node. */
  readonly worker: string
  /** The compiled floor. `undefined` without a compiler. */
  readonly floor: string | undefined
  readonly say: (text: string) => void
}

export const repository = Path.resolve(import.meta.dirname, "..")

/** Name of the contestant in C, the only one that doesn't run in Node. */
export const floorName = "floor"

/** Directories in the warm-up root, which each process sweeps before the measured root. Half of them are dead. */
const warmUp = 100

export const hasCommand = (command: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(command, args, { stdio: "ignore" }).status === 0

const compile = (directory: string): string | undefined => {
  const output = `${directory}/floor`
  const source = `${import.meta.dirname}/floor.c`
  return ["cc", "gcc", "clang"].some((compiler) => hasCommand(compiler, "-O2", "-o", output, source))
    ? output
    : undefined
}

/** Bundles the contestants as JavaScript, like the published packages. Node strips no types during a measurement. */
const bundle = async (directory: string): Promise<string> => {
  const platform = `${repository}/packages/platform-linux`
  const { build } = await import("rolldown")
  await build({
    cwd: repository,
    input: "bench/worker.ts",
    platform: "node",
    external: ["koffi"],
    output: { dir: `${directory}/code`, format: "esm" },
    logLevel: "warn"
  })
  copyNative(buildNative(), `${directory}/code`)
  Fs.writeFileSync(`${directory}/package.json`, '{ "type": "module" }')
  // The bundle finds koffi through this link.
  Fs.symlinkSync(`${platform}/node_modules`, `${directory}/node_modules`)
  return `${directory}/code/worker.js`
}

export const open = async (settings: Settings): Promise<Lab & { readonly close: () => void }> => {
  const cache = `${repository}/node_modules/.cache`
  Fs.mkdirSync(cache, { recursive: true })
  const directory = Fs.mkdtempSync(`${cache}/vm-sentinel-bench-`)
  // Without a journal, ext4 skips each recently freed inode, one by one, in its search for a free inode. The attribute
  // T of `chattr(1)` lets ext4 spread the roots over block groups, away from freed inodes.
  spawnSync("chattr", ["+T", directory], { stdio: "ignore" })
  const owners = await Owners.make()
  const close = () => {
    owners.end()
    Roots.remove(directory)
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      close()
      process.exit(1)
    })
  }
  const worker = await bundle(directory)
  return { settings, directory, owners, worker, floor: compile(directory), say: (text) => console.error(text), close }
}

export interface Worker {
  readonly run: (root: string) => Promise<Sample>
  readonly end: () => Promise<void>
}

export interface StartOptions {
  readonly args?: ReadonlyArray<string>
  /** Command that starts the contestant, such as strace with its arguments. */
  readonly under?: ReadonlyArray<string>
  /** Options of Node. */
  readonly flags?: ReadonlyArray<string>
}

const commandOf = (
  lab: Lab,
  name: string,
  { args = [], flags = [], under = [] }: StartOptions
): ReadonlyArray<string> => {
  const { floor } = lab
  if (name !== floorName) return [...under, process.execPath, ...flags, lab.worker, name, ...args]
  if (floor === undefined) throw new Error("there is no compiler")
  return [...under, floor]
}

/** Starts a contestant, which loads its modules while it waits for its first root. */
export const start = (lab: Lab, name: string, options: StartOptions = {}): Worker => {
  const [command = "", ...args] = commandOf(lab, name, options)
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(command, args, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, NODE_NO_WARNINGS: "1" }
  })
  const exited = once(child, "exit")
  // A dead contestant has written its error to standard error, and `run` rejects. EPIPE adds nothing to that.
  child.stdin.on("error", () => undefined)
  const lines = ReadLine.createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    run: async (root) => {
      child.stdin.write(`${root}\n`)
      const line = await lines.next()
      if (line.done === true) throw new Error(`${name} ended before it answered`)
      return decode(line.value)
    },
    end: async () => {
      child.stdin.end()
      await exited
    }
  }
}

let made = 0

/** A path that no earlier root had. */
export const freshPath = (lab: Lab): string => `${lab.directory}/root-${++made}`

export const withRoot = async <A>(lab: Lab, spec: Roots.RootSpec, use: (root: string) => Promise<A>): Promise<A> => {
  const root = freshPath(lab)
  await Roots.build(root, spec, lab.owners)
  try {
    return await use(root)
  } finally {
    Roots.remove(root)
  }
}

const verify = (name: string, spec: Roots.RootSpec, root: string, { alive, removed }: Sample): void => {
  const dead = Roots.deadCount(spec)
  const left = Roots.remaining(root)
  if (removed === dead && alive === spec.size - dead && left === alive) return
  throw new Error(
    `${name}, ${Roots.idOf(spec)}: ${removed} of ${dead} removed, ${alive} of ${spec.size - dead} alive, ${left} left`
  )
}

export const warm = (lab: Lab, worker: Worker, kind: Owners.Kind): Promise<Sample> =>
  withRoot(lab, { size: warmUp, kind, dead: 50, files: 1 }, worker.run)

/** Measures one sweep of a root by a fresh, warmed-up process. `sync` runs first, so no pending writes slow it down. */
export const sample = async (
  lab: Lab,
  name: string,
  spec: Roots.RootSpec,
  root: string,
  options: StartOptions = {}
): Promise<Sample> => {
  const worker = start(lab, name, options)
  try {
    await warm(lab, worker, spec.kind)
    execFileSync("sync")
    const result = await worker.run(root)
    verify(name, spec, root, result)
    return result
  } finally {
    await worker.end()
  }
}

/** {@link sample} of a new root, which is removed afterwards. */
export const sampleFresh = (
  lab: Lab,
  name: string,
  spec: Roots.RootSpec,
  options: StartOptions = {}
): Promise<Sample> => withRoot(lab, spec, (root) => sample(lab, name, spec, root, options))
