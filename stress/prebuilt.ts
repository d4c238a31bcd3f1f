/** What the scripts start as processes is built first, as for the tests. To be imported before all else. */
import prebuilt from "../scripts/prebuilt.ts"

if (process.env["VM_SENTINEL_PREBUILT"] === undefined) process.once("exit", await prebuilt())
