#!/bin/sh
# Sweeps the volume, then holds a directory of its own for the life of the command: `entrypoint.sh NAME COMMAND…`.
set -e
name=$1
shift
# The root of a volume may be writable by everybody. A directory of our own isn't.
mkdir -p -m 700 /data/vms
vm-sentinel sweep /data/vms
mkdir -m 700 "/data/vms/$name"
# `exec`: vm-sentinel becomes the first process, reaps orphans, and holds the lock itself.
exec vm-sentinel run "/data/vms/$name" -- "$@"
