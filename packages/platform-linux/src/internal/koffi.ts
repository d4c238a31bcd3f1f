/** koffi as this package uses it: what needs koffi is left out where koffi is missing. */
import { find, type Library } from "./koffiLoader.ts"

export * from "./koffiLoader.ts"

/** The result of `make`. `undefined`: koffi isn't installed or can't run. */
export const withKoffi = <A>(make: (koffi: Library) => A): A | undefined => {
  const { koffi } = find()
  try {
    return koffi && make(koffi)
  } catch {
    return undefined
  }
}
