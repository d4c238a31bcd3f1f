/**
 * Passes the signals of `run` on to its command.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChildProcess } from "node:child_process"
import { isForeground } from "./Foreground.ts"

const forwardedSignals: ReadonlyArray<NodeJS.Signals> = [
  "SIGTERM",
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGCONT",
  "SIGWINCH"
]
/** Signals that a terminal sends to its whole foreground group, which then includes the command. */
const groupSignals: ReadonlyArray<NodeJS.Signals> = ["SIGINT", "SIGQUIT"]

/** Signals that ask a process to end. */
const endingSignals: ReadonlySet<NodeJS.Signals> = new Set(["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"])

/**
 * Signals of this process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signals {
  /** The first signal that came before the command was started, and asks for its end. */
  readonly early: Effect.Effect<NodeJS.Signals | undefined>
  /** Begins to pass signals to the command: those that only this process gets, and those that came earlier. */
  readonly passTo: (child: ChildProcess) => Effect.Effect<void>
}

/**
 * Listens to signals until the scope closes. Removes all other listeners for that time, so that the command alone
 * decides what a signal means. Once a command gets the signals, it listens until this process ends: a signal that comes
 * after the command's end would otherwise end this process, in place of the command's exit code.
 *
 * @category running
 * @since 0.1.0
 */
export const listen: Effect.Effect<Signals, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const early: Array<NodeJS.Signals> = []
    let receiver: ChildProcess | undefined
    const pass = (signal: NodeJS.Signals) => {
      if (receiver === undefined) early.push(signal)
      // A command in the foreground already has a signal from the terminal. A `kill` of this process alone looks the same.
      else if (forwardedSignals.includes(signal) || !isForeground(receiver.pid)) receiver.kill(signal)
    }
    const signals = [...forwardedSignals, ...groupSignals].map((signal) => {
      const others = process.listeners(signal)
      const listener = () => pass(signal)
      // A signal without any listener is no longer caught, and one that was caught before is lost.
      process.on(signal, listener)
      for (const other of others) process.off(signal, other)
      return { signal, others, listener }
    })
    return {
      early: Effect.sync(() => early.find((signal) => endingSignals.has(signal))),
      passTo: (child: ChildProcess) =>
        Effect.sync(() => {
          receiver = child
          for (const signal of early) child.kill(signal)
        }),
      stop: () => {
        if (receiver !== undefined) return
        for (const { listener, others, signal } of signals) {
          for (const other of others) process.on(signal, other)
          process.off(signal, listener)
        }
      }
    }
  }),
  ({ stop }) => Effect.sync(stop)
)
