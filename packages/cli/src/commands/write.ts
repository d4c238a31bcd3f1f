import { Pid } from "@vm-sentinel/core/ProcessIdentity"
import { Role } from "@vm-sentinel/core/Sentinel"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Platform from "../Platform.ts"
import * as options from "./options.ts"

const missing = new CliError.ValidationError({
  message: 'Missing required flag: --pid, the owner. The shell that calls is --pid "$$"'
})

export const write = Command.make(
  "write",
  {
    directory: options.directory,
    pid: options.decoded(Flag.Int("pid"), Pid, "a PID, 1 to 2147483647").pipe(
      Flag.withMetavar("PID"),
      Flag.withDescription('The owner, which has no default; the shell that calls is "$$"'),
      // The flag has no default, because the parent is often a wrapper that ends at once (npx, sudo, timeout, `sh -c`).
      Flag.optional,
      Flag.mapEffect(Option.match({ onNone: () => Effect.fail(missing), onSome: (pid) => Effect.succeed(pid) }))
    ),
    format: Flag.Literals("format", ["v1", "v2", "v3"]).pipe(
      Flag.withMetavar("v1|v2|v3"),
      Flag.withDescription("Format of the sentinel; v2 suits .bbox-sentinel (default: v3, under .bbox-sentinel v2)"),
      Flag.optional
    ),
    role: options
      .decoded(Flag.String("role"), Role, "1 to 32 letters, digits, - or _")
      .pipe(
        Flag.withMetavar("ROLE"),
        Flag.withDescription("What the owner is to DIR; each role has a file of its own (default: owner)"),
        Flag.optional
      ),
    sentinelName: options.sentinelName,
    legacy: options.ownersLegacy
  },
  (input) =>
    Effect.flatMap(
      Effect.promise(() => import("../owner/Write.ts")),
      ({ write }) => write(input)
    )
).pipe(
  Command.withDescription("Record a process as the owner of DIR, unless somebody owns it already"),
  Command.withShortDescription("Record a process as the owner of a directory"),
  Command.withExamples([
    { command: 'vm-sentinel write /var/lib/vms/a --pid "$$"', description: "The shell that calls owns the directory" },
    {
      command: "vm-sentinel write /var/lib/vms/a --pid 4711 --role qemu",
      description: "A second owner beside the first"
    }
  ]),
  Command.provide(Platform.layer)
)
