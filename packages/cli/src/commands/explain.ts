import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Platform from "../Platform.ts"
import * as options from "./options.ts"

export const explain = Command.make(
  "explain",
  { directory: options.directory, json: options.json, ...options.judgeFlags },
  (input) =>
    Effect.flatMap(
      Effect.promise(() => import("../explain/Explain.ts")),
      ({ explain }) => explain(input)
    )
).pipe(
  Command.withDescription("Show all that was compared to judge DIR, and what decided. Writes nothing"),
  Command.withShortDescription("Show the evidence for one directory"),
  Command.withExamples([
    {
      command: "vm-sentinel explain /var/lib/vms/a",
      description: "See what was compared, what decided, and what to do next"
    },
    { command: "vm-sentinel explain /var/lib/vms/a --json | jq .sentinels", description: "The same for a program" }
  ]),
  Command.provide(Platform.layer)
)
