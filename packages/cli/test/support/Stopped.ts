/** Sweeps that are caught in the middle of a removal, by strace(1). */
import type { Effect } from "effect"
import type { Shell } from "./Shell.ts"

/** What {@link caught} needs. */
export const tools = ["strace", "setpriv"] as const

/** Fills a directory so that a sweep has something to be caught at. */
export const fill = (directory: string): string =>
  `mkdir -p -m 700 ${directory}/data && (cd ${directory}/data && seq 300 | xargs touch)`

/**
 * Starts a sweep of `$R`, which a signal meets at a file of the first directory that it removes. Its PID is `$S`, its report
 * goes to `$W/sweep.json`. It ends with the shell.
 */
export const caught = (shell: Shell, signal: "STOP" | "KILL"): Effect.Effect<string> =>
  shell.run(`
    setpriv --pdeathsig KILL strace -D -f -qq -o $W/trace -e trace=unlink,unlinkat \
      -e inject=unlink,unlinkat:signal=SIG${signal}:when=20 $VS sweep $R --json >$W/sweep.json 2>$W/sweep.log & S=$!
    if [ ${signal} = KILL ]; then wait $S || true
    else until grep -q 'stopped by SIGSTOP' $W/trace 2>/dev/null; do kill -0 $S || break; sleep 0.01; done; fi
    [ ! -e $R/vm ] && [ -n "$(find $R -path '*/.vm-sentinel-reap.*' -name 300)$(find $R -path '*/.vm-sentinel-reap.*' -name 299)" ]`)

/** In the same shell: lets the stopped sweep go on, to its end. */
export const resume = "while kill -CONT $S 2>/dev/null; do sleep 0.02; done; wait $S"
