"""Operations on deliveries and replay: allowed moves, and a reason for each refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from records import NOW, make_delivery, make_event, make_local_run, put
from sqlalchemy import select, update

from bridge.core.errors import IllegalTransition, NotFound
from bridge.core.model import DeadKind, Delivery, Event, Order, Status
from bridge.delivery.platforms.responses import idempotency_key
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.shared_token import Unsigned
from bridge.routing.model import Config, Debouncing, Flow, Ordering, Route, Source
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.local import runs
from bridge.store.operations import replay as replay_module
from bridge.store.operations.actions import MOVES, ItemResult, MoveHandler
from bridge.store.operations.replay import ReplayHandler
from bridge.store.queries import event_lookup
from bridge.store.queries import events as event_queries
from bridge.store.queries.filters import Filters
from bridge.store.queries.replay_routes import ReplayRoutes
from bridge.store.queue import transitions
from bridge.store.tables import schema


def kept(database: Database, route: str = "triage", **columns: object) -> Delivery:
    """Keep an event with one delivery that has these columns."""
    event = make_event()
    delivery = make_delivery(event, route)
    events.add(database, event, [delivery], lambda *_: [])
    put(database, delivery.id, **columns)
    return event_lookup.show(database, delivery.id).deliveries[0]


def do(
    database: Database, doing: MoveHandler | ReplayHandler, ids: list[str], now: float = NOW + 100
) -> list[ItemResult]:
    """Do it to these in one transaction."""
    prepared = doing.prepare(database, ids, now)
    return database.write(lambda connection: doing.carry_out(connection, prepared, now))  # type: ignore[arg-type]


def move(
    database: Database, act: str, to: Status, *deliveries: Delivery, **more: str
) -> list[ItemResult]:
    return do(database, MoveHandler(move=MOVES[act], to=to, **more), [one.id for one in deliveries])


STATES: Mapping[str, Mapping[str, object]] = {
    "queued": {},
    "sending": {"status": "sending", "lease": "x", "lease_until": NOW, "slot": True},
    "unknown": {"status": "unknown", "attempts": 1},
    "settling": {"status": "unknown", "attempts": 1, "poll_at": NOW + 90},
    "parked": {"status": "dead", "reason": "the payload does not fit", "dead_kind": "ours"},
    "dead": {"status": "dead", "attempts": 3, "dead_kind": "platform"},
    "given up": {"status": "dead", "attempts": 1, "dead_kind": "person"},
    "blocked": {"status": "blocked"},
    "cancelled": {"status": "cancelled"},
    "shadow": {"status": "shadow"},
    "parked in line": {"status": "blocked", "dead_kind": "ours"},
    "parked, then cancelled": {"status": "cancelled", "dead_kind": "ours"},
    "merged": {"status": "cancelled", "merged_into": "dlv_later"},
    "started": {"status": "delivered", "run_id": "r", "run_state": "running", "attempts": 1},
    "done": {"status": "delivered", "run_id": "r", "run_state": "done", "attempts": 1},
    "failed": {"status": "delivered", "run_id": "r", "run_state": "failed", "attempts": 1},
    "accepted": {"status": "delivered", "attempts": 1},  # by a platform without runs
}
MAY = {
    "retry": {"dead", "given up", "cancelled", "merged", "failed"},
    "cancel": {"queued", "blocked", "parked in line"},
    "resolve": {"unknown"},
}
TO = {"retry": Status.QUEUED, "cancel": Status.CANCELLED, "resolve": Status.DEAD}


@pytest.mark.parametrize("act", MAY)
def test_an_act_moves_what_it_may_and_says_why_not_of_the_rest(
    database: Database, act: str
) -> None:
    states = {name: kept(database, **columns) for name, columns in STATES.items()}
    results = dict(zip(states, move(database, act, TO[act], *states.values()), strict=True))
    assert {name for name, result in results.items() if result.problem is None} == MAY[act]
    for name, delivery in states.items():
        now = event_lookup.show(database, delivery.id).deliveries[0]
        assert now == (replace(results[name].deliveries[0]) if name in MAY[act] else delivery)
        assert now.status is (TO[act] if name in MAY[act] else delivery.status)
        assert results[name].was is (delivery.status if name in MAY[act] else None)


@pytest.mark.parametrize("act", MAY)
def test_filters_choose_only_what_the_act_may_move(database: Database, act: str) -> None:
    states = {kept(database, **columns).id: name for name, columns in STATES.items()}
    chosen = {
        states[id_]
        for id_ in event_queries.delivery_ids(database, Filters(), also=MOVES[act].wants)
    }
    # what a later one has taken the place of is sent by name only
    assert chosen == MAY[act] - {"merged"}
    usual = {
        states[id_]
        for id_ in event_queries.delivery_ids(database, Filters(), also=MOVES[act].usual)
    }
    # what a person took out is put back by name only
    assert usual == MAY[act] - {"cancelled", "merged"}


def test_a_retry_is_due_at_once_and_has_its_attempts_anew(database: Database) -> None:
    delivery = kept(database, status="dead", attempts=12, finished_at=NOW, reason="gave up")
    (result,) = move(database, "retry", Status.QUEUED, delivery)
    now = result.deliveries[0]
    assert (now.due_at, now.finished_at, now.reason, now.attempts, now.retry.attempts) == (
        NOW + 100,
        None,
        None,
        12,
        24,
    )


def test_a_retry_of_a_failed_local_run_can_start_another(database: Database) -> None:
    """A run has the key of its delivery for ever, so the next run of the delivery has another."""
    delivery = kept(database, **STATES["failed"])
    (result,) = move(database, "retry", Status.QUEUED, delivery)
    keys = [idempotency_key(one) for one in (delivery, result.deliveries[0])]
    first, second, third = (
        database.write(
            lambda connection, id_=id_, key=key: runs.start(
                connection, make_local_run(id=id_, idempotency_key=key)
            )
        )
        for id_, key in (("r1", keys[0]), ("r2", keys[1]), ("r3", keys[1]))
    )
    assert (first.id, second.id, third.id) == ("r1", "r2", "r2")


def test_what_is_resolved_as_delivered_is_followed_where_its_run_is_known(
    database: Database,
) -> None:
    with_run = kept(database, **STATES["unknown"])
    without = kept(database, **STATES["unknown"])
    (first,) = move(database, "resolve", Status.DELIVERED, with_run, run_id="R1", reason="by hand")
    (second,) = move(database, "resolve", Status.DELIVERED, without)
    assert (
        first.deliveries[0].run_id,
        first.deliveries[0].run_state,
        first.deliveries[0].reason,
    ) == ("R1", "queued", "by hand")
    assert (second.deliveries[0].run_state, second.deliveries[0].finished_at) == (None, NOW + 100)
    with database.read() as connection:
        polled = (
            connection.execute(
                select(schema.delivery.c.id).where(schema.delivery.c.poll_at.isnot(None))
            )
            .scalars()
            .all()
        )
    assert polled == [with_run.id]


@pytest.mark.parametrize("state", ["parked", "parked in line"])
def test_what_was_parked_stays_so_when_it_is_cancelled_and_is_never_sent(
    database: Database, state: str
) -> None:
    """Else a retry would send inputs that a schema has refused."""
    parked = kept(
        database,
        **{"reason": "the payload does not fit", "holds_key": state == "parked"}
        | dict(STATES[state]),
    )
    (result,) = move(database, "cancel", Status.CANCELLED, parked, reason="cancelled by a person")
    now = result.deliveries[0]
    assert (now.status, now.dead_kind) == (Status.CANCELLED, DeadKind.OURS)
    assert now.reason == "cancelled by a person: the payload does not fit"
    (refused,) = move(database, "retry", Status.QUEUED, parked)
    assert "routing rejected it" in (
        refused.problem or ""
    ) and f"then replay {parked.event_id}" in (refused.problem or "")
    with pytest.raises(IllegalTransition, match="rejected by routing"):
        database.write(
            lambda connection: transitions.move(connection, parked.id, Status.QUEUED, NOW)
        )


def in_line(database: Database, count: int, **changes: object) -> list[Delivery]:
    """Keep deliveries of one ordering key, each of an event of its own."""
    ids = []
    for _ in range(count):
        event = make_event()
        ids.append(make_delivery(event, order=Order(key="k", blocks=True), **changes))
        events.add(database, event, ids[-1:], lambda *_: [])
    return [event_lookup.show(database, one.id).deliveries[0] for one in ids]


def standing(database: Database, deliveries: list[Delivery]) -> list[str]:
    found = events.deliveries_of(database, [one.event_id for one in deliveries])
    return [str(each.status) for one in deliveries for each in found[one.event_id]]


def test_a_dead_head_that_blocks_its_line_can_be_cancelled_which_lets_the_next_go(
    database: Database,
) -> None:
    head, second, third = line = in_line(database, 3)
    # the trigger makes it the head
    put(database, head.id, status="dead", dead_kind="platform", attempts=1, holds_key=False)
    assert [
        one.id
        for one in event_queries.list_deliveries(
            database, Filters(status="dead"), also=MOVES["cancel"].wants
        )
    ] == [head.id]
    (result,) = move(database, "cancel", Status.CANCELLED, head)
    assert (result.problem, result.was) == (None, Status.DEAD)
    assert standing(database, line) == ["cancelled", "queued", "blocked"]
    (refused,) = move(database, "cancel", Status.CANCELLED, head)
    assert "only a waiting delivery can be cancelled" in (refused.problem or "")
    move(database, "cancel", Status.CANCELLED, second, third)
    assert standing(database, line) == ["cancelled"] * 3


def test_a_dead_one_that_holds_nothing_cannot_be_cancelled(database: Database) -> None:
    (result,) = move(database, "cancel", Status.CANCELLED, kept(database, **STATES["dead"]))
    assert "it is dead" in (result.problem or "")


def test_a_retry_joins_its_line_at_its_head_or_behind_it(database: Database) -> None:
    head, second = in_line(database, 2)
    move(database, "cancel", Status.CANCELLED, head)
    (behind,) = move(database, "retry", Status.QUEUED, head)
    assert (behind.was, behind.deliveries[0].status, behind.deliveries[0].holds_key) == (
        Status.CANCELLED,
        Status.BLOCKED,
        False,
    )
    move(database, "cancel", Status.CANCELLED, head, second)
    (alone,) = move(database, "retry", Status.QUEUED, second)
    assert (alone.deliveries[0].status, alone.deliveries[0].holds_key) == (Status.QUEUED, True)
    (refused,) = move(database, "retry", Status.QUEUED, second)
    assert refused.problem == "it is queued: flowbridge sends it without a retry"


def test_a_retry_that_is_refused_in_line_says_that_its_turn_comes(database: Database) -> None:
    _, second = in_line(database, 2)
    (refused,) = move(database, "retry", Status.QUEUED, second)
    assert (
        refused.problem
        == "it is blocked: flowbridge sends it after the earlier deliveries of its ordering key"
    )


# -- replay

FLOW = Flow(name="local/echo", platform="local", saved_item_id="echo")


def route(name: str, **more: object) -> Route:
    return Route(
        name=name,
        source="github",
        flow=FLOW,
        reshape=lambda roots: {"n": roots["body"]["n"]},
        **more,
    )  # type: ignore[arg-type]


def configured(*routes: Route, sources: tuple[str, ...] = ("github",)) -> Config:
    made = {
        name: Source(name=name, provider=PROVIDERS["github"], scheme=Unsigned()) for name in sources
    }
    return Config(sources=made, routes=routes, flows={}, platforms={}, hash="new", canonical="{}")


def replay(
    database: Database, event_id: str, config: Config, nonce: str = "n1", through: str | None = None
) -> ItemResult:
    (result,) = do(
        database,
        ReplayHandler(
            config_of=lambda _: config, nonce=nonce, routes=ReplayRoutes(through=through)
        ),
        [event_id],
        NOW + 50,
    )
    return result


def test_a_replay_makes_new_deliveries_beside_the_earlier_ones(database: Database) -> None:
    earlier = kept(database, route="triage", status="delivered", run_id="r")
    config = configured(route("triage"), route("other"), route("issues-only", types=("ping",)))
    result = replay(database, earlier.event_id, config)
    assert (result.problem, [one.route for one in result.deliveries]) == (None, ["triage", "other"])
    again = replay(database, earlier.event_id, config, "n2", through="triage")
    assert [one.route for one in again.deliveries] == ["triage"]
    found = event_lookup.show(database, earlier.event_id)
    assert [one.id for one in found.deliveries] == [
        earlier.id,
        *(one.id for one in (*result.deliveries, *again.deliveries)),
    ]
    assert {one.config_hash for one in found.deliveries[1:]} == {"new"}
    assert [one.inputs for one in found.deliveries[1:]] == [{"n": 1}] * 3
    with database.read() as connection:
        marked = select(schema.delivery.c.id).where(schema.delivery.c.planned_again)
        assert set(connection.execute(marked).scalars()) == {one.id for one in found.deliveries[1:]}


def test_a_replay_clears_the_problem_once_planning_works_and_says_it_where_it_does_not(
    database: Database,
) -> None:
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
    assert (
        replay(database, event_id, configured(sources=())).problem
        == "its source 'github' is not in routes.yaml"
    )
    assert replay(database, "evt_none", configured()).problem == "no such event"


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


def test_a_replay_says_where_its_deliveries_stand_once_they_are_in_line_or_merged(
    database: Database,
) -> None:
    """Triggers of the schema decide that when they come into the table."""
    ordered = replace(route("ordered"), ordering=Ordering(key=lambda _: "k"))
    merged = replace(route("merged"), debounce=Debouncing(wait=60.0, max=600.0))
    found = [kept(database).event_id for _ in range(2)]
    results = do(
        database, ReplayHandler(config_of=lambda _: configured(ordered, merged), nonce="n"), found
    )
    assert [[one.status for one in result.deliveries] for result in results] == [
        [Status.QUEUED, Status.CANCELLED],
        [Status.BLOCKED, Status.QUEUED],
    ]
    assert [result.problem for result in results] == [None, None]  # something goes of both
    assert results[0].deliveries[1].merged_into == results[1].deliveries[1].id


def test_a_replay_through_a_route_that_does_not_match_or_is_not_there_says_so(
    database: Database,
) -> None:
    event_id = kept(database).event_id
    config = configured(route("triage"), route("pings", types=("ping",)))
    assert (
        replay(database, event_id, config, through="pings").problem
        == "the route 'pings' does not match it (github issues)"
    )
    assert (
        replay(database, event_id, config, through="gone").problem
        == "its configuration has no route 'gone'"
    )


def test_a_configuration_that_cannot_be_had_is_a_problem_of_that_event(database: Database) -> None:
    one = kept(database).event_id
    other = kept(database).event_id

    def config_of(event: Event) -> Config:
        if event.id == one:
            raise NotFound("it is not kept")
        return configured(route("triage"))

    results = do(database, ReplayHandler(config_of=config_of, nonce="n"), [one, other])
    assert [(result.problem, len(result.deliveries)) for result in results] == [
        ("it is not kept", 0),
        (None, 1),
    ]
    assert events.get(database, one).problem is None


@pytest.mark.parametrize("releases", [False, True])
def test_a_replay_checks_the_spam_mark_again_in_its_transaction(
    database: Database, releases: bool
) -> None:
    event = make_event(spam="words" if releases else None)
    events.add(database, event, [], lambda *_: [])
    config = configured(route("triage"))
    handler = ReplayHandler(config_of=lambda _: config, nonce="n1", releases=releases)
    prepared = handler.prepare(database, [event.id], NOW)
    changed = update(schema.event).values(spam=None if releases else "by a person")
    database.write(lambda connection: connection.execute(changed))
    (result,) = database.write(lambda connection: handler.carry_out(connection, prepared, NOW))
    assert "marked as spam" in (result.problem or "")
    assert not event_lookup.show(database, event.id).deliveries


def test_large_bodies_are_planned_few_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "MAX_BATCH_BYTES", 1000)
    made = [make_event(body=b'{"n":"' + b"x" * 600 + b'"}') for _ in range(5)]
    for event in made:
        events.add(database, event, [], lambda *_: [])
    doing = ReplayHandler(config_of=lambda _: configured(route("triage")), nonce="n")
    assert [
        len(doing.prepare(database, [one.id for one in made[at:]], NOW)) for at in (0, 2, 4)
    ] == [2, 2, 1]
