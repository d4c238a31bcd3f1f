import { assert, describe, it } from "@effect/vitest"
import * as Mounts from "../src/Mounts.ts"

const table = String.raw`
21 26 0:20 / /proc rw,nosuid - proc proc rw
26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard
27 26 0:24 / /dev/shm rw,nosuid,nodev shared:5 master:2 propagate_from:7 unbindable - tmpfs tmpfs rw
30 26 0:41 / /srv/vms rw - nfs4 server:/export rw,vers=4.2
31 26 254:0 /home/me/shared /srv/vms/local rw - ext4 /dev/vda1 rw
32 26 0:50 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw,lowerdir=/a:/b,upperdir=/c
33 26 254:0 /x /mnt/with\040space\011tab\012line\134back rw - btrfs /dev/vdb rw
34 26 0:51 / /mnt/fuse rw shared:9 - fuse.sshfs me@there:/ rw
35 26 0:52 / /mnt/twice rw - nfs server:/ rw
36 26 254:3 / /mnt/twice rw - xfs /dev/vdc rw
37 26 0:53 / /mnt/- rw - tmpfs - rw
`

const mounts = Mounts.parse(table)

describe("Mounts", () => {
  it("parses optional fields, octal escapes, binds, and the same mount point twice", () => {
    assert.deepStrictEqual(
      mounts.map(({ fileSystem, mountPoint }) => [mountPoint, fileSystem]),
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
    const [mount] = Mounts.parse(String.raw`1 2 0:1 / /a\134040b rw - ext4 x rw`)
    assert.strictEqual(mount?.mountPoint, String.raw`/a\040b`)
  })

  it.each(["", "\n", "garbage", "1 2 0:1 / /a rw", "1 2 0:1 / /a rw shared:1 -", "- - - - - - -"])(
    "leaves out a line that it can't read: %j",
    (line) => {
      assert.deepStrictEqual(Mounts.parse(`${line}\n26 1 254:0 / / rw - ext4 /dev/vda1 rw`), [
        { mountPoint: "/", fileSystem: "ext4" }
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
    assert.isUndefined(Mounts.find([], "/a"))
    assert.isUndefined(Mounts.inside([], "/a"))
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
})
