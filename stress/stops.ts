/**
 * Stops POINTS sweeps of DIRECTORIES directories before they end: `node stress/stops.ts [POINTS] [DIRECTORIES]`, by
 * default 60 and 2000. Each sweep stops after a different number of outcomes. A stopped sweep must have reported each
 * directory that is gone as removed, and must have kept every live one. The next sweep must remove the rest. The root
 * lies in `TMPDIR`.
 */
import * as Cleanup from "@vm-sentinel/core/Cleanup"
import { Deferred, Effect, Stream } from "effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Owners from "@vm-sentinel/platform-linux/test/support/owners"
import * as Real from "@vm-sentinel/platform-linux/test/support/realLayers"

const [points = 60, directories = 2000] = process.argv.slice(2).map(Number)

/** One in this many directories has a living owner. */
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

/** Sweeps until `after` outcomes, or to the end if `after` is 0. Returns the names reported as removed, and errors. */
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
    // A directory in a workspace was claimed and isn't deleted yet. The stopped sweep doesn't report such a directory.
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
