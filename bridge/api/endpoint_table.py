"""The table of endpoints, a module a resource. Paths, OpenAPI document and tools come from it."""

from __future__ import annotations

from typing import Final

from bridge.api.endpoint import Endpoint
from bridge.api.resources import (
    alerts,
    audit,
    causes,
    configs,
    deliveries,
    events,
    find,
    flows,
    hold,
    operations,
    platforms,
    rejects,
    routes,
    runs,
    sources,
    status,
    submissions,
    tail,
    tokens,
    trends,
    trials,
    types,
)

ENDPOINTS: Final[tuple[Endpoint, ...]] = tuple(
    endpoint
    for resource in (
        status,
        events,
        deliveries,
        rejects,
        operations,
        causes,
        trends,
        find,
        alerts,
        sources,
        routes,
        platforms,
        flows,
        runs,
        configs,
        submissions,
        types,
        trials,
        tail,
        tokens,
        audit,
        hold,
    )
    for endpoint in resource.ENDPOINTS
)
