/**
 * Where the command speaks: data on stdout, everything else on stderr.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * stdout takes no more. `EPIPE`: its reader is gone, which is no failure of ours.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutputError extends Data.TaggedError("OutputError")<{ readonly errno: string }> {
  override get message(): string {
    return `stdout: ${this.errno}`
  }
}

/**
 * What is at the other end of a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface Device {
  readonly isTerminal: boolean
  /** A terminal, and neither `NO_COLOR` nor `TERM=dumb` is set. */
  readonly colors: boolean
  /** Width of the terminal; `undefined` where there is none. */
  readonly columns: number | undefined
}

/**
 * @category services
 * @since 0.1.0
 */
export class Output extends Context.Service<
  Output,
  {
    readonly stdout: Effect.Effect<Device>
    readonly stderr: Effect.Effect<Device>
    /** Writes to stdout. Done when the kernel has it. */
    readonly write: (text: string) => Effect.Effect<void, OutputError>
    /** Writes to stderr. A closed stderr is nobody listening. */
    readonly note: (text: string) => Effect.Effect<void>
  }
>()("vm-sentinel/Output") {}

const errnoOf = (error: NodeJS.ErrnoException): string =>
  // What comes after the EPIPE is refused by Node itself.
  error.code === "ERR_STREAM_DESTROYED" ? "EPIPE" : (error.code ?? "EUNKNOWN")

const ignore = () => {}

const send = (stream: NodeJS.WriteStream, text: string): Effect.Effect<void, OutputError> =>
  Effect.callback<void, OutputError>((resume) => {
    stream.write(text, (error) => resume(error ? Effect.fail(new OutputError({ errno: errnoOf(error) })) : Effect.void))
  })

const device = (stream: NodeJS.WriteStream): Device => {
  const isTerminal = stream.isTTY === true
  const { NO_COLOR, TERM } = process.env
  return {
    isTerminal,
    colors: isTerminal && (NO_COLOR === undefined || NO_COLOR === "") && TERM !== "dumb",
    // A terminal of no size (a pipe's end, some consoles) says 0.
    columns: isTerminal && stream.columns > 0 ? stream.columns : undefined
  }
}

/**
 * The process's own streams.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Output> = Layer.sync(Output, () => {
  // Errors are reported by each write; without a listener Node throws them as well.
  process.stdout.on("error", ignore)
  process.stderr.on("error", ignore)
  return Output.of({
    stdout: Effect.sync(() => device(process.stdout)),
    stderr: Effect.sync(() => device(process.stderr)),
    write: (text) => send(process.stdout, text),
    note: (text) => Effect.ignore(send(process.stderr, text))
  })
})
