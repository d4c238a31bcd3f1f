/** Refuses arguments that Node has changed. */
import * as CliError from "effect/cli/CliError"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { isUtf8 } from "node:buffer"
import { readFileSync } from "node:fs"
import * as Text from "../text/Text.ts"

/** Node puts U+FFFD in the place of bytes that aren't UTF-8. */
const replacement = "\ufffd"

/** Whether all arguments of this process are UTF-8. `true` if the kernel doesn't show their bytes. */
const areUtf8 = (): boolean => {
  try {
    return isUtf8(readFileSync("/proc/self/cmdline"))
  } catch {
    return true
  }
}

/** Fails if an argument isn't UTF-8: `run` would give another one to its command, and a path would name another file. */
export const checked: Effect.Effect<void, CliError.ValidationError, Stdio.Stdio> = Stdio.Stdio.use(({ args }) =>
  Effect.flatMap(args, (args) => {
    const changed = args.find((arg) => arg.includes(replacement))
    return changed === undefined || areUtf8()
      ? Effect.void
      : Effect.fail(
          new CliError.ValidationError({ message: `Not UTF-8, so it can't be passed on: ${Text.escape(changed)}` })
        )
  })
)
