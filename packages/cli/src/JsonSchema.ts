/**
 * The JSON Schema of the lines of `--json`, generated from their schemas.
 *
 * @since 0.1.0
 */
import { Outcome, Summary } from "@vm-sentinel/core/Outcome"
import { META_SCHEMA_URI_DRAFT_2020_12 } from "effect/JsonSchema"
import * as Schema from "effect/Schema"
import { Explanation } from "./explain/Explanation.ts"
import { Failure } from "./Failure.ts"
import { Machine, Root } from "./doctor/Finding.ts"

/**
 * Any line that a command prints with `--json`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Line = Schema.Union([
  Outcome.annotate({ identifier: "Outcome", description: "sweep, list, reclaim: one directory" }),
  Summary.annotate({ identifier: "Summary", description: "sweep, list: the counts of a root, its last line" }),
  Explanation.annotate({ identifier: "Explanation", description: "explain: all that was compared" }),
  Machine.annotate({
    identifier: "Machine",
    description: "doctor: what can be proved on this machine, its first line"
  }),
  Root.annotate({ identifier: "Root", description: "doctor: what can be proved in a root" }),
  Failure.annotate({ identifier: "Failure", description: "A command that ended early, or with a failure" })
])

/** An identifier of an error of core, in a key or in a reference. */
const errorIdentifier = /@vm-sentinel(?:\/|~1)core(?:\/|~1)(\w+?)Encoded/g

/**
 * The JSON Schema of {@link Line}, as text. Keys that it doesn't name are allowed, because a later release may add
 * some.
 *
 * @category rendering
 * @since 0.1.0
 */
export const text = (): string => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(Line)
  const document = {
    $schema: META_SCHEMA_URI_DRAFT_2020_12,
    title: "A line of vm-sentinel --json",
    ...schema,
    $defs: definitions
  }
  return `${JSON.stringify(document, null, 2).replaceAll(errorIdentifier, "$1")}\n`
}
