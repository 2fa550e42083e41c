"""Platforms, with their slots and circuits."""

from __future__ import annotations

from typing import Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.api.selection import find_name
from bridge.core.model import JSON
from bridge.core.status import PlatformStatus
from bridge.routing.model import Config, Platform
from bridge.services.config_views import mask_path
from bridge.services.lists import write_list
from bridge.services.records.status_records import PLATFORM, find_circuit_state


def list_platforms(context: ApiContext, _request: ApiRequest) -> Answer:
    """Return the platforms of routes.yaml, and those that have deliveries only."""
    config = context.config()
    now = context.overview.get()
    return write_list(_describe(config, platform, now.at) for platform in now.platforms)


def show_platform(context: ApiContext, request: ApiRequest) -> Answer:
    """Return one platform."""
    now = context.overview.get()
    platforms = {platform.name: platform for platform in now.platforms}
    name = find_name(request, "platform", platforms)
    return _describe(context.config(), platforms[name], now.at)


def _describe(config: Config, status: PlatformStatus, at: float) -> dict[str, JSON]:
    platform = config.platforms.get(status.name)
    routes = [route.name for route in config.routes if route.flow.platform == status.name]
    return PLATFORM.write(
        status,
        circuit=find_circuit_state(status, at),
        configured=platform is not None,
        type=platform.type if platform else None,
        base_url=_find_url(platform) if platform else None,
        routes=dict.fromkeys(routes),
    )


def _find_url(platform: Platform) -> str | None:
    """Return the URL of a platform; that of the type http may have a secret in its path."""
    url = mask_path(platform.base_url) if platform.type == "http" else platform.base_url
    return url or None


ENDPOINTS: Final = (
    Endpoint(
        path="/platforms",
        summary="The platforms, with their slots and circuits.",
        answer=list_platforms,
        tool=ReadingTool("Platforms"),
        schema="PlatformList",
    ),
    Endpoint(
        path="/platforms/{name}",
        summary="One platform.",
        answer=show_platform,
        schema="Platform",
    ),
)
