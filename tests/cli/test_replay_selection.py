"""replay: a dry run and the real one choose the same events, and say the same numbers, with what is
left out and why.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from command_line import lines, run
from records import make_delivery, make_event
from sqlalchemy import func, select

from bridge.core.model import OWN_SOURCE_NAME, DeadKind, Status
from bridge.services.operations.execution import begin_operation
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import operation_records
from bridge.store.queries import event_lookup
from bridge.store.tables import schema

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}}
routes:
  - {name: triage, on: github issues, match: {body.n: 1}, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: strict, on: github push, strict: true, inputs: {n: "${body.gone}"}, flow: local/echo}
"""
LEFT_OUT = [
    "2 events are left out: no route matches it (github ping)",
    "1 event is left out: its source 'gone' is not in routes.yaml",
    "1 event is left out: no route matches it (github issues)",
    "1 event is left out: it is marked as spam: flowbridge spam release starts it",
    "1 event is refused: ",
]


def add(store: Database, type_: str, body: bytes = b'{"n":1}', **changes: Any) -> str:
    event = make_event(type=type_, body=body, **changes)
    made = replace(
        make_delivery(event),
        status=Status.DEAD,
        dead_kind=DeadKind.OURS,
        reason="it was not planned",
    )
    events.add(store, event, [made], lambda *_: [])
    return event.id


@pytest.fixture
def stored(store: Database, folder: Path) -> dict[str, list[str]]:
    """The ids of events that a replay plans, leaves out, or refuses."""
    (folder / "routes.yaml").write_text(ROUTES)
    plans = [add(store, "issues") for _ in range(3)]
    left_out = [add(store, "ping"), add(store, "issues", b'{"n":2}'), add(store, "ping")]
    left_out += [
        add(store, "alert.raised", source=OWN_SOURCE_NAME, provider=OWN_SOURCE_NAME),
        add(store, "issues", source="gone"),
    ]
    add(store, "issues", spam="token")
    return {"plans": plans, "left_out": left_out, "refused": [add(store, "push")]}


def rows(store: Database) -> list[int]:
    tables = schema.delivery, schema.config, schema.act, schema.act_item
    with store.read() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables
        ]


def said(result: Result) -> list[str]:
    return [
        line for line in result.stderr.splitlines() if " left out: " in line or " refused: " in line
    ]


def are_named(found: list[str]) -> bool:
    return len(found) == len(LEFT_OUT) and all(
        any(line.startswith(start) for line in found) for start in LEFT_OUT
    )


FILTER = ("replay", "--since", "2000-01-01")


def test_a_dry_run_says_what_is_left_out_and_stores_nothing(
    store: Database, stored: dict[str, list[str]]
) -> None:
    before = rows(store)
    result = run(*FILTER, "--dry-run")
    assert (result.exit_code, result.stdout) == (0, "3 events to replay\n") and are_named(
        said(result)
    ), result.stderr
    assert rows(store) == before
    (counted,) = lines(run(*FILTER, "--dry-run", "--json"))
    assert counted["count"] == 3 and counted["left_out"]["no route matches it (github ping)"] == 2
    assert list(counted["refused"].values()) == [1]


def test_the_real_one_does_what_the_dry_run_said(
    store: Database, stored: dict[str, list[str]]
) -> None:
    promised = said(run(*FILTER, "--dry-run"))
    result = run(*FILTER, "--yes")
    assert said(result) == promised and are_named(promised)
    assert result.exit_code == 1 and "3 replayed, 1 not" in result.stderr
    (act,) = operation_records.list_operations(store)
    assert {one.item_id for one in operation_records.list_items(store, act)} == {
        *stored["plans"],
        *stored["refused"],
    }


def test_what_is_left_out_is_no_error(store: Database, stored: dict[str, list[str]]) -> None:
    result = run(*FILTER, "--type", "ping", "--yes")
    assert (
        result.exit_code == 0
        and said(result) == LEFT_OUT[:1]
        and "No matching events to replay." in result.stderr
    )
    issues = run(*FILTER, "--type", "issues", "--source", "github", "--yes")
    assert (
        issues.exit_code == 0
        and "3 replayed (act_" in issues.stderr
        and said(issues) == LEFT_OUT[2:4]
    )


def test_through_a_route_the_others_are_left_out(
    store: Database, stored: dict[str, list[str]]
) -> None:
    result = run(*FILTER, "--source", "github", "--through", "triage", "--dry-run")
    assert result.stdout == "3 events to replay\n"
    assert "1 event is left out: the route 'triage' does not match it (github push)" in said(result)


def test_an_alert_is_replayed_only_if_asked_for(
    store: Database, stored: dict[str, list[str]]
) -> None:
    alert = "no route matches it (flowbridge alert.raised)"
    for more in (["--source", OWN_SOURCE_NAME], ["--type", "alert.*"]):
        assert said(run(*FILTER, *more, "--dry-run")) == [f"1 event is left out: {alert}"], more
    through = "the route 'triage' does not match it (flowbridge alert.raised)"
    assert f"1 event is left out: {through}" in said(
        run(*FILTER, "--through", "triage", "--dry-run")
    )
    assert not any("alert.raised" in line for line in said(run(*FILTER, "--dry-run")))


def test_one_that_is_named_is_refused_by_both(
    store: Database, stored: dict[str, list[str]]
) -> None:
    ids = [stored["left_out"][0], stored["plans"][0]]
    dry = run("replay", *ids, "--dry-run")
    real = run("replay", *ids, "--yes")
    assert (
        dry.stdout == "1 event to replay\n"
        and real.exit_code == 1
        and "1 replayed, 1 not" in real.stderr
    )
    assert said(dry) == said(real) == ["1 event is refused: no route matches it (github ping)"]
    assert f"{ids[0]}  not replayed: no route matches it (github ping)" in real.stdout


def test_all_are_looked_at_however_large_their_bodies(
    store: Database, stored: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.operations.replay.MAX_BATCH_BYTES", 1)
    assert run(*FILTER, "--dry-run").stdout == "3 events to replay\n"


def test_an_event_whose_problem_is_over_is_not_left_out(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    event_id = add(store, "ping", problem="the body cannot be read")
    assert run(*FILTER, "--yes").exit_code == 1
    assert events.get(store, event_id).problem is None


def test_many_reasons_are_summed_up(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    for number in range(8):
        add(store, f"type{number}")
    result = run(*FILTER, "--dry-run")
    assert len(said(result)) == 5 and "3 events are left out for other reasons" in result.stderr


# -- only through the routes whose deliveries match

TWO_ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}}
routes:
  - {name: triage, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: notify, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo}
"""
PARKED = ("replay", "--dead-kind", "config", "--since", "2000-01-01")
PARKED_STATE = {
    "status": Status.DEAD,
    "dead_kind": DeadKind.OURS,
    "reason": "$.title: is too short",
}


@pytest.fixture
def half_parked(store: Database, folder: Path) -> str:
    """The id of an event of which one route was parked and the other one delivered."""
    (folder / "routes.yaml").write_text(TWO_ROUTES)
    event = make_event(type="issues", body=b'{"n":1}')
    parked = make_delivery(event, "triage", **PARKED_STATE)
    events.add(
        store,
        event,
        [parked, make_delivery(event, "notify", status=Status.DELIVERED)],
        lambda *_: [],
    )
    return event.id


def routes_of(store: Database, event_id: str) -> list[str]:
    return [one.route for one in event_lookup.show(store, event_id).deliveries]


def test_a_replay_by_kind_of_death_starts_no_route_that_had_nothing_wrong(
    store: Database, half_parked: str
) -> None:
    dry = run(*PARKED, "--dry-run")
    assert dry.stdout == "1 event to replay\n"
    assert "already delivered" not in dry.stderr
    assert "1 event is not planned through notify: no delivery of it matches" in dry.stderr
    assert run(*PARKED, "--yes").exit_code == 0
    assert routes_of(store, half_parked) == ["triage", "notify", "triage"]


@pytest.mark.parametrize("more", [(), ("--route", "triage")], ids=["all", "one route"])
def test_what_was_repaired_long_ago_is_left_out_of_a_replay(
    store: Database, half_parked: str, more: tuple[str, ...]
) -> None:
    assert run(*PARKED, *more, "--yes").exit_code == 0
    again = run(*PARKED, *more, "--yes")
    assert "No matching events to replay." in again.stderr
    assert said(again) == [
        "1 event is left out: its deliveries that match were replayed or sent since"
    ]
    assert len(routes_of(store, half_parked)) == 3


def test_a_replay_that_is_parked_again_can_be_replayed(
    store: Database, half_parked: str, folder: Path
) -> None:
    path = folder / "routes.yaml"
    path.write_text(
        TWO_ROUTES.replace("triage, on", "triage, strict: true, on").replace("n}", "gone}", 1)
    )
    assert run(*PARKED, "--yes").exit_code == 1
    path.write_text(TWO_ROUTES)
    assert run(*PARKED, "--yes").exit_code == 0
    assert routes_of(store, half_parked) == ["triage", "notify", "triage", "triage"]


def test_through_a_named_route_a_replay_goes_as_it_is_told(
    store: Database, half_parked: str
) -> None:
    result = run(*PARKED, "--through", "notify", "--yes")
    assert "1 of these events was already delivered" in result.stderr
    assert routes_of(store, half_parked) == ["triage", "notify", "notify"]


def test_a_route_with_several_flows_is_said_to_start_the_other_again(
    store: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(TWO_ROUTES)
    event = make_event(type="issues", body=b'{"n":1}')
    parked = make_delivery(event, "triage", **PARKED_STATE)
    other = replace(parked, id=f"{parked.id}b", status=Status.DELIVERED, dead_kind=None)
    events.add(store, event, [parked, other], lambda *_: [])
    assert "1 of these events was already delivered" in run(*PARKED, "--dry-run").stderr


def test_a_delivery_whose_route_is_gone_is_left_out_with_the_reason(
    store: Database, half_parked: str, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(TWO_ROUTES.replace("name: triage", "name: sort"))
    result = run(*PARKED, "--yes")
    assert said(result) == ["1 event is left out: its configuration has no route 'triage'"]
    assert routes_of(store, half_parked) == ["triage", "notify"]


def test_a_resumed_replay_goes_through_the_same_routes(store: Database, half_parked: str) -> None:
    asked = {"filters": {"dead_kind": "config", "since": 0.0}}
    act = begin_operation(store, "replay", [half_parked], actor="ana", request=asked)
    assert run("operations", "resume", act.id, "--yes").exit_code == 0
    assert routes_of(store, half_parked) == ["triage", "notify", "triage"]


def test_an_event_without_deliveries_is_planned_through_all_routes(
    store: Database, half_parked: str
) -> None:
    event = make_event(type="issues", body=b'{"n":1}', problem="the body cannot be read")
    events.add(store, event, [], lambda *_: [])
    assert run("replay", "--reason", "cannot be read", "--yes").exit_code == 0
    assert routes_of(store, event.id) == ["triage", "notify"]


# -- the route of each delivery that is named


def test_a_named_delivery_is_replayed_through_its_route_alone(
    store: Database, half_parked: str
) -> None:
    parked, delivered = event_lookup.show(store, half_parked).deliveries
    dry = run("replay", parked.id, "--dry-run")
    assert dry.stdout == "1 delivery to replay\n" and "already delivered" not in dry.stderr
    result = run("replay", parked.id, "--yes")
    assert result.stdout.startswith(f"{parked.id}  replayed: dlv_")
    assert routes_of(store, half_parked) == ["triage", "notify", "triage"]
    assert "1 of these deliveries" in run("replay", delivered.id, "--dry-run").stderr
    assert run("replay", delivered.id, "--through", "triage", "--yes").exit_code == 0
    assert routes_of(store, half_parked) == ["triage", "notify", "triage", "triage"]


def test_a_route_of_an_event_is_replayed_once(store: Database, half_parked: str) -> None:
    assert run("replay", half_parked, "--through", "triage", "--yes").exit_code == 0
    triage, notify, again = (one.id for one in event_lookup.show(store, half_parked).deliveries)
    assert run("replay", triage, again, notify, "--dry-run").stdout == "2 deliveries to replay\n"
    assert run("replay", triage, again, "--yes").exit_code == 0
    assert routes_of(store, half_parked)[3:] == ["triage"]
    assert run("replay", triage, half_parked, "--dry-run").stdout == "1 event to replay\n"
    assert run("replay", triage, half_parked, "--yes").exit_code == 0
    assert routes_of(store, half_parked)[4:] == ["triage", "notify"]


def test_a_resumed_replay_of_a_delivery_goes_through_its_route(
    store: Database, half_parked: str
) -> None:
    parked, _ = event_lookup.show(store, half_parked).deliveries
    act = begin_operation(store, "replay", [parked.id, "dlv_gone"], actor="ana", request={})
    dry = run("operations", "resume", act.id, "--dry-run")
    assert dry.stdout == "2 deliveries of 2 left to replay\n"
    resumed = run("operations", "resume", act.id, "--yes")
    assert "dlv_gone  not replayed: no such delivery" in resumed.stdout
    assert routes_of(store, half_parked) == ["triage", "notify", "triage"]
