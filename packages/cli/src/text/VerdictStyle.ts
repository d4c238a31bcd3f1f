/**
 * The style in which a verdict is shown.
 *
 * @since 0.1.0
 */
import type { Answer } from "@vm-sentinel/core/Reason"
import type { Style } from "./Table.ts"

/**
 * The style of each verdict.
 *
 * @category constants
 * @since 0.1.0
 */
export const verdictStyles: Record<Answer, Style> = { alive: "green", dead: "red", unknown: "yellow", none: "dim" }
