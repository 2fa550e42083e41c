"""Lock order on PostgreSQL: concurrent transactions wait, and never deadlock."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from ledger_steps import add, arrive, attempts, claim, get, record
from old_events import CONFIG, OLD
from records import NOW, attempt_window, make_delivery, make_event, make_local_run
from senders import sender
from serving import until
from signed_rejects import make_reject
from sqlalchemy import Table, select, text, update
from worker_bench import configured, gumloop, made

from bridge.core.clock_reading import ClockReading
from bridge.core.model import Body, DeadKind, Delivery, Event, Order, RunState, Status
from bridge.core.rate_limits import Limits
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.delivery.reconcile import Candidate, Echo, Look, ReconcileDecision, ReconcileVerdict
from bridge.delivery.reconcile_verdict import judge_look
from bridge.ingest.effects import PreparedRequest
from bridge.ingest.forms.spam.dedup import SubmissionMarks
from bridge.providers.signatures.key_source import NO_KEYS
from bridge.store.db.advisory_locks import take_key_locks
from bridge.store.db.database import Database
from bridge.store.inbound import (
    daily_bytes,
    deleted_ids,
    duplicates,
    events,
    lock_order,
    rejects,
    removal,
    submissions,
)
from bridge.store.inbound.arrivals import AddedEvent
from bridge.store.local import runs
from bridge.store.operations import log
from bridge.store.operations.actions import MOVES, ItemResult, MoveHandler
from bridge.store.operations.erase import ERASED, EraseHandler, scrub_operations
from bridge.store.operations.operation_records import find, list_items
from bridge.store.operations.prune import Pruning, prune
from bridge.store.operations.readmission import ReadmissionPlan, ReadmitHandler
from bridge.store.operations.replay import ReplayHandler, ReplayPlan
from bridge.store.operations.spam import SpamHandler
from bridge.store.queue import (
    circuit_updates,
    claims,
    ledger,
    reconcile,
    run_tracking,
    throttling,
    transitions,
    turn_locks,
    unknown_starts,
)
from bridge.store.queue.claim_round import Claim, ClaimLimits
from bridge.store.queue.ledger import EndedAttempt
from bridge.store.tables import schema
from bridge.store.tables.rows import to_json
from bridge.system.http_client import HttpClient
from bridge.worker.celery.tasks import TaskRunner
from bridge.worker.results import AttemptEnded, PendingResults, PollEnded
from bridge.worker.worker import Worker

STARTED = Outcome(kind=OutcomeKind.STARTED, run_id="r1")


def waiting(database: Database) -> int:
    """Return how many transactions wait for a lock."""
    with database.read() as connection:
        return connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
                " wait_event_type = 'Lock'"
            )
        ).scalar_one()


def deadlocks(database: Database) -> int:
    """Return how many deadlocks the server has found in this database."""
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with database.read() as connection:
        return connection.execute(text(query)).scalar_one()


class Side:
    """One of several threads, and what came of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self._work = work
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.value = self._work()
        except BaseException as error:
            self.error = error


def side_by_side(*works: Callable[[], Any]) -> list[Side]:
    sides = [Side(work) for work in works]
    for side in sides:
        side.thread.start()
    for side in sides:
        side.thread.join(120)
        assert not side.thread.is_alive()
    return sides


class Meeting:
    """Where transactions meet in the middle: each goes on once the others are there, too, or wait
    for a lock.
    """

    def __init__(self, database: Database, parties: int = 2) -> None:
        self._database = database
        self._parties = parties
        self._there = 0
        self._lock = threading.Lock()

    def arrive(self) -> None:
        with self._lock:
            self._there += 1
        until(lambda: self._there + waiting(self._database) >= self._parties, what="the others")


def meeting_after(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, meeting: Meeting
) -> None:
    """Have each thread meet the others once it has called this for the first time."""
    real = getattr(module, name)
    met = threading.local()

    def called(*arguments: Any, **more: Any) -> Any:
        value = real(*arguments, **more)
        if not getattr(met, "done", False):
            met.done = True
            meeting.arrive()
        return value

    monkeypatch.setattr(module, name, called)


def worker_with(
    database: Database, attempts: Sequence[tuple], looks: Sequence[tuple] = ()
) -> Worker:
    """A worker of which this has ended since its last turn."""
    worker = made(database, configured(gumloop(url="http://127.0.0.1:1")))
    worker._cycle.turns.ended = PendingResults(
        attempts=[AttemptEnded(*each) for each in attempts],
        polls=[PollEnded(*each) for each in looks],
    )
    worker._cycle.turns.beat_at = float("inf")
    return worker


def test_two_turns_that_change_the_same_lines_in_another_order_do_not_deadlock(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each writes down an answer of the one line, and the end of a run of the other."""
    for key in ("x", "y"):
        add(postgresql, 2, order=Order(key=key, until="delivered"))
    runs = {held.delivery.order.key: held for held in claim(postgresql)}
    for key, held in runs.items():
        assert record(postgresql, held, replace(STARTED, run_id=key)) is Status.DELIVERED
    calls = {held.delivery.order.key: held for held in claim(postgresql, now=NOW + 2)}
    done = RunReport(state=RunState.DONE)
    first, second = (
        worker_with(
            postgresql,
            [(calls[mine], replace(STARTED, run_id=f"2{mine}"))],
            [(get(postgresql, runs[other].delivery.id), 1, done)],
        )
        for mine, other in (("x", "y"), ("y", "x"))
    )
    meeting_after(monkeypatch, ledger, "record_attempts", Meeting(postgresql))
    make = lambda one: postgresql.write(  # noqa: E731
        lambda c: one._cycle.turns.make(c, ClockReading(at=NOW + 5))
    )
    sides = side_by_side(*(lambda one=one: make(one) for one in (first, second)))
    assert [side.error for side in sides] == [None, None]
    assert {get(postgresql, held.delivery.id).run_state for held in runs.values()} == {
        RunState.DONE
    }
    assert {get(postgresql, held.delivery.id).status for held in calls.values()} == {
        Status.DELIVERED
    }


def test_two_turns_that_change_the_same_deliveries_in_another_order_do_not_deadlock(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that took long is told by two workers: each has one that the other has too."""
    add(postgresql, 2)
    held = claim(postgresql)
    for one in held:
        record(postgresql, one, replace(STARTED, run_id=one.delivery.id))
    followed = [get(postgresql, one.delivery.id) for one in held]
    goes_on = RunReport(state=RunState.RUNNING)
    looks = [(one, 1, goes_on) for one in followed]
    meeting_after(monkeypatch, run_tracking, "record_run", Meeting(postgresql))
    workers = [worker_with(postgresql, [], looks), worker_with(postgresql, [], looks[::-1])]
    make = lambda one: postgresql.write(  # noqa: E731
        lambda c: one._cycle.turns.make(c, ClockReading(at=NOW + 5))
    )
    sides = side_by_side(*(lambda one=one: make(one) for one in workers))
    assert [side.error for side in sides] == [None, None]


@pytest.mark.parametrize("command", ["cancel", "erase", "spam mark"])
def test_two_operations_on_the_same_items_in_another_order_do_not_deadlock(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    made_events = [make_event(provider="form") for _ in range(2)]
    planned = [make_delivery(one) for one in made_events]
    events.add_all(postgresql, [(a, [b]) for a, b in zip(made_events, planned, strict=True)], list)
    handlers: dict[str, Any] = {
        "cancel": MoveHandler(move=MOVES["cancel"], to=Status.CANCELLED),
        "erase": EraseHandler(),
        "spam mark": SpamHandler(),
    }
    handler = handlers[command]
    ids = [one.id for one in (planned if command == "cancel" else made_events)]
    meeting_after(monkeypatch, transitions, "move", Meeting(postgresql))
    sides = side_by_side(
        *(
            lambda some=some: postgresql.write(lambda c: handler.carry_out(c, some, NOW))
            for some in (ids, ids[::-1])
        )
    )
    assert [side.error for side in sides] == [None, None]
    problems = sorted([one.problem is None for one in side.value] for side in sides)
    assert problems == [[False, False], [True, True]], "one of them does both"


@pytest.mark.parametrize("handler", [EraseHandler(), SpamHandler()], ids=["erase", "spam mark"])
def test_operations_on_events_and_on_their_deliveries_do_not_deadlock(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    """Each moves the delivery first that the other moves last."""
    made_events = [make_event(provider="form") for _ in range(2)]
    planned = sorted((make_delivery(one) for one in made_events), key=lambda one: one.id)
    for one in planned:
        event = next(each for each in made_events if each.id == one.event_id)
        events.add(postgresql, event, [one], lambda *_: [])
    meeting_after(monkeypatch, transitions, "move", Meeting(postgresql))
    cancel = MoveHandler(move=MOVES["cancel"], to=Status.CANCELLED)
    deliveries = [one.id for one in planned]
    last_first = [one.event_id for one in reversed(planned)]
    sides = side_by_side(
        lambda: postgresql.write(lambda c: handler.carry_out(c, last_first, NOW)),
        lambda: postgresql.write(lambda c: cancel.carry_out(c, deliveries, NOW)),
    )
    assert [side.error for side in sides] == [None, None]


def found_run(known: unknown_starts.UnknownStart) -> reconcile.PollAnswers:
    """The answers of a search that found the run of a start without an answer."""
    one = Candidate(
        run_id="r1", created_at=known.began_at + 1, state=RunState.RUNNING, echo=Echo.DELIVERY
    )
    window = attempt_window(known.began_at, 30.0)
    look = Look(at=known.began_at + 100, window=window, listed=1, candidates=(one,))
    return reconcile.PollAnswers(look=look, reports={}, exclusive=True, next_look=5.0)


def unknown_start(database: Database, held: Claim) -> unknown_starts.UnknownStart:
    record(database, held, Outcome(kind=OutcomeKind.UNKNOWN, detail="no answer"))
    with database.read() as connection:
        known = unknown_starts.read_unknown_start(connection, held.delivery.id)
    assert known is not None
    return known


@pytest.mark.parametrize("who", ["reconciler", "task", "worker after a fault"])
def test_a_settlement_and_a_change_of_its_ordering_queue_do_not_deadlock(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """One transaction changes a delivery, then its ordering queue; the other locks the queue first."""
    ids = add(
        postgresql,
        2,
        platform="gumloop",
        saved_item_id="f1",
        order=Order(key="x", until="delivered"),
    )
    [held] = claim(postgresql, caps={"gumloop": 5})
    meeting = Meeting(postgresql)
    if who == "reconciler":
        known = unknown_start(postgresql, held)
        meeting_after(monkeypatch, reconcile, "read_unknown_start", meeting)
        settle = lambda: postgresql.write(  # noqa: E731
            lambda c: reconcile.resolve(c, known, found_run(known), NOW + 100, jitter=0.5)
        )
    elif who == "task":
        config = configured(gumloop(url="http://127.0.0.1:1"))
        task = TaskRunner(lambda: config, postgresql, HttpClient().send, 60.0)
        meeting_after(monkeypatch, ledger, "decide_after_attempt", meeting)
        settle = lambda: task._settle(held, STARTED)  # noqa: E731
    else:
        worker = worker_with(postgresql, [(held, STARTED)])
        meeting_after(monkeypatch, ledger, "decide_after_attempt", meeting)
        settle = lambda: worker._cycle._salvage(NOW + 1)  # noqa: E731
    meeting_after(monkeypatch, lock_order, "take_key_locks", meeting)
    cancel = MoveHandler(move=MOVES["cancel"], to=Status.CANCELLED)
    sides = side_by_side(
        settle, lambda: postgresql.write(lambda c: cancel.carry_out(c, ids, NOW + 2))
    )
    if who == "task":
        task.close()
    assert [side.error for side in sides] == [None, None]
    assert deadlocks(postgresql) == 0
    assert [get(postgresql, one).status for one in ids] == [Status.DELIVERED, Status.CANCELLED]


def test_a_late_refusal_and_a_search_that_finds_no_run_do_not_deadlock(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both give back a start of the route's day."""
    [one] = add(postgresql, platform="gumloop", saved_item_id="f1")
    [held] = claim(postgresql, caps={"gumloop": 5})
    known = unknown_start(postgresql, held)
    meeting = Meeting(postgresql)
    meeting_after(monkeypatch, reconcile, "read_unknown_start", meeting)
    meeting_after(monkeypatch, turn_locks, "lock", meeting)
    verdict = replace(
        judge_look(
            known.delivery,
            known.attempt,
            known.began_at,
            found_run(known).look,
            known.before,
            exclusive=True,
            timings=postgresql.timings,
        ),
        decision=ReconcileDecision(verdict=ReconcileVerdict.QUEUE, why="no run"),
    )
    monkeypatch.setattr(reconcile, "judge_look", lambda *_, **__: verdict)
    worker = worker_with(postgresql, [(held, Outcome(kind=OutcomeKind.REFUSED, detail="no"))])
    sides = side_by_side(
        lambda: postgresql.write(
            lambda c: reconcile.resolve(c, known, found_run(known), NOW + 100, jitter=0.5)
        ),
        lambda: postgresql.write(lambda c: worker._cycle.turns.make(c, ClockReading(at=NOW + 101))),
    )
    assert [side.error for side in sides] == [None, None]
    assert get(postgresql, one).attempts == 1


def test_a_retry_waits_for_the_deletion_of_an_old_event_and_then_finds_nothing(
    postgresql: Database,
) -> None:
    """Else the retry would be confirmed, and its delivery deleted."""
    event = make_event("1")
    old = make_delivery(event, status=Status.DEAD, dead_kind=DeadKind.PLATFORM)
    events.add(postgresql, event, [old], lambda *_: [])
    retry = MoveHandler(move=MOVES["retry"], to=Status.QUEUED)
    person = Side(lambda: postgresql.write(lambda c: retry.carry_out(c, [old.id], NOW)))

    def delete(connection: Any) -> None:
        deletable = removal.lock_deletable(connection, [event.id], math.inf)
        assert deletable == [event.id]
        person.thread.start()
        until(lambda: waiting(postgresql) == 1 or not person.thread.is_alive(), what="the retry")
        removal.remove(connection, deletable)

    postgresql.write(delete)
    person.thread.join(120)
    assert person.error is None
    assert [one.problem for one in person.value] == ["no such delivery"]


def test_a_refusal_and_a_claim_of_a_paced_route_do_not_deadlock(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one gives a start back, and then counts slots; the other counts slots, and then spends a
    start.
    """
    add(postgresql, 3)
    limits = {"triage": Limits(max_runs_per_day=10)}
    [held] = claim(postgresql, limit=1, limits=limits)
    refused = [EndedAttempt(held, Outcome(kind=OutcomeKind.REFUSED, detail="no"))]
    meeting = Meeting(postgresql)
    meeting_after(monkeypatch, throttling, "return_starts", meeting)
    meeting_after(monkeypatch, claims, "list_route_queues", meeting)  # by then it counts slots

    def refuse(connection: Any) -> None:
        ledger.record_attempts(connection, refused, NOW + 1, jitter=0.5)
        circuit_updates.update_circuits(connection, refused, {"local": 5}, NOW + 1, jitter=0.5)

    def take(connection: Any) -> list:
        allowed = ClaimLimits(caps={"local": 5}, limits=limits)
        return claims.claim(connection, allowed, limit=1, now=NOW + 1, lease="w2")

    sides = side_by_side(lambda: postgresql.write(refuse), lambda: postgresql.write(take))
    assert [side.error for side in sides] == [None, None]
    assert len(sides[1].value) == 1
    assert attempts(postgresql, held.delivery.id)[0].outcome == "refused"


def test_a_redelivery_waits_for_a_person_who_retries_what_it_looks_at(postgresql: Database) -> None:
    """Else both would be queued: the delivery that is retried, and one that is planned again since
    nothing of the event ever started.
    """
    event = make_event("1")
    copy = make_event("1")
    planned = make_delivery(event, status=Status.CANCELLED)
    events.add(postgresql, event, [planned], lambda *_: [])
    looked = threading.Event()
    may_commit = threading.Event()

    def retry(connection: Any) -> None:
        transitions.move(connection, planned.id, Status.QUEUED, NOW + 1)
        looked.set()
        assert may_commit.wait(120)

    def again(known: Any, nonce: str) -> list:
        return [replace(make_delivery(known), id=f"dlv_{nonce}")]

    person = Side(lambda: postgresql.write(retry))
    person.thread.start()
    assert looked.wait(120)
    sender = Side(lambda: events.add(postgresql, copy, [], again))
    sender.thread.start()
    until(lambda: waiting(postgresql) == 1 or not sender.thread.is_alive(), what="the redelivery")
    may_commit.set()
    for side in (person, sender):
        side.thread.join(120)
        assert side.error is None
    assert (sender.value.duplicate, sender.value.deliveries) == (True, ())
    kept = events.deliveries_of(postgresql, [event.id])[event.id]
    assert [(one.id, one.status) for one in kept] == [(planned.id, Status.QUEUED)]


def test_redeliveries_of_the_same_events_in_another_order_do_not_deadlock(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1", "2"):
        event = make_event(name)
        events.add(postgresql, event, [make_delivery(event)], lambda *_: [])
    meeting_after(monkeypatch, postgresql, "append", Meeting(postgresql))
    meeting_after(monkeypatch, duplicates, "add_duplicate", Meeting(postgresql))
    orders = (("1", "2"), ("2", "1"))
    sides = side_by_side(
        *(
            lambda order=order: events.add_all(
                postgresql, [(make_event(name), []) for name in order], lambda *_: []
            )
            for order in orders
        )
    )
    assert [side.error for side in sides] == [None, None]
    assert all(one.duplicate for side in sides for one in side.value)
    for order, side in zip(orders, sides, strict=True):
        assert [events.get(postgresql, one.event_id).provider_id for one in side.value] == list(
            order
        )


def one_after_another(
    database: Database, hold: Callable[[Any], object], *works: Callable[[], Any]
) -> list[Side]:
    """Begin works in this order while a transaction holds a lock, each when the one before it waits
    for this lock or for another work, or has ended. Then let go, and return what came of them.
    """
    sides = [Side(work) for work in works]
    with database.engine.begin() as connection:
        hold(connection)
        for place, side in enumerate(sides, 1):
            side.thread.start()
            until(lambda: waiting(database) + ended(sides[:place]) == place, what="a wait")  # noqa: B023 - called before the loop goes on
    for side in sides:
        side.thread.join(120)
        assert not side.thread.is_alive()
    return sides


def ended(sides: Sequence[Side]) -> int:
    return sum(not side.thread.is_alive() for side in sides)


def hold_row(table: Table, id_: str) -> Callable[[Any], object]:
    return lambda connection: connection.execute(
        select(table).where(table.c.id == id_).with_for_update()
    ).all()


def hold_key(key: str) -> Callable[[Any], object]:
    return lambda connection: take_key_locks(connection, [("triage", key)])


def ordered(event: Event, nonce: str = "") -> list[Delivery]:
    """Plan a delivery that is not sent; the keys of events are in the opposite order of their ids
    of the provider.
    """
    key = Order(key=str(9 - int(event.provider_id or 0)), until="delivered")
    one = make_delivery(event, status=Status.CANCELLED, order=key)
    return [replace(one, id=f"{one.id}{nonce.replace(' ', '')}")]


def add_ordered(database: Database, *provider_ids: str) -> list[Event]:
    """Store events that were never started, whose ids are in the opposite order of these."""
    stored = [make_event(one, provider="form") for one in reversed(provider_ids)][::-1]
    for one in stored:
        events.add(database, one, ordered(one), ordered)
    return stored


EVENT_HANDLERS: dict[str, Any] = {"erase": EraseHandler(), "spam mark": SpamHandler()}


def operation_on(
    database: Database, command: str, stored: Sequence[Event]
) -> Callable[[], list[ItemResult]]:
    """Return an operation on events."""
    ids = [one.id for one in stored]
    if command == "replay":
        plans = [
            ReplayPlan(id=one.id, known=one, deliveries=ordered(one, "replay")) for one in stored
        ]
        replay = ReplayHandler(config_of=lambda _: configured(), nonce="replay")
        return lambda: database.write(lambda c: replay.carry_out(c, plans, NOW + 1))
    handler = EVENT_HANDLERS[command]
    return lambda: database.write(lambda c: handler.carry_out(c, ids, NOW + 1))


def readmission_of(database: Database, repeats: Sequence[Event]) -> Callable[[], list[ItemResult]]:
    """Return the readmission of a reject, which repeats these events."""
    one = make_reject()
    rejects.add(database, one)
    prepared = PreparedRequest(
        source=sender("github").source(),
        arrivals=[(each, ordered(each)) for each in repeats],
        replan=ordered,
        body=Body(),
    )
    handler = ReadmitHandler(config=configured(), keys=NO_KEYS, new_id=str)
    plans = [ReadmissionPlan(id=one.id, prepared=prepared)]
    return lambda: database.write(lambda c: handler.carry_out(c, plans, NOW + 1))


def submission_of(database: Database, repeat: Event) -> Callable[[], AddedEvent]:
    """Return the storing of a form's submission, which has the id of another."""
    marks = SubmissionMarks(now=NOW, digest="d", once=(), limits=())
    return lambda: submissions.add(database, repeat, ordered(repeat), marks, ordered)


@pytest.mark.parametrize("command", [*EVENT_HANDLERS, "replay"])
@pytest.mark.parametrize("how", ["readmit", "submit"])
def test_a_repeat_and_an_operation_on_its_event_do_not_deadlock(
    postgresql: Database, command: str, how: str
) -> None:
    """Both take the event and the ordering key of its deliveries."""
    stored = add_ordered(postgresql, "1")
    again = make_event("1")
    repeat = (
        readmission_of(postgresql, [again])
        if how == "readmit"
        else submission_of(postgresql, again)
    )
    operate = operation_on(postgresql, command, stored)
    sides = one_after_another(postgresql, hold_key("8"), repeat, operate)
    assert [side.error for side in sides] == [None, None]
    assert [one.problem for one in sides[1].value] == [None]
    if command != "erase":
        assert events.get(postgresql, stored[0].id).duplicates == 1


def repetition_of(
    database: Database, how: str, repeats: Sequence[Event]
) -> Callable[[], Sequence[object]]:
    """Return what stores several repeats in one transaction."""
    arrivals = [(one, ordered(one)) for one in repeats]
    if how == "receive":
        return lambda: events.add_all(database, arrivals, ordered)
    if how == "receive unsigned":
        return lambda: daily_bytes.add_all(database, arrivals, ordered, 1000, NOW)
    return readmission_of(database, repeats)


@pytest.mark.parametrize("command", [*EVENT_HANDLERS, "replay"])
@pytest.mark.parametrize("how", ["receive", "receive unsigned", "readmit"])
def test_repeats_of_events_and_an_operation_on_these_in_another_order_do_not_deadlock(
    postgresql: Database, command: str, how: str
) -> None:
    """Repeats were locked by the ids of their provider, operations lock events by their own."""
    stored = add_ordered(postgresql, "1", "2")
    assert stored[0].id > stored[1].id
    repeats = [make_event("1"), make_event("2")]
    repeat = repetition_of(postgresql, how, repeats)
    operate = operation_on(postgresql, command, stored)
    sides = one_after_another(postgresql, hold_row(schema.event, stored[0].id), repeat, operate)
    assert [side.error for side in sides] == [None, None]


@pytest.mark.parametrize("how", ["receive", "receive unsigned", "readmit"])
def test_repeats_of_events_and_a_retry_of_their_deliveries_do_not_deadlock(
    postgresql: Database, how: str
) -> None:
    """The repeats locked the deliveries of the first event before the key of the second."""
    stored = add_ordered(postgresql, "1", "2")
    deliveries = [ordered(one)[0].id for one in stored]
    repeats = [make_event("1"), make_event("2")]
    repeat = repetition_of(postgresql, how, repeats)
    retry = MoveHandler(move=MOVES["retry"], to=Status.QUEUED)
    sides = one_after_another(
        postgresql,
        hold_row(schema.event, stored[1].id),
        repeat,
        lambda: postgresql.write(lambda c: retry.carry_out(c, deliveries, NOW + 1)),
    )
    assert [side.error for side in sides] == [None, None]
    assert [one.problem for one in sides[1].value] == [None, None]


def test_two_unsigned_requests_with_the_same_events_in_another_order_do_not_deadlock(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their bytes are counted, so each is a transaction of its own."""
    meeting_after(monkeypatch, events, "add_one", Meeting(postgresql))
    orders = (("1", "2"), ("2", "1"))
    sides = side_by_side(
        *(
            repetition_of(postgresql, "receive unsigned", [make_event(one) for one in order])
            for order in orders
        )
    )
    assert [side.error for side in sides] == [None, None]
    assert len({one.event_id for side in sides for one in side.value}) == 2
    for order, side in zip(orders, sides, strict=True):
        stored = [events.get(postgresql, one.event_id).provider_id for one in side.value]
        assert stored == list(order)


def test_a_replay_and_a_cancel_of_the_deliveries_that_it_replaces_do_not_deadlock(
    postgresql: Database,
) -> None:
    """Debounced deliveries are replaced one by one, in the order of the new ones."""
    ids = sorted(arrive(postgresql, NOW + place, key=f"k{place}") for place in range(2))
    stored = [get(postgresql, one) for one in ids]
    plans = [
        ReplayPlan(
            id=one.event_id,
            known=events.get(postgresql, one.event_id),
            deliveries=[replace(one, id=f"{one.id}again")],
        )
        for one in reversed(stored)
    ]
    replay = ReplayHandler(config_of=lambda _: configured(), nonce="replay")
    cancel = MoveHandler(move=MOVES["cancel"], to=Status.CANCELLED)
    sides = one_after_another(
        postgresql,
        hold_row(schema.delivery, ids[0]),
        lambda: postgresql.write(lambda c: cancel.carry_out(c, ids, NOW + 1)),
        lambda: postgresql.write(lambda c: replay.carry_out(c, plans, NOW + 1)),
    )
    assert [side.error for side in sides] == [None, None]
    assert {get(postgresql, one).status for one in ids} == {Status.CANCELLED}


@pytest.mark.parametrize("kind", ["run", "reject"])
def test_two_erasures_of_the_same_records_in_another_order_do_not_deadlock(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    ids = []
    for number in range(2):
        if kind == "run":
            run = postgresql.write(lambda c: runs.start(c, make_local_run()))
            postgresql.write(lambda c, run=run: runs.kill(c, run.id, NOW))  # type: ignore[misc]  # mypy infers no lambda with defaults
            ids.append(run.id)
        else:
            reject = make_reject(number)
            rejects.add(postgresql, reject)
            ids.append(reject.id)
    remover = {"run": "remove_runs", "reject": "remove_reject"}[kind]
    meeting_after(monkeypatch, removal, remover, Meeting(postgresql))
    sides = side_by_side(
        *(
            lambda some=some: postgresql.write(lambda c: EraseHandler().carry_out(c, some, NOW))
            for some in (ids, ids[::-1])
        )
    )
    assert [side.error for side in sides] == [None, None]
    problems = sorted([one.problem is None for one in side.value] for side in sides)
    assert problems == [[False, False], [True, True]], "one of them does both"


def test_the_deletion_of_an_operation_waits_for_a_transaction_that_changes_it(
    postgresql: Database,
) -> None:
    old = log.begin(
        postgresql, "act_old", command="replay", actor="me", request={}, ids=["evt_1"], now=OLD
    )
    resuming = update(schema.act).where(schema.act.c.seq == old.seq).values(worked_at=NOW)
    pruning = Side(lambda: list(prune(Pruning(postgresql, CONFIG, NOW), postgresql.write)))
    with postgresql.engine.begin() as connection:
        connection.execute(resuming)
        pruning.thread.start()
        until(lambda: waiting(postgresql) == 1, what="the deletion")
    pruning.thread.join(120)
    assert (pruning.error, pruning.value) == (None, [])
    assert [one.item_id for one in list_items(postgresql, old)] == ["evt_1"]


def test_an_id_of_a_deleted_event_stays_that_is_stored_again_while_expired_ids_are_deleted(
    postgresql: Database,
) -> None:
    table = schema.deleted_id
    known = {"source": "github", "provider_id": "1", "event_id": "evt_1", "received_at": OLD}
    with postgresql.engine.begin() as connection:
        connection.execute(table.insert().values(**known, expires_at=NOW - 1))
    [work] = islice(deleted_ids.delete_expired(postgresql, NOW), 1)
    pruning = Side(lambda: postgresql.write(work))
    with postgresql.engine.begin() as connection:
        connection.execute(update(table).values(expires_at=NOW + 100))
        pruning.thread.start()
        until(lambda: waiting(postgresql) == 1, what="the deletion")
    pruning.thread.join(120)
    assert (pruning.error, pruning.value) == (None, {"deleted_id": 0})


def test_a_subject_is_erased_from_the_options_that_an_agreement_has_just_stored(
    postgresql: Database,
) -> None:
    """Else the erasure would restore the options that it read."""
    one = log.begin(
        postgresql,
        "act_1",
        command="replay",
        actor="me",
        request={"q": "ann"},
        ids=["evt_1"],
        now=NOW,
    )
    agreed = to_json({"command": "replay", "filters": {"q": "ann"}, "how": {"rate": "9/s"}})
    erasing = Side(lambda: scrub_operations(postgresql, "ann"))
    with postgresql.engine.begin() as connection:
        connection.execute(update(schema.act).values(asked=agreed))
        erasing.thread.start()
        until(lambda: waiting(postgresql) == 1, what="the erasure")
    erasing.thread.join(120)
    assert (erasing.error, erasing.value) == (None, 1)
    assert find(postgresql, one.id).request == {
        "command": "replay",
        "filters": {"q": ERASED},
        "how": {"rate": "9/s"},
    }
