const seed = process.env["PROPERTY_SEED"] ?? "vm-sentinel"

/**
 * Options of a property test: the same inputs on every run. `PROPERTY_SEED` draws others. A failure prints the shrunk
 * input and a replay token, which `arbitrary.replay` takes.
 */
export const runs = (count: number) => ({ arbitrary: { runs: count, seed } })
