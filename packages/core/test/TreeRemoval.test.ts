/** The rules of a removal that every platform shares. Removals on real kernels are tested with the platforms. */
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import type { JudgedSentinel, RemoveTreeOptions } from "../src/Disk.ts"
import { type Removed, placeOf, removal } from "../src/TreeRemoval.ts"
import { type Act, fail, type Fake, make, type Tree } from "./support/fakeDirectories.ts"

const remove = ({ calls }: Fake, options: RemoveTreeOptions = {}, now = () => 0): Removed => {
  const work = removal(calls, { ...options, path: "/tree" }, () => false, now)
  for (;;) {
    const next = work.next()
    if (next.done === true) return next.value
  }
}

const trusting: RemoveTreeOptions = { mayRemove: () => true }

/** Acts before calls of one kind on one name. */
const before =
  (call: string, name: string, act: () => void): Act =>
  (made, about) => {
    if (made === call && about === name) act()
  }

const chain = (depth: number, end: Tree): Tree =>
  depth === 0 ? end : { [`d${depth}`]: chain(depth - 1, end), file: "" }

const gone = { failure: undefined, stayed: [] }

describe("a removal of a tree", () => {
  it("removes all of it, sentinels last, and has closed what it opened", () => {
    const order: Array<string> = []
    const fake = make(
      { other: "", tree: { ".vm-sentinel": "", a: "", sub: { ".vm-sentinel.guest": "", b: "", c: { d: "" } } } },
      (call, name) => {
        if (call === "unlink" || call === "removeDirectory") order.push(name)
      }
    )
    assert.deepStrictEqual(remove(fake, trusting), gone)
    assert.deepStrictEqual(order, ["a", "b", "d", "c", ".vm-sentinel.guest", "sub", ".vm-sentinel", "tree"])
    assert.deepStrictEqual(fake.tree(), { other: "" })
    assert.strictEqual(fake.open(), 0)
  })

  const marked: Tree = { tree: { ".vm-sentinel.a": "", ".vm-sentinel.removing": "", ".vm-sentinel.z": "", a: "" } }

  it("scenario 105: the mark of a deletion where the directory lies goes after all other sentinels", () => {
    const order: Array<string> = []
    const fake = make(marked, (call, name) => {
      if (call === "unlink" || call === "removeDirectory") order.push(name)
    })
    assert.deepStrictEqual(remove(fake), gone)
    assert.deepStrictEqual(order, ["a", ".vm-sentinel.a", ".vm-sentinel.z", ".vm-sentinel.removing", "tree"])
  })

  for (const late of ["before", "after"] as const) {
    it(`scenario 105: a file that comes ${late} the mark is unlinked ${late === "after" ? "stays" : "goes"}`, () => {
      const come = late === "before" ? ["unlink", "a"] : ["removeDirectory", "tree"]
      let times = 0
      const fake: Fake = make(marked, (call, name) => {
        if (call === come[0] && name === come[1] && ++times === 1) fake.write("tree/late")
      })
      const removed = remove(fake, { inPlace: true })
      assert.deepStrictEqual(fake.tree(), late === "before" ? {} : { tree: { late: "" } })
      assert.strictEqual(removed.failure?.errno, late === "before" ? undefined : "ENOTEMPTY")
      assert.deepStrictEqual(removed.stayed, [])
    })
  }

  it("scenario 105: the sentinels of a directory where it lies go after a pass that found nothing else", () => {
    const order: Array<string> = []
    const fake: Fake = make(
      { tree: { ".vm-sentinel.removing": "", a: "", sub: { ".vm-sentinel": "", b: "" } } },
      (call, name) => {
        if (call === "unlink" || call === "removeDirectory") order.push(name)
        if (call === "unlink" && (name === "a" || name === "b")) fake.write(name === "a" ? "tree/a2" : "tree/sub/b2")
      }
    )
    assert.deepStrictEqual(remove(fake, { ...trusting, inPlace: true }), gone)
    assert.deepStrictEqual(order, ["a", "b", "b2", ".vm-sentinel", "sub", "a2", ".vm-sentinel.removing", "tree"])
  })

  const topOf = ({ calls }: Fake): ReadonlyArray<JudgedSentinel> => {
    const tree = calls.openDirectory(calls.openPath("/"), "tree")
    return [".vm-sentinel.a", ".vm-sentinel.removing", ".vm-sentinel.z"].map((entry) => ({
      entry,
      file: calls.statAt(tree, entry)
    }))
  }

  for (const [late, what] of [
    [".vm-sentinel.z", "is replaced"],
    [".vm-sentinel.late", "comes"]
  ] as const) {
    it(`scenario 108: a sentinel of the top that ${what} right before any call stays, with its directory`, () => {
      const lost: Array<string> = []
      for (let at = 1; ; at++) {
        let calls = -Infinity
        let [wrote, before] = [false, ""]
        const fake: Fake = make(marked, (call, name) => {
          if (++calls !== at) return
          before = `${call} ${name}`
          wrote = Object.keys(fake.tree()).length > 0
          if (wrote) fake.write(`tree/${late}`)
        })
        const judged = topOf(fake)
        calls = 0
        const removed = remove(fake, { judged })
        if (calls < at) break
        if (!wrote) continue
        if (Object.keys(fake.tree()).length === 0) lost.push(before)
        else {
          assert.deepStrictEqual(removed, { failure: undefined, stayed: ["."] }, before)
          assert.nestedProperty(fake.tree(), `tree.${late.replaceAll(".", "\\.")}`, before)
        }
      }
      // No call compares and unlinks at once.
      assert.deepStrictEqual(lost, late === ".vm-sentinel.z" ? ["unlink .vm-sentinel.z"] : [])
    })
  }

  it("scenario 105: the mark stays where another sentinel can't be removed", () => {
    const fake = make(
      marked,
      before("unlink", ".vm-sentinel.z", () => fail("EPERM"))
    )
    assert.strictEqual(remove(fake).failure?.errno, "EPERM")
    assert.deepStrictEqual(fake.tree(), { tree: { ".vm-sentinel.removing": "", ".vm-sentinel.z": "" } })
  })

  it("any call that fails is the failure told, with all closed, the sentinel still there, and the rest gone next time", () => {
    const content: Tree = { tree: { ".vm-sentinel": "", a: "", ...chain(34, { ".vm-sentinel": "", z: "" }) } }
    for (let at = 1; ; at++) {
      let calls = 0
      let failing = ""
      const fake = make(content, (call) => {
        calls += 1
        if (calls !== at) return
        failing = call
        fail("EIO")
      })
      const title = () => `call ${at}, ${failing}`
      const { failure, stayed } = remove(fake, trusting)
      assert.strictEqual(fake.open(), 0, title())
      if (calls < at) {
        assert.deepStrictEqual(fake.tree(), {})
        break
      }
      const { tree = "" } = fake.tree()
      // A sentinel that can't be inspected may have an owner, so it stays.
      if (failing === "statAt") assert.lengthOf(stayed, 1, title())
      else assert.strictEqual(failure?.errno, "EIO", title())
      if (typeof tree === "object" && Object.keys(tree).length > 0) assert.property(tree, ".vm-sentinel", title())
      assert.deepStrictEqual(remove(fake, trusting), gone, title())
      assert.deepStrictEqual(fake.tree(), {}, title())
    }
  })

  it("ended between two removals, it has closed what it opened", () => {
    for (let steps = 1; ; steps++) {
      const fake = make({ tree: { ".vm-sentinel": "", sub: { a: "", sub: { b: "" } } } })
      const work: Generator<void, unknown, unknown> = removal(
        fake.calls,
        { path: "/tree" },
        () => true,
        () => 0
      )
      let isDone = false
      for (let step = 0; step < steps && !isDone; step++) isDone = work.next().done === true
      work.return(undefined)
      assert.strictEqual(fake.open(), 0, `step ${steps}`)
      if (isDone) break
      assert.property(fake.tree()["tree"], ".vm-sentinel", `step ${steps}`)
    }
  })

  it("touches nothing of another directory than the expected one, of a mount point, and of what is no name", () => {
    const content = { tree: { a: "" } }
    const fake = make(content)
    assert.strictEqual(remove(fake, { expected: { dev: "1", ino: "1" } }).failure?.errno, "ESTALE")
    fake.mounts.add("tree")
    assert.strictEqual(remove(fake).failure?.errno, "EXDEV")
    for (const path of ["tree", "/", "/tree/", "/tree/.", "/tree/.."]) {
      assert.isUndefined(placeOf(path))
      assert.deepInclude(
        removal(
          fake.calls,
          { path },
          () => false,
          () => 0
        ).next().value,
        { stayed: [] }
      )
    }
    assert.deepStrictEqual(fake.tree(), content)
    assert.strictEqual(fake.open(), 0)
  })

  it("a mount below is a wall, and what it lies in keeps its sentinels", () => {
    const fake = make({ tree: { ".vm-sentinel": "", a: "", sub: { mounted: { precious: "" }, b: "" } } })
    fake.mounts.add("mounted")
    const { failure } = remove(fake)
    assert.deepInclude(failure, { errno: "EXDEV", path: "/tree/sub/mounted" })
    assert.deepStrictEqual(fake.tree(), { tree: { ".vm-sentinel": "", sub: { mounted: { precious: "" } } } })
  })

  it("where a listing tells no types: what is a directory is entered, whatever its name, and all else unlinked", () => {
    const fake = make({ tree: { ".vm-sentinel": { a: "" }, ".bbox-sentinel": "", sub: { ".vm-sentinel": {}, b: "" } } })
    for (const name of [".vm-sentinel", ".bbox-sentinel", "sub", "a", "b"]) fake.untold.add(name)
    assert.deepStrictEqual(remove(fake), gone)
    assert.deepStrictEqual(fake.tree(), {})
  })

  it("what was listed as a directory and is none by now is told, and gone next time", () => {
    let writes = 0
    const fake: Fake = make(
      { tree: { ".vm-sentinel": "", sub: {} } },
      before("openDirectory", "sub", () => {
        if (++writes === 1) fake.write("tree/sub")
      })
    )
    assert.strictEqual(remove(fake).failure?.errno, "ENOTDIR")
    assert.deepStrictEqual(fake.tree(), { tree: { ".vm-sentinel": "", sub: "" } })
    assert.deepStrictEqual(remove(fake), gone)
  })

  for (const [errno, becomes] of [
    ["EAGAIN", "stays"],
    ["EIO", "is told"],
    ["EINTR", "is told"],
    ["EBADF", "is told"],
    ["ENOTSUP", "goes"],
    ["EOPNOTSUPP", "goes"],
    ["ENOLCK", "goes"],
    ["ENOSYS", "goes"]
  ] as const) {
    it(`scenario 109: a directory whose lock answers ${errno} ${becomes}`, () => {
      const content = { tree: { ".vm-sentinel": "", sub: { a: "", sub: {} } } }
      const fake = make(
        content,
        before("lock", "sub", () => fail(errno))
      )
      const { failure, stayed } = remove(fake)
      assert.deepStrictEqual(fake.tree(), becomes === "goes" ? {} : content)
      assert.deepStrictEqual(stayed, becomes === "stays" ? ["sub"] : [])
      assert.strictEqual(failure?.errno, becomes === "is told" ? errno : undefined)
    })
  }

  it("scenario 109: a directory that was told to stay stays, though its lock be free when the top is read again", () => {
    let asked = 0
    const fake = make(
      { tree: { held: { a: "" }, ...chain(40, { z: "" }) } },
      before("lock", "held", () => {
        if (++asked === 1) fail("EAGAIN")
      })
    )
    assert.deepStrictEqual(remove(fake), { failure: undefined, stayed: ["held"] })
    assert.deepStrictEqual(fake.tree(), { tree: { held: { a: "" } } })
  })

  it("scenario 109: a sentinel that can't be looked at keeps its directory", () => {
    for (const [errno, left] of [
      ["EACCES", { tree: { sub: { a: "", ".vm-sentinel": "" } } }],
      ["ELOOP", { tree: { sub: { a: "", ".vm-sentinel": "" } } }]
    ] as const) {
      const fake = make(
        { tree: { sub: { a: "", ".vm-sentinel": "" }, b: "" } },
        before("statAt", ".vm-sentinel", () => fail(errno))
      )
      assert.deepStrictEqual(remove(fake, trusting), { failure: undefined, stayed: ["sub"] })
      assert.deepStrictEqual(fake.tree(), left)
    }
  })

  it("scenario 109: a sentinel that is gone when it is looked at, and there again at once, isn't removed unjudged", () => {
    const fake = make(
      { tree: { ".vm-sentinel": "", sub: { a: "", ".vm-sentinel": "" } } },
      before("statAt", ".vm-sentinel", () => fail("ENOENT"))
    )
    assert.deepInclude(remove(fake).failure, { errno: "ENOTEMPTY", path: "/tree/sub" })
    assert.deepStrictEqual(fake.tree(), { tree: { ".vm-sentinel": "", sub: { ".vm-sentinel": "" } } })
  })

  it("scenario 109: a judged sentinel that is written anew before its turn comes keeps its directory", () => {
    const fake: Fake = make(
      { tree: { ".vm-sentinel": "", sub: { ".vm-sentinel": "", a: "", b: "" } } },
      before("unlink", "b", () => fake.write("tree/sub/.vm-sentinel"))
    )
    const { tree } = fake.tree()
    let judged: string | undefined
    const mayRemove: RemoveTreeOptions["mayRemove"] = (relative, { id: { ino } }) => {
      assert.strictEqual(relative, "sub/.vm-sentinel")
      return ino === (judged ??= ino)
    }
    assert.property(tree, "sub")
    assert.deepStrictEqual(remove(fake, { mayRemove }), { failure: undefined, stayed: ["sub"] })
    assert.deepStrictEqual(fake.tree(), { tree: { ".vm-sentinel": "", sub: { ".vm-sentinel": "" } } })
  })

  for (const [errno, told] of [
    ["EIO", { errno: "EIO", operation: "readdir" }],
    // Another process may move the directory away after it was opened, so ENOENT doesn't prove that it is empty.
    ["ENOENT", { errno: "ENOTEMPTY", operation: "rmdir" }]
  ] as const) {
    it(`a directory that can't be read to its end, by ${errno}, keeps its sentinels, and costs the others nothing`, () => {
      let reads = 0
      const fake = make(
        { tree: { ".vm-sentinel": "", sub: { ".vm-sentinel": "", a: "", b: "" }, z: "" } },
        // The search reads the directory in four calls. The removal reads one entry before the failure.
        before("next", "sub", () => {
          if (++reads === 6) fail(errno)
        })
      )
      assert.deepInclude(remove(fake, trusting).failure, { ...told, path: "/tree/sub" })
      assert.deepStrictEqual(fake.tree(), { tree: { ".vm-sentinel": "", sub: { ".vm-sentinel": "", a: "", b: "" } } })
    })
  }

  describe("a directory that another process keeps writing into", () => {
    /** Makes a tree and a clock. The unlink of each file takes a second. */
    const slowly = (act: Act) => {
      let now = 0
      const fake: Fake = make({}, (call, name) => {
        if (call === "unlink") now += 1000
        act(call, name)
      })
      return { fake, now: () => now }
    }
    const patience = Duration.seconds(30)

    it("scenario 83: is given up when it hasn't got smaller for 30 s, and the rest goes", () => {
      for (const where of ["", "/sub", "/sub/sub"]) {
        let written = 0
        const { fake, now } = slowly((call) => {
          if (call === "unlink") fake.write(`tree${where}/${written++}`)
        })
        fake.furnish({ tree: { ".vm-sentinel": "", a: "", sub: { b: "", sub: { c: "" } }, z: { d: "" } } })
        const { failure, stayed } = remove(fake, { patience }, now)
        assert.deepInclude(failure, { errno: "ENOTEMPTY", path: `/tree${where}` }, where)
        assert.deepStrictEqual(stayed, [])
        assert.isAtMost(now(), 40_000)
        assert.notNestedProperty(fake.tree(), "tree.z")
        assert.strictEqual(fake.open(), 0)
        assert.deepStrictEqual(remove(make(fake.tree())), gone)
      }
    })

    it("scenario 83: new directories with files in them are no progress, nor are deep ones", () => {
      let written = 0
      const { fake, now } = slowly((call) => {
        if (call !== "unlink") return
        written += 1
        fake.furnish({ tree: { [`new${written}`]: chain(40, { e: "", f: { g: "" } }) } })
      })
      fake.furnish({ tree: { ".vm-sentinel": "", a: "" } })
      assert.deepInclude(remove(fake, { patience }, now).failure, { errno: "ENOTEMPTY", path: "/tree" })
      assert.isAtMost(now(), 60_000)
    })

    it("two such directories cost no more than one", () => {
      let written = 0
      const { fake, now } = slowly((call) => {
        if (call === "unlink") for (const name of ["s", "t"]) fake.write(`tree/${name}/${written++}`)
      })
      fake.furnish({ tree: { s: { a: "" }, t: { a: "" } } })
      assert.deepInclude(remove(fake, { patience }, now).failure, { errno: "ENOTEMPTY", path: "/tree/s" })
      assert.isAtMost(now(), 70_000)
    })

    it("is removed as long as it gets smaller, however long that takes, and though it is written into", () => {
      let written = 0
      const { fake, now } = slowly((call) => {
        // One file is created for every two that are removed.
        if (call === "unlink" && now() % 2000 === 0) fake.write(`tree/sub/new${written++}`)
      })
      const files = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`${index}`, ""]))
      fake.furnish({ tree: { ".vm-sentinel": "", sub: files } })
      assert.deepStrictEqual(remove(fake, { patience }, now), gone)
      assert.deepStrictEqual(fake.tree(), {})
      assert.isAbove(now(), 1_900_000)
    })

    const filesOf = (count: number): Tree =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`${index}`, ""]))

    it("scenario 83: a large one that grows isn't read to its end first", () => {
      let written = 0
      const { fake, now } = slowly((call) => {
        if (call === "unlink") for (let more = 0; more < 2; more++) fake.write(`tree/sub/new${written++}`)
      })
      fake.furnish({ tree: { ".vm-sentinel": "", sub: filesOf(1000) } })
      assert.deepInclude(remove(fake, { patience }, now).failure, { errno: "ENOTEMPTY", path: "/tree/sub" })
      assert.isAtMost(now(), 40_000)
    })

    it("is removed though it grows itself, while more goes below it", () => {
      let written = 0
      const { fake, now } = slowly((call) => {
        if (call === "unlink" && now() % 10_000 === 0) fake.write(`tree/log${written++}`)
      })
      fake.furnish({ tree: { ".vm-sentinel": "", a: filesOf(100), b: filesOf(100), c: { d: filesOf(100) } } })
      assert.deepStrictEqual(remove(fake, { patience }, now), gone)
      assert.deepStrictEqual(fake.tree(), {})
      assert.isAbove(written, 25)
    })

    it("is removed when the other process stops within 30 s", () => {
      let written = 0
      const { fake, now } = slowly((call) => {
        if (call === "unlink" && written < 25) fake.write(`tree/sub/${written++}`)
      })
      fake.furnish({ tree: { sub: { a: "" } } })
      assert.deepStrictEqual(remove(fake, { patience }, now), gone)
      assert.strictEqual(written, 25)
    })

    it("isn't given up because of one call that takes long", () => {
      const content = { tree: { ".vm-sentinel": "", a: "", sub: { b: "", sub: {}, ...chain(40, { c: "" }) } } }
      let now = 0
      const fake = make(content, () => {
        now += 60_000
      })
      assert.deepStrictEqual(
        remove(fake, { patience }, () => now),
        gone
      )
    })
  })

  it("a directory that is refused is made writable, and what can't be is told", () => {
    for (const where of ["tree", "sub", "inner"]) {
      const fake = make({ tree: { ".vm-sentinel": "", a: "", sub: { b: "", inner: { c: "", d: {} } } } })
      fake.readOnly.add(where)
      if (where !== "tree") fake.closed.add(where)
      assert.deepStrictEqual(remove(fake, trusting), gone, where)
      assert.deepStrictEqual(fake.tree(), {}, where)
    }
    const refusing = make(
      { tree: { ".vm-sentinel": "", sub: { b: "" }, z: "" } },
      before("permit", "sub", () => fail("EPERM"))
    )
    refusing.readOnly.add("sub")
    assert.deepInclude(remove(refusing).failure, { errno: "EACCES", path: "/tree/sub/b" })
    assert.deepStrictEqual(refusing.tree(), { tree: { ".vm-sentinel": "", sub: { b: "" } } })
  })

  it("what no rename can move out of a subvolume is moved up in it", () => {
    let most = 0
    const fake: Fake = make({ tree: { ".vm-sentinel": "", a: { v: chain(300, { z: "" }) } } }, () => {
      most = Math.max(most, fake.open())
    })
    fake.volumes.add("v")
    assert.deepStrictEqual(remove(fake), gone)
    assert.deepStrictEqual(fake.tree(), {})
    assert.isAtMost(most, 60)
  })

  it("asks for sentinels of a deep tree by the paths that they had at the beginning", () => {
    const names = Array.from({ length: 100 }, (_, index) => `d${100 - index}`)
    const asked: Array<string> = []
    const fake = make({ tree: { ...chain(100, { ".vm-sentinel": "" }) } })
    const mayRemove = (relative: string) => {
      asked.push(relative)
      return true
    }
    assert.deepStrictEqual(remove(fake, { mayRemove }), gone)
    assert.deepStrictEqual([...new Set(asked)], [[...names, ".vm-sentinel"].join("/")])
  })

  it("what is gone meanwhile is no failure, but the whole is", () => {
    let isFirst = true
    const fake: Fake = make(
      { tree: { a: "", b: "" } },
      before("unlink", "b", () => {
        if (!isFirst) return
        isFirst = false
        assert.deepStrictEqual(remove(fake), gone)
      })
    )
    assert.strictEqual(remove(fake).failure?.errno, "ENOENT")
  })
})
