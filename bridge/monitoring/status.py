"""The status of the bridge, from its processes, its store, its configuration and the machine."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge import __version__
from bridge.core.model import OWN_SOURCE_NAME
from bridge.core.status import (
    RECENT_REJECTS_SECONDS,
    OverdueWork,
    Overview,
    PlatformStatus,
    RouteQueue,
    RunCounts,
    RunningProcess,
    SourceStatus,
    UnresolvedDeliveries,
)
from bridge.core.units import DAY
from bridge.delivery.obstacles import PlatformState, failing_since, find_obstacle
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.monitoring import certificate
from bridge.monitoring.active_config import find_current_config, parse_time
from bridge.monitoring.alerts import has_alert_route
from bridge.monitoring.flow_changes import list_flow_changes
from bridge.routing.idle_routes import find_idle_routes
from bridge.routing.model import AbsentFlows
from bridge.store.backup import age

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config, Source
    from bridge.store.db.database import Database
    from bridge.store.queries.status import StoreStatus


def find_stuck(
    config: Config | None, standing: StoreStatus, at: float
) -> list[UnresolvedDeliveries]:
    """Return the unknown deliveries whose run cannot be determined for now.

    They are grouped by platform and obstacle.
    """
    stuck: dict[tuple[str, str], UnresolvedDeliveries] = {}
    for delivery in standing.unsettled:
        obstacle = find_obstacle(
            delivery.platform, delivery.evidence, _setting(delivery.platform, config, standing), at
        )
        if obstacle is None:
            continue
        before = stuck.get((delivery.platform, obstacle.kind))
        since = failing_since(delivery.evidence)
        times = [
            moment
            for moment in (since, before.since if before is not None else None)
            if moment is not None
        ]
        stuck[delivery.platform, obstacle.kind] = UnresolvedDeliveries(
            platform=delivery.platform,
            kind=obstacle.kind,
            count=1 if before is None else before.count + 1,
            problem=obstacle.problem if before is None else before.problem,
            fix=obstacle.fix,
            needs_decision=obstacle.needs_decision,
            since=min(times, default=None),
        )
    return list(stuck.values())


def _setting(name: str, config: Config | None, standing: StoreStatus) -> PlatformState:
    platform = config.platforms.get(name) if config is not None else None
    return PlatformState(
        is_configured=config is not None,
        has_platform=platform is not None,
        missing=platform.missing if platform is not None else None,
        circuit=standing.circuits.get(name),
        workers=len(standing.workers),
    )


def read_overview(
    settings: Settings, database: Database | None, used: Config | None = None, *, usual: bool = True
) -> Overview:
    """Return the status; without a store there are no events yet.

    `used` is the configuration of the caller, if it has one. Without `usual` the baselines of the
    last days are left out.
    """
    from bridge.monitoring.presence import list_bridges
    from bridge.store.db import clock
    from bridge.store.queries import status

    bridges = list_bridges(settings.data)
    broken = next(
        (bridge["flows"] for bridge in bridges if bridge.get("flows", {}).get("error")), None
    )
    config, said = find_current_config(settings, database, bridges, used)
    ahead = None if database is None or database.is_sqlite else clock.measure_offset(database)
    now = time.time()
    midnight = now - now % DAY
    at = now + (ahead or 0.0)
    standing = (
        None
        if database is None
        else status.read_status(
            database, config.sources if config else (), at, midnight=midnight, day=DAY
        )
    )
    disk = _disk(settings)
    absent = _absent(config, database)
    stuck = [] if standing is None else find_stuck(config, standing, at)
    days = database if usual else None
    return Overview(
        at=now,
        version=__version__,
        running_versions=sorted({str(bridge["version"]) for bridge in bridges}),
        is_shared=database is not None and not database.is_sqlite,
        processes=_processes(bridges, standing),
        config=said,
        sources=_heard(days, config, _sources(config, standing), at),
        today_cut=standing is not None and standing.today_cut,
        queue=_queue(config, standing, absent),
        blocked=standing.blocked if standing else {},
        platforms=_platforms(config, standing),
        dead=standing.dead if standing else 0,
        dead_today=standing.dead_today if standing else 0,
        dead_kinds=standing.dead_kinds if standing else {},
        dead_received_at=standing.died_received_at if standing else None,
        parked_routes=[
            route
            for route in (standing.parked_routes if standing else ())
            if config is None or route in config.route_names
        ],
        idle_routes=() if config is None else find_idle_routes(config),
        unknown=standing.unknown if standing else 0,
        held=(
            standing.held + sum(group.count for group in stuck if group.needs_decision)
            if standing
            else 0
        ),
        stuck=stuck,
        hold_since=standing.hold.since if standing and standing.hold else None,
        hold_reason=standing.hold.reason if standing and standing.hold else None,
        counted_to=status.MAX_COUNTED,
        data=str(settings.data),
        disk_free=disk[0],
        disk_total=disk[1],
        database_size=0 if database is None else status.database_size(database),
        database_ahead=ahead,
        runs_ended={} if days is None else _runs(days, config, at - DAY),
        clock_step=standing.clock_step if standing else None,
        overdue=standing.overdue if standing else OverdueWork(),
        late_starts=standing.late_starts if standing else (),
        certificate=certificate.load_certificate(settings.data, settings.public_url),
        backups=age.read_status(settings),
        tells=config is None or has_alert_route(config),
        flows_error=broken["error"] if broken else None,
        flows_absent=absent.by_route,
        flow_changes=list_flow_changes(settings.data),
        flows_error_since=parse_time(broken["error_since"]) if broken else None,
    )


def _heard(
    database: Database | None, config: Config | None, sources: list[SourceStatus], at: float
) -> list[SourceStatus]:
    """Add the baseline of each source.

    The time of its next event is estimated only if it has been silent for a while.
    """
    from bridge.store.queries import alerts, expected
    from bridge.store.queries import baselines as usual

    if database is None:
        return sources
    configured = config.sources if config else {}
    with database.read() as connection:
        rejected = usual.count_rejects(connection, at, RECENT_REJECTS_SECONDS)
        since = expected.since(connection)
        silent = alerts.silent_sources(connection)
        statuses = []
        for source in sources:
            expect = configured[source.name].expect if source.name in configured else None
            quiet_since = source.last_at if expect is None and source.name in configured else None
            lately, usually = rejected.get(source.name, (0, 0.0))
            statuses.append(
                replace(
                    source,
                    expect=expect,
                    expected_since=since.get(source.name) if expect else None,
                    heard=usual.count_recent(connection, source.name, expect, at) if expect else 0,
                    speaks_by=(
                        None
                        if quiet_since is None
                        else usual.expected_by(connection, source.name, quiet_since, at)
                    ),
                    silent_since=None if expect else silent.get(source.name),
                    rejected_lately=lately,
                    rejected_usually=usually,
                )
            )
    return statuses


def _runs(database: Database, config: Config | None, since: float) -> dict[str, RunCounts]:
    from bridge.routing.model import Mode
    from bridge.store.queries import baselines as usual

    live = (
        None
        if config is None
        else {route.name for route in config.routes if route.mode is Mode.LIVE}
    )
    with database.read() as connection:
        runs = usual.runs_ended(connection, since)
    return {
        route: replace(counts, is_live=live is None or route in live)
        for route, counts in runs.items()
    }


def _processes(bridges: list[dict[str, Any]], standing: StoreStatus | None) -> list[RunningProcess]:
    """Return the processes of this machine, and the workers of others by their heartbeats."""
    processes = {
        (bridge["host"], process["pid"]): RunningProcess(
            pid=process["pid"],
            host=bridge["host"],
            role=process["role"],
            since=parse_time(process["since"]) or 0.0,
            config_hash=process["config_hash"],
        )
        for bridge in bridges
        for process in bridge["processes"]
    }
    for pid, host, since in standing.workers if standing else ():
        processes.setdefault(
            (host, pid), RunningProcess(pid=pid, host=host, role="work", since=since)
        )
    return sorted(
        processes.values(), key=lambda process: (process.host, process.role, process.since)
    )


def _doubt_of_secrets(source: Source | None) -> str | None:
    """Return why a secret of a source is probably not a webhook secret, None if it may be."""
    if source is None:
        return None
    doubts = (source.provider.doubt_of_secret(secret.value.strip()) for secret in source.secrets)
    return next(filter(None, doubts), None)


def _sources(config: Config | None, standing: StoreStatus | None) -> list[SourceStatus]:
    sources = config.sources if config else {}
    configured = list(sources)
    seen, rejected = (standing.sources, standing.rejected) if standing else ({}, {})
    forms = {name: source.form for name, source in sources.items() if source.form is not None}
    rules = {name: form.files for name, form in forms.items() if form.files is not None}
    names = [*configured, *sorted((seen.keys() | rejected.keys()) - {*configured, OWN_SOURCE_NAME})]
    return [
        SourceStatus(
            name=name,
            last_at=seen.get(name, (None, 0))[0],
            today=seen.get(name, (None, 0))[1],
            rejected_today=rejected.get(name, 0),
            is_configured=config is None or name in configured,
            files=standing.files.get(name, 0) if standing else 0,
            files_keep=rules[name].keep if name in rules else None,
            stored_today=standing.stored_today.get(name, 0) if standing else 0,
            daily_bytes=source.daily_bytes if (source := sources.get(name)) else None,
            refused=standing.refused.get(name, {}) if standing else {},
            spam=standing.spam.get(name, 0) if standing else 0,
            is_public=source is not None and source.is_public,
            missing=(
                config.sources[name].missing
                if config is not None and name in config.sources
                else None
            ),
            secret_doubt=_doubt_of_secrets(sources.get(name)),
        )
        for name in names
    ]


def _absent(config: Config | None, database: Database | None) -> AbsentFlows:
    """Return the local flows that routes name and flows.py does not have."""
    from bridge.store.local import flows

    if config is None or database is None:
        return AbsentFlows()
    with database.read() as connection:
        return flows.find_absent(connection, config)


def _queue(
    config: Config | None, standing: StoreStatus | None, absent: AbsentFlows
) -> list[RouteQueue]:
    from bridge.routing.model import Mode

    paused = (
        {route.name for route in config.routes if route.mode is Mode.PAUSED} if config else set()
    )

    def state(route: str, platform: str) -> str:
        if config is not None and platform not in config.platforms:
            return "no platform"
        if (
            route in absent.held
            and config is not None
            and config.platforms[platform].type == "local"
        ):
            return "no flow"
        return "paused" if route in paused else "live"

    return [
        replace(lane, state=state(lane.route, lane.platform))
        for lane in (standing.queue if standing else ())
    ]


def _platforms(config: Config | None, standing: StoreStatus | None) -> list[PlatformStatus]:
    caps = (
        {platform.name: platform.max_concurrent_runs for platform in config.platforms.values()}
        if config
        else {}
    )
    missing = (
        {platform.name: platform.missing for platform in config.platforms.values()}
        if config
        else {}
    )
    told = (
        {
            platform.name: PLATFORMS[platform.type].credentials
            for platform in config.platforms.values()
        }
        if config
        else {}
    )
    slots, circuits = (standing.slots, standing.circuits) if standing else ({}, {})
    names = sorted(caps.keys() | slots.keys() | circuits.keys())
    used = {name: slots.get(name, (0, 0)) for name in names}
    return [
        PlatformStatus(
            name=name,
            cap=caps.get(name),
            calls=calls,
            runs=runs,
            circuit=circuits.get(name),
            missing=missing.get(name),
            credentials=told.get(name, "credentials"),
        )
        for name, (calls, runs) in used.items()
    ]


def _disk(settings: Settings) -> tuple[int | None, int | None]:
    place = next(
        (folder for folder in (settings.data, *settings.data.parents) if folder.exists()), None
    )
    if place is None:
        return None, None
    usage = shutil.disk_usage(place)
    return usage.free, usage.total
