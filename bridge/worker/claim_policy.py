"""Claim policy of the current configuration: which deliveries may start, and when a start without
an answer is reconciled.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from bridge.core.rate_limits import NO_LIMITS
from bridge.routing.model import Config, Mode
from bridge.store.queue import hold
from bridge.store.queue.claim_round import Claim, ClaimLimits
from bridge.system.logs import get_logger
from bridge.worker.local.loaded_flows import LoadedFlows

log = get_logger()


def find_allowed(config: Config) -> ClaimLimits:
    """Return the limits that a configuration sets on claims."""
    return ClaimLimits(
        caps={
            platform.name: platform.max_concurrent_runs
            for platform in config.callable_platforms.values()
        },
        limits={route.name: route.limits for route in config.routes if route.limits != NO_LIMITS},
        paused=frozenset(route.name for route in config.routes if route.mode is Mode.PAUSED),
    )


def exclude_missing_flows(
    allowed: ClaimLimits, config: Config, loaded: LoadedFlows, connection: Connection
) -> ClaimLimits:
    """Exclude starts of local flows that are missing or being loaded: the platform would refuse
    them.

    A delivery keeps the flow that it was planned for, so that flow counts, and not only the one
    that its route names now.
    """
    platform = config.local_platform
    if platform is None:
        return allowed
    if loaded.is_awaited:
        return replace(
            allowed, caps={name: cap for name, cap in allowed.caps.items() if name != platform.name}
        )
    flows = loaded.ids(connection)
    absent = frozenset((platform.name, route) for route in loaded.find_absent(config, flows).held)
    return replace(allowed, absent=absent, flows={platform.name: flows})


def read_hold(connection: Connection, before: bool) -> bool:
    """Return whether starts are held, and log a change since `before`."""
    is_held = hold.read_hold(connection) is not None
    if is_held is not before:
        log.warning("starts_held" if is_held else "starts_released")
    return is_held


def reconcile_at(config: Config, claim: Claim, after: float, now: float) -> float | None:
    """Return when to look for the run of a lost start, None if its route does not ask for it.

    `after`: seconds after the deadline of the call. Setting the clock back since the attempt began
    does not postpone it.
    """
    platform = config.platforms.get(claim.delivery.platform)
    if claim.delivery.on_unknown != "reconcile":
        return None
    return min(claim.began_at, now) + (platform.timeout if platform else 0.0) + after
