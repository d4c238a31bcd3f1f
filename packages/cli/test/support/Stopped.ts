/** Sweeps that strace(1) stops or kills in the middle of a removal. */
import type { Effect } from "effect"
import type { Shell } from "./Shell.ts"

/** Programs that {@link caught} needs. */
export const tools = ["strace", "setpriv"] as const

/** A script that puts 300 files into a directory, so that a removal makes enough calls to be caught. */
export const fill = (directory: string): string =>
  `mkdir -p -m 700 ${directory}/data && (cd ${directory}/data && seq 300 | xargs touch)`

const inWorkspaces = "-path '*/.vm-sentinel-reap.*'"

/** Conditions, by the place of a removal, that show that the removal was caught in the middle. */
const signs = {
  workspace: `[ ! -e $R/vm ] && [ -n "$(find $R ${inWorkspaces} -name 300)$(find $R ${inWorkspaces} -name 299)" ]`,
  "where it lies": `[ -e $R/vm/.vm-sentinel.removing ] && [ ! -e $R/vm/.vm-sentinel ] && [ "$(ls $R/vm/data | wc -l)" -gt 200 ]`
} as const

/**
 * Starts a sweep of `$R` that gets a signal at its 20th `unlink` or `unlinkat`, inside the first directory that it
 * removes. `$S` is its PID; the report goes to `$W/sweep.json`. The sweep dies with the shell.
 */
export const caught = (
  shell: Shell,
  signal: "STOP" | "KILL",
  place: keyof typeof signs = "workspace"
): Effect.Effect<string> =>
  shell.run(`
    setpriv --pdeathsig KILL strace -D -f -qq -o $W/trace -e trace=unlink,unlinkat \
      -e inject=unlink,unlinkat:signal=SIG${signal}:when=20 $VS sweep $R --json >$W/sweep.json 2>$W/sweep.log & S=$!
    if [ ${signal} = KILL ]; then wait $S || true
    else until grep -q 'stopped by SIGSTOP' $W/trace 2>/dev/null; do kill -0 $S || break; sleep 0.01; done; fi
    ${signs[place]}`)

/** A script for the same shell: lets the stopped sweep continue to its end. */
export const resume = "while kill -CONT $S 2>/dev/null; do sleep 0.02; done; wait $S"
