/**
 * System calls for one directory, by name: the calls of a sweep of 2N directories minus those of a sweep of N, divided
 * by N. The difference cancels start-up and warm-up.
 */
import * as Fs from "node:fs"
import * as Lab from "./lab.ts"
import type { Kind } from "./owners.ts"
import { deadCount, isPortable, type RootSpec } from "./roots.ts"

export interface Row {
  readonly contestant: string
  readonly kind: Kind
  readonly dead: number
  /** Calls for one directory, the most frequent first. */
  readonly calls: ReadonlyArray<{ readonly name: string; readonly count: number }>
  /** Sum of `calls`, without {@link runtimes}. */
  readonly total: number
}

/** Calls of V8 and libuv for their own needs: memory, threads, waiting. */
export const runtimes: ReadonlySet<string> = new Set(
  [
    "brk madvise mmap mprotect mremap munmap pkey_mprotect",
    "clone clone3 futex getcpu rseq set_robust_list",
    "sched_getaffinity sched_getparam sched_getscheduler",
    "rt_sigaction rt_sigprocmask rt_sigreturn restart_syscall",
    "epoll_ctl epoll_pwait epoll_wait clock_gettime gettimeofday"
  ].flatMap((names) => names.split(" "))
)

/** Parses the table of `strace -c`: `% time, seconds, usecs/call, calls, [errors], syscall`. */
const parse = (table: string): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const line of table.split("\n")) {
    const fields = line.trim().split(/\s+/)
    const name = fields.at(-1)
    const calls = Number(fields[3])
    if (fields.length < 5 || name === undefined || name === "total" || !Number.isInteger(calls)) continue
    counts.set(name, calls)
  }
  return counts
}

const counted = async (lab: Lab.Lab, contestant: string, spec: RootSpec): Promise<ReadonlyMap<string, number>> => {
  const output = `${Lab.freshPath(lab)}.strace`
  await Lab.withRoot(lab, spec, async (root) => {
    const worker = Lab.start(lab, contestant, { under: ["strace", "-c", "-f", "-o", output] })
    try {
      const { removed } = await worker.run(root)
      if (removed !== deadCount(spec)) throw new Error(`${contestant} removed ${removed}`)
    } finally {
      await worker.end()
    }
  })
  return parse(Fs.readFileSync(output, "utf8"))
}

const rowOf = async (lab: Lab.Lab, contestant: string, kind: Kind, dead: number): Promise<Row> => {
  const size = lab.settings.quick ? 250 : 1000
  const once = await counted(lab, contestant, { size, kind, dead, files: 1 })
  const twice = await counted(lab, contestant, { size: 2 * size, kind, dead, files: 1 })
  const calls = [...twice]
    .map(([name, count]) => ({ name, count: (count - (once.get(name) ?? 0)) / size }))
    .filter(({ count }) => count >= 0.01)
    .sort((a, b) => b.count - a.count)
  const total = calls.reduce((sum, { count, name }) => (runtimes.has(name) ? sum : sum + count), 0)
  return { contestant, kind, dead, calls, total }
}

/** `undefined` if strace is missing or may not trace. */
export const run = async (lab: Lab.Lab): Promise<ReadonlyArray<Row> | undefined> => {
  if (!Lab.hasCommand("strace", "-o", "/dev/null", "true")) {
    lab.say("system calls: skipped, strace isn't there or may not trace")
    return undefined
  }
  const rows: Array<Row> = []
  for (const dead of [0, 100]) {
    for (const kind of ["v2", "v3"] as const) {
      for (const contestant of ["sweep", "portable", "plain", ...(lab.floor === undefined ? [] : [Lab.floorName])]) {
        if (!`${contestant}-${kind}-${dead}`.includes(lab.settings.only)) continue
        if (contestant === "portable" && !isPortable({ dead })) continue
        const row = await rowOf(lab, contestant, kind, dead)
        const names = row.calls.map(({ count, name }) => `${name} ${count.toFixed(2)}`).join(", ")
        lab.say(`system calls ${contestant} ${kind} ${dead} % dead: ${row.total.toFixed(1)} (${names})`)
        rows.push(row)
      }
    }
  }
  return rows
}
