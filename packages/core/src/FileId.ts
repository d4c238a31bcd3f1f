/**
 * Identity of a file within one mount namespace.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A device and an inode, as decimal strings.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FileId = Schema.Struct({ dev: Schema.String, ino: Schema.String })
export type FileId = typeof FileId.Type

/**
 * @category comparing
 * @since 0.1.0
 */
export const sameFile = (a: FileId, b: FileId): boolean => a.dev === b.dev && a.ino === b.ino
