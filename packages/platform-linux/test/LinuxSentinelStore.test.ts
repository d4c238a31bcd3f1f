import { world } from "../../core/test/support/NodeWorld.ts"
import * as SentinelStoreTest from "../../core/test/SentinelStoreTest.ts"
import * as LinuxDisk from "../src/LinuxDisk.ts"

SentinelStoreTest.suite("linux", { disk: LinuxDisk.layerWith({ nativeFrom: 0 }), world })
SentinelStoreTest.suite("linux, removals by a thread", {
  disk: LinuxDisk.layerWith({ removalsBeforeThread: 0 }),
  world
})
SentinelStoreTest.suite("linux, without koffi", { disk: LinuxDisk.layerWithoutKoffi, world })
