"""A record that is remembered over restarts in a small file of the data folder: read by whoever
asks, replaced as a whole.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import orjson

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def recall(file: Path, kind: type[T]) -> T | None:
    """Return the dataclass of that kind which a file has; None where there is none, or it cannot be
    read.
    """
    try:
        return kind(**orjson.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def remember(file: Path, what: DataclassInstance) -> None:
    """Keep a dataclass in a file, in place of what it had. `OSError`: it cannot be written."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_bytes(orjson.dumps(asdict(what)))
    draft.replace(file)
