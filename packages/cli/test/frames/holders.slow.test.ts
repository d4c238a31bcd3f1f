/** Every user who may read a directory may lock it. The lock keeps the directory, and the evidence names its holder. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as Places from "../support/Places.ts"

const { real, without } = Places

const asUser = "setpriv --reuid 1000 --regid 1000 --clear-groups"

/** `dead DIR`: makes a directory of a dead owner. `keep DIR COMMAND…`: the command locks it until the shell ends. */
const functions = `
  dead() { mkdir -m 755 "$1"; printf 2147483647 >"$1/.vm-sentinel"; chmod 600 "$1/.vm-sentinel"; }
  keep() {
    KEPT=$1; shift; setpriv --pdeathsig KILL "$@" flock -s "$KEPT" sleep 1000 >/dev/null 2>&1 &
    locked "$KEPT"
  }`

describe("a lock that somebody else holds", () => {
  real(
    without("setpriv", "flock"),
    "scenario 88: is told with the process, its command and its user, whatever record lies there",
    ({ open }) =>
      Effect.gen(function* () {
        const shell = yield* open()
        yield* shell.run(`${functions}
          dead $R/plain; mkdir -m 755 $R/claimed; hold $R/claimed; kill -KILL $!; unlocked $R/claimed
          keep $R/plain ${asUser}; keep $R/claimed ${asUser}`)
        for (const command of ["list", "sweep"]) {
          const { outcomes } = yield* shell.report(`$VS ${command} $R --json`)
          assert.strictEqual(outcomes.length, 2)
          for (const { evidence, name, reason, verdict } of outcomes) {
            assert.deepStrictEqual([verdict, reason], ["alive", "lock-held"], name)
            assert.match(evidence["holder"]?.observed ?? "", /^process \d+ \(flock\), uid 1000$/, name)
          }
        }
        assert.match(yield* shell.run("$VS explain $R/plain --json"), /process \d+ \(flock\), uid 1000/)
      })
  )

  real(
    without("setpriv", "flock"),
    "scenario 88: is told to a user who may not look into the process that holds it",
    ({ open }) =>
      Effect.gen(function* () {
        const shell = yield* open()
        yield* shell.run(`${functions}
          dead $R/vm; chown -R 1000 $R; keep $R/vm`)
        const { outcomes } = yield* shell.report(`${asUser} env HOME=/nonexistent $VS sweep $R --json`)
        assert.deepStrictEqual(
          outcomes.map(({ evidence, reason }) => [
            reason,
            /^process \d+ \(flock\), uid 0$/.test(evidence["holder"]?.observed ?? "")
          ]),
          [["lock-held", true]]
        )
      })
  )
})
