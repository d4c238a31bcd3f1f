#? python3 -c 'import os, pty; os.waitstatus_to_exitcode' 2>/dev/null || echo 'needs python3 with a pty'
# A root of 61 VMs, where the owners of 14 were killed. Somebody at a terminal answers no.
mkdir -p /srv/vms /srv/bin
umask 077
sleep 600 & lives=$!
for number in $(seq -w 61); do
  owner=$lives
  case $number in
  0[1-7] | 2[1-7])
    sleep 600 & owner=$!
    kill -9 "$owner"
    wait "$owner" || true
    ;;
  esac
  mkdir "/srv/vms/vm-$number"
  printf %s "$owner" >"/srv/vms/vm-$number/.vm-sentinel"
done
cat >/srv/bin/vm-sentinel <<END
#!/bin/sh
TERM=dumb python3 "$REPOSITORY/packages/cli/test/support/terminal.py" 80 'n
' "$(command -v vm-sentinel)" "\$@" | tr -d '\r'
END
chmod +x /srv/bin/vm-sentinel
PATH=/srv/bin:$PATH
