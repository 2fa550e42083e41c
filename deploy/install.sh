#!/bin/sh
# Installs or upgrades flowbridge as a service. Your files in /etc/flowbridge and /var/lib/flowbridge stay as they are.
#
#   sudo deploy/install.sh [--dry-run] [--separate] [--with postgres,celery,otel,previews] [--url https://hooks.example.com]
#
# It prints each command before it runs it; with --dry-run it runs none. Only pip needs the network. With --separate receivers and the
# worker are services of their own. PYTHON names another Python than the system's, DESTDIR a folder to install below, without a service.
# shellcheck disable=SC2086 # $as, $owner, $files and $units are several words, or none
set -eu
umask 022
cd "$(dirname "$0")/.."
dry='' extras='' files='-r deploy/requirements/base.txt -r deploy/requirements/build.txt' url='' new='' changed='' root=${DESTDIR:-} python=${PYTHON:-/usr/bin/python3}
units='flowbridge.socket flowbridge-private.socket flowbridge.service'
wrong() { echo "$1" >&2 && exit 2; }
while [ $# -gt 0 ]; do
    case $1 in
    --dry-run) dry=1 ;;
    --separate) units='flowbridge-web.socket flowbridge-web-private.socket flowbridge-web.service flowbridge-work@1.service' ;;
    --with) [ -n "${2:-}" ] || wrong "--with needs names, such as postgres,celery"
        extras="[$2]" files="$files $(echo ",$2" | sed 's|,\([^,]*\)| -r deploy/requirements/\1.txt|g')" && shift ;;
    --url) [ -n "${2:-}" ] || wrong "--url wants the address that senders call, such as https://hooks.example.com" && url=$2 && shift ;;
    *) sed -n '2,7s/^# \{0,1\}//p' deploy/install.sh && exit 2 ;;
    esac
    shift
done
case $url in *[!A-Za-z0-9.:/_-]*) is_url='' ;; '' | http://?* | https://?*) is_url=1 ;; *) is_url='' ;; esac
[ -n "$is_url" ] || wrong "--url: $url is no address such as https://hooks.example.com"
for file in $files; do [ "$file" = -r ] || [ -f "$file" ] || wrong "--with: there is no extra of which $file would be"; done
run() { printf '+ %s\n' "$*" && { [ -n "$dry" ] || "$@"; }; }
[ -n "$root" ] || ! dpkg-query -L flowbridge 2>/dev/null | grep -q /opt/flowbridge/ || wrong "the Debian package is installed here: upgrade or remove it with apt"
"$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    { echo "$python is not Python 3.11 or newer with venv (Debian, Ubuntu: apt install python3-venv)" >&2 && exit 1; }
[ -n "$root$dry" ] || [ "$(id -u)" = 0 ] || { echo "root is required: sudo deploy/install.sh" >&2 && exit 1; }

# The user of the service.
as='' owner=''
if [ -z "$root" ]; then
    as='runuser -u flowbridge --' owner='-o flowbridge -g flowbridge'
    getent passwd flowbridge >/dev/null || run useradd --system --user-group --home-dir /var/lib/flowbridge --no-create-home --shell /usr/sbin/nologin flowbridge
fi

# The program with its tested versions, verified by their hashes, and the command `flowbridge`.
runs() { $as "$root/opt/flowbridge/bin/python3" -c '' 2>/dev/null; }
runs || run "$python" -m venv --clear "$root/opt/flowbridge"
[ -n "$dry" ] || runs || { echo "the user flowbridge cannot run $python: set PYTHON to one that every user can run" >&2 && exit 1; }
run "$root/opt/flowbridge/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes $files
run "$root/opt/flowbridge/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation ".$extras"
run install -D -m 755 -t "$root/usr/local/bin" deploy/flowbridge deploy/flowbridge-replace

# Its configuration and its data.
run install -d -m 750 $owner "$root/etc/flowbridge"
run install -d -m 700 $owner "$root/var/lib/flowbridge"
[ -e "$root/etc/flowbridge/.env" ] || new=1
run $as "$root/opt/flowbridge/bin/flowbridge" init --quiet "$root/etc/flowbridge"
setting() {
    if grep -qs "^$1=" "$root/etc/flowbridge/.env"; then
        grep -qxF "$1=$2" "$root/etc/flowbridge/.env" || echo "kept   $1, which has another value in $root/etc/flowbridge/.env"
        return
    fi
    run sh -c "printf '\n$1=$2\n' >>'$root/etc/flowbridge/.env'" # on a new line, even if the last one has no line end
}
setting FLOWBRIDGE_TRUSTED_PROXIES 127.0.0.1
[ -z "$url" ] || setting FLOWBRIDGE_PUBLIC_URL "$url"
case $extras in *postgres*) ;; *) [ -z "$new" ] || setting FLOWBRIDGE_BACKUP daily ;; esac # PostgreSQL has its own; an upgrade takes no more room

# Its service: the units that are used, and the new version of others that are there.
for unit in deploy/systemd/*; do
    name=${unit##*/}
    case " $units " in *" $name "* | *" ${name%.service}1.service "*) ;; *) [ -e "$root/etc/systemd/system/$name" ] || continue ;; esac
    cmp -s "$unit" "$root/etc/systemd/system/$name" || changed=1
    run install -D -m 644 "$unit" "$root/etc/systemd/system/$name"
done
active() { systemctl list-units --plain --no-legend --state=active flowbridge.service flowbridge-web.service 'flowbridge-work@*.service' | cut -d ' ' -f 1 | sort -r; }
if [ -n "$root" ] || [ ! -d /run/systemd/system ]; then
    see='' && echo "No service was started: systemd is not running, or DESTDIR is set."
elif [ -n "$(active)" ] || systemctl is-enabled --quiet flowbridge-web.service 2>/dev/null; then
    run systemctl daemon-reload
    # One after another, each after the previous one is ready. Changes of a unit count only after a restart.
    for unit in $(active); do
        if [ -n "$changed" ]; then run systemctl restart "$unit"; else run deploy/flowbridge-replace "$unit"; fi
    done
    [ -n "$(active)" ] || echo "No service is running, and none was started: systemctl start flowbridge-web.service flowbridge-work@1.service"
else
    run systemctl daemon-reload
    run systemctl enable --now $units ||
        { echo "flowbridge did not start: see journalctl -u 'flowbridge*'. Ports 8080 and 8081 must be free: ss -ltnp" >&2 && exit 1; }
fi
if [ -n "$dry" ]; then echo "Nothing was done: --dry-run." && exit; fi
echo "Done. See: ${see-systemctl status 'flowbridge*'; }sudo flowbridge events; /etc/flowbridge/routes.yaml"
