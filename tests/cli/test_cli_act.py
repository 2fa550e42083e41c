"""replay, retry, cancel, resolve: a count first, then one line for each, and an exit code that
tells.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import lines, run
from records import make_delivery, make_event, put

from bridge.config.loader import load
from bridge.core.http_messages import Answer
from bridge.core.model import Delivery, Status
from bridge.services.platforms import platform_queries
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import configs, event_lookup
from bridge.store.queries import events as event_queries
from bridge.store.tables import schema

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}}
routes:
  - {name: triage, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: second, on: github, inputs: {n: "${body.n}"}, flow: local/echo}
"""


@pytest.fixture
def waiting(store: Database) -> list[Delivery]:
    """Three events, each with a queued delivery."""
    made = []
    for number in range(3):
        event = make_event(str(number))
        made.append(make_delivery(event))
        events.add(store, event, made[-1:], lambda *_: [])
    return made


def statuses(store: Database) -> list[str]:
    return [
        one.status.value for one in event_queries.list_deliveries(store, event_queries.Filters())
    ]


def test_nothing_is_done_without_names_or_filters(waiting: list[Delivery]) -> None:
    for command in (["cancel"], ["retry"], ["replay"], ["resolve", "--as", "dead"]):
        result = run(*command, "--yes")
        assert result.exit_code == 2 and "select by a filter" in result.stderr
    assert run("cancel", waiting[0].id, "--status", "queued", "--yes").exit_code == 2


def test_where_nobody_can_be_asked_yes_is_wanted(store: Database, waiting: list[Delivery]) -> None:
    result = run("cancel", "--route", "triage")
    assert result.exit_code == 2
    assert "3 deliveries to cancel: not a terminal, so pass --yes" in result.stderr
    assert statuses(store) == ["queued"] * 3


def test_a_dry_run_counts_and_does_nothing(store: Database, waiting: list[Delivery]) -> None:
    assert run("cancel", "--route", "triage", "--dry-run").stdout == "3 deliveries to cancel\n"
    assert lines(run("cancel", waiting[0].id, "--dry-run", "--json")) == [{"count": 1}]
    assert statuses(store) == ["queued"] * 3


@pytest.mark.parametrize(
    ("said", "after"), [("y\n", "cancelled"), ("n\n", "queued"), ("\n", "queued")]
)
def test_a_person_is_asked(
    store: Database, waiting: list[Delivery], monkeypatch: pytest.MonkeyPatch, said: str, after: str
) -> None:
    terminal = SimpleNamespace(
        stdin=SimpleNamespace(isatty=lambda: True), stderr=sys.stderr, exit=sys.exit
    )
    monkeypatch.setattr("bridge.cli.actions.confirmation.sys", terminal)
    result = run("cancel", "--route", "triage", input=said)
    assert result.exit_code == 0
    assert statuses(store) == [after] * 3


def test_one_or_many_are_moved_with_a_line_for_each(
    store: Database, waiting: list[Delivery]
) -> None:
    one = run("cancel", waiting[0].id[:-3], "--yes")
    assert (one.exit_code, one.stdout) == (0, f"{waiting[0].id}  queued → cancelled\n")
    rest = run("cancel", "--source", "github", "--since", "20000d", "--yes", "--json")
    assert [
        (item["id"], item["ok"], item["was"], item["deliveries"][0]["status"])
        for item in lines(rest)
    ] == [(delivery.id, True, "queued", "cancelled") for delivery in waiting[1:]]
    assert rest.stderr == f"2 cancelled ({lines(rest)[0]['act']})\n"
    back = run("retry", *(delivery.id for delivery in waiting), "--yes")
    assert (back.exit_code, statuses(store)) == (0, ["queued"] * 3)


def test_what_cannot_be_moved_says_why_and_exits_with_1(
    store: Database, waiting: list[Delivery]
) -> None:
    result = run("retry", waiting[0].id, "dlv_none", "--yes", "--json")
    assert result.exit_code == 1
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["ok"], first["problem"]) == (
        False,
        "it is queued: flowbridge sends it without a retry",
    )
    assert (second["id"], second["ok"]) == ("dlv_none", False)
    assert "0 retried, 2 not" in result.stderr
    # a filter that finds nothing is no problem
    assert run("retry", "--status", "cancelled", "--yes").exit_code == 0


def test_an_event_stands_for_its_deliveries(store: Database, waiting: list[Delivery]) -> None:
    assert run("cancel", waiting[0].event_id, "--yes").exit_code == 0
    assert statuses(store) == ["queued", "queued", "cancelled"]
    assert run("cancel", waiting[0].event_id, "--yes").exit_code == 1


@pytest.mark.parametrize("to", ["delivered", "queued", "dead"])
def test_the_unknown_are_resolved(store: Database, waiting: list[Delivery], to: str) -> None:
    for one in waiting:
        put(store, one.id, status="unknown", attempts=1)
    run_id = ["--run-id", "R1"] if to == "delivered" else []
    assert run("resolve", waiting[0].id, "--as", to, *run_id, "--yes").exit_code == 0
    assert run("resolve", "--status", "unknown", "--as", to, "--yes").exit_code == 0
    assert statuses(store) == [to] * 3
    assert event_lookup.show(store, waiting[0].id).deliveries[0].run_id == (
        "R1" if run_id else None
    )


@pytest.mark.parametrize(
    ("status", "force", "code", "said"),
    [
        (
            404,
            [],
            1,
            ("platform gumloop has no run 'R1': HTTP 404: no such run (force accepts it anyway)"),
        ),
        (404, ["--force"], 0, ""),
        (500, [], 0, "the run was not looked up: HTTP 500: no such run"),
        (200, [], 0, ""),
    ],
)
def test_a_run_is_looked_up_before_it_is_believed(
    store: Database,
    waiting: list[Delivery],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    force: list[str],
    code: int,
    said: str,
) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nplatforms: {gumloop: {type: gumloop, api_key: k, user_id: u}}\n"
    )
    body = b'{"state": "RUNNING"}' if status == 200 else b'{"message": "no such run"}'
    monkeypatch.setattr(
        platform_queries, "try_to_send", lambda *_: Answer(status=status, headers={}, body=body)
    )
    put(store, waiting[0].id, status="unknown", attempts=1, platform="gumloop")
    done = run("resolve", waiting[0].id, "--as", "delivered", "--run-id", "R1", "--yes", *force)
    assert (done.exit_code, said in done.output, "not looked up" in done.stderr) == (
        code,
        True,
        status == 500,
    )
    assert event_lookup.show(store, waiting[0].id).deliveries[0].status == (
        "unknown" if code else "delivered"
    )


def test_a_run_id_is_for_one_delivery_as_delivered(waiting: list[Delivery]) -> None:
    for more in (["--as", "dead", waiting[0].id], ["--as", "delivered", "--since", "1h"]):
        assert run("resolve", "--run-id", "R1", *more).exit_code == 2


def test_a_retry_says_which_inputs_an_older_configuration_made(
    store: Database, waiting: list[Delivery], folder: Path
) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("${body.n}", "${body.m}"))
    was = load(folder / "routes.yaml", {}, strict_secrets=False)
    configs.remember_config(store, was.hash, was.canonical, 0.0)
    ids = [one.id for one in waiting]
    for id_ in ids:
        put(
            store, id_, status="dead", dead_kind="platform", reason="HTTP 400", config_hash=was.hash
        )
    assert "older configuration" not in run("retry", *ids, "--dry-run").stderr
    (folder / "routes.yaml").write_text(ROUTES)
    one = run("retry", ids[0], "--yes")
    assert one.exit_code == 0 and one.stdout == f"{ids[0]}  dead → queued\n"
    assert (
        "1 delivery has inputs from an older configuration (route triage); retry sends them"
        " unchanged.\n" in one.stderr
    )
    assert (
        f"the current routes.yaml: flowbridge replay {waiting[0].event_id} --through triage\n"
        in one.stderr
    )
    many = run("retry", "--status", "dead", "--dry-run")
    assert (many.exit_code, many.stdout) == (0, "2 deliveries to retry\n")
    assert (
        "2 deliveries have inputs from an older" in many.stderr
        and "flowbridge replay with the same filters or ids --through triage\n" in many.stderr
    )
    (folder / "routes.yaml").write_text("version: 2\n")
    assert run("retry", ids[1], "--yes").exit_code == 0


def test_a_dry_run_counts_what_it_would_do(store: Database, waiting: list[Delivery]) -> None:
    put(store, waiting[0].id, status="delivered", run_state="done")
    put(store, waiting[1].id, status="dead", dead_kind="platform", reason="HTTP 400")
    ids = [one.id for one in waiting[:2]]
    counted = run("retry", *ids, "--dry-run")
    assert (counted.exit_code, counted.stdout) == (0, "1 delivery to retry\n"), counted.stderr
    assert f"{ids[0]}: it was delivered and its run is done" in counted.stderr
    done = run("retry", *ids, "--yes")
    assert done.exit_code == 1 and f"{ids[1]}  dead → queued\n" in done.stdout
    assert "it was delivered and its run is done" in done.stdout + done.stderr
    assert run("retry", ids[0], "--dry-run").stdout == "0 deliveries to retry\n"


def test_events_are_replayed_through_the_routes_of_now(
    store: Database, waiting: list[Delivery], folder: Path
) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    assert run("replay", "--source", "github", "--dry-run").stdout == "3 events to replay\n"
    (item,) = lines(run("replay", waiting[0].event_id, "--yes", "--json"))
    assert [(one["route"], one["status"]) for one in item["deliveries"]] == [
        ("triage", "queued"),
        ("second", "queued"),
    ]
    assert run("replay", "--source", "github", "--through", "second", "--yes").exit_code == 0
    assert len(statuses(store)) == 3 + 2 + 3
    # only through the route that was asked for
    assert run("replay", "--route", "second", "--yes").exit_code == 0
    assert len(statuses(store)) == 3 + 2 + 3 + 3
    wrong = run("replay", "--source", "github", "--through", "secnd", "--yes")
    assert wrong.exit_code == 2 and "did you mean `second`?" in wrong.stderr


def test_what_no_route_matches_is_a_problem_of_that_event(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(
        ROUTES.replace("github issues", "github ping").replace("on: github,", "on: github pong,")
    )
    event = make_event("1")
    events.add(store, event, [make_delivery(event, status=Status.DEAD)], lambda *_: [])
    result = run("replay", event.id, "--yes")
    assert (result.exit_code, "no route matches it (github issues)" in result.stdout) == (1, True)


def test_routes_that_cannot_be_used_are_exit_code_2(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 2\n")
    result = run("replay", "--source", "github", "--yes")
    assert (result.exit_code, "routes.yaml:1:10" in result.stderr) == (2, True)


def test_many_are_moved_in_the_order_they_came(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.operations.log.BATCH_ITEMS", 7)
    made: list[Any] = []
    for number in range(30):
        event = make_event(str(number))
        made.append(make_delivery(event).id)
        events.add(store, event, [make_delivery(event)], lambda *_: [])
    found = lines(run("cancel", "--status", "queued", "--yes", "--json"))
    assert [item["id"] for item in found] == made


def test_a_retry_of_an_event_says_why_none_of_its_deliveries_fits(
    store: Database, waiting: list[Delivery]
) -> None:
    one = waiting[0]
    refused = run("retry", one.event_id, "--yes")
    why = f"no delivery of {one.event_id} is in a state that allows this: it is queued"
    assert refused.exit_code == 1 and why in refused.stdout + refused.stderr
    lonely = make_event("lonely", spam="token: no token was sent")
    events.add(store, lonely, [], lambda *_: [])
    refused = run("retry", lonely.id, "--yes")
    why = f"{lonely.id} has no deliveries: flowbridge show {lonely.id} says why"
    assert refused.exit_code == 1 and why in refused.stdout + refused.stderr


def test_a_run_of_another_delivery_is_refused_whatever_is_forced(
    store: Database, waiting: list[Delivery]
) -> None:
    put(store, waiting[0].id, status="delivered", run_id="R1")
    put(store, waiting[1].id, status="unknown", attempts=1)
    resolve = ["resolve", waiting[1].id, "--as", "delivered", "--run-id", "R1"]
    for more in (["--yes"], ["--yes", "--force"], ["--dry-run"]):
        done = run(*resolve, *more)
        assert f"the run R1 belongs to the delivery {waiting[0].id} (route triage)" in done.output
    assert statuses(store) == ["queued", "unknown", "delivered"]


def test_a_run_that_is_older_than_the_call_is_refused(
    store: Database, waiting: list[Delivery], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nplatforms: {gumloop: {type: gumloop, api_key: k, user_id: u}}\n"
    )
    body = b'{"state": "DONE", "created_ts": "2020-01-01T00:00:00+00:00"}'
    monkeypatch.setattr(
        platform_queries, "try_to_send", lambda *_: Answer(status=200, headers={}, body=body)
    )
    put(store, waiting[0].id, status="unknown", attempts=1, platform="gumloop")
    with store.engine.begin() as connection:
        connection.execute(
            schema.attempt.insert().values(
                delivery_id=waiting[0].id, number=1, started_at=time.time(), outcome="unknown"
            )
        )
    done = run("resolve", waiting[0].id, "--as", "delivered", "--run-id", "R1", "--yes", "--force")
    assert done.exit_code == 1
    assert "the run R1 was created at 2020-01-01T00:00:00.000000Z, but the call" in done.output
    assert event_lookup.show(store, waiting[0].id).deliveries[0].status == "unknown"
