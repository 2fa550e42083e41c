"""Which code it is that is tortured: a version says little while it is being worked on."""

from __future__ import annotations

import hashlib
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

PACKAGE_FOLDER: Final = Path(__file__).resolve().parent.parent


def describe_code(package: Path = PACKAGE_FOLDER) -> dict[str, Any]:
    """Return the commit of a package in a git checkout, whether it was `changed` since (both null
    elsewhere), and a digest of its files.
    """
    commit = (
        _run_git(package, "rev-parse", "HEAD")
        if _run_git(package, "ls-files", "__init__.py")
        else None
    )
    changed = (
        None if commit is None else bool(_run_git(package, "status", "--porcelain", "--", "."))
    )
    return {"commit": commit, "changed": changed, "sha256": hash_package(package)}


def hash_package(package: Path) -> str:
    """Return the SHA-256 of what sha256sum says of all files, sorted by their names, but for what
    Python has compiled.
    """
    files = sorted(
        (
            file
            for file in package.rglob("*")
            if file.is_file() and file.parent.name != "__pycache__"
        ),
        key=bytes,
    )
    lines = (
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  ./{file.relative_to(package)}\n"
        for file in files
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _run_git(folder: Path, *command: str) -> str | None:
    """Return what git says; null where there is no git, or no checkout."""
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["git", "-C", str(folder), *command]
        return subprocess.run(  # noqa: S603 - a fixed command, no shell
            asked, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    return None
