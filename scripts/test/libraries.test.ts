import { assert, describe, it } from "@effect/vitest"
import { because } from "@vm-sentinel/core/test/support/able"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { check, complaints } from "../libraries.ts"
import { buildNative, copyNative, fileOf, type Target, targets } from "../native.ts"

const x64: Target = { arch: "x64", machine: "x86_64", libc: "glibc" }
const arm64: Target = { arch: "arm64", machine: "aarch64", libc: "musl" }

const printed = (machine: string, libc: string, ...versions: ReadonlyArray<string>): string => `
  Class:                             ELF64
  Machine:                           ${machine}
  Version:                           0x1
 0x0000000000000001 (NEEDED)             Shared library: [${libc}]
${versions.map((version) => `  0x0010:   Name: GLIBC_${version}  Flags: none  Version: 5`).join("\n")}`

const intel = "Advanced Micro Devices X86-64"

describe("a library that is published", () => {
  it("is of its machine and its libc, and needs no symbol newer than glibc 2.28", () => {
    assert.deepStrictEqual(complaints(x64, printed(intel, "libc.so.6", "2.2.5", "2.28")), [])
    assert.deepStrictEqual(complaints(arm64, printed("AArch64", "libc.so")), [])
    assert.deepStrictEqual(complaints(x64, printed(intel, "libc.so.6", "2.4", "2.29", "2.34", "3.1")), [
      "needs glibc 2.29 and 2.34 and 3.1, not 2.28 or older"
    ])
    assert.deepStrictEqual(complaints(x64, printed("AArch64", "libc.so")), [
      `is for AArch64, not ${intel}`,
      "needs libc.so, not libc.so.6"
    ])
    assert.deepStrictEqual(complaints(arm64, printed("AArch64", "libc.so.6", "2.17")), [
      "needs libc.so.6, not libc.so",
      "needs versions of glibc's symbols"
    ])
    assert.deepStrictEqual(complaints(arm64, ""), ["is for none, not AArch64", "needs no libc, not libc.so"])
  })

  const built = buildNative()
  const whyNot = built.length === 0 ? "no C compiler" : undefined

  it.skipIf(whyNot !== undefined)(because("is told from none, and from what is no library", whyNot), () => {
    const directory = Fs.mkdtempSync(`${Os.tmpdir()}/vm-sentinel-libraries-`)
    try {
      const missing = targets.map((target) => `${fileOf(target)} is missing`)
      assert.deepStrictEqual(check(directory), missing)
      copyNative(built, directory)
      assert.deepStrictEqual(
        check(directory),
        targets.filter((target) => !built.includes(target)).map((target) => `${fileOf(target)} is missing`)
      )
      for (const target of targets) Fs.writeFileSync(`${directory}/${fileOf(target)}`, "no library")
      assert.strictEqual(check(directory).length, 2 * targets.length)
    } finally {
      Fs.rmSync(directory, { recursive: true })
    }
  })
})
