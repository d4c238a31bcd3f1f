/**
 * All modules of this package except those for tests, as namespaces. A module for tests has a path of its own.
 *
 * @since 0.1.0
 */

/**
 * A `Disk` for macOS: the portable one, with deletion by descriptor, locks and a rename that replaces nothing.
 *
 * @since 0.1.0
 */
export * as DarwinDisk from "./DarwinDisk.ts"

/**
 * Which native code the Layers of macOS use, and why a part of it is missing.
 *
 * @since 0.1.0
 */
export * as DarwinNativeCode from "./DarwinNativeCode.ts"

/**
 * `ProcessInspector` for macOS: libSystem through koffi, or `ps` without native code.
 *
 * @since 0.1.0
 */
export * as DarwinProcessInspector from "./DarwinProcessInspector.ts"

/**
 * The sentinel store of macOS.
 *
 * @since 0.1.0
 */
export * as DarwinSentinelStore from "./DarwinSentinelStore.ts"
