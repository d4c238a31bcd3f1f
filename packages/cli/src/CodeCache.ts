/**
 * The program as V8 compiled it, kept from one run for the next: compiling takes longer than all else that a short run
 * does. It lies beside the program, and is trusted as that is: who could write there could change the program itself.
 */
import * as Fs from "node:fs"
import { createRequire, Module, wrap } from "node:module"
import * as Path from "node:path"
import { Script } from "node:vm"

/** Milliseconds. What a longer run needed at its start, V8 may have thrown away by its end. */
const longestRun = 1000

/** A command that only looks writes nothing, this neither. */
const writes = ([command = "", ...rest]: ReadonlyArray<string>): boolean =>
  ["sweep", "reclaim", "write", "run"].includes(command) && !rest.includes("--dry-run")

const othersMayWrite = 0o022

/** `undefined` where there is none, and where others could have made it than made the program. */
const read = (path: string, program: Fs.Stats): Buffer | undefined => {
  let file: number | undefined
  try {
    file = Fs.openSync(path, Fs.constants.O_RDONLY | Fs.constants.O_NOFOLLOW | Fs.constants.O_NONBLOCK)
    const stats = Fs.fstatSync(file)
    const isTheirs = stats.uid !== program.uid || (stats.mode & ~program.mode & othersMayWrite) !== 0
    return stats.isFile() && !isTheirs ? Fs.readFileSync(file) : undefined
  } catch {
    return undefined
  } finally {
    if (file !== undefined) Fs.closeSync(file)
  }
}

/** Whole, or not at all: V8 runs what it reads unseen. */
const write = (path: string, data: Buffer): void => {
  const unfinished = `${path}.${process.pid}`
  const file = Fs.openSync(unfinished, "wx", 0o644)
  try {
    Fs.writeFileSync(file, data)
    Fs.fsyncSync(file)
    Fs.renameSync(unfinished, path)
  } catch (cause) {
    Fs.unlinkSync(unfinished)
    throw cause
  } finally {
    Fs.closeSync(file)
  }
}

/** V8 takes what was compiled by itself and with the same flags, no other. */
const tag = [process.version, process.arch, ...process.execArgv]
  .join("")
  .replaceAll(/[^\w.-]/g, "")
  .slice(0, 128)

/**
 * Loads a CommonJS file, whose name is to change when its content does, and gives what its own `require` is. Others that
 * require it from then on get it.
 */
export const load = (path: string): NodeJS.Require => {
  const isEnabled = process.env["NODE_DISABLE_COMPILE_CACHE"] === undefined
  const program = Fs.statSync(path)
  const cache = `${path}.${tag}.cache`
  const cachedData = isEnabled ? read(cache, program) : undefined
  const script = new Script(wrap(Fs.readFileSync(path, "latin1")), {
    filename: path,
    ...(cachedData === undefined ? {} : { cachedData })
  })
  const module = new Module(path)
  const require = createRequire(path)
  require.cache[path] = module
  script.runInThisContext().call(module.exports, module.exports, require, module, path, Path.dirname(path))
  const isKept = cachedData !== undefined && script.cachedDataRejected === false
  if (isEnabled && !isKept && process.geteuid?.() === program.uid && writes(process.argv.slice(2))) {
    process.once("exit", (code) => {
      if (code !== 0 || performance.now() >= longestRun) return
      try {
        write(cache, script.createCachedData())
      } catch {
        // Where it can't be written, the next run compiles again.
      }
    })
  }
  return require
}
