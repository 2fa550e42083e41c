"""Access to the environment variables of a run, for all ready-made flows."""

from __future__ import annotations

import os
from pathlib import Path

from bridge.flows.errors import FlowError


def read_variable(name: str) -> str:
    """Return a variable without surrounding blanks; empty if it is not set."""
    return os.environ.get(name, "").strip()


def read_list(name: str) -> list[str]:
    """Return the comma-separated values of a variable."""
    return [word.strip() for word in read_variable(name).split(",") if word.strip()]


def read_file_path(name: str) -> str | None:
    """Return the path in a variable, or None. Raise FlowError if the file cannot be read."""
    path = read_variable(name)
    try:
        if path:
            Path(path).open("rb").close()
    except OSError as error:
        raise FlowError(f"{name}: {path} cannot be read: {error.strerror}") from None
    return path or None
