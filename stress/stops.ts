/**
 * A sweep of many directories that is stopped on the way: `node stress/stops.ts [POINTS] [DIRECTORIES]`, by default 60 and 2000.
 * A sweep is stopped at each of the points, by the number of outcomes that it has told. Each directory that is gone by the end of the
 * sweep must have been told as removed, none that lives may be gone, and the next sweep must remove the rest. What is swept lies in
 * `TMPDIR`.
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import { Deferred, Effect, Stream } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Owners from "../packages/platform-linux/test/deletion/owners.ts"
import * as Real from "../packages/platform-linux/test/deletion/real.ts"

const [points = 60, directories = 2000] = process.argv.slice(2).map(Number)

/** One of this many directories is owned by a process that lives. */
const living = 10

const scratchDirectory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "vm-sentinel-stops-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const isLiving = (index: number): boolean => index % living === 0

const furnish = (root: string, { dead, live }: Owners.Owners): void => {
  for (let index = 0; index < directories; index++) {
    const path = `${root}/vm-${index}`
    Fs.mkdirSync(path, { recursive: true, mode: 0o700 })
    Fs.writeFileSync(`${path}/.vm-sentinel`, Owners.inscribe(isLiving(index) ? live : dead), { mode: 0o600 })
    Fs.writeFileSync(`${path}/log`, "x")
  }
}

const vms = (root: string): ReadonlyArray<string> => Fs.readdirSync(root).filter((name) => name.startsWith("vm-"))

/** Names that a sweep told as removed, stopped after so many outcomes. */
const sweep = Effect.fnUntraced(function* (root: string, after: number) {
  const stop = yield* Deferred.make<void>()
  const removed: Array<string> = []
  const problems: Array<string> = []
  let told = 0
  const outcomes = Cleanup.outcomes(root, { shared: "trust", stopWhen: Deferred.await(stop) })
  yield* Stream.runForEach(outcomes, ({ action, error, name }) => {
    told += 1
    if (action === "removed") removed.push(name)
    if (error !== undefined) problems.push(`${name}: ${error.message}`)
    return told === after ? Deferred.succeed(stop, undefined) : Effect.void
  })
  return { removed, problems }
})

const program = Effect.gen(function* () {
  const scratch = yield* scratchDirectory
  const owners = yield* Owners.make
  const root = `${scratch}/vms`
  const problems: Array<string> = []
  let [untold, lost, left, stoppedEarly] = [0, 0, 0, 0]
  for (let point = 1; point <= points; point++) {
    furnish(root, owners)
    const first = yield* sweep(root, Math.max(1, Math.floor((point * directories) / (points + 1))))
    const gone = directories - vms(root).length
    if (gone < directories - directories / living) stoppedEarly += 1
    // What was claimed and isn't deleted yet lies in the workspace, and isn't told.
    const waiting = Fs.readdirSync(root)
      .filter((name) => name.startsWith("."))
      .flatMap((name) => ["claimed", "dead"].map((folder) => `${root}/${name}/${folder}`))
      .flatMap((folder) => (Fs.existsSync(folder) ? Fs.readdirSync(folder) : [])).length
    untold += gone - waiting - first.removed.length
    const second = yield* sweep(root, 0)
    const names = [...first.removed, ...second.removed]
    if (new Set(names).size !== names.length) problems.push(`point ${point}: a directory was told twice`)
    lost += Array.from({ length: directories }, (_, index) => index).filter(
      (index) => isLiving(index) && !Fs.existsSync(`${root}/vm-${index}/log`)
    ).length
    left += Fs.readdirSync(root).length - Math.ceil(directories / living)
    problems.push(...first.problems, ...second.problems)
  }
  console.log({ points, directories, stoppedEarly, untold, lost, left, problems })
  if (untold !== 0 || lost !== 0 || left !== 0 || problems.length > 0 || stoppedEarly === 0) process.exitCode = 1
})

await Effect.runPromise(Effect.provide(Effect.scoped(program), Real.layer))
