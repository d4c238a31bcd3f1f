import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { Missing } from "@vm-sentinel/core/test/support/able"
import { world as nodeWorld } from "@vm-sentinel/core/test/support/NodeWorld"
import type { World } from "@vm-sentinel/core/test/support/World"

const run = (command: string, ...args: ReadonlyArray<string>): void => {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`)
}

/** Mounts a copy on a file system of its own. macOS has no bind mounts, so each mount is on another device. */
const mountCopy = (source: string, target: string) =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        run("mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", target)
        run("cp", "-a", `${source}/.`, target)
      }),
      () => Effect.sync(() => run("umount", target))
    )
  )

/** The real file system, with mounts as macOS has them. */
export const world: World = {
  ...nodeWorld,
  mountsCopies: true,
  bindMount: nodeWorld.bindMount instanceof Missing ? nodeWorld.bindMount : mountCopy
}
