"""Platforms, flows and runs by the names that people give, such as PLATFORM/FLOW."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bridge.core.errors import InvalidRequest

if TYPE_CHECKING:
    from bridge.routing.model import Config, Platform


def find_platform(config: Config, name: str) -> Platform:
    """Return a platform by its name in routes.yaml. Raises `InvalidRequest`."""
    if name not in config.platforms:
        raise unknown_platform(name, config.platforms)
    return config.platforms[name]


def unknown_platform(name: str, platform_names: Iterable[str]) -> InvalidRequest:
    """Return the error for a name that is not among the `platform_names`."""
    from bridge.core.typos import suggest

    names = list(platform_names)
    return InvalidRequest(
        f"routes.yaml has no platform {name!r}; {suggest(name, names)}it has:"
        f" {', '.join(names) or 'none'}"
    )


def find_flow(config: Config, name: str) -> tuple[Platform, str]:
    """Return the platform and the saved_item_id of a flow.

    `name`: a name under `flows` of routes.yaml, or PLATFORM/FLOW. Raises `InvalidRequest`.
    """
    from bridge.core.typos import suggest

    if name in config.flows:
        flow = config.flows[name]
        return config.platforms[flow.platform], flow.saved_item_id
    platform, slash, saved_item_id = name.partition("/")
    if not slash or not saved_item_id:
        example = f", such as {next(iter(config.platforms))}/{name}" if config.platforms else ""
        choices = f"it has: {', '.join(config.flows)}" if config.flows else "`flows:` is empty"
        raise InvalidRequest(
            f"routes.yaml has no flow {name!r}; {suggest(name, config.flows)}{choices}."
            f" You can also pass PLATFORM/FLOW{example}"
        )
    return find_platform(config, platform), saved_item_id


def find_run(types: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return the name of the platform and the id of a run.

    `types`: the type of each platform, by its name. `name`: PLATFORM/RUN, or the id alone if only
    one platform has runs; else `InvalidRequest`.
    """
    from bridge.delivery.platforms.registry import PLATFORMS

    platform, slash, run_id = name.partition("/")
    if slash and platform and run_id:
        if platform not in types:
            raise unknown_platform(platform, types)
        return platform, run_id
    having = [
        platform_name
        for platform_name, type_ in types.items()
        if type_ in PLATFORMS and PLATFORMS[type_].has_runs
    ]
    if len(having) != 1 or slash:
        choices = " or ".join(f"{platform_name}/RUN" for platform_name in having) or (
            "routes.yaml has no platform with runs"
        )
        raise InvalidRequest(f"{name!r} does not say on which platform: {choices}")
    return having[0], name
