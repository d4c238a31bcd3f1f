import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll } from "vitest"
import { because } from "../../packages/core/test/support/able.ts"
import { deadLinks } from "../../tools/docs/links.ts"
import { pages, read, root } from "../pages.ts"
import * as Sessions from "../sessions.ts"

const scratch = Fs.mkdtempSync(Path.join(Os.tmpdir(), "vm-sentinel-docs-"))
afterAll(() => Fs.rmSync(scratch, { recursive: true, force: true }))

/** Milliseconds. The machine may be busy with other tests. */
const patience = 300_000

const isPacked = (page: string): boolean => /^packages\/[^/]+\/README\.md$/.test(page)

describe("the links of a page", () => {
  const repository = "https://github.com/vm-sentinel/vm-sentinel"
  const files = `${repository}/blob/main`
  const directories = `${repository}/tree/main`
  Fs.mkdirSync(`${scratch}/docs`)
  Fs.writeFileSync(`${scratch}/docs/page.md`, "# What, and why?\n")

  const dead = (...lines: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
    Fs.writeFileSync(`${scratch}/README.md`, `${lines.join("\n")}\n`)
    return deadLinks(scratch, ["README.md", "docs/page.md"])
  }

  it("pass if the files and headings that they name exist", async () => {
    const links = [
      "docs/page.md",
      "docs",
      "docs/page.md#what-and-why",
      "#top",
      `${files}/docs/page.md#what-and-why`,
      `${directories}/docs`
    ]
    const text = [
      "# Top",
      ...links.map((link) => `[link](${link})`),
      "`[code](gone.md)`",
      "[web](https://effect.website)"
    ]
    assert.deepStrictEqual(await dead(...text), [])
  })

  it("fail if a file or a heading is missing, here or by its address on GitHub", async () => {
    const onGitHub = [`${files}/gone.md`, `${files}/docs/page.md#why`, `${directories}/gone`]
    const links = ["gone.md", "docs/page.md#why", "#gone", ...onGitHub]
    const found = await dead(...links.map((link) => `[link](${link})`), "", "![picture](gone.svg)")
    assert.deepStrictEqual(
      found.map((line) => line.split(" ", 1)[0]).toSorted(),
      [1, 2, 3, 4, 5, 6, 8].map((line) => `README.md:${line}:`)
    )
  })
})

describe("a session of a page", () => {
  it("is compared without its times and numbers", () => {
    const shown = "$ ls\nweb  alive  31242  2s\n 3 scanned: 1 removed\n"
    assert.strictEqual(Sessions.lasting(shown), Sessions.lasting("$ ls\nweb  alive    47  1m\n 3 scanned: 1 removed\n"))
    assert.notStrictEqual(Sessions.lasting(shown), Sessions.lasting(shown.replace("1 removed", "2 removed")))
    assert.notStrictEqual(Sessions.lasting(shown), Sessions.lasting(shown.replace("alive", "dead")))
  })

  it("is compared without what a machine calls its own", () => {
    const machine = (name: string, id: string, room: string, library: string) =>
      `$ doctor\n ok  machine id: ${id}, host name ${name}\n ok  change: ${room} free\n ok  library: /srv/${library}.so\n`
    const shown = machine("node-7", "00112233445566778899aabbccddeeff", "227 GiB", "pool-linux-x64-glibc")
    const other = machine("vm", "ffeeddccbbaa99887766554433221100", "1.2 TiB", "pool-linux-arm64-musl")
    assert.strictEqual(Sessions.lasting(shown), Sessions.lasting(other))
    assert.notStrictEqual(Sessions.lasting(shown), Sessions.lasting(shown.replace(" ok ", " limited ")))
  })

  it("names no machine that exists", () => {
    const names = [
      ["0ff2-19c7", "0000-0000"],
      ["", "nothing"],
      ["host name vm", "host name node-7"]
    ] as const
    const printed = "$ vm-sentinel doctor\n ok  boot id: 0ff2-19c7\n ok  machine id: none, host name vm\n"
    const shown = "$ vm-sentinel doctor\n ok  boot id: 0000-0000\n ok  machine id: none, host name node-7\n"
    assert.strictEqual(Sessions.anonymous(printed, names), shown)
    for (const page of pages()) assert.strictEqual(Sessions.anonymous(read(page)), read(page), page)
  })

  it("says why it can't be played", () => {
    const script = `${Path.relative(root, scratch)}/session.sh`
    const whyNot = (...lines: ReadonlyArray<string>) => {
      Fs.writeFileSync(Path.join(root, script), `${lines.join("\n")}\n`)
      return Sessions.whyNot({ from: script, text: "" })
    }
    assert.isUndefined(whyNot("#? true || echo never", "echo no question"))
    assert.strictEqual(whyNot("#? true || echo never", "#? false || echo 'needs it'"), "needs it")
  })
})

describe("the pages", () => {
  const all = pages()
  const texts = all.map((path) => ({ path, text: read(path) }))

  it("have no dead link and no dead anchor", { timeout: patience }, async () => {
    assert.isAbove(all.length, 10)
    assert.deepStrictEqual(await deadLinks(root, all), [])
  })

  it("name files in HTML that exist", () => {
    const dead = texts.flatMap(({ path, text }) =>
      [...text.matchAll(/<[a-z][^>]*\s(?:href|src|srcset)="([^"#:]+)/g)].flatMap(([, target = ""]) =>
        Fs.existsSync(Path.join(root, Path.dirname(path), target)) ? [] : [`${path}: ${target}`]
      )
    )
    assert.deepStrictEqual(dead, [])
  })

  it("have absolute links where they are packed without the repository", () => {
    const relative = texts.flatMap(({ path, text }) =>
      isPacked(path) ? [...text.matchAll(/\]\((?!https:|#)([^)]+)\)/g)].map(([, target]) => `${path}: ${target}`) : []
    )
    assert.deepStrictEqual(relative, [])
  })

  it("show commands only in sessions, which a script makes", () => {
    const unmade = texts.flatMap(({ path, text }) => {
      const shown = [...text.matchAll(/^```console$/gm)].length
      return shown === Sessions.sessionsIn(text).length ? [] : [path]
    })
    assert.deepStrictEqual(unmade, [])
  })

  const sessions = texts.flatMap(({ path, text }) => Sessions.sessionsIn(text).map((session) => ({ path, session })))

  it("have sessions", () => assert.isNotEmpty(sessions))

  for (const { path, session } of sessions) {
    const reason = process.platform === "linux" ? Sessions.whyNot(session) : "procfs is Linux's"
    const title = because(`show what the commands of ${session.from} print`, reason)
    it.skipIf(reason !== undefined)(title, { timeout: patience }, () => {
      const made = Sessions.played(session)
      const message = `${path} shows other output: node scripts/sessions.ts writes it`
      assert.strictEqual(Sessions.lasting(session.text), Sessions.lasting(made), message)
    })
  }
})
