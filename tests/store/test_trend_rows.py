"""Trends in the store, on both databases: growth per minute, several machines, merges, deletion."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from records import NOW, make_delivery, make_event
from sqlalchemy import Connection, text

from bridge.core import trends
from bridge.core.errors import StoreError
from bridge.core.trends import MINUTE_SECONDS, Series, TrendKind
from bridge.core.units import DAY
from bridge.monitoring import counter_files
from bridge.monitoring.counter_files import COUNTERS_FOLDER, CountsFile
from bridge.monitoring.counters import Counts
from bridge.monitoring.metrics import ACK, ATTEMPTS, EVENTS, PROCESS_METRICS
from bridge.monitoring.trend_writer import TrendWriter
from bridge.monitoring.trends import COUNTERS, read_counters, read_values
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import trend_rows
from bridge.store.queries import status
from bridge.store.queries.trends import read_rows
from bridge.worker.maintenance.jobs import TrendJobs
from bridge.worker.maintenance.scheduler import Scheduler

MINUTE = trends.step_of(NOW)


def count(database: Database, node: str, at: int, **totals: float) -> int:
    """Add the counters of a node: accepted events by source."""
    series: Series = {(source, "accepted"): total for source, total in totals.items()}
    return database.write(
        lambda connection: trend_rows.add_counts(connection, node, at, {"events": series})
    )


def rows(database: Database, key: str = "events") -> list[tuple[int, dict[tuple[str, ...], float]]]:
    return list(read_rows(database, key, 0, 2**40))


def total(database: Database, key: str = "events") -> dict[tuple[str, ...], float]:
    return trends.combine(trends.TRENDS[key].kind, [series for _, series in rows(database, key)])


def prune(database: Database, now: float) -> dict[str, int]:
    gone: Counter[str] = Counter()
    for work in trend_rows.find_old(database, now):
        gone.update(database.write(work))
    return dict(+gone)


def test_a_minute_has_the_growth_of_the_counters(database: Database) -> None:
    assert count(database, "n1", MINUTE, github=40) == 0, "where the counting of a node begins"
    count(database, "n1", MINUTE + 60, github=43, stripe=2)
    assert count(database, "n1", MINUTE + 120, github=43, stripe=2) == 0
    count(database, "n1", MINUTE + 180, github=44, stripe=2)
    count(database, "n1", MINUTE + 180, github=46, stripe=2)
    assert rows(database) == [
        (MINUTE + 60, {("github", "accepted"): 3.0, ("stripe", "accepted"): 2.0}),
        (MINUTE + 180, {("github", "accepted"): 3.0}),
    ]


def test_counters_that_began_again_lose_nothing(database: Database) -> None:
    count(database, "n1", MINUTE, github=40)
    count(database, "n1", MINUTE + 60, github=41)
    count(database, "n1", MINUTE + 120, github=5)
    assert total(database) == {("github", "accepted"): 6.0}


def test_machines_add_up(database: Database) -> None:
    nodes = [f"n{number}" for number in range(4)]
    for node in nodes:
        count(database, node, MINUTE, github=100)

    def grow(node: str) -> None:
        for step in range(1, 6):
            count(database, node, MINUTE + step // 2 * 60, github=100 + step)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(grow, nodes))
    assert total(database) == {("github", "accepted"): 20.0}
    by_minute: Counter[int] = Counter()
    for at, series in rows(database):
        by_minute[at] += int(sum(series.values()))
    assert by_minute == {MINUTE: 4, MINUTE + 60: 8, MINUTE + 120: 8}


def test_one_node_counted_by_several_at_once_is_counted_once(database: Database) -> None:
    count(database, "n1", MINUTE, github=0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: count(database, "n1", MINUTE + 60, github=7), range(16)))
        list(pool.map(lambda _: count(database, "n2", MINUTE, github=7), range(16)))
    assert total(database) == {("github", "accepted"): 7.0}


def test_the_highest_value_of_a_minute_stays(database: Database) -> None:
    for depth in (3.0, 9.0, 5.0):
        values = {"queued": {("triage", "local"): depth}, "unknown": {}}
        assert database.write(
            lambda connection, values=values: trend_rows.add_highest(connection, MINUTE, values)
        )
    assert rows(database, "queued") == [(MINUTE, {("triage", "local"): 9.0})]
    assert rows(database, "unknown") == []


@pytest.mark.usefixtures("slow")
def test_minutes_are_merged_after_a_day_and_deleted_after_two_weeks(database: Database) -> None:
    begin = trends.step_of(NOW, 600)
    for node in ("n1", "n2"):
        count(database, node, begin - 60, github=0)
        for minute in range(120):
            count(database, node, begin + minute * 60, github=minute + 1)
    for minute in range(120):
        values = {"queued": {("triage", "local"): float(minute)}}
        database.write(
            lambda connection, values=values, at=begin + minute * 60: trend_rows.add_highest(
                connection, at, values
            )
        )
    assert len(rows(database)) == 240
    assert prune(database, begin + DAY - 1) == {}
    # an hour later than a day: the first hour is merged
    assert prune(database, begin + DAY + 3600) == {"trend": 120 - 6 + 60 - 6}
    found = rows(database)
    assert [(at - begin, sum(series.values())) for at, series in found[:7]] == [
        *((step, 20.0) for step in range(0, 3600, 600)),
        (3600, 1.0),
    ]
    assert rows(database, "queued")[0] == (begin, {("triage", "local"): 9.0})
    assert total(database) == {("github", "accepted"): 240.0}
    assert prune(database, begin + DAY + 3600) == {}, "merged rows stay as they are"
    assert prune(database, begin + DAY + 3 * 3600)["trend"] > 0
    assert len(rows(database)) == 12 and total(database) == {("github", "accepted"): 240.0}
    assert prune(database, begin + 14 * DAY + 1800) == {"trend": 6}
    assert prune(database, begin + 15 * DAY) == {"trend": 18}
    assert rows(database) == [] and rows(database, "queued") == []
    assert prune(database, begin + 100 * DAY) == {"trend_node": 2}


def test_merges_by_several_at_once_lose_nothing(database: Database) -> None:
    begin = trends.step_of(NOW, 600)
    count(database, "n1", begin - 60, github=0)
    for minute in range(60):
        count(database, "n1", begin + minute * 60, github=minute + 1)
    works = [list(trend_rows.find_old(database, begin + 2 * DAY)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda some: [database.write(work) for work in some], works))
    assert total(database) == {("github", "accepted"): 60.0}
    assert len(rows(database)) == 6


def test_rows_of_a_newer_version_are_merged_and_deleted(database: Database) -> None:
    with database.engine.begin() as connection:
        for minute in range(10):
            connection.execute(
                text(
                    "INSERT INTO trend (key, at, node, value) VALUES ('later', :at, '', '[[\"a\",1]]')"
                ),
                {"at": trends.step_of(NOW, 600) + minute * 60},
            )
    assert prune(database, NOW + 2 * DAY) == {"trend": 9}
    assert rows(database, "later")[0][1] == {("a",): 10.0}
    assert prune(database, NOW + 15 * DAY) == {"trend": 1}


def test_the_size_is_bounded(database: Database) -> None:
    """Many series of a minute become one row of bounded size."""
    count(database, "n1", MINUTE)
    many = {f"source{number}": 1.0 for number in range(3000)}
    count(database, "n1", MINUTE + 60, **many)
    [(_, series)] = rows(database)
    assert len(series) == trends.MAX_SERIES and sum(series.values()) == 3000


def jobs_of(
    database: Database, data: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[TrendJobs, Scheduler, list[float]]:
    """The jobs of a worker and its scheduler, by a clock that is set by hand."""
    clock = DatabaseClock(database)
    at = [NOW]
    monkeypatch.setattr(DatabaseClock, "__call__", lambda _: at[0])
    jobs = TrendJobs(data, clock)
    return jobs, Scheduler(database, clock, 1.0, jobs.jobs()), at


def test_the_worker_writes_what_was_counted_and_what_waits(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counts()
    file = CountsFile(tmp_path, counts)
    counts.add(EVENTS, "github", "accepted", by=5)
    file.write()
    _, scheduler, at = jobs_of(database, tmp_path, monkeypatch)
    scheduler.run_due()
    assert rows(database) == [], "what was counted before is where the counting begins"
    counts.add(EVENTS, "github", "accepted", by=3)
    counts.add(ATTEMPTS, "local", "started", by=2)
    for seconds in (0.004, 0.004, 0.04):
        counts.observe(ACK, seconds)
    file.write()
    event = make_event("1", now=NOW)
    events.add(database, event, [make_delivery(event, now=NOW)], lambda *_: [])
    scheduler.run_due()
    assert rows(database) == [], "the minute is not over"
    at[0] = NOW + MINUTE_SECONDS
    scheduler.run_due()
    assert rows(database) == [(MINUTE, {("github", "accepted"): 3.0})]
    assert rows(database, "attempts") == [(MINUTE, {("local", "started"): 2.0})]
    assert rows(database, "ack") == [(MINUTE, {("0.005",): 2.0, ("0.05",): 1.0})]
    assert rows(database, "queued") == [(MINUTE, {("triage", "local"): 1.0})]
    assert rows(database, "oldest") == [(MINUTE, {("triage", "local"): 60.0})]
    at[0] += MINUTE_SECONDS
    scheduler.run_due()
    assert len(rows(database)) == 1, "a minute in which nothing was counted has no row"
    assert len(rows(database, "oldest")) == 2


def test_a_minute_whose_commit_fails_is_written_by_the_next_check(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counts()
    file = CountsFile(tmp_path, counts)
    _, scheduler, at = jobs_of(sqlite, tmp_path, monkeypatch)
    scheduler.run_due()
    counts.add(EVENTS, "github", "accepted", by=3)
    file.write()
    event = make_event("1", now=NOW)
    events.add(sqlite, event, [make_delivery(event, now=NOW)], lambda *_: [])
    at[0] += MINUTE_SECONDS
    write = sqlite.write

    def fail(work: Callable[[Connection], int]) -> int:
        def doomed(connection: Connection) -> int:
            if work(connection):
                raise StoreError("the disk is full")
            return 0

        return write(doomed)

    with monkeypatch.context() as failing:
        failing.setattr(sqlite, "write", fail)
        scheduler.run_due()
    assert rows(sqlite) == rows(sqlite, "queued") == []
    scheduler.run_due()
    assert rows(sqlite) == [(MINUTE, {("github", "accepted"): 3.0})]
    assert rows(sqlite, "queued") == [(MINUTE, {("triage", "local"): 1.0})]


def test_a_restart_of_the_worker_loses_and_repeats_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counts()
    file = CountsFile(tmp_path, counts)
    jobs, scheduler, at = jobs_of(database, tmp_path, monkeypatch)
    scheduler.run_due()
    for _ in range(3):
        counts.add(EVENTS, "github", "accepted", by=2)
        file.write()
        at[0] += MINUTE_SECONDS
        scheduler.run_due()
        jobs.writer.close()
        counts.add(EVENTS, "github", "accepted")  # while no worker runs
        file.write()
        jobs = TrendJobs(tmp_path, DatabaseClock(database))
        scheduler = Scheduler(database, DatabaseClock(database), 1.0, jobs.jobs())
        scheduler.run_due()
    assert total(database) == {("github", "accepted"): 9.0}


def test_of_two_processes_of_a_data_folder_one_writes(database: Database, tmp_path: Path) -> None:
    counts = Counts()
    file = CountsFile(tmp_path, counts)
    at = [NOW]
    one, other = (TrendWriter(tmp_path, lambda: at[0]) for _ in range(2))
    elsewhere = TrendWriter(tmp_path / "other", lambda: at[0])

    def turn(writer: TrendWriter) -> bool:
        needed = writer.read()
        if needed:
            database.write(lambda connection: writer.write(connection, at[0]))
            writer.commit()
        return needed

    assert [turn(one), turn(other), turn(elsewhere)] == [True, False, True]
    counts.add(EVENTS, "github", "accepted", by=4)
    file.write()
    at[0] += MINUTE_SECONDS
    assert [turn(other), turn(one), turn(elsewhere)] == [False, True, False]
    one.close()
    counts.add(EVENTS, "github", "accepted", by=4)
    file.write()
    at[0] += MINUTE_SECONDS
    assert turn(other), "the other takes over, with the same name"
    assert total(database) == {("github", "accepted"): 8.0}
    with database.read() as connection:
        names = connection.execute(text("SELECT node FROM trend_node")).scalars().all()
    assert len(names) == 2 and (tmp_path / COUNTERS_FOLDER / "node").read_text() in names


def test_a_folder_that_cannot_be_written_is_tried_once_a_minute(
    database: Database, tmp_path: Path
) -> None:
    """Each try is logged: a full disk has no room for one in each heartbeat."""
    (tmp_path / COUNTERS_FOLDER).write_text("a file instead of the folder")
    at = [NOW]
    writer = TrendWriter(tmp_path, lambda: at[0])
    for _ in range(2):
        with pytest.raises(OSError, match="exists"):
            writer.read()
        assert not writer.read()
        at[0] += MINUTE_SECONDS
    (tmp_path / COUNTERS_FOLDER).unlink()
    assert writer.read()
    writer.close()


def test_every_counter_of_a_trend_is_a_metric_with_its_labels() -> None:
    assert {metric.name for metric in COUNTERS.values()} <= {each.name for each in PROCESS_METRICS}
    for name, metric in COUNTERS.items():
        assert trends.TRENDS[name].labels == metric.labels
    written = {*read_counters(Counts())} | {*read_values(status.WaitingWork([], {}, {}, 0, 0), NOW)}
    assert written == {*trends.TRENDS}
    kinds = {name: trends.TRENDS[name].kind for name in written - {"ack"}}
    for name, kind in kinds.items():
        assert (kind is TrendKind.COUNT) == (name in COUNTERS)


def test_the_name_of_the_counters_survives_a_torn_file(tmp_path: Path) -> None:
    folder = tmp_path / COUNTERS_FOLDER
    folder.mkdir()
    (folder / "node").write_bytes(b"\xff12")
    claimed = counter_files.claim_node(tmp_path)
    assert claimed is not None and counter_files.claim_node(tmp_path) is None
    os.close(claimed[1])
    again = counter_files.claim_node(tmp_path)
    assert again is not None and again[0] == claimed[0] and len(again[0]) == 16
    os.close(again[1])
