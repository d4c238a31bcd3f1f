# A root with the directory of a living owner, that of an owner that was killed, and one without a sentinel.
mkdir -p /srv/vms/db /srv/vms/web /srv/vms/notes
sleep 600 & web=$!
sleep 600 & db=$!
vm-sentinel write /srv/vms/web --pid "$web" >&2
vm-sentinel write /srv/vms/db --pid "$db" >&2
kill -9 "$db"
wait "$db" || true
