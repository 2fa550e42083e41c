"""Erase a data subject: delete the events, rejects and runs that contain it.

Events with a call or run under way are refused, since its result would restore the data. Waiting
deliveries are cancelled first.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

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
CHUNK_BYTES: Final = 1024 * 1024  # bytes of a file that are searched at once
MAX_SEARCHED_BYTES: Final = 1024**3  # bytes of files that flows wrote
MIN_FILE_COST_BYTES: Final = 4096  # bytes that even a small file counts as
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
        return [_erase(connection, one, now, self.dedup_for) for one in prepared]


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
    for each in list(connection.execute(_WAITING, {"id": id_}).scalars()):
        transitions.move(connection, each, Status.CANCELLED, now, reason="its event is erased")
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
            name: _scrub_reasons(each, letters) if name == "left_out" else _scrubbed(each, letters)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_scrubbed(each, letters) for each in value]
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


def count_traces(database: Database, letters: str) -> int:
    """Count a text in the SQLite file and its write-ahead log, plain or form-encoded.

    Call it with no connection in use.
    """
    database.disconnect()
    spellings = {letters.encode().lower(), quote_plus(letters).encode().lower()}
    paths = [
        path
        for path in (database.path, database.path.with_name(f"{database.path.name}-wal"))
        if path.exists()
    ]
    return sum(_count(path, sought) for path in paths for sought in spellings)


def _count(path: Path, sought: bytes) -> int:
    count = 0
    carried = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            seen = carried + chunk.lower()
            count += seen.count(sought)
            carried = seen[len(seen) - len(sought) + 1 :] if len(sought) > 1 else b""
    return count


def find_files(
    folder: Path, letters: str, most: int = MAX_SEARCHED_BYTES
) -> tuple[list[str], list[str]]:
    """Return the files of a folder with a text in their name or content, and those not read.

    Reads `most` bytes at most.
    """
    spellings = {
        letters,
        quote_plus(letters),
        json.dumps(letters)[1:-1],
        json.dumps(letters, ensure_ascii=False)[1:-1],
    }
    sought = {fold_text(each) for each in spellings}
    found = []
    unread = []
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            size = path.lstat().st_size
            most -= max(size, MIN_FILE_COST_BYTES)
            if any(each in fold_text(name) for each in sought) or (
                most >= 0 and _file_contains(path, size, sought)
            ):
                found.append(name)
            elif most < 0:
                unread.append(name)
        except OSError:
            unread.append(name)
    return found, unread


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (
            path
            for name in sorted(names)
            if (path := Path(place, name)).is_file() and not path.is_symlink()
        )


def _file_contains(path: Path, size: int, sought: Set[str]) -> bool:
    """Return whether one of these texts is in about the first `size` bytes of a file."""
    longest = max(map(len, sought))
    carried = ""
    with open(  # noqa: PTH123 - no link is followed
        os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK),
        encoding="utf-8",
        errors="replace",
        newline="",
    ) as file:
        for _ in range(size // CHUNK_BYTES + 1):
            seen = carried + file.read(CHUNK_BYTES).casefold()
            if any(each in seen for each in sought):
                return True
            carried = seen[-longest:]
    return False
