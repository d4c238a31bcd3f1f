/**
 * The conformance suite of `SentinelStore`, for every implementation of `Disk`. A test file calls {@link suite} with
 * the Disk and with a `World`, which makes files without the store.
 */
import { it } from "@effect/vitest"
import { Layer } from "effect"
import type { Disk } from "../../src/Disk.ts"
import * as SentinelStore from "../../src/SentinelStore.ts"
import { ableIn } from "./able.ts"
import * as Interposed from "./Interposed.ts"
import * as StoreClaiming from "./storeClaiming.ts"
import * as StoreLeftovers from "./storeLeftovers.ts"
import * as StoreLooking from "./storeLooking.ts"
import * as StorePublishing from "./storePublishing.ts"
import * as StoreReaping from "./storeReaping.ts"
import * as StoreUnmoved from "./storeUnmoved.ts"
import * as StoreWorkspaces from "./storeWorkspaces.ts"
import type { Tester } from "./storeTester.ts"
import type { World } from "./World.ts"

export interface Options<R, E> {
  readonly disk: Layer.Layer<Disk | R, E>
  readonly world: World<R>
}

export const suite = <R, E>(name: string, { disk, world }: Options<R, E>): void => {
  const layer = Layer.provideMerge(SentinelStore.layer, Layer.provideMerge(Interposed.layer, disk))
  it.layer(layer)(`SentinelStore (${name})`, (it) => {
    const test: Tester<R>["test"] = (title, test) => it.effect(title, test)
    const tester: Tester<R> = { world, able: ableIn(test), test }
    StoreLooking.tests(tester)
    StorePublishing.tests(tester)
    StoreWorkspaces.tests(tester)
    StoreClaiming.tests(tester)
    StoreReaping.tests(tester)
    StoreUnmoved.tests(tester)
    StoreLeftovers.tests(tester)
  })
}
