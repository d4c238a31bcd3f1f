/** Standard streams of a command without a process. They are terminals only if stdout has columns or somebody types. */
import { Effect, Layer, Sink, Stdio, Stream, Terminal } from "effect"
import type { PlatformError } from "effect"

type Write = (text: string) => Effect.Effect<void, PlatformError.PlatformError>

const unasked = Effect.die("nothing is asked for")

const terminal = (columns: number) =>
  Terminal.make({
    columns: Effect.succeed(columns),
    rows: unasked,
    size: unasked,
    readInput: unasked,
    readLine: unasked,
    display: () => unasked
  })

const decoder = new TextDecoder()

const sink = (write: Write) => () =>
  Sink.forEach((chunk: string | Uint8Array) => write(typeof chunk === "string" ? chunk : decoder.decode(chunk)))

interface Ends {
  readonly stdout?: Write
  readonly stderr?: Write
  /** What somebody at a terminal types. Then stdin and stderr are terminals. */
  readonly typed?: Effect.Effect<string>
}

const atTerminal = (typed: Effect.Effect<string>): Partial<Stdio.Stdio> => ({
  stdin: Stream.encodeText(Stream.fromEffect(typed)),
  stdinIsTerminal: Effect.succeed(true),
  stderrIsTerminal: Effect.succeed(true)
})

export const layer = (writes: Ends, args: ReadonlyArray<string> = [], columns?: number) =>
  Layer.merge(
    Layer.succeed(Terminal.Terminal, terminal(columns ?? 80)),
    Stdio.layerTest({
      args: Effect.succeed(args),
      stdoutIsTerminal: Effect.succeed(columns !== undefined),
      ...(writes.stdout === undefined ? {} : { stdout: sink(writes.stdout) }),
      ...(writes.stderr === undefined ? {} : { stderr: sink(writes.stderr) }),
      ...(writes.typed === undefined ? {} : atTerminal(writes.typed))
    })
  )

/** Stdio whose outputs may be terminals. A test writes nothing to it. */
export const terminals = (ends: { readonly stdout: boolean; readonly stderr: boolean }) =>
  Stdio.layerTest({ stdoutIsTerminal: Effect.succeed(ends.stdout), stderrIsTerminal: Effect.succeed(ends.stderr) })
