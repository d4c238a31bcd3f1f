import { MalformedSentinel } from "@vm-sentinel/core/Errors"
import { assert, describe, it } from "@effect/vitest"
import * as Outcome from "@vm-sentinel/core/Outcome"
import { DateTime } from "effect"
import * as NextStep from "../src/text/NextStep.ts"
import * as Overview from "../src/text/Overview.ts"
import * as Text from "../src/text/Text.ts"
import { outcome } from "./support/outcomes.ts"

const now = DateTime.makeUnsafe("2026-01-02T00:00:00.000Z")
const plain = { now, colors: false }

const all: ReadonlyArray<Outcome.Outcome> = [
  outcome("vm-1", { pid: 41, since: "2026-01-01T23:59:00.000Z", bytes: 100 }),
  outcome("vm-2", {
    pid: 1234567,
    since: "2025-12-01T00:00:00.000Z",
    action: "removed",
    verdict: "dead",
    reason: "zombie",
    bytes: 2048
  }),
  outcome("bad\n\u001b[2J", {
    verdict: "unknown",
    reason: "malformed-sentinel",
    error: new MalformedSentinel({ operation: "read sentinel", path: "/vms/bad\n/.vm-sentinel", problem: "empty" })
  }),
  outcome("none", { verdict: "none", reason: "no-sentinel" }),
  outcome("stuck", { action: "failed", verdict: "dead", reason: "pid-dead", pid: 5 })
]

const summarise = (outcomes: ReadonlyArray<Outcome.Outcome>, dryRun = false, sizes = false) =>
  Outcome.count(Outcome.empty("/vms", { dryRun, sizes }), outcomes)

describe("Overview", () => {
  it("has rows of 80 columns at most in such a terminal, whatever is in them, and breaks sentences between words", () => {
    const longest = all.map((each) => ({
      ...each,
      name: "x".repeat(100),
      reason: "start-time-mismatch" as const,
      pid: 2147483647,
      action: "would-remove" as const,
      bytes: 1023 * 1024
    }))
    const text = Overview.render(longest, summarise(longest, true, true), { ...plain, width: 80 })
    for (const line of text.split("\n")) assert.isAtMost(line.length, 80, line)
  })

  it("is a picture of the root", () => {
    assert.strictEqual(
      Overview.render(all, summarise(all), plain),
      [
        "NAME        VERDICT  REASON                  PID  AGE  ACTION",
        "vm-1        alive    matches                  41   1m  kept",
        "vm-2        dead     zombie              1234567  32d  removed",
        "bad\\n\\e[2J  unknown  malformed-sentinel                kept",
        "none        -        no-sentinel                       kept",
        "stuck       dead     pid-dead                  5       failed",
        "",
        "  /vms/bad\\n/.vm-sentinel: malformed sentinel: empty (read sentinel)",
        "",
        "Next steps:",
        `  malformed-sentinel  ${NextStep.of("malformed-sentinel")}`,
        "",
        "5 scanned: 1 removed, 3 kept (1 unknown), 1 failed",
        ""
      ].join("\n")
    )
  })

  it("shows sizes where they were asked for", () => {
    const picture = Overview.render(all.slice(0, 2), summarise(all.slice(0, 2), false, true), plain)
    assert.match(picture, /ACTION\s+SIZE\n.*kept\s+100 B\n.*removed\s+2\.0 KiB\n/)
    assert.include(picture, "2 scanned: 1 removed (2.0 KiB), 1 kept (100 B)")
  })

  it("colours only when told to", () => {
    assert.notInclude(Overview.render(all, summarise(all), plain), "\u001b")
    assert.include(Overview.render(all, summarise(all), { now, colors: true }), "\u001b[32malive\u001b[0m")
  })

  it("shortens names to fit a terminal, and only then", () => {
    const long = [outcome("x".repeat(200), { pid: 1 }), outcome("y", { pid: 2 })]
    const wide = Overview.render(long, summarise(long), plain)
    assert.include(wide, "x".repeat(200))
    const narrow = Overview.render(long, summarise(long), { ...plain, width: 60 })
    for (const line of narrow.split("\n")) assert.isAtMost(Text.width(line), 60)
    assert.match(narrow, /^x+…x+ /m)
  })

  it("shows the bytes of a name that isn't UTF-8", () => {
    const odd = outcome("a\ufffdb", { nameBytes: Buffer.from([0x61, 0xff, 0x62]).toString("base64") })
    assert.strictEqual(Overview.displayName(odd), "a\\xffb")
  })

  it("says what a dry run and an interrupted one are", () => {
    const dry = summarise([outcome("a", { action: "would-remove", verdict: "dead" })], true)
    assert.strictEqual(Overview.summaryLine(dry), "1 scanned: 1 would be removed, 0 kept\n")
    assert.strictEqual(
      Overview.summaryLine({ ...dry, interrupted: true }),
      "1 scanned: 1 would be removed, 0 kept; interrupted\n"
    )
  })

  it("tells where an owner lives inside a directory whose own owner is gone", () => {
    const nested = outcome("outer", {
      verdict: "dead",
      reason: "owner-inside",
      pid: 7,
      evidence: {
        below: { recorded: "disks/in\nner", observed: "alive, matches", result: "not-applicable" }
      }
    })
    assert.strictEqual(
      Overview.render([nested], summarise([nested]), plain),
      [
        "NAME   VERDICT  REASON        PID  AGE  ACTION",
        "outer  dead     owner-inside    7       kept",
        "",
        "  /vms/outer: an owner inside, disks/in\\nner: alive, matches",
        "",
        "Next steps:",
        `  owner-inside  ${NextStep.of("owner-inside")}`,
        "",
        "1 scanned: 0 removed, 1 kept",
        ""
      ].join("\n")
    )
  })

  it("tells what a deletion left to an owner inside who came meanwhile", () => {
    const evidence = { below: { recorded: "a, b/c", result: "not-applicable" } } as const
    const late = outcome("vm", { action: "failed", verdict: "dead", reason: "owner-inside", evidence })
    assert.include(Overview.render([late], summarise([late]), plain), "\n  /vms/vm: left to an owner inside: a, b/c\n")
  })

  it("says what was removed without a lock, and what the operator vouched for", () => {
    const unlocked = summarise(
      [outcome("a", { action: "removed", verdict: "dead", unlocked: true, bytes: 100 })],
      false
    )
    assert.strictEqual(Overview.summaryLine(unlocked), "1 scanned: 1 removed (1 unlocked), 0 kept\n")
    const vouched = { ...unlocked, lock: "inherited", shared: "trust", assumeMoved: "new\ndisk" } as const
    assert.strictEqual(
      Overview.summaryLine({ ...vouched, bytesFreed: 100, interrupted: true }),
      "1 scanned: 1 removed (100 B, 1 unlocked), 0 kept; on your word commands keep the lock that they were started with," +
        " no other kernel has its machine id and host name, directories were moved (new\\ndisk); interrupted\n"
    )
  })

  it("of an empty root is the count", () => {
    assert.strictEqual(Overview.render([], summarise([]), plain), "0 scanned: 0 removed, 0 kept\n")
  })
})
