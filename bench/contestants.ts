/** The contestants that run in Node. A process loads only the contestant that it runs. */
import * as Fs from "node:fs"

export interface Counts {
  readonly alive: number
  readonly removed: number
}

/**
 * Loads a contestant and returns the function that sweeps one root. That function returns a third one, which counts the
 * outcomes outside of the measured time.
 */
export type Contestant = () => Promise<(root: string) => Promise<() => Counts>>

type Layers = "linux" | "portable"

const load = async (layers: Layers) => {
  const [Cleanup, Effect, Layer, Logger, ManagedRuntime, Stream, Inspector] = await Promise.all([
    import("@vm-sentinel/core/Cleanup"),
    import("effect/Effect"),
    import("effect/Layer"),
    import("effect/Logger"),
    import("effect/ManagedRuntime"),
    import("effect/Stream"),
    import("@vm-sentinel/platform-linux/LinuxProcessInspector")
  ])
  const linux = async () => (await import("@vm-sentinel/platform-linux/LinuxSentinelStore")).layer
  const portable = async () => {
    const [SentinelStore, NodeFileSystem, NodePath] = await Promise.all([
      import("@vm-sentinel/core/SentinelStore"),
      import("@effect/platform-node/NodeFileSystem"),
      import("@effect/platform-node/NodePath")
    ])
    return Layer.provide(SentinelStore.layerFileSystem, [NodeFileSystem.layer, NodePath.layer])
  }
  const store = await (layers === "linux" ? linux() : portable())
  // No logger is installed. The time to log each removed directory is the logger's, not the sweep's.
  const runtime = ManagedRuntime.make(Layer.mergeAll(Inspector.layer, store, Logger.layer([])))
  await runtime.context()
  return { Cleanup, Effect, Stream, runtime }
}

const sweep =
  (layers: Layers): Contestant =>
  async () => {
    const { Cleanup, runtime } = await load(layers)
    return async (root) => {
      const { outcomes } = await runtime.runPromise(Cleanup.sweep(root))
      return () => ({
        alive: outcomes.filter(({ verdict }) => verdict === "alive").length,
        removed: outcomes.filter(({ action }) => action === "removed").length
      })
    }
  }

const stream: Contestant = async () => {
  const { Cleanup, Effect, Stream, runtime } = await load("linux")
  return async (root) => {
    let alive = 0
    let removed = 0
    const consumed = Stream.runForEach(Cleanup.outcomes(root), ({ action, verdict }) =>
      Effect.sync(() => {
        if (verdict === "alive") alive += 1
        if (action === "removed") removed += 1
      })
    )
    await runtime.runPromise(consumed)
    return () => ({ alive, removed })
  }
}

const plain: Contestant = async () => {
  const { sweep } = await import("./plainLoop.ts")
  return async (root) => {
    const counts = sweep(root)
    return () => counts
  }
}

/** Waits for one second. Its event-loop delay is the machine's own. */
const idle: Contestant = async () => async (root) => {
  Fs.statSync(root)
  await new Promise((done) => {
    setTimeout(done, 1000)
  })
  return () => ({ alive: 0, removed: 0 })
}

export const contestants: ReadonlyMap<string, Contestant> = new Map([
  ["sweep", sweep("linux")],
  ["stream", stream],
  ["portable", sweep("portable")],
  ["plain", plain],
  ["idle", idle]
])
