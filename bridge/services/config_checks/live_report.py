"""The part of a check that asks the platforms: routes against live inputs, and flows.lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.core.errors import BridgeError
from bridge.services.config_checks.live_flows import ask_flows, warn_of_live_misfits
from bridge.services.platforms.flow_lock import find_changes, read_lock, write_lock
from bridge.services.platforms.open_circuits import find_open_circuits
from bridge.services.platforms.platform_queries import platform_type

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.services.config_checks.report import ProjectReport
    from bridge.services.config_checks.written_routes import WrittenRoutes


def check_live(
    config: Config,
    settings: Settings,
    written: WrittenRoutes,
    report: ProjectReport,
    *,
    lock: bool,
) -> None:
    """Compare the routes with the inputs of their flows, and with flows.lock.

    `config` has the address of the local platform. `lock`: write flows.lock instead of comparing.
    """
    flows = ask_flows(config, find_open_circuits(settings))
    warn_of_live_misfits(config, flows, written)
    report.unasked += [f"{flow.name}: {flow.unasked}" for flow in flows.values() if flow.unasked]
    used = {route.flow.platform for route in config.routes}
    report.notes += [
        f"the flows of the platform {name} were not compared: a platform of type"
        f" {config.platforms[name].type} has no list of inputs"
        for name in sorted(used)
        if platform_type(config.platforms[name]).inputs is None
    ]
    folder = settings.config.parent
    try:
        if lock:
            report.notes.append(f"wrote {write_lock(folder, flows.values())}")
            return
        locked = read_lock(folder)
    except BridgeError as error:
        report.wrong.append(str(error))
        return
    changes = find_changes(locked or {}, flows.values())
    for route in config.routes:
        change = changes.pop(f"{route.flow.platform}/{route.flow.saved_item_id}", None)
        flow = flows.get((route.flow.platform, route.flow.saved_item_id))
        is_reported = flow is not None and flow.missing is not None  # as an error
        if change is not None and route.name in written.routes and not is_reported:
            place = (*written.routes[route.name].path, "flow")
            written.report.add(place, change, level="warning")
