/**
 * The table of situations in `docs/scenarios.md`: what each is, what the answer must be, and which tests carry its
 * number in their names. `node scripts/scenarios.ts` writes it; a test checks that it is current.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

type Row = readonly [situation: string, answer: string]

const rows: ReadonlyArray<Row> = [
  ["the owner is the asking process itself", "alive `matches`, by its identity, not by its number"],
  ["the owner exited, its PID is free", "dead `pid-dead`"],
  [
    "the PID runs another program that started later",
    "dead `start-time-mismatch`, `identity-mismatch`; v2 `exe-mismatch`"
  ],
  ["the PID runs another process of the same executable", "dead; the executable can't save it"],
  [
    "the PID was recycled within one 10 ms tick",
    "with the pidfd inode dead; without it kept, and the evidence says so"
  ],
  ["the record is of an earlier boot, the PID is taken", "dead `rebooted`, the PID isn't looked at"],
  ["the same, and the ticks are equal too", "dead `rebooted`"],
  ["the boot id can't be read now", "unknown `boot-unknown`"],
  ["the record is of another machine", "unknown `other-machine`"],
  ["same boot, other PID namespace", "unknown `other-pid-namespace`, unless proved"],
  ["a namespace number that was used again", "the process decides, never the number"],
  ["two containers, both PID 1, one host name, one volume", "the lock decides; without it unknown"],
  [
    "our own number, another start (a restarted container)",
    "never ours: dead in the same namespace, else by lock or proof"
  ],
  ["the number names a thread now", "dead `not-a-process`"],
  ["the owner is a zombie", "dead `zombie`, also when it is our own child"],
  ["the leader exited, threads run on", "alive"],
  ["stopped, frozen, in uninterruptible sleep", "alive"],
  ["the machine slept for hours", "alive: no clock is asked"],
  ["the wall clock was set back or forward", "no verdict changes (v3)"],
  ["the reader is in another time namespace", "ticks aren't compared"],
  ["the owner replaced itself by `execve(2)`", "alive"],
  ["its binary was upgraded: ` (deleted)`", "alive"],
  ["its binary is really named ` (deleted)`", "alive"],
  ["the owner forked and died, the child runs on", "dead, unless the child holds the lock"],
  ["a command name made to deceive the parser", "parsed after the last `)`"],
  ["`stat` truncated, ESRCH in the middle, EMFILE", "bounded retry, then unknown `inspection-failed`"],
  ["`hidepid=invisible`", "never dead: unknown `permission-denied`, or by the pidfd"],
  ["`hidepid=noaccess`", "the same"],
  ["another user's process", "judged by its start"],
  ["`kill` refused, start readable and different", "dead"],
  ["no `/proc`, `subset=pid`, another kernel", "unknown `no-procfs`"],
  ["a directory of our shape without a sentinel", "none `no-sentinel`, untouched"],
  ["an empty, NUL-filled, torn sentinel", "unknown `malformed-sentinel`"],
  ["a huge sentinel, a FIFO, device, directory, link", "refused unread: `oversized-sentinel`, `untrusted-sentinel`"],
  ["a sentinel of another user, writable, hard-linked", "unknown `untrusted-sentinel`"],
  ["PIDs 0, -1, 2^31, 1e400, `12abc`, a key twice", "rejected; `kill` is never called with 0 or less"],
  ["a record of a later version", "unknown `unsupported-version`"],
  ["a crash between directory and sentinel", "can't be seen: born with it (`Ownership.create`)"],
  ["ENOSPC, EIO while a sentinel is written", "the old one is intact, nothing is left"],
  ["eight sweeps at once", "each directory removed once, no error"],
  ["a new owner takes the name meanwhile", "its files survive: verified after the claim, put back"],
  ["the sweep is killed in mid-delete", "the next one finishes, nothing comes back half"],
  ["the supervisor is dead, the VM lives", "alive: every owner must be dead"],
  ["both dead, a helper still holds the directory", "alive `lock-held` where it inherited the lock"],
  ["a socket in the directory still accepts", "not asked yet"],
  ["a mount inside, also a bind of the same file system", "`mount-inside`, the source intact"],
  ["a link inside to `/` or home", "the link goes, the target stays"],
  ["a directory is swapped for a link during the delete", "nothing outside is touched"],
  ["the root is a link, `/`, home, empty, not ours", "`RefusedRoot`, before any I/O where it can be"],
  ["an unreadable or immutable file inside", "`failed`; the rest goes on, the next sweep tries again"],
  ["10 000 directories, a million files in one", "bounded memory and time, interruptible, resumable"],
  [
    "the fiber is interrupted",
    "stops between two removals, everything closed, resumable; told to stop, it has told what is gone"
  ],
  ["a machine restored from a snapshot", "the lock tells the clone"],
  ["a process restored by CRIU", "alive `lock-held`: the lock outranks the start"],
  ["a file system without `flock`", "found by the self-test; the lock proves nothing"],
  ["an exit record of a clean shutdown", "not read yet"],
  ["a dry run", "the same verdicts, no call that changes anything"],
  ["evidence", "both values of all that was compared, for each directory"],
  ["32-bit kernels, where an inode holds half the id", "not used"],
  ["`pid_max` changed", "no assumption but 1 to 2^31-1"]
]

const root = Path.join(import.meta.dirname, "..")

const testFiles = (): ReadonlyArray<string> =>
  ["packages", "examples"].flatMap((folder) =>
    Fs.globSync(`${folder}/*/test/**/*.ts`, { cwd: root, exclude: (path) => path.includes("node_modules") })
  )

const numbersIn = (text: string): ReadonlyArray<number> =>
  [...text.matchAll(/scenarios? (\d+(?:(?:, | and |, and | to )\d+)*)/g)].flatMap(([, list = ""]) => {
    const range = /^(\d+) to (\d+)$/.exec(list)
    if (range === null) return [...list.matchAll(/\d+/g)].map(([number]) => Number(number))
    const [first, last] = [Number(range[1]), Number(range[2])]
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })

/** Test files by the number of the scenario that they name. */
export const tested = (): ReadonlyMap<number, ReadonlyArray<string>> => {
  const found = new Map<number, Array<string>>()
  for (const file of [...testFiles()].sort()) {
    for (const number of new Set(numbersIn(Fs.readFileSync(Path.join(root, file), "utf8")))) {
      found.set(number, [...(found.get(number) ?? []), file])
    }
  }
  return found
}

const link = (file: string): string => `[${Path.basename(file).replace(/(\.test)?\.ts$/, "")}](../${file})`

/** The page as it should be. */
export const page = (): string => {
  const tests = tested()
  const lines = rows.map(
    ([situation, answer], index) =>
      `| ${index + 1} | ${situation} | ${answer} | ${(tests.get(index + 1) ?? []).map(link).join(", ")} |`
  )
  return `# Which situations are tested?

Each situation has a number; the tests that show it carry it in their names (\`scenario 14: …\`). Written by
\`node scripts/scenarios.ts\` from the tests themselves.

| # | situation | answer | tests |
|---|---|---|---|
${lines.join("\n")}

---
Back to the [README](../README.md)
`
}

if (process.argv[1] === import.meta.filename) Fs.writeFileSync(Path.join(root, "docs/scenarios.md"), page())
