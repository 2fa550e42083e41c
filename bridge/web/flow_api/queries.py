"""The read endpoints: runs, flows, workbooks and inputs."""

from __future__ import annotations

from flask import Response

from bridge.core.errors import Refused
from bridge.core.local_runs import READY_MADE, TAKES_ANY, LocalFlow
from bridge.core.model import JSON
from bridge.flows.ids import workbook_id
from bridge.web.flow_api import responses
from bridge.web.flow_api.context import FlowApiContext
from bridge.web.flow_api.request import ApiRequest, bad_request, forbidden
from bridge.web.flow_api.runs import find_run

NEWEST_RUNS = 10  # runs of each flow in get_plrun_saved_item_map


def get_pl_run(served: FlowApiContext, asked: ApiRequest) -> Response:
    """Return the state of a run."""
    return responses.answer(200, responses.report(find_run(served, asked, asked.id("run_id"))))


def list_saved_items(served: FlowApiContext, asked: ApiRequest) -> Response:
    """Return the flows."""
    return responses.answer(
        200, {"saved_items": [responses.saved_item(flow) for flow in _flows(served, asked)]}
    )


def list_workbooks(served: FlowApiContext, asked: ApiRequest) -> Response:
    """Return the flows by origin: flowbridge itself, or a file."""
    books: dict[str, list[LocalFlow]] = {}
    for flow in _flows(served, asked):
        books.setdefault(flow.workbook, []).append(flow)
    return responses.answer(
        200, {"workbooks": [_workbook(name, flows) for name, flows in sorted(books.items())]}
    )


def get_inputs(served: FlowApiContext, asked: ApiRequest) -> Response:
    """Return the Input nodes of a flow."""
    flow = _flow(served, asked, asked.id("saved_item_id"))
    takes_any = flow.takes_any or any(node.kind == "body" for node in flow.inputs)
    # the second key is our own: clients of the public API read the first
    return responses.answer(
        200,
        {
            "inputs": [responses.input_node(node) for node in flow.inputs],
            **({TAKES_ANY: True} if takes_any else {}),
        },
    )


def get_plrun_saved_item_map(served: FlowApiContext, asked: ApiRequest) -> Response:
    """Return the newest runs of a flow, or of each flow of a workbook."""
    flow_id = asked.maybe_id("saved_item_id")
    book_id = asked.maybe_id("workbook_id")
    if flow_id is None and book_id is None:
        raise bad_request("missing_parameter", "workbook_id or saved_item_id is required")
    flows = [_flow(served, asked, flow_id)] if flow_id is not None else _flows(served, asked)
    if book_id is not None:
        flows = [flow for flow in flows if workbook_id(flow.workbook) == book_id]
        if not flows:
            raise Refused(
                404,
                "workbook_not_found",
                (
                    "there is no such workbook"
                    if flow_id is None
                    else "the flow is not in that workbook"
                ),
            )
    newest = served.runs.newest([flow.id for flow in flows], asked.caller.user_id, NEWEST_RUNS)
    return responses.answer(
        200,
        {flow.id: [responses.summary(run) for run in newest.get(flow.id, ())] for flow in flows},
    )


def _flows(served: FlowApiContext, asked: ApiRequest) -> list[LocalFlow]:
    return [flow for flow in served.runs.flows() if asked.caller.may_use(flow.id)]


def _flow(served: FlowApiContext, asked: ApiRequest, saved_item_id: str) -> LocalFlow:
    if not asked.caller.may_use(saved_item_id):
        raise forbidden("this flow")
    flow = served.runs.flow(saved_item_id)
    if flow is None:
        raise Refused(404, "unknown_flow", "there is no such flow")
    return flow


def _workbook(name: str, flows: list[LocalFlow]) -> dict[str, JSON]:
    return {
        "workbook_id": workbook_id(name),
        "name": name,
        "description": (
            "The flows that come with flowbridge."
            if name == READY_MADE
            else f"The flows of {name}."
        ),
        "created_ts": responses.timestamp(min(flow.created_at for flow in flows)),
        "saved_items": [responses.saved_item(flow) for flow in flows],
    }
