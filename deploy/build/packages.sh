#!/bin/sh
# Builds the files of a release from a commit: wheel, sdist, flowbridge.pyz, Debian package, SBOM, SHA256SUMS.
#
#   deploy/build/packages.sh [FOLDER [COMMIT]]        # dist and HEAD by default
#
# It needs git, dpkg-deb, a network for pip, and CPython 3.11, 3.12 and 3.13; PYTHONS has other paths. The Debian package is for the
# Python of this system, or SYSTEM_PYTHON. Every time in the files is the commit's (SOURCE_DATE_EPOCH): two builds give equal files.
# INPUTS names a folder that holds the downloaded tools and wheels for the next build. PARTS names what to
# build beside wheel and sdist: pyz, deb, sbom.
set -eu
umask 022
cd "$(dirname "$0")/../.."
commit=${2:-HEAD} parts=${PARTS:-pyz deb sbom} system=${SYSTEM_PYTHON:-/usr/bin/python3} build=$PWD/deploy/build
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct "$commit")}
export SOURCE_DATE_EPOCH PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
mkdir -p "${1:-dist}"
out=$(cd "${1:-dist}" && pwd)
pythons=${PYTHONS:-$(for version in 3.11 3.12 3.13; do "$build/find-python" "$version"; done)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
inputs=${INPUTS:-$work/inputs} source=$work/source
tools=$inputs/tools/bin wheels=$inputs/wheels-$(git rev-parse --short "$commit:deploy/requirements")
part() { case " $parts " in *" $1 "*) echo "== $1" ;; *) return 1 ;; esac; }

mkdir -p "$source" "$inputs"
git archive "$commit" | tar x -C "$source"
if [ ! -e "$inputs/tools/done" ]; then
    echo "== tools"
    python3 -m venv --clear "$inputs/tools"
    "$tools/pip" install --quiet --require-hashes --only-binary :all: -r "$build/tools.txt"
    touch "$inputs/tools/done"
fi
for python in $pythons "$system"; do # pip reads the markers of requirements with the Python that runs it
    done=$wheels/done-$("$python" -c 'import sys; print(sys.version_info[1])')
    if [ -e "$done" ]; then continue; fi
    echo "== wheels for $python"
    set --
    for file in base postgres celery otel previews; do set -- "$@" -r "$source/deploy/requirements/$file.txt"; done
    "$tools/pip" --python "$python" download --quiet --dest "$wheels" --only-binary :all: --require-hashes "$@"
    touch "$done"
done

version=$("$tools/python" -c 'import sys; sys.path.insert(0, sys.argv[1]); import bridge; print(bridge.__version__)' "$source")
stage=$work/stage
echo "== wheel and sdist"
"$tools/python" "$build/absolute_links.py" "$source" "v$version"
"$tools/pyproject-build" --no-isolation --outdir "$work/built" "$source" >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
"$tools/python" "$build/repack_sdist.py" "$work"/built/*.tar.gz
cp "$work"/built/* "$out"
find "$wheels" -name '*.whl' -exec ln -s -t "$work/built" {} +

if part pyz; then # one file for all the Pythons: it unpacks those libraries that fit the one that runs it
    set --
    for python in $pythons; do set -- "$@" --python "$python"; done
    "$tools/pex" "flowbridge==$version" --pre-resolved-dists "$work/built" "$@" --venv prepend --script flowbridge \
        --python-shebang '/usr/bin/env python3' --output-file "$out/flowbridge.pyz" 2>"$work/log" || { cat "$work/log" && exit 1; }
fi
if part deb; then
    "$build/../debian/build.sh" "$source" "$work/built" "$tools/pip" "$system" "$stage"
    dpkg-deb --root-owner-group -Zzstd -z12 --threads-max=1 --build "$stage" "$out" >/dev/null
fi
if part sbom; then # of the Debian package, which has every extra
    [ -d "$stage" ] || "$build/../debian/build.sh" "$source" "$work/built" "$tools/pip" "$system" "$stage"
    "$tools/python" "$build/sbom_project.py" "$stage"/opt/flowbridge/lib/python3.*/site-packages >"$work/project.toml"
    "$tools/cyclonedx-py" environment --output-reproducible --pyproject "$work/project.toml" --mc-type application \
        --output-file "$out/flowbridge-$version.cdx.json" "$stage/opt/flowbridge/bin/python3"
fi
(cd "$out" && rm -f SHA256SUMS && sha256sum -- * >"$work/sums")
mv "$work/sums" "$out/SHA256SUMS"
ls -l "$out"
