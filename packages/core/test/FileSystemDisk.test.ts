import * as NodeServices from "@effect/platform-node/NodeServices"
import { Layer } from "effect"
import * as FileSystemDisk from "../src/FileSystemDisk.ts"
import * as DiskTest from "./support/DiskTest.ts"
import { world } from "./support/NodeWorld.ts"

DiskTest.suite("effect/FileSystem over Node", {
  layer: Layer.provide(FileSystemDisk.layer, NodeServices.layer),
  world,
  strength: { anyNames: false, locks: false, frames: false, changeTimes: false }
})
