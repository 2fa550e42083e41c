"""The environment of a run, as the ready-made flows see it: no other module of them looks at it."""

from __future__ import annotations

import os
from pathlib import Path

from bridge.flows.function import FlowError


def variable(name: str) -> str:
    """Return the variable without blanks around it; empty where it is not set."""
    return os.environ.get(name, "").strip()


def words(name: str) -> list[str]:
    """Return what the variable lists, joined by commas."""
    return [word.strip() for word in variable(name).split(",") if word.strip()]


def readable_file(name: str) -> str | None:
    """Return the path that the variable holds, or None; FlowError where no file is to be read
    there.
    """
    path = variable(name)
    try:
        if path:
            Path(path).open("rb").close()
    except OSError as error:
        raise FlowError(f"{name}: {path} cannot be read: {error.strerror}") from None
    return path or None
