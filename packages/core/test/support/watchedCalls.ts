/** Records the calls of Node that ask the kernel. It changes the modules of Node, so it needs a process of its own. */
import ChildProcess from "node:child_process"
import Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import Os from "node:os"
import { Schema } from "effect"

/** The calls that were made until some time, and whether koffi was loaded by then. */
const Asked = Schema.Struct({ calls: Schema.Array(Schema.String), koffi: Schema.Boolean })

/** What a program prints that builds Layers and then uses them. */
export const Built = Schema.fromJsonString(Schema.Struct({ built: Asked, used: Asked }))

/** Watches from now on. The result tells what was asked so far. */
export const watch = (): (() => typeof Asked.Type) => {
  const calls: Array<string> = []
  const record = (module: object, name: string) => {
    const call: unknown = Reflect.get(module, name)
    if (typeof call !== "function") return
    const apply = (target: Function, self: unknown, args: Array<unknown>): unknown => {
      calls.push(name)
      return Reflect.apply(target, self, args)
    }
    Reflect.set(module, name, new Proxy(call, { apply }))
  }
  for (const module of [ChildProcess, Fs, Os]) for (const name of Object.keys(module)) record(module, name)
  for (const name of ["cwd", "geteuid", "getuid", "kill"]) record(process, name)
  syncBuiltinESMExports()
  return () => {
    const made = [...calls]
    return { calls: made, koffi: JSON.stringify(process.report.getReport()).includes("koffi.node") }
  }
}
