#? [ "$(id -u)" = 0 ] || echo 'not root'
#? command -v bindfs >/dev/null || echo 'needs bindfs'
#? command -v cc >/dev/null || echo 'needs cc'
#? cat /proc/cpuinfo /sys/class/dmi/id/product_name /sys/class/dmi/id/sys_vendor 2>/dev/null |
#?   grep -qE '^flags.* hypervisor|QEMU|KVM|VMware|Xen|Virtual Machine|Google Compute' || echo 'needs a virtual machine'
# The command as npm installs it into /srv/app. The root lies on a file system of user space, in a mount namespace.
modules=/srv/app/node_modules
mkdir -p "$modules" /srv/bin /srv/vms
node "$REPOSITORY/scripts/bundle.ts" "$modules/vm-sentinel/dist" >&2
koffi=$(cd -P "$REPOSITORY/packages/cli/node_modules/koffi" && pwd)
cp -RL "$koffi" "$koffi/../@koromix" "$modules"
cat >/srv/bin/vm-sentinel <<END
#!/bin/sh
unshare --mount sh -c '
  bindfs /srv/vms /srv/vms || exit
  node $modules/vm-sentinel/dist/bin.cjs "\$@"
  umount /srv/vms' sh "\$@"
END
chmod +x /srv/bin/vm-sentinel
PATH=/srv/bin:$PATH
