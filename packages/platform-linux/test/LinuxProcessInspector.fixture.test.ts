/** The conformance suite on a procfs of plain files. */
import { suite } from "../../core/test/ProcessInspectorTest.ts"
import * as Fixture from "./Fixture.ts"

suite("fixture procfs, with pidfds", {
  layer: Fixture.layer("pidfd"),
  world: Fixture.world,
  strength: { processId64: true, otherUserExecutable: false, hiddenProcessId64: true }
})

suite("fixture procfs alone", {
  layer: Fixture.layer("procfs"),
  world: Fixture.world,
  strength: { processId64: false, otherUserExecutable: false }
})
