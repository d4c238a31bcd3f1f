import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Platform from "../Platform.ts"
import * as options from "./options.ts"

const Words = Schema.String.check(Schema.isPattern(/\S/))

export const reclaim = Command.make(
  "reclaim",
  {
    directory: options.directory,
    assumeDead: options
      .decoded(Flag.String("assume-dead"), Words, "a reason, in words")
      .pipe(
        Flag.withMetavar("REASON"),
        Flag.withDescription("Remove DIR although it is unknown whether an owner lives. Never overrides alive"),
        Flag.optional
      ),
    json: options.json,
    ...options.judging
  },
  (input) =>
    Effect.flatMap(
      Effect.promise(() => import("../Reclaim.ts")),
      ({ reclaim }) => reclaim(input)
    )
).pipe(
  Command.withDescription("Judge DIR and remove it when its owners are provably gone"),
  Command.withShortDescription("Remove one directory"),
  Command.provide(Platform.layer)
)
