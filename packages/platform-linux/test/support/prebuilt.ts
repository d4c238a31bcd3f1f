/**
 * Path of a script that tests run as a process. It is built by `scripts/prebuilt.ts` or, without a build, the source.
 */
export const scriptOf = (source: string, name: string): string => {
  const { SENTINEL_TEST_PREBUILT: prebuilt } = process.env
  return prebuilt === undefined ? source : `${prebuilt}/agent/${name}.js`
}
