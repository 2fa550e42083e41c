"""Platforms, flows and runs by name, and lists of flows; an unknown name is a usage error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bridge.cli.command_settings import find_server, settings_of
from bridge.cli.options import wrong_usage
from bridge.services import platform_queries
from bridge.services.flow_json import flow_json, input_json
from bridge.services.parsed_records import expect_shape

if TYPE_CHECKING:
    from bridge.routing.model import Config
    from bridge.services.bridge_reader import Shape

find_flow = wrong_usage()(platform_queries.find_flow)
find_platform = wrong_usage()(platform_queries.find_platform)
find_run = wrong_usage()(platform_queries.find_run)


def load_config(config: str | None) -> Config:
    """Return routes.yaml, with what calls to the local platform need."""
    from bridge.runtime.loaded_config import load_config

    return load_config(settings_of(config, secrets=True)).config


def list_flows(config: str | None, platform: str | None) -> Shape:
    """Return flows and problems, as the admin API does."""
    server = find_server()
    if server is not None:
        from bridge.cli.remote.remote_bridge import open_remote_bridge

        with open_remote_bridge(server) as bridge:
            return bridge.list_flows(platform)
    found = load_config(config)
    asked = (
        [find_platform(found, platform)]
        if platform
        else platform_queries.platforms_with_flows(found)
    )
    listed, problems = platform_queries.list_all_flows(asked)
    return {
        "items": [flow_json(one.name, flow) for one, flow in listed],
        "complete": True,
        "problems": [str(one) for one in problems],
    }


def list_inputs(config: str | None, flow: str) -> Sequence[Shape]:
    """Return the inputs of a flow, as the admin API does."""
    server = find_server()
    if server is not None:
        from bridge.cli.remote.remote_bridge import open_remote_bridge

        with open_remote_bridge(server) as bridge, expect_shape():
            return list(bridge.list_flow_inputs(flow)["items"])
    platform, saved_item_id = find_flow(load_config(config), flow)
    nodes = platform_queries.list_inputs(platform, saved_item_id)
    return [input_json(platform.name, saved_item_id, node) for node in nodes]
