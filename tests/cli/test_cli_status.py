"""`flowbridge status`: what it shows of a bridge that runs, of one that does not, and of one that
is in trouble.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from processes import call_here
from records import make_delivery, make_event, put
from reloading_bridge import QUICK, Reloading, routes
from serving import Bridge, until
from signed_rejects import make_reject

from bridge.core.circuit_state import Circuit
from bridge.core.model import DeadKind, Status
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.queue import heartbeats, throttling
from bridge.system.cpu_affinity import count_processors

KEYS = {
    "ok",
    "problems",
    "notes",
    "at",
    "version",
    "python",
    "database",
    "config",
    "processes",
    "sources",
    "today_cut",
    "queue",
    "blocked",
    "platforms",
    "runs",
    "dead",
    "unknown",
    "stuck",
    "hold",
    "counted_to",
    "disk",
    "backup",
    "certificate",
    "overdue",
    "clock_step",
}


DAY = 86400.0
LIVE = """\
version: 1
platforms: {local: {type: local}}
sources: {crm: {provider: form}}
routes: [{name: triage, on: crm, inputs: {a: "1"}, flow: local/echo}]
"""


def no_midnight() -> None:
    """Wait, should the day end within two minutes: what is counted by the day is counted within
    one.
    """
    until(lambda: time.time() % DAY < DAY - 120, 180, "the next day")


def status(bridge: Bridge, *arguments: str) -> subprocess.CompletedProcess[str]:
    return call_here(
        bridge.folder, "--config", str(bridge.config), "status", *arguments, environ=bridge.environ
    )


def told(bridge: Bridge, code: int) -> dict[str, Any]:
    result = status(bridge, "--json")
    assert (result.returncode, result.stderr) == (code, ""), result.stdout
    found: dict[str, Any] = json.loads(result.stdout)
    assert set(found) == KEYS
    assert found["ok"] is (code == 0)
    return found


@pytest.mark.usefixtures("new_processes")
def test_a_bridge_that_runs_and_one_that_is_wrong_and_one_that_has_ended(tmp_path: Path) -> None:
    no_midnight()
    with Reloading(tmp_path, timings=QUICK) as bridge:
        event = bridge.planned().event
        bridge.wait_for(event.id, lambda one: one.run_state == "done")
        bridge.status_of("not the secret of it")
        processes = 2 + min(2, count_processors())
        until(lambda: len(told(bridge, 0)["processes"]) == processes, what="every process")
        found = told(bridge, 0)
        assert {one["role"] for one in found["processes"]} == {"web", "work", "reload"}
        assert (
            {one["config_hash"] for one in found["processes"]}
            == {found["config"]["hash"]}
            == {event.config_hash}
        )
        (source,) = found["sources"]
        assert (source["name"], source["today"], source["rejected_today"]) == ("github", 1, 1)
        assert (found["queue"], found["problems"]) == ([], [])
        assert found["platforms"][0]["name"] == "local"

        bridge.write(routes("x").replace("local/echo", "locl/echo"))
        until(
            lambda: json.loads(status(bridge, "--json").stdout)["config"]["error"], what="the error"
        )
        found = told(bridge, 1)
        assert found["config"]["hash"] == event.config_hash, "the last good one"
        (problem,) = found["problems"]
        assert "routes.yaml:8:" in problem["summary"]
        assert problem["what_to_do"] == "flowbridge check"
        shown = status(bridge)
        assert shown.returncode == 1
        assert [
            line.split()[0]
            for line in shown.stdout.splitlines()
            if re.match(r"(config|receiver|worker) +\d+  ", line)
        ] == [
            "config",
            *["receiver"] * min(2, count_processors()),
            "worker",
        ]
        assert (
            "dead          0 (0 in 24 h)" in shown.stdout
            and "unknown       0 (0 need a decision)" in shown.stdout
        )
        assert "backup        off\n" in shown.stdout and "CAPACITY" in shown.stdout
        assert "1 problem needs attention" in shown.stdout

        for secret in ("another secret", bridge.environ["FLOWBRIDGE_ADMIN_TOKEN"], "GITHUB_SECRET"):
            assert secret not in shown.stdout
        bridge.stop()
    found = told(bridge, 1)
    assert found["processes"] == []
    assert "nothing runs" in found["problems"][0]["summary"]
    assert [one["today"] for one in found["sources"]] == [1]


def test_failed_runs_are_counted_by_route_with_the_command_that_lists_them(
    store: Database, folder: Path
) -> None:
    """Fewer than half of a route's runs are no problem, and yet to be seen."""
    (folder / "routes.yaml").write_text(LIVE)
    for route, state in (
        ("triage", "failed"),
        ("triage", "done"),
        ("triage", "done"),
        ("a-route-with-quite-a-long-name-and-more", "done"),
    ):
        event = make_event(None, now=time.time())
        one = make_delivery(event, route)
        events.add(store, event, [one], lambda *_: [])
        put(
            store,
            one.id,
            status="delivered",
            run_id="r" + one.id[-8:],
            run_state=state,
            delivered_at=time.time(),
            finished_at=time.time(),
        )
    shown = run("status").stdout
    assert re.search(r"(?m)^ROUTE +RUNS IN 24 H +FAILED$", shown)
    assert re.search(r"(?m)^triage +3 +1$", shown) and re.search(
        r"(?m)^a-route-with-quite-a-long-name-and-more +1 +0$", shown
    )
    assert "note: 1 run failed within a day: flowbridge events --run failed --since 1d\n" in shown
    assert "runs of route" not in shown, "no problem"
    found = json.loads(run("status", "--json").stdout)
    assert found["runs"][1] == {
        "route": "triage",
        "ended_within_a_day": 3,
        "failed_within_a_day": 1,
    }
    listed = run("events", "--run", "failed", "--since", "1d", "--json")
    assert len(listed.stdout.splitlines()) == 1


@pytest.mark.parametrize(("mode", "is_well"), [("live", False), ("paused", True)])
def test_all_is_not_well_while_the_last_run_of_a_live_route_failed(
    store: Database, folder: Path, mode: str, is_well: bool
) -> None:
    (folder / "routes.yaml").write_text(LIVE.replace("name: triage", f"name: triage, mode: {mode}"))
    store.write(lambda connection: heartbeats.beat(connection, "w", "here", 1, time.time()))
    ids = []
    for place, state in enumerate(("done", "done", "done", "done", "done", "failed", "failed")):
        event = make_event(None, now=time.time())
        one = make_delivery(event, "triage", now=time.time())
        events.add(store, event, [one], lambda *_: [])
        put(
            store,
            one.id,
            status="delivered",
            run_id=f"r{place}",
            run_state=state,
            finished_at=time.time() - 60 + place,
        )
        ids.append(event.id)
    (problem,) = [
        one
        for one in json.loads(run("status", "--json").stdout)["problems"]
        if one["key"] == "runs_failing:triage"
    ] or [None]
    assert (problem is None) is is_well
    if problem is not None:
        assert (
            problem["summary"]
            == "the last 2 runs of route triage failed, and none has succeeded since"
        )
        assert problem["what_to_do"].startswith(
            f"flowbridge show {ids[-1]}; fix the flow, then flowbridge retry --run failed --route"
            " triage"
        )
        assert "All is well." not in run("status").stdout
        assert (
            run(
                "retry", "--run", "failed", "--route", "triage", "--since", "1d", "--dry-run"
            ).stdout
            == "2 deliveries to retry\n"
        )


def test_a_secret_that_is_an_api_key_is_noted_before_a_request_is_rejected(folder: Path) -> None:
    (folder / "routes.yaml").write_text(
        'version: 1\nsources: {stripe: {provider: stripe, secret: "${env:STRIPE_SECRET}"}}\n'
    )
    (folder / ".env").write_text("STRIPE_SECRET=sk_test_4eC39HqLyjWDarjtT1zdp7dc\n")
    asked = run("status")
    assert "source stripe: a value that starts with `sk_test_` is an API key" in asked.stdout
    assert "4eC39" not in asked.stdout
    (folder / ".env").write_text("STRIPE_SECRET=whsec_4eC39HqLyjWDarjtT1zdp7dc\n")
    assert "source stripe" not in run("status").stdout


def test_before_the_first_start(folder: Path) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nplatforms: {local: {type: local}}\nsources: {contact: {provider: form}}\n"
    )
    result = run("status")
    assert result.exit_code == 1
    assert "no database yet" in result.stdout
    assert re.search(r"contact +none stored +0 +0", result.stdout)
    assert not (folder / "data").exists(), "to look makes nothing"


@pytest.mark.parametrize("wide", [80])
def test_it_fits_a_screen_and_needs_no_colour(store: Database, folder: Path, wide: int) -> None:
    """Nothing is cut off, and no line but one with a path or a command is longer than the
    screen.
    """
    (folder / "routes.yaml").write_text(
        "version: 1\nplatforms: {gumloop: {type: gumloop, api_key: k, user_id: u}}\n"
    )
    for number in range(3):
        event = make_event(None, now=time.time())
        name = f"a-route-with-quite-a-long-name-{number}"
        since = time.time() - 90000
        long = make_delivery(event, name, platform="elsewhere", created_at=since, due_at=since)
        events.add(store, event, [long], lambda *_: [])
    event = make_event(None, now=time.time())
    held = make_delivery(event)
    events.add(store, event, [held], lambda *_: [])
    put(store, held.id, status="unknown")
    result = run("status")
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert "5 problems need attention:" in result.stdout
    assert (
        "a-route-with-quite-a-long-name-2  1       25 h 0 min  0        no platform"
        in result.stdout
    )
    late = [line for line in result.stdout.splitlines() if len(line) > wide and "/" not in line]
    assert late == []


def test_a_platform_that_is_full_by_others_says_how_many_runs_fit(
    store: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nplatforms: {g: {type: gumloop, api_key: k, user_id: u}}\n"
    )
    now = time.time()
    event = make_event(None, now=now)
    events.add(
        store,
        event,
        [make_delivery(event, platform="g", created_at=now - 400, due_at=now - 400)],
        lambda *_: [],
    )
    busy = Circuit(platform="g", allowance=0, raise_at=now + 900, raise_for=15.0)
    with store.engine.begin() as connection:
        throttling.write_circuits(connection, {}, {"g": busy}, now)
    result = run("status")
    assert re.search(r"g +0 of 5 +0 +0 +closed +0 until 20\S+ \S+Z", result.stdout), result.stdout
    found = json.loads(run("status", "--json").stdout)
    assert "platform_full:g" in {one["key"] for one in found["problems"]}
    (platform,) = found["platforms"]
    assert (platform["allowance"], platform["full_until"] is None) == (0, False)


def test_no_replay_is_advised_through_a_route_that_was_removed(
    store: Database, folder: Path
) -> None:
    for route in ("gone", "triage"):
        event = make_event()
        parked = make_delivery(event, route, status=Status.DEAD, dead_kind=DeadKind.OURS)
        events.add(store, event, [parked], lambda *_: [])
        put(store, parked.id, finished_at=time.time() - 60)
    (folder / "routes.yaml").write_text(LIVE)
    problems = json.loads(run("status", "--json").stdout)["problems"]
    (steps,) = (one["what_to_do"] for one in problems if one["key"] == "dead")
    assert "--route triage" in steps and "gone" not in steps


def test_why_a_changed_configuration_is_not_used_has_a_line(store: Database, folder: Path) -> None:
    from bridge.monitoring.presence import Presence

    config = {
        "hash": "a" * 64,
        "since": "2026-11-24T17:03:05Z",
        "error": [],
        "error_since": None,
        "restart": [],
        "held": "2 deliveries are lost",
    }
    presence = Presence(folder / "data")
    try:
        presence.publish(
            {"pid": 6, "host": "h", "version": "0.0.1", "config": config, "processes": []}
        )
        result = run("status")
    finally:
        presence.close()
    assert re.search(r"(?m)^not used +2 deliveries are lost$", result.stdout), result.stdout


def test_a_version_that_runs_on_after_an_upgrade_is_pointed_out(
    store: Database, folder: Path
) -> None:
    from bridge.monitoring.presence import Presence

    (folder / "routes.yaml").write_text("version: 1\n")
    config = {
        "hash": "a" * 64,
        "since": "2026-11-24T17:03:05Z",
        "error": [],
        "error_since": None,
        "restart": ["FLOWBRIDGE_LOG"],
    }
    place = {"pid": 7, "role": "web", "since": "2026-11-24T17:03:05Z", "config_hash": "a" * 64}
    presence = Presence(folder / "data")
    try:
        processes = [place, {**place, "role": "work", "pid": 8}]
        presence.publish(
            {"pid": 6, "host": "h", "version": "0.0.1", "config": config, "processes": processes}
        )
        result = run("status")
    finally:
        presence.close()
    assert result.exit_code == 0
    assert "All is well." in result.stdout
    assert "note: FLOWBRIDGE_LOG in .env changed" in result.stdout
    assert "note: flowbridge 0.0.1 runs" in result.stdout


@pytest.mark.usefixtures("new_processes")
def test_of_a_fleet_it_shows_the_workers_of_others(tmp_path: Path, postgresql: Database) -> None:
    url = postgresql.url.render_as_string(hide_password=False)
    environ = {"FLOWBRIDGE_DATABASE_URL": url, "FLOWBRIDGE_SECRET_KEY": "k" * 32}
    bridge = Reloading(tmp_path, environ=environ)
    with postgresql.engine.begin() as connection:
        heartbeats.beat(connection, "w", "elsewhere", 77, time.time())
    found = told(bridge, 0)
    assert [
        (one["host"], one["pid"], one["role"], one["config_hash"]) for one in found["processes"]
    ] == [("elsewhere", 77, "work", None)]
    assert abs(found["database"]["clock_ahead"]) < 30
    assert found["database"]["version"].startswith("PostgreSQL")
    assert "clock" in status(bridge).stdout


def test_a_source_that_never_passed_is_named_until_an_event_comes(
    store: Database, folder: Path
) -> None:
    no_midnight()
    (folder / "routes.yaml").write_text(
        "version: 1\nsources: {github: {provider: github, secret: '${env:S}'}}\n"
    )
    (folder / ".env").write_text("S=not-the-secret-of-the-sender\n")
    one = make_reject(received_at=time.time(), body=b"{}")
    for number in range(3):
        rejects.add(store, replace(one, id=f"rej_{number}"))
    shown = run("status").stdout
    assert (
        "source github has no event, and 3 requests to it failed verification today"
        in shown.replace("\n  ", " ")
    )
    assert "flowbridge rejects --source github" in shown
    events.add_all(store, [(make_event(None, now=time.time()), ())], lambda *_: [])
    assert "failed verification" not in run("status").stdout
