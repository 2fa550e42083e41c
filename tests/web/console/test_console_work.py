"""What the pages of the console do in the store: statements, plans, and rows looked at.

A page that is fast on a small store is fast with a million events only if its work does not grow
with them. SQLite counts the steps of a statement, so this is measured without a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from admin_client import NO_CONFIG, lift_rates
from console_client import ConsoleClient
from console_records import OPENED_PAGES, fill_path, store_records
from records import NOW, make_delivery, make_event
from sqlalchemy import event as hooks
from sqlalchemy import text

from bridge.core.model import Delivery, Event, Status
from bridge.routing.model import Platform
from bridge.store.db.database import Database
from bridge.store.inbound import events

FEW = 300
MANY = 1200
MAX_GROWTH = 1.5
#: Of SQLite's virtual machine; far fewer than a look at each of the events.
STEP = 10
FREE_STEPS = 1000
#: Pages that look through the newest rows up to a limit, or have more rows: steps per event.
WALKS = {
    "/sources/<name>": "the types of the newest 1,000 events are counted",
    "/routes/<name>": "the newest 20,000 deliveries at most, for the newest of the route",
    "/runs": "the newest 20,000 deliveries at most, for those with a run",
    "/causes": "the newest 5,000 dead deliveries",
    "/unknown": "20 deliveries, and the newest 2,000 for the latest run of each flow",
    "/forms/<name>": "4,000 numbers in the index of the source",
    "/events/<id>/compare": "4,000 numbers in the index of the source",
    "/routes/<name>/shadow": "the newest 20,000 deliveries at most, of both routes",
    "/forms/<name>/export": "the download of all submissions",
}
MAX_WALK_STEPS = 30
MAX_WALK_STEPS_OF = {"/forms/<name>/export": 120}
MAX_STATEMENTS = 20
#: Of a list whose filter matches nothing, so that it ends with its budget.
MAX_FILTER_STEPS = 40
MAX_FILTER_STATEMENTS = 35
MAX_STATEMENTS_OF = {"/forms/<name>/export": 200}
TABLES = ("event", "delivery", "attempt")
#: Indexes of what is under way only, so that they are small.
SMALL_INDEXES = ("ix_delivery_slot", "ix_delivery_unknown", "ix_delivery_line")
#: Statements that read the newest rows only, though their plan does not show it.
SHORT_STATEMENTS = ("FROM delivery ORDER BY seq DESC",)
LOCAL = Platform(name="local", type="local", base_url="http://127.0.0.1:1/api/v1", timeout=1.0)


@dataclass
class Work:
    """The statements of a page, each with its values, and the steps of SQLite."""

    statements: list[tuple[str, Any]] = field(default_factory=list)
    steps: int = 0


def open_console(database: Database, folder: Path) -> ConsoleClient:
    console = ConsoleClient(database, folder, replace(NO_CONFIG, platforms={"local": LOCAL}))
    console.log_in()
    return console


def fill(database: Database, first: int, last: int) -> None:
    """Store events with a delivery each; one in 30 is dead and one in 30 unknown."""
    arrivals: list[tuple[Event, Sequence[Delivery]]] = []
    for number in range(first, last):
        one = make_event(f"p-{number}", now=NOW + number, type=f"type-{number % 7}")
        status = {0: Status.DEAD, 1: Status.UNKNOWN}.get(number % 30, Status.DELIVERED)
        reason = "HTTP 401 from the platform" if status is Status.DEAD else None
        arrivals.append((one, [make_delivery(one, status=status, reason=reason)]))
    for start in range(0, len(arrivals), 100):
        events.add_all(database, arrivals[start : start + 100], lambda *_: [])


@contextmanager
def watch(database: Database) -> Iterator[Work]:
    """Record the work of the store until the end of the block."""
    work = Work()
    is_over = False

    def step() -> None:  # the connection keeps it
        work.steps += 0 if is_over else STEP

    def note(
        connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool
    ) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            work.statements.append((statement, values))
        if database.is_sqlite:
            connection.connection.driver_connection.set_progress_handler(step, STEP)

    hooks.listen(database.engine, "before_cursor_execute", note)
    try:
        yield work
    finally:
        is_over = True
        hooks.remove(database.engine, "before_cursor_execute", note)


def watch_page(console: ConsoleClient, path: str) -> Work:
    """Return the work of a page that was opened before, without that of the cached overview."""
    console.get(path)
    found = []
    for _ in range(2):
        with watch(console.database) as work:
            answer = console.get(path)
            assert answer.status_code in (200, 303), (path, answer.text)
        found.append(work)
    return min(found, key=lambda one: one.steps)


@pytest.mark.usefixtures("slow")
def test_no_page_does_more_in_a_larger_store(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lift_rates(monkeypatch)
    ids = store_records(sqlite, "text")
    console = open_console(sqlite, tmp_path)
    paths = {one.path: fill_path(one.path, ids) for one in OPENED_PAGES}
    fill(sqlite, 0, FEW)
    before = {path: watch_page(console, url) for path, url in paths.items()}
    fill(sqlite, FEW, MANY)
    after = {path: watch_page(console, url) for path, url in paths.items()}
    grown = {
        path: (before[path].steps, work.steps)
        for path, work in after.items()
        if work.steps
        > (
            MAX_WALK_STEPS_OF.get(path, MAX_WALK_STEPS) * MANY
            if path in WALKS
            else MAX_GROWTH * before[path].steps + FREE_STEPS
        )
    }
    assert grown == {}
    many = {
        path: len(work.statements)
        for path, work in after.items()
        if len(work.statements) > MAX_STATEMENTS_OF.get(path, MAX_STATEMENTS)
    }
    assert many == {}


def test_pages_of_lists_with_filters_end_with_their_budget(
    sqlite: Database, tmp_path: Path
) -> None:
    store_records(sqlite, "text")
    console = open_console(sqlite, tmp_path)
    fill(sqlite, 0, MANY)
    for path in (
        "/events?type=none",
        "/events?source=github&type=none",
        "/events?body=nowhere",
        "/deliveries?status=queued",
        "/deliveries?status=dead&reason=nowhere",
        "/deliveries?run=running",
        "/find?q=nowhere",
    ):
        work = watch_page(console, path)
        assert len(work.statements) <= MAX_FILTER_STATEMENTS, path
        assert work.steps <= MAX_FILTER_STEPS * MANY, (path, work.steps)


def test_every_statement_of_a_page_uses_an_index(database: Database, tmp_path: Path) -> None:
    ids = store_records(database, "text")
    fill(database, 0, FEW)
    console = open_console(database, tmp_path)
    seen: dict[str, tuple[str, Any]] = {}
    for page in OPENED_PAGES:
        with watch(database) as work:
            console.get(fill_path(page.path, ids))
        seen |= {one: (page.path, values) for one, values in work.statements if one not in seen}
    assert len(seen) > 50
    wrong = {
        (path, statement): problem
        for statement, (path, values) in seen.items()
        if (problem := find_problem(database, statement, values)) is not None
    }
    assert wrong == {}


def find_problem(database: Database, statement: str, values: Any) -> str | None:
    """Return the step of a statement's plan that looks at every row of a large table."""
    with database.engine.connect() as connection:
        if not database.is_sqlite:  # else it reads a small table whole
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        prefix = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        steps = [
            str(row[-1]) for row in connection.exec_driver_sql(prefix + statement, values).all()
        ]
        connection.rollback()
    aliases = re.findall(rf"\b(?:{'|'.join(TABLES)}) AS (\w+)", statement)
    names = "|".join((*TABLES, *aliases))
    whole = rf"^SCAN (?:{names})\b" if database.is_sqlite else rf"Seq Scan on (?:{names})\b"
    # The newest rows, or all where the table has fewer than are counted.
    is_sorted = "B-TREE FOR ORDER BY" in "".join(steps)
    is_short = "LIMIT" in statement and not is_sorted
    if database.is_sqlite and (is_short or any(part in statement for part in SHORT_STATEMENTS)):
        return None
    return next(
        (
            one
            for one in steps
            if re.search(whole, one) and not any(index in one for index in SMALL_INDEXES)
        ),
        None,
    )


@pytest.mark.parametrize(
    ("statement", "is_found"),
    [
        ("SELECT event.id FROM event WHERE event.type = 'x'", True),
        ("SELECT one.id FROM delivery AS one WHERE one.reason = 'x'", True),
        ("SELECT event.id FROM event WHERE event.id = 'x'", False),
    ],
)
def test_a_statement_without_an_index_is_found(
    database: Database, statement: str, is_found: bool
) -> None:
    values: Any = () if database.is_sqlite else {}
    assert (find_problem(database, statement, values) is not None) == is_found
