"""`/unknown`: the evidence of both sides, and each decision of a person."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from admin_client import AdminClient, lift_rates
from console_client import ConsoleClient
from console_operator import ConsoleOperator
from records import NOW, put

from bridge.core.model import Delivery, RunState
from bridge.core.scopes import Scope
from bridge.delivery.platforms.model import RunReport
from bridge.routing.model import Platform
from bridge.services.platforms import platform_queries
from bridge.store.db.database import Database
from bridge.store.operations import operation_records
from bridge.store.tables import schema
from bridge.web.console.lists import ConsoleList
from bridge.web.console.views import unknown

ERASE = schema.delivery.delete()

EVIDENCE = {
    "attempt": 1,
    "looks": 2,
    "looked_at": NOW + 90,
    "since": NOW - 60,
    "until": NOW + 60,
    "listed": 10,
    "covers": False,
    "candidates": [{"run_id": "run_1", "state": "done", "created_at": NOW, "echo": "event"}],
    "others": [],
    "decided": "hold",
    "why": "run_1 (done) may be its run: check s3cret",
    "problem": None,
}


@pytest.fixture
def operator(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ConsoleOperator:
    lift_rates(monkeypatch)
    return ConsoleOperator(database, tmp_path)


def add_unknown(operator: ConsoleOperator, evidence: Any = EVIDENCE, **columns: Any) -> Delivery:
    """Store a delivery whose call broke off."""
    (one,) = operator.add_dead(1, attempts=1)
    state = {
        "status": "unknown",
        "reason": None,
        "dead_kind": None,
        "finished_at": None,
        "on_unknown": "reconcile",
        "attempts": 1,
    }
    shown = None if evidence is None else json.dumps(evidence)
    put(operator.database, one.id, evidence=shown, **state | columns)
    with operator.database.engine.begin() as connection:
        connection.execute(
            schema.attempt.insert().values(
                delivery_id=one.id,
                number=1,
                started_at=NOW,
                finished_at=NOW + 30,
                outcome="unknown",
                detail="timed out: s3cret",
            )
        )
    return one


def test_both_columns_and_the_decision(operator: ConsoleOperator) -> None:
    one = add_unknown(operator)
    html = operator.console.html("/unknown")
    assert "a person decides" in html and "timed out: s3cret" in html
    assert "the list is not complete for that period" in html and "10 runs" in html
    assert "its outputs have the id of the event" in html
    assert "Only a person can decide." in html and "may be its run" in html
    form = operator.form_of(html, "It ran: this one")
    assert (form["id"], form["how.run_id"]) == ([one.id], ["run_1"])
    page = operator.propose(command="resolve:delivered", **form)
    assert "Record as started: 1 delivery" in operator.console.html(page)
    operator.carry_out(page)
    assert operator.status_of(one) == "delivered"
    assert "Nothing is unknown" in operator.console.html("/unknown")


@pytest.mark.parametrize(
    ("label", "command", "became"),
    [
        ("It did not run: send again", "resolve:queued", "queued"),
        ("Give up", "resolve:dead", "dead"),
    ],
)
def test_what_did_not_run_is_sent_again_or_given_up(
    operator: ConsoleOperator, label: str, command: str, became: str
) -> None:
    one = add_unknown(operator)
    html = operator.console.html("/unknown")
    form = operator.form_of(html[html.index('<div class="decide">') :], label)
    operator.carry_out(operator.propose(command=command, **form))
    assert operator.status_of(one) == became


def test_while_flowbridge_searches_no_button_decides(operator: ConsoleOperator) -> None:
    one = add_unknown(operator, {**EVIDENCE, "decided": "again"}, poll_at=NOW)
    html = operator.console.html("/unknown")
    assert "flowbridge settles it" in html and "Not decided yet" in html
    for label in ("It ran", "send again", "Give up"):
        assert label not in html[html.index(f'id="{one.id}"') :], label
    assert f'value="{one.id}"' not in html, "nor can it be ticked"


def test_evidence_of_an_earlier_attempt_is_not_shown(operator: ConsoleOperator) -> None:
    one = add_unknown(operator, {**EVIDENCE, "decided": "queue"}, poll_at=NOW + 90)
    put(operator.database, one.id, attempts=2)
    html = operator.console.html("/unknown")
    assert "Attempt 2: not looked yet, next look 2025-11-24T16:01:30.000000Z" in html
    assert "There is no run" not in html and "run_1" not in html


def test_a_run_that_a_person_types_is_looked_up_first(
    operator: ConsoleOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = add_unknown(operator, None)
    html = operator.console.html("/unknown")
    assert "Attempt 1: not looked yet" in html
    form = operator.form_of(html, ">It ran<")
    asked: list[str] = []

    def read_run(_platform: Any, run_id: str) -> RunReport:
        asked.append(run_id)
        is_there = run_id == "run_7"
        return RunReport(state=RunState.DONE if is_there else None, gone=not is_there)

    monkeypatch.setattr(platform_queries, "read_run", read_run)
    answer = operator.console.post("/unknown", {**form, "run_id": "run_8"})
    assert answer.status_code == 400 and "has no run" in answer.text
    assert "(force accepts it anyway)" in answer.text and 'name="force"' in html
    page = operator.propose("/unknown", **form, run_id="run_8", force="yes")
    assert '<span class="dim">run id</span> run_8' in operator.console.html(page)
    for none in (" ", "x" * 201, "run_7\0"):
        assert operator.console.post("/unknown", {**form, "run_id": none}).status_code == 400
    page = operator.propose("/unknown", **form, run_id=" run_7 ")
    assert asked == ["run_8", "run_8", "run_7"]
    html = operator.console.html(page)
    assert '<span class="dim">run id</span> run_7' in html
    operator.carry_out(page)
    assert operator.status_of(one) == "delivered"


def test_a_run_of_another_delivery_is_refused_by_every_way(
    operator: ConsoleOperator, tmp_path: Path
) -> None:
    one = add_unknown(operator)
    (other,) = operator.add_dead(1)
    put(operator.database, other.id, status="delivered", dead_kind=None, run_id="run_9")
    expected = f"the run run_9 belongs to the delivery {other.id} (route triage)"
    answer = operator.console.post("/unknown", {"id": one.id, "run_id": "run_9"})
    assert answer.status_code == 400 and f"T{expected[1:]}" in answer.text
    command = {"command": "resolve", "ids": [one.id], "how": {"to": "delivered", "run_id": "run_9"}}
    (tmp_path / "api").mkdir()
    api = AdminClient(operator.database, tmp_path / "api", operator.config)
    counted = api.send("POST", "/operations", body={**command, "mode": "dry_run"}).get_json()
    assert (counted["count"], counted["problems"][0]["id"]) == (0, one.id)
    assert expected in counted["problems"][0]["problem"]
    for mode in ("do", "propose"):
        refused = api.send("POST", "/operations", body={**command, "mode": mode})
        assert refused.status_code == 400
        (error,) = refused.get_json()["errors"]
        assert error["pointer"] == "/how/run_id" and expected in error["detail"]
    assert [*operation_records.list_operations(operator.database)] == []
    assert operator.status_of(one) == "unknown"


def test_a_run_that_another_delivery_got_meanwhile_is_refused_when_it_is_carried_out(
    operator: ConsoleOperator,
) -> None:
    one = add_unknown(operator, platform="gone")
    page = operator.propose("/unknown", id=[one.id], run_id="run_7")
    (other,) = operator.add_dead(1)
    state = {"status": "delivered", "dead_kind": None, "platform": "gone", "run_id": "run_7"}
    put(operator.database, other.id, **state)
    assert "belongs to the delivery" in operator.carry_out(page)
    assert operator.status_of(one) == "unknown"


def test_a_run_of_a_platform_that_cannot_be_asked_is_believed(operator: ConsoleOperator) -> None:
    one = add_unknown(operator, platform="gone")
    page = operator.propose("/unknown", id=[one.id], run_id="run_7")
    assert "Record as started" in operator.console.html(page)


def test_a_platform_without_run_ids_asks_for_none(
    operator: ConsoleOperator, tmp_path: Path
) -> None:
    one = add_unknown(operator, None, platform="crm")
    assert 'name="run_id"' in operator.console.html("/unknown")
    crm = Platform(name="crm", type="http", base_url="https://crm.example")
    config = replace(operator.config, platforms={"crm": crm})
    operator.console = ConsoleClient(operator.database, tmp_path, config)
    operator.console.log_in()
    html = operator.console.html("/unknown")
    assert 'name="run_id"' not in html
    form = operator.form_of(html, "It ran</button>")
    operator.carry_out(operator.propose(command="resolve:delivered", **form))
    assert operator.status_of(one) == "delivered"


def test_ids_of_nothing_and_of_events_are_refused(operator: ConsoleOperator) -> None:
    one = add_unknown(operator)
    for id_, status in (("dlv_zzz", 404), (one.event_id, 400), ("", 404), ("x\0", 400)):
        answer = operator.console.post("/unknown", {"id": id_, "run_id": "r"})
        assert answer.status_code == status, id_


def test_a_route_that_is_held_says_so(operator: ConsoleOperator) -> None:
    add_unknown(operator, None, on_unknown="hold")
    html = operator.console.html("/unknown")
    assert "<dt>Looked</dt><dd>No: its route says on_unknown: hold.</dd>" in html


def test_a_reason_that_the_attempt_gives_is_shown_once(operator: ConsoleOperator) -> None:
    one = add_unknown(operator)
    put(operator.database, one.id, reason="timed out: s3cret")
    html = operator.console.html("/unknown")
    assert html.count("timed out: s3cret") == 1 and "<dt>Reason</dt>" not in html
    put(operator.database, one.id, reason="the worker ended during the call")
    assert "<dt>Reason</dt><dd>the worker ended" in operator.console.html("/unknown")


def test_a_list_without_a_run_says_so(operator: ConsoleOperator) -> None:
    add_unknown(operator, {**EVIDENCE, "candidates": [], "listed": 0})
    html = operator.console.html("/unknown")
    assert "0 runs" in html and "no run of that period that may be its run" in html


def test_many_are_decided_at_once(operator: ConsoleOperator) -> None:
    made = [add_unknown(operator), add_unknown(operator, route="paid")]
    html = operator.console.html("/unknown?route=triage")
    assert html.count("<article") == 1
    form = operator.form_of(html, 'id="act"')
    page = operator.propose(command="resolve:dead", which="all", **form)
    operator.carry_out(page)
    assert [operator.status_of(one) for one in made] == ["dead", "unknown"]


def test_without_bodies_the_evidence_is_hidden(operator: ConsoleOperator) -> None:
    one = add_unknown(operator)
    operator.console.log_in((Scope.READ, Scope.ACT))
    html = operator.console.html("/unknown")
    assert one.id in html and "s3cret" not in html and "run_1" not in html
    assert "It did not run: send again" in html
    operator.console.log_in((Scope.READ, Scope.BODIES))
    html = operator.console.html("/unknown")
    assert "run_1" in html and "Give up" not in html


def test_wrong_filters_and_the_empty_page(operator: ConsoleOperator) -> None:
    html = operator.console.html("/unknown")
    assert "Nothing is unknown" in html and "flowbridge resolve" in html
    for query in ("since=x", "limit=x", "limit=21", "nope=1"):
        answer = operator.console.get(f"/unknown?{query}")
        assert answer.status_code == 400 and 'role="alert"' in answer.text, query
    assert operator.console.get("/unknown?limit=1").status_code == 200


def test_a_list_that_did_not_arrive_is_named(operator: ConsoleOperator) -> None:
    evidence = {**EVIDENCE, "problem": "HTTP 503", "status_code": 503, "candidates": []}
    add_unknown(operator, {**evidence, "decided": "again", "why": "HTTP 503"}, poll_at=NOW)
    html = operator.console.html("/unknown")
    assert "no list" in html and "HTTP 503" in html


@pytest.mark.parametrize(
    ("decided", "why", "sentence"),
    [
        ("again", "no run matches", "No run matches."),
        ("hold", "run_1 (done) may be its run", "run_1 (done) may be its run."),
    ],
)
def test_a_reason_is_a_sentence_unless_it_begins_with_an_id(
    operator: ConsoleOperator, decided: str, why: str, sentence: str
) -> None:
    add_unknown(operator, {**EVIDENCE, "candidates": [], "decided": decided, "why": why})
    assert f'<span class="dim">{sentence}</span>' in operator.console.html("/unknown")


def test_the_steps_are_sentences(operator: ConsoleOperator) -> None:
    add_unknown(operator, None, poll_at=NOW, platform="gone")
    html = operator.console.html("/unknown")
    assert "routes.yaml no longer has the platform &#39;gone&#39;:" in html
    assert "Add it again, and start a worker" in html


@pytest.mark.parametrize("is_erased", [False, True])
def test_a_delivery_that_is_gone_meanwhile_has_no_card(
    operator: ConsoleOperator, monkeypatch: pytest.MonkeyPatch, is_erased: bool
) -> None:
    delivery = add_unknown(operator)
    read = unknown.read_list

    def read_then_settle(*arguments: Any) -> ConsoleList:
        page = read(*arguments)
        if is_erased:
            operator.database.write(lambda connection: connection.execute(ERASE))
        else:
            put(operator.database, delivery.id, status="delivered")
        return page

    monkeypatch.setattr(unknown, "read_list", read_then_settle)
    html = operator.console.html("/unknown")
    assert "Nothing is unknown" in html and delivery.id not in html
