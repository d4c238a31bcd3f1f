/**
 * The first key that one object of a JSON text has twice. `undefined`: there is no such key. `JSON.parse` silently
 * keeps the last value, and another parser may keep the first. Two readers could then see two owners in one record.
 * `json` must be valid JSON.
 */
export const duplicateKey = (json: string): string | undefined => {
  const open: Array<Set<string> | undefined> = []
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]]/g
  for (let match = token.exec(json); match !== null; match = token.exec(json)) {
    const text = match[0]
    if (text === "{") open.push(new Set())
    else if (text === "[") open.push(undefined)
    else if (text === "}" || text === "]") open.pop()
    else {
      const keys = open.at(-1)
      if (keys === undefined || !/^\s*:/.test(json.slice(token.lastIndex))) continue
      const key: unknown = JSON.parse(text)
      if (typeof key !== "string") continue
      if (keys.has(key)) return key
      keys.add(key)
    }
  }
  return undefined
}
