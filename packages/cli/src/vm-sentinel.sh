#!/bin/sh
# Runs the command from its sources in the place of this process: signals reach it. The toolchain's own `node` shim would
# stay in between.
here=$(dirname "$0")
node=$here/../../../node_modules/node/bin/node
[ -x "$node" ] || node=node
exec "$node" "$here/bin.ts" "$@"
