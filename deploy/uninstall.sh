#!/bin/sh
# Removes what deploy/install.sh installed. Your configuration and data stay, unless you pass --purge.
#
#   sudo deploy/uninstall.sh [--dry-run] [--purge]
#
# It prints each command before it runs it; with --dry-run it runs none. With DESTDIR it removes what is below that folder.
set -eu
dry='' purge='' root=${DESTDIR:-}

for option; do
    case $option in
    --dry-run) dry=1 ;;
    --purge) purge=1 ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0" && exit 2 ;;
    esac
done

run() {
    printf '+ %s\n' "$*"
    [ -n "$dry" ] || "$@"
}

[ -n "$root$dry" ] || [ "$(id -u)" = 0 ] || { echo "root is required: sudo deploy/uninstall.sh" >&2 && exit 1; }

systemd=''
[ -n "$root" ] || [ ! -d /run/systemd/system ] || systemd=1
units='flowbridge.socket flowbridge-private.socket flowbridge.service
    flowbridge-web.socket flowbridge-web-private.socket flowbridge-web.service flowbridge-work@*.service'
set -f # systemctl knows the * itself
# shellcheck disable=SC2086 # they are several words
[ -z "$systemd" ] || run systemctl stop $units || [ $? = 5 ] # they are not there any more
# shellcheck disable=SC2086
[ -z "$systemd" ] || run systemctl reset-failed $units 2>/dev/null || : # else one that had failed is listed as such until the next boot
set +f
for name in $units; do
    for place in "$root/etc/systemd/system" "$root"/etc/systemd/system/*.wants; do
        for unit in "$place"/$name; do
            if [ -e "$unit" ] || [ -L "$unit" ]; then run rm -f "$unit"; fi
        done
    done
    for own in "$root"/etc/systemd/system/$name.d; do # what systemctl edit has made
        if [ -n "$purge" ] && [ -d "$own" ]; then run rm -rf "$own"; fi
    done
done
[ -z "$systemd" ] || run systemctl daemon-reload
run rm -rf "$root/opt/flowbridge"
run rm -f "$root/usr/local/bin/flowbridge" "$root/usr/local/bin/flowbridge-replace"

if [ -n "$purge" ]; then
    run rm -rf "$root/etc/flowbridge" "$root/var/lib/flowbridge"
    [ -n "$root" ] || ! getent passwd flowbridge >/dev/null || run userdel flowbridge
else
    echo "Kept: $root/etc/flowbridge, $root/var/lib/flowbridge, the overrides of systemctl edit, and the user flowbridge"
    echo "(--purge removes them too)."
fi
