/** Path of a script that tests run as a process: the build of `scripts/prebuilt.ts`, if there is one, or the source. */
export const scriptOf = (source: string, name: string): string => {
  const { SENTINEL_TEST_PREBUILT: prebuilt } = process.env
  return prebuilt === undefined ? source : `${prebuilt}/agent/${name}.js`
}
