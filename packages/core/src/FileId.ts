/**
 * Identity of a file on one kernel, as long as the file exists.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Device and inode of a file, in decimal digits.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FileId = Schema.Struct({ dev: Schema.String, ino: Schema.String })
export type FileId = typeof FileId.Type

/**
 * Whether two ids name one file: device and inode are equal.
 *
 * @category comparing
 * @since 0.1.0
 */
export const sameFile = (a: FileId, b: FileId): boolean => a.dev === b.dev && a.ino === b.ino
