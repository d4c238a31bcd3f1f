/** Records of other directories: copies, clones, backups beside and over the original. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as FS from "node:fs"
import * as Places from "../support/Places.ts"
import * as Shell from "../support/Shell.ts"

const { ownPids, real, without } = Places

const alive = "kept: alive, matches"
const otherDirectory = "kept: unknown, other-directory"

/** A directory with something to lose, and its owner. */
const owned = Effect.fnUntraced(function* ({ open, owner }: Places.Scene, name = "vm") {
  const { kill, pid } = yield* owner
  const host = yield* open()
  yield* host.run(`mkdir -m 700 $R/${name}; echo precious > $R/${name}/disk.img; $VS write $R/${name} --pid ${pid}`)
  return { host, kill, pid }
})

describe("a copy of a directory", () => {
  real(
    without("tar"),
    "scenario 78: is kept when the original's owner is dead, and alive as long as it isn't",
    (scene) =>
      Effect.gen(function* () {
        const { host, kill } = yield* owned(scene)
        yield* host.run(`
          cp -a $R/vm $R/copy; tar -C $R -cf $W/vm.tar vm
          mkdir -m 700 $R/restored; tar -C $R/restored --strip-components=1 -xpf $W/vm.tar`)
        assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: alive, copy: alive, restored: alive })
        yield* kill
        const { outcomes } = yield* host.report("$VS sweep $R --json")
        const expected: Record<string, string> = { vm: "removed", copy: "kept", restored: "kept" }
        assert.deepStrictEqual(Object.fromEntries(outcomes.map(({ action, name }) => [name, action])), expected)
        for (const { evidence, name, reason } of outcomes.filter(({ action }) => action === "kept")) {
          assert.strictEqual(reason, "other-directory")
          const { observed, recorded, result } = evidence.directory ?? {}
          assert.deepStrictEqual(result, "different")
          const { ino } = FS.statSync(`${scene.root}/${name}`)
          assert.include(observed, `inode ${ino}`)
          assert.notInclude(recorded, `inode ${ino}`)
        }
        for (const name of ["copy", "restored"]) {
          assert.strictEqual(FS.readFileSync(`${scene.root}/${name}/disk.img`, "utf8"), "precious\n")
        }
      }),
    Shell.ways
  )

  real(without(), "scenario 35: by hard links keeps the original from nothing, and is kept itself", (scene) =>
    Effect.gen(function* () {
      const { host, kill } = yield* owned(scene)
      yield* host.run("cp -al $R/vm $R/backup; cp -al $R/vm $W/elsewhere")
      assert.deepInclude(yield* host.actions("$VS sweep $R --json"), { vm: alive })
      yield* kill
      assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), {
        vm: "removed: dead, pid-dead",
        backup: "kept: unknown, untrusted-sentinel"
      })
      assert.strictEqual(FS.readFileSync(`${scene.root}/backup/disk.img`, "utf8"), "precious\n")
      yield* host.run("[ -e $W/elsewhere/disk.img ]")
    })
  )

  real(without(), "scenario 78: is kept on another file system too, whatever its inodes", (scene) =>
    Effect.gen(function* () {
      const { host, kill } = yield* owned(scene)
      yield* host.run("mkdir $W/other; mount -t tmpfs -o mode=755 tmpfs $W/other; cp -a $R/vm $W/other/vm")
      yield* kill
      assert.deepStrictEqual(yield* host.actions("$VS sweep $W/other --json"), { vm: otherDirectory })
      yield* host.run("[ -e $W/other/vm/disk.img ]")
    })
  )

  real(without("mkfs.ext4"), "scenario 78: a clone of a whole disk agrees in all: only it can be lost", (scene) =>
    Effect.gen(function* () {
      const host = yield* scene.open()
      const { kill, pid } = yield* scene.owner
      yield* host.run(`
        mkdir $W/one $W/two; truncate -s 64M $W/one.img; mkfs.ext4 -q $W/one.img
        mount -o loop $W/one.img $W/one; mkdir -m 700 $W/one/vm; $VS write $W/one/vm --pid ${pid}; umount $W/one
        cp --sparse=always $W/one.img $W/two.img; mount -o loop $W/two.img $W/two; rmdir $W/two/lost+found`)
      assert.deepStrictEqual(yield* host.actions("$VS sweep $W/two --json"), { vm: alive })
      yield* kill
      assert.deepStrictEqual(yield* host.actions("$VS sweep $W/two --json"), { vm: "removed: dead, pid-dead" })
    })
  )

  real(without(), "scenario 78: goes where its operator says that the directories were moved, and why", (scene) =>
    Effect.gen(function* () {
      const { host, kill } = yield* owned(scene)
      yield* host.run("mkdir $W/moved; cp -a $R/vm $W/moved/vm")
      const sweep = (reason: string) => `$VS sweep $W/moved --json --assume-moved '${reason}'`
      assert.deepStrictEqual(yield* host.actions(sweep("new disk")), { vm: alive })
      yield* kill
      assert.strictEqual((yield* host.attempt(sweep(""))).code, 2)
      assert.deepStrictEqual(yield* host.actions("$VS sweep $W/moved --json"), { vm: otherDirectory })
      const { outcomes, summary } = yield* host.report(sweep("new disk"))
      assert.deepInclude(outcomes[0], { action: "removed", reason: "pid-dead" })
      assert.include(JSON.stringify(outcomes[0]?.evidence), "new disk")
      assert.strictEqual(summary.assumeMoved, "new disk")
    })
  )

  real(without(), "scenario 78: is no other directory where it was only renamed", (scene) =>
    Effect.gen(function* () {
      const { host, kill } = yield* owned(scene)
      yield* host.run("mkdir $W/else; mv $R/vm $W/else/vm2")
      assert.deepStrictEqual(yield* host.actions("$VS sweep $W/else --json"), { vm2: alive })
      yield* kill
      assert.deepStrictEqual(yield* host.actions("$VS sweep $W/else --json"), { vm2: "removed: dead, pid-dead" })
    })
  )
})

describe("an old backup", () => {
  for (const [how, restore] of [
    ["untarred", "tar -C $R -xpf $W/vm.tar"],
    ["copied", "cp -a $W/backup/vm $R/"],
    ["copied by tools that replace files", "rm $R/vm/.vm-sentinel; cp -a $W/backup/vm/.vm-sentinel $R/vm/"]
  ] as const) {
    real(
      without("tar"),
      `scenario 78a: ${how} over the directory of a living owner condemns it no more than it did`,
      (scene) =>
        Effect.gen(function* () {
          const { host, kill } = yield* owned(scene)
          yield* host.run("tar -C $R -cf $W/vm.tar vm; mkdir $W/backup; cp -a $R/vm $W/backup/vm")
          yield* kill
          const { pid } = yield* scene.owner
          yield* host.run(`$VS write $R/vm --pid ${pid}; ${restore}; echo newer > $R/vm/disk.img`)
          assert.deepStrictEqual(yield* host.actions("$VS sweep $R --json"), { vm: otherDirectory })
          assert.strictEqual(FS.readFileSync(`${scene.root}/vm/disk.img`, "utf8"), "newer\n")
        }),
      how === "untarred" ? Shell.ways : ["published"]
    )
  }

  real(
    without("tar", "mkfs.ext4"),
    "scenario 78a: nor where the file system gives its file the inode that the old one had",
    (scene) =>
      Effect.gen(function* () {
        const [old, next] = [yield* scene.owner, yield* scene.owner]
        const host = yield* scene.open()
        yield* host.run(`
          D=$W/disk; mkdir $D; truncate -s 64M $W/disk.img; mkfs.ext4 -q $W/disk.img; mount -o loop $W/disk.img $D
          rmdir $D/lost+found; mkdir -m 700 $D/vm; echo precious > $D/vm/disk.img; $VS write $D/vm --pid ${old.pid}
          INODE=$(stat -c %i $D/vm/.vm-sentinel); tar -C $D -cf $W/vm.tar vm`)
        yield* old.kill
        yield* host.run(`
          $VS write $D/vm --pid ${next.pid}; tar -C $D -xpf $W/vm.tar
          [ $(stat -c %i $D/vm/.vm-sentinel) = $INODE ]`)
        assert.deepStrictEqual(yield* host.actions("$VS sweep $D --json"), { vm: otherDirectory })
        assert.strictEqual(yield* host.run("cat $D/vm/disk.img"), "precious")
      }),
    Shell.ways
  )

  real(without("tar", "setpriv"), "scenario 78a: nor one that holds its lock", (scene) =>
    Effect.gen(function* () {
      const { host, kill } = yield* owned(scene)
      yield* host.run("tar -C $R -cf $W/vm.tar vm")
      yield* kill
      yield* host.run(`
        setpriv --pdeathsig KILL $VS run $R/vm -- setpriv --pdeathsig KILL sleep 1000000 >/dev/null 2>&1 &
        running $R/vm`)
      yield* host.run("tar -C $R -xpf $W/vm.tar; rm $R/vm/.vm-sentinel.command")
      for (const reader of [host, yield* scene.open(ownPids)]) {
        const actions = yield* reader.actions("$VS sweep $R --json")
        assert.match(actions["vm"] ?? "", /^kept: (alive, lock-held|unknown, other-directory)$/)
      }
      assert.isTrue(FS.existsSync(`${scene.root}/vm/disk.img`))
    })
  )

  real(
    without("tar", "mkfs.ext4"),
    "scenario 78b: restored in place of the deleted original is another directory, though its inode is the same",
    (scene) =>
      Effect.gen(function* () {
        const { kill, pid } = yield* scene.owner
        const host = yield* scene.open()
        // The directory lies on a file system of its own, so no other file takes its inode number.
        yield* host.run(`
          D=$W/disk; mkdir $D; truncate -s 64M $W/disk.img; mkfs.ext4 -q $W/disk.img; mount -o loop $W/disk.img $D
          rmdir $D/lost+found; mkdir -m 700 $D/vm; echo precious > $D/vm/disk.img; $VS write $D/vm --pid ${pid}
          tar -C $D -cf $W/vm.tar vm`)
        yield* kill
        yield* host.run(`
          INODE=$(stat -c %i $D/vm); rm -r $D/vm; tar -C $D -xpf $W/vm.tar
          [ $(stat -c %i $D/vm) = $INODE ]`)
        const { outcomes } = yield* host.report("$VS sweep $D --json")
        assert.deepInclude(outcomes[0], { action: "kept", verdict: "unknown", reason: "other-directory" })
        assert.strictEqual(yield* host.run("cat $D/vm/disk.img"), "precious")
      }),
    Shell.ways
  )
})
