"""Operations over the admin API: count, propose, agree, carry out, stop, and repeat a request."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from admin_client import AdminClient, lift_rates
from records import NOW, make_delivery, make_event, put

from bridge.api.problems import TYPE_PREFIX
from bridge.config.loader import load
from bridge.core.model import DeadKind, Delivery, Status
from bridge.core.rate_limits import Rate
from bridge.core.scopes import Scope
from bridge.routing.model import Config
from bridge.services.operations import selection
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import log, operation_records
from bridge.store.operations import prune as prune_operation
from bridge.store.queries import event_lookup
from bridge.store.queue import hold
from bridge.store.tables import schema
from bridge.web.admin import limits
from bridge.worker.maintenance.operations import OperationRunner

ROUTES = """\
version: 1
sources:
  github: {provider: github, secret: 's'}
  contact: {provider: form}
platforms: {local: {type: local}}
routes:
  - {name: triage, on: github issues, inputs: {title: x}, flow: local/echo}
"""
ACT = (Scope.READ, Scope.ACT)
OPERATOR = (Scope.READ, Scope.BODIES, Scope.ACT)


class Operator:
    """Sends operations over the admin API, and carries them out as a worker does."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        self.database = database
        self.config = self.load(ROUTES)
        self.admin = AdminClient(database, folder, self.config)
        self.runner = OperationRunner(
            self.admin.settings, lambda: self.config, database, DatabaseClock(database)
        )

    def load(self, text: str) -> Config:
        """Load routes.yaml."""
        path = self.folder / "some.yaml"
        path.write_text(text)
        return load(path, {}, strict_secrets=False)

    def add_dead(self, count: int, reason: str = "HTTP 401: no") -> list[Delivery]:
        """Store events, each with a dead delivery."""
        made = []
        for _ in range(count):
            event = make_event(config_hash=self.config.hash)
            one = make_delivery(
                event, status=Status.DEAD, dead_kind=DeadKind.PLATFORM, reason=reason, attempts=3
            )
            events.add(self.database, event, (one,), lambda *_: [])
            made.append(one)
        return made

    def post(self, body: Any, *, path: str = "", scopes: Any = OPERATOR, **headers: str) -> Any:
        """POST to /operations, or to a path below it."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.admin.send(
            "POST", f"/operations{path}", body=body, scopes=scopes, headers=names
        )

    def propose(self, command: str = "retry", **more: Any) -> dict[str, Any]:
        """Propose an operation, and return it."""
        body = {"command": command, "mode": "propose", "filters": {"status": "dead"}, **more}
        answer = self.post({name: one for name, one in body.items() if one is not None})
        assert answer.status_code == 201, answer.text
        return dict(answer.get_json())

    def show(self, id_: str) -> dict[str, Any]:
        """Return an operation."""
        return dict(self.admin.get(f"/operations/{id_}").get_json())

    def status_of(self, one: Delivery) -> str:
        """Return the status of a delivery."""
        found = event_lookup.show(self.database, one.id)
        return next(each.status.value for each in found.deliveries if each.id == one.id)


@pytest.fixture
def operator(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    lift_rates(monkeypatch)
    return Operator(database, tmp_path)


def word_of(answer: Any) -> str:
    return str(answer.get_json()["type"]).removeprefix(TYPE_PREFIX)


def count_operations(database: Database) -> int:
    return len(list(operation_records.list_operations(database)))


# -- count, propose, agree


def test_a_dry_run_counts_and_writes_nothing(operator: Operator) -> None:
    made = operator.add_dead(5)
    put(operator.database, made[0].id, run_id="r", delivered_at=NOW)
    body = {"command": "retry", "mode": "dry_run", "filters": {"status": "dead"}}
    answer = operator.post(body)
    assert answer.status_code == 200
    assert answer.get_json() == {
        "count": 5,
        "by_route": {"triage": 5},
        "by_status": {"dead": 5},
        "left_out": {},
        "refusals": {},
        "skipped": {},
        "problems": [],
        "notes": [],
        "went_already": 1,
        "examples": [one.id for one in made[:3]],
    } | {"examples": answer.get_json()["examples"]}
    assert len(answer.get_json()["examples"]) == 3
    assert count_operations(operator.database) == 0


def test_a_proposal_does_nothing_until_it_is_agreed_to(operator: Operator) -> None:
    made = operator.add_dead(3)
    one = operator.propose()
    assert (one["state"], one["count"], one["by_route"]) == ("proposed", 3, {"triage": 3})
    assert operator.runner.run_once() == 0
    assert {operator.status_of(each) for each in made} == {"dead"}
    later = operator.add_dead(2)  # dies between the count and the agreement
    agreed = operator.post(None, path=f"/{one['id']}/agree")
    assert (agreed.status_code, agreed.get_json()["state"]) == (202, "waiting")
    assert operator.runner.run_once() == 3
    assert {operator.status_of(each) for each in made} == {"queued"}
    assert {operator.status_of(each) for each in later} == {"dead"}
    ended = operator.show(one["id"])
    assert (ended["state"], ended["done"], ended["refused"]) == ("done", 3, 0)
    assert ended["actor"] == "act-bodies-read"


def test_items_that_changed_meanwhile_are_refused_one_by_one(operator: Operator) -> None:
    made = operator.add_dead(3)
    one = operator.propose()
    put(operator.database, made[1].id, status="delivered", run_state="done", run_id="r")
    operator.post(None, path=f"/{one['id']}/agree")
    operator.runner.run_once()
    items = operator.admin.items(f"/operations/{one['id']}/items")
    assert [item["outcome"] for item in items] == ["done", "refused", "done"]
    assert "retry is only for failed runs" in items[1]["problem"]
    assert items[1]["deliveries"] == []
    assert (items[0]["was"], items[0]["became"]) == ("dead", "queued")
    assert [each["id"] for each in items[0]["deliveries"]] == [made[0].id]


def test_a_proposal_is_agreed_to_once_and_by_its_own_token(operator: Operator) -> None:
    operator.add_dead(1)
    one = operator.propose()
    other = operator.post(None, path=f"/{one['id']}/agree", scopes=ACT)
    assert (other.status_code, word_of(other)) == (409, "operation_conflict")
    assert "another token" in other.get_json()["detail"]
    assert operator.post(None, path=f"/{one['id']}/agree").status_code == 202
    again = operator.post(None, path=f"/{one['id']}/agree")
    assert (again.status_code, word_of(again)) == (409, "operation_conflict")
    assert "was agreed to" in again.get_json()["detail"]


@pytest.mark.timings(proposal_seconds=0.0)
def test_a_proposal_is_agreed_to_in_time(operator: Operator) -> None:
    operator.add_dead(1)
    late = operator.propose()
    assert late["state"] == "expired"
    refused = operator.post(None, path=f"/{late['id']}/agree")
    assert (refused.status_code, word_of(refused)) == (409, "operation_conflict")
    assert "propose it again" in refused.get_json()["detail"]
    assert operator.post({}, path=f"/{late['id']}/agree").status_code == 400


def test_of_ten_rivals_that_agree_one_succeeds(operator: Operator) -> None:
    operator.add_dead(4)
    one = operator.propose()
    with ThreadPoolExecutor(4) as pool:  # as many as the API answers at once
        statuses = list(
            pool.map(
                lambda _: operator.post(None, path=f"/{one['id']}/agree").status_code, range(10)
            )
        )
    assert sorted(statuses) == [202] + [409] * 9


def test_of_ten_rivals_with_the_same_key_one_begins(operator: Operator) -> None:
    made = operator.add_dead(60)  # more than a batch
    body = {"command": "retry", "mode": "do", "filters": {"status": "dead"}, "expect": 60}
    operator.admin.token(OPERATOR)
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: operator.post(body, Idempotency_Key="the-same"), range(10))
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.get_json()["id"] for answer in answers}) == 1
    assert count_operations(operator.database) == 1
    while operator.runner.run_once():
        pass
    assert {operator.status_of(each) for each in made} == {"queued"}


# -- do


def test_do_by_filters_needs_the_count(operator: Operator) -> None:
    operator.add_dead(3)
    body = {"command": "retry", "mode": "do", "filters": {"status": "dead"}}
    answer = operator.post(body)
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (400, "/expect")
    other = operator.post({**body, "expect": 2})
    assert (other.status_code, word_of(other)) == (409, "count_changed")
    assert other.get_json()["errors"][0]["allowed"] == [3]
    assert count_operations(operator.database) == 0
    done = operator.post({**body, "expect": 3})
    assert done.status_code == 202
    assert done.headers["Location"] == f"/admin/v1/operations/{done.get_json()['id']}"
    assert operator.runner.run_once() == 3


def test_do_by_ids_needs_no_count(operator: Operator) -> None:
    first, second = operator.add_dead(2)
    body = {"command": "retry", "mode": "do", "ids": [first.id, second.event_id, "dlv_zz"]}
    answer = operator.post(body).get_json()
    assert (answer["count"], [each["id"] for each in answer["problems"]]) == (2, ["dlv_zz"])
    operator.runner.run_once()
    assert [operator.status_of(each) for each in (first, second)] == ["queued", "queued"]


def test_an_operation_without_items_is_done_at_once(operator: Operator) -> None:
    body = {"command": "retry", "mode": "do", "filters": {"status": "dead"}, "expect": 0}
    assert operator.post(body).get_json()["state"] == "done"
    one = operator.propose()
    assert one["state"] == "proposed"
    assert operator.post(None, path=f"/{one['id']}/agree").get_json()["state"] == "done"


@pytest.mark.parametrize(
    ("command", "how", "before", "after"),
    [
        ("cancel", {}, {"status": "queued"}, "cancelled"),
        ("cancel", {"reason": "not needed"}, {"status": "queued"}, "cancelled"),
        ("resolve", {"to": "dead"}, {"status": "unknown"}, "dead"),
        ("resolve", {"to": "queued"}, {"status": "unknown"}, "queued"),
        ("resolve", {"to": "delivered", "run_id": "r1"}, {"status": "unknown"}, "delivered"),
        (
            "resolve",
            {"to": "dead", "force": True},
            {"status": "unknown", "poll_at": NOW + 90},
            "dead",
        ),
        ("resolve", {"to": "dead"}, {"status": "unknown", "poll_at": NOW + 90}, "unknown"),
    ],
    ids=str,
)
def test_each_command_moves_deliveries(
    operator: Operator, command: str, how: dict[str, Any], before: dict[str, Any], after: str
) -> None:
    (one,) = operator.add_dead(1)
    put(operator.database, one.id, **{"dead_kind": None, "reason": None, **before})
    body = {"command": command, "mode": "do", "ids": [one.id], "how": how}
    answer = operator.post(body)
    assert answer.status_code == 202, answer.text
    operator.runner.run_once()
    assert operator.status_of(one) == after
    if "reason" in how:
        found = event_lookup.show(operator.database, one.id).deliveries[0]
        assert found.reason == how["reason"]


# -- replay and spam


def add_unrouted(operator: Operator, count: int, type_: str = "issues") -> list[str]:
    made = [make_event(type=type_) for _ in range(count)]
    for event in made:
        events.add(operator.database, event, (), lambda *_: [])
    return [event.id for event in made]


def test_a_replay_counts_events_and_plans_with_the_routes_in_force(operator: Operator) -> None:
    ids = add_unrouted(operator, 3)
    add_unrouted(operator, 2, "ping")
    one = operator.propose("replay", filters={"status": "none"})
    assert (one["count"], one["by_route"]) == (3, {"triage": 3})
    assert sum(one["left_out"].values()) == 2
    operator.post(None, path=f"/{one['id']}/agree")
    operator.config = operator.load(ROUTES.replace("name: triage", "name: renamed"))
    operator.runner.run_once()
    items = operator.admin.items(f"/operations/{one['id']}/items")
    assert [item["id"] for item in items] == ids
    assert {each["route"] for item in items for each in item["deliveries"]} == {"renamed"}


def test_a_route_that_is_gone_refuses_each_event(operator: Operator) -> None:
    add_unrouted(operator, 2)
    filters = {"status": "none"}
    one = operator.propose("replay", filters=filters, how={"through": "triage"})
    operator.post(None, path=f"/{one['id']}/agree")
    operator.config = operator.load(ROUTES.replace("name: triage", "name: renamed"))
    operator.runner.run_once()
    items = operator.admin.items(f"/operations/{one['id']}/items")
    assert {item["outcome"] for item in items} == {"refused"}
    assert "no route 'triage'" in items[0]["problem"]


def test_a_large_replay_is_not_planned_to_be_counted(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "MAX_FORECAST_EVENTS", 2)
    add_unrouted(operator, 2)
    add_unrouted(operator, 1, "ping")
    one = operator.propose("replay", filters={"status": "none"})
    assert (one["count"], one["by_route"], one["left_out"]) == (3, {}, {})


@pytest.mark.parametrize("most", [0, 2000])
def test_a_replay_of_all_counts_the_spam_that_it_leaves_out(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(selection, "MAX_FORECAST_EVENTS", most)
    add_unrouted(operator, 2)
    spam = make_event(spam="too fast")
    events.add(operator.database, spam, (), lambda *_: [])
    one = operator.propose("replay", filters={"source": "github"})
    assert (one["count"], one["left_out"]) == (2, {selection.IS_SPAM: 1})


def test_spam_is_marked_and_released(operator: Operator) -> None:
    sent = make_event(source="contact", provider="form")
    events.add(operator.database, sent, (), lambda *_: [])
    body = {"command": "spam mark", "mode": "do", "ids": [sent.id]}
    assert operator.post(body).status_code == 202
    operator.runner.run_once()
    assert events.get(operator.database, sent.id).spam
    release = {"command": "spam release", "mode": "do", "filters": {"source": "contact"}}
    assert operator.post({**release, "expect": 1}).status_code == 202
    operator.runner.run_once()
    assert events.get(operator.database, sent.id).spam is None


# -- hold, stop, resume, rate


def test_during_a_hold_an_operation_waits_and_says_so(operator: Operator) -> None:
    made = operator.add_dead(2)
    one = operator.propose()
    operator.database.write(lambda connection: hold.begin(connection, "moving", NOW))
    operator.post(None, path=f"/{one['id']}/agree")
    assert operator.runner.run_once() == 0
    assert operator.show(one["id"])["state"] == "waiting"
    assert operator.status_of(made[0]) == "dead"
    operator.database.write(hold.release)
    assert operator.runner.run_once() == 2
    assert operator.show(one["id"])["state"] == "done"


def test_an_operation_is_stopped_and_resumed(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "BATCH_ITEMS", 2)
    operator.add_dead(5)
    one = operator.propose()
    operator.post(None, path=f"/{one['id']}/agree")
    assert operator.runner.run_once() == 2
    assert operator.show(one["id"])["state"] == "running"
    stopped = operator.post(None, path=f"/{one['id']}/stop")
    assert (stopped.status_code, stopped.get_json()["state"]) == (200, "stopped")
    assert operator.post(None, path=f"/{one['id']}/stop").status_code == 200
    assert operator.runner.run_once() == 0
    resumed = operator.post(None, path=f"/{one['id']}/resume", X_Flowbridge_Actor="ada@laptop")
    assert (resumed.status_code, resumed.get_json()["state"]) == (202, "running")
    assert resumed.get_json()["resumed"][0]["actor"] == "act-bodies-read (ada@laptop)"
    assert [operator.runner.run_once() for _ in range(3)] == [2, 1, 0]
    for word in ("stop", "resume"):
        assert operator.post(None, path=f"/{one['id']}/{word}").status_code == 409


def test_a_proposal_is_withdrawn(operator: Operator) -> None:
    operator.add_dead(2)
    one = operator.propose()
    withdrawn = operator.post(None, path=f"/{one['id']}/stop")
    assert (withdrawn.status_code, withdrawn.get_json()["state"]) == (200, "expired")
    for word in ("stop", "agree", "resume"):
        assert operator.post(None, path=f"/{one['id']}/{word}").status_code == 409
    assert operator.runner.run_once() == 0


def test_a_rate_is_respected(operator: Operator) -> None:
    operator.add_dead(5)
    operator.post(
        {
            "command": "retry",
            "mode": "do",
            "filters": {"status": "dead"},
            "expect": 5,
            "how": {"rate": "1/h"},
        }
    )
    assert operator.runner.run_once() == 1
    assert operator.runner.run_once() == 0


def test_operations_take_turns(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "BATCH_ITEMS", 2)
    made = operator.add_dead(6)
    ids = [
        operator.post(
            {"command": "retry", "mode": "do", "ids": [one.id for one in part]}
        ).get_json()["id"]
        for part in (made[:3], made[3:])
    ]
    assert operator.runner.run_once() == 4
    assert [operator.show(id_)["done"] for id_ in ids] == [2, 2]


def test_an_error_sets_an_operation_aside_and_the_others_go_on(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.add_dead(1)
    add_unrouted(operator, 1)
    retried = operator.propose()
    replayed = operator.propose("replay", filters={"status": "none"})
    for one in (retried, replayed):
        operator.post(None, path=f"/{one['id']}/agree")

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("bridge.store.operations.actions.MoveHandler.carry_out", fail)
        assert operator.runner.run_once() == 1
    assert operator.show(replayed["id"])["state"] == "done"
    assert operator.runner.run_once() == 0
    assert operator.show(retried["id"])["done"] == 0


# -- repeated requests


def test_a_repeated_request_gets_the_same_operation(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.add_dead(2)
    body = {"command": "retry", "mode": "do", "filters": {"status": "dead"}, "expect": 2}
    monkeypatch.setattr(limits, "OPERATION_RATE", Rate(count=1, per=3600.0))
    first = operator.post(body, Idempotency_Key="k1")
    assert "Idempotent-Replayed" not in first.headers
    operator.runner.run_once()
    for _ in range(3):
        again = operator.post(dict(reversed(body.items())), Idempotency_Key="k1")
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
        assert again.get_json()["id"] == first.get_json()["id"]
        assert again.get_json()["state"] == "done"
    other = operator.post({**body, "expect": 3}, Idempotency_Key="k1")
    assert (other.status_code, word_of(other)) == (409, "idempotency_key_reused")
    assert operator.post(body, Idempotency_Key="k2").status_code == 429
    assert count_operations(operator.database) == 1


def test_a_wrong_request_with_a_key_is_counted(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPERATION_RATE", Rate(count=2, per=3600.0))
    wrong = {"command": "retri", "mode": "do"}
    answers = [operator.post(wrong, Idempotency_Key="k1").status_code for _ in range(3)]
    assert answers == [400, 400, 429]


def test_the_keys_of_tokens_are_apart(operator: Operator) -> None:
    one, other = operator.add_dead(2)
    for delivery, scopes in ((one, OPERATOR), (other, ACT)):
        body = {"command": "retry", "mode": "do", "ids": [delivery.id]}
        assert operator.post(body, scopes=scopes, Idempotency_Key="k").status_code == 202
    assert count_operations(operator.database) == 2


@pytest.mark.parametrize("key", ["", "é", "x" * 256])
def test_a_key_is_short_and_printable(operator: Operator, key: str) -> None:
    body = {"command": "retry", "mode": "dry_run", "filters": {"status": "dead"}}
    answer = operator.post(body, Idempotency_Key=key)
    assert (answer.status_code, word_of(answer)) == (400, "invalid_parameter")


def test_a_request_that_was_interrupted_while_it_stored_is_done_anew(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "PAGE_ITEMS", 2)
    operator.add_dead(3)
    body = {"command": "retry", "mode": "do", "filters": {"status": "dead"}, "expect": 3}
    with monkeypatch.context() as patch:
        patch.setattr(log, "_add", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        assert (
            operator.admin.client.post(
                "/admin/v1/operations",
                json=body,
                headers={
                    "Authorization": f"Bearer {operator.admin.token(OPERATOR)}",
                    "Idempotency-Key": "k",
                },
            ).status_code
            == 500
        )
    stored = operator.post(body, Idempotency_Key="k").get_json()
    assert stored["state"] == "stopped"  # another process may still store it
    operator.database.timings = replace(operator.database.timings, selection_stored_seconds=0.0)
    anew = operator.post(body, Idempotency_Key="k").get_json()
    assert anew["id"] != stored["id"]
    assert operator.runner.run_once() == 3


# -- requests that are refused


@pytest.mark.parametrize(
    ("change", "pointer", "near"),
    [
        ({"command": "rety"}, "/command", "retry"),
        ({"mode": "dryrun"}, "/mode", "dry_run"),
        ({"filter": {}}, "/filter", "filters"),
        ({"filters": {"sorce": "github"}}, "/filters/sorce", "source"),
        ({"filters": {"status": "dad"}}, "/filters/status", "dead"),
        ({"filters": {"since": "yesterday"}}, "/filters/since", None),
        ({"filters": {"source": "githb"}}, "/filters/source", "github"),
        ({"filters": {"route": "triag"}}, "/filters/route", "triage"),
        ({"filters": {}}, "/filters", None),
        ({"filters": {"status": "none"}}, "/filters/status", None),
        ({"ids": ["x"]}, "/filters", None),
        ({"how": {"throuhg": "x"}}, "/how/throuhg", "through"),
        ({"how": {"through": "triage"}}, "/how/through", None),
        ({"how": {"rate": "fast"}}, "/how/rate", None),
        ({"command": "resolve"}, "/how/to", None),
        ({"command": "resolve", "how": {"to": "dead", "run_id": "r"}}, "/how/run_id", None),
        ({"command": "resolve", "how": {"to": "ded"}}, "/how/to", "dead"),
        (
            {"command": "resolve", "how": {"to": "queued", "reason": "x"}},
            "/how/reason",
            None,
        ),
        ({"command": "replay", "how": {"through": "triag"}}, "/how/through", None),
        ({"command": "spam mark"}, "/filters", None),
        ({"command": "spam release"}, "/filters/status", None),
        ({"expect": -1}, "/expect", None),
        ({"list": "event"}, "/list", "events"),
        ({"command": "readmit", "filters": {"source": "github"}, "list": "events"}, "/list", None),
        (
            {"command": "replay", "filters": {"status": "none"}, "list": "deliveries"},
            "/filters/status",
            None,
        ),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused_with_the_place_and_a_near_name(
    operator: Operator, change: dict[str, Any], pointer: str, near: str | None
) -> None:
    body = {"command": "retry", "mode": "dry_run", "filters": {"status": "dead"}, **change}
    answer = operator.post(body)
    assert (answer.status_code, word_of(answer)) == (400, "invalid_body"), answer.text
    (error,) = answer.get_json()["errors"]
    assert (error["pointer"], error["near"]) == (pointer, near), error


def test_too_many_items_are_refused(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MAX_ITEMS", 4)
    operator.add_dead(5)
    body = {"command": "retry", "mode": "propose", "filters": {"status": "dead"}}
    answer = operator.post(body)
    assert (answer.status_code, word_of(answer)) == (400, "invalid_body")
    assert "narrower" in answer.get_json()["errors"][0]["detail"]


@pytest.mark.timings(selection_seconds=-1.0)
def test_a_search_that_takes_too_long_is_refused(operator: Operator) -> None:
    body = {"command": "retry", "mode": "dry_run", "filters": {"status": "dead"}}
    assert "since" in operator.post(body).get_json()["errors"][0]["detail"]
    for command in ("retry", "replay", "readmit"):
        body = {"command": command, "mode": "dry_run", "ids": ["a"]}
        [error] = operator.post(body).get_json()["errors"]
        assert error["pointer"] == "/ids"
        assert "fewer ids" in error["detail"]


def test_without_the_scope_bodies_contents_are_no_filter_and_no_reason_is_shown(
    operator: Operator,
) -> None:
    event = make_event()
    parked = make_delivery(
        event, status=Status.DEAD, dead_kind=DeadKind.OURS, reason="payload_schema: 's3cret' no"
    )
    events.add(operator.database, event, (parked,), lambda *_: [])
    body = {"command": "retry", "mode": "dry_run", "filters": {"reason": "x"}}
    refused = operator.post(body, scopes=ACT)
    assert word_of(refused) == "missing_scope"
    assert "token add new-operator --scope operator" in refused.get_json()["detail"]
    assert operator.post(body).status_code == 200
    body = {"command": "retry", "mode": "propose", "ids": [event.id]}
    hidden = operator.post(body, scopes=ACT)
    assert "s3cret" not in hidden.text
    id_ = hidden.get_json()["id"]
    assert "s3cret" not in operator.admin.get(f"/operations/{id_}", scopes=ACT).text
    assert "s3cret" in operator.admin.get(f"/operations/{id_}").text


def test_read_alone_may_not_act(operator: Operator) -> None:
    body = {"command": "retry", "mode": "dry_run", "filters": {"status": "dead"}}
    assert word_of(operator.post(body, scopes=(Scope.READ, Scope.BODIES))) == "missing_scope"


# -- the end of proposals


def test_proposals_that_were_not_agreed_to_are_pruned(operator: Operator) -> None:
    operator.add_dead(3)
    agreed = operator.propose()
    operator.post(None, path=f"/{agreed['id']}/agree")
    operator.propose()
    pruning = prune_operation.Pruning(
        operator.database,
        operator.config,
        DatabaseClock(operator.database)() + operator.database.timings.proposal_seconds + 3610.0,
    )
    for _ in prune_operation.prune(pruning, operator.database.write):
        pass
    left = list(operation_records.list_operations(operator.database))
    assert [one.id for one in left] == [agreed["id"]]
    with operator.database.read() as connection:
        items = connection.execute(schema.act_item.select()).all()
    assert {item.act for item in items} == {left[0].seq}


# -- only through the routes whose deliveries match


@pytest.mark.parametrize("more", [{}, {"route": "triage"}], ids=["all", "one route"])
def test_a_replay_goes_only_through_the_routes_whose_deliveries_match(
    operator: Operator, more: dict[str, str]
) -> None:
    other = "  - {name: notify, on: github issues, inputs: {title: x}, flow: local/echo}\n"
    operator.config = operator.load(ROUTES + other)
    operator.admin = AdminClient(operator.database, operator.folder, operator.config)
    event = make_event(type="issues")
    parked = make_delivery(event, status=Status.DEAD, dead_kind=DeadKind.OURS, reason="too short")
    sent = make_delivery(event, "notify", status=Status.DELIVERED)
    events.add(operator.database, event, (parked, sent), lambda *_: [])
    filters = {"dead_kind": "config", **more}
    counted = operator.post({"command": "replay", "mode": "dry_run", "filters": filters}).get_json()
    assert (counted["count"], counted["by_route"], counted["went_already"]) == (1, {"triage": 1}, 0)
    proposed = operator.propose("replay", filters=filters)
    assert operator.post(None, path=f"/{proposed['id']}/agree").status_code == 202
    assert operator.runner.run_once() == 1
    found = event_lookup.show(operator.database, event.id).deliveries
    assert [one.route for one in found] == ["triage", "notify", "triage"]
    again = operator.post({"command": "replay", "mode": "dry_run", "filters": filters}).get_json()
    assert (again["count"], sum(again["left_out"].values())) == (0, 1)
