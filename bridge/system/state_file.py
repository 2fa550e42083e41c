"""A small state file in the data folder: one record, replaced atomically."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import orjson

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def read_state(file: Path, kind: type[T]) -> T | None:
    """Read a record of that dataclass from a file; return None if the file cannot be read."""
    try:
        return kind(**orjson.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def write_state(file: Path, what: DataclassInstance) -> None:
    """Write a record to a file atomically. Raises `OSError`."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_bytes(orjson.dumps(asdict(what)))
    draft.replace(file)
