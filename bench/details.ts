/** Times of single steps of a sweep. */
import * as Schema from "effect/Schema"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import * as Lab from "./lab.ts"

export const Figure = Schema.Struct({ name: Schema.String, microseconds: Schema.Number })
export type Figure = typeof Figure.Type

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Figure)))

export const run = async (lab: Lab.Lab): Promise<ReadonlyArray<Figure>> => {
  const [live] = lab.owners.live
  const [dead] = await lab.owners.dead()
  if (live === undefined || dead === undefined) throw new Error("no owners")
  const spec = { size: 200, dead: 0, files: 1 }
  const figures = await Lab.withRoot(lab, { ...spec, kind: "v2" }, (v2) =>
    Lab.withRoot(lab, { ...spec, kind: "v3" }, async (v3) => {
      const budget = lab.settings.quick ? "100" : "500"
      const args = [`${import.meta.dirname}/detailsWorker.ts`, `${live.pid}`, `${dead.pid}`, v2, v3, budget]
      const { stdout } = await promisify(execFile)(process.execPath, args)
      return decode(stdout)
    })
  )
  for (const { microseconds, name } of figures) lab.say(`${microseconds.toFixed(2).padStart(9)} µs  ${name}`)
  return figures
}
