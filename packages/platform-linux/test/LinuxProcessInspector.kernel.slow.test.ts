/** The conformance suite on this machine's kernel, from several places. */
import { Layer } from "effect"
import { skipped } from "@vm-sentinel/core/test/support/able"
import { suite, type ProcessWorld } from "@vm-sentinel/core/test/support/ProcessInspectorTest"
import * as LinuxProcessInspector from "../src/LinuxProcessInspector.ts"
import { isRoot, noNamespace, nobody, notRoot, type Place, places, unavailable } from "./support/inspectorsElsewhere.ts"
import { Programs } from "./support/programs.ts"
import * as Remote from "./support/remoteInspector.ts"
import { makeWorld } from "./support/processes.ts"

const here = makeWorld()

suite("kernel, with pidfds", {
  layer: Layer.merge(LinuxProcessInspector.layer, Programs.layer),
  world: here,
  strength: { processId64: true, otherUserExecutable: isRoot }
})

suite("kernel, procfs alone", {
  layer: Layer.merge(LinuxProcessInspector.layerProcfs, Programs.layer),
  world: here,
  strength: { processId64: false, otherUserExecutable: isRoot }
})

for (const kind of ["pidfd", "procfs"] as const) {
  const name = `kernel, in a PID namespace, ${kind}`
  if (noNamespace !== undefined) {
    skipped(`ProcessInspector (${name})`, noNamespace)
    continue
  }
  suite(name, {
    layer: Remote.inNamespace(kind),
    world: Remote.world,
    strength: { processId64: kind === "pidfd", otherUserExecutable: true }
  })
}

/** The world of user `nobody`: its own processes, and root's, which are visible or hidden depending on the place. */
const nobodys = (roots: "otherUser" | "hidden"): ProcessWorld<Programs> => ({
  ...makeWorld({ uid: nobody }),
  [roots]: here.spawn
})

const seenBy = (place: Place, roots: "otherUser" | "hidden") => {
  for (const kind of ["pidfd", "procfs"] as const) {
    const name = `kernel, ${place}, ${kind}`
    const reason = notRoot ?? unavailable(place)
    if (reason !== undefined) {
      skipped(name, reason)
      continue
    }
    suite(name, {
      layer: Layer.merge(Remote.under(places[place], kind), Programs.layer),
      world: nobodys(roots),
      strength: {
        processId64: kind === "pidfd",
        otherUserExecutable: false,
        hiddenProcessId64: kind === "pidfd"
      }
    })
  }
}

seenBy("nobody", "otherUser")
seenBy("invisible", "hidden")
seenBy("noaccess", "hidden")
