"""Bounded reads: their plans, their budgets, and that they skip and repeat nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from records import NOW, make_delivery, make_event
from sqlalchemy import delete, insert, select, text

from bridge.core.model import Event, Status
from bridge.store.db import row_walk as walk
from bridge.store.db.database import Database
from bridge.store.db.id_prefix import id_conditions
from bridge.store.db.row_walk import Budget
from bridge.store.inbound import events
from bridge.store.operations.operation_records import operation_walk
from bridge.store.queries import events as event_queries
from bridge.store.queries.filters import Filters
from bridge.store.tables import schema

SOURCES = ("github", "crm", "shop")
STATUSES = (Status.DELIVERED, Status.DEAD, Status.QUEUED, Status.UNKNOWN)


def fill(database: Database, count: int) -> None:
    """Store events of three sources, one of them rare, with a delivery each, and some gaps."""
    made = []
    for number in range(count):
        source = "shop" if number % 50 == 7 else SOURCES[number % 2]
        event = make_event(str(number), now=NOW + number, source=source, body=b"x%d" % (number % 9))
        status = STATUSES[0] if number % 10 else STATUSES[number // 10 % 4]
        made.append((event, make_delivery(event, status=status)))
    for event, delivery in made:
        events.add(database, event, (delivery,), lambda *_: [])
    gone = schema.event.c.seq % 11 == 3
    database.write(lambda connection: connection.execute(delete(schema.event).where(gone)))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "FIRST_CHUNK_ROWS", 3)
    monkeypatch.setattr(walk, "MAX_CHUNK_ROWS", 7)
    monkeypatch.setattr(walk, "MAX_RARE_ROWS", 8)
    monkeypatch.setattr(walk, "PAGE_ROWS", 4)
    monkeypatch.setattr(walk, "PAGE_BODIES", 3)


ALL_FILTERS = [
    Filters(),
    Filters(source="shop"),
    Filters(source="github"),
    Filters(source="nobody"),
    Filters(status="dead"),
    Filters(status="dead", route="triage"),
    Filters(status="dead", route="nowhere"),
    Filters(status="queued"),
    Filters(status="unknown", source="crm"),
    Filters(body=b"x4"),
    Filters(body=b"x4", source="crm"),
    Filters(since=NOW + 30),
    Filters(until=NOW + 30, status="delivered"),
]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("filters", ALL_FILTERS, ids=str)
@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pages_together_are_the_whole_list(
    database: Database, filters: Filters, limit: int
) -> None:
    fill(database, 60)
    for make_walk, table in (
        (event_queries.event_walk, schema.event),
        (event_queries.delivery_walk, schema.delivery),
    ):
        rows = make_walk(database, filters)
        with database.read() as connection:
            plain = rows.query.where(*rows.conditions, *rows.late).order_by(table.c.seq.desc())
            expected = [row.id for row in connection.execute(plain)]
        found: list[str] = []
        before: int | None = None
        for _ in range(300):
            page = walk.read_page(
                database, rows, limit, before=before, budget=Budget(rows=6, bodies=3, seconds=60)
            )
            assert len(page.rows) <= limit
            found += [row.id for row in page.rows]
            if page.before is None:
                break
            assert before is None or page.before < before
            before = page.before
        assert found == expected
        listed = walk.read_chunks(database, rows)
        assert [row.id for chunk in listed for row in chunk.rows] == expected
        if not rows.late:
            assert walk.count_rows(database, rows) == len(expected)


@pytest.mark.usefixtures("small_chunks")
def test_new_rows_do_not_shift_a_page(database: Database) -> None:
    fill(database, 40)
    rows = event_queries.event_walk(database, Filters())
    unhurried = Budget(seconds=60)
    first = walk.read_page(database, rows, 5, budget=unhurried)
    more = make_event("late", now=NOW + 99)
    events.add(database, more, (), lambda *_: [])
    second = walk.read_page(database, rows, 5, before=first.before, budget=unhurried)
    ids = [row.id for row in (*first.rows, *second.rows)]
    assert len(set(ids)) == 10
    assert more.id not in ids


def test_an_answer_ends_with_its_budget_and_says_how_far_it_looked(database: Database) -> None:
    fill(database, 1200)
    rows = event_queries.event_walk(database, Filters(type="nothing"))
    page = walk.read_page(database, rows, 50, budget=Budget(rows=500, seconds=60))
    assert page.rows == []
    assert page.before is not None
    looked_until = walk.read_age(database, rows, page.before)
    with database.read() as connection:
        seen = connection.execute(
            select(schema.event.c.received_at).order_by(schema.event.c.seq.desc()).limit(500)
        )
        assert looked_until == seen.scalars().all()[-1]


def test_an_answer_ends_when_its_time_is_over(database: Database) -> None:
    fill(database, 1200)
    ticks = iter(range(100))
    rows = event_queries.event_walk(database, Filters(type="nothing"))
    budget = Budget(seconds=0.5, clock=lambda: float(next(ticks)))
    page = walk.read_page(database, rows, 50, budget=budget)
    assert page.before is not None
    assert next(ticks) == 2  # it looked at one chunk


@pytest.mark.timings(list_page_seconds=0.0)
def test_the_timings_say_when_an_answer_ends(database: Database) -> None:
    fill(database, 1200)
    page = walk.read_page(database, event_queries.event_walk(database, Filters(type="nothing")), 50)
    assert page.before is not None


@pytest.mark.usefixtures("small_chunks")
def test_a_test_of_the_whole_event_counts_as_reading_its_body(database: Database) -> None:
    fill(database, 60)
    seen: list[str] = []

    def where(event: Event) -> bool:
        seen.append(event.id)
        return event.body == b"x4"

    filters = Filters(where=where)
    expected = event_queries.event_ids(database, Filters(body=b"x4"))
    assert event_queries.event_ids(database, filters) == expected
    assert len(seen) == len(set(seen))
    of_deliveries = event_queries.list_deliveries(database, filters, 0)
    assert [one.event_id for one in of_deliveries] == [
        one.event_id for one in event_queries.list_deliveries(database, Filters(body=b"x4"), 0)
    ]
    seen.clear()
    rows = event_queries.event_walk(database, filters)
    page = walk.read_page(database, rows, 50, budget=Budget(bodies=6, seconds=60))
    assert len(seen) == 6
    assert page.before is not None


def test_a_beginning_is_found_in_the_order_of_bytes(database: Database) -> None:
    texts = ["".join(one) for size in (1, 2, 3) for one in product("aAz9_~", repeat=size)]
    rows = [{"hash": one, "canonical": "", "seen_at": NOW} for one in texts]
    database.write(lambda connection: connection.execute(insert(schema.config), rows))
    column = schema.config.c.hash
    for wanted in (*texts, "é", "aé"):
        _, begins, *_ = id_conditions(column, wanted, is_sqlite=database.is_sqlite)
        with database.read() as connection:
            found = connection.execute(select(column).where(begins)).scalars().all()
        assert sorted(found) == sorted(one for one in texts if one.startswith(wanted)), wanted


# -- plans


def explain(database: Database, statement: Any) -> str:
    """Return the plan of a statement with its values, as on a large table."""
    with database.engine.connect() as connection:
        if not database.is_sqlite:  # else it reads a small table whole
            connection.execute(text("SET enable_seqscan = off"))
            connection.execute(text("SET enable_bitmapscan = off"))
        compiled = statement.compile(database.engine, compile_kwargs={"literal_binds": True})
        prefix = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        rows = connection.exec_driver_sql(prefix + str(compiled).replace("%", "%%")).all()
        connection.rollback()
    return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize("filters", ALL_FILTERS, ids=str)
def test_a_walk_reads_a_range_of_an_index(database: Database, filters: Filters) -> None:
    """The statements look at the rows between two numbers only, and sort nothing."""
    for make_walk, table in (
        (event_queries.event_walk, schema.event),
        (event_queries.delivery_walk, schema.delivery),
    ):
        rows = make_walk(database, replace(filters, body=None))
        seq = table.c.seq
        lowest = select(seq).where(*rows.indexed, seq < 5000).order_by(seq.desc()).offset(4000)
        within = [*rows.indexed, seq < 5000, seq >= 1000, *rows.conditions]
        page = rows.query.where(*within).order_by(seq.desc()).limit(200)
        for statement in (lowest.limit(1), page):
            plan = explain(database, statement)
            assert "TEMP B-TREE" not in plan and "Sort" not in plan, plan
            stuck = f"ix_delivery_stuck{'_route' if filters.route else ''} "
            index = stuck if rows.indexed else f"{table.name}_pkey"
            wanted = (
                f"USING {f'INDEX {stuck}' if rows.indexed else 'INTEGER PRIMARY KEY'}"
                if database.is_sqlite
                else f"using {index}"
            )
            assert wanted in plan.replace("COVERING ", "").replace("pk_", "").replace(
                f"using {table.name} ", f"using {table.name}_pkey "
            ), plan
        if rows.rare:
            plan = explain(database, select(seq).where(*rows.rare).limit(10))
            assert "ix_" in plan, plan


def test_unfinished_operations_are_found_in_their_index(database: Database) -> None:
    """Of thousands of operations the newest may all be finished."""
    rows = operation_walk(unfinished=True)
    plan = explain(database, rows.query.where(*rows.indexed).order_by(schema.act.c.seq.desc()))
    assert "ix_act_unfinished" in plan and "Sort" not in plan and "B-TREE" not in plan, plan


def test_spam_of_a_source_is_found_in_the_index_of_spam(database: Database) -> None:
    """Of a million submissions the index of their age would show each one."""
    rows = event_queries.event_walk(database, Filters(source="contact", spam=True))
    plan = explain(database, walk.rare_query(rows))
    assert "ix_event_spam" in plan and "Sort" not in plan and "B-TREE" not in plan, plan


@pytest.mark.parametrize("table", [schema.event, schema.delivery])
def test_an_id_and_its_beginning_are_found_through_an_index(database: Database, table: Any) -> None:
    for condition in list(id_conditions(table.c.id, "evt_01", is_sqlite=database.is_sqlite))[:2]:
        plan = explain(database, select(table.c.id).where(condition))
        assert ("SEARCH" in plan) if database.is_sqlite else ("Index Cond" in plan), plan
