"""Store configurations under their hashes, and read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, collate, select, text

from bridge.core.errors import AmbiguousId, NotFound
from bridge.store.db.database import Database
from bridge.store.db.id_prefix import begins_with
from bridge.store.tables.schema import config

MIN_HASH_CHARS: Final = 4  # of a prefix
# Two machines may store the same one at once.
_STORE_CONFIG = text(
    "INSERT INTO config (hash, canonical, seen_at) VALUES (:hash, :canonical, :seen_at)"
    " ON CONFLICT (hash) DO UPDATE SET seen_at = excluded.seen_at"
)


@dataclass(frozen=True, slots=True)
class StoredConfig:
    """A stored configuration: its hash, and when it was last used."""

    hash: str
    seen_at: float


def remember_config(database: Database, config_hash: str, canonical: str, now: float) -> None:
    """Store a configuration under its hash, with the time of its last use.

    Every event's plan can then be explained and repeated.
    """
    database.write(
        lambda connection: remember_config_within(connection, config_hash, canonical, now)
    )


def remember_config_within(
    connection: Connection, config_hash: str, canonical: str, now: float
) -> None:
    """Store a configuration inside a transaction; see `remember_config`."""
    connection.execute(_STORE_CONFIG, {"hash": config_hash, "canonical": canonical, "seen_at": now})


def list_configs(database: Database, limit: int) -> Sequence[StoredConfig]:
    """Return the configurations that were used last, newest first."""
    query = select(config.c.hash, config.c.seen_at).order_by(config.c.seen_at.desc()).limit(limit)
    with database.read() as connection:
        return [StoredConfig(row.hash, row.seen_at) for row in connection.execute(query)]


def find_config_by_prefix(database: Database, prefix: str) -> tuple[StoredConfig, str]:
    """Return the only configuration whose hash begins with `prefix`, with its canonical form.

    Raises `NotFound` or `AmbiguousId`.
    """
    column = config.c.hash if database.is_sqlite else collate(config.c.hash, "C")
    query = select(config).where(begins_with(column, prefix)).order_by(config.c.hash).limit(2)
    rows = []
    if len(prefix) >= MIN_HASH_CHARS:
        with database.read() as connection:
            rows = list(connection.execute(query))
    if not rows:
        raise NotFound(f"no configuration is stored with the hash {prefix[:100]!r}")
    if len(rows) > 1 and rows[0].hash != prefix:
        hashes = [row.hash for row in rows]
        raise AmbiguousId(f"several hashes begin with {prefix!r}: {', '.join(hashes)}, …", hashes)
    return StoredConfig(rows[0].hash, rows[0].seen_at), rows[0].canonical


def last_config(database: Database) -> str | None:
    """Return the hash of the most recently used configuration; None if none is stored."""
    with database.read() as connection:
        newest_hash: str | None = connection.execute(
            select(config.c.hash).order_by(config.c.seen_at.desc()).limit(1)
        ).scalar()
    return newest_hash


def find_config(database: Database, config_hash: str) -> str | None:
    """Return the stored configuration with this hash; None if it is not stored."""
    with database.read() as connection:
        query = select(config.c.canonical).where(config.c.hash == config_hash)
        canonical: str | None = connection.execute(query).scalar()
    return canonical
