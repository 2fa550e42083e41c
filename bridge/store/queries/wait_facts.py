"""The facts about waiting deliveries: slots, circuit, rate limit, ordering key. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, TextClause, select, text

from bridge.core.circuit_state import Circuit
from bridge.core.model import Delivery, Status
from bridge.core.rate_limits import NO_LIMITS, RateState
from bridge.delivery.wait_context import Wait, WaitContext
from bridge.delivery.wait_reasons import MAX_COUNTED_AHEAD, find_wait_reason
from bridge.routing.model import AbsentFlows, Config, Mode
from bridge.store.db.database import Database
from bridge.store.db.id_pages import split_ids
from bridge.store.local import flows
from bridge.store.queue import hold, throttling
from bridge.store.queue.heartbeats import count_alive
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import delivery

WAITING_STATUSES: Final = (Status.QUEUED, Status.BLOCKED, Status.UNKNOWN)


def _counted(where: str) -> TextClause:
    """Return a statement that counts deliveries, up to `MOST`.

    The condition is literal SQL: a partial index is used only where its exact condition is in the
    statement.
    """
    return text(
        "SELECT count(*) FROM"  # noqa: S608 - names of our own tables and columns
        f" (SELECT 1 FROM delivery WHERE {where} LIMIT {MAX_COUNTED_AHEAD}) AS counted"
    )


_USED = text("SELECT count(*) FROM delivery WHERE slot AND platform = :platform")
_USED_BY = text("SELECT count(*) FROM delivery WHERE slot AND route = :route")
_UNKNOWN = text("SELECT count(*) FROM delivery WHERE status = 'unknown' AND route = :route")
_AHEAD = _counted(
    "status = 'queued' AND platform = :platform AND route = :route"
    " AND (due_at < :due_at OR (due_at = :due_at AND seq < :seq))"
)
_BEFORE = _counted(
    "status = 'blocked' AND route = :route AND order_key = :order_key AND seq < :seq"
)
_BEHIND = _counted("status = 'blocked' AND route = :route AND order_key = :order_key")


def find_waits(
    database: Database, deliveries: Iterable[Delivery], config: Config | None, now: float
) -> dict[str, Wait]:
    """Return the wait reason of each waiting delivery, by id.

    `config` is null where routes.yaml is invalid.
    """
    waiting = [candidate for candidate in deliveries if candidate.status in WAITING_STATUSES]
    waits: dict[str, Wait] = {}
    if not waiting:
        return waits
    with database.read() as connection:
        shared = _read_shared_facts(connection, config, now)
        places = _read_places(connection, [candidate.id for candidate in waiting])
        for pending in waiting:
            if pending.id not in places:  # deleted meanwhile
                continue
            around = _wait_context(connection, pending, places[pending.id], config, shared)
            wait = find_wait_reason(pending, around, now)
            if wait is not None:
                waits[pending.id] = wait
    return waits


def count_blocked_behind(database: Database, head: Delivery) -> int:
    """Count the deliveries blocked behind the head of a key, up to `MOST`; 0 for others."""
    if head.order is None or not head.holds_key:
        return 0
    with database.read() as connection:
        return (
            connection.execute(_BEHIND, {"route": head.route, "order_key": head.order.key}).scalar()
            or 0
        )


def _wait_context(
    connection: Connection,
    pending: Delivery,
    place: RowMapping,
    config: Config | None,
    shared: _SharedFacts,
) -> WaitContext:
    if pending.status is Status.UNKNOWN:
        return WaitContext(
            look_at=place["poll_at"],
            **_platform_facts(pending, shared),
            **_config_facts(pending, config),
        )
    values: dict[str, Any] = (
        _blocked_facts(connection, pending, place)
        if pending.status is Status.BLOCKED
        else _queue_facts(connection, pending, place, shared)
    )
    return WaitContext(
        **values, **_config_facts(pending, config), **_absent_facts(pending, shared.local)
    )


def _read_places(connection: Connection, ids: Sequence[str]) -> dict[str, RowMapping]:
    """Return the numbers of these deliveries, and when their runs are looked for, by id."""
    columns = delivery.c.id, delivery.c.seq, delivery.c.poll_at
    places: dict[str, RowMapping] = {}
    for page in split_ids(ids):
        query = select(*columns).where(delivery.c.id.in_(page))
        places |= {row["id"]: row for row in connection.execute(query).mappings()}
    return places


@dataclass(frozen=True, slots=True)
class _SharedFacts:
    """The facts that are the same for all deliveries: circuits by platform, workers alive."""

    local: _LocalFlows | None
    circuits: Mapping[str, Circuit]
    workers: int


def _read_shared_facts(connection: Connection, config: Config | None, now: float) -> _SharedFacts:
    return _SharedFacts(
        local=_local_flows(connection, config),
        circuits=throttling.read_circuits(connection),
        workers=count_alive(connection, now),
    )


@dataclass(frozen=True, slots=True)
class _LocalFlows:
    """The name and flows of the local platform, and the flows that routes name but it lacks."""

    platform: str
    known: frozenset[str]
    absent: AbsentFlows


def _local_flows(connection: Connection, config: Config | None) -> _LocalFlows | None:
    """Return the flows of the local platform; null for no platform, or no flows yet."""
    platform = None if config is None else config.local_platform
    flow_ids = frozenset(flows.ids(connection)) if platform is not None else frozenset()
    return (
        _LocalFlows(platform.name, flow_ids, config.absent_flows(flow_ids))
        if config and platform and flow_ids
        else None
    )


def _absent_facts(pending: Delivery, local: _LocalFlows | None) -> Mapping[str, Any]:
    """Return the missing flow that holds a route, and whether the delivery's own is missing."""
    if local is None or pending.platform != local.platform:
        return {}
    held_by = local.absent.by_route[pending.route] if pending.route in local.absent.held else None
    return {"absent": held_by, "lacks_own": pending.saved_item_id not in local.known}


def _config_facts(pending: Delivery, config: Config | None) -> Mapping[str, Any]:
    """Return the settings of a delivery's platform and route; a removed route has no limits."""
    if config is None:
        return {"is_configured": False}
    platform = config.platforms.get(pending.platform)
    route = next((route for route in config.routes if route.name == pending.route), None)
    return {
        "cap": None if platform is None else platform.max_concurrent_runs,
        "missing": None if platform is None else platform.missing,
        "is_paused": route is not None and route.mode is Mode.PAUSED,
        "limits": NO_LIMITS if route is None else route.limits,
    }


def _blocked_facts(connection: Connection, pending: Delivery, place: RowMapping) -> dict[str, Any]:
    key = None if pending.order is None else pending.order.key
    mine = (delivery.c.route == pending.route) & (delivery.c.order_key == key)
    head = connection.execute(
        select(delivery).where(text("delivery.holds_key"), mine)
    ).one_or_none()
    before = (
        connection.execute(
            _BEFORE, {"route": pending.route, "order_key": key, "seq": place["seq"]}
        ).scalar()
        or 0
    )
    return {
        "head": None if head is None else to_delivery(head, sealer_of(connection)),
        "before": before,
    }


def _queue_facts(
    connection: Connection, pending: Delivery, place: RowMapping, shared: _SharedFacts
) -> dict[str, Any]:
    parameters = {
        "platform": pending.platform,
        "route": pending.route,
        "due_at": pending.due_at,
        "seq": place["seq"],
    }

    def count(query: Any) -> int:
        return connection.execute(query, parameters).scalar() or 0

    return {
        "hold": None
        if (current_hold := hold.read_hold(connection)) is None
        else current_hold.reason,
        "pace": throttling.read_paces(connection, [pending.route]).get(pending.route, RateState()),
        "used": count(_USED),
        "used_by_route": count(_USED_BY) + count(_UNKNOWN),
        "ahead": count(_AHEAD),
        **_platform_facts(pending, shared),
    }


def _platform_facts(pending: Delivery, shared: _SharedFacts) -> dict[str, Any]:
    """Return the circuit of a delivery's platform, and how many workers run."""
    return {"circuit": shared.circuits.get(pending.platform), "workers": shared.workers}
