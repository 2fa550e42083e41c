"""What wants attention, by what is known; and how the store counts it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from overviews import HASH, LANE, WEB, WELL, WORK
from postgres_server import count_scans
from query_plans import record_plans
from records import NOW, make_delivery, make_event, put

from bridge.config.settings import load_settings
from bridge.core.advice import Advice
from bridge.core.circuit_state import Circuit
from bridge.core.model import DeadKind, Status
from bridge.core.status import (
    MAX_DEAD_TODAY,
    BackupStatus,
    ClockStep,
    ConfigStatus,
    LateStart,
    PlatformStatus,
    RunCounts,
    SourceStatus,
    UnresolvedDeliveries,
)
from bridge.monitoring.conditions import CONDITIONS, find_notes, find_problems
from bridge.monitoring.status import find_stuck, read_overview
from bridge.routing.model import Config, Platform
from bridge.store.db.database import Database
from bridge.store.encryption import NO_ENCRYPTION
from bridge.store.inbound import daily_events, events
from bridge.store.queries import baselines
from bridge.store.queries import status as status_queries
from bridge.store.queries.status import unresolved_deliveries
from bridge.store.queue import heartbeats, throttling
from bridge.store.tables import rows, schema
from bridge.store.tables.rows import to_json

STUCK = UnresolvedDeliveries(
    platform="gumloop", kind="list", count=1, problem="gumloop gave no list", fix=Advice("fix it")
)
DAILY = BackupStatus(folder="/srv/data/backups", every=86400.0, newest_at=NOW - 90000)
OPEN = Circuit(
    platform="gumloop", failures=5, open_for=60.0, open_until=NOW + 30, reason="HTTP 503"
)
DENIED = Circuit(
    platform="gumloop", open_for=60.0, open_until=NOW + 30, reason="HTTP 401 unauthorized: bad key"
)
BUSY = Circuit(
    platform="gumloop", allowance=0, raise_at=NOW + 10, raise_for=15.0, reason="HTTP 429"
)
OTHER = replace(WORK, config_hash="b" * 64)


def test_each_missing_platform_of_a_route_has_a_key_of_its_own() -> None:
    lanes = [replace(LANE, state="no platform", platform=name) for name in ("gone", "old")]
    keys = [problem.key for problem in find_problems(replace(WELL, queue=lanes))]
    assert keys == ["platform_missing:triage:gone", "platform_missing:triage:old"]


def test_nothing_is_wrong_where_all_is_well() -> None:
    assert find_problems(WELL) == []
    assert find_notes(WELL) == []


def test_what_comes_up_is_given_a_moment() -> None:
    reading = replace(WEB, role="reload", since=NOW - 1)
    assert find_problems(replace(WELL, processes=[WORK, reading])) == []
    late = replace(reading, since=NOW - 10)
    assert [one.key for one in find_problems(replace(WELL, processes=[WORK, late]))] == [
        "no_receiver"
    ]


@pytest.mark.parametrize(
    ("change", "what", "do"),
    [
        (
            {"hold_since": NOW, "hold_reason": "the store was restored"},
            "all starts are on hold since",
            "flowbridge db release --dry-run shows what waits; then flowbridge db release",
        ),
        (
            {"flows_absent": {"triage": "gone"}},
            "route triage names the flow gone, which the local platform does not have",
            (
                "put gone back into flows.py (flowbridge check lists the flows). Or name another flow"
                " in routes.yaml: waiting deliveries stay with gone, so flowbridge cancel --route"
                " triage, then flowbridge replay --route triage --status cancelled --since 1d,"
                " which starts all flows of the route"
            ),
        ),
        (
            {
                "flows_absent": {"triage": "gone"},
                "queue": [replace(LANE, state="no flow", oldest_at=NOW - 86400)],
            },
            "route triage names the flow gone",
            "--status cancelled --since 2d",  # else the oldest events would be lost
        ),
        ({"processes": []}, "nothing runs: no event is received or delivered", "flowbridge serve"),
        ({"processes": [WEB]}, "no worker is running", "flowbridge work"),
        ({"processes": [WORK]}, "no receiver is running", "flowbridge web"),
        (
            {
                "config": ConfigStatus(
                    hash=HASH, since=NOW - 60, error=["routes.yaml:3:1: a", "b", "c"]
                )
            },
            (
                "the configuration is not valid: routes.yaml:3:1: a (and 2 more); the last valid"
                " configuration stays in use"
            ),
            "flowbridge check",
        ),
        (
            {"config": ConfigStatus(hash=HASH, since=NOW - 60, held="2 deliveries are lost")},
            "the changed configuration is not used: 2 deliveries are lost",
            "flowbridge test --since 1h; a restart uses the changed configuration",
        ),
        (
            {"flow_changes": {"gumloop/echo": "the inputs of the flow `gumloop/echo` changed"}},
            "the inputs of the flow `gumloop/echo` changed",
            "check --live --lock",
        ),
        (
            {"config": ConfigStatus(hash=None, error=["routes.yaml:3:1: a"])},
            "the configuration is not valid: routes.yaml:3:1: a",
            "check",
        ),
        (
            {"processes": [WEB, OTHER]},
            "process 2 (work) has not loaded the newest configuration",
            "restart",
        ),
        (
            {"flows_error": "flows.py:3: SyntaxError"},
            "flows.py cannot be loaded: flows.py:3: SyntaxError",
            "flowbridge check",
        ),
        (
            {
                "sources": [
                    SourceStatus(
                        name="github", last_at=NOW, missing="environment variable X is not set"
                    )
                ]
            },
            (
                "source github answers 503 because its secret cannot be read: environment variable"
                " X is not set"
            ),
            "set it in .env",
        ),
        (
            {
                "platforms": [
                    PlatformStatus(
                        name="gumloop", cap=5, missing="environment variable X is not set"
                    )
                ]
            },
            (
                "deliveries wait for platform gumloop, which cannot be called: environment variable"
                " X is not set"
            ),
            "set it in .env",
        ),
        (
            {"disk_free": 900 * 10**6},
            "the disk of /srv/data is nearly full: 858 MB are free",
            "larger",
        ),
        (
            {"sources": [SourceStatus(name="jobs", files=95 * 1024**2, files_keep=100 * 1024**2)]},
            "form jobs stores 95.0 MiB of files of at most 100.0 MiB: more is refused (507)",
            "raise `files: {keep}`",
        ),
        (
            {
                "sources": [
                    SourceStatus(
                        name="contact", stored_today=60 * 1024**2, daily_bytes=64 * 1024**2
                    )
                ]
            },
            "source contact stored 60.0 MiB of at most 64.0 MiB today: more is refused (507)",
            "flowbridge events --source contact",
        ),
        (
            {
                "disk_free": 99 * 1024**2,
                "disk_total": 1000 * 1024**2,
                "sources": [SourceStatus(name="contact", is_public=True)],
            },
            (
                "the last 99 MB of the disk of /srv/data are reserved for signed sources: forms are"
                " refused (507)"
            ),
            "larger",
        ),
        (
            {"database_ahead": -3.0},
            "the database's clock is 3.0 s behind this machine's",
            "timedatectl",
        ),
        (
            {"clocks_ahead": {"api.example.com": 31.0, "other": -29.0}},
            "the clock of api.example.com is 31 s ahead of this",
            "timedatectl",
        ),
        (
            {"sources": [SourceStatus(name="github", last_at=NOW + 900)]},
            "the newest event is 900 s ahead of this machine's clock",
            "timedatectl",
        ),
        (
            {"platforms": [PlatformStatus(name="gumloop", cap=5, circuit=OPEN)]},
            "platform gumloop is not called until 16:00:30Z: HTTP 503",
            "up",
        ),
        (
            {
                "platforms": [
                    PlatformStatus(name="gumloop", cap=5, circuit=replace(OPEN, open_until=NOW - 1))
                ]
            },
            "not called, except for a probe",
            "up",
        ),
        (
            {
                "platforms": [
                    PlatformStatus(name="gumloop", cap=5, circuit=DENIED, credentials="`api_key`")
                ]
            },
            (
                "platform gumloop refused its `api_key` (HTTP 401 unauthorized: bad key): its"
                " deliveries wait, none is lost; one is tried at 16:00:30Z"
            ),
            "set the right value in .env",
        ),
        (
            {
                "platforms": [PlatformStatus(name="gumloop", cap=5, circuit=BUSY)],
                "queue": [replace(LANE, due_at=NOW - 301)],
            },
            "platform gumloop reports that it is full at 0 of 5 runs, and deliveries wait",
            "flowbridge show dlv_1",
        ),
        (
            {"queue": [replace(LANE, due_at=NOW - 7200)]},
            "deliveries of route triage are 120 min late",
            "flowbridge show dlv_1",
        ),
        (
            {"queue": [replace(LANE, state="no platform")], "blocked": {}},
            "3 of route triage wait for platform gumloop, which is not",
            "add it to routes.yaml, or flowbridge cancel --route triage",
        ),
        (
            {"queue": [replace(LANE, state="no platform"), replace(LANE, platform="local")]},
            "3 of route triage wait for platform gumloop, which is not",
            "or cancel by id what flowbridge deliveries --route triage --status queued --json lists"
            " with the platform gumloop",
        ),
        (
            {"queue": [replace(LANE, state="no platform")], "blocked": {"triage": 1}},
            "3 of route triage wait for platform gumloop, which is not",
            "or cancel by id",
        ),
        ({"held": 1}, "1 delivery with an unknown outcome waits for", "flowbridge resolve"),
        ({"held": 2}, "2 deliveries with an unknown outcome wait for", "flowbridge resolve"),
        (
            {
                "late_starts": [
                    LateStart(delivery_id="dlv_1", attempt=1, run_id="r1", status=Status.QUEUED)
                ]
            },
            "dlv_1 is queued, but its attempt 1 has started run r1",
            "flowbridge cancel dlv_1, or it is started again",
        ),
        (
            {
                "late_starts": [
                    LateStart(delivery_id="dlv_1", attempt=1, run_id="r1", status=Status.DELIVERED)
                ]
            },
            "dlv_1 is delivered, but its attempt 1",
            "look at that run on the platform; flowbridge show dlv_1",
        ),
        (
            {"backups": replace(DAILY, newest_at=NOW - 172801)},
            "the newest backup is 48 h old",
            "flowbridge db backup",
        ),
        (
            {"backups": replace(DAILY, newest_at=None, tried_since=NOW - 172801)},
            "there is no backup yet",
            "flowbridge db backup",
        ),
        (
            {"backups": replace(DAILY, tried_since=NOW - 60, error="no such folder")},
            "the last backup failed (the newest backup is 25 h old): no such folder",
            "flowbridge db backup",
        ),
        (
            {"clock_step": ClockStep(at=NOW - 600, seconds=-86400.0)},
            "the clock was set back by 86400 s at",
            "keep NTP running",
        ),
        (
            {"clock_step": ClockStep(at=NOW - 600, seconds=200.0)},
            "the clock was set forward by 200 s at",
            "--status unknown",
        ),
        (
            {"dead_today": MAX_DEAD_TODAY},
            "1000+ deliveries died within a day",
            "flowbridge deliveries --status dead --since 1d",
        ),
        (
            {"dead_today": 2, "dead_kinds": {"platform": 2}},
            "2 deliveries died",
            "; fix the cause, then flowbridge retry --dead",
        ),
        (
            {"dead_today": 2, "dead_kinds": {"ours": 2}},
            "2 deliveries died",
            "; fix routes.yaml, then flowbridge replay --dead-kind config",
        ),
        (
            {"dead_today": 2, "dead_kinds": {"ours": 2}, "parked_routes": ["triage", "notify"]},
            "2 deliveries died",
            "; fix routes.yaml, then flowbridge replay --dead-kind config --route triage --since 1d;"
            " flowbridge replay --dead-kind config --route notify --since 1d",
        ),
        (
            {"held": 1, "stuck": [replace(STUCK, needs_decision=True)]},
            "waits for a person; gumloop gave no list",
            "flowbridge resolve",
        ),
        (
            {"stuck": [replace(STUCK, kind="refused")]},
            "gumloop gave no list: 1 delivery with an unknown outcome waits",
            "fix it; the rest",
        ),
        (
            {"stuck": [replace(STUCK, kind="unreachable", since=NOW - 301)]},
            "waits since 15:54:59Z for a list of runs",
            "asked again",
        ),
        (
            {"runs_ended": {"triage": RunCounts(ended=9, failed=1, in_a_row=1, event_id="evt_1")}},
            "the last run of route triage failed, and none has succeeded since",
            "flowbridge show evt_1; fix the flow, then flowbridge retry",
        ),
        (
            {"runs_ended": {"triage": RunCounts(ended=9, failed=3, in_a_row=2)}},
            "the last 2 runs of route triage failed",
            "flowbridge deliveries --run failed --route triage --since 1d; fix the flow",
        ),
    ],
)
def test_each_thing_is_named_with_what_to_do(change: dict[str, Any], what: str, do: str) -> None:
    (found,) = find_problems(replace(WELL, **change))
    assert what in found.what
    assert do in found.do.sentence


MIB = 1024**2
FORM = SourceStatus(name="contact", is_public=True)


@pytest.mark.parametrize(
    ("free", "sources", "is_shared", "keys"),
    [
        (1025 * MIB, [FORM], False, set()),
        (1023 * MIB, [FORM], False, {"disk_low"}),
        (255 * MIB, [], False, {"disk_low"}),
        (255 * MIB, [FORM], False, {"disk_low", "disk_full"}),
        (31 * MIB, [], False, {"disk_low", "disk_full"}),
        (31 * MIB, [FORM], True, {"disk_low"}),
    ],
)
def test_a_disk_is_low_before_requests_are_refused_and_full_then(
    free: int, sources: list[SourceStatus], is_shared: bool, keys: set[str]
) -> None:
    now = replace(
        WELL, disk_free=free, disk_total=100 * 1024**3, sources=sources, is_shared=is_shared
    )
    found = {one.key for one in find_problems(now)}
    assert found & {"disk_low", "disk_full"} == keys
    assert CONDITIONS["disk_low"].severity == "warning"
    assert CONDITIONS["disk_full"].severity == "critical"


@pytest.mark.parametrize(
    "change",
    [
        {"processes": [WORK], "is_shared": True},  # receivers may be on other machines
        {"processes": [WEB, replace(OTHER, since=NOW - 3)]},  # it has just been started
        # it has just been read
        {"processes": [WEB, OTHER], "config": ConfigStatus(hash=HASH, since=NOW - 3)},
        {"stuck": [replace(STUCK, kind="unreachable", since=NOW - 299)]},  # it may pass
        # the last run was done
        {"runs_ended": {"triage": RunCounts(ended=9, failed=3, in_a_row=0)}},
        {"runs_ended": {"triage": RunCounts(ended=9, failed=3, in_a_row=3, is_live=False)}},
        {"processes": [WEB, replace(WORK, config_hash=None)]},  # a worker elsewhere
        {"queue": [replace(LANE, due_at=NOW - 7200, state="paused")]},
        {
            "sources": [
                SourceStatus(name="jobs", files=90, files_keep=100),
                SourceStatus(name="closed", files=95),
            ]
        },
        {"disk_free": 2 * 10**9},  # less than a twentieth, and yet enough
        {"disk_free": 300 * 10**6, "disk_total": 4 * 10**9},  # not much, but more than a twentieth
        {"clock_step": ClockStep(at=NOW - 3601, seconds=-86400.0)},  # long enough ago
        {"backups": DAILY},
        {"backups": replace(DAILY, newest_at=None)},  # the first is still to be tried
        {"backups": replace(DAILY, every=None, newest_at=NOW - 10**8)},  # it is made by hand
        {"disk_free": None, "disk_total": None, "database_ahead": None},
        {
            "platforms": [
                PlatformStatus(
                    name="gumloop", cap=5, circuit=Circuit(platform="gumloop", failures=2)
                )
            ]
        },
        # nothing has waited for minutes
        {"platforms": [PlatformStatus(name="gumloop", cap=5, circuit=BUSY)]},
        {
            "platforms": [
                PlatformStatus(name="gumloop", cap=5, circuit=replace(BUSY, allowance=5))
            ],
            "queue": [replace(LANE, due_at=NOW - 301)],
        },
    ],
)
def test_what_is_as_it_may_be_is_no_trouble(change: dict[str, Any]) -> None:
    assert find_problems(replace(WELL, **change)) == []


def test_what_is_merely_to_be_known() -> None:
    config = ConfigStatus(hash=HASH, since=NOW - 60, restart=["FLOWBRIDGE_LOG"])
    now = replace(WELL, running_versions=["0.9"], config=config)
    assert find_problems(now) == []
    assert [text[:20] for text in find_notes(now)] == [
        "FLOWBRIDGE_LOG in .e",
        "flowbridge 0.9 runs,",
    ]


def test_a_failed_run_is_a_problem_or_a_note() -> None:
    failing = {"triage": RunCounts(ended=1, failed=1)}
    assert find_notes(replace(WELL, runs_ended=failing)) == []
    both = {**failing, "copy": RunCounts(ended=9, failed=2)}
    (note,) = find_notes(replace(WELL, runs_ended=both))
    assert note.startswith("2 runs failed within a day")


def test_that_nobody_is_told_is_noted_where_there_is_something_to_tell() -> None:
    assert find_notes(replace(WELL, tells=False)) == find_notes(replace(WELL, held=1)) == []
    (said,) = find_notes(replace(WELL, tells=False, held=1))
    assert said.startswith("alerts are not sent anywhere")


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ("", False),
        ("on: flowbridge alert.*", True),
        ("on: flowbridge", True),
        ("on: flowbridge alert.raised, match: {body.severity: critical}", True),
        ("on: flowbridge alert.resolved", False),
        ("on: flowbridge alert.*, mode: paused", False),
        ("on: contact", False),
    ],
)
def test_who_is_told_follows_from_the_routes(route: str, told: bool, tmp_path: Path) -> None:
    text = "version: 1\nplatforms: {local: {type: local}}\nsources: {contact: {provider: form}}\n"
    text += f"routes: [{{name: a, {route}, flow: local/echo, inputs: {{}}}}]\n" if route else ""
    (tmp_path / "routes.yaml").write_text(text)
    settings = load_settings(
        {
            "FLOWBRIDGE_DATA": str(tmp_path / "data"),
            "FLOWBRIDGE_CONFIG": str(tmp_path / "routes.yaml"),
        }
    )
    assert read_overview(settings, None).tells is told


# -- what the store counts


MIDNIGHT = NOW - NOW % 86400


def look(database: Database, *sources: str) -> status_queries.StoreStatus:
    return status_queries.read_status(database, sources, NOW, midnight=MIDNIGHT, day=86400.0)


def test_an_empty_store_has_nothing(database: Database) -> None:
    found = look(database, "github")
    assert (found.sources, found.queue, found.dead, found.held, found.workers) == (
        {"github": (None, 0)},
        [],
        0,
        0,
        [],
    )
    assert status_queries.database_size(database) > 0


def test_sources_with_their_last_event_and_those_of_today(database: Database) -> None:
    yesterday = MIDNIGHT - 60
    at = [
        ("old", yesterday - 86400),
        ("github", yesterday),
        ("github", yesterday + 1),
        ("stripe", yesterday),
        ("stripe", yesterday),
    ]
    at += [
        ("github", MIDNIGHT),
        ("github", NOW - 3),
        ("stripe", NOW - 2),
        ("github", yesterday),
        ("github", NOW - 1),
        ("github", NOW - 4),
    ]
    for source, when in at:
        events.add(database, make_event(None, source=source, now=when), [], lambda *_: [])
    found = look(database, "github", "old", "never")
    assert found.sources == {
        "github": (NOW - 1, 4),
        "stripe": (NOW - 2, 1),
        "old": (yesterday - 86400, 0),
        "never": (None, 0),
    }
    assert not found.today_cut


def test_of_very_many_today_it_says_that_there_are_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_events, "MAX_COUNTED_TODAY", 4)
    for source in ("crm", "github", "github", "github"):
        events.add(database, make_event(None, source=source, now=NOW), [], lambda *_: [])
    whole = look(database)
    assert (whole.sources, whole.today_cut) == ({"crm": (NOW, 1), "github": (NOW, 3)}, False)
    for source in ("github", "stripe"):
        events.add(database, make_event(None, source=source, now=NOW), [], lambda *_: [])
    found = look(database)
    counts = {"crm": (NOW, 1), "github": (NOW, 3), "stripe": (NOW, 0)}
    assert (found.sources, found.today_cut) == (counts, True)


def test_the_events_of_today_are_counted_in_an_index(sqlite: Database) -> None:
    events.add(sqlite, make_event(None, now=NOW), [], lambda *_: [])
    plans = record_plans(sqlite)
    look(sqlite)
    steps = [
        one.step
        for one in plans
        if "received_at" in one.statement and "event" in one.statement and " event " in one.step
    ]
    of_sources = [step for step in steps if "ix_event_spam" not in step and "(id=?)" not in step]
    assert len(of_sources) == 4
    assert all("COVERING INDEX" in step for step in of_sources), steps


def test_what_waits_what_is_taken_and_what_failed(database: Database) -> None:
    def add(route: str, **changes: Any) -> tuple[str, str]:
        event = make_event(None, now=NOW)
        delivery = make_delivery(event, route, **changes)
        events.add(database, event, [delivery], lambda *_: [])
        return event.id, delivery.id

    first = add("triage", created_at=NOW - 500, due_at=NOW - 100)[1]
    add("triage", due_at=NOW - 200)
    add("paid", platform="gumloop")
    for number, (status, slot) in enumerate(
        [("sending", True), ("delivered", True), ("delivered", True), ("blocked", False)]
    ):
        put(database, add(f"r{number}")[1], status=status, slot=slot)
    put(database, add("lost")[1], status="unknown", poll_at=NOW + 5)
    put(database, add("lost")[1], status="unknown")
    put(database, add("bad")[1], status="dead", finished_at=NOW - 2 * 86400)
    put(database, add("bad")[1], status="dead", finished_at=NOW - 60)
    put(database, add("bad")[1], status="dead", dead_kind="person", finished_at=NOW - 60)
    replayed, dead = add("bad")
    put(database, dead, status="dead", finished_at=NOW - 60)
    again = replace(
        make_delivery(make_event(None), "bad", now=NOW + 1),
        event_id=replayed,
        id="dlv_again",
        status=Status.SHADOW,
    )

    with database.engine.begin() as connection:
        connection.execute(
            schema.delivery.insert().values(rows.delivery_again_row(again, NO_ENCRYPTION))
        )
        heartbeats.beat(connection, "w", "here", 77, NOW - 1)
        heartbeats.beat(connection, "gone", "here", 78, NOW - 60)
        throttling.write_circuits(connection, {}, {"gumloop": OPEN}, NOW)
    found = look(database)
    lanes = {one.route: one for one in found.queue}
    assert (lanes["triage"].queued, lanes["triage"].oldest_id, lanes["triage"].oldest_at) == (
        2,
        first,
        NOW - 500,
    )
    assert (lanes["triage"].due_at, lanes["paid"].platform) == (NOW - 200, "gumloop")
    assert found.blocked == {"r3": 1}
    assert found.slots == {"local": (1, 2)}
    assert (found.unknown, found.held, found.dead, found.dead_today) == (2, 1, 4, 1)
    assert found.workers == [(77, "here", NOW - 1)]
    assert found.circuits["gumloop"].open_until == OPEN.open_until


def test_a_run_that_failed_counts_until_it_was_replayed(database: Database) -> None:
    first = make_event("1")
    second = make_event("2")
    for event in (first, second):
        events.add(database, event, [make_delivery(event)], lambda *_: [])
        put(
            database,
            make_delivery(event).id,
            status="delivered",
            run_state="failed",
            finished_at=NOW,
        )

    def ended() -> dict[str, tuple[int, int]]:
        with database.read() as connection:
            return {
                route: (one.ended, one.failed)
                for route, one in baselines.runs_ended(connection, NOW - 60).items()
            }

    assert ended() == {"triage": (2, 2)}

    with database.engine.begin() as connection:
        again = make_delivery(first, now=NOW + 1, id="dlv_again", status=Status.SHADOW)
        connection.execute(
            schema.delivery.insert().values(rows.delivery_again_row(again, NO_ENCRYPTION))
        )
    assert ended() == {"triage": (1, 1)}


def test_the_other_flows_of_a_route_are_no_replay(database: Database) -> None:
    died, ran = make_event("1"), make_event("2")
    failures = {
        died.id: {"status": "dead", "dead_kind": "platform", "finished_at": NOW},
        ran.id: {"status": "delivered", "run_state": "failed", "finished_at": NOW},
    }
    for event in (died, ran):
        first = make_delivery(event)
        other = make_delivery(event, id=f"{first.id}other", flow="local/other")
        events.add(database, event, [first, other], lambda *_: [])
        put(database, first.id, **failures[event.id])
    assert look(database).dead_today == 1
    with database.read() as connection:
        found = baselines.runs_ended(connection, NOW - 60)
    assert found == {
        "triage": RunCounts(
            ended=1, failed=1, in_a_row=1, event_id=ran.id, received_at=ran.received_at
        )
    }


def test_those_that_died_within_a_day_are_counted_up_to_a_limit(database: Database) -> None:
    many = MAX_DEAD_TODAY + 2
    for first in range(0, many, 200):
        event = make_event(None)
        planned = [
            make_delivery(event, f"r{number}", status=Status.DEAD)
            for number in range(first, min(first + 200, many))
        ]
        events.add(database, event, planned, lambda *_: [])
    with database.engine.begin() as connection:
        connection.execute(schema.delivery.update().values(finished_at=NOW - 60, dead_kind="ours"))
    assert look(database).dead_kinds == {"ours": MAX_DEAD_TODAY}


def test_the_routes_of_parked_deliveries_are_named_the_most_first(database: Database) -> None:
    parked = {"status": Status.DEAD, "dead_kind": DeadKind.OURS, "finished_at": NOW - 60}
    for routes in (("a", "b"), ("b",)):
        event = make_event(None)
        planned = [make_delivery(event, route, **parked) for route in routes]
        refused = make_delivery(event, "c", **parked | {"dead_kind": DeadKind.PLATFORM})
        events.add(database, event, [*planned, refused], lambda *_: [])
    now = look(database)
    assert (now.dead_today, now.dead_kinds) == (5, {"ours": 3, "platform": 2})
    assert list(now.parked_routes) == ["b", "a"]


def test_runs_that_failed_since_the_last_that_was_done_are_counted(database: Database) -> None:
    def add(route: str, state: str, finished_at: float) -> str:
        event = make_event(None)
        one = make_delivery(event, route)
        events.add(database, event, [one], lambda *_: [])
        put(database, one.id, status="delivered", run_state=state, finished_at=finished_at)
        return event.id

    add("triage", "failed", NOW - 50)
    add("triage", "done", NOW - 40)
    # its run ended last, although another delivery is younger
    newest = add("triage", "failed", NOW - 10)
    add("triage", "failed", NOW - 20)
    add("over", "failed", NOW - 20)
    add("over", "done", NOW - 10)
    add("old", "failed", NOW - 100)
    with database.read() as connection:
        found = baselines.runs_ended(connection, NOW - 60)
    assert found["triage"] == RunCounts(
        ended=4, failed=3, in_a_row=2, event_id=newest, received_at=NOW
    )
    assert (found["over"].in_a_row, found.keys()) == (0, {"triage", "over"})


def test_only_of_failed_runs_later_deliveries_are_looked_up(postgresql: Database) -> None:
    for _ in range(20):  # their platform tells nothing of runs
        event = make_event(None)
        one = make_delivery(event)
        events.add(postgresql, event, [one], lambda *_: [])
        put(postgresql, one.id, status="delivered", finished_at=NOW)
    with postgresql.read() as connection:
        before, _ = count_scans(connection, "delivery")
        assert baselines.runs_ended(connection, NOW - 60) == {}
        after, _ = count_scans(connection, "delivery")
    assert after == before + 1


def test_what_keeps_unknown_deliveries_from_being_settled_is_counted_by_platform(
    database: Database,
) -> None:
    def add(platform: str, evidence: dict[str, Any] | None = None) -> None:
        event = make_event(None)
        one = make_delivery(event, platform=platform)
        events.add(database, event, [one], lambda *_: [])
        put(database, one.id, status="unknown", poll_at=NOW, evidence=to_json(evidence))

    failed = {"attempt": 0, "problem": "HTTP 404", "status_code": 404, "failing_since": NOW - 9}
    for evidence in (failed, failed | {"failing_since": NOW - 10}, None):
        add("gumloop", evidence)
    add("gone")
    database.write(lambda connection: heartbeats.beat(connection, "w", "here", 1, NOW))
    platforms = {"gumloop": Platform(name="gumloop", type="gumloop")}
    config = Config(sources={}, routes=(), flows={}, platforms=platforms, hash="", canonical="")
    found = {one.platform: one for one in find_stuck(config, look(database), NOW)}
    assert (found["gumloop"].count, found["gumloop"].needs_decision, found["gumloop"].since) == (
        2,
        True,
        NOW - 10,
    )
    assert (found["gone"].count, found["gone"].needs_decision, found["gone"].since) == (
        1,
        True,
        None,
    )


def test_no_look_walks_a_table_of_a_million(sqlite: Database) -> None:
    recorded = record_plans(sqlite)
    events.add(sqlite, (event := make_event("p", now=NOW)), [make_delivery(event)], lambda *_: [])
    look(sqlite, "github", "other")
    plans = [one.step for one in recorded]
    walked = [
        plan
        for plan in plans
        if plan.startswith("SCAN")
        and plan != "SCAN daily_events"  # a row for each source
        and any(name in plan for name in ("event", "delivery", "attempt"))
    ]
    assert all("USING" in plan and "INDEX" in plan for plan in walked), walked
    assert {plan.rpartition(" ")[2] for plan in walked} <= {
        "ix_delivery_slot",
        "ix_delivery_unknown",
        "ix_delivery_line",
    }
    for index in (
        "ix_event_age (source=?)",
        "ix_delivery_stuck (status=?)",
        "ix_delivery_death (finished_at>?)",
        "ix_delivery_queue (platform=? AND route=?)",
    ):
        assert any(index in plan for plan in plans), index


def store_unknown(database: Database, *times: float | None) -> list[str]:
    """Store an unknown delivery for each `poll_at`; null: it waits for a person."""
    ids = []
    for number, poll_at in enumerate(times):
        event = make_event(str(number), now=NOW)
        one = make_delivery(event)
        events.add(database, event, [one], lambda *_: [])
        put(database, one.id, status="unknown", poll_at=poll_at)
        ids.append(one.id)
    return ids


def test_of_many_unknown_deliveries_those_looked_for_next_are_read(database: Database) -> None:
    ids = store_unknown(database, NOW + 3, NOW + 1, None, NOW + 2)
    with database.read() as connection:
        every = unresolved_deliveries(connection)
        assert [one.id for one in every] == [ids[3], ids[1], ids[0]], "the newest first"
        assert [one.look_at for one in every] == [NOW + 2, NOW + 1, NOW + 3]
        some = unresolved_deliveries(connection, limit=2)
        assert [one.id for one in some] == [ids[3], ids[1]]


def test_deliveries_that_wait_for_a_person_are_counted_in_an_index(sqlite: Database) -> None:
    recorded = record_plans(sqlite)
    store_unknown(sqlite, None, None, NOW + 5)
    found = look(sqlite)
    plans = [one.step for one in recorded]
    assert (found.unknown, found.held, len(found.unsettled)) == (3, 2, 1)
    assert "SCAN delivery USING COVERING INDEX ix_delivery_unknown" in plans
    assert "SCAN delivery USING INDEX ix_delivery_unknown" not in plans
    assert not [plan for plan in plans if plan.startswith("SCAN delivery USING INTEGER")]
    stuck = [plan for plan in plans if "ix_delivery_stuck" in plan]
    assert len(stuck) == 1, stuck  # all dead ones
