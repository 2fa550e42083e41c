"""Writes deploy/requirements/*.txt: the versions of constraints.txt with the hashes of all files of
each release, by extra.

    python3 -m venv /tmp/lock
    /tmp/lock/bin/pip install pip-tools '.[postgres,celery,otel,previews,mcp]'
    /tmp/lock/bin/python deploy/lock.py

`base.txt` has what flowbridge needs, `build.txt` what builds it, and NAME.txt what the extra NAME
adds. The hashes are those of wheels and source for every platform, so that the files serve CPython
3.11 to 3.13 on x86-64 and aarch64.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DEPLOY = Path(__file__).resolve().parent
EXTRAS = ("postgres", "celery", "otel", "previews", "mcp")
#: Where it is installed: markers of dependencies are looked at for each. Debian 12 has Python
#: 3.11.2.
PYTHONS = {"3.11": ("3.11.2", "3.11.14"), "3.12": ("3.12.3",), "3.13": ("3.13.5",)}
MACHINES = ("x86_64", "aarch64")
LINUX = {
    "sys_platform": "linux",
    "os_name": "posix",
    "platform_system": "Linux",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
ENVIRONMENTS = [
    {**LINUX, "python_version": short, "python_full_version": full, "platform_machine": machine}
    for short, fulls in PYTHONS.items()
    for full in fulls
    for machine in MACHINES
]


def needed(extra: str = "") -> dict[str, str]:
    """Return what flowbridge needs with an extra: the name of each distribution, and the marker
    under which it is needed, if any.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [("flowbridge", extra)]
    while waiting:
        name, of = waiting.pop()
        if (name, of) in seen:
            continue
        seen.add((name, of))
        for line in _requires(name):
            one = Requirement(line)
            fits = [
                one.marker is None or one.marker.evaluate({**each, "extra": of})
                for each in ENVIRONMENTS
            ]
            if not any(fits):
                continue
            dependency = canonicalize_name(one.name)
            found[dependency] = "" if all(fits) or found.get(dependency) == "" else str(one.marker)
            waiting += [(dependency, each) for each in ("", *one.extras)]
    return found


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # needed by another Python only
        return []


def pinned() -> dict[str, str]:
    """Return the versions that are pinned: of constraints.txt, and of what builds flowbridge."""
    lines = [*(DEPLOY / "constraints.txt").read_text().splitlines(), built_by()]
    pairs = [
        line.partition(";")[0].strip().split("==")
        for line in lines
        if "==" in line and not line.startswith("#")
    ]
    return {canonicalize_name(name): version for name, version in pairs}


def built_by() -> str:
    """Return the requirement of pyproject.toml that builds flowbridge."""
    found = re.search(r'requires = \["(.*)"\]', (DEPLOY.parent / "pyproject.toml").read_text())
    if found is None:
        raise SystemExit("pyproject.toml names no build requirement")
    return found[1]


def hashes(pins: dict[str, str]) -> dict[str, list[str]]:
    """Return the hashes of all files of each release, as pip-compile finds them."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "wanted.in")
        locked = Path(folder, "locked.txt")
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        options = [
            "--quiet",
            "--generate-hashes",
            "--allow-unsafe",
            "--no-annotate",
            "--no-header",
            "--no-emit-options",
            "--strip-extras",
        ]
        command = [
            sys.executable,
            "-m",
            "piptools",
            "compile",
            *options,
            "--output-file",
            str(locked),
            str(wanted),
        ]
        subprocess.run(command, check=True)  # noqa: S603
        blocks = re.findall(
            r"^(\S+)==\S+((?:\s*\\\n\s*--hash=\S+)+)", locked.read_text(), re.MULTILINE
        )
    return {canonicalize_name(name): re.findall(r"--hash=(\S+)", block) for name, block in blocks}


def text(names: dict[str, str], pins: dict[str, str], known: dict[str, list[str]]) -> str:
    """Return a requirements file."""
    lines = ["# Written by deploy/lock.py; see there.\n"]
    for name, marker in sorted(names.items()):
        condition = f" ; {marker}" if marker else ""
        lines.append(
            " \\\n".join(
                [
                    f"{name}=={pins[name]}{condition}",
                    *(f"    --hash={each}" for each in known[name]),
                ]
            )
            + "\n"
        )
    return "".join(lines)


def main() -> None:
    """Write the files."""
    pins = pinned()
    base = needed()
    known = hashes(pins)
    files = {"base": base, "build": {canonicalize_name(built_by().partition("==")[0]): ""}}
    files |= {
        extra: {name: marker for name, marker in needed(extra).items() if base.get(name) != ""}
        for extra in EXTRAS
    }
    (DEPLOY / "requirements").mkdir(exist_ok=True)
    for name, names in files.items():
        (DEPLOY / "requirements" / f"{name}.txt").write_text(text(names, pins, known))


if __name__ == "__main__":
    main()
