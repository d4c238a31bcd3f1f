#!/bin/sh
# Sweeps a volume, then holds a directory of its own for the life of a command: `entrypoint.sh NAME COMMAND…`.
set -e
# Everybody may be able to write to the root of a volume. A directory of mode 0700 in it is safe.
root=${ROOT:-/data/vms}
name=$1
shift
mkdir -p -m 700 "$root"
vm-sentinel sweep "$root"
mkdir -m 700 "$root/$name"
# `exec`: vm-sentinel becomes the first process, reaps orphans, and holds the lock itself.
exec vm-sentinel run "$root/$name" -- "$@"
