"""How many events each source received today: stored counts, and what came since."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from query_plans import record_plans
from records import NOW, make_event
from sqlalchemy import delete

from bridge.core.rate_limits import day_of
from bridge.core.units import DAY, HOUR
from bridge.store.db.database import Database
from bridge.store.inbound import daily_events, events
from bridge.store.inbound.daily_events import SETTLED_SECONDS, DailyCount
from bridge.store.tables.schema import daily_events as table
from bridge.store.tables.schema import event
from bridge.worker.maintenance.jobs import DailyEventsJob

MIDNIGHT = NOW - NOW % DAY
NOON = MIDNIGHT + DAY / 2
LATER = NOON + SETTLED_SECONDS + 1


def receive(database: Database, source: str, *at: float) -> None:
    for when in at:
        events.add(database, make_event(None, source=source, now=when), [], lambda *_: [])


def read(database: Database, now: float) -> tuple[dict[str, int], bool]:
    with database.read() as connection:
        found, is_cut = daily_events.read_sources(connection, set(), now - now % DAY, now)
    return {source: today for source, (_, today) in found.items()}, is_cut


def count(database: Database, now: float) -> list[DailyCount]:
    """Count as the job does, and return what it stored."""
    with database.read() as connection:
        found = daily_events.find_new_counts(connection, now)
    database.write(lambda connection: daily_events.store_counts(connection, found))
    return found


def test_a_count_is_stored_and_what_came_since_is_added(database: Database) -> None:
    receive(database, "github", MIDNIGHT - 1, MIDNIGHT, NOON - 1)
    receive(database, "old", MIDNIGHT - DAY)
    receive(database, "github", NOON)
    assert count(database, MIDNIGHT + 1) == []
    first = count(database, MIDNIGHT + SETTLED_SECONDS + 1)
    assert first == [DailyCount("github", day_of(NOW), 1, MIDNIGHT + 1)]
    assert count(database, NOON + SETTLED_SECONDS) == [
        DailyCount("github", day_of(NOW), 2, NOON + SETTLED_SECONDS - SETTLED_SECONDS)
    ]
    assert count(database, NOON + SETTLED_SECONDS) == []
    receive(database, "stripe", NOON + 5)
    assert read(database, NOON + 6) == ({"github": 3, "old": 0, "stripe": 1}, False)


def test_an_hour_is_counted_at_once_and_hours_without_events_are_left_out(
    database: Database,
) -> None:
    receive(database, "github", MIDNIGHT + 5 * HOUR, MIDNIGHT + 6 * HOUR - 1, MIDNIGHT + 9 * HOUR)
    assert [one.events for one in count(database, LATER)] == [2]
    assert [one.events for one in count(database, LATER)] == [3]
    assert count(database, LATER) == []
    assert read(database, LATER) == ({"github": 3}, False)


def test_a_day_begins_again_at_midnight(database: Database) -> None:
    receive(database, "github", NOON, NOON + 1)
    count(database, LATER)
    assert read(database, NOON + DAY) == ({"github": 0}, False)
    receive(database, "github", NOON + DAY)
    assert read(database, LATER + DAY) == ({"github": 1}, False)
    assert [(one.day, one.events) for one in count(database, LATER + DAY)] == [(day_of(NOW) + 1, 1)]
    assert read(database, LATER + DAY) == ({"github": 1}, False)


def test_a_count_of_the_future_is_not_used_once_the_clock_was_set_back(database: Database) -> None:
    receive(database, "github", NOON, NOON + 2 * HOUR)
    count(database, LATER + 3 * HOUR)
    count(database, LATER + 3 * HOUR)
    receive(database, "github", NOON + 1)
    assert read(database, NOON + HOUR) == ({"github": 3}, False)
    assert [one.events for one in count(database, NOON + HOUR)] == [2]
    assert read(database, NOON + HOUR) == ({"github": 3}, False)


def test_deleted_events_stay_counted(database: Database) -> None:
    receive(database, "github", NOON, NOON + 0.5)
    assert [one.events for one in count(database, LATER)] == [2]
    database.write(lambda connection: connection.execute(delete(event)))
    receive(database, "github", LATER + 1)
    assert read(database, LATER + 2) == ({"github": 3}, False)


def test_only_events_without_a_stored_count_are_limited(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_events, "MAX_COUNTED_TODAY", 2)
    receive(database, "github", NOON, NOON + 1, NOON + 2)
    assert read(database, LATER + 2) == ({"github": 2}, True)
    count(database, LATER + 2)
    receive(database, "github", LATER, LATER)
    assert read(database, LATER + 2) == ({"github": 5}, False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("ab"), st.floats(0, DAY - 1)),
            st.floats(0, DAY - 1).map(lambda at: (None, at)),
        )
    )
)
def test_whatever_the_moments_each_event_counts_once(
    sqlite: Database, steps: list[tuple[str | None, float]]
) -> None:
    database = sqlite
    database.write(lambda connection: connection.execute(delete(event)))
    database.write(lambda connection: connection.execute(delete(table)))
    received: Counter[str] = Counter()
    for source, at in sorted(steps, key=lambda one: one[1]):
        if source is None:
            count(database, MIDNIGHT + at)
        else:
            receive(database, source, MIDNIGHT + at)
            received[source] += 1
        assert read(database, MIDNIGHT + at) == (dict(received), False)


def test_a_count_reads_only_indexes(sqlite: Database) -> None:
    receive(sqlite, "github", NOON)
    plans = record_plans(sqlite)
    count(sqlite, LATER)
    read(sqlite, LATER)
    steps = [one.step for one in plans if " event " in one.step]
    assert steps and all("COVERING INDEX" in step for step in steps), steps


def test_the_job_writes_only_where_there_are_new_events(database: Database) -> None:
    job = DailyEventsJob(lambda: LATER)  # type: ignore[arg-type]  # only its time is asked
    with database.read() as connection:
        assert not job.count(connection)
    receive(database, "github", NOON)
    with database.read() as connection:
        assert job.count(connection)
    assert database.write(lambda connection: job.store(connection, LATER)) == 1
    with database.read() as connection:
        assert not job.count(connection)
