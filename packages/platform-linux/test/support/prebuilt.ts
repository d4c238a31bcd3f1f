/** A script that tests start as a process: as `scripts/prebuilt.ts` has built it under a name, where it has. */
export const scriptOf = (source: string, name: string): string => {
  const { VM_SENTINEL_PREBUILT: prebuilt } = process.env
  return prebuilt === undefined ? source : `${prebuilt}/agent/${name}.js`
}
