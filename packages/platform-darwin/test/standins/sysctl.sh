#!/bin/sh
# macOS's `sysctl -n NAME`, for the one name that is asked for, from Linux's boot id.
if [ "$1" != -n ] || [ "$2" != kern.bootsessionuuid ]; then
  echo "sysctl: unknown oid '$2'" >&2
  exit 1
fi
tr a-f A-F < /proc/sys/kernel/random/boot_id
