import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Platform from "../Platform.ts"
import * as options from "./options.ts"

const { legacy, lock, shared } = options.judgeFlags

export const doctor = Command.make(
  "doctor",
  {
    roots: options.roots(0),
    json: options.json,
    legacy,
    lock,
    shared
  },
  (input) =>
    Effect.flatMap(
      Effect.promise(() => import("../doctor/Doctor.ts")),
      ({ doctor }) => doctor(input)
    )
).pipe(
  Command.withDescription(
    "Tell what this machine, and each ROOT, can prove of owners that have ended, and why. Makes no entry in ROOT"
  ),
  Command.withShortDescription("Tell what can be proved here"),
  Command.withExamples([
    { command: "vm-sentinel doctor", description: "See what can be proved on this machine" },
    {
      command: "vm-sentinel doctor /var/lib/vms",
      description: "See also what a sweep of a root would prove and remove"
    }
  ]),
  Command.provide(Layer.merge(Platform.layer, Platform.disk))
)
