/** Flags and arguments that several commands share. */
import { defaultKnowledge, Knowledge } from "@vm-sentinel/core/JudgeInputs"
import * as SentinelName from "@vm-sentinel/core/SentinelName"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Schema from "effect/Schema"
import * as settings from "./settings.ts"

/** A flag whose value a schema decodes. `expected` describes the schema in the error message. */
export const decoded = <A, B>(flag: Flag.Flag<A>, schema: Schema.Codec<B, A>, expected: string) => {
  const decode = Schema.decodeOption(schema)
  return Flag.filterMap(flag, decode, () => `Expected ${expected}`)
}

const Words = Schema.String.check(Schema.isPattern(/\S/))

/** A flag for an operator's assertion, whose value is the reason. No such flag has a default. */
export const reason = (name: string, description: string) =>
  decoded(Flag.String(name), Words, "a reason, in words").pipe(
    Flag.withMetavar("REASON"),
    Flag.withDescription(description),
    Flag.optional
  )

const FileName = Schema.String.check(Schema.makeFilter(SentinelName.isFileName))

const expected = "a file name, without a slash"

const named = (name: string, schema: Schema.String, expected: string): settings.Value => ({
  flag: decoded(Flag.String(name), schema, expected).pipe(Flag.withMetavar("NAME")),
  schema,
  expected
})

const fileName = (name: string): settings.Value => named(name, FileName, expected)

const sentinelNameOf = (value: settings.Value) =>
  settings.optional("sentinel-name", value, "Name of the sentinel to write", SentinelName.defaultName)

/** The sentinel of `write`. */
export const sentinelName = sentinelNameOf(fileName("sentinel-name"))

/** Leaves room in the 255 bytes of a file name for the role `command`, and for the name of a record that is replaced. */
const mostBytes = 255 - ".command.old-01234567".length

const HolderName = FileName.check(
  Schema.makeFilter((name: string) => name !== SentinelName.broodBoxName && Buffer.byteLength(name) <= mostBytes)
)

/** The sentinel of `run`, which writes that of a role, too. */
export const holderName = sentinelNameOf(
  named(
    "sentinel-name",
    HolderName,
    `${expected}, of at most ${mostBytes} bytes, and not ${SentinelName.broodBoxName}, which has no roles`
  )
)

const Pattern = Schema.String.check(Schema.isPattern(/^(?!\.{1,2}$)[^/\0]+$/))

const expectedPattern = "a pattern of file names, without a slash"

const pattern = (name: string): settings.Value => ({
  flag: decoded(Flag.String(name), Pattern, expectedPattern).pipe(Flag.withMetavar("PATTERN")),
  schema: Pattern,
  expected: expectedPattern
})

export const boolean = (name: string, description: string) =>
  settings.plainBoolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false), Flag.withoutNegation)

/** At least `least` roots. */
export const roots = (least: number) =>
  Argument.String("ROOT").pipe(
    Argument.withMetavar("directory"),
    Argument.withDescription("A directory that holds VM directories"),
    Argument.atLeast(least)
  )

export const directory = Argument.String("DIR").pipe(
  Argument.withMetavar("directory"),
  Argument.withDescription("One VM directory"),
  // `write "$UNSET"` would record an owner of the working directory.
  Argument.filter(
    (path) => path !== "",
    () => "Expected a path, not an empty text"
  )
)

export const yes = boolean("yes", "Ask for no confirmation")

export const maxRemovals = settings.count(
  "max-removals",
  "Remove nothing when more than N directories would go, and exit with 5"
)

export const json = settings.boolean("json", "Print JSON, one object a line")

const legacy = (keep: string) =>
  settings.literals("legacy", Knowledge.fields.legacy.literals, defaultKnowledge.legacy, `keep: ${keep}`)

/** Of `run` and `write`, which replace the sentinel of an owner that is provably gone. */
export const ownersLegacy = legacy("replace no v1 or v2 sentinel")

export const judgeFlags = {
  sentinelNames: settings.list(
    "sentinel-name",
    fileName("sentinel-name"),
    "Sentinel to read, with its NAME.ROLE files",
    ".vm-sentinel"
  ),
  legacy: legacy("a v1 or v2 sentinel never condemns"),
  lock: settings.literals(
    "lock",
    Knowledge.fields.lock.literals,
    defaultKnowledge.lock,
    "inherited: commands keep the lock that they were started with, so a free one proves them gone"
  ),
  shared: settings.literals(
    "shared",
    Knowledge.fields.shared.literals,
    defaultKnowledge.shared,
    "trust: no other kernel has this machine id and host name, though this is a virtual machine or a container"
  ),
  assumeMoved: reason("assume-moved", "Judge records of another directory as if they were made in this one")
}

export const sweepFlags = {
  ...judgeFlags,
  json,
  quiet: settings.boolean("quiet", "Print only what failed, and the summary").pipe(Flag.withAlias("q")),
  skip: settings.list(
    "skip",
    pattern("skip"),
    "Directories to pass over: a name, or a pattern with *, ?, [a-z] and {a,b}"
  ),
  ifExists: settings.boolean("if-exists", "A missing ROOT is no failure"),
  strict: settings.boolean("strict", "Exit with 3 when anything was unknown or failed, or a --skip matched nothing"),
  sizes: settings.boolean("sizes", "Measure what each directory occupies")
}
