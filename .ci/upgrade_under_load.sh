#!/bin/bash
# Tries the Debian package under systemd, in the container of .ci/try_systemd.sh: installs the release before, sends webhooks without a
# pause while the service is upgraded, reloaded, replaced and restarted, then compares answers and store, and purges the package.
#
#   .ci/upgrade_under_load.sh RELEASE EARLIER SOURCE RESULTS      (folders with built packages, the source, and what to show)
set -euo pipefail
release=$1 earlier=$2 source=$3 results=$4
export DEBIAN_FRONTEND=noninteractive HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
all_in_one='flowbridge.socket flowbridge-private.socket flowbridge.service'
separate='flowbridge-web.socket flowbridge-web-private.socket flowbridge-web.service flowbridge-work@1.service'
# shellcheck source=/dev/null
. "$source/.ci/left_behind.sh"
cd /

way() { printf '\n-- %s (%ss)\n' "$1" "$SECONDS"; }
apt() { apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/tmp/apt 2>&1 || { cat /tmp/apt && exit 1; }; }
main_of() { systemctl show --property=MainPID --value "$1"; }
all_active() { # UNIT…
    for unit; do systemctl is-active --quiet "$unit" || { systemctl status --no-pager "$unit" && exit 1; }; done
    echo "   active: $*"
}
start_load() {
    python3 "$source/.ci/send_load.py" send /tmp/answers --env /etc/flowbridge/.env &
    load=$!
    until [ -s /tmp/answers ]; do kill -0 "$load" || exit 1; sleep 0.1; done
}
end_load() {
    kill -TERM "$load" && wait "$load"
    python3 "$source/.ci/send_load.py" check /tmp/answers flowbridge | tee -a "$results/summary"
    rm /tmp/answers
}
replaced() { # UNIT PROCESS: another process has taken over, and systemd had nothing to restart
    [ "$(main_of "$1")" != "$2" ] || { echo "$1 is still process $2" && exit 1; }
    [ "$(systemctl show --property=NRestarts --value "$1")" = 0 ] || { echo "systemd has restarted $1" && exit 1; }
    echo "   $1 was process $2, and is $(main_of "$1")"
}
no_errors() { # in the log of flowbridge, which is JSON
    if journalctl --output=cat --unit='flowbridge*' | grep -E '"level": ?"(error|critical)"|Traceback'; then echo "the log has errors" && exit 1; fi
}

systemctl is-system-running --wait || systemctl --failed --no-pager
note_files

way "the release before, as apt starts it"
apt install "$earlier"/flowbridge_*.deb
dpkg-query -W -f '   ${Package} ${Version}\n' flowbridge
# shellcheck disable=SC2086 # they are several words
all_active $all_in_one
flowbridge --version
start_load

way "an upgrade in place"
process=$(main_of flowbridge.service)
apt install "$release"/flowbridge_*.deb
dpkg-query -W -f '   ${Package} ${Version}\n' flowbridge
replaced flowbridge.service "$process"

way "systemctl reload, flowbridge-replace, systemctl restart"
echo '# mine' >>/etc/flowbridge/routes.yaml
systemctl reload flowbridge.service
process=$(main_of flowbridge.service)
flowbridge-replace flowbridge.service
replaced flowbridge.service "$process"
process=$(main_of flowbridge.service)
systemctl restart flowbridge.service
replaced flowbridge.service "$process"
# shellcheck disable=SC2086
all_active $all_in_one
end_load
no_errors

way "receivers and a worker apart, and an upgrade of both"
# shellcheck disable=SC2086
{ systemctl disable --quiet --now $all_in_one && systemctl enable --quiet --now $separate && all_active $separate; }
start_load
process=$(main_of flowbridge-web.service) worker=$(main_of flowbridge-work@1.service)
apt install --reinstall "$release"/flowbridge_*.deb
replaced flowbridge-web.service "$process"
replaced flowbridge-work@1.service "$worker"
systemctl reload flowbridge-web.service flowbridge-work@1.service
# shellcheck disable=SC2086
all_active $separate
end_load
no_errors

way "purge"
apt purge flowbridge
left=$(systemctl list-units --all --plain --no-legend 'flowbridge*'; systemctl list-unit-files --no-legend 'flowbridge*') || : # without a unit it ends with 1
[ -z "$left" ] || { echo "left: $left" && exit 1; }
if getent passwd flowbridge || getent group flowbridge; then echo "the user is left" && exit 1; fi
if grep -als '/opt/[f]lowbridge' /proc/[0-9]*/cmdline; then echo "a process is left" && exit 1; fi
nothing_left
