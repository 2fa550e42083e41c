#!/bin/sh
# Lays out the Debian package in a folder, for dpkg-deb; deploy/build/packages.sh calls it.
#
#   deploy/debian/build.sh SOURCE WHEELS PIP PYTHON STAGE
#
# /opt/flowbridge is a virtual environment of the system's Python with every extra, as wheels. REVISION is 1 by default.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
source=$1 wheels=$2 pip=$3 python=$4 stage=$5
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$source/bridge/__init__.py" | sed 's/\.\{0,1\}\(a\|b\|rc\|dev\)\([0-9]\)/~\1\2/')
minor=$("$python" -c 'import sys; print(sys.version_info[1])')
venv=$stage/opt/flowbridge site=$stage/opt/flowbridge/lib/python3.$minor/site-packages

mkdir -p "$venv/bin" "$site" "$stage/DEBIAN"
"$pip" --python "$python" install --quiet --target "$site" --no-compile --no-warn-conflicts --no-index --find-links "$wheels" 'flowbridge[postgres,celery,otel,previews]'
rm -rf "${site:?}/bin" # their first line names the Python of the build; flowbridge starts none of them
ln -s "/usr/bin/python3.$minor" "$venv/bin/python3"
ln -s python3 "$venv/bin/python"
printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.%s\n' "$minor" >"$venv/pyvenv.cfg"
cat >"$venv/bin/flowbridge" <<'END'
#!/opt/flowbridge/bin/python3
import sys

from bridge.cli.main import main

sys.exit(main())
END
chmod 755 "$venv/bin/flowbridge"

install -D -m 755 -t "$stage/usr/bin" "$source/deploy/flowbridge" "$source/deploy/flowbridge-replace"
install -D -m 644 -t "$stage/usr/lib/systemd/system" "$source"/deploy/systemd/*
install -D -m 644 -t "$stage/etc/flowbridge" "$source"/bridge/cli/templates/routes.yaml "$source"/bridge/cli/templates/flows.py
doc=$stage/usr/share/doc/flowbridge
install -D -m 644 -t "$doc/examples" "$source"/deploy/Caddyfile "$source"/deploy/nginx.conf "$source"/deploy/alerts.yml "$source"/deploy/grafana-dashboard.json
gzip -9n <"$source/CHANGELOG.md" >"$doc/changelog.gz"
{
    echo 'The libraries in /opt/flowbridge have their own licenses, each beside it in *.dist-info.'
    echo 'flowbridge itself:'
    echo
    cat "$source/LICENSE"
} >"$doc/copyright"

install -m 755 -t "$stage/DEBIAN" "$here/preinst" "$here/postinst" "$here/prerm" "$here/postrm"
printf '/etc/flowbridge/%s\n' routes.yaml flows.py >"$stage/DEBIAN/conffiles"
sed -e "s/@VERSION@/$version-${REVISION:-1}+py3.$minor/" -e "s/@ARCHITECTURE@/$(dpkg --print-architecture)/" -e "s/@MINOR@/$minor/g" \
    -e "s/@NEXT@/$((minor + 1))/" -e "s/@SIZE@/$(du -sk --apparent-size "$stage" | cut -f 1)/" "$here/control" >"$stage/DEBIAN/control"
(cd "$stage" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\n' | sort | xargs -d '\n' md5sum >DEBIAN/md5sums)
