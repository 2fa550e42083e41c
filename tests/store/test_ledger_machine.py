"""The ledger against a plain model, in random order of events, crashes and operations.

The model has no SQL, no indexes and no triggers: a list of deliveries in the order they came, and
what each step does to them. After each step every delivery of the store has to be where the model
has it, and every move since the step before has to be a legal one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from records import NOW, make_delivery, make_event
from sqlalchemy import select, text

from bridge.core.model import TRANSITIONS, Debounce, Order, Retry, RunState, Status
from bridge.core.rate_limits import Limits
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.core.timings import TIMINGS
from bridge.store.db.database import Database
from bridge.store.encryption import NO_ENCRYPTION
from bridge.store.inbound import events
from bridge.store.operations import checkup
from bridge.store.queue import claims, leases, ledger, ordering, run_tracking, transitions
from bridge.store.queue.claim_round import Claim, ClaimLimits
from bridge.store.queue.ledger import EndedAttempt
from bridge.store.tables import schema
from bridge.store.tables.rows import to_delivery

CAP = 3
ROUTE_CAP = 2
ATTEMPTS = 3
WAIT = 20.0
MOST = 60.0
ROUTES = ("plain", "capped", "line", "strict", "latest")
KEYS = ("a", "b")
BY_HAND = (Status.QUEUED, Status.CANCELLED, Status.DEAD, Status.DELIVERED)
ENDS = (RunState.DONE, RunState.FAILED, RunState.TERMINATED)


@dataclass
class Mine:
    """A delivery as the model has it."""

    id: str
    route: str
    due: float
    key: str | None = None
    status: str = "queued"
    spent: int = 0
    allowed: int = ATTEMPTS
    throttled: int = 0
    reruns: int = 0
    head: bool = False
    merge_until: float | None = None
    slot: bool = False
    run: str | None = None
    ran: str | None = None  # the state of its run once that has ended
    claim: Claim | None = field(default=None, repr=False)

    @property
    def blocks(self) -> bool:
        return self.route == "strict"


class LedgerMachine(RuleBasedStateMachine):
    database: Database

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.mine: list[Mine] = []
        self.before: dict[str, str] = {}
        self.limits = {"capped": Limits(max_concurrent_runs=ROUTE_CAP)}
        self.runs = 0
        for table in (schema.event, schema.delivery, schema.attempt, schema.circuit, schema.pace):
            self.database.write(lambda c, table=table: c.execute(table.delete()))  # type: ignore[misc]

    # -- the model's own words

    def of(self, *statuses: str) -> list[Mine]:
        return [one for one in self.mine if one.status in statuses]

    def leave(self, one: Mine) -> None:
        """The head of a line goes, and the first of those behind it is the head."""
        if one.head:
            one.head = False
            if behind := [
                other
                for other in self.mine
                if (other.route, other.key, other.status) == (one.route, one.key, "blocked")
            ]:
                behind[0].head, behind[0].status = True, "queued"
                behind[0].due = max(behind[0].due, self.now)

    def join(self, one: Mine) -> None:
        one.status = "queued"
        if one.key is not None and not one.head:
            taken = any(
                other.head and (other.route, other.key) == (one.route, one.key)
                for other in self.mine
            )
            one.status, one.head = ("blocked", False) if taken else ("queued", True)

    def over(self, one: Mine, status: str) -> None:
        one.status = status
        one.slot = False
        if not (status == "dead" and one.blocks):
            self.leave(one)

    # -- what happens

    @rule(
        route=st.sampled_from(ROUTES),
        key=st.sampled_from((*KEYS, None)),
        delay=st.sampled_from([0.0, 0.0, 15.0]),
    )
    def arrive(self, route: str, key: str | None, delay: float) -> None:
        event = make_event(None, now=self.now)
        due = self.now + delay
        order = (
            Order(key=key, blocks=route == "strict")
            if route in ("line", "strict") and key
            else None
        )
        debounce = Debounce(key=key, until=self.now + MOST) if route == "latest" and key else None
        failed = {"line": ("retry", 1), "strict": ("dead", 0)}.get(route, ("ignore", 0))
        due = self.now + WAIT if debounce else due
        planned = make_delivery(
            event,
            route,
            now=self.now,
            due_at=due,
            order=order,
            debounce=debounce,
            retry=Retry(ATTEMPTS, 1.0, 5.0),
            on_run_failed=failed[0],
            run_retries=failed[1],
        )
        events.add(self.database, event, [planned], lambda *_: [])
        one = Mine(planned.id, route, due, key=key if order else None)
        self.join(one)
        if debounce:
            waiting = [
                other
                for other in self.of("queued")
                if other.merge_until is not None and self.merges[other.id] == key
            ]
            one.merge_until = min(
                [self.now + MOST, *(other.merge_until for other in waiting if other.merge_until)]
            )
            one.due = min(one.due, one.merge_until)
            for other in waiting:
                other.status = "cancelled"
                other.merge_until = None
            self.merges[one.id] = key or ""
        self.mine.append(one)

    merges: dict[str, str] = {}  # noqa: RUF012 - ids are never used twice

    @rule(most=st.integers(1, 6), order=st.permutations(ROUTES))
    def claim(self, most: int, order: list[str]) -> None:
        allowed = ClaimLimits(caps={"local": CAP}, limits=self.limits)

        def ordered(_: str, routes: Sequence[str]) -> list[str]:
            return sorted(routes, key=order.index)

        taken = self.database.write(
            lambda c: claims.claim(
                c,
                allowed,
                limit=most,
                now=self.now,
                lease=f"w{len(self.mine)}:{self.now}",
                order=ordered,
            )
        )
        by_id = {one.id: one for one in self.mine}
        for held in taken:
            one = by_id[held.delivery.id]
            assert one.status == "queued" and one.due <= self.now, "only what is due is taken"
            assert held.attempt == one.spent + one.throttled + 1
            one.status = "sending"
            one.slot = True
            one.merge_until = None
            one.claim = held
        used = Counter(one.route for one in self.mine if one.slot)
        held_up = (
            used["capped"] + sum(one.route == "capped" for one in self.of("unknown")) >= ROUTE_CAP
        )
        waiting = [
            one
            for one in self.of("queued")
            if one.due <= self.now and not (one.route == "capped" and held_up)
        ]
        assert used.total() <= CAP
        if len(taken) < most and used.total() < CAP:
            assert not waiting, "what can go goes"
        for route in ROUTES:  # within a route the one that is due longest
            gone = [one.due for one in self.mine if one.claim in taken and one.route == route]
            left = [one.due for one in self.of("queued") if one.route == route]
            assert not gone or not left or max(gone) <= min(left)

    @precondition(lambda self: self.of("sending"))
    @rule(
        pick=st.integers(0, 99),
        kind=st.sampled_from([*OutcomeKind, OutcomeKind.STARTED, OutcomeKind.STARTED]),
        has_run=st.booleans(),
    )
    def answer(self, pick: int, kind: OutcomeKind, has_run: bool) -> None:
        one = self.of("sending")[pick % len(self.of("sending"))]
        self.settle(
            one,
            kind,
            has_run,
            ended=Outcome(
                kind=kind, detail="so it was", run_id=self.new_run() if has_run else None
            ),
        )

    def new_run(self) -> str:
        self.runs += 1
        return f"r{self.runs}"

    def settle(self, one: Mine, kind: OutcomeKind, has_run: bool, ended: Outcome) -> None:
        assert one.claim is not None
        ended = ended if kind is OutcomeKind.STARTED else Outcome(kind=kind, detail=ended.detail)
        settled = EndedAttempt(one.claim, ended, 1.0 if has_run else None)
        [status] = self.database.write(
            lambda c: ledger.record_attempts(c, [settled], self.now, jitter=0.5)
        )
        assert status is not None, "whoever holds the lease settles"
        one.slot = False
        one.claim = None
        is_free = kind in (OutcomeKind.THROTTLED, OutcomeKind.UNAUTHORIZED)
        one.spent, one.throttled = one.spent + (not is_free), one.throttled + is_free
        match kind:
            case OutcomeKind.STARTED:
                one.status = "delivered"
                one.run = ended.run_id if has_run else None
                one.slot = has_run
                if not has_run:
                    self.leave(one)
            case OutcomeKind.UNKNOWN:
                one.status = "unknown"
            case OutcomeKind.REJECTED:
                self.over(one, "dead")
            case OutcomeKind.THROTTLED:
                one.status = "queued"
            case OutcomeKind.UNAUTHORIZED:
                one.status = "queued"
                one.due = self.now
            case OutcomeKind.REFUSED:
                one.status, one.due = "queued", self.now + min(5.0, 2.0 ** (one.spent - 1)) * 0.5
                if one.spent >= one.allowed:
                    self.over(one, "dead")

    @precondition(lambda self: self.of("sending"))
    @rule(begun=st.booleans())
    def the_worker_dies(self, begun: bool) -> None:
        """Every lease runs out. A call whose intent is not on disk never began."""
        if not begun:
            self.database.write(
                lambda c: c.execute(
                    schema.attempt.delete().where(schema.attempt.c.outcome.is_(None))
                )
            )
        self.now += TIMINGS.lease_seconds + 1
        self.database.write(lambda c: ledger.reap_expired(c, self.now, 0.5, lambda _: None))
        for one in self.of("sending"):
            one.slot, one.status, one.spent = (
                False,
                "unknown" if begun else "queued",
                one.spent + begun,
            )
            self.late += [(one, one.claim)] if begun else []
            one.claim = None

    late: list[tuple[Mine, Claim | None]] = []  # noqa: RUF012 - made anew for each example

    @initialize()
    def nobody_is_late(self) -> None:
        self.late = []

    @precondition(lambda self: self.late)
    @rule(kind=st.sampled_from([OutcomeKind.STARTED, OutcomeKind.REJECTED, OutcomeKind.REFUSED]))
    def a_worker_that_was_thought_dead_answers(self, kind: OutcomeKind) -> None:
        one, held = self.late.pop()
        assert held is not None
        run = self.new_run()
        late = EndedAttempt(
            held,
            Outcome(kind=kind, run_id=run if kind is OutcomeKind.STARTED else None, detail="late"),
            1.0,
        )
        [status] = self.database.write(
            lambda c: ledger.record_attempts(c, [late], self.now, jitter=0.5)
        )
        if (
            one.status == "unknown"
            and kind is OutcomeKind.STARTED
            and held.attempt == one.spent + one.throttled
        ):
            assert status is Status.DELIVERED
            one.status = "delivered"
            one.run = run
            one.slot = True
        else:
            assert status is None, "a lease that was lost moves nothing"

    @precondition(lambda self: [one for one in self.of("sending") if one.claim])
    @rule()
    def a_stopping_worker_hands_back(self) -> None:
        one = self.of("sending")[0]
        assert one.claim is not None
        self.database.write(lambda c: leases.return_claims(c, [one.claim]))  # type: ignore[list-item]
        one.status = "queued"
        one.slot = False
        one.claim = None

    @precondition(lambda self: [one for one in self.mine if one.slot and one.run])
    @rule(
        pick=st.integers(0, 99),
        state=st.sampled_from([*ENDS, RunState.RUNNING, None]),
        gone=st.booleans(),
    )
    def look(self, pick: int, state: RunState | None, gone: bool) -> None:
        running = [one for one in self.mine if one.slot and one.run]
        one = running[pick % len(running)]
        report = RunReport(
            state=state,
            log=("said",),
            outputs={} if state is RunState.DONE else None,
            gone=gone and state is None,
        )
        with self.database.read() as connection:
            followed = to_delivery(
                connection.execute(
                    select(schema.delivery).where(schema.delivery.c.id == one.id)
                ).one(),
                NO_ENCRYPTION,
            )
        over = self.database.write(
            lambda c: run_tracking.record_run(
                c, followed, report, self.now, next_poll=1.0, jitter=0.5
            )
        )
        assert over == (state in ENDS or report.gone)
        if not over:
            return
        one.slot = False
        one.ran = state and state.value
        if state is RunState.FAILED and one.route == "line" and one.reruns < 1:
            one.status, one.run, one.ran, one.reruns, one.allowed = (
                "queued",
                None,
                None,
                one.reruns + 1,
                one.allowed + 1,
            )
            one.due = self.now + 0.5 * 2.0 ** (one.reruns - 1)
        elif state in (RunState.FAILED, RunState.TERMINATED) and one.route in ("line", "strict"):
            self.over(one, "dead")
        else:
            self.leave(one)

    @precondition(lambda self: self.mine)
    @rule(pick=st.integers(0, 99), to=st.sampled_from(BY_HAND), follow=st.booleans())
    def a_person_moves(self, pick: int, to: Status, follow: bool) -> None:
        one = self.mine[pick % len(self.mine)]
        run = self.new_run() if follow and to is Status.DELIVERED else None
        legal = to in TRANSITIONS[Status(one.status)] and one.status != "sending"
        try:
            self.database.write(
                lambda c: transitions.move(c, one.id, to, self.now, reason="by hand", run_id=run)
            )
        except Exception as refused:
            assert not legal, refused
            return
        assert legal, "what is not legal is refused"
        one.slot = False
        match to:
            case Status.QUEUED:
                one.reruns, one.allowed = (
                    one.reruns + (one.run is not None),
                    one.spent + one.allowed,
                )
                one.run = None
                one.ran = None
                one.due = self.now
                one.merge_until = None
                self.join(one)
            case Status.DELIVERED:
                one.status = "delivered"
                one.run = run
                one.slot = run is not None
                if run is None:
                    self.leave(one)
            case _:
                one.merge_until = None
                self.over(one, to.value)

    @rule(seconds=st.sampled_from([0.5, 3.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    # -- what always holds

    def rows(self) -> Iterator[Any]:
        with self.database.read() as connection:
            yield from connection.execute(
                select(schema.delivery).order_by(schema.delivery.c.seq)
            ).all()

    @invariant()
    def the_store_is_where_the_model_is(self) -> None:
        rows = list(self.rows())
        assert [(row.id, row.status) for row in rows] == [(one.id, one.status) for one in self.mine]
        for row, one in zip(rows, self.mine, strict=True):
            assert (row.attempts, row.throttled, row.reruns, row.run_id) == (
                one.spent,
                one.throttled,
                one.reruns,
                one.run,
            ), row.id
            assert (bool(row.slot), bool(row.holds_key)) == (one.slot, one.head), row.id
            assert (row.lease is None) == (one.status != "sending")
            assert row.debounce_until == one.merge_until
            assert one.status not in ("queued", "blocked") or abs(row.due_at - one.due) < 1e-6
            assert one.status != "dead" or row.dead_kind is not None

    @invariant()
    def what_db_check_looks_at_holds(self) -> None:
        with self.database.read() as connection:
            assert [
                each
                for each in checkup.find_violations(connection)
                if "without an event" not in each
            ] == []

    @invariant()
    def every_move_was_legal(self) -> None:
        now = {row.id: row.status for row in self.rows()}
        for id_, status in now.items():
            before = self.before.get(id_, status)
            reached = {before}
            edge = {before}
            # a step may move a delivery more than once: queued, merged; a head that leaves and is
            # retried
            for _ in range(3):
                edge = {to.value for status_ in edge for to in TRANSITIONS[Status(status_)]}
                reached |= edge
            assert status in reached
        self.before = now

    @invariant()
    def lines_have_one_head_and_no_one_waits_without_it(self) -> None:
        with self.database.read() as connection:
            heads = Counter(
                connection.execute(
                    text("SELECT route, order_key FROM delivery WHERE holds_key")
                ).all(),
            )
            waiting = set(
                connection.execute(
                    text("SELECT route, order_key FROM delivery WHERE status = 'blocked'")
                ).all()
            )
        assert all(count == 1 for count in heads.values())
        assert waiting <= set(heads)
        assert self.database.write(lambda c: ordering.repair_queues(c, self.now)) == []

    @invariant()
    def every_attempt_that_is_not_under_way_has_its_outcome(self) -> None:
        with self.database.read() as connection:
            open_ = set(
                connection.execute(
                    text("SELECT delivery_id FROM attempt WHERE outcome IS NULL")
                ).scalars()
            )
        assert open_ == {one.id for one in self.of("sending")}


# more of them, and others each time, on demand
EXAMPLES = int(os.environ.get("FLOWBRIDGE_LEDGER_EXAMPLES", "0"))


@pytest.mark.usefixtures("slow")
def test_the_ledger_does_what_a_plain_model_does(database: Database) -> None:
    machine = type("OnThisStore", (LedgerMachine,), {"database": database})
    examples = EXAMPLES or (60 if database.is_sqlite else 25)
    how = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        derandomize=not EXAMPLES,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=how)
