"""Copy a whole database into an empty one, of the same or the other kind, and compare the rows.

The copy reads one snapshot of the source and writes one transaction of the target: an interrupted
copy leaves the target empty. Triggers of the schema are off, since they have changed each row
already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, func, select, text

from bridge.core.errors import StoreError
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.migrations import upgrade
from bridge.store.operations.copy_rows import CopyResult, copy_table, digest_rows
from bridge.store.queue import heartbeats
from bridge.store.tables.schema import HEAD, describe_other_schema, metadata, token, worker

TABLES: Final = tuple(metadata.sorted_tables)


def count_rows(database: Database) -> dict[str, int]:
    """Return how many rows each table has."""
    with database.read() as connection:
        return {
            str(table.name): (
                connection.execute(select(func.count()).select_from(table)).scalar_one()
            )
            for table in TABLES
        }


def check(source: Database, target: Database, *, snapshot: bool) -> None:
    """Raise `StoreError` where a copy is impossible or would miss rows. Changes nothing."""
    if source.url == target.url:
        raise StoreError("the source and the target are the same database")
    if (revision := upgrade.read_revision(source)) != HEAD:
        raise StoreError(f"the source has {describe_other_schema(revision)}")
    clock = DatabaseClock(source)
    clock.set()
    if not snapshot and heartbeats.workers_alive(source, clock()):
        raise StoreError(
            "a worker is running on the source: stop flowbridge on all machines, so that the copy"
            " is complete"
        )
    target_revision = (
        upgrade.read_revision(target) if not target.is_sqlite or target.path.exists() else None
    )
    if target_revision is not None and target_revision != HEAD:
        raise StoreError(
            f"the target has schema {target_revision}, this flowbridge requires {HEAD}: create an"
            " empty database"
        )
    if target_revision is not None:
        _must_be_empty(count_rows(target))


def _must_be_empty(rows: Mapping[str, int]) -> None:
    if full := ", ".join(f"{number} in {name}" for name, number in rows.items() if number):
        raise StoreError(f"the target is not empty: it has rows ({full}); create an empty database")


def copy(
    source: Database,
    target: Database,
    *,
    snapshot: bool = False,
    repair: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> CopyResult:
    """Create the schema in the target, copy every row, compare, and commit.

    `advance` receives the number of rows written, and again of rows compared. `snapshot`: the
    source may change meanwhile, and later rows are missed; without it a change is an error.
    `repair`: replace characters that the target cannot store; without it, rows with such characters
    are an error that names them. `StoreError`: nothing was copied.
    """
    upgrade.upgrade(target)
    copied = CopyResult()
    with _reading(source) as reader:
        before = _read_marks(reader)
        with target.long_transaction() as writer:
            _write(reader, writer, target, copied, repair=repair, advance=advance)
            if not snapshot and _read_marks_now(source) != before:
                raise StoreError(
                    "the source changed during the copy, which would miss rows: stop flowbridge on"
                    " all machines and copy again"
                )
    return copied


def _write(
    reader: Connection,
    writer: Connection,
    target: Database,
    copied: CopyResult,
    *,
    repair: bool,
    advance: Callable[[int], None],
) -> None:
    with _without_triggers(writer, target):
        sums = {
            table.name: copy_table(reader, writer, table, copied, repair=repair, advance=advance)
            for table in TABLES
        }
        if copied.misfits:
            more = copied.misfitting - len(copied.misfits)
            named = [*copied.misfits, *([f"and {more} more"] if more else [])]
            raise StoreError(
                "the target cannot store NUL or half characters, but these rows contain some: "
                + "; ".join(named)
            )
        _set_sequences(writer, target)
        for table in TABLES:
            written = digest_rows(writer, table, advance)
            if written != sums[table.name]:
                rows = f"{written.rows} rows of {sums[table.name].rows}"
                raise StoreError(
                    f"the rows written to {table.name} differ from those read ({rows}): nothing was"
                    " copied"
                )
            copied.rows[str(table.name)] = written.rows


# -- the source


@contextmanager
def _reading(source: Database) -> Iterator[Connection]:
    """Return a connection that sees one snapshot for the whole copy."""
    with source.read() as connection:
        if not source.is_sqlite:
            connection.execute(
                text("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
            )
            yield connection
            return
        raw: Any = connection.connection.driver_connection
        raw.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        try:
            yield connection
        finally:
            raw.text_factory = str


def _read_marks(connection: Connection) -> dict[str, Any]:
    """Return values that change when receivers or workers write."""
    marks = {
        table.name: connection.execute(select(func.max(table.c.seq))).scalar()
        for table in TABLES
        if "seq" in table.c
    }
    return marks | {
        worker.name: connection.execute(select(func.max(worker.c.seen_at))).scalar(),
        # a token that was removed during the copy would be valid in the target
        token.name: connection.execute(select(token.c.id).order_by(token.c.id)).scalars().all(),
    }


def _read_marks_now(source: Database) -> dict[str, Any]:
    with source.read() as connection:
        return _read_marks(connection)


# -- the target


@contextmanager
def _without_triggers(connection: Connection, database: Database) -> Iterator[None]:
    """Disable the triggers of the tables until the end, and check that the tables are empty."""
    again: Sequence[str]
    if database.is_sqlite:
        triggers = connection.execute(
            text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
        ).all()
        ours = [row for row in triggers if row.tbl_name in metadata.tables]
        away = [f"DROP TRIGGER {row.name}" for row in ours]
        again = [row.sql for row in ours]
    else:
        names = ", ".join(table.name for table in TABLES)
        away = [
            f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE",
            *(f"ALTER TABLE {table.name} DISABLE TRIGGER USER" for table in TABLES),
        ]
        again = [
            *(f"ALTER TABLE {table.name} ENABLE TRIGGER USER" for table in TABLES),
            f"ANALYZE {names}",
        ]
    for statement in away:
        connection.exec_driver_sql(statement)
    _must_be_empty(
        {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in TABLES
        }
    )
    yield
    for statement in again:
        connection.exec_driver_sql(statement)


def _set_sequences(connection: Connection, database: Database) -> None:
    """Make PostgreSQL number new rows after the copied ones; SQLite does so without help."""
    for table in TABLES if not database.is_sqlite else ():
        if "seq" in table.c:
            last = select(func.max(table.c.seq)).scalar_subquery()
            connection.execute(
                select(func.setval(func.pg_get_serial_sequence(table.name, "seq"), last)).where(
                    last.is_not(None)
                )
            )
