/** Standard streams of a command that runs without a process: no terminal, 80 columns, empty input. */
import { Effect, Layer, Sink, Stdio, Terminal } from "effect"
import type { PlatformError } from "effect"

type Write = (text: string) => Effect.Effect<void, PlatformError.PlatformError>

const unasked = Effect.die("nothing is asked for")

const terminal = Terminal.make({
  columns: Effect.succeed(80),
  rows: unasked,
  size: unasked,
  readInput: unasked,
  readLine: unasked,
  display: () => unasked
})

const decoder = new TextDecoder()

const sink = (write: Write) => () =>
  Sink.forEach((chunk: string | Uint8Array) => write(typeof chunk === "string" ? chunk : decoder.decode(chunk)))

export const layer = (writes: { readonly stdout?: Write; readonly stderr?: Write }, args: ReadonlyArray<string> = []) =>
  Layer.merge(
    Layer.succeed(Terminal.Terminal, terminal),
    Stdio.layerTest({
      args: Effect.succeed(args),
      ...(writes.stdout === undefined ? {} : { stdout: sink(writes.stdout) }),
      ...(writes.stderr === undefined ? {} : { stderr: sink(writes.stderr) })
    })
  )
