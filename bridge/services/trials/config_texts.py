"""The files beside routes.yaml that the text of a trial may name, read within bounds.

Only files whose name ends like that of an include, a schema or a page are read, never a hidden one
such as `.env`, and none that is a link to a place outside the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bridge.core.sizes import MIB

SUFFIXES: Final = (".yaml", ".yml", ".json", ".html")
MAX_FILES: Final = 200
MAX_TOTAL_BYTES: Final = 4 * MIB
MAX_FOLDERS: Final = 100
MAX_FOLDER_DEPTH: Final = 4


def read_config_texts(config: Path, data: Path) -> dict[str, str]:
    """Return the texts of the files beside a routes.yaml, by their path under its folder.

    The data folder is left out. With more files or bytes than the limits, the rest is left out.
    """
    root = config.parent.resolve()
    left_out = {config.resolve(), data.resolve()}
    texts: dict[str, str] = {}
    size = 0
    for file in _list_files(root, left_out):
        text = _read_text(file, root, MAX_TOTAL_BYTES - size)
        if text is None:
            continue
        size += len(text.encode())
        texts[file.relative_to(root).as_posix()] = text
        if len(texts) >= MAX_FILES:
            break
    return texts


def _list_files(root: Path, left_out: set[Path]) -> Iterator[Path]:
    """Yield the files that may be read, those of a folder before those below it."""
    folders = [(root, 0)]
    for index, (folder, depth) in enumerate(folders):
        if index >= MAX_FOLDERS:
            return
        try:
            entries = sorted(os.scandir(folder), key=lambda one: one.name)
        except OSError:
            continue
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith(".") or path in left_out:
                continue
            if entry.is_dir(follow_symlinks=False):
                folders += [(path, depth + 1)] * (depth < MAX_FOLDER_DEPTH)
            elif entry.name.endswith(SUFFIXES):
                yield path


def _read_text(file: Path, root: Path, most: int) -> str | None:
    """Return the text of a file, None where it may not be read, is no text, or is too large."""
    try:
        if not file.resolve().is_relative_to(root) or not file.is_file():
            return None
        with file.open("rb") as opened:
            raw = opened.read(most + 1)
        return raw.decode("utf-8-sig") if len(raw) <= most else None
    except (OSError, ValueError):
        return None
