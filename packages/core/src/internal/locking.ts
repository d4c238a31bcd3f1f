/** The ownership lock: evidence that the kernel itself gives up when the owner ends. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Disk, DiskError } from "../Disk.ts"
import { LockBusy, LockUnsupported } from "../Errors.ts"
import { mapLookError } from "./diskErrors.ts"

// A sweep that asks holds the lock shared for some microseconds.
const whileProbed = { schedule: Schedule.spaced("5 millis"), times: 20 }

export const make = (disk: Disk["Service"]) => {
  const lock = Effect.fn("SentinelStore.lock")(function* (path: string, options?: { readonly inheritable?: boolean }) {
    const unsupported = () => new LockUnsupported({ path })
    const isBusy = (error: DiskError) => error.errno === "EBUSY"
    return yield* disk.lock(path, options?.inheritable ?? false).pipe(
      Effect.retry({ while: isBusy, ...whileProbed }),
      mapLookError<LockBusy | LockUnsupported>("lock", {
        EBUSY: () => new LockBusy({ path }),
        ENOTSUP: unsupported,
        EOPNOTSUPP: unsupported,
        ENOLCK: unsupported,
        ENOSYS: unsupported
      })
    )
  })

  return { lock, probeLock: disk.probeLock }
}
