"""What a person does to what is kept: retry, cancel and resolve deliveries, replay events.

One that cannot be moved says why and holds up none of the others. `audit` keeps who did what, and
calls what is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, insert, or_, select, update

from bridge.core.errors import BridgeError, IllegalTransition, NotFound
from bridge.core.model import DeadKind, Delivery, Event, RunState, Status
from bridge.core.retention import is_emptied
from bridge.ingest.event_builder import PLANNING_FAILED
from bridge.ingest.receive import asks_to_confirm, replan
from bridge.ingest.source_bodies import read_body
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.inbound.arrivals import take_keys
from bridge.store.queue import ledger, ordering
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import delivery_row, to_delivery
from bridge.store.tables.schema import delivery, event

FAILED: Final = (RunState.FAILED, RunState.TERMINATED)
# of bodies that are planned anew in one transaction; one that is larger goes alone
MOST_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an act came to for one item: why it was not done, or the deliveries as they are now.

    `was` is what changed: a moved delivery's status, which `became` another, or why an event was
    held to be spam.
    """

    id: str
    problem: str | None = None
    was: str | None = None
    became: Status | None = None
    deliveries: Sequence[Delivery] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """Something that is done to deliveries. `refuse` says why not to this one.

    `wants` are those that filters may choose from, `usual` those they choose from where no status
    is asked for.
    """

    refuse: Callable[[Delivery], str | None]
    wants: ColumnElement[bool]
    usual: ColumnElement[bool]


def _refuse_retry(one: Delivery) -> str | None:
    if one.dead_kind is DeadKind.OURS:
        return (
            f"it was parked by planning, and is not sent so ({one.reason}): mend routes.yaml, then"
            f" replay {one.event_id}"
        )
    if one.status is Status.DELIVERED and one.run_state not in FAILED:
        run = one.run_state or "not followed"
        return (
            f"it was delivered and its run is {run}: only one whose run failed is retried; replay"
            " makes a new delivery"
        )
    if one.status is Status.UNKNOWN:
        by_hand = "look at the platform, then say what became of it with resolve"
        return (
            "its outcome is unknown and a run may exist:"
            f" {by_hand if one.look_at is None else _looks_for_run(one)}"
        )
    if one.status is Status.SHADOW:
        return "its route was in shadow mode; set it live, then replay the event"
    if one.status is Status.BLOCKED:
        return "it is blocked: it goes by itself once those before it in line have gone"
    is_idle = one.status in (Status.DEAD, Status.CANCELLED, Status.DELIVERED)
    return None if is_idle else f"it is {one.status}: it will be sent by itself"


def _refuse_cancel(one: Delivery) -> str | None:
    holds = one.status is Status.DEAD and one.holds_key
    is_waiting = one.status in (Status.QUEUED, Status.BLOCKED) or holds
    return (
        None
        if is_waiting
        else (
            f"it is {one.status}: only a waiting delivery can be cancelled, or a dead one that"
            " holds up others"
        )
    )


def _refuse_resolve(one: Delivery) -> str | None:
    if one.status is Status.UNKNOWN and one.look_at is not None:
        return f"{_looks_for_run(one)}; --force resolves it all the same"
    return _refuse_known(one)


def _looks_for_run(one: Delivery) -> str:
    return (
        f"flowbridge looks for its run by itself: flowbridge resolve {one.id} says when, and what"
        " is in the way"
    )


def _refuse_known(one: Delivery) -> str | None:
    return (
        None
        if one.status is Status.UNKNOWN
        else f"it is {one.status}: only one whose outcome is unknown is resolved"
    )


_status = delivery.c.status
# else it was parked by planning, and is never sent
_planned = delivery.c.dead_kind.is_distinct_from(DeadKind.OURS)
_sendable = or_(
    (_status == Status.DEAD) & _planned,
    (_status == Status.DELIVERED) & delivery.c.run_state.in_(FAILED),
)
# by a person
_taken_out = (_status == Status.CANCELLED) & _planned & delivery.c.merged_into.is_(None)
# held: the platform is not asked about it
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
FORCED: Final[Mapping[str, Move]] = {"resolve": Move(_refuse_known, _is_unknown, _is_unknown)}
SETTLING: Final = _is_unknown & ~_is_held
PARKED: Final = (_status == Status.DEAD) & ~_planned
NO_SPAM: Final = "it is not held to be spam"


def move_of(command: str, *, force: bool) -> Move:
    """Return the move of a command. `force`: also of what settles itself."""
    return FORCED.get(command, MOVES[command]) if force else MOVES[command]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """Moves deliveries to a status. `run_id`: with `delivered`, the run that is followed from then
    on.
    """

    move: Move
    to: Status
    reason: str | None = None
    run_id: str | None = None

    def prepare(self, _database: Database, ids: Sequence[str], _now: float, /) -> Sequence[str]:
        """Return the ids."""
        return ids

    def carry_out(
        self, connection: Connection, prepared: Sequence[str], now: float, /
    ) -> list[Result]:
        """Move each."""
        ordering.alone_with(connection, delivery.c.id.in_(prepared))
        return [self._one(connection, one, now) for one in prepared]

    def _one(self, connection: Connection, id_: str, now: float) -> Result:
        query = select(delivery).where(delivery.c.id == id_)
        sealer = sealer_of(connection)
        row = connection.execute(query.with_for_update()).one_or_none()
        if row is None:
            return Result(id=id_, problem="there is no such delivery")
        if problem := self.move.refuse(to_delivery(row, sealer)) or (
            self._spam(connection, row) if self.to is Status.QUEUED else None
        ):
            return Result(id=id_, problem=problem)
        try:
            known = ledger.move(
                connection, id_, self.to, now, reason=self.reason, run_id=self.run_id
            )
        except IllegalTransition as error:
            return Result(id=id_, problem=str(error))
        moved = to_delivery(connection.execute(query).one(), sealer)
        return Result(id=id_, was=known.status, became=moved.status, deliveries=(moved,))

    def _spam(self, connection: Connection, row: Row[Any]) -> str | None:
        spam = connection.execute(select(event.c.spam).where(event.c.id == row.event_id)).scalar()
        return spam and spam_problem(row.event_id, spam)


def spam_problem(event_id: str, spam: str) -> str:
    """Return why nothing goes of an event that is held to be spam."""
    return f"its event is held to be spam ({spam}): flowbridge spam release {event_id} lets it go"


# -- replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What planning an event anew came to, not kept yet.

    `problem` is why nothing goes, `known` the event, null where there is none, and `kept_problem`
    what its problem is now.
    """

    id: str
    problem: str | None = None
    known: Event | None = None
    kept_problem: str | None = None
    deliveries: Sequence[Delivery] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaying:
    """Plans stored events again through the routes of `config_of` (or only `through` one).

    `config_of` gives the configuration for an event and raises `BridgeError` where it cannot be
    had. An event stays the same one: its new deliveries stand beside the earlier ones, told apart
    by `nonce`. `releases`: only events that are held to be spam, which they then are no more;
    without it none of those.
    """

    config_of: Callable[[Event], Config]
    nonce: str
    through: str | None = None
    releases: bool = False

    def prepare(self, database: Database, ids: Sequence[str], now: float, /) -> list[Planned]:
        """Plan the first of them anew, as many as fit into memory together; the database is only
        read.
        """
        planned: list[Planned] = []
        size = 0
        for id_ in ids:
            planned.append(self._plan(database, id_, now))
            known = planned[-1].known
            size += len(known.body) if known is not None else 0
            if size > MOST_BYTES:
                break
        return planned

    def carry_out(
        self, connection: Connection, prepared: Sequence[Planned], _now: float, /
    ) -> list[Result]:
        """Keep what was planned. A result has the deliveries as they stand then: a trigger may have
        blocked or merged them.
        """
        there = (
            select(event.c.id)
            .where(event.c.id.in_([one.id for one in prepared if one.known]))
            .order_by(event.c.id)
            .with_for_update()
        )
        kept_ids = set(connection.execute(there).scalars())
        prepared = [
            one if one.known is None or one.id in kept_ids else _gone(one.id) for one in prepared
        ]
        for one in prepared:
            if one.known is not None and one.kept_problem != one.known.problem:
                connection.execute(
                    update(event).where(event.c.id == one.id).values(problem=one.kept_problem)
                )
        held = self._release(connection, prepared) if self.releases else {}
        prepared = [
            (
                replace(one, problem=one.problem or NO_SPAM, deliveries=())
                if self.releases and one.id not in held
                else one
            )
            for one in prepared
        ]
        planned = [each for one in prepared for each in one.deliveries]
        sealer = sealer_of(connection)
        if planned:
            take_keys(connection, planned)
            connection.execute(insert(delivery), [delivery_row(each, sealer) for each in planned])
        kept = select(delivery).where(delivery.c.id.in_([each.id for each in planned]))
        stand = {row.id: to_delivery(row, sealer) for row in connection.execute(kept)}
        return [
            Result(
                id=one.id,
                problem=one.problem,
                was=held.get(one.id),
                deliveries=[stand[each.id] for each in one.deliveries],
            )
            for one in prepared
        ]

    @staticmethod
    def _release(connection: Connection, prepared: Sequence[Planned]) -> dict[str, str]:
        """Have events be spam no more, and return why each was: of two who release the same, one
        does.
        """
        held = {}
        for one in prepared:
            if one.problem is None and one.known is not None:
                spam = connection.execute(
                    select(event.c.spam).where(event.c.id == one.id).with_for_update()
                ).scalar()
                if spam is not None:
                    held[one.id] = spam
                    connection.execute(update(event).where(event.c.id == one.id).values(spam=None))
        return held

    def _plan(self, database: Database, id_: str, now: float) -> Planned:
        try:
            known = events.get(database, id_)
        except NotFound:
            return _gone(id_)
        if is_emptied(known):
            return Planned(
                id=id_, problem="what was in it was let go by the `retention` of its source"
            )
        try:
            config = self._config(known)
        except BridgeError as error:
            return Planned(id=id_, problem=str(error))
        if config.source(known.source) is None:
            return Planned(id=id_, problem=f"its source {known.source!r} is not in routes.yaml")
        if (known.spam is not None) is not self.releases:
            return Planned(
                id=id_, problem=NO_SPAM if known.spam is None else spam_problem(id_, known.spam)
            )
        kept_problem, planned = _plan(replace(known, spam=None), config, now, self.nonce)
        problem = None if self.releases else _why_not(known, kept_problem, planned, self.through)
        return Planned(
            id=id_, problem=problem, known=known, kept_problem=kept_problem, deliveries=planned
        )

    def _config(self, known: Event) -> Config:
        config = self.config_of(known)
        if self.through is None:
            return config
        routes = tuple(route for route in config.routes if route.name == self.through)
        if not routes:
            raise NotFound(f"its configuration has no route {self.through!r}")
        return replace(config, routes=routes)


def _gone(id_: str) -> Planned:
    return Planned(id=id_, problem="there is no such event")


def _plan(
    known: Event, config: Config, now: float, nonce: str
) -> tuple[str | None, list[Delivery]]:
    """Return the event's problem as it is now, and what is planned."""
    source = config.source(known.source)
    if source is None or asks_to_confirm(source, known):
        return known.problem, []
    try:
        body = read_body(source, known.headers.get("content-type", ""), known.body, known.files)
        return body.problem, replan(known, config, now, nonce)
    except Exception as fault:  # as in `receive`: a bug of ours must not lose what is kept
        return f"{PLANNING_FAILED} ({type(fault).__name__})", []


def _why_not(
    known: Event, problem: str | None, planned: Sequence[Delivery], through: str | None
) -> str | None:
    """Return why nothing goes of an event that was planned anew; null where something does."""
    if not planned:
        what = (
            "no route matches it" if through is None else f"the route {through!r} does not match it"
        )
        return problem or f"{what} ({known.source} {known.type or ''}".rstrip() + ")"
    return planned[0].reason if all(one.status is Status.DEAD for one in planned) else None
