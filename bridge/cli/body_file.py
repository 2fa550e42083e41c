"""The body of a request from a file or standard input, as `--body` names it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

MAX_BODY_BYTES = 64 * 1024 * 1024  # of a file


def read_body_file(name: str) -> bytes:
    """Return the body that `--body` names: a file, or standard input for `-`."""
    try:
        raw = sys.stdin.buffer.read(MAX_BODY_BYTES + 1) if name == "-" else _read(Path(name))
    except OSError as error:
        raise click.UsageError(
            f"--body {name}: the file cannot be read: {error.strerror}"
        ) from None
    if len(raw) > MAX_BODY_BYTES:
        raise click.UsageError(f"--body {name}: it is larger than {MAX_BODY_BYTES} bytes")
    return raw


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BODY_BYTES + 1)
