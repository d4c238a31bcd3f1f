/**
 * The native code that a platform's package has loaded. Native code is optional. Without it, some answers take longer,
 * and some are missing.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Why a part of the native code is missing.
 *
 * - `worker`: worker threads load none by default.
 * - `not-found`: it isn't installed, wasn't built, or wasn't copied beside a bundle.
 * - `unloadable`: it can't be loaded or called, for example a library without koffi.
 * - `unsupported`: this platform has none.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MissingReason = Schema.Literals(["worker", "not-found", "unloadable", "unsupported"])
export type MissingReason = typeof MissingReason.Type

/**
 * One part of the native code. `path` is the file, or the name by which the system's loader finds it. `detail`: where
 * the package looked for it, or what the loader answered.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NativePart = Schema.TaggedUnion({
  Loaded: { path: Schema.String },
  Missing: { reason: MissingReason, detail: Schema.String }
})
export type NativePart = typeof NativePart.Type

/**
 * The native code of a platform.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NativeCode = Schema.Struct({
  /** koffi, through which all native calls are made. */
  koffi: NativePart,
  /** On Linux the package's own library, whose calls run in threads of Node's pool. On macOS libSystem. */
  library: NativePart
})
export type NativeCode = typeof NativeCode.Type

const describePart = (name: string, part: NativePart): string =>
  part._tag === "Loaded" ? `${name}: ${part.path}` : `no ${name} (${part.reason}): ${part.detail}`

/**
 * Describes both parts in one line, for people.
 *
 * @category formatting
 * @since 0.1.0
 */
export const describe = ({ koffi, library }: NativeCode): string =>
  `${describePart("koffi", koffi)}; ${describePart("library", library)}`
