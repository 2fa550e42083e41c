"""Delete events with everything that belongs to them.

Pruning by age and erasing by data subject both use this module. For a new table that belongs to
events, add a statement to `remove`; if it has contents of an event (a payload, a person's words),
also to `delete_contents`.

All functions take a connection inside `Database.write`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Connection,
    Delete,
    bindparam,
    delete,
    or_,
    select,
    text,
    update,
)

from bridge.delivery.file_transfer import uploaded_name
from bridge.delivery.platforms.responses import start_key
from bridge.store.inbound import form_files, lock_order
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import files_of, from_json
from bridge.store.tables.schema import (
    act_item,
    attempt,
    delivery,
    event,
    local_file,
    local_run,
    reject,
)

Ids = Sequence[str]
Counts = dict[str, int]

#: A delivery `d` waits or is under way, or others wait for it. Its event is not deleted.
UNFINISHED: Final = (
    "(d.status IN ('queued', 'sending', 'unknown', 'blocked') OR d.slot OR d.poll_at IS NOT NULL OR"
    " d.holds_key)"
)
#: A delivery `d` ended recently.
RECENT: Final = "coalesce(d.finished_at, d.delivered_at, d.created_at) > :recent"
#: A run of a delivery `d` is unfinished, though it may no longer be polled.
HAS_OPEN_RUN: Final = (
    "EXISTS (SELECT 1 FROM local_run r WHERE r.id = d.run_id AND r.state IN ('QUEUED', 'RUNNING',"
    " 'TERMINATING'))"
)

_ids: BindParameter[Any] = bindparam("ids", expanding=True)
_DELETABLE = text(f"""
SELECT e.id FROM event e WHERE e.id IN :ids
AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = e.id AND ({UNFINISHED} OR {RECENT}
    OR {HAS_OPEN_RUN}))
""").bindparams(_ids)  # noqa: S608 - names of our own tables and columns
_DELIVERIES = select(delivery.c.id, delivery.c.reruns).where(delivery.c.event_id.in_(_ids))
_RUNS = select(local_run.c.id).where(local_run.c.idempotency_key.in_(_ids))
_READMITTED = select(reject.c.id, reject.c.event_ids).where(
    text("readmitted_at IS NOT NULL"), reject.c.event_ids.is_not(None)
)
_DELETE_REJECTS = delete(reject).where(reject.c.id.in_(_ids))
_WITH_FILES = select(event.c.id, event.c.source, event.c.network, event.c.files).where(
    event.c.id.in_(_ids), event.c.files.is_not(None)
)
_EMPTY_EVENTS = update(event).where(event.c.id.in_(_ids)).values(body=b"", files=None)
_EMPTY_DELIVERIES = (
    update(delivery)
    .where(delivery.c.event_id.in_(_ids))
    .values(inputs=None, outputs=None, log=None, evidence=None)
)
_HAS_CONTENTS = or_(attempt.c.log.is_not(None), attempt.c.outputs.is_not(None))
_EMPTY_ATTEMPTS = (
    update(attempt)
    .where(attempt.c.delivery_id.in_(_ids), _HAS_CONTENTS)
    .values(log=None, outputs=None)
)


def lock_deletable(connection: Connection, ids: Ids, recent: float) -> list[str]:
    """Return which events can be deleted, and lock them with their deliveries.

    These are events without waiting or running deliveries, and without one that ended after
    `recent`.
    """
    if not ids:
        return []
    # before the check: a concurrent replay waits, and then finds no event; a retry no delivery
    lock_order.lock(connection, events=ids, unmoved=delivery.c.event_id.in_(ids))
    return list(connection.execute(_DELETABLE, {"ids": list(ids), "recent": recent}).scalars())


def remove(connection: Connection, ids: Ids) -> Counts:
    """Delete these events with everything that belongs to them; return the deleted rows by table.

    Call `lock_deletable` first: this function checks nothing. To an event belong its deliveries
    with attempts and operation items, their runs on the local platform with files, its files that
    were uploaded to it, and the rejects that became this event, with their items. Pending
    operation items stay, so the operation reports that the event is missing. Blobs without an owner
    are deleted later: see `blob_owners`.
    """
    deliveries = connection.execute(_DELIVERIES, {"ids": list(ids)}).all()
    owned = [row.id for row in deliveries]
    runs = _runs_of((row.id, row.reruns) for row in deliveries)
    counts = remove_runs(
        connection, list(connection.execute(_RUNS, {"ids": runs}).scalars()) if runs else []
    )
    counts["attempt"] = _execute(
        connection, delete(attempt).where(attempt.c.delivery_id.in_(_ids)), owned
    )
    rejects = _rejects_of(connection, ids)
    counts["act_item"] = _remove_items(connection, [*ids, *owned, *rejects])
    counts["reject"] = _execute(connection, _DELETE_REJECTS, rejects)
    counts["delivery"] = _execute(
        connection, delete(delivery).where(delivery.c.event_id.in_(_ids)), ids
    )
    counts["local_file"] += _remove_files(connection, ids)
    counts["event"] = _execute(connection, delete(event).where(event.c.id.in_(_ids)), ids)
    return counts


def remove_reject(connection: Connection, id_: str) -> bool:
    """Delete a reject with its operation items; return False where there is none."""
    _remove_items(connection, [id_])
    return _execute(connection, _DELETE_REJECTS, [id_]) > 0


def _remove_items(connection: Connection, ids: Ids) -> int:
    """Delete the processed items of operations on these records."""
    done = act_item.c.item_id.in_(_ids) & act_item.c.outcome.is_not(None)
    return _execute(connection, delete(act_item).where(done), ids)


def remove_runs(connection: Connection, run_ids: Ids) -> Counts:
    """Delete runs of the local platform with their files; return the deleted rows by table."""
    return {
        "local_file": _execute(
            connection, delete(local_file).where(local_file.c.run_id.in_(_ids)), run_ids
        ),
        "local_run": _execute(
            connection, delete(local_run).where(local_run.c.id.in_(_ids)), run_ids
        ),
    }


def delete_contents(connection: Connection, ids: Ids) -> int:
    """Delete the contents of these events: bodies, files, and the data of deliveries.

    Their metadata stays. Returns how many.
    """
    if not ids:
        return 0
    owned = [row.id for row in connection.execute(_DELIVERIES, {"ids": list(ids)})]
    if owned:
        connection.execute(_EMPTY_DELIVERIES, {"ids": list(ids)})
        connection.execute(_EMPTY_ATTEMPTS, {"ids": owned})
    _remove_files(connection, ids)
    return connection.execute(_EMPTY_EVENTS, {"ids": list(ids)}).rowcount


def _remove_files(connection: Connection, ids: Ids) -> int:
    """Subtract the files of these events from the counts, and delete their local uploads."""
    rows = connection.execute(_WITH_FILES, {"ids": list(ids)}).all() if ids else []
    sealer = sealer_of(connection)
    files = {row.id: files_of(row.files, row.id, sealer) for row in rows}
    sizes: Counter[form_files.Sender] = Counter()
    for row in rows:
        senders = form_files.senders_of(row.source, row.network)
        sizes.subtract(dict.fromkeys(senders, form_files.size_of(files[row.id])))
    form_files.change_bytes(connection, sizes)
    names = [
        uploaded_name(event_id, number, file)
        for event_id, event_files in files.items()
        for number, file in enumerate(event_files)
    ]
    return _execute(
        connection,
        delete(local_file).where(local_file.c.run_id == "", local_file.c.name.in_(_ids)),
        names,
    )


def _runs_of(deliveries: Iterable[tuple[str, int]]) -> list[str]:
    """Return the idempotency keys under which runs of these deliveries may have been started."""
    return [start_key(id_, number) for id_, reruns in deliveries for number in range(reruns + 1)]


def _rejects_of(connection: Connection, ids: Ids) -> list[str]:
    event_ids = set(ids)
    return [
        row.id
        for row in connection.execute(_READMITTED)
        if event_ids & set(from_json(row.event_ids))
    ]


def _execute(connection: Connection, statement: Delete, ids: Sequence[Any]) -> int:
    return connection.execute(statement, {"ids": list(ids)}).rowcount if ids else 0
