#!/bin/sh
# Answers like macOS's `ioreg -rd1 -c IOPlatformExpertDevice`, shortened. The UUID is Linux's machine id.
read -r id < /etc/machine-id
cat <<EOF
+-o MacBookPro17,1  <class IOPlatformExpertDevice, id 0x100000256, registered, matched, active, busy 0 (10 ms), retain 37>
    {
      "manufacturer" = <"Apple Inc.">
      "IOPlatformSerialNumber" = "C02XXXXXXXXX"
      "IOPlatformUUID" = "$(echo "$id" | tr a-f A-F | sed 's/\(.\{8\}\)\(.\{4\}\)\(.\{4\}\)\(.\{4\}\)\(.*\)/\1-\2-\3-\4-\5/')"
      "model" = <"MacBookPro17,1">
    }

EOF
