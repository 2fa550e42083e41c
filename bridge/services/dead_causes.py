"""Group dead deliveries by their cause."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from bridge.core.model import DeadKind
from bridge.delivery.causes import Cause, find_cause

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.queries.dead_deliveries import DeadDelivery
    from bridge.store.queries.filters import Filters

# thousands of rows are read by these, without a function of Python for each
_DIED_AT: Final = attrgetter("died_at")
_ROUTE: Final = attrgetter("route")
_REASON: Final = attrgetter("reason", "dead_kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseGroup:
    """The dead deliveries of one cause.

    `count` is without the `replayed` ones, whose event was planned again for their route.
    `routes`: the route with the most deliveries first. `delivery_id`, `event_id` and `route` are of
    the delivery that died last. No field quotes a payload, except the reasons of `deliveries`: the
    counted ones, the newest first.
    """

    cause: Cause
    dead_kind: DeadKind | None
    count: int
    replayed: int
    first_at: float
    last_at: float
    delivery_id: str
    event_id: str
    route: str
    routes: Sequence[str]
    deliveries: Sequence[DeadDelivery] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class CauseReport:
    """The causes, the most frequent first.

    `read_until`: if not all dead deliveries were read, the time since which they were.
    """

    groups: Sequence[CauseGroup]
    read_until: float | None = None


def group_by_cause(database: Database, filters: Filters) -> CauseReport:
    """Return the causes of the newest dead deliveries that match; at most `MAX_DEAD_ROWS` are read.

    A cause whose deliveries were all replayed is left out.
    """
    from bridge.store.queries.dead_deliveries import list_dead

    listing = list_dead(database, filters)
    same_reason: defaultdict[tuple[str | None, str | None], list[DeadDelivery]] = defaultdict(list)
    for delivery in listing.rows:
        same_reason[_REASON(delivery)].append(delivery)
    members: defaultdict[tuple[Cause, DeadKind | None], list[DeadDelivery]] = defaultdict(list)
    for (reason, word), some in same_reason.items():
        dead_kind = DeadKind(word) if word else None
        members[find_cause(reason, dead_kind), dead_kind] += some
    groups = [
        _group(cause, dead_kind, open_ones, len(some) - len(open_ones))
        for (cause, dead_kind), some in members.items()
        if (open_ones := [dead_delivery for dead_delivery in some if not dead_delivery.is_replayed])
    ]
    groups.sort(key=lambda group: (-group.count, -group.last_at, group.cause.key))
    return CauseReport(groups, listing.read_until)


def _group(
    cause: Cause, dead_kind: DeadKind | None, open_ones: list[DeadDelivery], replayed: int
) -> CauseGroup:
    newest = max(open_ones, key=_DIED_AT)
    routes = Counter(map(_ROUTE, open_ones))
    return CauseGroup(
        cause=cause,
        dead_kind=dead_kind,
        count=len(open_ones),
        replayed=replayed,
        first_at=min(map(_DIED_AT, open_ones)),
        last_at=newest.died_at,
        delivery_id=newest.id,
        event_id=newest.event_id,
        route=newest.route,
        routes=sorted(routes, key=lambda name: (-routes[name], name)),
        deliveries=open_ones,
    )
