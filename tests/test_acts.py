"""What a person does to what is kept: each act moves what it may, says why not of the rest, and a replay plans anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from conftest import NOW, make_delivery, make_event
from sqlalchemy import select, update

from bridge.model import Delivery, LocalRun, LocalState, Status
from bridge.providers import PROVIDERS
from bridge.routes import Config, Flow, Route, Source
from bridge.signatures import Unsigned
from bridge.store import acts, events, queries, runs, tables
from bridge.store.acts import ACTS, Result
from bridge.store.database import Database
from bridge.store.queries import Filters


def kept(database: Database, route: str = "triage", **columns: object) -> Delivery:
    """Keep an event with one delivery that has these columns."""
    event = make_event()
    delivery = make_delivery(event, route)
    events.add(database, event, [delivery], lambda *_: [])
    with database.engine.begin() as connection:
        connection.execute(update(tables.delivery).where(tables.delivery.c.id == delivery.id).values(columns or {"attempts": 0}))
    return queries.show(database, delivery.id).deliveries[0]


def move(database: Database, act: str, to: Status, *deliveries: Delivery, **more: str) -> list[Result]:
    return list(acts.move_all(database, ACTS[act], [one.id for one in deliveries], to, NOW + 100, **more))


STATES: Mapping[str, Mapping[str, object]] = {
    "queued": {},
    "sending": {"status": "sending", "lease": "x", "lease_until": NOW, "slot": True},
    "unknown": {"status": "unknown", "attempts": 1},
    "parked": {"status": "dead", "reason": "the payload does not fit"},
    "dead": {"status": "dead", "attempts": 3},
    "blocked": {"status": "blocked"},
    "cancelled": {"status": "cancelled"},
    "shadow": {"status": "shadow"},
    "started": {"status": "delivered", "run_id": "r", "run_state": "running", "attempts": 1},
    "done": {"status": "delivered", "run_id": "r", "run_state": "done", "attempts": 1},
    "failed": {"status": "delivered", "run_id": "r", "run_state": "failed", "attempts": 1},
    "accepted": {"status": "delivered", "attempts": 1},  # by a platform without runs
}
MAY = {"retry": {"dead", "cancelled", "failed"}, "cancel": {"queued", "blocked"}, "resolve": {"unknown"}}
TO = {"retry": Status.QUEUED, "cancel": Status.CANCELLED, "resolve": Status.DEAD}


@pytest.mark.parametrize("act", MAY)
def test_an_act_moves_what_it_may_and_says_why_not_of_the_rest(database: Database, act: str) -> None:
    states = {name: kept(database, **columns) for name, columns in STATES.items()}
    results = dict(zip(states, move(database, act, TO[act], *states.values()), strict=True))
    assert {name for name, result in results.items() if result.problem is None} == MAY[act]
    for name, delivery in states.items():
        now = queries.show(database, delivery.id).deliveries[0]
        assert now == (replace(results[name].deliveries[0]) if name in MAY[act] else delivery)
        assert now.status is (TO[act] if name in MAY[act] else delivery.status)
        assert results[name].was is (delivery.status if name in MAY[act] else None)


@pytest.mark.parametrize("act", MAY)
def test_filters_choose_only_what_the_act_may_move(database: Database, act: str) -> None:
    states = {kept(database, **columns).id: name for name, columns in STATES.items()}
    chosen = {states[id_] for id_ in queries.delivery_ids(database, Filters(), also=ACTS[act].wants)}
    assert chosen == MAY[act]
    usual = {states[id_] for id_ in queries.delivery_ids(database, Filters(), also=ACTS[act].usual)}
    assert usual == MAY[act] - {"cancelled"}  # what a person took out is put back by name only


def test_a_retry_is_due_at_once_and_has_its_attempts_anew(database: Database) -> None:
    delivery = kept(database, status="dead", attempts=12, finished_at=NOW, reason="gave up")
    (result,) = move(database, "retry", Status.QUEUED, delivery)
    now = result.deliveries[0]
    assert (now.due_at, now.finished_at, now.reason, now.attempts, now.retry.attempts) == (NOW + 100, None, None, 12, 24)


def test_a_retry_of_a_failed_local_run_can_start_another(database: Database) -> None:
    delivery = kept(database, **STATES["failed"])
    run = LocalRun(id="r", saved_item_id="echo", user_id="u", inputs="{}", state=LocalState.QUEUED, created_at=NOW,
                   idempotency_key=delivery.id)  # fmt: skip
    database.write(lambda connection: runs.start(connection, run))
    move(database, "retry", Status.QUEUED, delivery)
    again = database.write(lambda connection: runs.start(connection, replace(run, id="second")))
    assert again.id == "second"


def test_what_is_resolved_as_delivered_is_followed_where_its_run_is_known(database: Database) -> None:
    with_run, without = kept(database, **STATES["unknown"]), kept(database, **STATES["unknown"])
    (first,) = move(database, "resolve", Status.DELIVERED, with_run, run_id="R1", reason="by hand")
    (second,) = move(database, "resolve", Status.DELIVERED, without)
    assert (first.deliveries[0].run_id, first.deliveries[0].run_state, first.deliveries[0].reason) == ("R1", "queued", "by hand")
    assert (second.deliveries[0].run_state, second.deliveries[0].finished_at) == (None, NOW + 100)
    with database.read() as connection:
        polled = connection.execute(select(tables.delivery.c.id).where(tables.delivery.c.poll_at.isnot(None))).scalars().all()
    assert polled == [with_run.id]


def test_more_than_a_transaction_holds_are_all_moved(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "TOGETHER", 2)
    deliveries = [kept(database) for _ in range(5)]
    results = list(acts.move_all(database, ACTS["cancel"], [*(one.id for one in deliveries), "dlv_none"], Status.CANCELLED, NOW))
    assert [result.problem for result in results] == [None] * 5 + ["there is no such delivery"]


# -- replay

FLOW = Flow(name="local/echo", platform="local", saved_item_id="echo")


def route(name: str, **more: object) -> Route:
    return Route(name=name, source="github", flow=FLOW, reshape=lambda roots: {"n": roots["body"]["n"]}, **more)  # type: ignore[arg-type]


def configured(*routes: Route, sources: tuple[str, ...] = ("github",)) -> Config:
    made = {name: Source(name=name, provider=PROVIDERS["github"], scheme=Unsigned()) for name in sources}
    return Config(sources=made, routes=routes, flows={}, platforms={}, hash="new", canonical="{}")


def replay(database: Database, event_id: str, config: Config, nonce: str = "n1", through: str | None = None) -> Result:
    (result,) = acts.replay_all(database, [event_id], config, NOW + 50, nonce, through)
    return result


def test_a_replay_makes_new_deliveries_beside_the_earlier_ones(database: Database) -> None:
    earlier = kept(database, route="triage", status="delivered", run_id="r")
    config = configured(route("triage"), route("other"), route("issues-only", types=("ping",)))
    result = replay(database, earlier.event_id, config)
    assert (result.problem, [one.route for one in result.deliveries]) == (None, ["triage", "other"])
    again = replay(database, earlier.event_id, config, "n2", through="triage")
    assert [one.route for one in again.deliveries] == ["triage"]
    found = queries.show(database, earlier.event_id)
    assert [one.id for one in found.deliveries] == [earlier.id, *(one.id for one in (*result.deliveries, *again.deliveries))]
    assert {one.config_hash for one in found.deliveries[1:]} == {"new"}
    assert [one.inputs for one in found.deliveries[1:]] == [{"n": 1}] * 3
    with database.read() as connection:
        assert connection.execute(select(tables.config.c.hash)).scalars().all() == ["new"]


def test_a_replay_clears_the_problem_once_planning_works_and_says_it_where_it_does_not(database: Database) -> None:
    readable = make_event(problem="planning failed by a fault of flowbridge's own")
    broken = make_event(body=b"{", problem=None)
    for event in (readable, broken):
        events.add(database, event, [], lambda *_: [])
    config = configured(route("triage"))
    assert replay(database, readable.id, config).problem is None
    assert events.get(database, readable.id).problem is None
    assert replay(database, broken.id, config).problem == events.get(database, broken.id).problem
    assert "JSON" in (events.get(database, broken.id).problem or "")


def test_a_replay_that_plans_nothing_says_why(database: Database) -> None:
    event_id = kept(database).event_id
    assert replay(database, event_id, configured()).problem == "no route matches it (github issues)"
    assert replay(database, event_id, configured(sources=())).problem == "its source 'github' is not in routes.yaml"
    assert replay(database, "evt_none", configured()).problem == "there is no such event"


def test_a_replay_that_is_parked_again_says_why_and_keeps_it(database: Database) -> None:
    event_id = kept(database).event_id

    def reserved(_: object) -> dict[str, str]:
        return {"api_key": "x"}

    result = replay(database, event_id, configured(replace(route("triage"), reshape=reserved)))
    assert "reserves: api_key" in (result.problem or "")
    assert [one.status for one in result.deliveries] == [Status.DEAD]


def test_a_fault_in_planning_loses_nothing(database: Database) -> None:
    event_id = kept(database).event_id

    def fault(_: object) -> dict[str, str]:
        raise ZeroDivisionError

    result = replay(database, event_id, configured(replace(route("triage"), reshape=fault)))
    assert result.problem == "planning failed by a fault of flowbridge's own (ZeroDivisionError)"
    assert events.get(database, event_id).problem == result.problem
