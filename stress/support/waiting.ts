/**
 * Node loads this module before the command (`--import`). It writes to descriptor 3 that it waits, and waits for a byte
 * on stdin. Meanwhile strace attaches to one thread. So no count of calls contains Node's own start, and the thread of
 * Node's pool already exists. With `SENTINEL_TEST_WITHOUT_KOFFI=1` koffi doesn't load, as on a machine without it.
 */
import * as Fs from "node:fs"
import { registerHooks } from "node:module"

if (process.env["SENTINEL_TEST_WITHOUT_KOFFI"] === "1") {
  registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier === "koffi") throw new Error("koffi is left out")
      return next(specifier, context)
    }
  })
}

// The first call of the pool starts its threads.
Fs.stat("/", () => {})
Fs.writeSync(3, "\n")
Fs.closeSync(3)
Fs.readSync(0, Buffer.alloc(1))
