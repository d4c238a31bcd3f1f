import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { runs } from "@vm-sentinel/core/test/support/property"
import type { Ran } from "../src/internal/command.ts"
import { interpret, type PsAnswer } from "../src/internal/psAnswer.ts"

const asked = new Set([346, 812])

const exited = (code: number, stdout: string, stderr = ""): Ran => ({ _tag: "Exited", code, stdout, stderr })

const row346 = "  346     0 Ss   Thu Sep 24 12:11:07 2026     /Library/PrivilegedHelperTools/com.docker.vmnetd\n"
const row812 =
  "  812   501 U    Mon Sep 28 14:22:39 2026     /Applications/Google Chrome.app/Contents/MacOS/Google Chrome\n"
const row999 = "  999   501 Z+   Tue Oct  6 02:07:00 2026     (node)\n"

const short = (answer: PsAnswer): string => {
  switch (answer._tag) {
    case "Found":
      return `Found ${[...answer.value.keys()].join(",")}`
    case "Gone":
      return "Gone"
    case "Refused":
      return `Refused: ${answer.detail}`
    case "Unusable":
      return `${answer.reason}: ${answer.detail}`
  }
}

describe("what a run of ps says", () => {
  it.for<readonly [name: string, ran: Ran, answer: string]>([
    ["exit 0, every row", exited(0, row346 + row812), "Found 346,812"],
    ["exit 0, some rows", exited(0, row812), "Found 812"],
    ["exit 0 without a row: it couldn't read the table", exited(0, ""), "resources: ps: exit 0 without a row"],
    ["exit 0 with an empty line", exited(0, "\n"), "resources: ps: exit 0 without a row"],
    [
      "exit 0 and a failed sysctl",
      exited(0, "", "ps: sysctl: Cannot allocate memory\n"),
      "resources: ps: exit 0: ps: sysctl: Cannot allocate memory"
    ],
    [
      "exit 0 and a refused sysctl",
      exited(0, "", "ps: sysctl: Operation not permitted\n"),
      "Refused: ps: exit 0: ps: sysctl: Operation not permitted"
    ],
    ["exit 0, rows, and a complaint", exited(0, row812, "ps: hm\n"), "malformed: ps: exit 0: ps: hm"],
    ["exit 1 and not a word: none of them exists", exited(1, ""), "Gone"],
    [
      "exit 1 and a complaint about a number",
      exited(1, "", "ps: Invalid process id: 100000\n"),
      "malformed: ps: exit 1: ps: Invalid process id: 100000"
    ],
    [
      "exit 1, rows, and a complaint about a column",
      exited(1, row812, "ps: lstrat: keyword not found\n"),
      "malformed: ps: exit 1: ps: lstrat: keyword not found"
    ],
    ["exit 1 with rows", exited(1, row812), "malformed: ps: exit 1 with rows"],
    [
      "exit 1 and a sandbox",
      exited(1, "", "sh: /bin/ps: Operation not permitted\n"),
      "Refused: ps: exit 1: sh: /bin/ps: Operation not permitted"
    ],
    [
      "exit 126 and a sandbox",
      exited(126, "", "/bin/ps: Permission denied\n"),
      "Refused: ps: exit 126: /bin/ps: Permission denied"
    ],
    ["exit 2 and not a word", exited(2, ""), "malformed: ps: exit 2"],
    ["exit 127", exited(127, "", "ps: not found\n"), "malformed: ps: exit 127: ps: not found"],
    [
      "EPERM: a sandbox doesn't start a setuid program",
      { _tag: "NotStarted", errno: "EPERM" },
      "Refused: ps can't be started: EPERM"
    ],
    ["EACCES", { _tag: "NotStarted", errno: "EACCES" }, "Refused: ps can't be started: EACCES"],
    ["ENOENT", { _tag: "NotStarted", errno: "ENOENT" }, "unsupported: ps can't be started: ENOENT"],
    ["EMFILE", { _tag: "NotStarted", errno: "EMFILE" }, "resources: ps can't be started: EMFILE"],
    ["EAGAIN", { _tag: "NotStarted", errno: "EAGAIN" }, "resources: ps can't be started: EAGAIN"],
    ["killed", { _tag: "Broken", detail: "no answer in 10 seconds" }, "resources: ps: no answer in 10 seconds"],
    [
      "a row that wasn't asked for",
      exited(0, row812 + row999),
      "malformed: ps: a row for process 999, which wasn't asked for"
    ],
    ["two rows of one process", exited(0, row812 + row346 + row812), "malformed: ps: two rows for process 812"],
    [
      "a header",
      exited(0, `  PID   UID STAT STARTED                      COMM\n${row812}`),
      'malformed: ps: not a row: "  PID   UID STAT STARTED                      COMM"'
    ],
    [
      "a row cut short",
      exited(0, row812.slice(0, 20)),
      `malformed: ps: not a row: ${JSON.stringify(row812.slice(0, 20))}`
    ]
  ])("%s", ([, ran, answer]) => {
    assert.strictEqual(short(interpret(ran, asked)), answer)
  })

  it.prop(
    "only exit 1 without a word says that a process is gone",
    [Schema.Literals([0, 1, 2, 126, 127]), Schema.Literals(["", "\n", row812, "x"]), Schema.Literals(["", "ps: x\n"])],
    ([code, stdout, stderr]) => {
      const isGone = interpret(exited(code, stdout, stderr), asked)._tag === "Gone"
      assert.strictEqual(isGone, code === 1 && stdout.trim() === "" && stderr === "")
    },
    runs(300)
  )

  it.prop(
    "any output of exit 0 is rows that were asked for, or unusable",
    [Schema.Array(Schema.Union([Schema.String, Schema.Literals([row346, row812, row999])]))],
    ([parts]) => {
      const answer = interpret(exited(0, parts.join("\n")), asked)
      assert.notStrictEqual(answer._tag, "Gone")
      if (answer._tag === "Found") for (const pid of answer.value.keys()) assert.isTrue(asked.has(pid))
    },
    runs(500)
  )
})
