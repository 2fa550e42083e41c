"""Saved flows and their inputs, as platforms list them now."""

from __future__ import annotations

from typing import Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.api.parameters import NAMED_FLOW, PLATFORM
from bridge.api.platform_calls import (
    ask_platform,
    describe_failure,
    find_platform,
    wait_for_platform,
)
from bridge.routing.model import Platform
from bridge.services.lists import write_list
from bridge.services.platforms import platform_names, platform_queries
from bridge.services.records.flow_records import FLOW, FLOW_INPUT
from bridge.services.records.json_schema import TEXT, list_of

MAX_ASKED_PLATFORMS: Final = 3  # by one request
MAX_LISTED_FLOWS: Final = 1000


def list_flows(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the saved flows of one platform, or of all that can list them."""
    config = context.load_platforms()
    name = request.values["platform"]
    platforms = (
        [platform_names.find_platform(config, name)]
        if name
        else platform_queries.platforms_with_flows(config)
    )
    most_platforms, most_flows = (
        (MAX_ASKED_PLATFORMS, MAX_LISTED_FLOWS) if context.is_bounded else (None, None)
    )
    called = platforms[:most_platforms]
    with wait_for_platform(context):
        listed, problems = platform_queries.list_all_flows(called)
    flows = listed[:most_flows]
    return write_list(
        (FLOW.write(flow, platform=platform.name) for platform, flow in flows),
        is_complete=len(called) == len(platforms) and len(flows) == len(listed),
        problems=[
            describe_failure(problem, with_contents=request.with_contents) for problem in problems
        ],
    )


def list_flow_inputs(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the inputs of a flow: the names that `inputs:` of a route can set."""
    return _list_inputs(context, request, find_platform(context, request), request.ids["id"])


def show_flow_inputs(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the inputs of a flow by its name in routes.yaml, or as PLATFORM/FLOW."""
    flow = platform_names.find_flow(context.load_platforms(), request.values["flow"])
    return _list_inputs(context, request, *flow)


def _list_inputs(
    context: ApiContext, request: ApiRequest, platform: Platform, saved_item_id: str
) -> Answer:
    nodes = ask_platform(
        context,
        lambda: platform_queries.list_inputs(platform, saved_item_id),
        with_contents=request.with_contents,
    )
    return write_list(
        FLOW_INPUT.write(node, platform=platform.name, saved_item_id=saved_item_id)
        for node in nodes
    )


ENDPOINTS: Final = (
    Endpoint(
        path="/flows",
        summary="The saved flows, as the platforms list them now.",
        answer=list_flows,
        tool=ReadingTool("Saved flows", advice="It asks each platform, for at most 10 seconds."),
        schema="FlowList",
        list_keys={"problems": list_of(TEXT)},
        parameters=(PLATFORM,),
    ),
    Endpoint(
        path="/flows/inputs",
        summary="The inputs of a flow that is named as in commands.",
        answer=show_flow_inputs,
        tool=ReadingTool("Inputs of a flow"),
        schema="FlowInputList",
        parameters=(NAMED_FLOW,),
        more_problems=(404,),
    ),
    Endpoint(
        path="/flows/{platform}/{id}/inputs",
        summary="The inputs of a flow, as its platform lists them.",
        answer=list_flow_inputs,
        schema="FlowInputList",
    ),
)
