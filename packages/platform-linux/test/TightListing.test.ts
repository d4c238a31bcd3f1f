import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import type { FileType } from "@vm-sentinel/core/Disk"
import { runs } from "../../core/test/support/property.ts"
import * as At from "../src/internal/at.ts"
import * as TightListing from "../src/internal/tightListing.ts"

const types: ReadonlyArray<FileType> = ["file", "directory", "symlink", "fifo", "socket", "device", "unknown"]

const Drawn = Schema.Struct({
  name: Schema.Literals(["a", "b", "vm-1", "夜", "\uFFFD", "\udcff", "a\udc80b", "x".repeat(5000), "🦀"]),
  type: Schema.Literals(types),
  ino: Schema.Literals([1, 2, 3, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1, 2 ** 60, 2 ** 60])
})

const listingOf = (entries: ReadonlyArray<typeof Drawn.Type>, hasInodes: boolean) => {
  const listing = TightListing.make()
  for (const { ino, name, type } of entries) {
    listing.add(name, { name: At.nameOf(name), type, ino: hasInodes ? ino : undefined })
  }
  const { entry, size } = listing.sorted()
  return Array.from({ length: size }, (_, index) => entry(index))
}

describe("a tight listing", () => {
  it.effect.prop(
    "has every name and type, in the order of the inodes, however large they are",
    { entries: Arbitrary.schema(Schema.Array(Drawn)) },
    ({ entries }) =>
      Effect.sync(() => {
        const expected = entries.toSorted((a, b) => a.ino - b.ino)
        const found = listingOf(entries, true)
        const inoOf = (index: number) => expected[index]?.ino
        // Of equal ones any may be first.
        const groups = (
          list: ReadonlyArray<{ readonly name?: string; readonly entry?: string; readonly type: FileType }>
        ) => list.map(({ entry, name, type }, index) => `${inoOf(index)} ${entry ?? name} ${type}`).toSorted()
        assert.deepStrictEqual(groups(found), groups(expected))
      }),
    runs(300)
  )

  it.effect.prop(
    "is in the order of names where no inode is told",
    { entries: Arbitrary.schema(Schema.Array(Drawn)) },
    ({ entries }) =>
      Effect.sync(() => {
        const names = listingOf(entries, false).map(({ entry }) => entry)
        assert.deepStrictEqual(names, entries.map(({ name }) => name).toSorted())
      }),
    runs(300)
  )
})
