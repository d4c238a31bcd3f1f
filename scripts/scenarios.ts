/**
 * The table of situations in `docs/scenarios.md`: each situation, the required answer, and the tests with the number of
 * the situation in their names. `node scripts/scenarios.ts` writes the page. A test checks that the page is current.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

/** `number` is given only if it doesn't follow the number of the row before. */
type Row = readonly [situation: string, answer: string, number?: string]

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
    "the reader's own PID, with another start (a restarted container)",
    "never the reader: dead in the same namespace, otherwise dead only by the lock or a search"
  ],
  ["the number names a thread now", "dead `not-a-process`"],
  ["the owner is a zombie", "dead `zombie`, also if it is a child of the reader"],
  ["the leader exited, threads run on", "alive"],
  ["stopped, frozen, in uninterruptible sleep", "alive"],
  ["the machine slept for hours", "alive: no clock is asked"],
  ["the wall clock was set back or forward", "no verdict changes (v3)"],
  ["the reader is in another time namespace", "ticks are compared by the offsets of both"],
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
  ["a directory like that of a VM, without a sentinel", "none `no-sentinel`, untouched"],
  ["an empty, NUL-filled, torn sentinel", "unknown `malformed-sentinel`"],
  ["a huge sentinel, a FIFO, device, directory, link", "refused unread: `oversized-sentinel`, `untrusted-sentinel`"],
  [
    "a sentinel of another user, writable, hard-linked",
    "unknown `untrusted-sentinel`; a second link doesn't matter to a record that is bound"
  ],
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
  [
    "the root is a link, `/`, a home, an empty path, or another user's",
    "`RefusedRoot`, before any I/O where it can be"
  ],
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
  ["`pid_max` changed", "no assumption but 1 to 2^31-1"],
  ["a file lies over the boot id: systemd-nspawn, LXC", "the id is missing, not different; who lives is alive"],
  ["a sweep there meets the workspace of a living one of the host", "left alone"],
  ["machines cloned from one image, one disk exported", "never dead: the writer saw another file system"],
  [
    "no machine's id, or one that each boot has anew",
    "a disk of one kernel's decides: dead `rebooted`; ids that differ: unknown `other-machine`"
  ],
  ["a command closed what it inherited, its holder was killed", "unknown: such a lock is no proof when it is free"],
  ["the scope of a hold has closed, its process lives", "unknown or alive, never dead"],
  ["a lock that is held on another view: overlay, FUSE", "unknown `other-directory`"],
  ["a lock that a record claims can't be asked", "unknown `lock-unknown`"],
  ["the living owner's sentinel has a name that isn't read", "alive `lock-held`"],
  ["a new owner comes while the directory is being deleted", "`Claimed`, by whichever way it came"],
  ["an owner publishes below a sweep's own directory", "refused"],
  ["a mount that lies over an earlier one", "what the directory lies on counts"],
  ["a time namespace's number, given again with another offset", "offsets are compared, never the number"],
  ["the parent's procfs at `/proc`, numbers agree by chance", "unknown: it says nothing here"],
  ["a sweep in a worker thread, which ends", "no descriptor of others is closed"],
  ["the parent is a wrapper that ends at once", "`write` needs `--pid`"],
  ["an owner below the first level of a dead directory", "kept `owner-inside`"],
  ["a copy: `cp -a`, clone, untarred backup", "unknown `other-directory`; alive while that owner is"],
  ["an old backup over a living owner's directory", "unknown `other-directory`; alive where the lock is held", "78a"],
  ["restored in place of the deleted original", "unknown `other-directory`: another birth", "78b"],
  ["a root through `/proc/<pid>/root`", "refused, or that very one is swept", "79"],
  ["a workspace that somebody else planted", "judged like any directory"],
  ["v2 with an mtime set back", "the later of mtime and ctime counts"],
  ["a mount that doesn't answer", "kept `mount-inside`, untouched; all others are swept", "82"],
  ["a process never stops writing into a dead directory", "failed after 30 s without progress; the others go", "83"],
  ["another user's directory with any number of sentinels", "not read; milliseconds and kilobytes", "84"],
  ["a sweep is killed together with its container", "resumed by a sweep in the next container", "85"],
  ["a lower layer of overlayfs, another project id: EXDEV", "removed where it lies, under its lock", "86"],
  ["read-only directories of the sweep's user: 0555, 0500, 0000", "removed", "87"],
  ["a stranger who may read a directory locks it", "kept; the evidence names process, command and user", "88"],
  ["a directory named like a sentinel at the top of a dead one", "removed with the rest", "89"],
  ["`worker.terminate()` during a sweep", "the process lives on: a worker loads no native code by itself", "90"],
  ["one EIO while a workspace is made", "costs one directory; the next one tries again", "91"],
  ["a uid without an entry in the user database", "every command works", "92"],
  ["a default ACL or a umask lets others write", "writing says so; `create` makes 0700", "93"],
  [
    "a look at the moment in which an owner takes the lock",
    "the owner gets the lock within 5 s; a sweep asks again for 50 ms",
    "94"
  ],
  ["a mount by another path, or in another mount namespace", "`mount-inside`; no harm beyond its mount point", "95"],
  ["stdout on a full disk", "the sweep goes on; stderr and the exit code say so", "96"],
  [
    "a removed working directory, `lost+found`, a half-made workspace dated in the future, a name of 240 bytes on a full disk, subvolumes of btrfs, `renameat2` refused",
    "an error in words; not ours; removed; removed; removed; a look and a rename",
    "97"
  ],
  ["`run` as the first process of a container", "reaps what it inherits, passes signals on", "98"],
  ["two kernels with one boot id on a shared root", "unknown `machine-unknown`", "99"],
  ["macOS: ownership ignored, ACLs", "`untrusted-sentinel`"],
  [
    "macOS: `.DS_Store`, names in other case, firmlinks, flags of the sweep's user",
    "removed; one file; refused; cleared"
  ],
  ["two containers run one directory at once", "one is `AlreadyOwned`"],
  ["two FUSE views of one directory", "unbound: a free lock proves nothing"],
  ["a PID namespace's number, given again", "the first process tells; the earlier one is gone by it"],
  ["a removal where the directory lies is killed, then an owner comes", "`Claimed`; the next sweep finishes"],
  ["runc binds `/proc/sys` on itself", "the boot id is the kernel's"],
  ["a supervisor is killed, an unrelated child lives", "dead: the child never had the lock"],
  [
    "an owner writes into what a sweep deletes, or a killed one left",
    "refused where it can be seen; its record is never deleted unjudged"
  ],
  ["an inner owner with a name nobody knows holds its lock", "its subtree stays, and is reported"],
  ["v2 from before this boot, the clock stepped forward", "unknown `exe-changed`"],
  ["LXC and nspawn, swept from the host", "what the whole kernel shows"],
  [
    "`run` after `run` of one directory, each as the first process of a container of its own",
    "the next one takes the directory over, however the one before has ended; a sweep finds it dead"
  ],
  [
    "`run` below another `run`, or below another holder of the lock",
    "ancestors are no earlier command; all directories live until the command has ended"
  ],
  ["a process of an earlier command of `run` beside another role's living owner", "`run` starts no second command"]
]

const root = Path.join(import.meta.dirname, "..")

const testFiles = (): ReadonlyArray<string> =>
  ["packages", "examples"].flatMap((folder) =>
    Fs.globSync(`${folder}/*/test/**/*.ts`, { cwd: root, exclude: (path) => path.includes("node_modules") })
  )

/** Scenario numbers in a text: `scenario 14`, `scenarios 78a, 78b and 99`, `scenarios 2 to 4`. */
const numbersIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/scenarios? (\d+[a-z]?(?:(?:, | and |, and | to )\d+[a-z]?)*)/g)].flatMap(([, list = ""]) => {
    const range = /^(\d+) to (\d+)$/.exec(list)
    if (range === null) return [...list.matchAll(/\d+[a-z]?/g)].map(([number]) => number)
    const [first, last] = [Number(range[1]), Number(range[2])]
    return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}`)
  })

/** Each row with its number. */
const numbered: ReadonlyArray<readonly [number: string, situation: string, answer: string]> = (() => {
  let last = 0
  return rows.map(([situation, answer, number = `${last + 1}`]) => {
    last = Number.parseInt(number, 10)
    return [number, situation, answer]
  })
})()

/** The numbers of all situations. */
export const numbers: ReadonlyArray<string> = numbered.map(([number]) => number)

/** Test files by the number of the scenario that they name. */
export const tested = (): ReadonlyMap<string, ReadonlyArray<string>> => {
  const found = new Map<string, Array<string>>()
  for (const file of [...testFiles()].sort()) {
    for (const number of new Set(numbersIn(Fs.readFileSync(Path.join(root, file), "utf8")))) {
      found.set(number, [...(found.get(number) ?? []), file])
    }
  }
  return found
}

const link = (file: string): string => `[${Path.basename(file).replace(/(\.slow)?(\.test)?\.ts$/, "")}](../${file})`

/** The text of `docs/scenarios.md`. */
export const page = (): string => {
  const tests = tested()
  const lines = numbered.map(
    ([number, situation, answer]) =>
      `| ${number} | ${situation} | ${answer} | ${(tests.get(number) ?? []).map(link).join(", ")} |`
  )
  return `# Which situations are tested?

Each situation has a number; the tests that show it carry it in their names (\`scenario 14: …\`). Written by
\`node scripts/scenarios.ts\` from the tests themselves.

| # | situation | answer | tests |
|---|---|---|---|
${lines.join("\n")}

---
Before: [How fast is it, and at what price?](performance.md) · Back to the [README](../README.md)
`
}

if (import.meta.main) Fs.writeFileSync(Path.join(root, "docs/scenarios.md"), page())
