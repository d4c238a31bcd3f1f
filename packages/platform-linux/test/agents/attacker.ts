/**
 * Races a sweep of a root. Swaps condemned directories, and directories in them, for symbolic links to an outside tree,
 * and back. Renames and exchanges them. Mounts the outside tree on them. Never changes the root's and the workspaces'
 * own directories, because they belong to the sweeper and have mode 0700, so no other user could change them either.
 * `node attacker.ts ROOT OUTSIDE STASH SEED COUNT PART` makes COUNT acts or, if COUNT is 0, acts until it is killed. It
 * attacks every second directory, from number PART on, because two attackers on one directory could follow each other's
 * links and change the outside tree themselves. Prints the number of acts of each kind as JSON.
 */
import koffi from "koffi"
import * as Fs from "node:fs"
import * as Random from "../support/random.ts"

const [root = "", outside = "", stash = "", seed = "0", count = "0", part = "0"] = process.argv.slice(2)
const random = Random.make(Number(seed))

const libc = koffi.load(null)
const renameat2 = libc.func("int renameat2(int, const char *, int, const char *, unsigned int)")
const mount = libc.func("int mount(const char *, const char *, const char *, unsigned long, const void *)")
const umount2 = libc.func("int umount2(const char *, int)")
const [AT_FDCWD, EXCHANGE, MS_BIND, MNT_DETACH] = [-100, 2, 4096, 2]

const list = (path: string): ReadonlyArray<string> => {
  try {
    return Fs.readdirSync(path)
  } catch {
    return []
  }
}

const inodeOf = (path: string): number => Fs.lstatSync(path).ino

const spared = new Set([
  ...["", "/sub", "/sub/sub", "/sub/sub/vm"].map((path) => inodeOf(`${outside}${path}`)),
  ...list(root).flatMap((name) => (name.startsWith("live-") ? [inodeOf(`${root}/${name}`)] : []))
])

/**
 * Whether the path is a directory of the condemned tree itself. The outside tree, if it is mounted there, isn't, and
 * neither is a living directory under a dead one's name.
 */
const isOwn = (path: string): boolean => {
  try {
    const stats = Fs.lstatSync(path)
    return stats.isDirectory() && !spared.has(stats.ino)
  } catch {
    return false
  }
}

const isMine = (name: string): boolean => name.startsWith("dead-") && Number(name.slice(5)) % 2 === Number(part)

const choose = (names: ReadonlyArray<string>): string | undefined => names[random.below(names.length)]

/** Path of a condemned directory under its own name, claimed, or marked. */
const victim = (): string | undefined => {
  const names = list(root)
  const workspace = choose(names.filter((name) => name.startsWith(".vm-sentinel-reap.") && !name.endsWith(".new")))
  if (workspace !== undefined && random.below(20) > 0) {
    const place = `${root}/${workspace}/${random.pick(["claimed", "dead"])}`
    const name = choose(list(place).filter(isMine))
    if (name !== undefined) return `${place}/${name}`
  }
  // Unclaimed directories are rarely attacked, so that the sweep finds directories to claim.
  const name = random.below(40) === 0 ? choose(names.filter(isMine)) : undefined
  return name === undefined ? undefined : `${root}/${name}`
}

/** The directory itself or a directory below, at any depth. */
const within = (path: string): string => {
  let at = path
  while (random.below(3) > 0) {
    const below = choose(list(at))
    if (below === undefined || !isOwn(`${at}/${below}`)) return at
    at = `${at}/${below}`
  }
  return at
}

let made = 0
const fresh = (): string => `${stash}/${process.pid}-${made++}`

const target = (): string => random.pick([outside, `${outside}/sub`, `${outside}/sub/sub`])

const done: Record<string, number> = {}

const swapForLink = (at: string): void => {
  const away = fresh()
  Fs.renameSync(at, away)
  Fs.symlinkSync(target(), at)
  if (random.below(2) === 0) return
  Fs.unlinkSync(at)
  Fs.renameSync(away, at)
}

const exchangeForLink = (at: string): void => {
  const link = fresh()
  Fs.symlinkSync(target(), link)
  if (renameat2(AT_FDCWD, at, AT_FDCWD, link, EXCHANGE) !== 0) throw new Error("no exchange")
  if (random.below(2) === 0) renameat2(AT_FDCWD, at, AT_FDCWD, link, EXCHANGE)
}

const mountOver = (at: string): void => {
  if (mount(target(), at, null, MS_BIND, null) !== 0) throw new Error("no mount")
  if (random.below(3) > 0) umount2(at, MNT_DETACH)
}

const acts: ReadonlyArray<readonly [name: string, act: (at: string) => void]> = [
  ["swap", swapForLink],
  ["exchange", exchangeForLink],
  ["exchange", exchangeForLink],
  ["mount", mountOver],
  ["link a file", (at) => Fs.linkSync(`${outside}/precious`, `${at}/linked-${made++}`)],
  ["point at a file", (at) => Fs.symlinkSync(`${outside}/precious`, `${at}/pointing-${made++}`)],
  ["point at a directory", (at) => Fs.symlinkSync(target(), `${at}/pointing-${made++}`)],
  ["rename", (at) => Fs.renameSync(at, `${at.slice(0, at.lastIndexOf("/"))}/renamed-${made++}`)],
  ["take away", (at) => Fs.renameSync(at, fresh())],
  ["write", (at) => Fs.writeFileSync(`${at}/written-${made++}`, "")]
]

/** Exchanges a living and a dead directory, and then exchanges them back. */
const confuse = (): void => {
  const names = list(root)
  const [alive, dead] = [choose(names.filter((name) => name.startsWith("live-"))), choose(names.filter(isMine))]
  if (alive === undefined || dead === undefined) return
  if (renameat2(AT_FDCWD, `${root}/${alive}`, AT_FDCWD, `${root}/${dead}`, EXCHANGE) !== 0)
    throw new Error("no exchange")
  renameat2(AT_FDCWD, `${root}/${alive}`, AT_FDCWD, `${root}/${dead}`, EXCHANGE)
}

const isCondemnedItself = (at: string): boolean =>
  at.startsWith(`${root}/dead-`) && !at.slice(root.length + 1).includes("/")

const wanted = count === "0" ? Infinity : Number(count)
for (let acted = 0; acted < wanted;) {
  const [name, act] = random.pick([["", () => {}], ...acts])
  try {
    if (name === "") {
      if (random.below(10) === 0) confuse()
      continue
    }
    const path = victim()
    if (path === undefined) continue
    if (!isOwn(path)) {
      umount2(path, MNT_DETACH)
      continue
    }
    const at = within(path)
    // A condemned directory that is renamed in the root becomes another dead directory, and its old name is missing.
    if (name === "rename" && isCondemnedItself(at)) continue
    act(at)
    done[name] = (done[name] ?? 0) + 1
    acted += 1
  } catch {
    // The sweep has removed or moved the entry first.
  }
}
process.stdout.write(JSON.stringify(done))
