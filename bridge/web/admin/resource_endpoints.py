"""Endpoints of the parts of a bridge: sources, routes, platforms, flows and configurations."""

from __future__ import annotations

from typing import Final

from bridge.core.scopes import Scope
from bridge.web.admin import (
    bridge_answers,
    config_answers,
    flow_answers,
    record_answers,
    streams,
)
from bridge.web.admin.endpoint_row import Endpoint
from bridge.web.admin.parameters import (
    AFTER,
    BEFORE,
    FLOW,
    IN_FLIGHT,
    NAMED_FLOW,
    ORDER,
    PLATFORM,
    SCREEN,
    SUBMISSION_LIMIT,
    WAIT,
    filter_parameters,
)

TAIL_FILTERS: Final = tuple(
    one
    for one in filter_parameters(of_events=False)
    if one.name not in ("until", "body", "where", "limit", "before")
)
SUBMISSION_FILTERS: Final = tuple(
    SUBMISSION_LIMIT if one.name == SUBMISSION_LIMIT.name else one
    for one in filter_parameters(of_events=True)
)

RESOURCE_ENDPOINTS: Final = (
    Endpoint(
        path="/alerts",
        summary="The alerts that are raised or pending, as `flowbridge alerts --json`.",
        answer=bridge_answers.list_alerts,
        schema="Alerts",
        parameters=(SCREEN,),
    ),
    Endpoint(
        path="/sources",
        summary="The sources, with what they received today.",
        answer=bridge_answers.list_sources,
        schema="Sources",
    ),
    Endpoint(
        path="/sources/{name}",
        summary="One source.",
        answer=bridge_answers.show_source,
        schema="Source",
    ),
    Endpoint(
        path="/routes",
        summary="The routes, with their queues and the runs of a day.",
        answer=bridge_answers.list_routes,
        schema="Routes",
    ),
    Endpoint(
        path="/routes/{name}",
        summary="One route, with its definition in routes.yaml.",
        answer=bridge_answers.show_route,
        schema="RouteDetails",
    ),
    Endpoint(
        path="/platforms",
        summary="The platforms, with their slots and circuits.",
        answer=bridge_answers.list_platforms,
        schema="Platforms",
    ),
    Endpoint(
        path="/platforms/{name}",
        summary="One platform.",
        answer=bridge_answers.show_platform,
        schema="Platform",
    ),
    Endpoint(
        path="/flows",
        summary="The saved flows, as the platforms list them now.",
        answer=flow_answers.list_flows,
        schema="Flows",
        parameters=(PLATFORM,),
    ),
    Endpoint(
        path="/flows/inputs",
        summary="The inputs of a flow that is named as in commands.",
        answer=flow_answers.list_named_flow_inputs,
        schema="FlowInputs",
        parameters=(NAMED_FLOW,),
        more_problems=(404,),
    ),
    Endpoint(
        path="/flows/{platform}/{id}/inputs",
        summary="The inputs of a flow, as its platform lists them.",
        answer=flow_answers.list_flow_inputs,
        schema="FlowInputs",
    ),
    Endpoint(
        path="/runs",
        summary="The runs in flight that deliveries started; with `flow`, its newest runs.",
        answer=flow_answers.list_runs,
        schema="Runs",
        parameters=(FLOW, PLATFORM),
        more_problems=(404,),
        has_contents=True,
    ),
    Endpoint(
        path="/configs",
        summary="The stored configurations, the one used last first.",
        answer=config_answers.list_stored_configs,
        schema="Configs",
    ),
    Endpoint(
        path="/configs/{hash}",
        summary="One configuration before `${env:…}` is filled, with secrets masked.",
        answer=config_answers.show_config,
        schema="ConfigDetails",
    ),
    Endpoint(
        path="/configs/{a}/diff/{b}",
        summary="The differences of two configurations.",
        answer=config_answers.compare_stored_configs,
        schema="ConfigDiff",
    ),
    Endpoint(
        path="/submissions",
        summary="The submissions of all forms, newest first, as `flowbridge export`.",
        answer=record_answers.list_all_submissions,
        schema="SubmissionPage",
        scope=Scope.BODIES,
        parameters=(*SUBMISSION_FILTERS, ORDER),
        has_contents=True,
        stream=streams.stream_submissions,
    ),
    Endpoint(
        path="/submissions/{source}",
        summary="The submissions of a form, newest first, without spam.",
        answer=record_answers.list_submissions,
        schema="SubmissionPage",
        scope=Scope.BODIES,
        parameters=(SUBMISSION_LIMIT, BEFORE),
        has_contents=True,
    ),
    Endpoint(
        path="/deliveries/{id}/evidence",
        summary="A delivery with the evidence of its start, as `flowbridge resolve --json`.",
        answer=record_answers.show_evidence,
        schema="Evidence",
        has_contents=True,
    ),
    Endpoint(
        path="/tail",
        summary="New events, and deliveries whose state changed, after a cursor.",
        answer=record_answers.list_changes,
        schema="Changes",
        parameters=(*TAIL_FILTERS, IN_FLIGHT, AFTER, WAIT),
        has_contents=True,
        waits=True,
    ),
)
