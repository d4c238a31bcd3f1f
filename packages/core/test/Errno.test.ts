import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { constants } from "node:os"
import { attempt, coded, codeOf, errnoName, errnoOf, failed, isRefusal, isShortage } from "../src/Errno.ts"

const thrownBy = (call: () => unknown): unknown => {
  try {
    return call()
  } catch (error) {
    return error
  }
}

describe("Errno", () => {
  it("reads what node:fs throws", () => {
    const error = thrownBy(() => readFileSync("/nonexistent/file"))
    assert.strictEqual(codeOf(error), "ENOENT")
    assert.strictEqual(errnoOf(error), "ENOENT")
  })

  it.each([new Error("no code"), { code: 2 }, "ENOENT", null, undefined])("finds none in %j", (thrown) => {
    assert.isUndefined(codeOf(thrown))
    assert.strictEqual(errnoOf(thrown), "EUNKNOWN")
  })

  it.each(["EDQUOT", "ESTALE", "ENOLCK"] as const)("names %s, for which libuv has no name", (name) => {
    const number = constants.errno[name]
    assert.strictEqual(errnoOf(coded(`Unknown system error -${number}`)), name)
    assert.strictEqual(errnoOf(coded("Unknown system error -9999")), "Unknown system error -9999")
  })

  it("names an errno as the kernel does", () => {
    for (const name of ["ENOENT", "EAGAIN", "ENOLCK"] as const) {
      assert.strictEqual(errnoName(constants.errno[name]), name)
    }
    assert.strictEqual(errnoName(9999), "errno 9999")
  })

  it("makes an error that it reads again", () => {
    assert.strictEqual(errnoOf(coded("ESTALE")), "ESTALE")
    assert.strictEqual(coded("ESTALE").message, "ESTALE")
    assert.strictEqual(coded("ESTALE", "it was moved").message, "it was moved")
  })

  it("tells a refusal from a shortage", () => {
    const errnos = [
      "EPERM",
      "EACCES",
      "EMFILE",
      "ENFILE",
      "ENOMEM",
      "EIO",
      "EINTR",
      "EAGAIN",
      "ENOENT",
      "ESRCH",
      "EINVAL"
    ]
    assert.deepStrictEqual(errnos.filter(isRefusal), ["EPERM", "EACCES"])
    assert.deepStrictEqual(errnos.filter(isShortage), ["EMFILE", "ENFILE", "ENOMEM", "EIO", "EINTR", "EAGAIN"])
  })

  it.effect("a call that throws fails as a Disk does", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* attempt("read", "/a", () => 1), 1)
      const cause = coded("EIO")
      const error = yield* Effect.flip(
        attempt("read", "/a", () => {
          throw cause
        })
      )
      assert.deepStrictEqual(error, failed("read", "/a", cause))
      assert.deepStrictEqual([error.errno, error.operation, error.path, error.cause], ["EIO", "read", "/a", cause])
    })
  )
})
