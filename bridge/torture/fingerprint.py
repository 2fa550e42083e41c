"""The commit and the hash of the tested code: a version is ambiguous during development."""

from __future__ import annotations

import hashlib
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

PACKAGE_FOLDER: Final = Path(__file__).resolve().parent.parent


def describe_code(package: Path = PACKAGE_FOLDER) -> dict[str, Any]:
    """Return a package's commit, whether it was changed since, and the hash of its files.

    Outside of a git checkout, the first two are None.
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
    """Return the SHA-256 of the output of sha256sum for all files, sorted by name.

    Python's compiled files are excluded.
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
    """Return the output of git, or None without git or a checkout."""
    with suppress(OSError, subprocess.SubprocessError):
        arguments = ["git", "-C", str(folder), *command]
        return subprocess.run(  # noqa: S603 - a fixed command, no shell
            arguments, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    return None
