/** The system calls of a program that change a file system, traced by strace. */
import { Effect } from "effect"
import { execFile } from "node:child_process"
import * as Fs from "node:fs"

const opening = ["open", "openat", "openat2"]

const changing = `
  creat rename renameat renameat2 link linkat symlink symlinkat mknod mknodat unlink unlinkat mkdir mkdirat rmdir
  chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat futimesat
  truncate ftruncate fallocate setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
  mount umount2 move_mount fsopen open_tree`
  .trim()
  .split(/\s+/)

// With the question mark, strace ignores a call that the architecture doesn't have.
const traced = [...opening, ...changing].map((call) => `?${call}`).join(",")

const isChange = (line: string): boolean => {
  const call = /^\d+\s+(\w+)\(/.exec(line)?.[1]
  if (call === undefined) return false
  if (changing.includes(call)) return true
  return (
    opening.includes(call) && /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND/.test(line) && !line.includes('"/dev/null"')
  )
}

export interface Traced {
  readonly stdout: string
  readonly changes: ReadonlyArray<string>
  /** Number of lines in the trace, which is about the number of traced calls. */
  readonly calls: number
}

/**
 * Runs a command to its end and traces all its threads and children. Its output goes to open pipes, so printing isn't a
 * traced change.
 */
export const trace = (log: string, command: ReadonlyArray<string>): Effect.Effect<Traced, Error> =>
  Effect.callback((resume) => {
    // strace doesn't see calls that go through an io_uring. The compile cache would let Node itself write files.
    const env = { ...process.env, UV_USE_IO_URING: "0", NODE_COMPILE_CACHE: undefined }
    const child = execFile(
      "strace",
      ["-f", "-y", "-o", log, "-e", `trace=${traced}`, ...command],
      { env },
      (error, stdout, stderr) => {
        if (error !== null) return resume(Effect.fail(new Error(stderr || error.message)))
        const lines = Fs.readFileSync(log, "utf8").split("\n")
        resume(Effect.succeed({ stdout, changes: lines.filter(isChange), calls: lines.length }))
      }
    )
    return Effect.sync(() => child.kill())
  })
