"""Filters of lists and operations, and their SQL conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import BindParameter, Boolean, ColumnElement, exists, func, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from bridge.core.model import OWN_SOURCE_NAME, DeadKind, Delivery, Event, RunState
from bridge.store.tables.schema import delivery, event

NONE = "none"  # as a status: events without a delivery
#: The lists that filters select from.
EVENTS: Final = "events"
DELIVERIES: Final = "deliveries"
Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Filters of events or deliveries; a row must match all that are given.

    `type` may contain `*`. Times are of receipt or of routing. `run`: the state of a delivery's
    run, such as failed. `reason`: a text in a delivery's reason, in any case, or in an event's
    problem. `body`: bytes in the event's raw body. `spam`: only events that are marked as spam
    (`reason` is then that of the mark), or only others. `except_source`: only events of any other
    source. For events, `route`, `status`, `run`, `dead_kind` and `reason` must all match the same
    delivery. `list`: the list that the filters were given for, so that events have one of its
    deliveries, or deliveries are of one of its events; null for the list of what is selected.
    """

    source: str | None = None
    route: str | None = None
    status: str | None = None
    type: str | None = None
    run: str | None = None
    since: float | None = None
    until: float | None = None
    reason: str | None = None
    dead_kind: str | None = None
    body: bytes | None = None
    where: Callable[[Event], bool] | None = None
    spam: bool | None = None
    except_source: str | None = None
    list: str | None = None

    @property
    def leaves_out_own(self) -> bool:
        """Whether a list of events leaves out flowbridge's own: no filter could ask for them."""
        is_open = self.source is None and self.route is None and self.type is None
        return is_open and self.list != DELIVERIES

    @property
    def without_own(self) -> Filters:
        """Return the filters of a list of events, which leaves out flowbridge's own."""
        return replace(self, except_source=OWN_SOURCE_NAME) if self.leaves_out_own else self

    @property
    def reads_bodies(self) -> bool:
        """Whether bodies are read to decide which rows match."""
        return self.body is not None or self.where is not None

    @property
    def lasting(self) -> Filters:
        """Return the filters on columns that never change."""
        return replace(self, status=None, run=None, reason=None, dead_kind=None)

    def fits(self, candidate: Delivery) -> bool:
        """Return whether the changing columns of a delivery match now."""
        return (
            self.status in (None, candidate.status)
            and self.run in (None, candidate.run_state)
            and (self.dead_kind is None or DeadKind.of_word(self.dead_kind) is candidate.dead_kind)
            and (self.reason is None or _folded(self.reason) in _folded(candidate.reason or ""))
        )


def event_conditions(filters: Filters) -> Conditions:
    """Return the conditions on an event, without `body_conditions`."""
    is_of_deliveries = filters.list == DELIVERIES
    conditions = [*_source_conditions(filters)]
    if not is_of_deliveries:
        conditions += _time_conditions(event.c.received_at, filters)
    if filters.spam is not None:
        conditions.append(event.c.spam.isnot(None) if filters.spam else event.c.spam.is_(None))
    if filters.spam and filters.reason is not None:
        conditions = [*conditions, _contains(event.c.spam, filters.reason)]
        filters = replace(filters, reason=None)
    owned = [delivery.c.event_id == event.c.id]
    if filters.route is not None:
        owned.append(delivery.c.route == filters.route)
    if is_of_deliveries:
        owned += _time_conditions(delivery.c.created_at, filters)
        return [*conditions, exists().where(*owned, *state_conditions(filters))]
    if filters.status == NONE:
        conditions.append(~exists().where(*owned))
        return conditions + (
            [] if filters.reason is None else [_contains(event.c.problem, filters.reason)]
        )
    standing = state_conditions(filters)
    if len(owned) + len(standing) == 1:
        return conditions
    condition: ColumnElement[bool] = exists().where(*owned, *standing)
    if filters.reason is not None and len(owned) + len(standing) == 2:
        condition |= _contains(event.c.problem, filters.reason)
    return [*conditions, condition]


def delivery_conditions(filters: Filters) -> Conditions:
    """Return the conditions on a delivery, without `body_conditions`."""
    conditions = state_conditions(filters)
    of_event = [*_source_conditions(filters)]
    if filters.list == EVENTS:
        of_event += _time_conditions(event.c.received_at, filters)
    else:
        conditions += _time_conditions(delivery.c.created_at, filters)
    if filters.route is not None:
        conditions.append(delivery.c.route == filters.route)
    if of_event:
        conditions.append(exists().where(event.c.id == delivery.c.event_id, *of_event))
    return conditions


def body_conditions(filters: Filters, *, of_deliveries: bool, is_sqlite: bool) -> Conditions:
    """Return the conditions on the body, which the database reads whole; none by default."""
    if filters.body is None:
        return []
    sought = literal(filters.body)
    place = (
        func.instr(event.c.body, sought)
        if is_sqlite
        else func.position(sought.op("IN")(event.c.body))
    )
    return [
        exists().where(event.c.id == delivery.c.event_id, place > 0) if of_deliveries else place > 0
    ]


def state_conditions(filters: Filters) -> Conditions:
    """Return the conditions on the changing columns of a delivery."""
    conditions: Conditions = []
    if filters.status is not None:
        conditions.append(delivery.c.status == filters.status)
    if filters.run is not None:
        conditions.append(delivery.c.run_state == RunState(filters.run).value)
    if filters.dead_kind is not None:
        conditions.append(delivery.c.dead_kind == DeadKind.of_word(filters.dead_kind).value)
    if filters.reason is not None:
        conditions.append(_contains(delivery.c.reason, filters.reason))
    return conditions


def _contains(column: Any, text: str) -> ColumnElement[bool]:
    """Return the condition that a column contains a text, ignoring case (SQLite: of ASCII only)."""
    return column.icontains(text, autoescape=True)  # type: ignore[no-any-return]  # SQLAlchemy types it as Any


def _folded(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def _source_conditions(filters: Filters) -> Sequence[ColumnElement[bool]]:
    # An expression, so that a walk in the order of `seq` never uses an index on `source` instead.
    conditions = [] if filters.source is None else [event.c.source + "" == filters.source]
    if filters.except_source is not None:
        conditions.append(event.c.source + "" != filters.except_source)
    if filters.type is not None and "*" in filters.type:
        conditions.append(_MatchesType(*_write_patterns(filters.type)))
    elif filters.type is not None:
        conditions.append(event.c.type == filters.type)
    return conditions


class _MatchesType(FunctionElement[bool]):
    """An SQL test of the type of an event. Its arguments are the same pattern for GLOB and for
    LIKE.

    SQLite uses GLOB, since its LIKE ignores the case of ASCII letters. PostgreSQL has LIKE alone.
    """

    type = Boolean()
    inherit_cache = True


@compiles(_MatchesType, "sqlite")
def _compile_glob(element: _MatchesType, compiler: SQLCompiler, **options: Any) -> str:
    glob, _ = element.clauses
    return compiler.process(event.c.type.op("GLOB")(glob), **options)


@compiles(_MatchesType, "postgresql")
def _compile_like(element: _MatchesType, compiler: SQLCompiler, **options: Any) -> str:
    _, like = element.clauses
    return compiler.process(event.c.type.like(like, escape="\\"), **options)


def _write_patterns(text: str) -> tuple[BindParameter[str], BindParameter[str]]:
    """Return a text with `*` as a pattern of GLOB and of LIKE; no other character is special."""
    glob = text.replace("[", "[[]").replace("?", "[?]")
    like = text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_").replace("*", "%")
    return literal(glob), literal(like)


def _time_conditions(column: Any, filters: Filters) -> Sequence[ColumnElement[bool]]:
    since = [] if filters.since is None else [column >= filters.since]
    return since + ([] if filters.until is None else [column < filters.until])
