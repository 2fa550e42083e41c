"""Groups of dead deliveries by cause, on both databases, and the command that lists them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lines, run
from query_plans import record_plans
from records import NOW, make_delivery, make_event, put

from bridge.core.model import DeadKind, Delivery, Event, Status
from bridge.services.dead_causes import group_by_cause
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations.actions import MOVES, MoveHandler
from bridge.store.queries import dead_deliveries
from bridge.store.queries.filters import Filters

NOT_FOUND = "HTTP 404 not_found: no such thing as 'Ann'"
SCHEMA = "the payload does not fit payload_schema: $.title: 'Ann' is not of type number"


def keep(database: Database, event: Event, *deliveries: Delivery) -> list[Delivery]:
    events.add(database, event, deliveries, lambda *_: [])
    return list(deliveries)


def dead(
    event: Event, reason: str, at: float, route: str = "triage", **changes: object
) -> Delivery:
    kind = DeadKind.OURS if reason is SCHEMA else DeadKind.PLATFORM
    values = {"status": Status.DEAD, "reason": reason, "dead_kind": kind, "finished_at": at}
    return make_delivery(event, route, now=at, **{**values, **changes})


@pytest.fixture
def died(database: Database) -> dict[str, Delivery]:
    """Five dead deliveries of three causes, and one that waits."""
    made = {}
    for number, (reason, route) in enumerate(
        [
            (SCHEMA, "triage"),
            (NOT_FOUND, "other"),
            (f"gave up after 12 attempts: {NOT_FOUND}", "triage"),
            (SCHEMA.replace("'Ann'", "'Bob'"), "triage"),
            (NOT_FOUND, "triage"),
        ]
    ):
        event = make_event(str(number), now=NOW + number, source="github" if number else "crm")
        kind = DeadKind.OURS if "schema" in reason else DeadKind.PLATFORM
        [made[str(number)]] = keep(
            database, event, dead(event, reason, NOW + number, route, dead_kind=kind)
        )
    waiting = make_event("w", now=NOW + 9)
    keep(database, waiting, make_delivery(waiting))
    return made


def test_dead_deliveries_are_grouped_by_cause(
    database: Database, died: dict[str, Delivery]
) -> None:
    http, schema = group_by_cause(database, Filters()).groups
    assert (http.cause.key, http.cause.label) == ("http:404:not_found", "HTTP 404 not_found")
    assert (http.dead_kind, http.count, http.replayed) == (DeadKind.PLATFORM, 3, 0)
    assert (http.first_at, http.last_at) == (NOW + 1, NOW + 4)
    assert (http.delivery_id, http.event_id, http.route) == (
        died["4"].id,
        died["4"].event_id,
        "triage",
    )
    assert http.routes == ["triage", "other"], "the most frequent first"
    assert (schema.cause.key, schema.count) == ("payload_schema:$.title", 2)
    assert (schema.dead_kind, schema.delivery_id) == (DeadKind.OURS, died["3"].id)
    assert "replay" in schema.cause.advice
    assert "Ann" not in f"{http}{schema}" and "Bob" not in f"{schema}", (
        "the reasons quote a payload"
    )


@pytest.mark.parametrize(
    ("filters", "counts"),
    [
        (Filters(route="other"), {"http:404:not_found": 1}),
        (Filters(source="crm"), {"payload_schema:$.title": 1}),
        (Filters(since=NOW + 3), {"payload_schema:$.title": 1, "http:404:not_found": 1}),
        (Filters(until=NOW + 1), {"payload_schema:$.title": 1}),
        (Filters(dead_kind="platform"), {"http:404:not_found": 3}),
        (Filters(reason="gave up"), {"http:404:not_found": 1}),
        (Filters(type="pull.*"), {}),
        (Filters(status="queued"), {"http:404:not_found": 3, "payload_schema:$.title": 2}),
    ],
)
@pytest.mark.usefixtures("died")
def test_filters_select_the_deliveries(
    database: Database, filters: Filters, counts: dict[str, int]
) -> None:
    found = group_by_cause(database, filters).groups
    assert {group.cause.key: group.count for group in found} == counts


def test_replayed_and_retried_deliveries_do_not_count(
    database: Database, died: dict[str, Delivery]
) -> None:
    for number in ("0", "1", "4"):
        one = died[number]
        event = events.get(database, one.event_id)
        again = make_delivery(event, one.route, id=f"{one.id}x", now=NOW + 10)
        sent_again = make_event(number, now=NOW + 10, source=event.source)
        events.add(database, sent_again, (), lambda *_, row=again: [row])
    schema, http = group_by_cause(database, Filters()).groups
    assert (http.count, http.replayed, http.routes) == (1, 2, ["triage"])
    assert (http.delivery_id, http.last_at) == (died["2"].id, NOW + 2)
    assert (schema.count, schema.replayed) == (1, 1)
    retry = MoveHandler(move=MOVES["retry"], to=Status.QUEUED)
    database.write(lambda connection: retry.carry_out(connection, [died["2"].id], NOW + 20))
    [left] = group_by_cause(database, Filters()).groups
    assert left.cause.key == schema.cause.key, "a cause without open deliveries is left out"


def test_the_other_flows_of_a_route_are_no_replay(database: Database) -> None:
    event = make_event("1")
    planned = [
        dead(event, NOT_FOUND, NOW, id=f"dlv_{number}", flow=f"local/{number}")
        for number in range(2)
    ]
    keep(database, event, *planned)
    [group] = group_by_cause(database, Filters()).groups
    assert (group.count, group.replayed) == (2, 0)
    sent_again = make_event("1", now=NOW + 10)
    again = make_delivery(event, id="dlv_2", now=NOW + 10)
    events.add(database, sent_again, (), lambda *_: [again])
    assert group_by_cause(database, Filters()).groups == []


def test_a_person_who_gives_one_up_is_a_cause_of_its_own(database: Database) -> None:
    event = make_event("1")
    [one] = keep(database, event, make_delivery(event, status=Status.UNKNOWN))
    give_up = MoveHandler(
        move=MOVES["resolve"], to=Status.DEAD, reason="resolved as dead by a person"
    )
    database.write(lambda connection: give_up.carry_out(connection, [one.id], NOW))
    [group] = group_by_cause(database, Filters()).groups
    assert (group.cause.key, group.dead_kind, group.count) == ("given_up", DeadKind.PERSON, 1)


@pytest.mark.usefixtures("died")
def test_only_the_newest_are_read_whatever_the_filters_leave(database: Database) -> None:
    whole = dead_deliveries.list_dead(database, Filters(), max_rows=5)
    assert (len(whole.rows), whole.read_until) == (5, None)
    newest = dead_deliveries.list_dead(database, Filters(), max_rows=3)
    assert [row.died_at for row in newest.rows] == [NOW + 4, NOW + 3, NOW + 2]
    assert newest.read_until == NOW + 2
    rare = dead_deliveries.list_dead(database, Filters(route="other"), max_rows=3)
    assert (rare.rows, rare.read_until) == ([], NOW + 2)


def test_the_index_of_stuck_deliveries_is_walked(sqlite: Database) -> None:
    event = make_event("1")
    keep(sqlite, event, dead(event, NOT_FOUND, NOW))
    plans = record_plans(sqlite)
    list(dead_deliveries.list_dead(sqlite, Filters(source="github")).rows)
    steps = [one.step for one in plans if "'dead'" in one.statement]
    assert sum("ix_delivery_stuck" in step for step in steps) == 3, steps
    assert not [step for step in steps if step.startswith(("SCAN delivery", "SCAN event"))], steps


def test_the_command_lists_causes(store: Database) -> None:
    event = make_event("1", now=NOW)
    [one] = keep(store, event, dead(event, SCHEMA, NOW))
    [found] = lines(run("causes", "--json"))
    assert found == {
        "key": "payload_schema:$.title",
        "summary": "the payload does not fit payload_schema: $.title",
        "dead_kind": "config",
        "count": 1,
        "replayed": 0,
        "first_at": "2025-11-24T16:00:00.000000Z",
        "last_at": "2025-11-24T16:00:00.000000Z",
        "example": {"delivery_id": one.id, "event_id": event.id, "route": "triage"},
        "what_to_do": "fix payload_schema in routes.yaml, or the sender, then replay",
        "routes": ["triage"],
    }
    shown = run("causes")
    assert (shown.exit_code, shown.stderr) == (0, "")
    head, row = shown.stdout.splitlines()
    assert head.split()[:3] == ["COUNT", "KIND", "FIRST"]
    assert row.startswith("1      config  2025-11-24T16:00:00Z") and found["summary"] in row
    assert one.id in row and found["what_to_do"] in row and "Ann" not in row


def test_the_command_says_that_it_did_not_read_all(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        event = make_event(str(number), now=NOW + number)
        keep(store, event, dead(event, NOT_FOUND, NOW + number))
    read_all = dead_deliveries.list_dead
    monkeypatch.setattr(
        dead_deliveries,
        "list_dead",
        lambda database, filters: read_all(database, filters, max_rows=2),
    )
    said = (
        "There are more dead deliveries: only those planned since 2025-11-24 16:00:01Z were read."
    )
    for options in ([], ["--json"], ["--route", "triage"]):
        result = run("causes", *options)
        assert said in result.stderr and "There are more" not in result.stdout
    assert lines(run("causes", "--json"))[0]["count"] == 2


def test_no_dead_deliveries_are_no_error(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    result = run("causes")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No dead deliveries.\n")
    filtered = run("causes", "--since", "1d")
    assert (filtered.exit_code, filtered.stdout) == (0, "")
    assert "No matching dead deliveries. Without filters: flowbridge causes" in filtered.stderr
    assert lines(run("causes", "--json")) == []
    unknown = run("causes", "--route", "nothing")
    assert (unknown.exit_code, unknown.stdout) == (2, "") and "no route 'nothing'" in unknown.stderr
    assert run("causes", "--status", "dead").exit_code == 2
    assert not (folder / "data" / "flowbridge.db").exists()


def test_without_dead_deliveries_failed_runs_are_named(store: Database) -> None:
    event = make_event(now=NOW, source="github")
    [delivery] = keep(store, event, make_delivery(event, now=NOW))
    put(store, delivery.id, status="delivered", run_state="failed")
    said = "Deliveries whose runs failed are not dead: flowbridge events --run failed"
    assert run("causes").stderr == f"No dead deliveries.\n{said}\n"
    assert delivery.event_id[-8:] in run("events", "--run", "failed").stdout
    since = "2025-11-24T00:00:00.000000Z"
    for options, advice in (
        (["--source", "github"], f"{said} --source github\n"),
        (["--since", since], f"{said} --since {since}\n"),
        (["--since", "2025-11-25"], "Without filters: flowbridge causes\n"),
        (["--dead-kind", "config"], "Without filters: flowbridge causes\n"),
    ):
        assert run("causes", *options).stderr.endswith(advice), options
