/** The conformance suite of the store, over the Disk of macOS. */
import { skipped } from "@vm-sentinel/core/test/support/able"
import { world as nodeWorld } from "@vm-sentinel/core/test/support/NodeWorld"
import * as SentinelStoreTest from "@vm-sentinel/core/test/support/SentinelStoreTest"
import * as DarwinDisk from "../src/DarwinDisk.ts"
import { world } from "./support/darwinWorld.ts"
import * as Shim from "./support/shim.ts"

if (process.platform === "darwin") {
  SentinelStoreTest.suite("macOS", { disk: DarwinDisk.layer, world: nodeWorld })
} else {
  const shim = Shim.build()
  if (typeof shim === "string") {
    skipped("the store over the shim", shim)
  } else {
    SentinelStoreTest.suite("macOS, over the shim", { disk: DarwinDisk.layerWith({ libraryPath: shim.path }), world })
  }
}

const none = DarwinDisk.layerWith({ libraryPath: "/nonexistent/lib.dylib" })
SentinelStoreTest.suite("macOS, without its library", { disk: none, world: nodeWorld })
