"""Replay events: route stored events again and store the new deliveries beside the earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, insert, select, update

from bridge.core.errors import BridgeError, NotFound
from bridge.core.model import Delivery, Event, Status
from bridge.core.operations import are_deliveries
from bridge.core.retention import is_content_deleted
from bridge.ingest.event_builder import PLANNING_FAILED
from bridge.ingest.receive import asks_to_confirm, replan
from bridge.ingest.source_bodies import read_body
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.inbound import events, lock_order
from bridge.store.operations.actions import NOT_SPAM, ItemResult, spam_problem
from bridge.store.queries.replay_routes import (
    ALL_ROUTES,
    EventRoutes,
    ReplayItem,
    ReplayRoutes,
    find_items,
)
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import delivery_again_row, to_delivery
from bridge.store.tables.schema import delivery, event

# of bodies that are routed in one transaction; a larger body goes alone
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
NONE_LEFT: Final = "its deliveries that match were replayed or sent since"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """The result of routing the event of an item again, not stored yet.

    `problem`: why no delivery is sent. `known`: the event, null where there is none.
    `kept_problem`: the new problem of the event. `skipped`: the routes of its other deliveries.
    """

    id: str
    problem: str | None = None
    known: Event | None = None
    kept_problem: str | None = None
    deliveries: Sequence[Delivery] = ()
    skipped: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayHandler:
    """Routes stored events again by the configuration of `config_of`, or only through `routes`.

    `config_of` returns the configuration for an event, and raises `BridgeError` where there is
    none. The event stays the same; `nonce` distinguishes its new deliveries from the earlier ones.
    `releases`: replay only events that are marked as spam, and remove the mark; without it, skip
    them.
    """

    config_of: Callable[[Event], Config]
    nonce: str
    routes: ReplayRoutes = ALL_ROUTES
    releases: bool = False

    def prepare(self, database: Database, ids: Sequence[str], now: float, /) -> list[ReplayPlan]:
        """Route the first events again, as many as fit into memory; only reads the database."""
        planned: list[ReplayPlan] = []
        size = 0
        with database.read() as connection:
            items = find_items(connection, self.routes, ids)
        for id_ in ids:
            item = items.get(id_)
            planned.append(self._plan(database, id_, now, item) if item else _not_found(id_))
            original = planned[-1].known
            size += len(original.body) if original is not None else 0
            if size > MAX_BATCH_BYTES:
                break
        return planned

    def carry_out(
        self, connection: Connection, prepared: Sequence[ReplayPlan], _now: float, /
    ) -> list[ItemResult]:
        """Store the new deliveries. Each result has them as stored: a trigger may have blocked or
        merged them.
        """
        ids = [plan.known.id for plan in prepared if plan.known]
        lock_order.lock(connection, events=ids, planned=_planned(prepared))
        query = select(event.c.id, event.c.spam).where(event.c.id.in_(ids))
        spam_by_id = {row.id: row.spam for row in connection.execute(query)}
        prepared = [self._check(plan, spam_by_id) for plan in prepared]
        for checked in prepared:
            if checked.known is not None and checked.kept_problem != checked.known.problem:
                connection.execute(
                    update(event)
                    .where(event.c.id == checked.known.id)
                    .values(problem=checked.kept_problem)
                )
        spam_marks = self._release(connection, prepared, spam_by_id) if self.releases else {}
        planned = _planned(prepared)
        sealer = sealer_of(connection)
        if planned:
            connection.execute(
                insert(delivery),
                [delivery_again_row(new_delivery, sealer) for new_delivery in planned],
            )
        kept = select(delivery).where(
            delivery.c.id.in_([new_delivery.id for new_delivery in planned])
        )
        stand = {row.id: to_delivery(row, sealer) for row in connection.execute(kept)}
        return [
            ItemResult(
                id=plan.id,
                problem=plan.problem,
                was=spam_marks.get(plan.id),
                deliveries=[stand[new_delivery.id] for new_delivery in plan.deliveries],
            )
            for plan in prepared
        ]

    def _check(self, plan: ReplayPlan, spam_by_id: Mapping[str, str | None]) -> ReplayPlan:
        """Refuse an event that was deleted, marked as spam or released meanwhile."""
        if plan.known is None:
            return plan
        if plan.known.id not in spam_by_id:
            return _not_found(plan.id)
        problem = self._spam_problem(plan.known.id, spam_by_id[plan.known.id])
        return plan if problem is None else ReplayPlan(id=plan.id, problem=problem)

    def _spam_problem(self, id_: str, spam: str | None) -> str | None:
        if (spam is not None) is self.releases:
            return None
        return NOT_SPAM if spam is None else spam_problem(id_, spam)

    @staticmethod
    def _release(
        connection: Connection, prepared: Sequence[ReplayPlan], spam_by_id: Mapping[str, str | None]
    ) -> dict[str, str]:
        """Remove the spam mark of events, and return the reason of each mark."""
        spam_marks = {
            plan.id: spam
            for plan in prepared
            if plan.known is not None and (spam := spam_by_id[plan.known.id]) is not None
        }
        ids = [
            plan.known.id for plan in prepared if plan.known is not None and plan.id in spam_marks
        ]
        connection.execute(update(event).where(event.c.id.in_(ids)).values(spam=None))
        return spam_marks

    def _plan(self, database: Database, id_: str, now: float, item: ReplayItem) -> ReplayPlan:
        routes = item.routes
        try:
            original = events.get(database, item.event_id)
        except NotFound:
            return _not_found(id_)
        if is_content_deleted(original):
            return ReplayPlan(id=id_, problem="the `retention` of its source has deleted its body")
        try:
            config = _limit_config(self.config_of(original), routes)
        except BridgeError as error:
            return ReplayPlan(id=id_, problem=str(error))
        if config.source(original.source) is None:
            return ReplayPlan(
                id=id_, problem=f"its source {original.source!r} is not in routes.yaml"
            )
        if (problem := self._spam_problem(original.id, original.spam)) is not None:
            return ReplayPlan(id=id_, problem=problem)
        kept_problem, planned = _route_again(replace(original, spam=None), config, now, self.nonce)
        problem = None if self.releases else _refusal(original, kept_problem, planned, routes)
        return ReplayPlan(
            id=id_,
            problem=problem,
            known=original,
            kept_problem=kept_problem,
            deliveries=planned,
            skipped=frozenset() if routes is None else routes.skipped,
        )


def _limit_config(config: Config, limit: EventRoutes | None) -> Config:
    """Return the configuration with these routes alone; `NotFound` if it has none of them."""
    if limit is None:
        return config
    if not limit.planned:
        raise NotFound(NONE_LEFT)
    routes = tuple(route for route in config.routes if route.name in limit.planned)
    if not routes:
        raise NotFound(f"its configuration has no route {_name_routes(limit)}")
    return replace(config, routes=routes)


def _name_routes(limit: EventRoutes) -> str:
    return " or ".join(map(repr, sorted(limit.planned)))


def _planned(prepared: Sequence[ReplayPlan]) -> list[Delivery]:
    return [new_delivery for plan in prepared for new_delivery in plan.deliveries]


def _not_found(id_: str) -> ReplayPlan:
    kind = "delivery" if are_deliveries([id_]) else "event"
    return ReplayPlan(id=id_, problem=f"no such {kind}")


def _route_again(
    original: Event, config: Config, now: float, nonce: str
) -> tuple[str | None, list[Delivery]]:
    """Return the event's new problem and its new deliveries."""
    source = config.source(original.source)
    if source is None or asks_to_confirm(source, original):
        return original.problem, []
    try:
        body = read_body(
            source, original.headers.get("content-type", ""), original.body, original.files
        )
        return body.problem, replan(original, config, now, nonce)
    except Exception as fault:  # as in `receive`: a bug here must not lose a stored event
        return f"{PLANNING_FAILED} ({type(fault).__name__})", []


def _refusal(
    original: Event, problem: str | None, planned: Sequence[Delivery], limit: EventRoutes | None
) -> str | None:
    """Return why the replay starts no flow; null where it starts one."""
    if not planned:
        what = (
            "no route matches it"
            if limit is None
            else f"the route {_name_routes(limit)} does not match it"
        )
        return problem or f"{what} ({original.source} {original.type or ''}".rstrip() + ")"
    return (
        planned[0].reason
        if all(new_delivery.status is Status.DEAD for new_delivery in planned)
        else None
    )
