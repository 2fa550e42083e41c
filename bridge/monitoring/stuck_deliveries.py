"""Counts of the unknown deliveries whose run cannot be determined for now, by obstacle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.core.status import UnresolvedDeliveries
from bridge.delivery.obstacles import PlatformState, failing_since, find_obstacle

if TYPE_CHECKING:
    from bridge.routing.model import Config
    from bridge.store.queries.status import StoreStatus


def find_stuck(
    config: Config | None, standing: StoreStatus, at: float
) -> list[UnresolvedDeliveries]:
    """Return the unknown deliveries whose run cannot be determined for now.

    They are grouped by platform and obstacle.
    """
    found: dict[tuple[str, str], UnresolvedDeliveries] = {}
    for one in standing.unsettled:
        obstacle = find_obstacle(
            one.platform, one.evidence, _setting(one.platform, config, standing), at
        )
        if obstacle is None:
            continue
        before = found.get((one.platform, obstacle.kind))
        since = failing_since(one.evidence)
        known = [
            each
            for each in (since, before.since if before is not None else None)
            if each is not None
        ]
        found[one.platform, obstacle.kind] = UnresolvedDeliveries(
            platform=one.platform,
            kind=obstacle.kind,
            count=1 if before is None else before.count + 1,
            problem=obstacle.problem if before is None else before.problem,
            fix=obstacle.fix,
            needs_decision=obstacle.needs_decision,
            since=min(known, default=None),
        )
    return list(found.values())


def _setting(name: str, config: Config | None, standing: StoreStatus) -> PlatformState:
    platform = config.platforms.get(name) if config is not None else None
    return PlatformState(
        is_configured=config is not None,
        has_platform=platform is not None,
        missing=platform.missing if platform is not None else None,
        circuit=standing.circuits.get(name),
        workers=len(standing.workers),
    )
