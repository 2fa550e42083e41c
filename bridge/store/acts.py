"""What a person does to what is kept: retry, cancel and resolve deliveries, replay events.

Items are taken in the order given, some to a transaction; one that cannot be moved says why and holds up none of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from bridge.errors import IllegalTransition
from bridge.model import Delivery, Event, RunState, Status
from bridge.receive import read_body, replan
from bridge.routes import Config
from bridge.store import ledger
from bridge.store.database import Database, Work
from bridge.store.events import remember_config
from bridge.store.rows import delivery_row, to_delivery, to_event
from bridge.store.tables import delivery, event, local_run

TOGETHER = 50  # items to a transaction
FAILED: Final = (RunState.FAILED, RunState.TERMINATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an act came to for one item: why it was not done, or the deliveries as they are now and what the moved one `was`."""

    id: str
    problem: str | None = None
    was: Status | None = None
    deliveries: Sequence[Delivery] = ()


@dataclass(frozen=True, slots=True)
class Act:
    """Something done to deliveries. `refuse` says why not to this one.

    `wants` are those that filters may choose from, `usual` those they choose from where no status is asked for.
    """

    refuse: Callable[[Delivery], str | None]
    wants: ColumnElement[bool]
    usual: ColumnElement[bool]


def _refuse_retry(one: Delivery) -> str | None:
    if one.status is Status.DEAD and not one.attempts + one.throttled:
        return f"it was parked by planning, and is not sent so ({one.reason}): mend routes.yaml, then replay {one.event_id}"
    if one.status is Status.DELIVERED and one.run_state not in FAILED:
        run = one.run_state or "not followed"
        return f"it was delivered and its run is {run}: only one whose run failed is retried; replay makes a new delivery"
    if one.status is Status.UNKNOWN:
        return "its outcome is unknown and a run may exist: look at the platform, then say what became of it with resolve"
    if one.status is Status.SHADOW:
        return "its route was in shadow mode; set it live, then replay the event"
    is_idle = one.status in (Status.DEAD, Status.CANCELLED, Status.DELIVERED)
    return None if is_idle else f"it is {one.status}: it will be sent by itself"


def _refuse_cancel(one: Delivery) -> str | None:
    is_waiting = one.status in (Status.QUEUED, Status.BLOCKED)
    return None if is_waiting else f"it is {one.status}: only a waiting delivery can be cancelled"


def _refuse_resolve(one: Delivery) -> str | None:
    return None if one.status is Status.UNKNOWN else f"it is {one.status}: only one whose outcome is unknown is resolved"


_status = delivery.c.status
_tried = delivery.c.attempts + delivery.c.throttled > 0  # a dead delivery that never was tried was parked by planning
_sendable = or_((_status == Status.DEAD) & _tried, (_status == Status.DELIVERED) & delivery.c.run_state.in_(FAILED))
_waiting = _status.in_((Status.QUEUED, Status.BLOCKED))
ACTS: Final[Mapping[str, Act]] = {
    "retry": Act(_refuse_retry, or_(_sendable, _status == Status.CANCELLED), _sendable),
    "cancel": Act(_refuse_cancel, _waiting, _waiting),
    "resolve": Act(_refuse_resolve, _status == Status.UNKNOWN, _status == Status.UNKNOWN),
}


def move_all(database: Database, act: Act, ids: Sequence[str], to: Status, now: float, *, reason: str | None = None,
             run_id: str | None = None) -> Iterator[Result]:  # fmt: skip
    """Move deliveries to a status and yield what came of each, once it is durable."""

    def work(some: Sequence[str]) -> Work[list[Result]]:
        return lambda connection: [_move(connection, act, one, to, now, reason, run_id) for one in some]

    for at in range(0, len(ids), TOGETHER):
        yield from database.write(work(ids[at : at + TOGETHER]))


def _move(connection: Connection, act: Act, id_: str, to: Status, now: float, reason: str | None, run_id: str | None) -> Result:
    query = select(delivery).where(delivery.c.id == id_)
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:
        return Result(id=id_, problem="there is no such delivery")
    if problem := act.refuse(to_delivery(row)):
        return Result(id=id_, problem=problem)
    try:
        known = ledger.move(connection, id_, to, now, reason=reason, run_id=run_id)
    except IllegalTransition as error:
        return Result(id=id_, problem=str(error))
    if to is Status.QUEUED and known.run_id is not None:
        _release_key(connection, known)
    return Result(id=id_, was=known.status, deliveries=(to_delivery(connection.execute(query).one()),))


def _release_key(connection: Connection, known: Delivery) -> None:
    """Let the embedded platform start a run anew: while the failed one has the delivery's key, a start only finds that one."""
    mine = (local_run.c.id == known.run_id) & (local_run.c.idempotency_key == known.id)
    connection.execute(update(local_run).where(mine).values(idempotency_key=None))


def replay_all(database: Database, ids: Sequence[str], config: Config, now: float, nonce: str,
               through: str | None = None) -> Iterator[Result]:  # fmt: skip
    """Plan stored events again through the present routes (or only `through` one); yield what came of each once it is durable.

    An event stays the same one: its new deliveries stand beside the earlier ones, told apart by `nonce`. Its problem becomes what
    it is now.
    """
    remember_config(database, config.hash, config.canonical, now)
    if through is not None:
        config = replace(config, routes=tuple(route for route in config.routes if route.name == through))

    def work(some: Sequence[str]) -> Work[list[Result]]:
        return lambda connection: [_replay(connection, one, config, now, nonce) for one in some]

    for at in range(0, len(ids), TOGETHER):
        yield from database.write(work(ids[at : at + TOGETHER]))


def _replay(connection: Connection, id_: str, config: Config, now: float, nonce: str) -> Result:
    row = connection.execute(select(event).where(event.c.id == id_).with_for_update()).one_or_none()
    if row is None:
        return Result(id=id_, problem="there is no such event")
    known = to_event(row)
    problem, planned = _plan(known, config, now, nonce)
    if known.source in config.sources and problem != known.problem:
        connection.execute(update(event).where(event.c.id == id_).values(problem=problem))
    if planned:
        connection.execute(insert(delivery), [delivery_row(one) for one in planned])
    if known.source not in config.sources:
        problem = f"its source {known.source!r} is not in routes.yaml"
    elif not planned:
        problem = problem or f"no route matches it ({known.source} {known.type or ''}".rstrip() + ")"
    elif all(one.status is Status.DEAD for one in planned):
        problem = planned[0].reason
    return Result(id=id_, problem=problem, deliveries=planned)


def _plan(known: Event, config: Config, now: float, nonce: str) -> tuple[str | None, list[Delivery]]:
    """Return the event's problem as it is now, and what is planned."""
    source = config.sources.get(known.source)
    if source is None:
        return known.problem, []
    try:
        body = read_body(source, known.headers.get("content-type", ""), known.body)
        return body.problem, replan(known, config, now, nonce)
    except Exception as fault:  # as in `receive`: a bug of ours must not lose what is kept
        return f"planning failed by a fault of flowbridge's own ({type(fault).__name__})", []
