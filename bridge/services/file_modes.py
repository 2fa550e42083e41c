"""Check for files with secrets or payloads that other users of the machine can read."""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from bridge.config.settings import Settings

_SECRET_FILE = re.compile(r"(?<!\$)\$\{file:([^}\"\\]+)\}")


def find_exposed_files(settings: Settings, canonical: str = "") -> list[str]:
    """Return a message for each file or folder that other users can read.

    Checked are `.env`, the data folder, the secret key, and the files of `${file:…}`.
    """
    folder = settings.config.parent
    secrets = [folder / name for name in sorted(set(_SECRET_FILE.findall(canonical)))]
    paths_by_mode = {
        "go-rwx": [folder / ".env", settings.data / "secret_key", *secrets],
        "o-rwx": [settings.data],
    }
    return [
        f"{path} can be read by other users of this machine: chmod {mode} {shlex.quote(str(path))}"
        for mode, paths in paths_by_mode.items()
        for path in paths
        if _is_exposed(path)
    ]


def _is_exposed(path: Path) -> bool:
    """Return whether any user can read a file or list a folder, by its mode and its parents'."""
    try:
        mode = path.stat().st_mode
        ways = list(_folders(path.resolve()))
    except OSError:
        return False
    return bool(mode & stat.S_IROTH) and all(way & stat.S_IXOTH for way in ways)


def _folders(path: Path) -> Iterator[int]:
    for folder in path.parents:
        yield folder.stat().st_mode
