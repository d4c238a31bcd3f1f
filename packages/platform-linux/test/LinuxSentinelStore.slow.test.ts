import { world } from "@vm-sentinel/core/test/support/NodeWorld"
import * as SentinelStoreTest from "@vm-sentinel/core/test/support/SentinelStoreTest"
import * as LinuxDisk from "../src/LinuxDisk.ts"

SentinelStoreTest.suite("linux", { disk: LinuxDisk.layerWith({ nativeFrom: 0 }), world })
SentinelStoreTest.suite("linux, without threads of the pool", { disk: LinuxDisk.layerWith({ pool: false }), world })
SentinelStoreTest.suite("linux, without koffi", { disk: LinuxDisk.layerWithoutKoffi, world })
