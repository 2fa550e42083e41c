#!/bin/bash
# Boots a Debian root with its own systemd in a container without a network, and runs .ci/upgrade_under_load.sh there. As root.
#
#   .ci/try_systemd.sh ROOT MNT      (a root with systemd and dbus, which changes, and the folder of .ci/install_ways.sh)
#
# Appends the summary of each load to RESULTS.
set -euo pipefail
root=$1 mnt=$2
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

cat >"$root/etc/systemd/system/try.service" <<'END'
[Unit]
Description=.ci/upgrade_under_load.sh
SuccessAction=exit
FailureAction=exit
SuccessActionExitStatus=0
FailureActionExitStatus=1

[Service]
Type=exec
ExecStart=/bin/bash /mnt/source/.ci/upgrade_under_load.sh /mnt/release /mnt/earlier /mnt/source /srv
StandardOutput=file:/srv/output
StandardError=inherit
ExecStopPost=/bin/sh -c 'journalctl --no-pager --unit="flowbridge*" >/srv/journal'
RuntimeMaxSec=20min
END
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../try.service "$root/etc/systemd/system/multi-user.target.wants/try.service"

code=0
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --register=no --keep-unit --boot --private-network --directory="$root" \
    --bind-ro="$mnt:/mnt" --bind="$results:/srv" </dev/null >"$results/console" 2>&1 || code=$?
cat "$results/output" 2>/dev/null || tail -50 "$results/console"
if [ "$code" = 0 ]; then
    cat "$results/summary" >>"${RESULTS:-/dev/null}"
else
    tail -100 "$results/journal" || :
fi
exit "$code"
