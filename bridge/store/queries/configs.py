"""Stored configurations, by their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import collate, select

from bridge.core.errors import AmbiguousId, NotFound
from bridge.store.db.database import Database
from bridge.store.db.id_prefix import begins_with
from bridge.store.tables.schema import config

MIN_HASH_CHARS: Final = 4


@dataclass(frozen=True, slots=True)
class StoredConfig:
    """A stored configuration: its hash, and when it was last used."""

    hash: str
    seen_at: float


def list_configs(database: Database, limit: int) -> Sequence[StoredConfig]:
    """Return the configurations that were used last, newest first."""
    query = select(config.c.hash, config.c.seen_at).order_by(config.c.seen_at.desc()).limit(limit)
    with database.read() as connection:
        return [StoredConfig(row.hash, row.seen_at) for row in connection.execute(query)]


def find_config_by_prefix(database: Database, text: str) -> tuple[StoredConfig, str]:
    """Return the only configuration whose hash begins with a text, with its canonical form.

    Raises `NotFound` or `AmbiguousId`.
    """
    column = config.c.hash if database.is_sqlite else collate(config.c.hash, "C")
    query = select(config).where(begins_with(column, text)).order_by(config.c.hash).limit(2)
    rows = []
    if len(text) >= MIN_HASH_CHARS:
        with database.read() as connection:
            rows = list(connection.execute(query))
    if not rows:
        raise NotFound(f"no configuration is stored with the hash {text[:100]!r}")
    if len(rows) > 1 and rows[0].hash != text:
        found = [row.hash for row in rows]
        raise AmbiguousId(f"several hashes begin with {text!r}: {', '.join(found)}, …", found)
    return StoredConfig(rows[0].hash, rows[0].seen_at), rows[0].canonical
