/**
 * Names as bytes. A name that isn't UTF-8 is carried in a string with its odd bytes 0x80 to 0xff as lone surrogates
 * U+DC80 to U+DCFF, so that nothing is lost and nothing is confused with another name.
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

/** The string of a name's bytes. */
export const decodeName = (bytes: Buffer, start = 0, end = bytes.length): string => {
  // As nearly all are, and quicker.
  const ascii = bytes.toString("latin1", start, end)
  if (!beyondAscii.test(ascii)) return ascii
  const text = bytes.toString("utf8", start, end)
  // What isn't UTF-8, or a name that really has this character.
  return text.includes("\uFFFD") ? decodeOdd(bytes.subarray(start, end)) : text
}

/** What `node:fs` takes for a path: the string itself, or its bytes where it has odd ones. */
export const encodePath = (path: string): string | Buffer => {
  if (path.isWellFormed()) return path
  const parts: Array<Buffer> = []
  for (const character of path) {
    const code = character.codePointAt(0) ?? 0
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(character))
  }
  return Buffer.concat(parts)
}
