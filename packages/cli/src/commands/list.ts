import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Platform from "../Platform.ts"
import * as options from "./options.ts"

const harmless = { dryRun: true, yes: false, maxRemovals: Option.none() }

export const list = Command.make("list", { roots: options.roots(1), ...options.sweepFlags }, (input) =>
  Effect.flatMap(
    Effect.promise(() => import("../sweep/Sweep.ts")),
    ({ sweep }) => sweep({ ...input, ...harmless })
  )
).pipe(
  Command.withDescription("Judge every directory under each ROOT. Writes nothing"),
  Command.withExamples([
    { command: "vm-sentinel list /var/lib/vms", description: "See what a sweep would remove, and why" },
    { command: "vm-sentinel list /var/lib/vms --sizes", description: "See also how much that would free" },
    { command: "vm-sentinel list /var/lib/vms --json | jq -c .evidence", description: "See all that was compared" }
  ]),
  Command.provide(Platform.layer)
)
