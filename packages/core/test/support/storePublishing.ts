import { assert } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Disk } from "../../src/Disk.ts"
import { MalformedSentinel } from "../../src/Errors.ts"
import * as Layout from "../../src/Layout.ts"
import { SentinelStore } from "../../src/SentinelStore.ts"
import { contentOf, worldWithoutDirectories } from "./withoutDirectory.ts"
import { condemnedAt, fresh, textOf } from "./condemning.ts"
import { pid, record, v1, v2, v3 } from "./fixtures.ts"
import { Interposer } from "./Interposed.ts"
import type { Tester } from "./storeTester.ts"
import { look } from "./looking.ts"
import { refusal } from "./reaping.ts"

const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

export const tests = <R>({ able, test, world: given }: Tester<R>): void => {
  const world = worldWithoutDirectories(given)

  test("publishes each format byte for byte, mode 0600, with nothing beside it", () =>
    Effect.gen(function* () {
      const [disk, store] = [yield* Disk, yield* SentinelStore]
      const directory = yield* world.scratch
      for (const [format, sentinel, expected] of [
        ["v1", v1, "4242"],
        ["v2", v2("/opt/brood box/bbox"), "4242\n/opt/brood box/bbox"],
        ["v3", v3(), `4242\n/usr/bin/node\n${JSON.stringify(Object.assign({ v: 3, pid }, record))}\n`]
      ] as const) {
        const vm = `${directory}/${format}`
        yield* world.directory(vm)
        const file = yield* store.publish(vm, sentinel)
        assert.deepStrictEqual(yield* world.tree(vm), { ".vm-sentinel": expected })
        assert.deepInclude(yield* disk.lstat(`${vm}/.vm-sentinel`), { mode: 0o600, nlink: 1, id: file.id })
        // The store unlinks the temporary name after it has read the file. The unlink changes the ctime.
        const [seen, ...others] = (yield* look(store, vm)).sentinels
        assert.deepStrictEqual([{ ...seen, changedAt: file.changedAt }, ...others], [file])
        assert.deepStrictEqual(contentOf(file), Result.succeed(sentinel))
      }
    }))

  test("writes brood-box's sentinel as brood-box does, and nothing else under its name", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      const entry = ".bbox-sentinel"
      assert.strictEqual(yield* tag(store.publish(directory, v3(), { entry })), "MalformedSentinel")
      assert.strictEqual(yield* tag(store.publish(directory, v1, { entry })), "MalformedSentinel")
      assert.deepStrictEqual(yield* world.tree(directory), {})
      yield* store.publish(directory, v2("/usr/local/bin/bbox"), { entry })
      assert.deepStrictEqual(yield* world.tree(directory), { ".bbox-sentinel": "4242\n/usr/local/bin/bbox" })
    }))

  test("refuses what no line can hold, and truncates nothing", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      for (const path of ["/a\nb", "/a\0b", `/${"x".repeat(4096)}`, ""]) {
        const error = yield* Effect.flip(store.publish(directory, v2(path)))
        assert.instanceOf(error, MalformedSentinel)
      }
      assert.deepStrictEqual(yield* world.tree(directory), {})
    }))

  test("publishes in a directory alone", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.directory(`${directory}/vm`)
      yield* world.symlink(`${directory}/link`, `${directory}/vm`)
      yield* world.file(`${directory}/file`, "")
      for (const [entry, kind] of [
        ["link", "not-a-directory"],
        ["file", "not-a-directory"],
        ["missing", "missing"]
      ] as const) {
        assert.strictEqual(yield* refusal(store.publish(`${directory}/${entry}`, v1)), `NotFound: ${kind}`, entry)
      }
      assert.deepStrictEqual(yield* world.tree(`${directory}/vm`), {})
    }))

  test("publishes over no other sentinel, whatever it is", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.file(`${directory}/a/.vm-sentinel`, "17")
      yield* world.file(`${directory}/b/.vm-sentinel`, "")
      yield* world.directory(`${directory}/c/.vm-sentinel`)
      yield* world.directory(`${directory}/d`)
      yield* world.symlink(`${directory}/d/.vm-sentinel`, `${directory}/a/.vm-sentinel`)
      const before = yield* world.tree(directory)
      for (const entry of ["a", "b", "c", "d"]) {
        assert.strictEqual(yield* tag(store.publish(`${directory}/${entry}`, fresh())), "AlreadyOwned", entry)
      }
      assert.deepStrictEqual(yield* world.tree(directory), before)
      yield* store.publish(`${directory}/a`, fresh(), { entry: ".vm-sentinel.helper" })
      assert.deepInclude(yield* world.tree(directory), { "a/.vm-sentinel": "17" })
    }))

  test("replaces the sentinel that was condemned, and leaves nothing of it", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* store.publish(directory, fresh())
      const [second, third] = [fresh(), fresh()]
      yield* store.publish(directory, second, { replacing: yield* condemnedAt(store, directory) })
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(second) })
      yield* store.publish(directory, third, { replacing: yield* condemnedAt(store, directory) })
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(third) })
    }))

  test("replaces nothing but what was condemned", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      const old = fresh()
      for (const vm of ["a", "b"]) {
        yield* world.directory(`${directory}/${vm}`)
        yield* store.publish(`${directory}/${vm}`, old)
      }
      const condemned = yield* condemnedAt(store, `${directory}/a`)
      const publish = (vm: string) => tag(store.publish(`${directory}/${vm}`, fresh(), { replacing: condemned }))
      assert.strictEqual(yield* publish("b"), "Changed", "another directory")
      yield* world.file(`${directory}/a/.vm-sentinel`, textOf(fresh()))
      assert.strictEqual(yield* publish("a"), "Changed", "other bytes in the same file")
      yield* world.move(`${directory}/a/.vm-sentinel`, `${directory}/a/kept`)
      assert.strictEqual(yield* publish("a"), "Changed", "none any more")
      yield* world.file(`${directory}/a/copy`, textOf(old))
      yield* world.move(`${directory}/a/copy`, `${directory}/a/.vm-sentinel`)
      assert.strictEqual(yield* publish("a"), "Changed", "the same bytes in another file")
      assert.deepStrictEqual(Object.keys(yield* world.tree(directory)), [
        "a",
        "a/.vm-sentinel",
        "a/kept",
        "b",
        "b/.vm-sentinel"
      ])
    }))

  test("two writers of an empty directory: one publishes, and the other is told", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      const [one, two] = [fresh(), fresh()]
      yield* interposer.before("link", store.publish(directory, two))
      assert.strictEqual(yield* refusal(store.publish(directory, one)), "AlreadyOwned: other-record")
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(two) })
    }))

  // The second writer may publish before each of these calls of the first one, in order. The first call comes before a
  // look, and the last one is `link`.
  for (const [method, outcome] of [
    ["create", "Changed"],
    ["scan", "Changed"],
    ["rename", "AlreadyOwned: raced"],
    ["link", "AlreadyOwned: other-record"]
  ] as const) {
    test(`two writers over one dead owner, the second before the ${method} of the first: one wins, the other knows`, () =>
      Effect.gen(function* () {
        const [interposer, store] = [yield* Interposer, yield* SentinelStore]
        const directory = yield* world.scratch
        yield* store.publish(directory, fresh())
        const [one, two] = [fresh(), fresh()]
        const replacing = yield* condemnedAt(store, directory)
        // Before `link`, the first writer has moved the old sentinel aside, so the second one finds none to replace.
        const second = method === "link" ? store.publish(directory, two) : store.publish(directory, two, { replacing })
        yield* interposer.before(method, second)
        assert.strictEqual(yield* refusal(store.publish(directory, one, { replacing })), outcome)
        assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(two) })
      }))
  }

  test("scenario 102: a record under the inode number of the judged one isn't taken for that one", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      yield* store.publish(directory, fresh())
      const [one, two] = [fresh(), fresh()]
      const replacing = yield* condemnedAt(store, directory)
      // The second writer rewrites its record, whose new file gets the number of the dead owner's.
      const second = Effect.gen(function* () {
        const file = yield* store.publish(directory, two, { replacing })
        yield* store.publish(directory, two, { replacing: file })
      })
      yield* interposer.before("rename", second)
      assert.strictEqual(yield* tag(store.publish(directory, one, { replacing })), "AlreadyOwned")
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(two) })
    }))

  test("scenario 102: a release leaves the record that got the inode number of its own", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      const [one, two] = [fresh(), fresh()]
      const file = yield* store.publish(directory, one)
      const own = yield* condemnedAt(store, directory)
      const next = Effect.gen(function* () {
        const file = yield* store.publish(directory, two, { replacing: own })
        yield* store.publish(directory, two, { replacing: file })
      })
      yield* interposer.before("rename", next)
      yield* store.release(directory, file)
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(two) })
    }))

  test("a full file system leaves the old record under its name when the publication fails", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      const own = fresh()
      const file = yield* store.publish(directory, own)
      for (let times = 0; times < 2; times++) yield* interposer.fail("link", "ENOSPC")
      assert.strictEqual(yield* tag(store.publish(directory, own, { replacing: file })), "StoreFailure")
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(own) })
    }))

  test("a third writer's record isn't lost where the second's was put back", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      yield* store.publish(directory, fresh())
      const [one, two, three] = [fresh(), fresh(), fresh()]
      const replacing = yield* condemnedAt(store, directory)
      // The first writer moves the second one's live record aside by mistake. When it puts that record back, the third
      // writer's record has the name.
      yield* interposer.before("rename", store.publish(directory, two, { replacing }))
      yield* interposer.before("link", store.publish(directory, three), (from) => from.includes(".old-"))
      assert.strictEqual(yield* tag(store.publish(directory, one, { replacing })), "AlreadyOwned")
      assert.sameMembers(Object.values(yield* world.tree(directory)), [textOf(three), textOf(two)])
      assert.strictEqual((yield* look(store, directory)).sentinels.length, 2)
    }))

  for (const moment of ["create", "link", "lstat", "read"] as const) {
    test(`a directory that a sweep takes before the ${moment} of a writer is Claimed, and nothing is lost`, () =>
      Effect.gen(function* () {
        const [interposer, store] = [yield* Interposer, yield* SentinelStore]
        const directory = yield* world.scratch
        yield* world.file(`${directory}/vm/disk`, "data")
        const taken = world.move(`${directory}/vm`, `${directory}/claimed`)
        // The writer's first `lstat` must see the unchanged directory. The rule for `lstat` starts at `link`.
        if (moment === "lstat") yield* interposer.before("link", interposer.before("lstat", taken))
        else yield* interposer.before(moment, taken)
        assert.strictEqual(yield* refusal(store.publish(`${directory}/vm`, fresh())), "Claimed: gone")
        const left = yield* world.tree(directory)
        assert.deepInclude(left, { claimed: "directory", "claimed/disk": "data" })
        assert.notProperty(left, "vm")
      }))

    test(`a directory swapped for another one before the ${moment} of a writer is Claimed`, () =>
      Effect.gen(function* () {
        const [interposer, store] = [yield* Interposer, yield* SentinelStore]
        const directory = yield* world.scratch
        yield* world.file(`${directory}/vm/disk`, "data")
        const other = fresh()
        const swapped = Effect.andThen(
          world.move(`${directory}/vm`, `${directory}/claimed`),
          world.file(`${directory}/vm/.vm-sentinel`, textOf(other))
        )
        if (moment === "lstat") yield* interposer.before("link", interposer.before("lstat", swapped))
        else yield* interposer.before(moment, swapped)
        assert.strictEqual(yield* refusal(store.publish(`${directory}/vm`, fresh())), "Claimed: replaced")
        assert.deepInclude(yield* world.tree(directory), { "claimed/disk": "data", "vm/.vm-sentinel": textOf(other) })
      }))
  }

  test("a directory swapped for another one with the very same record is Claimed, too", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      yield* world.directory(`${directory}/vm`)
      const swapped = Effect.andThen(
        world.move(`${directory}/vm`, `${directory}/claimed`),
        world.file(`${directory}/vm/.vm-sentinel`, textOf(v2()))
      )
      yield* interposer.before("syncDirectory", swapped)
      assert.strictEqual(yield* refusal(store.publish(`${directory}/vm`, v2())), "Claimed: replaced")
    }))

  for (const [title, lose] of [
    ["removes", world.remove],
    ["changes", (path: string) => world.file(path, textOf(fresh()))]
  ] as const) {
    test(`a record that another program ${title} before its writer has read it back is lost, and its directory isn't`, () =>
      Effect.gen(function* () {
        const [interposer, store] = [yield* Interposer, yield* SentinelStore]
        const directory = yield* world.scratch
        yield* interposer.before("read", lose(`${directory}/.vm-sentinel`))
        assert.strictEqual(yield* refusal(store.publish(directory, fresh())), "Claimed: record-lost")
      }))
  }

  for (const errno of ["ENOSPC", "EIO", "EDQUOT", "EROFS"]) {
    for (const method of ["create", "rename", "link"] as const) {
      test(`scenario 39: ${errno} at ${method} leaves the old record intact, and no litter`, () =>
        Effect.gen(function* () {
          const [interposer, store] = [yield* Interposer, yield* SentinelStore]
          const directory = yield* world.scratch
          yield* world.file(`${directory}/disk`, "data")
          yield* store.publish(directory, fresh())
          const before = yield* world.tree(directory)
          const replacing = yield* condemnedAt(store, directory)
          yield* interposer.fail(method, errno)
          const error = yield* Effect.flip(store.publish(directory, fresh(), { replacing }))
          assert.deepInclude(error, { _tag: "StoreFailure", errno })
          assert.deepStrictEqual(yield* world.tree(directory), before)
          // The next attempt succeeds.
          const next = fresh()
          yield* store.publish(directory, next, { replacing: yield* condemnedAt(store, directory) })
          assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(next), disk: "data" })
        }))
    }

    test(`scenario 39: ${errno} in an empty directory leaves it empty`, () =>
      Effect.gen(function* () {
        const [interposer, store] = [yield* Interposer, yield* SentinelStore]
        const directory = yield* world.scratch
        for (const method of ["create", "link"] as const) {
          yield* interposer.fail(method, errno)
          assert.deepInclude(yield* Effect.flip(store.publish(directory, fresh())), { _tag: "StoreFailure", errno })
          assert.deepStrictEqual(yield* world.tree(directory), {}, method)
        }
      }))
  }

  test("works on a file system without hard links", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      const [first, second, third] = [fresh(), fresh(), fresh()]
      yield* interposer.fail("link", "EPERM")
      yield* store.publish(directory, first)
      yield* interposer.fail("link", "ENOTSUP")
      yield* store.publish(directory, second, { replacing: yield* condemnedAt(store, directory) })
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(second) })
      yield* interposer.fail("link", "EPERM")
      assert.strictEqual(yield* tag(store.publish(directory, third)), "AlreadyOwned")
      // Without `link`, the store puts the old record back by a rename.
      yield* interposer.fail("link", "EIO")
      yield* interposer.fail("link", "EPERM")
      const replacing = yield* condemnedAt(store, directory)
      assert.strictEqual(yield* tag(store.publish(directory, third, { replacing })), "StoreFailure")
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(second) })
    }))

  able(world.permissions, "says so where it may not write", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      yield* world.directory(`${directory}/vm`, 0o500)
      assert.strictEqual(yield* tag(store.publish(`${directory}/vm`, fresh())), "PermissionDenied")
      assert.deepStrictEqual(yield* world.tree(`${directory}/vm`), {})
    })
  )

  test("scenario 38: a directory is born with its sentinel, or not at all", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      const sentinel = fresh()
      const born = store.create(`${directory}/vm`, () => Effect.succeed(sentinel))
      for (const [method, errno] of [
        ["makeDirectory", "ENOSPC"],
        ["create", "ENOSPC"],
        ["link", "EIO"],
        ["renameNew", "EIO"]
      ] as const) {
        yield* interposer.fail(method, errno)
        assert.deepInclude(yield* Effect.flip(born), { _tag: "StoreFailure", errno }, method)
        assert.deepStrictEqual(yield* world.tree(directory), {}, method)
      }
      // No descriptor is left to create the sentinel, nor to remove the directory by descriptor.
      for (const method of ["create", "removeTree"] as const) yield* interposer.fail(method, "EMFILE")
      assert.deepInclude(yield* Effect.flip(born), { _tag: "StoreFailure", errno: "EMFILE" })
      assert.deepStrictEqual(yield* world.tree(directory), {})
      yield* born
      assert.deepStrictEqual(yield* world.tree(directory), { vm: "directory", "vm/.vm-sentinel": textOf(sentinel) })
      assert.strictEqual(yield* refusal(born), "AlreadyOwned: path-in-use")
      yield* world.directory(`${directory}/empty`)
      assert.strictEqual(yield* tag(store.create(`${directory}/empty`, () => Effect.succeed(sentinel))), "AlreadyOwned")
      assert.strictEqual(
        yield* tag(store.create(`${directory}/missing/vm`, () => Effect.succeed(sentinel))),
        "NotFound"
      )
      assert.deepStrictEqual(yield* world.tree(directory), {
        empty: "directory",
        vm: "directory",
        "vm/.vm-sentinel": textOf(sentinel)
      })
    }))

  test("no owner gets a name that belongs to sweeps", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      for (const name of [".vm-sentinel-reap.0.new", ".vm-sentinel-reap.0", ".vm-sentinel-reap.0.dead=vm"]) {
        const born = store.create(`${directory}/${name}`, () => Effect.succeed(fresh()))
        assert.strictEqual(yield* tag(born), "MalformedSentinel", name)
      }
      assert.deepStrictEqual(yield* world.tree(directory), {})
      for (const path of [".vm-sentinel-reap.0.new", ".vm-sentinel-reap.0.new/vm"]) {
        yield* world.directory(`${directory}/${path}`)
        assert.strictEqual(yield* tag(store.publish(`${directory}/${path}`, fresh())), "MalformedSentinel", path)
        assert.deepStrictEqual((yield* store.look(`${directory}/${path}`, Layout.standard)).sentinels, [])
      }
      const inner = store.create(`${directory}/.vm-sentinel-reap.0.new/inner`, () => Effect.succeed(fresh()))
      assert.strictEqual(yield* tag(inner), "MalformedSentinel")
    }))

  test("releases its own sentinel by its nonce, under any name, and no other", () =>
    Effect.gen(function* () {
      const store = yield* SentinelStore
      const directory = yield* world.scratch
      const [one, two] = [fresh(), fresh()]
      const first = yield* store.publish(directory, one)
      const second = yield* store.publish(directory, two, { entry: ".vm-sentinel.helper" })
      assert.strictEqual(yield* tag(store.release(directory, { ...first, entry: second.entry })), "NotFound")
      assert.strictEqual(yield* tag(store.release(directory, { ...first, content: second.content })), "NotFound")
      yield* world.directory(`${directory}/sub`)
      assert.strictEqual(
        yield* tag(store.release(`${directory}/sub`, { ...first, entry: "../.vm-sentinel" })),
        "NotFound"
      )
      yield* world.remove(`${directory}/sub`)
      yield* store.release(directory, second)
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(one) })
      // A record that was rewritten has the same nonce.
      const { lock: _, ...record } = one.record
      yield* store.publish(directory, { ...one, record }, { replacing: first })
      yield* store.release(directory, first)
      assert.deepStrictEqual(yield* world.tree(directory), {})
      assert.strictEqual(yield* refusal(store.release(directory, first)), "NotFound: no-sentinel")
      assert.strictEqual(yield* refusal(store.release(`${directory}/missing`, first)), "NotFound: missing")
      yield* store.release(directory, yield* store.publish(directory, one, { entry: "vm.pid" }))
      assert.deepStrictEqual(yield* world.tree(directory), {})
    }))

  for (const method of ["rename", "read", "unlink"] as const) {
    test(`scenario 39: a release that fails at ${method} leaves the record under its name, and can be repeated`, () =>
      Effect.gen(function* () {
        const [interposer, store] = [yield* Interposer, yield* SentinelStore]
        const directory = yield* world.scratch
        const own = fresh()
        const file = yield* store.publish(directory, own)
        yield* interposer.fail(method, "EIO", (path) => method === "rename" || path.includes(".old-"))
        assert.strictEqual(yield* tag(store.release(directory, file)), "StoreFailure")
        assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(own) })
        yield* store.release(directory, file)
        assert.deepStrictEqual(yield* world.tree(directory), {})
      }))
  }

  test("releases its own record, too, that it rewrites meanwhile", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      const own = fresh()
      const replacing = yield* store.publish(directory, own)
      yield* interposer.before("rename", store.publish(directory, own, { replacing }))
      yield* store.release(directory, replacing)
      assert.deepStrictEqual(yield* world.tree(directory), {})
    }))

  test("releases nothing that the next owner has published meanwhile", () =>
    Effect.gen(function* () {
      const [interposer, store] = [yield* Interposer, yield* SentinelStore]
      const directory = yield* world.scratch
      const [one, two] = [fresh(), fresh()]
      const first = yield* store.publish(directory, one)
      const replacing = yield* condemnedAt(store, directory)
      yield* interposer.before("rename", store.publish(directory, two, { replacing }))
      yield* store.release(directory, first)
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(two) })
      // Without `link`, the store puts the record of the next owner back by a rename.
      const three = fresh()
      yield* interposer.before(
        "rename",
        Effect.flatMap(condemnedAt(store, directory), (replacing) => store.publish(directory, three, { replacing }))
      )
      const released = store.release(directory, { ...first, content: Result.succeed(two) })
      for (let call = 0; call < 2; call++) yield* interposer.fail("link", "EPERM")
      yield* released
      assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(three) })
      for (const errno of ["EIO", "EROFS"]) {
        yield* interposer.fail("rename", errno)
        assert.strictEqual(
          yield* tag(store.release(directory, { ...first, content: Result.succeed(three) })),
          "StoreFailure"
        )
        assert.deepStrictEqual(yield* world.tree(directory), { ".vm-sentinel": textOf(three) })
      }
    }))
}
