"""Check the files of a release: what they hold, and that they agree with the checkout.

python .ci/check_release.py FOLDER
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IN_SDIST = ("CHANGELOG.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "setup.cfg")
FOLDERS_IN_SDIST = (".ci", "bench", "bridge", "deploy", "docs", "tests")
LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
LABELS = {"Source", "Documentation", "Changelog", "Issues"}
EXTRAS = {"postgres", "celery", "otel", "previews", "mcp"}


def tracked(*folders: str) -> set[str]:
    """Return the committed files below the folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *folders], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    return {name for name in listed.split("\0") if name}


def only(folder: Path, pattern: str) -> Path:
    """Return the one file that fits the pattern."""
    (path,) = folder.glob(pattern)
    return path


def check_wheel(folder: Path, version: str) -> None:
    """Check the metadata that a package index shows."""
    with zipfile.ZipFile(only(folder, "*.whl")) as wheel:
        name = next(each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
        text = wheel.read(name).decode()
    data = Parser().parsestr(text)
    assert data["Version"] == version, data["Version"]
    assert data["Author"] and data["License-Expression"] == "MIT"
    urls = dict(line.split(", ", 1) for line in data.get_all("Project-URL", []))
    assert urls.keys() >= LABELS, urls
    assert set(data.get_all("Provides-Extra", [])) >= EXTRAS
    links = [found[1] or found[2] for found in LINK.finditer(data.get_payload())]
    relative = [link for link in links if not link.startswith((urls["Source"], "https://", "#"))]
    assert len(links) > 5 and relative == [], f"relative links: {relative}"
    if "://" not in urls["Source"]:
        print(f"   setup.cfg has no address of the repository yet: Source is {urls['Source']}")


def check_sdist(folder: Path, version: str) -> None:
    """Check that the sdist has every committed file of its folders, and no other."""
    prefix = f"flowbridge-{version}/"
    with tarfile.open(only(folder, "*.tar.gz")) as packed:
        names = {one.name.removeprefix(prefix) for one in packed.getmembers() if one.isfile()}
    assert names >= set(IN_SDIST), set(IN_SDIST) - names
    inside = {name for name in names if name.partition("/")[0] in FOLDERS_IN_SDIST}
    assert inside == tracked(*FOLDERS_IN_SDIST), inside ^ tracked(*FOLDERS_IN_SDIST)


def check_deb(folder: Path, version: str) -> None:
    """Check the fields of the Debian package, and that it has each unit."""
    path = only(folder, "*.deb")
    fields = ("Package", "Version", "Depends", "Conffiles")
    shown = subprocess.run(["dpkg-deb", "-f", path, *fields[:3]], capture_output=True, check=True)
    data = Parser().parsestr(shown.stdout.decode())
    assert data["Package"] == "flowbridge" and data["Version"].startswith(f"{version}-")
    listed = subprocess.run(["dpkg-deb", "-c", path], capture_output=True, check=True).stdout
    rows = [line.split(maxsplit=5) for line in listed.decode().splitlines()]
    names = {row[5].split(" -> ")[0].removeprefix(".") for row in rows}
    assert {row[1] for row in rows} == {"root/root"}
    units = {f"/usr/lib/systemd/system/{one.name}" for one in (ROOT / "deploy/systemd").iterdir()}
    assert units <= names and "/opt/flowbridge/bin/flowbridge" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith("direct_url.json")]


def check_sbom(folder: Path, version: str) -> None:
    """Check that the SBOM has each pinned version."""
    bom = json.loads(only(folder, "*.cdx.json").read_text("utf-8"))
    assert bom["bomFormat"] == "CycloneDX"
    root = bom["metadata"]["component"]
    assert (root["name"], root["version"]) == ("flowbridge", version), root
    direct = {one["ref"]: one.get("dependsOn", []) for one in bom["dependencies"]}
    assert len(direct[root["bom-ref"]]) > 10, "the SBOM does not say what flowbridge depends on"
    found = {
        re.sub(r"[-_.]+", "-", one["name"]).lower(): one["version"] for one in bom["components"]
    }
    lines = (ROOT / "deploy" / "constraints.txt").read_text("utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    always = {name: version for name, version in pinned.items() if ";" not in version}
    wrong = {name: found.get(name) for name in always if found.get(name) != always[name]}
    assert set(wrong) <= {"async-timeout", "colorama"}, wrong
    print(f"   SBOM: {len(found)} components")


def main() -> None:
    """Check each file."""
    folder = Path(sys.argv[1])
    source = (ROOT / "bridge" / "__init__.py").read_text("utf-8")
    version = re.findall(r'__version__ = "(.+)"', source)[0]
    for check in (check_wheel, check_sdist, check_deb, check_sbom):
        check(folder, version)
        print(f"   {check.__name__}: well", flush=True)


if __name__ == "__main__":
    main()
