import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as options from "./options.ts"

export const demo = Command.make(
  "demo",
  {
    keep: options.boolean("keep", "Leave the scratch root where it is"),
    inside: Flag.String("inside").pipe(Flag.withHidden, Flag.optional)
  },
  (input) =>
    Effect.flatMap(
      Effect.promise(() => import("../demo/Demo.ts")),
      ({ demo }) => demo(input)
    )
).pipe(
  Command.withDescription("Make real owners in a scratch directory, let some of them die, and sweep it"),
  Command.withShortDescription("See it work, on a scratch directory"),
  Command.withExamples([
    {
      command: "vm-sentinel demo",
      description: "See owners that live, owners that died, and what a sweep makes of them"
    },
    { command: "vm-sentinel demo --keep", description: "Leave the directories there to look at" }
  ])
)
