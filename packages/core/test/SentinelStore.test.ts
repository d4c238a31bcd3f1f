import * as NodeServices from "@effect/platform-node/NodeServices"
import { Layer } from "effect"
import * as FileSystemDisk from "../src/FileSystemDisk.ts"
import * as MemoryDisk from "../src/testing/MemoryDisk.ts"
import * as SentinelStoreTest from "./support/SentinelStoreTest.ts"
import * as MemoryWorld from "./support/MemoryWorld.ts"
import * as NodeWorld from "./support/NodeWorld.ts"

SentinelStoreTest.suite("memory", {
  disk: MemoryDisk.layerWith({ homes: ["/home/me", "/root/"] }),
  world: MemoryWorld.world
})
SentinelStoreTest.suite("effect/FileSystem over Node", {
  disk: Layer.provide(FileSystemDisk.layer, NodeServices.layer),
  world: NodeWorld.world
})
