/** The conformance suite on a procfs of plain files. */
import { suite } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import * as Fixture from "./support/procfsFixture.ts"

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
