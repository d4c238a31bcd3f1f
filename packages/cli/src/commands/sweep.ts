import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Platform from "../Platform.ts"
import * as options from "./options.ts"

export const sweep = Command.make(
  "sweep",
  {
    roots: options.roots,
    dryRun: options.boolean("dry-run", "Judge only; write nothing"),
    yes: options.yes,
    maxRemovals: options.maxRemovals,
    ...options.sweeping
  },
  (input) =>
    Effect.flatMap(
      Effect.promise(() => import("../Sweep.ts")),
      ({ sweep }) => sweep(input)
    )
).pipe(
  Command.withDescription("Judge every directory under each ROOT and remove those whose owners are provably gone"),
  Command.withShortDescription("Remove the directories of owners that are gone"),
  Command.provide(Platform.layer)
)
