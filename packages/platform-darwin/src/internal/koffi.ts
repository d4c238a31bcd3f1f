/** koffi as this package uses it: a missing koffi is an error with the reason. */
import { find, type Library } from "./koffiLoader.ts"

export * from "./koffiLoader.ts"

/** Returns koffi. Throws an error with the reason if koffi is missing. */
export const required = (): Library => {
  const { koffi, part } = find()
  if (koffi === undefined) throw new Error(part.detail)
  return koffi
}
