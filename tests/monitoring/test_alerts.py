"""Alerts: told once, not again after a restart or by two, bounded in a flood; what is usual; the
source that is flowbridge's own.
"""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import lines, run
from folders import DOCS
from hypothesis import given, settings
from hypothesis import strategies as st
from overviews import WELL
from records import make_delivery, make_event, put
from sqlalchemy import text

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.advice import Advice
from bridge.core.alert import Alert
from bridge.core.errors import ConfigError
from bridge.core.model import OWN_SOURCE_NAME
from bridge.core.rate_limits import Rate
from bridge.core.status import RunCounts, SourceStatus
from bridge.core.timings import TIMINGS
from bridge.monitoring import alerts as alert_states
from bridge.monitoring.alerts import (
    MAX_NOTICES,
    QUIET_SECONDS,
    RAISED,
    REPEAT_SECONDS,
    RESOLVED,
    Notice,
    update_alerts,
)
from bridge.monitoring.conditions import CONDITIONS, HealthProblem, find_problems
from bridge.providers.registry import PROVIDERS
from bridge.routing.model import Config, Source
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import alerts, baselines, expected
from bridge.store.queue import heartbeats
from bridge.worker.maintenance.alerts import AlertJob, expected_sources_job, store_alert
from bridge.worker.maintenance.scheduler import Scheduler

NOW = 1_790_000_000.0
GONE = TIMINGS.alert_resolve_seconds
HOLDS = CONDITIONS["dead"].hold_seconds
LOOK = Advice("look")
DEAD = HealthProblem("dead", "3 deliveries died", LOOK)
ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {}
routes:
  - {name: tell, on: flowbridge alert.*, inputs: {text: "${body.summary}", severity: "${body.severity}"}, flow: local/echo}
"""


def follow(looks: list[tuple[float, list[HealthProblem]]]) -> list[tuple[float, Notice]]:
    """Return what is told at the given looks, each (seconds, what is wrong)."""
    known: dict[str, Alert] = {}
    told = []
    for at, found in looks:
        known, notices = update_alerts(known, found, NOW + at)
        told += [(at, notice) for notice in notices]
    return told


def every(
    seconds: float, until: float, found: list[HealthProblem], since: float = 0.0
) -> list[tuple[float, list[HealthProblem]]]:
    return [(since + at * seconds, found) for at in range(int((until - since) / seconds))]


def test_what_lasts_is_told_once_a_day_and_its_end_once() -> None:
    told = follow(
        [
            *every(30, 2 * REPEAT_SECONDS, [DEAD]),
            *every(30, 3 * REPEAT_SECONDS, [], since=2 * REPEAT_SECONDS),
        ]
    )
    assert [(at, one.type) for at, one in told] == [
        (HOLDS, RAISED),
        (HOLDS + REPEAT_SECONDS, RAISED),
        (2 * REPEAT_SECONDS + GONE - 30, RESOLVED),
    ]
    assert told[-1][1].alert.since == NOW


def test_what_is_over_before_it_held_is_not_told() -> None:
    assert follow([(0, [DEAD]), (30, []), (30 + GONE, []), (1000, [])]) == []


def test_what_comes_and_goes_is_told_at_most_twice_an_hour() -> None:
    looks = [(float(at), [DEAD] if at % 1200 < 600 else []) for at in range(0, 86400, 30)]
    told = follow(looks)
    assert 2 <= len(told) <= 2 * 24
    raised = [at for at, one in told if one.type == RAISED]
    assert min(later - at for at, later in itertools.pairwise(raised)) >= QUIET_SECONDS


@pytest.mark.parametrize("is_over", [False, True], ids=["raised", "resolved"])
def test_a_clock_that_is_set_back_by_years_holds_up_no_alert(is_over: bool) -> None:
    ahead = 1e8
    raised = [(ahead, [DEAD]), (ahead + HOLDS, [DEAD])]
    resolved = [(ahead + HOLDS + GONE, [])] if is_over else []
    told = follow(
        [
            *raised,
            *resolved,
            *every(30, 3600, []),
            *every(30, 7800, [DEAD], since=3600),
        ]
    )
    after = [one.type for at, one in told if at < ahead]
    assert after == ([] if is_over else [RESOLVED]) + [RAISED]


def test_a_clock_that_is_set_back_leaves_out_no_resolution() -> None:
    """Those beyond the limit wait while their times lie ahead."""
    ahead = 1e8
    many = [HealthProblem(f"silence:s{number}", "quiet", LOOK) for number in range(MAX_NOTICES)]
    more = [HealthProblem(f"silence:t{number}", "quiet", LOOK) for number in range(MAX_NOTICES)]
    told = follow(
        [
            *every(300, ahead + 3600, many, since=ahead),
            *every(300, ahead + 5400, [*many, *more], since=ahead + 3600),
            *every(300, ahead + 6900, [], since=ahead + 5400),
            *every(300, 7200, []),
        ]
    )
    ends = Counter(one.alert.key for _, one in told if one.type == RESOLVED)
    assert {one.key for one in (*many, *more)} == ends.keys()
    assert set(ends.values()) == {1}


def test_a_pending_alert_is_raised_after_the_clock_is_set_back() -> None:
    told = follow([(1e8, [DEAD]), *every(30, 300, [DEAD])])
    assert [(at, one.type) for at, one in told] == [(HOLDS, RAISED)]


def test_a_flood_of_conditions_is_told_a_few_at_a_time() -> None:
    flood = [HealthProblem(f"silence:s{number}", "quiet", LOOK) for number in range(3000)]
    known: dict[str, Alert] = {}
    told = []
    for at in range(0, 7200, 300):
        known, notices = update_alerts(known, flood, NOW + at)
        told.append(len(notices))
    assert sum(told[:12]) == MAX_NOTICES
    assert sum(told) <= 3 * MAX_NOTICES
    assert len(known) == alert_states.MAX_ALERTS + 1
    assert known["flood"].what == "too many alerts to send each of them: 2961 of silence"
    for at in (7200, 7500):
        known, notices = update_alerts(
            known, [*flood, HealthProblem("circuit_open:crm", "not called", LOOK)], NOW + at
        )
    assert [one.alert.key for one in notices if one.alert.severity == "critical"] == [
        "circuit_open:crm"
    ], "it does not wait for warnings"


def test_resolutions_take_nothing_from_the_alerts_of_their_hour() -> None:
    many = [HealthProblem(f"silence:s{number}", "quiet", LOOK) for number in range(MAX_NOTICES)]
    new = HealthProblem("silence:new", "quiet", LOOK)
    told = follow(
        [
            *every(300, 7200, many),
            *every(300, 9000, [], since=7200),
            *every(300, 9900, [new], since=9000),
        ]
    )
    types = [one.type for _, one in told]
    assert types == [RAISED] * MAX_NOTICES + [RESOLVED] * MAX_NOTICES + [RAISED]
    assert told[-1][1].alert.key == new.key


KEYS = [
    f"{condition}:{number}"
    for condition in ("silence", "circuit_open", "starts_held")
    for number in range(30)
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([30.0, 300.0, 1800.0]), st.sets(st.sampled_from(KEYS))),
        max_size=50,
    )
)
def test_whatever_comes_and_goes_what_is_told_is_bounded_and_each_end_is_told(
    looks: list[tuple[float, set[str]]],
) -> None:
    at = 0.0
    told = []
    known = dict[str, Alert]()
    for seconds, keys in [*looks, *[(600.0, set[str]())] * 60]:
        at += seconds
        known, notices = update_alerts(
            known, [HealthProblem(key, "wrong", LOOK) for key in sorted(keys)], NOW + at
        )
        told += [(at, one.type, one.alert) for one in notices]
    for since, *_ in told:
        lately = [
            (type_, alert) for at, type_, alert in told if since <= at < since + QUIET_SECONDS
        ]
        assert max(Counter((type_, alert.key) for type_, alert in lately).values()) == 1
        one_by_one = Counter(
            (type_, alert.severity) for type_, alert in lately if alert.key != "flood"
        )
        assert max(one_by_one.values(), default=0) <= MAX_NOTICES
    for key in {alert.key for *_, alert in told}:
        types = [type_ for _, type_, alert in told if alert.key == key]
        assert types == [RAISED, RESOLVED] * (len(types) // 2)
    assert all(alert.is_resolution_notified for alert in known.values())


def test_two_that_tell_the_same_make_the_same_event() -> None:
    (_, notice), *_ = follow(every(30, 300, [DEAD]))
    one, other = (
        alert_states.make_event(notice, id_, "c" * 64, NOW + at)
        for id_, at in (("evt_1", 0), ("evt_2", 1))
    )
    assert one.provider_id == other.provider_id
    assert b'"condition":"dead"' in one.body and b'"what_to_do":"look"' in one.body


# -- in the store, by a worker's housekeeping


@pytest.fixture
def config(tmp_path: Path) -> object:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    return load(tmp_path / "routes.yaml", {})


def alarm(database: Database, folder: Path, config: object) -> AlertJob:
    environ = {
        "FLOWBRIDGE_DATA": str(folder),
        "FLOWBRIDGE_SECRET_KEY": "k" * 32,
        "FLOWBRIDGE_CONFIG": str(folder / "routes.yaml"),
    }
    settings = load_settings(environ)
    return AlertJob(settings, lambda: config, database)  # type: ignore[arg-type, return-value]


def kept(database: Database) -> list[tuple[str, str, str]]:
    query = (
        "SELECT event.type, route, inputs FROM event JOIN delivery ON event_id = event.id WHERE"
        " source = 'flowbridge' ORDER BY event.seq"
    )
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_a_restart_and_a_second_node_tell_nothing_twice(
    database: Database, tmp_path: Path, config: object
) -> None:
    for index, at in enumerate([0.0, HOLDS, HOLDS + 30, HOLDS + 60]):
        one = alarm(database, tmp_path, config)  # another process each time
        one._found = [replace(DEAD, what=f"{index} died")]
        database.write(lambda connection, one=one, at=at: one.store_changes(connection, NOW + at))
    ((type_, route, inputs),) = kept(database)
    assert (type_, route) == (RAISED, "tell")
    assert '"1 died"' in inputs and '"warning"' in inputs
    with database.read() as connection:
        assert alerts.read(connection)["dead"].what == "3 died"


def test_ten_thousand_dead_letters_are_one_alert(
    sqlite: Database, tmp_path: Path, config: object
) -> None:
    one = alarm(sqlite, tmp_path, config)
    for number in range(0, 10_000, 100):
        one._found = [replace(DEAD, what=f"{number} died")]
        sqlite.write(lambda connection, number=number: one.store_changes(connection, NOW + number))
    assert len(kept(sqlite)) == 1


def test_the_leader_looks_by_itself(
    database: Database, tmp_path: Path, config: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bridge.worker.maintenance.alerts.find_problems",
        lambda _: [HealthProblem("queue_late:r:p", "late", LOOK)],
    )
    keeper = Scheduler(
        database, DatabaseClock(database), 1.0, (alarm(database, tmp_path, config).job(),)
    )
    other = Scheduler(
        database, DatabaseClock(database), 1.0, (alarm(database, tmp_path, config).job(),)
    )
    for each in (keeper, other, keeper, other):
        each.run_due()
    keeper._leadership.release()
    other.run_due()
    other._leadership.release()
    assert [type_ for type_, *_ in kept(database)] == [RAISED]


def test_a_test_goes_the_way_of_alerts_and_its_event_can_be_planned_again(
    database: Database, config: object
) -> None:
    assert (
        len(
            database.write(
                lambda connection: store_alert(
                    connection, alert_states.make_test_notice(NOW), config, NOW
                )
            )
        )
        == 1
    )  # type: ignore[arg-type]
    assert kept(database)[0][:2] == ("alert.test", "tell")


def died(database: Database, at: float) -> None:
    """Keep a delivery that died then."""
    event = make_event(None, now=at)
    one = make_delivery(event)
    events.add(database, event, [one], lambda *_: [])
    put(database, one.id, status="dead", finished_at=at)


def test_the_commands(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    assert "No alert is raised." in run("alerts").stdout
    found = run("alerts", "test", "--no-wait")
    assert (found.exit_code, "1 delivery planned" in found.stdout) == (0, True)
    died(store, time.time())
    one = Alert(
        key="nothing_runs",
        severity="critical",
        what="nothing runs",
        do="look",
        since=NOW,
        seen_at=NOW,
    )
    store.write(lambda connection: alerts.replace(connection, [one]))
    (said,) = lines(run("alerts", "--json"))
    assert (said["condition"], said["subject"], said["state"], said["over"]) == (
        "nothing_runs",
        None,
        "pending",
        False,
    )
    raised = replace(one, key="dead", since=NOW - 1, raised_at=NOW, told_at=NOW, told=1)
    store.write(lambda connection: alerts.replace(connection, [one, raised]))
    listed = run("alerts")
    assert (
        re.search(r"raised +once ", listed.stdout)
        and re.search(r"pending +not yet ", listed.stdout)
        and listed.stderr == ""
    )
    assert [said["notified"] for said in lines(run("alerts", "--json"))] == [1, 0]
    (folder / "routes.yaml").write_text("version: 1\nroutes: []\n")
    assert run("alerts", "test").exit_code == 1
    listed = run("alerts")
    assert re.search(r"raised +no route ", listed.stdout) and "told" not in listed.stdout
    assert (
        "note: no notification is sent: no route in routes.yaml subscribes to alerts.\n"
        in listed.stderr
    )
    assert "Add one with `on: flowbridge alert.*`" in listed.stderr
    assert [said["notified"] for said in lines(run("alerts", "--json"))] == [0, 0]


def test_an_alert_whose_trouble_is_over_says_so_and_when_the_all_clear_is_sent(
    store: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    now = time.time()
    pending = Alert(
        key="circuit_open:crm",
        severity="warning",
        what="not called",
        do="look",
        since=now,
        seen_at=now,
    )
    raised = replace(pending, key="dead", what="3 died", raised_at=now, told_at=now, told=1)
    # only the worker sees it
    skewed = replace(pending, key="clock_skew:api.example.com", what="ahead")
    store.write(lambda connection: alerts.replace(connection, [pending, raised, skewed]))
    text = run("alerts").stdout
    assert re.search(r" over +not yet +not called\n", text)
    assert re.search(r" over +once +3 died\n", text)
    assert re.search(r" pending +not yet +ahead\n", text)
    store.write(lambda connection: heartbeats.beat(connection, "w", "here", 1, time.time()))
    found = {said["key"]: (said["state"], said["over"]) for said in lines(run("alerts", "--json"))}
    assert found == {
        "circuit_open:crm": ("pending", True),
        "dead": ("raised", True),
        skewed.key: ("pending", False),
    }
    assert [said["subject"] for said in lines(run("alerts", "--json"))] == [
        "crm",
        "api.example.com",
        None,
    ]
    died(store, now)  # it is there again
    assert re.search(r" raised +once +3 died\n", run("alerts").stdout)


def test_the_all_clear_is_sent_by_the_time_that_is_named() -> None:
    known, notices = update_alerts({}, [DEAD], NOW)
    for at in range(30, 330, 30):
        known, _ = update_alerts(known, [DEAD], NOW + at)
    seen = known[DEAD.key]
    (over,) = [
        at
        for at in range(330, 1200, 30)
        if (notices := update_alerts(known, [], NOW + at)[1]) and notices[0].type == RESOLVED
    ][:1]
    assert NOW + over <= alert_states.find_resolve_time(seen) and alert_states.has_ended(
        seen, set(), NOW + over
    )


# -- the source of flowbridge's own


def test_nobody_can_claim_the_source(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(
        "version: 1\nsources: {flowbridge: {provider: github, secret: 0123456789abcdefgh}}\n"
    )
    with pytest.raises(ConfigError, match="flowbridge's own alerts"):
        load(tmp_path / "routes.yaml", {})


def test_it_has_no_url(config: object) -> None:
    assert OWN_SOURCE_NAME not in config.sources  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("written", "expect"),
    [("1 per 6h", Rate(count=1, per=21600.0)), ("none", Rate(count=0, per=86400.0))],
)
def test_what_is_expected(tmp_path: Path, written: str, expect: Rate) -> None:
    source = f"{{provider: github, secret: '${{env:S}}', expect: {written}}}"
    (tmp_path / "routes.yaml").write_text(f"version: 1\nsources: {{g: {source}}}\n")
    assert load(tmp_path / "routes.yaml", {"S": "x" * 32}).sources["g"].expect == expect


# -- what is usual


SILENT = SourceStatus(name="g", last_at=WELL.at - 7 * 3600)


@pytest.mark.parametrize(
    ("source", "key"),
    [
        (replace(SILENT, expect=Rate(count=1, per=21600.0)), "silence:g"),
        (replace(SILENT, expect=Rate(count=1, per=21600.0), heard=1), None),
        (replace(SILENT, expect=Rate(count=0, per=86400.0)), None),
        (
            replace(
                SILENT,
                last_at=None,
                expect=Rate(count=1, per=21600.0),
                expected_since=WELL.at - 21600,
            ),
            "silence:g",
        ),
        (
            replace(
                SILENT,
                last_at=None,
                expect=Rate(count=1, per=21600.0),
                expected_since=WELL.at - 21599,
            ),
            None,
        ),
        (replace(SILENT, last_at=None, expect=Rate(count=1, per=21600.0)), None),
        (
            replace(
                SILENT,
                last_at=WELL.at - 60,
                expect=Rate(count=9, per=21600.0),
                heard=1,
                expected_since=WELL.at - 3600,
            ),
            None,
        ),
        (
            replace(
                SILENT,
                last_at=WELL.at - 60,
                expect=Rate(count=9, per=21600.0),
                heard=1,
                expected_since=WELL.at - 90000,
            ),
            "silence:g",
        ),
        (replace(SILENT, speaks_by=WELL.at - 1), "silence:g"),
        (replace(SILENT, speaks_by=WELL.at + 1), None),
        (replace(SILENT, speaks_by=WELL.at - 1, is_configured=False), None),
        (replace(SILENT, last_at=None, silent_since=WELL.at - 9), "silence:g"),
        (replace(SILENT, speaks_by=WELL.at + 1, silent_since=WELL.at - 9), "silence:g"),
        (replace(SILENT, last_at=WELL.at - 60, silent_since=WELL.at - 90), None),
        (replace(SILENT, last_at=WELL.at - 300, silent_since=WELL.at - 299), None),
        (SILENT, None),
        (replace(SILENT, rejected_lately=100, rejected_usually=2.0), "rejects:g"),
        (replace(SILENT, rejected_lately=100, rejected_usually=90.0), None),
        (replace(SILENT, last_at=WELL.at - 600, rejected_lately=20), None),
        (replace(SILENT, rejected_lately=10), "rejects:g"),
        (replace(SILENT, rejected_lately=9), None),
        (replace(SILENT, rejected_lately=10, rejected_usually=4.0), None),
        (replace(SILENT, rejected_lately=10, is_configured=False), None),
        (replace(SILENT, rejected_today=10), "rejects:g"),
        (replace(SILENT, rejected_today=9), None),
        (replace(SILENT, rejected_today=10, today=1), None),
        (replace(SILENT, rejected_today=70, rejected_usually=1.0), None),
        (replace(SILENT, rejected_today=10, is_configured=False), None),
        (replace(SILENT, last_at=None, rejected_today=3), "rejects:g"),
        (replace(SILENT, last_at=None, rejected_today=2), None),
        (replace(SILENT, last_at=None, rejected_today=3, is_configured=False), None),
        (replace(SILENT, last_at=None, rejected_today=100, rejected_lately=100), "rejects:g"),
    ],
)
def test_what_is_not_usual_of_a_source(source: SourceStatus, key: str | None) -> None:
    assert [one.key for one in find_problems(replace(WELL, sources=[source]))] == (
        [key] if key else []
    )


def test_a_source_that_never_passed_is_named_with_the_command_that_says_why() -> None:
    (trouble,) = find_problems(
        replace(WELL, sources=[replace(SILENT, last_at=None, rejected_today=5, rejected_lately=4)])
    )
    assert trouble.what == "source g has no event, and 5 requests to it failed verification today"
    assert trouble.do.sentence.startswith("flowbridge rejects --source g")


def test_since_when_something_is_expected_outlives_a_restart(database: Database) -> None:
    source = Source(
        name="g",
        provider=PROVIDERS["github"],
        scheme=PROVIDERS["github"].scheme,
        expect=Rate(count=1, per=21600.0),
    )
    sources = {"g": source, "h": replace(source, name="h", expect=None)}
    config = Config(sources=sources, routes=(), flows={}, platforms={}, hash="", canonical="")
    for now in (NOW, NOW + 60):  # as two workers do, one after the other
        chore = expected_sources_job(lambda: config, TIMINGS)
        assert chore.needed is not None
        with database.read() as connection:
            assert chore.needed(connection) is (now == NOW)
        database.write(lambda connection, now=now, chore=chore: chore.work(connection, now))
        with database.read() as connection:
            assert expected.since(connection) == {"g": NOW}
    database.write(
        lambda connection: expected_sources_job(lambda: replace(config, sources={}), TIMINGS).work(
            connection, NOW + 120
        )
    )
    with database.read() as connection:
        assert expected.since(connection) == {}


@pytest.mark.parametrize(
    ("ended", "failed", "is_told"),
    [(1, 1, True), (2, 1, True), (3, 1, False), (10, 4, False), (10, 5, True), (2, 0, False)],
)
def test_runs_that_fail(ended: int, failed: int, is_told: bool) -> None:
    found = find_problems(
        replace(WELL, runs_ended={"triage": RunCounts(ended=ended, failed=failed)})
    )
    assert [one.key for one in found] == ["runs_failing:triage"] * is_told


def test_by_when_a_source_speaks_again_is_told_by_its_events(database: Database) -> None:
    now = time.time()
    times = [now - 3 * 3600 - number * 1800 for number in range(400)]
    events.add_all(
        database, [(make_event(None, now=at), ()) for at in reversed(times)], lambda *_: []
    )
    last = times[0]
    with database.read() as connection:
        assert baselines.expected_by(connection, "github", last, now) == pytest.approx(last + 3600)
        assert baselines.expected_by(connection, "github", last, now + 30 * 86400) == pytest.approx(
            last + 3600
        ), "it stays told"
        assert baselines.expected_by(connection, "github", last, last + 600) is None, (
            "it is not late yet"
        )
        assert baselines.expected_by(connection, "github", times[-1], times[-1] + 86400) is None, (
            "nothing is known of the week before"
        )
        assert baselines.expected_by(connection, "other", last, now) is None


def test_a_silence_lasts_until_the_source_speaks_though_its_events_are_let_go(
    database: Database, tmp_path: Path
) -> None:
    """By what was usual of it, or by `expect`: neither is over because nothing is known any
    more.
    """
    now = time.time()
    github = "provider: github, secret: '${env:S}'"
    (tmp_path / "routes.yaml").write_text(
        f"version: 1\nsources:\n  github: {{{github}}}\n  told: {{{github}, expect: 1 per 1h}}\n"
    )
    one = alarm(database, tmp_path, load(tmp_path / "routes.yaml", {"S": "x" * 32}))
    times = [now - 3 * 3600 - number * 1800 for number in range(400)]
    events.add_all(
        database, [(make_event(None, now=at), ()) for at in reversed(times)], lambda *_: []
    )
    events.add_all(
        database, [(replace(make_event(None, now=now - 7200), source="told"), ())], lambda *_: []
    )
    database.write(lambda connection: expected.keep(connection, {"told"}, now - 7200))

    def look() -> list[str]:
        with database.read() as connection:
            one.find_conditions(connection)
        database.write(lambda connection: one.store_changes(connection, time.time()))
        return sorted(trouble.key for trouble in one._found if trouble.condition == "silence")

    assert look() == ["silence:github", "silence:told"]
    database.write(lambda connection: connection.execute(text("DELETE FROM event")))
    assert look() == ["silence:github", "silence:told"]
    assert all(
        "none of its events is stored" in trouble.what
        for trouble in one._found
        if trouble.condition == "silence"
    )
    events.add_all(database, [(make_event(None, now=time.time()), ())], lambda *_: [])
    assert look() == ["silence:told"]


def test_where_nothing_came_a_week_ago_either_no_event_is_read(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    times = [now - days * 86400 - 12 * 3600 for days in range(14)]
    events.add_all(
        sqlite, [(make_event(None, now=at), ()) for at in reversed(times)], lambda *_: []
    )
    monkeypatch.setattr(baselines, "_MOMENTS", None)
    with sqlite.read() as connection:
        assert baselines.expected_by(connection, "github", times[0], now) is None


def test_the_runbook_has_each_condition() -> None:
    """Its commands are held to the code as those of all pages are."""
    sections = re.findall(
        r"^## (\w+)\n\n(.*?)(?=^## |\Z)", (DOCS / "runbook.md").read_text(), re.M | re.S
    )
    assert [name for name, _ in sections] == list(CONDITIONS)
    for name, section in sections:
        assert section.startswith(
            f"{CONDITIONS[name].severity}, sent after {CONDITIONS[name].hold_seconds:g} s\n\n**It"
            " means:** "
        ), name
        assert re.search(r"\n\n\*\*What to do:\*\* .*?\n\n```sh\n.+\n```\n", section, re.S), name


def test_a_source_of_which_nothing_is_verified_any_more_is_named() -> None:
    (problem,) = find_problems(replace(WELL, sources=[replace(SILENT, rejected_lately=12)]))
    assert problem.what == "all 12 requests to source g within an hour failed verification"
    rare = replace(SILENT, rejected_today=12, rejected_lately=1)
    (problem,) = find_problems(replace(WELL, sources=[rare]))
    assert problem.what == "all 12 requests to source g today failed verification"
    assert problem.do.sentence == (
        "flowbridge rejects --source g says what is wrong, such as the secret; correct it, then"
        " flowbridge rejects readmit --source g"
    )
