/** In which order to visit many files: that of their inodes, in which a file system has them. */
import * as Slices from "@vm-sentinel/core/Slices"

/** Keys that V8 sorts at a stretch: in a slice or two, and so that not many have to be merged. */
const run = 2 ** 14

/** Steps at a stretch. */
const part = 1024

/** Does all of a long loop by a `loop` over some: in a generator it would be slow for longer. */
function* inParts(
  isSliceUsedUp: () => boolean,
  start: number,
  end: number,
  loop: (from: number, to: number) => void
): Generator<void, void> {
  for (let from = start; from < end; from += part) {
    loop(from, Math.min(from + part, end))
    if (isSliceUsedUp()) yield
  }
}

/** Merges what is ordered from `start` to `middle` and from there to `end`, into the same places of `to`. */
function* merge(
  from: Float64Array,
  to: Float64Array,
  start: number,
  middle: number,
  end: number,
  isSliceUsedUp: () => boolean
): Generator<void, void> {
  let left = start
  let right = middle
  yield* inParts(isSliceUsedUp, start, end, (first, last) => {
    for (let at = first; at < last; at++) {
      const one = left < middle ? (from[left] ?? 0) : Infinity
      const other = right < end ? (from[right] ?? 0) : Infinity
      if (one < other) left++
      else right++
      to[at] = Math.min(one, other)
    }
  })
}

/**
 * By its place, the index of an inode in the order of their numbers; of equal ones the lower first. Numbers so far apart
 * that they don't fit into 53 bits together with an index are rounded. In slices.
 */
export function* inodeOrder(inodes: ReadonlyArray<number>): Generator<void, (place: number) => number> {
  const isSliceUsedUp = Slices.make(1)
  const { length } = inodes
  let smallest = Infinity
  let largest = 0
  yield* inParts(isSliceUsedUp, 0, length, (first, last) => {
    for (let index = first; index < last; index++) {
      const inode = inodes[index] ?? 0
      if (inode < smallest) smallest = inode
      if (inode > largest) largest = inode
    }
  })
  /** Inodes that count as one. */
  let unit = 1
  while (((largest - smallest) / unit + 1) * length > Number.MAX_SAFE_INTEGER) unit *= 2
  // A key is an inode and an index, so that numbers alone are to be sorted, which V8 does without calling back.
  let keys = new Float64Array(length)
  yield* inParts(isSliceUsedUp, 0, length, (first, last) => {
    for (let index = first; index < last; index++) {
      keys[index] = Math.floor(((inodes[index] ?? 0) - smallest) / unit) * length + index
    }
  })
  for (let start = 0; start < length; start += run) {
    keys.subarray(start, start + run).sort()
    if (length > run) yield
  }
  let merged = new Float64Array(length > run ? length : 0)
  for (let size = run; size < length; size *= 2) {
    for (let start = 0; start < length; start += 2 * size) {
      const middle = Math.min(start + size, length)
      yield* merge(keys, merged, start, middle, Math.min(middle + size, length), isSliceUsedUp)
    }
    ;[keys, merged] = [merged, keys]
  }
  const ordered = keys
  return (place) => {
    const key = ordered[place] ?? 0
    // The remainder, which as an operator is many times as slow. A quotient of 53 bits is never rounded up to the next one.
    return key - Math.floor(key / length) * length
  }
}
