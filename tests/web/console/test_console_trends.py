"""`/trends`: the charts of a window, as drawings and as tables, and the small ones elsewhere."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from admin_client import NO_CONFIG
from console_client import ConsoleClient
from records import beat_at, make_delivery, make_event

from bridge.core.model import DeadKind, Status
from bridge.core.scopes import Scope
from bridge.core.trends import TRENDS, step_of
from bridge.core.units import iso
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import trend_rows
from bridge.web.console.trend_charts import (
    OTHER,
    ChartWords,
    draw_counts,
    draw_durations,
    draw_values,
)
from bridge.web.console.views.trends import CHARTS, WINDOWS

STEP = 3600
WORDS = ChartWords(
    what="things",
    span="a day",
    write=lambda value: f"{value:g}",
    link=lambda since, until: f"{since} {until}",
)


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    made = ConsoleClient(database, tmp_path, NO_CONFIG)
    made.log_in((Scope.READ,))
    return made


def add_trends(database: Database) -> None:
    """Store what happened half an hour ago."""
    at = step_of(time.time()) - 1800
    empty = {name: {} for name, one in TRENDS.items() if one.kind != "highest"}
    grown = {
        "events": {("github", "stored"): 37.0, ("contact", "stored"): 5.0},
        "rejects": {("github", "mismatch"): 3.0},
        "ack": {("0.01",): 99.0, ("0.5",): 1.0},
        "runs": {("triage", "done"): 8.0, ("triage", "failed"): 2.0},
    }
    for minute, counters in ((at - 60, {}), (at, grown)):
        counted = {**empty, **counters}
        database.write(
            partial(trend_rows.add_counts, node="n", at=minute, counters=counted)  # type: ignore[arg-type]
        )
    waiting = {"queued": {("triage", "local"): 12.0}, "oldest": {("triage", "local"): 61.0}}
    database.write(partial(trend_rows.add_highest, at=at, values=waiting))


def put_delivery(database: Database, route: str) -> None:
    event = make_event(None)
    events.add(database, event, (make_delivery(event, route),), lambda *_: [])


def points(*series: dict[str, float]) -> list[dict[str, object]]:
    return [
        {
            "at": iso(float(number * STEP)),
            "step": STEP,
            "value": sum(one.values()),
            "p50": one.get("p50"),
            "p99": one.get("p99"),
            "series": [{"labels": {"by": name}, "value": value} for name, value in one.items()],
        }
        for number, one in enumerate(series)
    ]


def test_each_chart_is_a_drawing_with_a_sentence_and_a_table(console: ConsoleClient) -> None:
    add_trends(console.database)
    html = console.html("/trends?window=1h")
    for text in (
        "Events received: 42 events in an hour, all in 2 minutes",
        "3 rejects in an hour",
        "Time until an event was stored in an hour: at most",
        "Deliveries that waited, by route in an hour: at most 12",
        "at most 1 min 1 s",
        "10 ended runs in an hour",
        "No deliveries in an hour",
    ):
        assert text in html, text
    assert html.count('role="img"') == html.count("As table") == 6
    assert "style=" not in html
    assert re.search(r'href="/console/events\?since=\d[^"]+&amp;until=\d[^"]+"', html)


def test_the_link_of_a_step_opens_a_list(console: ConsoleClient) -> None:
    add_trends(console.database)
    event = make_event(now=time.time() - 1800)
    events.add(console.database, event, (), lambda *_: [])
    html = console.html("/trends?window=24h&source=github")
    links = re.findall(r'tabindex="-1" href="/console(/events\?[^"]+)"', html)
    assert links
    assert any(event.id in console.html(one.replace("&amp;", "&")) for one in links)


def test_one_source_or_route(console: ConsoleClient) -> None:
    add_trends(console.database)
    html = console.html("/trends?window=24h&source=github")
    assert "37 events in 24 hours" in html and "ended runs" not in html
    assert "Not counted by source" in html and "<option selected>github</option>" in html
    html = console.html("/trends?route=triage")
    assert "10 ended runs in 24 hours" in html and "Events received:" not in html
    assert "&amp;window=14d" in html  # the other windows have the filter too
    put_delivery(console.database, "other")
    assert "No ended runs" in console.html("/trends?route=other")
    assert "No trend is counted by" in console.html("/trends?route=triage&source=github")


def test_a_name_that_nothing_knows_is_refused(console: ConsoleClient) -> None:
    for query in ("source=githab", "route=triagge"):
        answer = console.get(f"/trends?{query}")
        assert (answer.status_code, "There is no " in answer.text) == (400, True), query
    add_trends(console.database)  # of a source and a route that nothing else knows any more
    for query in ("source=contact", "route=triage"):
        assert console.get(f"/trends?{query}").status_code == 200, query


def test_a_new_bridge_says_when_its_first_numbers_come(console: ConsoleClient) -> None:
    beat_at(console.database, time.time())
    words = "Counted once a minute; the first numbers come at "
    html = console.html("/trends")
    assert html.count(words) == len(CHARTS) and "No events in" not in html


def test_every_window_without_data_and_wrong_parameters(console: ConsoleClient) -> None:
    console.database.write(lambda connection: trend_rows.add_counts(connection, "n1", 0, {}))
    for window in WINDOWS:
        html = console.html(f"/trends?window={window}")
        assert 'role="img"' not in html and "No events in" in html
        assert len(re.findall(r'<section class="panel"', html)) == len(CHARTS)
    for query in ("window=2h", "rout=x", "source=a&source=b", "source=%00", f"route={'x' * 300}"):
        assert console.get(f"/trends?{query}").status_code == 400, query
    assert "did you mean route?" in console.get("/trends?rout=x").text


def test_rows_name_trends_and_labels_that_exist() -> None:
    for row in CHARTS:
        assert not row.by or row.by in TRENDS[row.trend].labels


def test_bars_are_stacked_and_rare_series_are_one() -> None:
    chart = draw_counts(points({"a": 3, "b": 1}, {}, {"b": 2}), "by", WORDS)
    assert [(one.number, one.x, one.y, one.height) for one in chart.bars] == [
        (0, 0, 24.0, 72.0),
        (1, 0, 0.0, 24.0),
        (1, 24, 48.0, 48.0),
    ]
    assert [(one.texts, one.url) for one in chart.steps] == [
        (["3", "1"], "1970-01-01T00:00:00.000000Z 1970-01-01T01:00:00.000000Z"),
        (["–", "–"], None),
        (["–", "2"], "1970-01-01T02:00:00.000000Z 1970-01-01T03:00:00.000000Z"),
    ]
    many = draw_counts(points({f"s{number}": 10 - number for number in range(8)}), "by", WORDS)
    assert [name for name, _ in many.legend] == ["s0", "s1", "s2", "s3", OTHER]
    assert many.legend[-1] == (OTHER, "18")
    assert draw_counts([], "by", WORDS).is_empty


def test_lines_pause_where_there_is_no_value() -> None:
    chart = draw_durations(points({"p50": 1, "p99": 4}, {}, {"p50": 2, "p99": 2}), WORDS)
    assert [(one.number, one.points) for one in chart.lines] == [
        (0, "0,72.0 12,72.0"),
        (0, "24,48.0 36,48.0"),
        (1, "0,0.0 12,0.0"),
        (1, "24,48.0 36,48.0"),
    ]
    chart = draw_values(points({"a": 0.0}, {"a": 5}), "by", WORDS)
    assert chart.lines[0].points == "0,96.0 12,96.0 12,0.0 24,0.0"
    assert draw_values(points({"a": 0.0}), "by", WORDS).is_empty


def test_one_thing_is_named_in_the_singular() -> None:
    words = replace(WORDS, one="thing")
    assert draw_counts(points({"a": 1.0}), "by", words).sentence == "1 thing in a day"
    assert draw_counts(points({"a": 2.0}), "by", words).sentence.startswith("2 things in a day, ")
    assert draw_counts(points({"a": 0.0}), "by", words).sentence == "No things in a day"


@pytest.mark.parametrize(
    ("hours", "values", "rest"),
    [
        (25, {0: 3}, ", all in an hour"),
        (25, {0: 2, 1: 1}, ", at most 2 in an hour"),  # 2.9 a day says no more than 3
        (7 * 24, {0: 2, 1: 1}, ", 0.4 a day on average, at most 2 in an hour"),
        (25, {0: 20, 1: 30}, ", 2.0 an hour on average, at most 30 in an hour"),
    ],
)
def test_a_sentence_repeats_no_number(hours: int, values: dict[int, int], rest: str) -> None:
    steps: list[dict[str, float]] = [
        {"a": values[hour]} if hour in values else {} for hour in range(hours)
    ]
    total = sum(values.values())
    sentence = draw_counts(points(*steps), "by", WORDS).sentence
    assert sentence == f"{total} things in a day{rest}"


def test_small_charts_are_on_the_overview_and_beside_causes(console: ConsoleClient) -> None:
    assert 'class="spark"' not in console.html("/")
    add_trends(console.database)
    assert 'aria-label="42 events in 24 hours' in console.html("/")
    event = make_event()
    dead = make_delivery(
        event,
        status=Status.DEAD,
        dead_kind=DeadKind.PLATFORM,
        reason="HTTP 401",
        finished_at=time.time() - 60,
    )
    events.add(console.database, event, (dead,), lambda *_: [])
    assert 'aria-label="1 died in 24 hours' in console.html("/causes")
