"""`/platforms`: slots, circuits, and the flows of a platform with the inputs that it lists."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bridge.api import platform_calls
from bridge.api.parameters import FLOW, PLATFORM
from bridge.api.problems import ApiProblem
from bridge.api.resources import platforms
from bridge.api.resources.flows import list_flows
from bridge.api.resources.runs import list_runs
from bridge.core.circuit_state import Circuit
from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.delivery.platforms.model import InputNode
from bridge.routing.model import Config, Route
from bridge.routing.templates import Inputs
from bridge.services.platforms import platform_names, platform_queries
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.day_trends import sum_day
from bridge.web.console.failures import as_sentence
from bridge.web.console.subject_notes import list_notes

MAX_SHOWN_RUNS: Final = 20
TEXT_EXAMPLE: Final = "TEXT"
#: How the annotation of a parameter begins -> an example of its values. Others are text.
EXAMPLES: Final[dict[str, JSON]] = {
    "int": 1,
    "float": 1.5,
    "bool": True,
    "list": [],
    "dict": {},
}


def list_platforms(console_request: ConsoleRequest) -> Screen:
    """Return all platforms."""
    items = console_request.read(platforms.list_platforms)["items"]
    overview = console_request.context.read_overview(
        with_contents=console_request.may_read_contents
    )
    return Screen(
        template="platforms.html",
        title="Platforms",
        values={
            "platforms": items,
            "notes": list_notes(overview, "platform"),
        },
    )


def show_platform(console_request: ConsoleRequest) -> Screen:
    """Return one platform, without asking it."""
    record = console_request.read(platforms.show_platform)
    name = record["name"]
    overview = console_request.context.read_overview(
        with_contents=console_request.may_read_contents
    )
    config = console_request.context.config()
    runs = console_request.read(list_runs, (FLOW, PLATFORM), {"platform": [name]})["items"]
    platform = config.platforms.get(name)
    circuit = next((status.circuit for status in overview.platforms if status.name == name), None)
    return Screen(
        template="platform.html",
        title=name,
        values={
            "platform": record,
            "configured": platform,
            "kind": platform_queries.platform_type(platform) if platform else None,
            "circuit": circuit or Circuit(platform=name),
            "now": time.time(),
            "notes": list_notes(overview, "platform").get(name, ()),
            "attempts": sum_day(console_request, "attempts", "outcome", platform=name),
            "flows": _list_used_flows(config, name),
            "runs": runs[:MAX_SHOWN_RUNS],
            "run_count": len(runs),
        },
    )


def show_flows(console_request: ConsoleRequest) -> Screen:
    """Return the flows of a platform, or the inputs of one of them, which it is asked for now."""
    name = console_request.read(platforms.show_platform)["name"]
    flow = console_request.read_id("flow") or ""
    config = console_request.context.config()
    values: dict[str, Any] = {"name": name, "flow": flow, "problems": [], "items": []}
    values["routes"] = _routes_by_flow(config, name)
    values["lists_runs"] = platform_queries.lists_runs(config.platforms[name])
    try:
        values |= (
            _ask_inputs(console_request, name, flow) if flow else _ask_flows(console_request, name)
        )
    except ApiProblem as error:
        values["problems"] = [as_sentence(error.detail)]
    except InvalidRequest as error:
        values["problems"] = [as_sentence(str(error))]
    values["run_command"] = _write_run_command(f"{name}/{flow}", values["items"] if flow else ())
    return Screen(
        template="platform_flow.html" if flow else "platform_flows.html",
        title=flow or f"Flows of {name}",
        values=values,
    )


# -- parts


def _ask_flows(console_request: ConsoleRequest, name: str) -> dict[str, Any]:
    reply = console_request.read(list_flows, (PLATFORM,), {"platform": [name]})
    return {
        "items": reply["items"],
        "problems": reply["problems"],
        "is_complete": reply["complete"],
    }


def _ask_inputs(console_request: ConsoleRequest, name: str, flow: str) -> dict[str, Any]:
    config = console_request.context.load_platforms()
    platform = platform_names.find_platform(config, name)
    nodes = platform_calls.ask_platform(
        console_request.context,
        lambda: platform_queries.list_inputs(platform, flow),
        with_contents=console_request.may_read_contents,
    )
    routes = [
        candidate
        for candidate in config.routes
        if (candidate.flow.platform, candidate.flow.saved_item_id) == (name, flow)
    ]
    inputs_by_route = {flow_route.name: _given_inputs(flow_route) for flow_route in routes}
    node_names = {node.name for node in nodes}
    return {
        "items": nodes,
        "given": inputs_by_route,
        "givers": {
            node.name: [route for route, names in inputs_by_route.items() if node.name in names]
            for node in nodes
        },
        # of a local flow with `**inputs` any name fits
        "strangers": {
            route: sorted(set(names) - node_names)
            for route, names in inputs_by_route.items()
            if names
        }
        if platform.type != "local"
        else {},
        "whole": [flow_route.name for flow_route in routes if _is_whole(flow_route)],
    }


def _given_inputs(route: Route) -> Sequence[str]:
    reshape = route.reshape
    return [*reshape.each] if isinstance(reshape, Inputs) and reshape.whole is None else []


def _is_whole(route: Route) -> bool:
    """Return whether a route gives an object whose names only the event says."""
    return not isinstance(route.reshape, Inputs) or route.reshape.whole is not None


def _list_used_flows(config: Config, name: str) -> list[dict[str, Any]]:
    """Return the flows of a platform that routes.yaml names, with their routes."""
    named = [*(route.flow for route in config.routes), *config.flows.values()]
    flow_names = {flow.saved_item_id: flow.name for flow in named if flow.platform == name}
    routes = _routes_by_flow(config, name)
    return [
        {"id": id_, "name": label, "routes": routes.get(id_, [])}
        for id_, label in flow_names.items()
    ]


def _routes_by_flow(config: Config, name: str) -> Mapping[str, list[str]]:
    route_names: dict[str, list[str]] = {}
    for route in config.routes:
        if route.flow.platform == name:
            route_names.setdefault(route.flow.saved_item_id, []).append(route.name)
    return route_names


def _write_run_command(flow: str, inputs: Sequence[InputNode]) -> str:
    """Return the command that starts a flow, with an example of each input that it requires."""
    examples = {node.name: _find_example(node) for node in inputs if node.required}
    words = ["flowbridge", "flows", "run", flow]
    if all(isinstance(example, str) for example in examples.values()):
        for name, example in examples.items():
            words += ["--input", f"{name}={example}"]
    else:
        words += ["--json-input", json.dumps(examples, separators=(",", ":"))]
    return shlex.join(words)


def _find_example(node: InputNode) -> JSON:
    annotation = node.annotation or ""
    return next(
        (example for start, example in EXAMPLES.items() if annotation.startswith(start)),
        TEXT_EXAMPLE,
    )
