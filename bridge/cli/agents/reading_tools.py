"""The tools that read: a table of endpoints of the admin API, with what an agent should know.

Summaries, parameters and scopes are those of the table of endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from bridge.api.endpoint import Endpoint
from bridge.cli.agents.agent_tool import FOR_PEOPLE, AgentTool, Effect, ToolContext, answer_data
from bridge.cli.agents.answer_cuts import ITEMS, CutAnswer
from bridge.cli.agents.tool_answers import ToolAnswer
from bridge.cli.agents.tool_schemas import (
    SKIP,
    build_schema,
    has_cursor,
    write_body,
    write_path,
    write_query,
)
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.web.admin.endpoints import ENDPOINTS
from bridge.web.admin.schemas import SCHEMAS

LESS: Final = "A smaller `limit` shows more of each."
ONE_DELIVERY: Final = "show_delivery returns one delivery with more of each text."
WHOLE_EVENT: Final = f"read_event_body returns the whole body in parts. {ONE_DELIVERY}"
#: What only people who run commands need: ", as `flowbridge status --json`".
_AS_COMMAND: Final = re.compile(r", as `[^`]*`")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTool:
    """A tool that reads an endpoint. `advice` follows the endpoint's summary; `rest`: how to get
    what an answer cut off.
    """

    name: str
    title: str
    path: str
    advice: str = ""
    rest: str = FOR_PEOPLE
    method: str = "GET"


READING_TOOLS: Final = (
    ReadingTool(
        name="show_status",
        title="Status of the bridge",
        path="/status",
        advice="Begin here: it says whether the bridge works and what is stuck.",
    ),
    ReadingTool(name="list_conditions", title="What needs attention", path="/conditions"),
    ReadingTool(
        name="list_events",
        title="Events",
        path="/events",
        advice=(
            "An event is one verified request of a sender. `status=none` lists those that no route"
            " matched."
        ),
        rest="show_event returns one event with more of each text.",
    ),
    ReadingTool(
        name="show_event",
        title="One event",
        path="/events/{id}",
        advice="With the scope `bodies` also its headers and its body.",
        rest=WHOLE_EVENT,
    ),
    ReadingTool(
        name="explain_event",
        title="Why a route matched, or not",
        path="/events/{id}/explain",
        advice="It has the value found, near misses, and the inputs that would be sent.",
        rest="The argument `route` limits the answer to one route.",
    ),
    ReadingTool(
        name="list_deliveries",
        title="Deliveries",
        path="/deliveries",
        advice=(
            "A delivery is one event bound for one flow by one route. `status=dead` lists those"
            " that failed for good, `status=unknown` those whose start is uncertain."
        ),
        rest=ONE_DELIVERY,
    ),
    ReadingTool(name="show_delivery", title="One delivery", path="/deliveries/{id}"),
    ReadingTool(
        name="show_evidence",
        title="Evidence of an unknown start",
        path="/deliveries/{id}/evidence",
        advice="Read it before you propose `resolve`.",
    ),
    ReadingTool(
        name="list_causes",
        title="Why deliveries died",
        path="/causes",
        advice="Begin here when deliveries are dead: a cause names many at once.",
    ),
    ReadingTool(name="find_records", title="Find by id or text", path="/find"),
    ReadingTool(
        name="list_rejects",
        title="Requests that failed verification",
        path="/rejects",
        advice="A reject can start nothing, and nothing proves who sent it.",
        rest="show_reject returns one reject.",
    ),
    ReadingTool(name="show_reject", title="One reject", path="/rejects/{id}"),
    ReadingTool(name="list_sources", title="Sources", path="/sources"),
    ReadingTool(
        name="list_routes",
        title="Routes",
        path="/routes",
        rest="show_route returns one route.",
    ),
    ReadingTool(name="show_route", title="One route", path="/routes/{name}"),
    ReadingTool(name="list_platforms", title="Platforms", path="/platforms"),
    ReadingTool(
        name="list_flows",
        title="Saved flows",
        path="/flows",
        advice="It asks each platform, for at most 10 seconds.",
    ),
    ReadingTool(name="show_flow_inputs", title="Inputs of a flow", path="/flows/inputs"),
    ReadingTool(name="list_runs", title="Runs", path="/runs"),
    ReadingTool(
        name="show_trend",
        title="Numbers over time",
        path="/trends",
        advice="For a day, pass `since` 1d and `step` 1h.",
    ),
    ReadingTool(name="list_event_types", title="Event types", path="/types"),
    ReadingTool(name="infer_schema", title="Schema of an event type", path="/types/schema"),
    ReadingTool(name="list_operations", title="Operations", path="/operations", rest=LESS),
    ReadingTool(
        name="show_operation",
        title="One operation",
        path="/operations/{id}",
        advice="Ask for it until `state` is `done` or `stopped`.",
    ),
    ReadingTool(
        name="list_operation_items",
        title="Items of an operation",
        path="/operations/{id}/items",
        advice="`outcome=refused` lists what was not done, and why.",
        rest=LESS,
    ),
    ReadingTool(
        name="check_routes",
        title="Check a routes.yaml",
        path="/configs/check",
        method="POST",
        advice="Nothing is saved, and no file of the bridge is read.",
    ),
)


def build_reading_tools(scopes: frozenset[Scope]) -> Iterator[AgentTool]:
    """Yield the tools that read, with the parameters that the scopes permit."""
    for row in READING_TOOLS:
        endpoint = find_endpoint(row.method, row.path)
        summary = _AS_COMMAND.sub("", endpoint.summary)
        yield AgentTool(
            name=row.name,
            title=row.title,
            description=f"{summary} {row.advice}".strip(),
            schema=build_schema(endpoint, scopes, is_list=_is_list(endpoint)),
            scope=endpoint.scope,
            effect=Effect.READS,
            run=partial(_read, row, endpoint),
        )


def find_endpoint(method: str, path: str) -> Endpoint:
    """Return the row of the table of endpoints."""
    return next(one for one in ENDPOINTS if (one.method, one.path) == (method, path))


def _is_list(endpoint: Endpoint) -> bool:
    return ITEMS in SCHEMAS[endpoint.schema or ""].get("properties", ())


def _read(
    row: ReadingTool, endpoint: Endpoint, context: ToolContext, arguments: Mapping[str, JSON]
) -> ToolAnswer:
    path = write_path(endpoint, arguments)
    if endpoint.method == "GET":
        found = context.client.get(path, write_query(endpoint, arguments))
    else:
        found = context.bridge.post(path, write_body(endpoint, arguments))
    skip = int(arguments.get(SKIP, 0))
    return answer_data(
        context,
        found,
        rest=row.rest,
        skip=skip,
        continue_list=partial(_continue_list, endpoint, skip),
    )


def _continue_list(endpoint: Endpoint, skip: int, cut: CutAnswer) -> str:
    """Return how to get the items that follow, and have `next` lead to those that are cut off."""
    if cut.shown < cut.listed:
        if not has_cursor(endpoint):
            return f"Pass `{SKIP}` {skip + cut.shown}, with the same arguments, to go on."
        if cut.shown:
            last = cut.data[ITEMS][-1]
            cut.data["next"] = str(last["number"] if "outcome" in last else last["id"])
            cut.data["complete"] = False
    if cut.data.get("next") is not None:
        return "There are more: pass `next` as `before`, with the same arguments, to go on."
    return ""
