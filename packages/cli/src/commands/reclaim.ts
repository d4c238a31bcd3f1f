import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Platform from "../Platform.ts"
import * as options from "./options.ts"

export const reclaim = Command.make(
  "reclaim",
  {
    directory: options.directory,
    assumeDead: options.reason(
      "assume-dead",
      "Remove DIR although it is unknown whether an owner lives. Never overrides alive"
    ),
    yes: options.yes,
    json: options.json,
    ...options.judgeFlags
  },
  (input) =>
    Effect.flatMap(
      Effect.promise(() => import("../sweep/Reclaim.ts")),
      ({ reclaim }) => reclaim(input)
    )
).pipe(
  Command.withDescription("Judge DIR and remove it when its owners are provably gone"),
  Command.withShortDescription("Remove one directory"),
  Command.withExamples([
    { command: "vm-sentinel reclaim /var/lib/vms/a", description: "Remove one directory if its owners are gone" },
    {
      command: "vm-sentinel reclaim /var/lib/vms/a --assume-dead 'host b is scrapped'",
      description: "Remove it though nobody can know, with the reason for the log"
    }
  ]),
  Command.provide(Platform.layer)
)
