"""The commands that errors, refusals and checks name work as they are printed, and end them."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

import pytest
from command_line import run
from fake_platform import FakePlatform
from printed_advice import follow
from records import make_delivery, make_event, put

from bridge.config.loader import load
from bridge.core.advice import name_command
from bridge.core.model import DeadKind, Delivery
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import configs, event_lookup

ROUTES: Final = """version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: a-secret-of-github-0123456789}}
routes: [{name: triage, on: github issues, flow: local/echo, inputs: {n: "${body.n}"}}]
"""
PLATFORM: Final = "gumloop: {{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: '{url}', timeout: 5s}}"
OTHER_TYPE: Final = ROUTES.replace("github issues", "github push")


@pytest.fixture
def routes(folder: Path) -> Path:
    path = folder / "routes.yaml"
    path.write_text(ROUTES)
    return path


def add_dead(
    store: Database, kind: DeadKind, *, spam: str | None = None, **columns: Any
) -> Delivery:
    """Add an event with a dead delivery."""
    now = time.time()
    event = make_event(now=now, spam=spam)
    delivery = make_delivery(event, now=now)
    events.add(store, event, [delivery], lambda *_: [])
    put(store, delivery.id, status="dead", dead_kind=kind.value, finished_at=now, **columns)
    return delivery


def list_statuses(store: Database, event_id: str) -> list[str]:
    return [delivery.status for delivery in event_lookup.show(store, event_id).deliveries]


def test_a_retry_of_spam_works_after_the_release(store: Database, routes: Path) -> None:
    delivery = add_dead(store, DeadKind.PLATFORM, spam="a link")
    release = name_command("spam release", delivery.event_id)
    refused = run("retry", delivery.id, "--yes")
    assert refused.exit_code == 1 and f"run {release} first" in refused.output
    follow([release])
    assert run("retry", delivery.id, "--yes").exit_code == 0
    assert run("show", delivery.id).stdout.count("queued")


def test_an_event_without_deliveries_is_shown_with_the_reason(
    store: Database, routes: Path
) -> None:
    routes.write_text(OTHER_TYPE)
    event = make_event(now=time.time())
    events.add(store, event, [], lambda *_: [])
    show = name_command("show", event.id)
    assert f"{show} says why" in run("retry", event.id, "--yes").output
    assert "none: no route matched" in follow([show])


@pytest.mark.parametrize("planned", [False, True])
def test_an_event_that_matches_now_is_planned_again(
    store: Database, routes: Path, planned: bool
) -> None:
    event = make_event(now=time.time())
    others = [make_delivery(event, "gone", now=time.time())] if planned else []
    events.add(store, event, others, lambda *_: [])
    replay = name_command("replay", event.id, **({"through": "triage"} if planned else {}))
    assert f"triage: it matches now: {replay}\n" in run("show", event.id).stdout
    follow([replay])
    assert "matches now" not in run("show", event.id).stdout
    assert list_statuses(store, event.id) == ["queued"] * (1 + planned)


def test_reasons_are_known_once_check_is_content(store: Database, routes: Path) -> None:
    event = make_event(now=time.time())
    events.add(store, event, [], lambda *_: [])
    routes.write_text(OTHER_TYPE.replace("local/echo", "loca/echo"))
    check = name_command("check")
    unknown = f"the reason is unknown: run {check}\n"
    assert unknown in run("show", event.id).stdout
    result = run("check")
    assert result.exit_code == 2 and "loca" in result.output
    routes.write_text(OTHER_TYPE)
    follow([check])
    assert unknown not in run("show", event.id).stdout


def test_a_broken_lock_is_written_again(folder: Path) -> None:
    with FakePlatform() as platform:
        (folder / "routes.yaml").write_text(
            ROUTES.replace("local: {type: local}", PLATFORM.format(url=platform.base_url)).replace(
                "local/echo", "gumloop/echo"
            )
        )
        platform.flows["echo"] = ["n"]
        (folder / "flows.lock").write_text("[")
        lock = name_command("check", live=True, lock=True)
        assert f"flows.lock is not valid: `{lock}` writes it again" in run("check", "--live").output
        follow([lock])
        assert run("check", "--live").exit_code == 0


def test_a_folder_without_routes_gets_some(folder: Path, new_processes: None) -> None:
    init = name_command("init")
    note = f"there is no routes.yaml: `{init}` writes one"
    assert note in run("check").output
    follow([init])
    assert note not in run("check").output
    assert run("check").exit_code == 0


def test_a_database_without_a_schema_is_upgraded(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "data").mkdir()
    with sqlite3.connect(folder / "data" / "flowbridge.db") as connection:
        connection.execute("PRAGMA user_version = 1")
    upgrade = name_command("db upgrade")
    note = f"the next start will upgrade the schema of the database; to do it now: {upgrade}"
    assert note in run("check").output
    refused = run("db", "check")
    assert refused.exit_code == 1 and f": {upgrade}\n" in refused.output
    follow([upgrade])
    assert note not in run("check").output
    assert run("db", "check").exit_code == 0


def test_inputs_of_an_older_configuration_are_made_again(store: Database, routes: Path) -> None:
    routes.write_text(ROUTES.replace("${body.n}", "${body.m}"))
    then = load(routes, {})
    configs.remember_config(store, then.hash, then.canonical, 0.0)
    routes.write_text(ROUTES)
    delivery = add_dead(store, DeadKind.PLATFORM, config_hash=then.hash)
    replay = name_command("replay", delivery.event_id, through="triage")
    said = f"To make new ones with the current routes.yaml: {replay}\n"
    assert said in run("retry", delivery.id, "--dry-run").output
    follow([replay])
    (*_, again) = event_lookup.show(store, delivery.event_id).deliveries
    assert (again.status, again.inputs) == ("queued", {"n": 1})
    assert said not in run("retry", again.id, "--dry-run").output


def test_deliveries_that_routing_rejected_are_planned_again(store: Database, routes: Path) -> None:
    delivery = add_dead(store, DeadKind.OURS)
    replay = name_command("replay", dead_kind="config")
    said = f"fix routes.yaml, then {replay}"
    assert said in run("retry", "--status", "dead", "--yes").output
    follow([replay])
    assert list_statuses(store, delivery.event_id) == ["dead", "queued"]


def test_the_help_of_alerts_is_named_until_a_route_subscribes(routes: Path) -> None:
    note = f"a route can send them: {name_command('alerts', help=True)}"
    assert note in run("check").output
    assert "on: flowbridge alert.*" in run("alerts", "--help").stdout
    subscribed = ROUTES.replace(
        "routes: [",
        'routes: [{name: tell, on: flowbridge alert.*, flow: local/echo, inputs: {s: "${body.summary}"}}, ',
    )
    routes.write_text(subscribed)
    assert note not in run("check").output
