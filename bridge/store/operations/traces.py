"""Search the files on the disk for what is left of an erased data subject."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

from bridge.ingest.data_subjects import fold_text
from bridge.store.db.database import Database

CHUNK_BYTES: Final = 1024 * 1024  # bytes of a file that are searched at once
MAX_SEARCHED_BYTES: Final = 1024**3  # bytes of files that flows wrote
MIN_FILE_COST_BYTES: Final = 4096  # bytes that even a small file counts as


def count_traces(database: Database, letters: str) -> int:
    """Return how often a text occurs in the SQLite file and its log, plain or form-encoded.

    Call it with no connection in use.
    """
    database.disconnect()
    spellings = {letters.encode().lower(), quote_plus(letters).encode().lower()}
    paths = [
        path
        for path in (database.path, database.path.with_name(f"{database.path.name}-wal"))
        if path.exists()
    ]
    return sum(_count(path, sought) for path in paths for sought in spellings)


def _count(path: Path, sought: bytes) -> int:
    count = 0
    carried = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            seen = carried + chunk.lower()
            count += seen.count(sought)
            carried = seen[len(seen) - len(sought) + 1 :] if len(sought) > 1 else b""
    return count


def find_files(
    folder: Path, letters: str, max_bytes: int = MAX_SEARCHED_BYTES
) -> tuple[list[str], list[str]]:
    """Return the files of a folder with a text in their name or content, and those not read.

    Reads `max_bytes` bytes at most.
    """
    spellings = {
        letters,
        quote_plus(letters),
        json.dumps(letters)[1:-1],
        json.dumps(letters, ensure_ascii=False)[1:-1],
    }
    sought = {fold_text(spelling) for spelling in spellings}
    matches = []
    unread = []
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            size = path.lstat().st_size
            max_bytes -= max(size, MIN_FILE_COST_BYTES)
            if any(spelling in fold_text(name) for spelling in sought) or (
                max_bytes >= 0 and _file_contains(path, size, sought)
            ):
                matches.append(name)
            elif max_bytes < 0:
                unread.append(name)
        except OSError:
            unread.append(name)
    return matches, unread


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (
            path
            for name in sorted(names)
            if (path := Path(place, name)).is_file() and not path.is_symlink()
        )


def _file_contains(path: Path, size: int, sought: Set[str]) -> bool:
    """Return whether one of these texts is in about the first `size` bytes of a file."""
    longest = max(map(len, sought))
    carried = ""
    with open(  # noqa: PTH123 - no link is followed
        os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK),
        encoding="utf-8",
        errors="replace",
        newline="",
    ) as file:
        for _ in range(size // CHUNK_BYTES + 1):
            seen = carried + file.read(CHUNK_BYTES).casefold()
            if any(spelling in seen for spelling in sought):
                return True
            carried = seen[-longest:]
    return False
