/** File systems that tests make: images on loop devices, overlays, and FUSE views. */
import { Effect, type Scope } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { Missing } from "@vm-sentinel/core/test/support/able"

const run = (...[command = "", ...args]: ReadonlyArray<string>): void =>
  void execFileSync(command, args, { stdio: "pipe" })

export type Mount = Effect.Effect<void, never, Scope.Scope>

const mountedBy = (command: ReadonlyArray<string>, point: string): Mount =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        Fs.mkdirSync(point, { recursive: true, mode: 0o700 })
        run(...command)
      }),
      () => Effect.sync(() => spawnSync("umount", [point]))
    )
  )

export const mounted = (options: ReadonlyArray<string>, point: string): Mount =>
  mountedBy(["mount", ...options, point], point)

/** Shows a directory through a FUSE file system that a process serves. */
export const viewed = (source: string, point: string): Mount =>
  mountedBy(["bindfs", "-o", "nonempty", source, point], point)

export const overlaid = (layers: string, point: string): Mount =>
  Effect.suspend(() => {
    for (const name of ["lower", "upper", "work"]) Fs.mkdirSync(`${layers}/${name}`, { recursive: true, mode: 0o700 })
    const options = `lowerdir=${layers}/lower,upperdir=${layers}/upper,workdir=${layers}/work`
    return mounted(["-t", "overlay", "overlay", "-o", options], point)
  })

export const uuid = "0f1e2d3c-4b5a-4678-8796-a5b4c3d2e1f0"

const makers = {
  ext4: { size: "16M", command: ["mkfs.ext4", "-q", "-I", "256", "-U", uuid] },
  "ext4 of small inodes": { size: "16M", command: ["mkfs.ext4", "-q", "-I", "128"] },
  xfs: { size: "320M", command: ["mkfs.xfs", "-q", "-m", `uuid=${uuid}`] },
  btrfs: { size: "128M", command: ["mkfs.btrfs", "-q", "-U", uuid] }
} as const

export type Image = keyof typeof makers

/** Makes a file that contains a file system. */
export const makeImage = (kind: Image, path: string, size: string = makers[kind].size): Effect.Effect<void> =>
  Effect.sync(() => {
    const { command } = makers[kind]
    run("truncate", "-s", size, path)
    run(...command, path)
  })

/** Reason why a mount can't be made here. `undefined` if it can. */
const whyNot = (use: (scratch: string) => Effect.Effect<void, never, Scope.Scope>): string | undefined => {
  const scratch = Fs.mkdtempSync(`${Os.tmpdir()}/vm-sentinel-mounts-`)
  try {
    Effect.runSync(Effect.scoped(use(scratch)))
    return undefined
  } catch (cause) {
    return cause instanceof Error ? (cause.message.trim().split("\n").at(-1) ?? "failed") : "failed"
  } finally {
    Fs.rmSync(scratch, { recursive: true, force: true })
  }
}

const able = (reason: string | undefined): Missing | object => (reason === undefined ? {} : new Missing(reason))

export const images = (kind: Image) =>
  able(
    whyNot((scratch) =>
      Effect.andThen(
        makeImage(kind, `${scratch}/image`),
        mounted(["-o", "loop", `${scratch}/image`], `${scratch}/point`)
      )
    )
  )

export const views = able(
  whyNot((scratch) => {
    Fs.mkdirSync(`${scratch}/source`)
    return viewed(`${scratch}/source`, `${scratch}/point`)
  })
)

export const overlays = able(whyNot((scratch) => overlaid(`${scratch}/layers`, `${scratch}/point`)))

export const tmpfs = able(whyNot((scratch) => mounted(["-t", "tmpfs", "tmpfs"], `${scratch}/point`)))
