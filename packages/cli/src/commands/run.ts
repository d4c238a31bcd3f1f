import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Platform from "../Platform.ts"
import * as options from "./options.ts"

export const run = Command.make(
  "run",
  {
    directory: options.directory,
    command: Argument.String("CMD").pipe(
      Argument.withDescription(
        "The command and its arguments, after --, which keeps CMD's options from being read as those of run"
      ),
      Argument.atLeast(1),
      Argument.filter(
        ([command]) => command !== "",
        () => "Expected a command, not an empty text"
      )
    ),
    sentinelName: options.holderName,
    legacy: options.ownersLegacy
  },
  (input) =>
    Effect.flatMap(
      Effect.promise(() => import("../owner/Run.ts")),
      ({ run }) => run(input)
    )
).pipe(
  Command.withDescription(
    "Hold DIR for the life of CMD: a sentinel each, and the lock, which CMD has at descriptor 3. Signals and exit code pass through. DIR is forfeit once CMD has ended: the next sweep removes it, with all that is in it"
  ),
  Command.withShortDescription("Hold a directory while a command runs"),
  Command.withExamples([
    {
      command: "vm-sentinel run /var/lib/vms/a -- qemu-system-x86_64 -nodefaults",
      description: "Own the directory as long as the VM runs"
    }
  ]),
  Command.provide(Platform.layer)
)
