"""The tool that tries a routes.yaml on stored events, and waits for the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.api.parameters import SCREEN
from bridge.cli.agents.agent_tool import AgentTool, Effect, ToolContext, answer_data
from bridge.cli.agents.reading_tools import find_endpoint
from bridge.cli.agents.tool_answers import ToolAnswer
from bridge.cli.agents.tool_schemas import build_schema
from bridge.cli.remote.trials import wait_for_result
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.services.records.json_record import expect_shape

TRIAL_ENDPOINT: Final = find_endpoint("POST", "/trials")
FEWER: Final = "Narrower `filters`, a smaller `limit` or a few `ids` show more of each change."


def build_trial_tool(scopes: frozenset[Scope]) -> AgentTool:
    """Return the tool."""
    schema = build_schema(TRIAL_ENDPOINT, scopes, is_list=False)
    properties = {
        name: definition for name, definition in schema["properties"].items() if name != SCREEN.name
    }
    return AgentTool(
        name="try_routes",
        title="Try a routes.yaml on stored events",
        description=(
            "Plans stored events by a routes.yaml that is sent and by the one in use, and returns"
            " what would change, by event and by route. Nothing is saved or sent. Pass `filters`,"
            " such as a source and `since`, or `ids`; `explain_changed` also explains the newest"
            " events that change, clause by clause. show_route has the definition of a route."
        ),
        schema={**schema, "properties": properties},
        scope=TRIAL_ENDPOINT.scope,
        effect=Effect.PREPARES,
        run=_try_routes,
    )


def _try_routes(context: ToolContext, arguments: Mapping[str, JSON]) -> ToolAnswer:
    trial = context.bridge.post(TRIAL_ENDPOINT.path, dict(arguments))
    with expect_shape():
        result = wait_for_result(context.bridge, str(trial["id"]))
        problems = len(result["problems"])
    said = f"The text has {problems} problems, so it cannot be used." if problems else ""
    return answer_data(context, result, said, rest=FEWER)
