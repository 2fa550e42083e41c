#!/bin/bash
# Tries each way of installing flowbridge, in the Debian root that .ci/steps/artifacts has made: installation, demo, serve, upgrade from
# the commit before (the Debian package also from the release before), and removal, after which nothing is left. It changes the system
# that it runs on.
#
#   .ci/install_ways.sh RELEASE EARLIER PREVIOUS SOURCE PREVIOUS_SOURCE
#
# They are folders: the built packages of this commit, of the release before and of the commit before, and the source of this commit and
# of the commit before.
set -euo pipefail
release=$1 earlier=$2 previous=$3 source=$4 previous_source=$5
export DEBIAN_FRONTEND=noninteractive HOME=/root PATH=/root/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 XDG_CACHE_HOME=/tmp/cache PIP_CACHE_DIR=/tmp/cache/pip UV_CACHE_DIR=/tmp/cache/uv
# shellcheck source=/dev/null
. "$source/.ci/left_behind.sh"
cd /

way() { printf '\n-- %s (%ss)\n' "$1" "$SECONDS"; }
try() { unshare --net python3 "$source/.ci/try_program.py" "$@" 2>/tmp/stderr || { cat /tmp/stderr && exit 1; }; }
apt() { apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/tmp/apt 2>&1 || { cat /tmp/apt && exit 1; }; }

way "flowbridge.pyz with a bare Python"
note_files
if python3 -c 'import ensurepip' 2>/dev/null; then echo "this Python is not bare" && exit 1; fi
PEX_ROOT=/tmp/pex try python3 "$release/flowbridge.pyz"
PEX_ROOT=/tmp/pex try "$release/flowbridge.pyz"
nothing_left

way "the Debian package: an upgrade from the release before"
unit_folder=/usr/lib/systemd/system
apt install "$earlier"/flowbridge_*.deb
dpkg-query -W -f '   ${Package} ${Version}\n' flowbridge
try --unit "$unit_folder/flowbridge.service" flowbridge
apt install "$release"/flowbridge_*.deb
dpkg-query -W -f '   ${Package} ${Version}\n' flowbridge
try --unit "$unit_folder/flowbridge.service" flowbridge | tee /tmp/tried
grep -q '(1 before)' /tmp/tried || { echo "the event from before the upgrade is not there" && exit 1; }
apt purge flowbridge
nothing_left

way "the Debian package: the version before"
apt install "$previous"/flowbridge_*.deb
dpkg-query -W -f '   ${Package} ${Version}\n' flowbridge
try --unit "$unit_folder/flowbridge.service" flowbridge
for name in routes.yaml flows.py .env; do
    [ "$(stat -c %U "/etc/flowbridge/$name")" = flowbridge ] || { echo "$name is not the service's" && exit 1; }
done
[ "$(stat -c '%a %U' /var/lib/flowbridge)" = "700 flowbridge" ]
[ "$(stat -c %a /etc/flowbridge/.env)" = 600 ]
for unit in flowbridge.service flowbridge.socket flowbridge-private.socket; do
    compgen -G "/etc/systemd/system/*.wants/$unit" >/dev/null || { echo "$unit is not enabled" && exit 1; }
done

way "the Debian package: an upgrade in place"
echo '# mine' >>/etc/flowbridge/routes.yaml
cp /etc/flowbridge/.env /tmp/env
apt install "$release"/flowbridge_*.deb
dpkg-query -W -f '   ${Package} ${Version}\n' flowbridge
grep -qx '# mine' /etc/flowbridge/routes.yaml && cmp /tmp/env /etc/flowbridge/.env
try --unit "$unit_folder/flowbridge.service" flowbridge | tee /tmp/tried
grep -q '(1 before)' /tmp/tried || { echo "the event from before the upgrade is not there" && exit 1; }
dpkg --verify flowbridge | grep -v /etc/flowbridge/ || :

way "deploy/install.sh beside the Debian package is refused"
if "$source/deploy/install.sh" >/tmp/refused 2>&1; then echo "it was not refused" && exit 1; fi
grep 'Debian package' /tmp/refused

way "the Debian package: removed, installed again, and purged"
touch "$(echo /opt/flowbridge/lib/python3.*/site-packages)/added_by_pip.py"
apt remove flowbridge
grep -qx '# mine' /etc/flowbridge/routes.yaml && [ -e /var/lib/flowbridge/flowbridge.db ]
[ ! -e /opt/flowbridge ] || { find /opt/flowbridge | head && exit 1; }
[ -d /opt ] || { echo "/opt is missing" && exit 1; }
apt install "$release"/flowbridge_*.deb
try --unit "$unit_folder/flowbridge.service" flowbridge | tee /tmp/tried
grep -q '(2 before)' /tmp/tried
apt purge flowbridge
nothing_left

way "venv and pip, for all that follows"
apt install python3-venv
python3 -m venv /tmp/tools
/tmp/tools/bin/pip install --quiet pipx uv
cp -r "$source" /tmp/source && cp -r "$previous_source" /tmp/previous
note_files
cd /tmp/source

way "the wheel with pip: the version before, an upgrade, removal"
python3 -m venv /root/venv
/root/venv/bin/pip install --quiet -c /tmp/previous/deploy/constraints.txt "$previous"/*.whl
try /root/venv/bin/flowbridge
/root/venv/bin/pip install --quiet --force-reinstall --no-deps "$release"/*.whl
/root/venv/bin/pip install --quiet -c deploy/constraints.txt "$release"/*.whl && /root/venv/bin/pip check
try /root/venv/bin/flowbridge
/root/venv/bin/pip uninstall --quiet --yes flowbridge
left=$(find /root/venv -name '*flowbridge*')
[ -z "$left" ] || { echo "left: $left" && exit 1; }
rm -r /root/venv
nothing_left

way "pipx, as docs/deploy.md has it"
/tmp/tools/bin/pipx install --quiet --pip-args='-c deploy/constraints.txt' .
try flowbridge
/tmp/tools/bin/pipx uninstall flowbridge
rm -f /root/.local/share/pipx/venvs/.flowbridge.lock # pipx leaves its lock
nothing_left

way "uv tool, as docs/deploy.md has it"
/tmp/tools/bin/uv tool install --quiet --constraints deploy/constraints.txt .
try flowbridge
/tmp/tools/bin/uv tool uninstall --quiet flowbridge
nothing_left

way "deploy/install.sh: the version before"
unit_folder=/etc/systemd/system
/tmp/previous/deploy/install.sh --url https://hooks.example.com >/tmp/log 2>&1 || { cat /tmp/log && exit 1; }
try --unit "$unit_folder/flowbridge.service" flowbridge
way "the Debian package beside deploy/install.sh is refused"
if apt-get -qq install "$release"/flowbridge_*.deb >/tmp/refused 2>&1; then echo "it was not refused" && exit 1; fi
grep uninstall.sh /tmp/refused
[ -e /opt/flowbridge/bin/flowbridge ] && [ -e /etc/flowbridge/.env ]
way "deploy/install.sh: an upgrade in place, and removal"
deploy/install.sh >/tmp/log 2>&1 || { cat /tmp/log && exit 1; }
try --unit "$unit_folder/flowbridge.service" flowbridge | tee /tmp/tried
grep -q '(1 before)' /tmp/tried
dpkg-deb --control "$release"/flowbridge_*.deb /tmp/control # a purge of the package that was removed before deletes no data of this
/tmp/control/postrm purge && [ -e /etc/flowbridge/.env ] && [ -e /var/lib/flowbridge/flowbridge.db ]
deploy/uninstall.sh --purge >/dev/null
nothing_left
