/** Flags and arguments that several commands share. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Schema from "effect/Schema"

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

const FileName = Schema.String.check(Schema.isPattern(/^(?!\.{1,2}$)[^/\0]{1,255}$/))

export const fileName = (name: string) =>
  decoded(Flag.String(name), FileName, "a file name, without a slash").pipe(Flag.withMetavar("NAME"))

const Pattern = Schema.String.check(Schema.isPattern(/^(?!\.{1,2}$)[^/\0]+$/))

/** A flag for a pattern of names. */
const pattern = (name: string) =>
  decoded(Flag.String(name), Pattern, "a pattern of file names, without a slash").pipe(Flag.withMetavar("PATTERN"))

export const boolean = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false), Flag.withoutNegation)

export const roots = Argument.String("ROOT").pipe(
  Argument.withMetavar("directory"),
  Argument.withDescription("A directory that holds VM directories"),
  Argument.variadic({ min: 1 })
)

export const directory = Argument.String("DIR").pipe(
  Argument.withMetavar("directory"),
  Argument.withDescription("One VM directory")
)

export const yes = boolean("yes", "Ask for no confirmation")

export const maxRemovals = Flag.Int("max-removals").pipe(
  Flag.filter(
    (count) => count >= 0,
    () => "Expected 0 or more"
  ),
  Flag.withMetavar("N"),
  Flag.withDescription("Remove nothing when more than N directories would go, and exit with 5"),
  Flag.optional
)

export const json = boolean("json", "Print JSON, one object a line")

export const judging = {
  sentinelNames: fileName("sentinel-name").pipe(
    Flag.atLeast(0),
    Flag.withDescription("Sentinel to read instead of .vm-sentinel, with its NAME.ROLE files; may be repeated")
  ),
  legacy: Flag.Literals("legacy", ["trust", "keep"]).pipe(
    Flag.withDefault("trust"),
    Flag.withMetavar("trust|keep"),
    Flag.withDescription("keep: a v1 or v2 sentinel never condemns")
  ),
  lock: Flag.Literals("lock", ["self", "inherited"]).pipe(
    Flag.withDefault("self"),
    Flag.withMetavar("self|inherited"),
    Flag.withDescription(
      "inherited: commands keep the lock that they were started with, so a free one proves them gone"
    )
  ),
  shared: Flag.Literals("shared", ["trust", "keep"]).pipe(
    Flag.withDefault("keep"),
    Flag.withMetavar("trust|keep"),
    Flag.withDescription("trust: no other kernel has this one's ids, though it runs in a virtual machine")
  ),
  assumeMoved: reason("assume-moved", "Judge records of another directory as if they were made in this one")
}

export const sweeping = {
  ...judging,
  json,
  quiet: boolean("quiet", "Print only what failed, and the summary").pipe(Flag.withAlias("q")),
  skip: pattern("skip").pipe(
    Flag.atLeast(0),
    Flag.withDescription("Directories to pass over: a name, or a pattern with *, ?, [a-z] and {a,b}; may be repeated")
  ),
  ifExists: boolean("if-exists", "A missing ROOT is no failure"),
  strict: boolean("strict", "Exit with 3 when anything was unknown or failed, or a --skip matched nothing"),
  sizes: boolean("sizes", "Measure what each directory occupies")
}
