"""The manifest of a backup, and the names of the files in one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import orjson

from bridge import __version__
from bridge.core.errors import StoreError

FORMAT: Final = 3  # 2: no `key_check`; 1: no encrypted blobs either


DATABASE = "flowbridge.db"


KEY = "secret_key"


MANIFEST = "manifest.json"


MAX_MANIFEST_BYTES: Final = 256 * 1024 * 1024


BLOB_NAME: Final = re.compile(r"blobs/([0-9a-f]{2})/(\1[0-9a-f]{62})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The description of a backup's contents.

    `files`: name -> (bytes, SHA-256) of all files except plaintext blobs, whose names are their
    digests; `missing`: digests of blobs that did not exist. `key_check`: see
    `bridge.store.backup.secret_key`; empty where there was no secret key, null if it is unknown.
    """

    format: int = FORMAT
    flowbridge: str = __version__
    taken_at: float
    schema: str
    rows: dict[str, int]
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    blobs: int = 0
    blob_bytes: int = 0
    missing: list[str] = field(default_factory=list)
    key_check: str | None = None


def parse_manifest(text: bytes) -> Manifest:
    try:
        values = orjson.loads(text)
        if values["format"] > FORMAT:
            raise StoreError(
                f"it was made by flowbridge {values['flowbridge']}, which is newer than this"
                f" version ({__version__}): upgrade flowbridge first"
            )
        return Manifest(
            **values
            | {"files": {name: (size, digest) for name, (size, digest) in values["files"].items()}}
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError("its manifest is invalid") from error
