"""A session of an agent: the tools that its token may use, and their calls."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.cli.agents.agent_tool import AgentTool, ToolContext
from bridge.cli.agents.body_reading import build_body_tool
from bridge.cli.agents.operation_tools import build_operation_tools
from bridge.cli.agents.proposals import RefusedCall
from bridge.cli.agents.reading_tools import build_reading_tools
from bridge.cli.agents.tool_answers import ToolAnswer, mark_data, report_refusal
from bridge.cli.agents.tool_schemas import check_arguments
from bridge.cli.agents.trial_tool import build_trial_tool
from bridge.cli.bridge.client import Bridge
from bridge.cli.remote.client import AdminClient
from bridge.core.errors import BridgeError
from bridge.core.model import JSON
from bridge.core.scopes import Scope, expand_scopes, explain_missing_scope, list_scopes
from bridge.core.text import escape_lines
from bridge.core.typos import find_close_name
from bridge.services.records.json_record import expect_shape

BOUNDARY_BYTES: Final = 16
ACTOR_PREFIX: Final = "agent of "
MAX_NAME_CHARS: Final = 100  # of a tool, in an error
MAX_ERROR_CHARS: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """The bridge and the token of a session: its name, its scopes, and the bridge's version."""

    name: str
    scopes: frozenset[Scope]
    version: str


def read_token(client: AdminClient) -> TokenFacts:
    """Return what the bridge answers about the token."""
    reply = client.get("/")
    with expect_shape():
        scope_names = {scope.value for scope in Scope}
        scopes = {Scope(name) for name in reply["scopes"] if name in scope_names}
        return TokenFacts(
            name=str(reply["token"]), scopes=expand_scopes(scopes), version=str(reply["version"])
        )


def build_tools(scopes: frozenset[Scope]) -> dict[str, AgentTool]:
    """Return all tools by name, with the parameters that the scopes permit."""
    tools = (
        *build_reading_tools(scopes),
        build_body_tool(scopes),
        build_trial_tool(scopes),
        *build_operation_tools(),
    )
    return {tool.name: tool for tool in tools}


class ToolSession:
    """Answers calls of tools with one token. Not for several threads at once."""

    def __init__(self, client: AdminClient, token: TokenFacts) -> None:
        self._token = token
        self._all = build_tools(token.scopes)
        self._context = ToolContext(
            client=client,
            bridge=Bridge(client),
            make_boundary=lambda: secrets.token_hex(BOUNDARY_BYTES),
        )

    def list_tools(self) -> list[AgentTool]:
        """Return the tools that the scopes of the token permit."""
        return [tool for tool in self._all.values() if tool.scope in self._token.scopes]

    def call_tool(self, name: str, arguments: Mapping[str, JSON]) -> ToolAnswer:
        """Return the answer of a tool. An error is an answer, too."""
        try:
            tool = self._find(name)
            check_arguments(tool.schema, arguments)
            return tool.run(self._context, arguments)
        except RefusedCall as error:
            return report_refusal(escape_lines(str(error))[:MAX_ERROR_CHARS])
        except UnicodeError:
            return report_refusal("Refused: the arguments are not valid Unicode.")
        except BridgeError as error:
            return self._report_error(error)

    def _find(self, name: str) -> AgentTool:
        tool = self._all.get(name)
        if tool is None:
            near = find_close_name(name[:MAX_NAME_CHARS], self._all)
            hint = f" Did you mean {near}?" if near is not None else ""
            raise RefusedCall(f"Refused: there is no tool {name[:MAX_NAME_CHARS]!r}.{hint}")
        if tool.scope not in self._token.scopes:
            refusal = explain_missing_scope(name, tool.scope, self._token.scopes)
            raise RefusedCall(
                f"Refused: {refusal}. This token has only"
                f" {', '.join(list_scopes(self._token.scopes))}. Only a person can change that."
            )
        return tool

    def _report_error(self, error: BridgeError) -> ToolAnswer:
        """Return an error of the bridge, which may quote a platform or a payload, as data."""
        texts = (str(error), *getattr(error, "__notes__", ()))
        message, *hints = [escape_lines(text)[:MAX_ERROR_CHARS] for text in texts]
        data = {"error": message, "hints": hints}
        lead = ["The call failed; the data has the reason."]
        return mark_data(data, lead, self._context.make_boundary, is_error=True)
