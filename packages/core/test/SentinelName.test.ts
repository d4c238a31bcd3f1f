import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as SentinelName from "../src/SentinelName.ts"
import { runs } from "./support/property.ts"

describe("SentinelName.ofRole", () => {
  it("gives the owner the base name, and every other role a name of its own", () => {
    assert.strictEqual(SentinelName.ofRole(".vm-sentinel", "owner"), ".vm-sentinel")
    assert.strictEqual(SentinelName.ofRole(".vm-sentinel", "runner"), ".vm-sentinel.runner")
    assert.strictEqual(SentinelName.ofRole("other", "runner"), "other.runner")
  })

  it.for(["owner", "runner", "a_b-C9"])("the file of role %s is one that is read under its base", (role) => {
    for (const base of [SentinelName.defaultName, "custom"]) {
      assert.strictEqual(SentinelName.classify(SentinelName.ofRole(base, role), [base]), "read")
    }
  })
})

describe("SentinelName.classify", () => {
  const { defaultName, broodBoxName } = SentinelName
  const rows: ReadonlyArray<readonly [name: string, wanted: ReadonlyArray<string>, kind: string]> = [
    [".vm-sentinel", [defaultName], "read"],
    [".vm-sentinel.runner", [defaultName], "read"],
    [".vm-sentinel.a.b", [defaultName], "read"],
    [".vm-sentinel", [broodBoxName], "foreign"],
    [".vm-sentinel.runner", [broodBoxName], "foreign"],
    [".vm-sentinel", [], "foreign"],
    [".vm-sentinel.removing", [broodBoxName], "read"],
    [".vm-sentinel.removing", ["custom"], "read"],
    [".vm-sentinel.removing2", [broodBoxName], "foreign"],
    [".bbox-sentinel", [defaultName], "foreign"],
    [".bbox-sentinel", [defaultName, broodBoxName], "read"],
    [".bbox-sentinel.runner", [broodBoxName], "other"],
    [".bbox-sentinel.runner", [defaultName], "other"],
    [".vm-sentinel", ["custom"], "foreign"],
    ["custom", ["custom"], "read"],
    ["custom.runner", ["custom"], "read"],
    ["custom", [defaultName], "other"],
    ["custom2", ["custom"], "other"],
    [".vm-sentinel-tmp.0123", [defaultName], "temporary"],
    [".vm-sentinel-tmp.0123", [".vm-sentinel-tmp"], "temporary"],
    [".vm-sentinel-old", [defaultName], "other"],
    [".vm-sentinelx", [defaultName], "other"],
    ["vm-sentinel", [defaultName], "other"],
    [".VM-SENTINEL", [defaultName], "other"],
    ["console.log", [defaultName], "other"],
    ["", [defaultName], "other"]
  ]

  it.for(rows)("%s, reading %j: %s", ([name, wanted, kind]) => {
    assert.strictEqual(SentinelName.classify(name, wanted), kind)
  })

  it("takes no workspace and no temporary file for a sentinel", () => {
    for (const prefix of [SentinelName.workspacePrefix, SentinelName.temporaryPrefix]) {
      assert.notStrictEqual(SentinelName.classify(`${prefix}0123`, [defaultName, broodBoxName]), "read")
      assert.isFalse(SentinelName.isSentinel(`${prefix}0123`))
    }
  })
})

describe("SentinelName.isSentinel", () => {
  it.for([
    [".vm-sentinel", true],
    [".vm-sentinel.runner", true],
    [".bbox-sentinel", true],
    [".bbox-sentinel.runner", false],
    [".vm-sentinel-old", false],
    ["disk.img", false]
  ] as const)("%s: %s", ([name, expected]) => {
    assert.strictEqual(SentinelName.isSentinel(name), expected)
  })
})

describe("SentinelName.parseReap", () => {
  const rows: ReadonlyArray<readonly [entry: string, reap: SentinelName.Reap | undefined]> = [
    [".vm-sentinel-reap.0123456789abcdef", { kind: "workspace" }],
    [".vm-sentinel-reap.0123456789abcdef.new", { kind: "staged" }],
    [".vm-sentinel-reap.01234567.claimed=vm-1", { kind: "claimed", name: "vm-1" }],
    [".vm-sentinel-reap.01234567.dead=vm-1", { kind: "dead", name: "vm-1", tags: [] }],
    [
      ".vm-sentinel-reap.0123456789abcdef00000000.dead=vm-1",
      { kind: "dead", name: "vm-1", tags: ["89abcdef", "00000000"] }
    ],
    [".vm-sentinel-reap.01234567.dead=a.new", { kind: "dead", name: "a.new", tags: [] }],
    [".vm-sentinel-reap.01234567.dead=x.claimed=y", { kind: "dead", name: "x.claimed=y", tags: [] }],
    [".vm-sentinel-reap.01234567.dead=a\nb", { kind: "dead", name: "a\nb", tags: [] }],
    [".vm-sentinel-reap.01234567.dead=", { kind: "workspace" }],
    [".vm-sentinel-reap.dead=vm-1", { kind: "workspace" }],
    [".vm-sentinel-reap.XYZ.dead=vm-1", { kind: "workspace" }],
    [".vm-sentinel-reap.01234567.DEAD=vm-1", { kind: "workspace" }],
    ["vm-1", undefined],
    ["vm-1.dead=vm-2", undefined],
    [".vm-sentinel", undefined],
    ["x.vm-sentinel-reap.01234567.dead=vm-1", undefined],
    ["", undefined]
  ]

  it.for(rows)("%j", ([entry, reap]) => {
    assert.deepStrictEqual(SentinelName.parseReap(entry), reap)
  })

  it.prop(
    "reads the name back that reapInPlace wrote, of any directory",
    [Schema.NonEmptyString, Schema.Literals(["claimed", "dead"])],
    ([name, kind]) => {
      const expected = kind === "dead" ? { kind, name, tags: [] } : { kind, name }
      assert.deepStrictEqual(SentinelName.parseReap(SentinelName.reapInPlace(kind, "0123abcd", name)), expected)
    },
    runs(500)
  )
})

describe("SentinelName.markedName", () => {
  const { markedName, parseMarked } = SentinelName
  const tags = ["01234567", "89abcdef"]

  it("puts the tags of what was judged before the name, and reads them back", () => {
    const entry = markedName({ name: "vm=1", tags })
    assert.strictEqual(entry, "0123456789abcdef=vm=1")
    assert.deepStrictEqual(parseMarked(entry), { name: "vm=1", tags })
  })

  it.for([
    ["there are none", "vm", []],
    ["there are more than 4", "vm", Array.from({ length: 5 }, () => "01234567")],
    ["the name would be longer than 255 bytes", "é".repeat(120), tags]
  ] as const)("leaves them out where %s: every sentinel has to be proved dead again", ([, name, given]) => {
    assert.strictEqual(markedName({ name, tags: given }), name)
    assert.deepStrictEqual(parseMarked(name), { name, tags: [] })
  })

  it.for(["01234567=vm", "0123456700000000=vm", "=vm", "==vm", "=", "01234567="])(
    "reads back the name %s, which looks like that of a marked directory, with and without room for tags",
    (name) => {
      for (const given of [tags, [], Array.from({ length: 5 }, () => "01234567")]) {
        const kept = given.length === 5 ? [] : given
        assert.deepStrictEqual(parseMarked(markedName({ name, tags: given })), { name, tags: kept })
      }
    }
  )
})

describe("SentinelName.markedInPlace", () => {
  const { markedInPlace, parseReap, reapInPlace } = SentinelName
  const tags = ["01234567"]

  it("puts the tags of what was judged behind the nonce, and reads them back", () => {
    const entry = markedInPlace("fedcba98", { name: "vm", tags })
    assert.strictEqual(entry, ".vm-sentinel-reap.fedcba9801234567.dead=vm")
    assert.deepStrictEqual(parseReap(entry), { kind: "dead", name: "vm", tags })
  })

  it("scenario 97: leaves them out where they don't fit: what could be claimed under its name can be marked", () => {
    const name = "x".repeat(220)
    assert.lengthOf(reapInPlace("claimed", "fedcba98", name), 255)
    const entry = markedInPlace("fedcba98", { name, tags })
    assert.isAtMost(entry.length, 255)
    assert.deepStrictEqual(parseReap(entry), { kind: "dead", name, tags: [] })
  })
})

describe("SentinelName.liesInSweep", () => {
  it.for([
    ["/srv/vms/.vm-sentinel-reap.0/dead/vm", true],
    ["/srv/vms/.vm-sentinel-reap.0/claimed/vm", true],
    ["/srv/vms/.vm-sentinel-reap.0", true],
    ["/srv/vms/.vm-sentinel-reap.00000000.dead=vm", true],
    ["/srv/vms/.vm-sentinel-reap.0.new", false],
    ["/srv/vms/vm", false]
  ] as const)("scenario 71: %s: %s", ([path, expected]) => {
    assert.strictEqual(SentinelName.liesInSweep(path), expected)
  })
})
