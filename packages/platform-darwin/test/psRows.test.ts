import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { runs } from "@vm-sentinel/core/test/support/property"
import { type Column, type Fields, parseRow, parseStart, splitRow } from "../src/internal/psRows.ts"

const seconds = (iso: string): number => Date.parse(iso) / 1000

/** Rows recorded from macOS's `ps`, each with the requested columns. */
const recorded: ReadonlyArray<
  readonly [name: string, columns: ReadonlyArray<Column>, line: string, fields: Fields, started: number | undefined]
> = [
  [
    "en_GB, which puts the day first",
    ["pid", "ppid", "lstart", "args"],
    "47000 46919 Tue 11 Aug 11:28:59 2026     node tools/serve-dist.mjs",
    { pid: "47000", ppid: "46919", lstart: "Tue 11 Aug 11:28:59 2026", args: "node tools/serve-dist.mjs" },
    undefined
  ],
  [
    "arguments with spaces",
    ["pid", "lstart", "args"],
    " 2320 Sat Aug 29 12:50:42 2026     node /opt/homebrew/bin/pnpm --filter @merchant/admin exec next dev --port 3040",
    {
      pid: "2320",
      lstart: "Sat Aug 29 12:50:42 2026",
      args: "node /opt/homebrew/bin/pnpm --filter @merchant/admin exec next dev --port 3040"
    },
    seconds("2026-08-29T12:50:42Z")
  ],
  [
    "a helper of root",
    ["pid", "lstart", "comm"],
    "  346 Thu Sep 24 12:11:07 2026     /Library/PrivilegedHelperTools/com.docker.vmnetd",
    { pid: "346", lstart: "Thu Sep 24 12:11:07 2026", comm: "/Library/PrivilegedHelperTools/com.docker.vmnetd" },
    seconds("2026-09-24T12:11:07Z")
  ],
  [
    "a day of one digit",
    ["pid", "lstart", "comm"],
    " 9693 Mon Oct  5 01:56:49 2026     /Applications/Docker.app/Contents/MacOS/com.docker.backend",
    {
      pid: "9693",
      lstart: "Mon Oct  5 01:56:49 2026",
      comm: "/Applications/Docker.app/Contents/MacOS/com.docker.backend"
    },
    seconds("2026-10-05T01:56:49Z")
  ],
  [
    "the same path with an argument",
    ["pid", "lstart", "args"],
    " 9696 Mon Oct  5 01:56:49 2026     /Applications/Docker.app/Contents/MacOS/com.docker.backend services",
    {
      pid: "9696",
      lstart: "Mon Oct  5 01:56:49 2026",
      args: "/Applications/Docker.app/Contents/MacOS/com.docker.backend services"
    },
    seconds("2026-10-05T01:56:49Z")
  ],
  [
    "launchd among eight columns",
    ["pid", "ppid", "pgid", "uid", "rss", "%cpu", "lstart", "comm"],
    "    1     0     1     0  10640   0.7 Thu Oct  1 21:59:06 2026     /sbin/launchd",
    {
      pid: "1",
      ppid: "0",
      pgid: "1",
      uid: "0",
      rss: "10640",
      "%cpu": "0.7",
      lstart: "Thu Oct  1 21:59:06 2026",
      comm: "/sbin/launchd"
    },
    seconds("2026-10-01T21:59:06Z")
  ],
  [
    "a long path with spaces",
    ["pid", "ppid", "pgid", "uid", "rss", "%cpu", "lstart", "comm"],
    "52749     1 52749   501   6304   0.0 Fri Oct  2 16:52:02 2026     /Users/leo/Library/Caches/.wrangler/chrome/" +
      "mac_arm-126.0.6478.182/chrome-mac-arm64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing",
    {
      pid: "52749",
      ppid: "1",
      pgid: "52749",
      uid: "501",
      rss: "6304",
      "%cpu": "0.0",
      lstart: "Fri Oct  2 16:52:02 2026",
      comm:
        "/Users/leo/Library/Caches/.wrangler/chrome/mac_arm-126.0.6478.182/chrome-mac-arm64/" +
        "Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing"
    },
    seconds("2026-10-02T16:52:02Z")
  ],
  [
    "an elapsed time, which isn't the start",
    ["pid", "ppid", "rss", "vsz", "etime", "lstart", "args"],
    "    1     0  14784 435241984   45:25 Wed Jan 28 17:21:44 2026     /sbin/launchd",
    {
      pid: "1",
      ppid: "0",
      rss: "14784",
      vsz: "435241984",
      etime: "45:25",
      lstart: "Wed Jan 28 17:21:44 2026",
      args: "/sbin/launchd"
    },
    seconds("2026-01-28T17:21:44Z")
  ],
  [
    "a login shell, named by its argv[0]",
    ["pid", "ppid", "state", "lstart", "comm"],
    "31965 31951 S+   Wed Jul 15 10:13:42 2026     -/bin/zsh",
    { pid: "31965", ppid: "31951", state: "S+", lstart: "Wed Jul 15 10:13:42 2026", comm: "-/bin/zsh" },
    seconds("2026-07-15T10:13:42Z")
  ],
  [
    "a zombie in its old form",
    ["pid", "ppid", "pgid", "uid", "rss", "state", "lstart", "comm"],
    "  999   812   812   501   1024 Z+   Tue Oct  6 02:07:00 2026     (node)",
    {
      pid: "999",
      ppid: "812",
      pgid: "812",
      uid: "501",
      rss: "1024",
      state: "Z+",
      lstart: "Tue Oct  6 02:07:00 2026",
      comm: "(node)"
    },
    seconds("2026-10-06T02:07:00Z")
  ],
  [
    "a zombie in its new form",
    ["pid", "ppid", "rss", "time", "lstart", "comm"],
    "  703   701      0   0:00.00 Mon Sep 28 10:15:31 2026     <defunct>",
    {
      pid: "703",
      ppid: "701",
      rss: "0",
      time: "0:00.00",
      lstart: "Mon Sep 28 10:15:31 2026",
      comm: "<defunct>"
    },
    seconds("2026-09-28T10:15:31Z")
  ],
  [
    "an uninterruptible process with a space in its path",
    ["pid", "ppid", "uid", "state", "rss", "%cpu", "lstart", "comm"],
    "  812     1   501 U         2048  12.5 Mon Sep 28 14:22:39 2026     " +
      "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    {
      pid: "812",
      ppid: "1",
      uid: "501",
      state: "U",
      rss: "2048",
      "%cpu": "12.5",
      lstart: "Mon Sep 28 14:22:39 2026",
      comm: "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    },
    seconds("2026-09-28T14:22:39Z")
  ],
  [
    "a name that is cut where it isn't the last column",
    ["pid", "ppid", "uid", "%cpu", "%mem", "comm", "args"],
    "  472     1   502   1.3  0.5 /System/Applicat /System/Applications/Messages.app/Contents/MacOS/Messages",
    {
      pid: "472",
      ppid: "1",
      uid: "502",
      "%cpu": "1.3",
      "%mem": "0.5",
      comm: "/System/Applicat",
      args: "/System/Applications/Messages.app/Contents/MacOS/Messages"
    },
    undefined
  ]
]

describe("recorded rows", () => {
  it.for(recorded)("%s", ([, columns, line, fields, started]) => {
    const split = splitRow(columns, line)
    assert.deepStrictEqual(split, fields)
    assert.strictEqual(parseStart(split?.lstart ?? ""), started)
  })

  // These rows have the columns that the library requests, assembled from recorded rows.
  const comms = recorded.flatMap(([, , , fields]) => (fields.comm === undefined ? [] : [fields.comm]))

  it.for(comms)("our own columns end in %s", (comm) => {
    assert.deepStrictEqual(parseRow(`52749   501 S    Fri Oct  2 16:52:02 2026     ${comm}`), {
      pid: 52_749,
      uid: 501,
      state: "S",
      started: seconds("2026-10-02T16:52:02Z"),
      comm
    })
  })
})

/** The time 2026-09-15 23:54:57 as the locales of macOS print it, and other recorded times. */
const foreign = [
  "Tue 15 Sep 23:54:57 2026",
  "Di. 15 Sep. 23:54:57 2026",
  "mar. 15 sept. 23:54:57 2026",
  "K szept. 15 23:54:57 2026",
  "火  9/15 23:54:57 2026",
  "вторник, 15 сентября 2026 г. 23:54:57",
  "월 12/29 11:42:40 2025",
  "三  9月/16 22:56:52 2026"
]

describe("starts", () => {
  it("is read in the C locale, as UTC", () => {
    assert.strictEqual(parseStart("Tue Sep 15 23:54:57 2026"), 1_789_516_497)
  })

  it.for(foreign)("%s is another locale's: no start is guessed, and the other columns are right", (lstart) => {
    assert.isUndefined(parseStart(lstart))
    assert.deepStrictEqual(splitRow(["pid", "lstart", "comm"], `  812 ${lstart}     /Applications/Google Chrome`), {
      pid: "812",
      lstart,
      comm: "/Applications/Google Chrome"
    })
    assert.deepStrictEqual(parseRow(`  812   501 Z+   ${lstart}     <defunct>`), {
      pid: 812,
      uid: 501,
      state: "Z",
      comm: "<defunct>"
    })
  })

  it.for([
    "",
    "Tue Sep 15 23:54:57 2026 ",
    "Wed Sep 15 23:54:57 2026",
    "Tue Sep 15 24:54:57 2026",
    "Tue Sep 15 23:60:57 2026",
    "Sun Feb 30 00:00:00 2025",
    "Tue Sep  0 00:00:00 2026",
    "Thu Jan  1 00:00:00 1970",
    "Tue Sep 15 23:54:57 26",
    "tue sep 15 23:54:57 2026"
  ])("'%s' is no start", (text) => {
    assert.isUndefined(parseStart(text))
  })

  const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  const two = (number: number) => `${number}`.padStart(2, "0")

  it.prop(
    "every second until 9999 reads as itself",
    [Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 253_402_300_799 }))],
    ([second]) => {
      const at = new Date(second * 1000)
      const day = `${days[at.getUTCDay()]} ${months[at.getUTCMonth()]} ${`${at.getUTCDate()}`.padStart(2)}`
      const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`
      assert.strictEqual(parseStart(`${day} ${time} ${at.getUTCFullYear()}`), second)
    },
    runs(500)
  )
})

describe("parseRow", () => {
  const at = "Mon Oct  5 01:56:49 2026    "
  const started = seconds("2026-10-05T01:56:49Z")

  it.for<readonly [string, string, ReturnType<typeof parseRow>]>([
    [
      "a process that says nothing of itself",
      `  812   501 S    ${at}`,
      { pid: 812, uid: 501, state: "S", started, comm: "" }
    ],
    ["an unknown state", `  812   501 ?    ${at} x`, { pid: 812, uid: 501, state: "?", started, comm: "x" }],
    ["every modifier", `  812   501 S<>NXEVLs+ ${at} x`, { pid: 812, uid: 501, state: "S", started, comm: "x" }],
    ["nobody, signed", `  812    -2 S    ${at} x`, { pid: 812, uid: 4_294_967_294, state: "S", started, comm: "x" }],
    [
      "nobody, unsigned",
      `  812 4294967294 S ${at} x`,
      { pid: 812, uid: 4_294_967_294, state: "S", started, comm: "x" }
    ],
    [
      "a name that looks like a row",
      `  812   501 S    ${at} 1 0 Z ${at} x`,
      {
        pid: 812,
        uid: 501,
        state: "S",
        started,
        comm: `1 0 Z ${at} x`
      }
    ]
  ])("%s", ([, line, row]) => {
    assert.deepStrictEqual(parseRow(line), row)
  })

  it.for([
    "",
    "ps: command not found",
    "  PID   UID STAT STARTED                      COMM",
    "  812",
    "  812   501",
    "  812   501 S",
    "  812   501 S    yesterday /bin/x",
    ` -812   501 S    ${at} x`,
    `  8x2   501 S    ${at} x`,
    `  812  root S    ${at} x`,
    `  812   501 3    ${at} x`
  ])("'%s' is no row", (line) => {
    assert.isUndefined(parseRow(line))
  })

  it.prop(
    "any line is a row that makes sense, or none",
    [Schema.String],
    ([line]) => {
      const row = parseRow(line)
      if (row !== undefined) assert.isTrue(Number.isInteger(row.pid) && row.pid >= 0 && row.uid >= 0)
    },
    runs(1000)
  )
})
