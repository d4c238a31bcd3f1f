#!/bin/sh
# Runs the command from its sources in the place of this process: signals reach it. The toolchain's own `node` shim would
# stay in between.
here=$(dirname "$0")
node=$here/../../../node_modules/node/bin/node
[ -x "$node" ] || node=node
# The flags are those of the first line of bin.ts.
exec "$node" --max-semi-space-size=1 --heap-growing-percent=20 "$here/bin.ts" "$@"
