"""Operations on deliveries: retry, cancel and resolve.

A delivery that cannot be moved gets a reason, and the others go on. `log` stores each operation and
calls the handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, or_, select

from bridge.core.advice import name_command
from bridge.core.errors import IllegalTransition
from bridge.core.model import FAILED_RUN_STATES, DeadKind, Delivery, Status
from bridge.store.db.advisory_locks import FLOW_SEED, take_key_locks
from bridge.store.db.database import Database
from bridge.store.inbound import lock_order
from bridge.store.queue import transitions
from bridge.store.queue.unknown_starts import find_run_conflict
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import delivery, event


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """The result of an operation for one item: why it was refused, or its deliveries now.

    `was`: the earlier status of a moved delivery, whose new one is `became`, or the reason why an
    event was marked as spam. `event_ids`: the events that a readmitted reject became.
    """

    id: str
    problem: str | None = None
    was: str | None = None
    became: Status | None = None
    deliveries: Sequence[Delivery] = ()
    event_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """A kind of change to deliveries. `refuse` returns why one delivery cannot be changed.

    `wants`: the deliveries that filters may select. `usual`: those they select where no status is
    given.
    """

    refuse: Callable[[Delivery], str | None]
    wants: ColumnElement[bool]
    usual: ColumnElement[bool]


def _refuse_retry(candidate: Delivery) -> str | None:
    if candidate.dead_kind is DeadKind.OURS:
        return (
            f"routing rejected it ({candidate.reason}): fix routes.yaml, then replay"
            f" {candidate.event_id}"
        )
    if candidate.status is Status.DELIVERED and candidate.run_state not in FAILED_RUN_STATES:
        run = candidate.run_state or "not polled"
        return (
            f"it was delivered and its run is {run}: retry is only for failed runs; replay creates"
            " a new delivery"
        )
    if candidate.status is Status.UNKNOWN:
        by_hand = "check the platform, then record the result with flowbridge resolve"
        return (
            "its outcome is unknown and a run may exist:"
            f" {by_hand if candidate.look_at is None else _looks_for_run(candidate)}"
        )
    if candidate.status is Status.SHADOW:
        return "its route was in shadow mode: set the route live, then replay the event"
    if candidate.status is Status.BLOCKED:
        return "it is blocked: flowbridge sends it after the earlier deliveries of its ordering key"
    is_idle = candidate.status in (Status.DEAD, Status.CANCELLED, Status.DELIVERED)
    return None if is_idle else f"it is {candidate.status}: flowbridge sends it without a retry"


def _refuse_cancel(candidate: Delivery) -> str | None:
    holds = candidate.status is Status.DEAD and candidate.holds_key
    is_waiting = candidate.status in (Status.QUEUED, Status.BLOCKED) or holds
    return (
        None
        if is_waiting
        else (
            f"it is {candidate.status}: only a waiting delivery can be cancelled, or a dead one"
            " that blocks others"
        )
    )


def _refuse_resolve(candidate: Delivery) -> str | None:
    if candidate.status is Status.UNKNOWN and candidate.look_at is not None:
        return (
            f"{_looks_for_run(candidate)}; --force resolves it anyway, and `queued` may then start"
            " it twice"
        )
    return _refuse_known(candidate)


def _looks_for_run(unresolved: Delivery) -> str:
    return (
        f"flowbridge is searching for its run: flowbridge resolve {unresolved.id} shows when it"
        " polls next and what prevents a result"
    )


def _refuse_known(candidate: Delivery) -> str | None:
    return (
        None
        if candidate.status is Status.UNKNOWN
        else f"it is {candidate.status}: only a delivery with an unknown outcome can be resolved"
    )


_status = delivery.c.status
# other deliveries were rejected by routing, and are never sent
_planned = delivery.c.dead_kind.is_distinct_from(DeadKind.OURS)
_sendable = or_(
    (_status == Status.DEAD) & _planned,
    (_status == Status.DELIVERED) & delivery.c.run_state.in_(FAILED_RUN_STATES),
)
# cancelled by hand
_taken_out = (_status == Status.CANCELLED) & _planned & delivery.c.merged_into.is_(None)
# held: the platform is not polled for its run
_is_unknown = _status == Status.UNKNOWN
_is_held = delivery.c.poll_at.is_(None)
_waiting = _status.in_((Status.QUEUED, Status.BLOCKED))
_cancellable = or_(_waiting, (_status == Status.DEAD) & delivery.c.holds_key)
MOVES: Final[Mapping[str, Move]] = {
    "retry": Move(_refuse_retry, or_(_sendable, _taken_out), _sendable),
    "cancel": Move(_refuse_cancel, _cancellable, _waiting),
    "resolve": Move(_refuse_resolve, _is_unknown & _is_held, _is_unknown & _is_held),
}
# with --force
FORCED_MOVES: Final[Mapping[str, Move]] = {"resolve": Move(_refuse_known, _is_unknown, _is_unknown)}
RESOLVES_ITSELF: Final = _is_unknown & ~_is_held
REJECTED_BY_ROUTING: Final = (_status == Status.DEAD) & ~_planned
NOT_SPAM: Final = "it is not marked as spam"


def move_of(command: str, *, force: bool) -> Move:
    """Return the move of a command. `force`: also for deliveries that flowbridge still resolves."""
    return FORCED_MOVES.get(command, MOVES[command]) if force else MOVES[command]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveHandler:
    """Moves deliveries to a status. `run_id`: with `delivered`, the run to poll from then on."""

    move: Move
    to: Status
    reason: str | None = None
    run_id: str | None = None

    def prepare(self, _database: Database, ids: Sequence[str], _now: float, /) -> Sequence[str]:
        """Return the ids."""
        return ids

    def carry_out(
        self, connection: Connection, prepared: Sequence[str], now: float, /
    ) -> list[ItemResult]:
        """Move each."""
        if self.run_id is not None:
            self._lock_run(connection, prepared)
        lock_order.lock(connection, moved=delivery.c.id.in_(prepared))
        return [self._one(connection, delivery_id, now) for delivery_id in prepared]

    def _lock_run(self, connection: Connection, ids: Sequence[str]) -> None:
        """Let no other operation, and no search, record a run of the same flow meanwhile."""
        columns = delivery.c.platform, delivery.c.saved_item_id
        flows = connection.execute(select(*columns).where(delivery.c.id.in_(ids))).all()
        take_key_locks(connection, [(row.platform, row.saved_item_id) for row in flows], FLOW_SEED)

    def _one(self, connection: Connection, id_: str, now: float) -> ItemResult:
        query = select(delivery).where(delivery.c.id == id_)
        sealer = sealer_of(connection)
        row = connection.execute(query.with_for_update()).one_or_none()
        if row is None:
            return ItemResult(id=id_, problem="no such delivery")
        if problem := self.move.refuse(to_delivery(row, sealer)) or (
            self._spam(connection, row) if self.to is Status.QUEUED else None
        ):
            return ItemResult(id=id_, problem=problem)
        if self.run_id is not None and (
            conflict := find_run_conflict(connection, id_, row.platform, self.run_id)
        ):
            return ItemResult(id=id_, problem=conflict)
        try:
            previous = transitions.move(
                connection, id_, self.to, now, reason=self.reason, run_id=self.run_id
            )
        except IllegalTransition as error:
            return ItemResult(id=id_, problem=str(error))
        moved = to_delivery(connection.execute(query).one(), sealer)
        return ItemResult(id=id_, was=previous.status, became=moved.status, deliveries=(moved,))

    def _spam(self, connection: Connection, row: Row[Any]) -> str | None:
        spam = connection.execute(select(event.c.spam).where(event.c.id == row.event_id)).scalar()
        return spam and spam_problem(row.event_id, spam)


def spam_problem(event_id: str, spam: str) -> str:
    """Return why flowbridge starts no flow for an event that is marked as spam."""
    release = name_command("spam release", event_id)
    return f"its event is marked as spam ({spam}): run {release} first"
