/**
 * The output of the command through `effect/Stdio`: data on stdout, everything else on stderr.
 *
 * @since 0.1.0
 */
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { errnoOf } from "@vm-sentinel/core/Errno"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type PlatformError, systemError } from "effect/PlatformError"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import * as Fs from "node:fs"
import { isatty } from "node:tty"
import * as Text from "./text/Text.ts"

/**
 * The services that the output needs.
 *
 * @category models
 * @since 0.1.0
 */
export type Output = Stdio.Stdio | Terminal.Terminal

/**
 * A write to stdout failed. `EPIPE`: the reader is gone, which is no failure of the command.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutputError extends Data.TaggedError("OutputError")<{ readonly errno: string }> {
  override get message(): string {
    return `stdout: ${this.errno}`
  }
}

const toOutputError = ({ reason: { cause } }: PlatformError): OutputError => {
  const errno = errnoOf(cause)
  // ERR_STREAM_DESTROYED is Node's own code for a write after the EPIPE.
  return new OutputError({ errno: errno === "ERR_STREAM_DESTROYED" ? "EPIPE" : errno })
}

/**
 * Writes to stdout. Succeeds when the kernel has the text.
 *
 * @category writing
 * @since 0.1.0
 */
export const write = (text: string): Effect.Effect<void, OutputError, Stdio.Stdio> =>
  Stdio.Stdio.use(({ stdout }) =>
    Stream.run(Stream.succeed(text), stdout({ endOnDone: false })).pipe(Effect.mapError(toOutputError))
  )

/**
 * Writes a text to stderr unchanged. Errors are ignored, because a closed stderr has no reader.
 *
 * @category writing
 * @since 0.1.0
 */
export const show = (text: string): Effect.Effect<void, never, Stdio.Stdio> =>
  Stdio.Stdio.use(({ stderr }) => Effect.ignore(Stream.run(Stream.succeed(text), stderr({ endOnDone: false }))))

/**
 * Columns of stderr's terminal. `undefined`: stderr isn't a terminal, or the terminal reports no size.
 *
 * @category getters
 * @since 0.1.0
 */
export const errorColumns: Effect.Effect<number | undefined, never, Stdio.Stdio> = Stdio.Stdio.use(
  ({ stderrIsTerminal }) =>
    Effect.map(stderrIsTerminal, (isTerminal) => (isTerminal ? process.stderr.columns || undefined : undefined))
)

/**
 * Writes to stderr like {@link show}, and breaks lines between words if stderr is a terminal.
 *
 * @category writing
 * @since 0.1.0
 */
export const note = (text: string): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.flatMap(errorColumns, (columns) => show(Text.wrap(text, columns)))

/**
 * Whether to print colours, which needs a terminal. Neither `NO_COLOR` nor `TERM=dumb` may be set.
 * `TerminalCapabilities` isn't used, because it answers for stdout alone and obeys `FORCE_COLOR`, which would put
 * colours into pipes.
 *
 * @category getters
 * @since 0.1.0
 */
export const hasColors = (stream: "stdout" | "stderr"): Effect.Effect<boolean, never, Stdio.Stdio> =>
  Stdio.Stdio.use((stdio) =>
    Effect.map(stdio[`${stream}IsTerminal`], (isTerminal) => {
      const { NO_COLOR = "", TERM } = process.env
      return isTerminal && NO_COLOR === "" && TERM !== "dumb"
    })
  )

/**
 * Columns of stdout's terminal. `undefined`: stdout isn't a terminal, or the terminal reports no size, like some
 * consoles.
 *
 * @category getters
 * @since 0.1.0
 */
export const columns: Effect.Effect<number | undefined, never, Output> = Effect.gen(function* () {
  const { stdoutIsTerminal } = yield* Stdio.Stdio
  const { columns } = yield* Terminal.Terminal
  return (yield* stdoutIsTerminal) ? (yield* columns) || undefined : undefined
})

const toPlatformError = (cause: unknown): PlatformError =>
  systemError({ _tag: "Unknown", module: "Stdio", method: "stream", cause })

const isRegularFile = (fd: number): boolean => {
  try {
    return Fs.fstatSync(fd).isFile()
  } catch {
    return false
  }
}

/**
 * Writes a whole text to a file. A disk that becomes full takes only the first part of a text, and Node's stream loses
 * the rest without an error.
 */
const sendToFile = (fd: number, text: string | Uint8Array): Effect.Effect<void, PlatformError> =>
  Effect.try({
    try: () => {
      const bytes = Buffer.from(text)
      for (let count = 0; count < bytes.length;) count += Fs.writeSync(fd, bytes, count)
    },
    catch: toPlatformError
  })

const send = (
  stream: NodeJS.WriteStream & { readonly fd: number },
  text: string | Uint8Array
): Effect.Effect<void, PlatformError> =>
  isRegularFile(stream.fd)
    ? sendToFile(stream.fd, text)
    : Effect.callback((resume) => {
        stream.write(text, (cause) => resume(cause ? Effect.fail(toPlatformError(cause)) : Effect.void))
      })

const sink = (stream: NodeJS.WriteStream & { readonly fd: number }) => () =>
  Sink.forEach((text: string | Uint8Array) => send(stream, text))

const ignore = () => {}

/**
 * Completes a write only when the kernel has the text. NodeStdio completes a write once Node buffers the text. An exit
 * then loses the text, and a later failure doesn't reach the writer.
 */
const stdio = Layer.effect(
  Stdio.Stdio,
  Effect.map(Stdio.Stdio, (node) => {
    // Each write reports its own error. Without a listener Node throws the error as well.
    process.stdout.on("error", ignore)
    process.stderr.on("error", ignore)
    return {
      ...node,
      // `process.stdin` opens stdin, which makes a pipe non-blocking for all processes that share it.
      stdinIsTerminal: Effect.sync(() => isatty(0)),
      // The stream closes stdin after the one answer that a command reads, because an open stdin keeps the process
      // alive.
      stdin: NodeStream.fromReadable({ evaluate: () => process.stdin, onError: toPlatformError }),
      stdout: sink(process.stdout),
      stderr: sink(process.stderr)
    }
  })
).pipe(Layer.provide(NodeStdio.layer))

const unasked = Effect.die("the command asks through Stdio, in whole lines")

/** Never opens stdin. NodeTerminal opens it, which makes a pipe non-blocking for all processes that share it. */
const terminal = Layer.succeed(
  Terminal.Terminal,
  Terminal.make({
    columns: Effect.sync(() => process.stdout.columns ?? 0),
    rows: Effect.sync(() => process.stdout.rows ?? 0),
    display: (text) => send(process.stdout, text),
    size: unasked,
    readInput: unasked,
    readLine: unasked
  })
)

/**
 * The output of this process: its stdout, its stderr and its terminal.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Output> = Layer.merge(stdio, terminal)
