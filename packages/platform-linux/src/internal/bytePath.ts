/**
 * File names are bytes. In a string, each byte 0x80 to 0xff that isn't valid UTF-8 is a lone surrogate, U+DC80 to
 * U+DCFF. The mapping is lossless, so no two names have the same string.
 */

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const sequenceLength = (byte: number): number => (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1)

const decodeOdd = (bytes: Uint8Array): string => {
  let text = ""
  for (let index = 0; index < bytes.length;) {
    const byte = bytes[index] ?? 0
    const length = sequenceLength(byte)
    try {
      text += decoder.decode(bytes.subarray(index, index + length))
      index += length
    } catch {
      text += String.fromCharCode(0xdc00 + byte)
      index += 1
    }
  }
  return text
}

const beyondAscii = /[^\0-\x7f]/

/** Decodes the bytes of a name. */
export const decodeName = (bytes: Buffer, start = 0, end = bytes.length): string => {
  // Nearly all names are ASCII, and latin1 decodes faster.
  const ascii = bytes.toString("latin1", start, end)
  if (!beyondAscii.test(ascii)) return ascii
  const text = bytes.toString("utf8", start, end)
  // The bytes aren't UTF-8, or the name really contains this character.
  return text.includes("\uFFFD") ? decodeOdd(bytes.subarray(start, end)) : text
}

/** The path for `node:fs`: the string itself, or its bytes if the string has lone surrogates. */
export const encodePath = (path: string): string | Buffer => {
  if (path.isWellFormed()) return path
  const parts: Array<Buffer> = []
  for (const character of path) {
    const code = character.codePointAt(0) ?? 0
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(character))
  }
  return Buffer.concat(parts)
}
