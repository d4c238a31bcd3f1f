import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Pid } from "../src/ProcessIdentity.ts"
import * as FakeProcessTable from "../src/testing/FakeProcessTable.ts"
import { inPlace, present, rows } from "./support/fixtures.ts"
import { answer } from "./support/judging.ts"
import { judged, soughtOf, writtenBy } from "./support/owner.ts"
import { after, type Change, type Controls, exit, recycle, ticksOnly } from "./support/throughTable.ts"
import { absent, found, hidden, noId, noScope, otherScope, proof, running, table } from "./support/verdicts.ts"

table("a search of the whole kernel for an owner of another PID namespace", [
  {
    name: "an id proved gone that it hasn't got",
    seen: null,
    ...proof({ _tag: "Gone", by: "processId64" }, inPlace(noId)),
    is: "unknown other-pid-namespace",
    compared: otherScope
  },
  {
    name: "its PID namespace not recorded, and proved gone",
    seen: null,
    ...proof({ _tag: "Gone", by: "namespace" }, inPlace({ pidNamespace: undefined })),
    is: "unknown other-pid-namespace",
    compared: noScope
  },
  {
    name: "found under another number of ours",
    seen: absent,
    ...proof(found({ pid: Pid.make(9000), tgid: 9000 })),
    is: "alive matches",
    compared: [...otherScope, ...running, "processId64 equal"]
  },
  {
    name: "another process found under the number in it",
    seen: absent,
    ...proof(found({ processId64: "7" })),
    is: "dead identity-mismatch",
    compared: [...otherScope, ...running, "processId64 different"]
  },
  {
    name: "another process found in one of its number, whose first process isn't recorded",
    seen: absent,
    ...proof(found({ processId64: "7" }), inPlace({ pidNamespaceInit: undefined })),
    is: "unknown other-pid-namespace",
    compared: otherScope
  },
  {
    name: "its PID namespace not recorded, a zombie found by its id",
    seen: absent,
    ...proof(found({ state: "Z" }), inPlace({ pidNamespace: undefined })),
    is: "dead zombie",
    compared: [...noScope, ...running]
  },
  {
    name: "a hidden process found in it",
    seen: absent,
    ...proof({ _tag: "Found", observation: hidden }),
    is: "unknown permission-denied",
    compared: [...otherScope, "process unknown"]
  },
  {
    name: "an equal id under the number here: it is that process",
    ...proof({ _tag: "Incomplete" }),
    is: "alive matches",
    compared: [...otherScope, ...running, "processId64 equal"]
  },
  {
    name: "a zombie of an equal id under the number here: a search decides",
    ...proof({ _tag: "Incomplete" }),
    seen: present({ state: "Z" }),
    is: "unknown other-pid-namespace",
    compared: otherScope
  }
])

describe("a search of the whole kernel for an owner in a container, through the process table", () => {
  const container = "pid:[2]"
  const seen = [...otherScope, ...running]
  const gone = [...otherScope, "search different"]
  const proofs: ReadonlyArray<{
    readonly name: string
    readonly options?: FakeProcessTable.Options
    /** Runs in the container after the record was written. */
    readonly inside?: Change
    /** Runs on the host after the record was written. */
    readonly outside?: (table: Controls) => Effect.Effect<unknown, unknown>
    readonly is: string
    /** All data that were compared, in order. */
    readonly compared: ReadonlyArray<string>
  }> = [
    { name: "found", is: "alive matches", compared: [...seen, "processId64 equal"] },
    {
      name: "found, without ids",
      options: ticksOnly,
      is: "alive matches",
      compared: [...seen, "processId64 unknown", "timeOffset equal", "startTime equal"]
    },
    { name: "exited", inside: exit, is: "dead process-gone", compared: gone },
    {
      name: "exited, without ids",
      options: ticksOnly,
      inside: exit,
      is: "dead pid-dead",
      compared: [...otherScope, "process different"]
    },
    { name: "its PID recycled", inside: recycle(), is: "dead process-gone", compared: gone },
    {
      name: "its PID recycled, without ids",
      options: ticksOnly,
      inside: after(50, recycle()),
      is: "dead start-time-mismatch",
      compared: [...seen, "processId64 unknown", "timeOffset equal", "startTime different"]
    },
    { name: "a zombie", inside: (table, owner) => table.zombie(owner), is: "dead zombie", compared: seen },
    {
      name: "ended with its container",
      outside: (table) => table.endPidNamespace(container),
      is: "dead process-gone",
      compared: gone
    },
    {
      name: "ended with its container, without ids",
      options: ticksOnly,
      outside: (table) => table.endPidNamespace(container),
      is: "dead namespace-gone",
      compared: gone
    },
    {
      name: "exited, and not every process can be seen",
      inside: exit,
      outside: (table) => Effect.flatMap(table.spawn(), table.hide),
      is: "unknown other-pid-namespace",
      compared: otherScope
    }
  ]
  const playProof = ({ compared, inside, is, options, outside }: (typeof proofs)[number]) =>
    Effect.gen(function* () {
      const table = yield* FakeProcessTable.FakeProcessTable
      yield* table.enterPidNamespace(container)
      const owner = yield* table.spawn()
      const written = yield* writtenBy(owner)
      yield* inside?.(table, owner) ?? Effect.void
      yield* table.enterPidNamespace(FakeProcessTable.initialPidNamespace)
      yield* outside?.(table) ?? Effect.void
      const search = yield* table.namespaceProof(soughtOf(written))
      const verdict = yield* judged(written, { search })
      assert.strictEqual(answer(verdict), is)
      assert.deepStrictEqual(rows(verdict.evidence), compared)
    }).pipe(Effect.provide(FakeProcessTable.layerWith(options ?? {})))

  for (const proof of proofs) it.effect(`${proof.name} → ${proof.is}`, () => playProof(proof))
})
