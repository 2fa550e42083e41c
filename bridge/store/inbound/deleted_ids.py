"""Provider ids of deleted events, so that a late retry is still a duplicate: see `dedup_for`.

They are stored when events are deleted, not when received, so receiving needs only one more index
lookup. An erased event leaves a keyed hash of its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, select, text, update

from bridge.core.fingerprints import EMPTY_SHA256, KEYED_PREFIX, keyed_digest, keyed_sha256
from bridge.core.model import Event
from bridge.core.retention import DEDUP_SECONDS
from bridge.ingest.data_subjects import fold_text
from bridge.store.db.database import Database, Work
from bridge.store.tables.schema import deleted_id, event

DedupFor = Callable[[str], float]  # returns for a source how long its ids are stored
BATCH_ROWS: Final = 500  # in one transaction
# Prefix of ids that are digests of bodies: see `bridge.ingest.duplicates`.
DIGEST_PREFIX: Final = "sha256:"
EMPTY_BODY_ID: Final = DIGEST_PREFIX + EMPTY_SHA256

_ids: BindParameter[Any] = bindparam("ids", expanding=True)
_OF_EVENTS = select(event.c.id, event.c.source, event.c.provider_id, event.c.received_at).where(
    event.c.id.in_(_ids), event.c.provider_id.is_not(None)
)
_STORE = text("""
INSERT INTO deleted_id (source, provider_id, event_id, received_at, expires_at)
VALUES (:source, :provider_id, :event_id, :received_at, :expires_at)
ON CONFLICT (source, provider_id)
DO UPDATE SET event_id = excluded.event_id, received_at = excluded.received_at,
    expires_at = excluded.expires_at
""")
_EXPIRED = text("SELECT 1 FROM deleted_id WHERE expires_at <= :now LIMIT 1")
_DELETE_EXPIRED = text("""
DELETE FROM deleted_id WHERE expires_at <= :now AND (source, provider_id) IN
(SELECT source, provider_id FROM deleted_id WHERE expires_at <= :now ORDER BY expires_at
    LIMIT :most)
""")


def erased_id(secret_key: str, source: str, provider_id: str | None) -> str:
    """Return the keyed hash that replaces an erased provider id; empty without id or key."""
    if provider_id is None or not secret_key:
        return ""
    return KEYED_PREFIX + keyed_digest(
        secret_key, source, b"provider id\0" + provider_id.encode("utf-8", "surrogatepass")
    )


def secret_key_of(connection: Connection) -> str:
    """Return the secret key of a connection's database."""
    key: str = connection.get_execution_options().get("secret_key", "")
    return key


def default_dedup_for(_source: str) -> float:
    """Return the default duration for storing ids."""
    return DEDUP_SECONDS


def store(
    connection: Connection,
    event_ids: Sequence[str],
    dedup_for: DedupFor,
    now: float,
    *,
    erased: bool = False,
) -> int:
    """Store the provider ids of events that are about to be deleted, and return how many.

    Each is stored for the rest of its `dedup_for`. `erased`: store keyed hashes only, none without
    a key.
    """
    key = secret_key_of(connection)
    rows = []
    for row in connection.execute(_OF_EVENTS, {"ids": list(event_ids)}) if event_ids else ():
        provider_id = erased_id(key, row.source, row.provider_id) if erased else row.provider_id
        expires_at = row.received_at + dedup_for(row.source)
        if provider_id and expires_at > now:
            rows.append(
                {
                    "source": row.source,
                    "provider_id": provider_id,
                    "event_id": row.id,
                    "received_at": row.received_at,
                    "expires_at": expires_at,
                }
            )
    if rows:
        connection.execute(_STORE, rows)
    return len(rows)


def find(connection: Connection, repeated: Event) -> str | None:
    """Return the id of the deleted event that an event repeats; None if it repeats none."""
    names = [
        repeated.provider_id,
        erased_id(secret_key_of(connection), repeated.source, repeated.provider_id),
    ]
    same = (deleted_id.c.source == repeated.source) & deleted_id.c.provider_id.in_(
        [name for name in names if name]
    )
    query = (
        select(deleted_id.c.event_id)
        .where(same, deleted_id.c.expires_at > repeated.received_at)
        .limit(1)
    )
    event_id: str | None = connection.execute(query).scalar()
    return event_id


def delete_expired(database: Database, now: float) -> Iterator[Work[dict[str, int]]]:
    """Yield work that deletes expired ids, a batch at a time."""

    def forget(connection: Connection) -> dict[str, int]:
        return {
            "deleted_id": connection.execute(
                _DELETE_EXPIRED, {"now": now, "most": BATCH_ROWS}
            ).rowcount
        }

    while _has_expired(database, now):
        yield forget


def _has_expired(database: Database, now: float) -> bool:
    with database.read() as connection:
        return connection.execute(_EXPIRED, {"now": now}).first() is not None


# -- ids with personal data


def erase(database: Database, letters: str) -> int:
    """Replace ids that contain a data subject's letters by keyed hashes; return how many."""
    return _rename_matching(database, lambda name: letters in fold_text(name), erased_id)


def count_plain_digests(connection: Connection) -> int:
    """Return how many ids are plain digests of bodies, which can be compared with guesses."""
    names = deleted_id.c.provider_id
    query = (
        select(func.count())
        .select_from(deleted_id)
        .where(names.startswith(DIGEST_PREFIX), names != EMPTY_BODY_ID)
    )
    return connection.execute(query).scalar_one()


def key_digests(database: Database, secret_key: str) -> int:
    """Replace plain digests of bodies by keyed ones, and return how many.

    `receive` uses keyed digests where bodies are encrypted.
    """
    return _rename_matching(
        database,
        lambda name: name.startswith(DIGEST_PREFIX) and name != EMPTY_BODY_ID,
        lambda _, source, name: keyed_sha256(secret_key, source, name.removeprefix(DIGEST_PREFIX)),
    )


def _rename_matching(
    database: Database, concerns: Callable[[str], bool], renamed: Callable[[str, str, str], str]
) -> int:
    """Rename matching ids; delete one whose new name is empty or exists already."""
    place = ("", "")
    changed = 0
    while rows := _page(database, place):
        place = (rows[-1][0], rows[-1][1])
        if mine := [row for row in rows if concerns(row[1])]:
            changed += database.write(
                lambda connection, mine=mine: _rename(connection, mine, renamed)  # type: ignore[misc]  # mypy infers no lambda with defaults
            )
    return changed


def _page(database: Database, place: tuple[str, str]) -> list[tuple[str, str]]:
    key = (deleted_id.c.source, deleted_id.c.provider_id)
    after = (key[0] > place[0]) | ((key[0] == place[0]) & (key[1] > place[1]))
    with database.read() as connection:
        return [
            (row.source, row.provider_id)
            for row in connection.execute(
                select(*key).where(after).order_by(*key).limit(BATCH_ROWS)
            )
        ]


def _rename(
    connection: Connection, rows: Sequence[tuple[str, str]], renamed: Callable[[str, str, str], str]
) -> int:
    columns = deleted_id.c
    changed = 0
    for source, name in rows:
        mine = (columns.source == source) & (columns.provider_id == name)
        new = renamed(secret_key_of(connection), source, name)
        namesake = (
            new
            and connection.execute(
                select(columns.source).where(columns.source == source, columns.provider_id == new)
            ).first()
        )
        if new and namesake is None:
            changed += connection.execute(
                update(deleted_id).where(mine).values(provider_id=new)
            ).rowcount
        else:
            changed += connection.execute(delete(deleted_id).where(mine)).rowcount
    return changed
