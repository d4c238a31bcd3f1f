/**
 * What the tests of a file start, threads too, is compiled once for all files. Set in the worker, for what it starts alone:
 * a worker itself would write what it has compiled as it ends, when the directory is gone.
 */
const { VM_SENTINEL_PREBUILT: prebuilt } = process.env
if (prebuilt !== undefined) process.env["NODE_COMPILE_CACHE"] ??= `${prebuilt}/compiled`
