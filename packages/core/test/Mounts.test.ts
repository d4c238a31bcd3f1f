import { assert, describe, it } from "@effect/vitest"
import * as Mounts from "../src/Mounts.ts"

const table = String.raw`
21 26 0:20 / /proc rw,nosuid - proc proc rw
26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard
27 26 0:24 / /dev/shm rw,nosuid,nodev shared:5 master:2 propagate_from:7 unbindable - tmpfs tmpfs rw
30 26 0:41 / /srv/vms rw - nfs4 server:/export rw,vers=4.2
31 30 254:0 /home/me/shared /srv/vms/local rw - ext4 /dev/vda1 rw
32 26 0:50 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw,lowerdir=/a:/b,upperdir=/c
33 26 254:0 /x /mnt/with\040space\011tab\012line\134back rw - btrfs /dev/vdb rw
34 26 0:51 / /mnt/fuse rw shared:9 - fuse.sshfs me@there:/ rw
35 26 0:52 / /mnt/twice rw - nfs server:/ rw
36 35 254:3 / /mnt/twice rw - xfs /dev/vdc rw
37 26 0:53 / /mnt/- rw - tmpfs - rw
`

const mounts = Mounts.parse(table)

describe("Mounts", () => {
  it("parses optional fields, octal escapes, binds, and the same mount point twice", () => {
    assert.deepStrictEqual(
      mounts.mounts.map(({ fileSystem, mountPoint }) => [mountPoint, fileSystem]),
      [
        ["/proc", "proc"],
        ["/", "ext4"],
        ["/dev/shm", "tmpfs"],
        ["/srv/vms", "nfs4"],
        ["/srv/vms/local", "ext4"],
        ["/var/lib/docker/overlay2/abc/merged", "overlay"],
        ["/mnt/with space\ttab\nline\\back", "btrfs"],
        ["/mnt/fuse", "fuse.sshfs"],
        ["/mnt/twice", "nfs"],
        ["/mnt/twice", "xfs"],
        ["/mnt/-", "tmpfs"]
      ]
    )
  })

  it("unescapes once: an escaped backslash starts no escape", () => {
    const {
      mounts: [mount]
    } = Mounts.parse(String.raw`1 2 0:1 / /a\134040b rw - ext4 x rw`)
    assert.strictEqual(mount?.mountPoint, String.raw`/a\040b`)
  })

  it.each(["", "\n", "garbage", "1 2 0:1 / /a rw", "1 2 0:1 / /a rw shared:1 -", "- - - - - - -"])(
    "leaves out a line that it can't read: %j",
    (line) => {
      assert.deepStrictEqual(Mounts.parse(`${line}\n26 1 254:0 / / rw - ext4 /dev/vda1 rw`).mounts, [
        { id: "26", parent: "1", device: "254:0", root: "/", mountPoint: "/", fileSystem: "ext4" }
      ])
    }
  )

  it.each([
    ["/", "ext4"],
    ["/srv", "ext4"],
    ["/srv/vms", "nfs4"],
    ["/srv/vms/vm", "nfs4"],
    ["/srv/vmsx", "ext4"],
    ["/srv/vms/local/vm", "ext4"],
    ["/dev/shm/a/b", "tmpfs"],
    ["/mnt/twice/vm", "xfs"],
    ["/mnt/with space\ttab\nline\\back/vm", "btrfs"],
    ["/var/lib/docker/overlay2/abc/merged/vms", "overlay"]
  ])("%s lies on %s", (path, fileSystem) => {
    assert.strictEqual(Mounts.find(mounts, path)?.fileSystem, fileSystem)
  })

  it("finds nothing in an empty table", () => {
    const nothing = Mounts.parse("")
    assert.isUndefined(Mounts.find(nothing, "/a"))
    assert.isUndefined(Mounts.inside(nothing, "/a"))
    assert.deepStrictEqual(Mounts.below(nothing, "/a"), [])
  })

  it.each([
    ["/srv/vms/local", "/srv/vms/local"],
    ["/srv/vms/loca", undefined],
    ["/srv/vm", undefined],
    ["/var/lib/docker", "/var/lib/docker/overlay2/abc/merged"],
    ["/dev/shm/vm", undefined],
    ["/", "/proc"],
    ["/mnt/with space\ttab\nline\\back", "/mnt/with space\ttab\nline\\back"]
  ])("a mount at or below %s: %s", (path, mount) => {
    assert.strictEqual(Mounts.inside(mounts, path), mount)
  })

  const at = (path: string, mountPoint = path) => ({ path, mountPoint })

  it("tells all mounts at and below a path", () => {
    assert.deepStrictEqual(Mounts.below(mounts, "/srv"), [at("/srv/vms"), at("/srv/vms/local")])
    assert.deepStrictEqual(Mounts.below(mounts, "/srv/vms/local"), [at("/srv/vms/local")])
    assert.deepStrictEqual(Mounts.below(mounts, "/srv/vms/loc"), [])
    assert.deepStrictEqual(Mounts.below(mounts, "/mnt/twice"), [at("/mnt/twice"), at("/mnt/twice")])
    assert.strictEqual(Mounts.below(mounts, "/").length, mounts.mounts.length)
  })

  const aliased = Mounts.parse(`
1 1 0:1 / / rw - rootfs rootfs rw
26 1 254:0 / / rw - ext4 /dev/vda1 rw
40 26 254:0 /srv/vms /alias rw - ext4 /dev/vda1 rw
41 26 0:60 / /srv/vms/a/m rw - tmpfs tmpfs rw
42 41 0:61 / /srv/vms/a/m/deep rw - tmpfs tmpfs rw
43 40 0:62 / /alias/b rw - tmpfs tmpfs rw
50 26 254:9 / /alias/c/d rw - ext4 /dev/vdd rw
51 999 254:0 /gone /else rw - ext4 /dev/vda1 rw`)

  it("scenario 95: knows a mount by where it lies on its file system, whatever path leads there", () => {
    assert.deepStrictEqual(Mounts.below(aliased, "/alias/a"), [at("/alias/a/m", "/srv/vms/a/m")])
    assert.strictEqual(Mounts.inside(aliased, "/alias/a/m"), "/srv/vms/a/m")
    assert.strictEqual(Mounts.inside(aliased, "/srv/vms/b"), "/alias/b")
    assert.deepStrictEqual(Mounts.below(aliased, "/srv/vms"), [
      at("/srv/vms/a/m"),
      at("/srv/vms/a/m/deep"),
      at("/srv/vms/b", "/alias/b")
    ])
    assert.isUndefined(Mounts.inside(aliased, "/srv/vms/c"))
    assert.isUndefined(Mounts.inside(aliased, "/srv/other"))
    // The same path on another file system is another place.
    assert.isUndefined(Mounts.inside(aliased, "/alias/c/d/a"))
  })

  it("finds the mounts below a path without a walk through the whole table", () => {
    for (const table of [mounts, aliased]) {
      for (const path of ["/", "/srv", "/srv/vms", "/srv/vms/a", "/alias", "/alias/a", "/mnt/twice", "/else"]) {
        assert.deepStrictEqual(Mounts.below({ ...table, mounts: [] }, path), Mounts.below(table, path))
      }
    }
    assert.deepStrictEqual(Mounts.below({ ...aliased, mounts: [] }, "/alias/a"), [at("/alias/a/m", "/srv/vms/a/m")])
  })

  it("scenario 72: follows the mounts in the order in which they cover each other", () => {
    const covered = Mounts.parse(`
26 1 254:0 / / rw - ext4 /dev/vda1 rw
30 26 0:30 / /srv rw - tmpfs tmpfs rw
31 30 0:31 / /srv/vms rw - nfs server:/ rw
32 30 254:5 /data /srv rw - xfs /dev/vdb rw`)
    assert.strictEqual(Mounts.find(covered, "/srv/vms/a")?.fileSystem, "xfs")
    assert.strictEqual(Mounts.find(covered, "/srv")?.fileSystem, "xfs")
    assert.strictEqual(Mounts.find(covered, "/")?.fileSystem, "ext4")
  })

  it("a root that is a bind mount of another is a mount point of its own alone", () => {
    assert.deepStrictEqual(Mounts.below(aliased, "/else"), [at("/else")])
    assert.strictEqual(Mounts.find(aliased, "/else/x")?.id, "51")
    assert.strictEqual(Mounts.find(aliased, "/x")?.id, "26")
  })
})
