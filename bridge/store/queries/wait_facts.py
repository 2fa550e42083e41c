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
    waiting = [one for one in deliveries if one.status in WAITING_STATUSES]
    found: dict[str, Wait] = {}
    if not waiting:
        return found
    with database.read() as connection:
        shared = _read_shared_facts(connection, config, now)
        places = _read_places(connection, [one.id for one in waiting])
        for one in waiting:
            if one.id not in places:  # deleted meanwhile
                continue
            around = _wait_context(connection, one, places[one.id], config, shared)
            wait = find_wait_reason(one, around, now)
            if wait is not None:
                found[one.id] = wait
    return found


def count_blocked_behind(database: Database, one: Delivery) -> int:
    """Count the deliveries blocked behind the head of a key, up to `MOST`; 0 for others."""
    if one.order is None or not one.holds_key:
        return 0
    with database.read() as connection:
        return (
            connection.execute(_BEHIND, {"route": one.route, "order_key": one.order.key}).scalar()
            or 0
        )


def _wait_context(
    connection: Connection,
    one: Delivery,
    place: RowMapping,
    config: Config | None,
    shared: _SharedFacts,
) -> WaitContext:
    if one.status is Status.UNKNOWN:
        return WaitContext(
            look_at=place["poll_at"],
            **_platform_facts(one, shared),
            **_config_facts(one, config),
        )
    values: dict[str, Any] = (
        _blocked_facts(connection, one, place)
        if one.status is Status.BLOCKED
        else _queue_facts(connection, one, place, shared)
    )
    return WaitContext(**values, **_config_facts(one, config), **_absent_facts(one, shared.local))


def _read_places(connection: Connection, ids: Sequence[str]) -> dict[str, RowMapping]:
    """Return the numbers of these deliveries, and when their runs are looked for, by id."""
    columns = delivery.c.id, delivery.c.seq, delivery.c.poll_at
    found: dict[str, RowMapping] = {}
    for page in split_ids(ids):
        query = select(*columns).where(delivery.c.id.in_(page))
        found |= {row["id"]: row for row in connection.execute(query).mappings()}
    return found


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
    known = frozenset(flows.ids(connection)) if platform is not None else frozenset()
    return (
        _LocalFlows(platform.name, known, config.absent_flows(known))
        if config and platform and known
        else None
    )


def _absent_facts(one: Delivery, local: _LocalFlows | None) -> Mapping[str, Any]:
    """Return the missing flow that holds a route, and whether the delivery's own is missing."""
    if local is None or one.platform != local.platform:
        return {}
    held_by = local.absent.by_route[one.route] if one.route in local.absent.held else None
    return {"absent": held_by, "lacks_own": one.saved_item_id not in local.known}


def _config_facts(one: Delivery, config: Config | None) -> Mapping[str, Any]:
    """Return the settings of a delivery's platform and route; a removed route has no limits."""
    if config is None:
        return {"is_configured": False}
    platform = config.platforms.get(one.platform)
    route = next((route for route in config.routes if route.name == one.route), None)
    return {
        "cap": None if platform is None else platform.max_concurrent_runs,
        "missing": None if platform is None else platform.missing,
        "is_paused": route is not None and route.mode is Mode.PAUSED,
        "limits": NO_LIMITS if route is None else route.limits,
    }


def _blocked_facts(connection: Connection, one: Delivery, place: RowMapping) -> dict[str, Any]:
    key = None if one.order is None else one.order.key
    mine = (delivery.c.route == one.route) & (delivery.c.order_key == key)
    head = connection.execute(
        select(delivery).where(text("delivery.holds_key"), mine)
    ).one_or_none()
    before = (
        connection.execute(
            _BEFORE, {"route": one.route, "order_key": key, "seq": place["seq"]}
        ).scalar()
        or 0
    )
    return {
        "head": None if head is None else to_delivery(head, sealer_of(connection)),
        "before": before,
    }


def _queue_facts(
    connection: Connection, one: Delivery, place: RowMapping, shared: _SharedFacts
) -> dict[str, Any]:
    given = {
        "platform": one.platform,
        "route": one.route,
        "due_at": one.due_at,
        "seq": place["seq"],
    }

    def count(query: Any) -> int:
        return connection.execute(query, given).scalar() or 0

    return {
        "hold": None if (held := hold.read_hold(connection)) is None else held.reason,
        "pace": throttling.read_paces(connection, [one.route]).get(one.route, RateState()),
        "used": count(_USED),
        "used_by_route": count(_USED_BY) + count(_UNKNOWN),
        "ahead": count(_AHEAD),
        **_platform_facts(one, shared),
    }


def _platform_facts(one: Delivery, shared: _SharedFacts) -> dict[str, Any]:
    """Return the circuit of a delivery's platform, and how many workers run."""
    return {"circuit": shared.circuits.get(one.platform), "workers": shared.workers}
