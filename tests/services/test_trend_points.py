"""Points of trends, on both databases, and the command that prints them."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from command_line import lines, run
from records import NOW, beat_at
from serving import Bridge, until

from bridge.core import trends
from bridge.core.errors import InvalidRequest
from bridge.core.trends import TRENDS, Series
from bridge.core.units import DAY
from bridge.services.trends import MAX_POINTS, read_trends
from bridge.store.db.database import Database
from bridge.store.operations import trend_rows

BEGIN = trends.step_of(NOW, 3600)


def add(database: Database, key: str, at: int, series: Series, node: str = "n1") -> None:
    """Store numbers of a minute, as the worker does."""

    def work(connection):  # type: ignore[no-untyped-def]
        if key in ("queued", "oldest", "unknown"):
            trend_rows.add_highest(connection, at, {key: series})
            return
        node_at = f"{node}-{key}-{at}"  # a node whose counters were at 0
        trend_rows.add_counts(connection, node_at, at, {})
        trend_rows.add_counts(connection, node_at, at, {key: series})

    database.write(work)


def test_points_have_no_gaps_and_add_up_over_machines(database: Database) -> None:
    for node in ("n1", "n2"):
        add(database, "events", BEGIN, {("github", "accepted"): 3.0}, node)
        add(database, "events", BEGIN + 120, {("stripe", "spam"): 1.0}, node)
    found = read_trends(database, "events", BEGIN, BEGIN + 259)
    assert found.step == 60
    assert [(point.at - BEGIN, point.value) for point in found.points] == [
        (0, 6.0),
        (60, 0.0),
        (120, 2.0),
        (180, 0.0),
    ]
    assert found.points[0].series == {("github", "accepted"): 6.0}
    assert found.points[0].p50 is None and found.points[1].series == {}
    wide = read_trends(database, "events", BEGIN, BEGIN + 240, step=120)
    assert [point.value for point in wide.points] == [6.0, 2.0]
    of_one = read_trends(database, "events", BEGIN, BEGIN + 240, only={"source": "stripe"})
    assert [point.value for point in of_one.points] == [0.0, 0.0, 2.0, 0.0]


def test_lengths_and_ages_are_the_highest(database: Database) -> None:
    add(database, "queued", BEGIN, {("a", "local"): 3.0, ("b", "local"): 9.0})
    add(database, "queued", BEGIN + 60, {("a", "local"): 5.0})
    [point] = read_trends(database, "queued", BEGIN, BEGIN + 120, step=120).points
    assert (point.value, point.series) == (9.0, {("a", "local"): 5.0, ("b", "local"): 9.0})


def test_durations_have_quantiles(database: Database) -> None:
    for node, place in (("n1", "0.005"), ("n2", "0.05")):
        add(database, "ack", BEGIN, {(place,): 50.0, ("inf",): 0.0}, node)
    point, empty = read_trends(database, "ack", BEGIN, BEGIN + 120).points
    assert (point.value, point.p50, point.series) == (100.0, 0.005, {})
    assert point.p99 is not None and 0.04 < point.p99 <= 0.05
    assert (empty.value, empty.p50, empty.p99) == (0.0, None, None)


@pytest.mark.parametrize(
    ("seconds", "step", "found", "count"),
    [
        (3600, None, 60, 60),
        (DAY, None, 600, 144),
        (2 * DAY, None, 3600, 48),
        (2 * DAY, 60, 600, 288),
        (2 * DAY, 900, 600, 288),
        (DAY, 60, 60, 1440),
        (400 * DAY, 3600, 3600, 14 * 24),
        (-60, None, 60, 0),
    ],
)
def test_the_step_follows_how_long_ago_it_begins(
    seconds: float, step: int | None, found: int, count: int
) -> None:
    now = trends.step_of(NOW, 3600)
    points = read_trends(None, "events", now - seconds, now, step)
    assert (points.step, len(points.points)) == (found, count)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="there is no trend 'event'; did you mean `events`"):
        read_trends(None, "event", NOW - 60, NOW)
    with pytest.raises(InvalidRequest, match="the trend ack has no route; it has seconds"):
        read_trends(None, "ack", NOW - 60, NOW, only={"route": "a"})
    for step in (0, 59, 90):
        with pytest.raises(InvalidRequest, match="whole number of minutes"):
            read_trends(None, "ack", NOW - 60, NOW, step)
    with pytest.raises(InvalidRequest, match=r"2,016 points; at most 1,500"):
        read_trends(None, "ack", NOW - 14 * DAY, trends.step_of(NOW, 600), 600)
    assert MAX_POINTS > 24 * 60


def test_a_new_bridge_says_when_its_first_numbers_come(database: Database) -> None:
    def read(now: float) -> float | None:
        return read_trends(database, "events", BEGIN, now).first_at

    assert read(BEGIN + 7) is None  # no worker runs
    beat_at(database, BEGIN + 7)
    assert read(BEGIN + 7) == BEGIN + 60
    beat_at(database, BEGIN + 67)
    # as `TrendWriter` writes in the minute after `BEGIN`: what the counters are
    database.write(lambda connection: trend_rows.add_counts(connection, "n1", BEGIN, {}))
    assert read(BEGIN + 67) == BEGIN + 120
    assert read(BEGIN + 127) is None  # nothing happened in the first minute
    database.write(lambda connection: trend_rows.add_counts(connection, "n2", BEGIN + 60, {}))
    assert read(BEGIN + 127) is None


def test_a_stored_number_is_the_first(database: Database) -> None:
    add(database, "queued", BEGIN, {("a", "local"): 3.0})
    assert read_trends(database, "events", BEGIN, BEGIN + 67).first_at is None


def test_the_command_prints_no_list_of_zeros(store: Database) -> None:
    store.write(lambda connection: trend_rows.add_counts(connection, "n1", 0, {}))
    for name in ("events", "ack"):
        printed = run("trends", name, "--since", "10m")
        assert (printed.exit_code, printed.stdout) == (0, "")
        assert printed.stderr == "No number is above 0.\n"


def test_the_command_promises_no_numbers_without_a_worker(store: Database) -> None:
    assert run("trends", "events").stderr == "No number is above 0.\n"
    beat_at(store, time.time())
    assert "the first numbers come at" in run("trends", "events").stderr


def test_the_command_says_when_the_first_numbers_come(store: Database) -> None:
    beat_at(store, time.time())
    for arguments in (("trends", "events"), ("trends", "ack", "--json")):
        said = run(*arguments).stderr
        assert re.search(r"Counted once a minute; the first numbers come at \d\d:\d\d UTC\.", said)


def test_after_a_merge_the_points_of_ten_minutes_are_the_same(database: Database) -> None:
    for minute in range(0, 60, 7):
        add(database, "events", BEGIN + minute * 60, {("github", "accepted"): float(minute + 1)})
    now = BEGIN + 26 * 3600

    def points() -> list[tuple[int, float]]:
        found = read_trends(database, "events", BEGIN, now, 600)
        return [(point.at, point.value) for point in found.points]

    before = points()
    for work in trend_rows.find_old(database, now):
        database.write(work)
    assert points() == before and sum(value for _, value in before) > 0


def test_the_command_prints_points(store: Database) -> None:
    import time

    minute = trends.step_of(time.time()) - 120
    add(store, "events", minute, {("github", "accepted"): 3.0, ("form", "spam"): 1.0})
    add(store, "ack", minute, {("0.005",): 4.0})
    found = lines(run("trends", "events", "--since", "10m", "--json"))
    [point] = [one for one in found if one["value"]]
    assert point["series"] == [
        {"labels": {"source": "github", "outcome": "accepted"}, "value": 3.0},
        {"labels": {"source": "form", "outcome": "spam"}, "value": 1.0},
    ]
    assert {*point} == {"name", "at", "step", "value", "p50", "p99", "series"}
    assert (point["name"], point["step"], point["p50"]) == ("events", 60, None)
    assert 9 <= len(found) <= 11
    assert run("trends", "events", "--since", "10m").stderr == ""
    shown = run("trends", "events", "--since", "10m").stdout
    assert shown.startswith("AT") and "github accepted 3, form spam 1" in shown
    of_form = run("trends", "events", "--since", "10m", "--source", "form").stdout
    assert "form spam 1" in of_form and "github" not in of_form
    latency = run("trends", "ack", "--since", "10m").stdout
    assert "COUNT" in latency and "2.5 ms" in latency


def test_the_command_lists_the_trends_and_refuses_what_is_not_there(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    assert [one["name"] for one in lines(run("trends", "--json"))] == [*TRENDS]
    assert all(name in run("trends").stdout for name in TRENDS)
    assert {one["value"] for one in lines(run("trends", "events", "--json"))} == {0.0}
    for arguments, said in (
        (("evens",), "did you mean `events`"),
        (("ack", "--route", "a"), "the trend ack has no route"),
        (("ack", "--step", "90s"), "whole number of minutes"),
        (("--since", "1h"), "which trend?"),
    ):
        refused = run("trends", *arguments)
        assert (refused.exit_code, refused.stdout) == (2, "") and said in refused.stderr
    assert not (folder / "data" / "flowbridge.db").exists()


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("command", ["serve", "web", "work"])
def test_every_kind_of_process_writes_trends(tmp_path: Path, command: str) -> None:
    """A machine with receivers only counts too: it has a data folder of its own."""
    with Bridge(tmp_path, command) as bridge:
        until(lambda: bridge.count("trend_node") == 1, what="the counters of the data folder")
