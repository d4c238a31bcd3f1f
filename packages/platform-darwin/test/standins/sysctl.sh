#!/bin/sh
# Answers like macOS's `sysctl -n NAME`, for the names that the library asks for. The boot id is Linux's.
case "$1 $2" in
"-n kern.bootsessionuuid") tr a-f A-F < /proc/sys/kernel/random/boot_id ;;
"-n kern.boottime") sed -n 's/^btime \([0-9]*\)$/{ sec = \1, usec = 0 } Thu Jan  1 00:00:00 1970/p' /proc/stat ;;
"-n kern.hv_vmm_present") echo 0 ;;
*)
  echo "sysctl: unknown oid '$2'" >&2
  exit 1
  ;;
esac
