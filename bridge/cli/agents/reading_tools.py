"""The tools that read: the endpoints of the admin API that have a tool in their row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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

#: What only people who run commands need: ", as `flowbridge status --json`".
_AS_COMMAND: Final = re.compile(r", as `[^`]*`")


def build_reading_tools(scopes: frozenset[Scope]) -> Iterator[AgentTool]:
    """Yield the tools that read, with the parameters that the scopes permit."""
    for endpoint in ENDPOINTS:
        if endpoint.tool is None:
            continue
        summary = _AS_COMMAND.sub("", endpoint.summary)
        yield AgentTool(
            name=endpoint.name,
            title=endpoint.tool.title,
            description=f"{summary} {endpoint.tool.advice}".strip(),
            schema=build_schema(endpoint, scopes, is_list=_is_list(endpoint)),
            scope=endpoint.scope,
            effect=Effect.READS,
            run=partial(_read, endpoint, endpoint.tool.rest or FOR_PEOPLE),
        )


def find_endpoint(method: str, path: str) -> Endpoint:
    """Return the row of the table of endpoints."""
    return next(
        endpoint for endpoint in ENDPOINTS if (endpoint.method, endpoint.path) == (method, path)
    )


def _is_list(endpoint: Endpoint) -> bool:
    return ITEMS in SCHEMAS[endpoint.schema or ""].get("properties", ())


def _read(
    endpoint: Endpoint, rest: str, context: ToolContext, arguments: Mapping[str, JSON]
) -> ToolAnswer:
    path = write_path(endpoint, arguments)
    if endpoint.method == "GET":
        reply = context.client.get(path, write_query(endpoint, arguments))
    else:
        reply = context.bridge.post(path, write_body(endpoint, arguments))
    skip = int(arguments.get(SKIP, 0))
    return answer_data(
        context,
        reply,
        rest=rest,
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
