import { Result } from "effect"
import * as Condemned from "../../src/Condemned.ts"
import {
  type Distrust,
  MalformedSentinel,
  OversizedSentinel,
  PermissionDenied,
  UnsupportedVersion,
  UntrustedSentinel
} from "../../src/Errors.ts"
import type { DirectoryState, SentinelFile } from "../../src/DirectoryState.ts"
import type { Kind, Knowledge, Observed } from "../../src/JudgeInputs.ts"
import type { Judgement } from "../../src/Condemned.ts"
import type { Observation } from "../../src/Observation.ts"
import type { Sentinel } from "../../src/Sentinel.ts"
import { frame, host, present, v3, writtenAt } from "./fixtures.ts"
import { absent } from "./verdicts.ts"

export const bytes = new TextEncoder().encode("4242")

export const file = (content: SentinelFile["content"], changes: Partial<SentinelFile> = {}): SentinelFile => ({
  entry: ".vm-sentinel",
  id: { dev: "1", ino: "100" },
  size: bytes.length,
  writtenAt,
  changedAt: writtenAt,
  bytes,
  content,
  ...changes
})

export const read = (sentinel: Sentinel, changes: Partial<SentinelFile> = {}) => file(Result.succeed(sentinel), changes)

export const state = (
  sentinels: ReadonlyArray<SentinelFile>,
  changes: Partial<DirectoryState> = {}
): DirectoryState => ({
  path: "/vms/a",
  id: { dev: "1", ino: "10" },
  frame: frame(),
  distrust: undefined,
  subdirectories: "none",
  sentinels,
  foreign: [],
  ...changes
})

export const theirs: Distrust = { rule: "other-user", problem: "owned by uid 7" }

export const about = { operation: "read sentinel", path: "/vms/a/.vm-sentinel" } as const
export const errors = {
  "oversized-sentinel": new OversizedSentinel({ ...about, size: 5000, limit: 4096 }),
  "malformed-sentinel": new MalformedSentinel({ ...about, problem: "empty" }),
  "untrusted-sentinel": new UntrustedSentinel({ ...about, rule: "not-a-file", problem: "a symbolic link" }),
  "unsupported-version": new UnsupportedVersion({ ...about, version: "4" }),
  unreadable: new PermissionDenied(about)
} as const

export const hidden: Observation = { _tag: "Hidden", pid: v3().pid, detail: "stat: EPERM" }

export const knowledge: Knowledge = { legacy: "trust", lock: "self", shared: "keep" }

export interface Options extends Partial<Knowledge> {
  readonly kind?: Kind
}

/** Judges a directory. `observe` returns the observation for each of its sentinels. */
export const judgeBy = (
  held: DirectoryState,
  observe: (file: SentinelFile) => Observed,
  { kind = { _tag: "Directory" }, ...known }: Options = {}
): Judgement =>
  Condemned.judge({
    state: held,
    kind,
    host: host(),
    knowledge: { ...knowledge, ...known },
    observed: held.sentinels.map(observe)
  })

/** Judges a directory with one observation for all of its owners. */
export const judgeSeen = (held: DirectoryState, process: Observation | undefined, options?: Options): Judgement =>
  judgeBy(held, () => (process === undefined ? {} : { process }), options)

export type Fate = "alive" | "dead" | "unknown" | "refused"

/** The sentinel file of an owner with this fate, and the observation of its process. */
export const owners: Readonly<Record<Fate, readonly [SentinelFile, Observation]>> = {
  alive: [read(v3(), { entry: ".vm-sentinel.alive" }), present()],
  dead: [read(v3(), { entry: ".vm-sentinel.dead" }), absent],
  unknown: [read(v3(), { entry: ".vm-sentinel.unknown" }), hidden],
  refused: [file(Result.fail(errors["malformed-sentinel"]), { entry: ".vm-sentinel.refused" }), absent]
}

/** Judges a directory whose owners have these fates. */
export const judgeOf = (
  fates: ReadonlyArray<Fate>,
  changes: Partial<DirectoryState> = {},
  options?: Options
): Judgement => {
  const held = state(
    fates.map((fate) => owners[fate][0]),
    changes
  )
  const seen = new Map(Object.values(owners))
  return judgeBy(
    held,
    (file) => {
      const process = seen.get(file)
      return process === undefined ? {} : { process }
    },
    options
  )
}
