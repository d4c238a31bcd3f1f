const seed = process.env["PROPERTY_SEED"] ?? "vm-sentinel"

/**
 * The same inputs on every run. `PROPERTY_SEED` draws others; a failure prints its shrunk input and a replay token, to be
 * passed here as `arbitrary.replay`.
 */
export const runs = (count: number) => ({ arbitrary: { runs: count, seed } })
