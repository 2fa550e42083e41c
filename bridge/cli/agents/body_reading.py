"""The tool that reads the body of an event in parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.cli.agents.agent_tool import MAX_DATA_BYTES, AgentTool, Effect, ToolContext
from bridge.cli.agents.reading_tools import find_endpoint
from bridge.cli.agents.tool_answers import ToolAnswer, mark_data
from bridge.cli.agents.tool_schemas import build_schema, write_path, write_query
from bridge.core.json_values import write_json
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.core.text import escape_lines
from bridge.core.units import MIB

MAX_BODY_BYTES: Final = 64 * MIB
MAX_PART_CHARS: Final = 8000
MAX_PART_BYTES: Final = MAX_DATA_BYTES - 1000  # escaped: a character may need ten
BODY_ENDPOINT: Final = find_endpoint("GET", "/events/{id}/body")


def build_body_tool(scopes: frozenset[Scope]) -> AgentTool:
    """Return the tool."""
    schema = build_schema(BODY_ENDPOINT, scopes, is_list=False)
    offset = {
        "type": "integer",
        "description": "The first character to return: `next_offset` of the answer before.",
        "minimum": 0,
        "default": 0,
    }
    return AgentTool(
        name="read_event_body",
        title="Body of an event, in parts",
        description=(
            f"{BODY_ENDPOINT.summary} Each answer has at most {MAX_PART_CHARS} characters of it,"
            " as UTF-8 text with unprintable characters escaped."
        ),
        schema={**schema, "properties": {**schema["properties"], "offset": offset}},
        scope=BODY_ENDPOINT.scope,
        effect=Effect.READS,
        run=_read_body,
    )


def _read_body(context: ToolContext, arguments: Mapping[str, JSON]) -> ToolAnswer:
    path = write_path(BODY_ENDPOINT, arguments)
    query = write_query(BODY_ENDPOINT, arguments)
    raw = context.client.get_bytes(path, MAX_BODY_BYTES, query)
    text = raw.decode("utf-8", "replace")
    begin = int(arguments.get("offset", 0))
    part = text[begin : begin + MAX_PART_CHARS]
    while len(write_json(escape_lines(part))) > MAX_PART_BYTES:
        part = part[: len(part) // 2]
    end = begin + len(part)
    data = {
        "characters": len(text),
        "offset": begin,
        "next_offset": end if end < len(text) else None,
        "text": escape_lines(part),
    }
    said = (
        f"There is more of the body: pass `offset` {end} to go on."
        if end < len(text)
        else "This is the end of the body."
    )
    return mark_data(data, [said], context.make_boundary)
