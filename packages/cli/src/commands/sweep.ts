import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Platform from "../Platform.ts"
import * as options from "./options.ts"

export const sweep = Command.make(
  "sweep",
  {
    roots: options.roots(1),
    dryRun: options.boolean("dry-run", "Judge only; write nothing"),
    yes: options.yes,
    maxRemovals: options.maxRemovals,
    ...options.sweepFlags
  },
  (input) =>
    Effect.flatMap(
      Effect.promise(() => import("../sweep/Sweep.ts")),
      ({ sweep }) => sweep(input)
    )
).pipe(
  Command.withDescription("Judge every directory under each ROOT and remove those whose owners are provably gone"),
  Command.withShortDescription("Remove the directories of owners that are gone"),
  Command.withExamples([
    { command: "vm-sentinel sweep /var/lib/vms", description: "Remove what is provably orphaned" },
    { command: "vm-sentinel sweep /var/lib/vms --dry-run", description: "See what that would remove" },
    {
      command: "vm-sentinel sweep /var/lib/vms --if-exists --strict --json",
      description: "In a unit or a cron job: JSON lines, and exit code 3 if anything is unknown"
    },
    {
      command: "vm-sentinel sweep /var/lib/vms --skip images --legacy keep",
      description: "Pass over one directory; never remove by a v1 or v2 sentinel"
    }
  ]),
  Command.provide(Platform.layer)
)
