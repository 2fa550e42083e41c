"""Advisory locks of PostgreSQL, one number for each kind of exclusive work.

SQLite has a single writer, so there these functions do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any

from sqlalchemy import Connection, text

# Seeds of the locks of keys. The schema's triggers use the same ones.
ORDER_KEY_SEED = 0
DEBOUNCE_KEY_SEED = 1
FLOW_SEED = 2  # for the locks of (platform, saved_item_id)


_LOCK_NAMES = (
    "SELECT pg_advisory_xact_lock(hashtextextended(name, %s)) FROM unnest(%s::text[]) AS keys(name)"
)


class Lock(IntEnum):
    """The kinds of work that only one transaction or session may do at a time."""

    MIGRATE = 0x666C6F77
    COUNT_SLOTS = 1718186849
    COUNT_RUNS = 0x666C6F78
    LEAD = 0x666C6F79
    RENT = 0x666C6F7A
    BUILD_INDEXES = 0x666C6F7B


def take_lock(connection: Connection, lock: Lock) -> None:
    """Take a lock until the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock.value})


def take_key_locks(
    connection: Connection, keys: Iterable[tuple[str, str]], seed: int = ORDER_KEY_SEED
) -> None:
    """Take the locks of these (route, key) pairs until the end of the transaction.

    With `ORDER_KEY_SEED` they protect ordering key queues, with `DEBOUNCE_KEY_SEED` merged
    deliveries. They are taken in one order, so two transactions with the same keys do not deadlock.
    """
    if connection.dialect.name == "postgresql":
        lock_keys(connection.connection.driver_connection, [(seed, list(keys))])


def lock_keys(raw: Any, keys: Sequence[tuple[int, Sequence[tuple[str, str]]]]) -> None:
    """Take the locks of (route, key) pairs by their seeds, on psycopg's connection.

    A set of locks is taken by one statement, which unnest() gives the names in their order.
    """
    for seed, pairs in keys:
        names = sorted({f"{route} {key}" for route, key in pairs})
        if names:
            raw.execute(_LOCK_NAMES, [seed, names])
