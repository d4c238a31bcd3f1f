import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { createServer } from "node:net"
import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as DirFd from "../src/internal/dirFd.ts"
import { libc } from "../src/internal/libc.ts"

/** A file of each type, and files whose numbers are large, small or negative. */
const furnish = (directory: string) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      Fs.mkdirSync(`${directory}/directory`, { mode: 0o1731 })
      Fs.writeFileSync(`${directory}/file`, "12345", { mode: 0o640 })
      Fs.linkSync(`${directory}/file`, `${directory}/second`)
      Fs.symlinkSync("file", `${directory}/symlink`)
      Fs.symlinkSync("nowhere", `${directory}/dangling`)
      execFileSync("mkfifo", [`${directory}/fifo`])
      Fs.writeFileSync(`${directory}/old`, "")
      Fs.utimesSync(`${directory}/old`, -86_400.5, -86_400.25)
      Fs.writeFileSync(`${directory}/fine`, "")
      Fs.utimesSync(`${directory}/fine`, 1_700_000_000.987_654, 1_700_000_000.123_456)
      Fs.writeFileSync(`${directory}/sparse`, "")
      Fs.truncateSync(`${directory}/sparse`, 2 ** 33 + 7)
      Fs.writeFileSync(`${directory}/open`, "", { mode: 0o666 })
      Fs.chmodSync(`${directory}/open`, 0o4777)
      const server = createServer().listen(`${directory}/socket`, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )

describe("statx(2)", () => {
  it.live("tells of every file what node:fs tells of it", () =>
    Effect.gen(function* () {
      const native = libc()?.at
      assert.isDefined(native)
      const byLibc = DirFd.make(native)
      const directory = yield* world.scratch
      yield* furnish(directory)
      const names = [...Fs.readdirSync(directory).map((name) => `${directory}/${name}`), "/dev/null", "/proc/sys", "/"]
      assert.isAbove(names.length, 12)
      for (const path of names) {
        const expected = DirFd.procfs.statAt(DirFd.AT_FDCWD, path)
        assert.deepStrictEqual(byLibc.statAt(DirFd.AT_FDCWD, path), expected, path)
        const { birth: _, id: __, ...attributes } = expected
        assert.deepStrictEqual(byLibc.attributes(DirFd.AT_FDCWD, path), attributes, path)
      }
      const fd = byLibc.openDirectory(DirFd.AT_FDCWD, directory)
      try {
        assert.deepStrictEqual(byLibc.stat(fd), DirFd.procfs.stat(fd))
        assert.deepStrictEqual(byLibc.statAt(fd, "file"), DirFd.procfs.statAt(fd, "file"))
        assert.strictEqual(byLibc.mount(fd), DirFd.procfs.mount(fd))
        const odd = Buffer.from("od\xff\0", "latin1")
        Fs.writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), odd.subarray(0, -1)]), "odd")
        assert.strictEqual(byLibc.statAt(fd, odd).size, 3)
        assert.deepStrictEqual(byLibc.statAt(fd, odd), DirFd.procfs.statAt(fd, odd))
      } finally {
        byLibc.close(fd)
      }
    })
  )
})

describe("a name", () => {
  it("with a NUL in it is refused: the kernel would take what is before it for the whole", () => {
    for (const name of ["a\0b", "\0", "a\0"]) assert.throws(() => DirFd.nameOf(name), /NUL/)
  })

  it("is text, or bytes where it isn't UTF-8", () => {
    assert.strictEqual(DirFd.nameOf("夜 \uFFFD"), "夜 \uFFFD")
    assert.deepStrictEqual(DirFd.nameOf("a\udcffb"), Buffer.from("a\xffb\0", "latin1"))
    assert.strictEqual(DirFd.textOf(DirFd.nameOf("a\udcffb")), "a\udcffb")
  })
})
