/**
 * Flags whose default an environment variable sets: `VM_SENTINEL_` and the flag's name in capitals. The flag overrides
 * the variable. An empty variable counts as none, and an unknown one is an error.
 *
 * `--assume-dead` and `--assume-moved` have no variable, because an operator has to type the reason each time.
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { nearest } from "../text/Spelling.ts"
import * as Text from "../text/Text.ts"

/** The flags that have a variable. */
const names = [
  "if-exists",
  "json",
  "legacy",
  "lock",
  "max-removals",
  "quiet",
  "sentinel-name",
  "shared",
  "sizes",
  "skip",
  "strict"
] as const
type Name = (typeof names)[number]

const prefix = ["VM", "SENTINEL"]

/** The beginning of all variables. */
const start = `${prefix.join("_")}_`

/** The environment variable of a flag. */
const variableOf = (flag: Name): string => `${start}${flag.replaceAll("-", "_").toUpperCase()}`

const variables = names.map(variableOf)

/** The value of a flag's variable, `None` if it isn't set. `expected` describes its values for the error. */
const valueOf = <A>(
  flag: Name,
  config: (variable: string) => Config.Config<A>,
  expected: string
): Effect.Effect<Option.Option<A>, CliError.ValidationError> => {
  const variable = variableOf(flag)
  const invalid = (text: string) =>
    new CliError.ValidationError({
      message: `Invalid value for ${variable}: "${Text.escape(text)}". Expected ${expected}`
    })
  return Config.option(config(variable)).pipe(
    Effect.catch(() =>
      Config.String(variable).pipe(
        Effect.orElseSucceed(() => ""),
        Effect.flatMap((text) => Effect.fail(invalid(text)))
      )
    )
  )
}

/** The description of a flag, with its default, if help shows one, and its variable. */
const describe = (flag: Name, description: string, shown: string | undefined): string =>
  `${description}${shown === undefined ? "" : ` (default: ${shown})`} [$${variableOf(flag)}]`

/** The value of the variable of a boolean flag. */
export const booleanValue = (flag: Name): Effect.Effect<Option.Option<boolean>, CliError.ValidationError> =>
  valueOf(flag, Config.Boolean, "true or false")

/**
 * A boolean flag, whose value stands after `=`. By default a boolean flag takes the next word if that is one such as `0`
 * or `no`, which may be the path of a root.
 */
export const plainBoolean = (name: string): Flag.Flag<boolean> => Flag.withOptionalValue(Flag.Boolean(name), "true")

export const boolean = (name: Name, description: string): Flag.Flag<boolean> =>
  plainBoolean(name).pipe(
    Flag.withDescription(describe(name, description, undefined)),
    Flag.withDefault(
      Effect.map(
        booleanValue(name),
        Option.getOrElse(() => false)
      )
    ),
    Flag.withoutNegation
  )

export const literals = <const L extends ReadonlyArray<string>>(
  name: Name,
  values: L,
  fallback: L[number],
  description: string
): Flag.Flag<L[number]> => {
  const value = valueOf(name, (variable) => Config.Literals(values, variable), values.join(" or "))
  return Flag.Literals(name, values).pipe(
    Flag.withMetavar(values.join("|")),
    Flag.withDescription(describe(name, description, fallback)),
    Flag.withDefault(
      Effect.map(
        value,
        Option.getOrElse(() => fallback)
      )
    )
  )
}

/** Names of the variables that begin with these words and have a value. */
const setBelow = (words: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, ConfigProvider.SourceError> =>
  Effect.gen(function* () {
    const node = yield* (yield* ConfigProvider.ConfigProvider).load(words)
    if (node === undefined) return []
    const own = node.value === undefined ? [] : [words.join("_")]
    // An array is several variables that end with a number. The last one stands for all.
    const next = node._tag === "Value" ? [] : node._tag === "Record" ? [...node.keys] : [`${node.length - 1}`]
    const below = yield* Effect.forEach(next, (word) => setBelow([...words, word]))
    return [...own, ...below.flat()]
  })

const unknown = (variable: string): string => {
  const word = (name: string) => name.slice(start.length)
  const near = nearest(word(variable), variables.map(word))
  return `Unknown variable: ${Text.escape(variable)}${near === undefined ? "" : `. Did you mean ${start}${near}?`}`
}

/**
 * Fails if a variable begins like those of the flags and is none of them. The name may be misspelt. An ignored
 * `VM_SENTINEL_SKIPS` would leave unprotected what its operator protects.
 */
export const checked: Effect.Effect<void, CliError.ValidationError> = setBelow(prefix).pipe(
  Effect.orDie,
  Effect.map((set) => set.filter((variable) => !variables.includes(variable)).sort()),
  Effect.flatMap((others) =>
    others.length === 0
      ? Effect.void
      : Effect.fail(new CliError.ValidationError({ message: others.map(unknown).join("\n  ") }))
  )
)

/** A text that a schema decodes. `expected` describes it for errors. */
export interface Value {
  readonly flag: Flag.Flag<string>
  readonly schema: Schema.String
  readonly expected: string
}

/** A flag that may be repeated. Its variable lists the values with a colon between them, as `PATH` does. */
export const list = (name: Name, { expected, flag, schema }: Value, description: string, shown?: string) =>
  flag.pipe(
    Flag.atLeast(1),
    Flag.withDescription(describe(name, `${description}; may be repeated`, shown)),
    Flag.withDefault(
      valueOf(
        name,
        (variable) => Config.Array(schema, variable, { separator: ":" }),
        `${expected}, or several with a colon between them`
      ).pipe(Effect.map(Option.getOrElse((): ReadonlyArray<string> => [])))
    )
  )

/** A flag with one value or none. A variable that lists several values, for {@link list}, is invalid here. */
export const optional = (name: Name, { expected, flag, schema }: Value, description: string, shown: string) => {
  const one = schema.check(Schema.isPattern(/^[^:]*$/))
  return flag.pipe(
    Flag.map(Option.some),
    Flag.withDescription(describe(name, description, shown)),
    Flag.withDefault(valueOf(name, (variable) => Config.schema(one, variable), `${expected}, and no list of them`))
  )
}

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A flag with a number from 0 on, or none. */
export const count = (name: Name, description: string): Flag.Flag<Option.Option<number>> =>
  Flag.Int(name).pipe(
    Flag.filter(Schema.is(Count), () => "Expected 0 or more"),
    Flag.map(Option.some),
    Flag.withMetavar("N"),
    Flag.withDescription(describe(name, description, undefined)),
    Flag.withDefault(valueOf(name, (variable) => Config.schema(Count, variable), "0 or more"))
  )
