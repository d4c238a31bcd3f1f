/**
 * Sweeps a file system without a free byte or inode, and kills some of the sweeps. Run it in a mount namespace of its
 * own: `unshare --mount node fullDisk.ts tmpfs|tmpfs-bytes|ext4 COUNT|all|write SEED`. `tmpfs-bytes` has free inodes.
 * COUNT is the number of kills, at random points. `all` kills at every point. `write` makes owners try to record
 * themselves instead. Prints JSON, see `fullDiskResult.ts`.
 */
import { Effect, Schema } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Agents from "../support/sweepers.ts"
import * as Crashes from "../support/crashes.ts"
import * as Owners from "../support/owners.ts"
import * as Random from "../support/random.ts"
import * as Real from "../support/realLayers.ts"
import * as Scene from "../support/scene.ts"
import * as Tree from "../support/tree.ts"

const [kind = "tmpfs", count = "all", seed = "0"] = process.argv.slice(2)
const mebibyte = 2 ** 20

const mount = (kind: string, scratch: string): string => {
  const point = `${scratch}/full`
  Fs.mkdirSync(point)
  if (kind !== "ext4") {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m,nr_inodes=200,mode=700", "tmpfs", point])
    return point
  }
  const image = `${scratch}/image`
  Fs.writeFileSync(image, "")
  Fs.truncateSync(image, 4 * mebibyte)
  execFileSync("mkfs.ext4", ["-q", "-m", "0", "-N", "256", image])
  execFileSync("mount", ["-o", "loop", image, point])
  Fs.chmodSync(point, 0o700)
  return point
}

const isFull = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOSPC"

const untilFull = (step: () => void): void => {
  try {
    for (;;) step()
  } catch (error) {
    if (!isFull(error)) throw error
  }
}

let fillers = 0

/** Fills all blocks and then, except for `tmpfs-bytes`, all inodes or all space for directory entries. */
const fill = (directory: string): void => {
  Fs.mkdirSync(directory, { recursive: true })
  for (let size = mebibyte; size >= 1; size = Math.floor(size / 16)) {
    untilFull(() => Fs.appendFileSync(`${directory}/filler`, Buffer.alloc(size)))
  }
  if (kind !== "tmpfs-bytes") untilFull(() => Fs.writeFileSync(`${directory}/${fillers++}`, ""))
}

const requireFull = (root: string): void => {
  try {
    Fs.mkdirSync(`${root}/room`)
  } catch (error) {
    if (isFull(error)) return
    throw error
  }
  throw new Error("there is room for a directory")
}

const random = Random.make(Number(seed))

const program = Effect.gen(function* () {
  const scratch = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "vm-sentinel-full-"))),
    (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
  )
  const point = yield* Effect.acquireRelease(
    Effect.sync(() => mount(kind, scratch)),
    (point) => Effect.sync(() => execFileSync("umount", [point]))
  )
  const owners = yield* Owners.make
  const survivor = yield* Agents.start()
  const filler = `${point}/filler`
  const problems: Array<string> = []
  let [runs, killed, inPlace] = [0, 0, 0]

  const inFullScene = <A, E, R>(options: Scene.Options, use: (scene: Scene.Scene) => Effect.Effect<A, E, R>) =>
    Crashes.inScene(point, owners, { ...options, longNames: false }, (scene) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          fill(filler)
          if (kind !== "tmpfs-bytes") requireFull(scene.root)
          return scene
        }),
        use,
        () => Effect.sync(() => Fs.rmSync(filler, { recursive: true, force: true }))
      )
    )

  /** Asserts that each attempt to own a directory is refused, and changes at most the times of directories. */
  const writers = (scene: Scene.Scene) =>
    Effect.forEach(["record", "create", "hold"] as const, (op) =>
      Effect.gen(function* () {
        const before = Tree.of(scene.root)
        const directory = `${scene.root}/${op === "create" ? "new" : "dead-v3"}`
        const told = yield* Effect.flip(survivor.ask(Schema.Unknown, { op, directory }))
        problems.push(
          ...Tree.differences(before, Tree.of(scene.root)).filter(
            (line) => !line.includes("/dead-v3:") && !line.startsWith("it:")
          )
        )
        return `${op} ${told._tag === "Refused" ? told.failed : told._tag}`
      })
    )
  const refusals = count === "write" ? yield* inFullScene({}, writers) : []

  for (const leftovers of count === "write" ? [] : [false, true]) {
    const changes = yield* inFullScene({ leftovers }, (scene) =>
      Effect.tap(Crashes.changesOf(Crashes.sweeping(scene)), () =>
        Effect.sync(() => {
          runs += 1
          problems.push(...Scene.problems(scene).map((problem) => `not killed: ${problem}`))
        })
      )
    )
    inPlace += changes.filter(({ call, subject }) => call === "renameat2" && subject.includes(".claimed=")).length
    const points = Crashes.points(changes.length)
    for (const point of count === "all" ? points : random.sample(points, Number(count))) {
      yield* inFullScene({ leftovers }, (scene) =>
        Effect.gen(function* () {
          const first = yield* Crashes.killed(point, scene)
          yield* Effect.sync(() => fill(filler))
          const result = yield* Crashes.crashed([], survivor, scene)
          runs += 1
          killed += first ? 1 : 0
          problems.push(...result.problems.map((problem) => `killed ${Crashes.describe([point])}: ${problem}`))
        })
      )
    }
  }
  return { runs, killed, inPlace, refusals, problems }
})

const result = await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(Real.layer)))
process.stdout.write(JSON.stringify(result))
