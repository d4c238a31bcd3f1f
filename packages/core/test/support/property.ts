const seed = process.env["PROPERTY_SEED"] ?? "vm-sentinel"

/**
 * Options of a property test with the same inputs on every run. `PROPERTY_SEED` draws others. A failure prints the
 * shrunk input and a replay token for `arbitrary.replay`.
 */
export const runs = (count: number) => ({ arbitrary: { runs: count, seed } })
