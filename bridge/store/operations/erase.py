"""Erase a data subject: delete the events, rejects and runs that contain it.

Events with a call or run under way are refused, since its result would restore the data. Waiting
deliveries are cancelled first.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, or_, select, text, update

from bridge.core.errors import StoreError
from bridge.core.model import Delivery, Status
from bridge.ingest.data_subjects import fold_text
from bridge.store.db.database import Database, exclusive_connection
from bridge.store.inbound import deleted_ids, lock_order, removal
from bridge.store.operations.actions import ItemResult
from bridge.store.queue import transitions
from bridge.store.tables.encrypted import encrypt_row, sealer_of
from bridge.store.tables.rows import from_json, to_delivery, to_json
from bridge.store.tables.schema import act, delivery, event, local_run

PAGE_EVENTS: Final = 500  # events whose deliveries are read in one transaction
PAGE_OPERATIONS: Final = 200  # operations that are scrubbed in one transaction
BUSY_REASONS: Final = {
    "sending": "is being sent",
    "unknown": "has an unknown outcome (run flowbridge resolve)",
}
ERASED: Final = "(erased)"
CHECKPOINT_TRIES: Final = 50  # until no reader holds the write-ahead log
CHECKPOINT_WAIT_SECONDS: Final = 0.1  # between two tries
_WAITING: Final = text("""
SELECT id FROM delivery WHERE event_id = :id AND (status IN ('queued', 'blocked') OR status = 'dead'
    AND holds_key) ORDER BY seq
""")
_UNDER_WAY: Final = text(f"""
SELECT d.id, d.status FROM delivery d WHERE d.event_id = :id
AND (d.status IN ('sending', 'unknown') OR d.slot OR d.poll_at IS NOT NULL
    OR {removal.HAS_OPEN_RUN})
    ORDER BY d.seq LIMIT 1
""")  # noqa: S608 - names of our own tables and columns


@dataclass(frozen=True, slots=True)
class EraseHandler:
    """Erases events with all their rows, rejects, and local runs with their files.

    Stores a keyed hash of each event's provider id for the rest of `dedup_for`, so that a repeat is
    still a duplicate.
    """

    dedup_for: deleted_ids.DedupFor = deleted_ids.default_dedup_for

    def prepare(self, _database: Database, ids: Sequence[str], _now: float, /) -> Sequence[str]:
        """Return the ids."""
        return ids

    def carry_out(
        self, connection: Connection, prepared: Sequence[str], now: float, /
    ) -> list[ItemResult]:
        """Erase each."""
        lock_order.lock(
            connection,
            events=prepared,
            moved=delivery.c.event_id.in_(prepared),
            runs=prepared,
            rejects=prepared,
        )
        return [_erase(connection, event_id, now, self.dedup_for) for event_id in prepared]


def _erase(
    connection: Connection, id_: str, now: float, dedup_for: deleted_ids.DedupFor
) -> ItemResult:
    if id_.startswith("evt_"):
        return _erase_event(connection, id_, now, dedup_for)
    if id_.startswith("rej_"):
        is_gone = removal.remove_reject(connection, id_)
        return ItemResult(id=id_, problem=None if is_gone else "no such reject")
    state = connection.execute(select(local_run.c.state).where(local_run.c.id == id_)).scalar()
    if state is None:
        return ItemResult(id=id_, problem="no such run")
    if state in ("QUEUED", "RUNNING", "TERMINATING"):
        return ItemResult(
            id=id_,
            problem=(
                "the run has not ended: erase it again when it has, or end it with"
                " flowbridge flows kill"
            ),
        )
    removal.remove_runs(connection, [id_])
    return ItemResult(id=id_)


def _erase_event(
    connection: Connection, id_: str, now: float, dedup_for: deleted_ids.DedupFor
) -> ItemResult:
    if connection.execute(select(event.c.id).where(event.c.id == id_)).scalar() is None:
        return ItemResult(id=id_, problem="no such event")
    busy = connection.execute(_UNDER_WAY, {"id": id_}).one_or_none()
    if busy is not None:
        how = BUSY_REASONS.get(busy.status, "has a running flow")
        return ItemResult(
            id=id_,
            problem=f"its delivery {busy.id} {how}: erase the event again when that has ended",
        )
    for delivery_id in list(connection.execute(_WAITING, {"id": id_}).scalars()):
        transitions.move(
            connection, delivery_id, Status.CANCELLED, now, reason="its event is erased"
        )
    if not removal.lock_deletable(connection, [id_], math.inf):
        raise StoreError(f"{id_} has a delivery that is still in use, in a state unknown to erase")
    deleted_ids.store(connection, [id_], dedup_for, now, erased=True)
    removal.remove(connection, [id_])
    return ItemResult(id=id_)


# -- other places that contain the subject


def deliveries_with_runs(database: Database, ids: Sequence[str]) -> Iterator[Delivery]:
    """Yield the deliveries of these events that started a run, or may have.

    The owner of each flow has to erase what the flow did with the data.
    """
    for at in range(0, len(ids), PAGE_EVENTS):
        of_them = delivery.c.event_id.in_(ids[at : at + PAGE_EVENTS])
        went = or_(
            delivery.c.run_id.is_not(None),
            delivery.c.delivered_at.is_not(None),
            delivery.c.status == Status.UNKNOWN,
        )
        with database.read() as connection:
            rows = connection.execute(
                select(delivery).where(of_them, went).order_by(delivery.c.seq)
            ).all()
        yield from (to_delivery(row, database.sealer) for row in rows)


def scrub_operations(database: Database, letters: str) -> int:
    """Erase a subject from the arguments of earlier operations, such as the text of a body search,
    and from the reasons for which they left out others.

    Returns how many operations changed.
    """
    changed = 0
    place: int | None = 0
    while place is not None:
        scrub = partial(_scrub_page, letters=letters, after=place)
        place, count = database.write(scrub)
        changed += count
    return changed


def _scrub_page(connection: Connection, *, letters: str, after: int) -> tuple[int | None, int]:
    """Scrub the operations behind a number; return the last number, null at the end, and how many
    changed.
    """
    sealer = sealer_of(connection)
    columns = (act.c.asked, act.c.counted)
    page = (
        select(act.c.seq, act.c.id, *columns)
        .where(act.c.seq > after)
        .order_by(act.c.seq)
        .limit(PAGE_OPERATIONS)
        .with_for_update()  # an agreement changes options, too
    )
    rows = connection.execute(page).all()
    changed = 0
    for row in rows:
        kept = {}
        for column in columns:
            stored = sealer.open(row._mapping[column.name], "act", column.name, row.id)
            value = from_json(stored)
            if (scrubbed := _scrubbed(value, letters)) != value:
                kept[column.name] = to_json(scrubbed)
        if kept:
            values = encrypt_row(sealer, "act", row.id, kept)
            connection.execute(update(act).where(act.c.seq == row.seq).values(values))
            changed += 1
    return rows[-1].seq if len(rows) == PAGE_OPERATIONS else None, changed


def _scrubbed(value: Any, letters: str) -> Any:
    if isinstance(value, dict):
        return {
            name: _scrub_reasons(child, letters)
            if name == "left_out"
            else _scrubbed(child, letters)
            for name, child in value.items()
        }
    if isinstance(value, list):
        return [_scrubbed(child, letters) for child in value]
    return ERASED if isinstance(value, str) and letters in fold_text(value) else value


def _scrub_reasons(counts: Any, letters: str) -> Any:
    """Scrub the names of counts by reason, which may quote a payload."""
    scrubbed: Counter[str] = Counter()
    for reason, count in counts.items():
        scrubbed[ERASED if letters in fold_text(reason) else reason] += count
    return dict(scrubbed)


def truncate_wal(database: Database) -> bool:
    """Checkpoint and truncate the write-ahead log of a SQLite file, which holds earlier pages.

    Returns False where a reader prevents it.
    """
    with exclusive_connection(database.path) as connection:
        for attempt in range(CHECKPOINT_TRIES):
            if attempt:
                time.sleep(CHECKPOINT_WAIT_SECONDS)
            if not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                return True
    return False
