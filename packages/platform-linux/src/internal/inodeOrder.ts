/** In which order to visit many files: that of their inodes, in which a file system has them. */
import * as Slices from "@vm-sentinel/core/Slices"

const radix = 2 ** 11

/** Steps between two looks at whether the slice is used up. */
const steps = 64

/**
 * The indexes of inodes by their numbers; of equal ones the lower first. In slices, and so digit by digit, the lowest
 * first: a sort of V8's own can't be left halfway.
 */
export function* inodeOrder(inodes: ReadonlyArray<number>): Generator<void, Uint32Array> {
  const isSliceUsedUp = Slices.make()
  const { length } = inodes
  let ordered = new Uint32Array(length)
  let next = new Uint32Array(length)
  let smallest = Infinity
  let largest = 0
  for (let index = 0; index < length; index++) {
    const inode = inodes[index] ?? 0
    ordered[index] = index
    smallest = Math.min(smallest, inode)
    largest = Math.max(largest, inode)
    if (index % steps === 0 && isSliceUsedUp()) yield
  }
  for (let unit = 1; unit <= largest - smallest; unit *= radix) {
    const digitOf = (index: number): number => {
      const high = Math.floor(((inodes[index] ?? 0) - smallest) / unit)
      return high - Math.floor(high / radix) * radix
    }
    /** By digit: how many have a lower one, then where the next that has it goes. */
    const places = new Uint32Array(radix + 1)
    for (let index = 0; index < length; index++) {
      const above = digitOf(index) + 1
      places[above] = (places[above] ?? 0) + 1
      if (index % steps === 0 && isSliceUsedUp()) yield
    }
    for (let digit = 0; digit < radix; digit++) places[digit + 1] = (places[digit + 1] ?? 0) + (places[digit] ?? 0)
    for (let at = 0; at < length; at++) {
      const index = ordered[at] ?? 0
      const digit = digitOf(index)
      const place = places[digit] ?? 0
      next[place] = index
      places[digit] = place + 1
      if (at % steps === 0 && isSliceUsedUp()) yield
    }
    ;[ordered, next] = [next, ordered]
  }
  return ordered
}
