"""PostgreSQL's advisory locks: one number for each thing that is done by one at a time.

On SQLite, which has one writer, there is nothing to hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from sqlalchemy import Connection, text

# seeds of the locks of keys; the triggers of the schema take the same
ORDER_KEY_SEED = 0
DEBOUNCE_KEY_SEED = 1
FLOW = 2  # of the locks of (platform, saved_item_id)


class Lock(IntEnum):
    """What is done by one at a time."""

    MIGRATE = 0x666C6F77
    COUNT_SLOTS = 1718186849
    COUNT_RUNS = 0x666C6F78
    LEAD = 0x666C6F79
    RENT = 0x666C6F7A


def alone(connection: Connection, lock: Lock) -> None:
    """Let nobody else do this until the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock.value})


def alone_with_keys(
    connection: Connection, keys: Iterable[tuple[str, str]], seed: int = ORDER_KEY_SEED
) -> None:
    """Let nobody else change the lines (or with MERGE: what is merged) of these (route, key) until
    the end of the transaction.

    All in one order, so that of two who want the same ones neither waits for the other.
    """
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, :seed))")
        for name in sorted({f"{route} {key}" for route, key in keys}):
            connection.execute(lock, {"name": name, "seed": seed})
