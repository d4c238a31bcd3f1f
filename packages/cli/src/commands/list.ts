import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Platform from "../Platform.ts"
import * as options from "./options.ts"

export const list = Command.make("list", { root: options.root, ...options.sweeping }, (input) =>
  Effect.flatMap(
    Effect.promise(() => import("../Sweep.ts")),
    ({ sweep }) => sweep({ ...input, dryRun: true })
  )
).pipe(Command.withDescription("Judge every directory under ROOT. Writes nothing"), Command.provide(Platform.layer))
