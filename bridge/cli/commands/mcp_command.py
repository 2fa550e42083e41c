"""mcp: serve the admin API of a bridge as tools for an agent."""

from __future__ import annotations

import sys

import click

from bridge.cli.command_settings import find_server
from bridge.cli.remote.connection import open_admin_client
from bridge.cli.ui import output
from bridge.core.errors import SettingsError
from bridge.core.scopes import Scope, list_scopes

NO_SERVER = (
    "pass the URL of the bridge: flowbridge --server http://127.0.0.1:8081 mcp, or set"
    " FLOWBRIDGE_SERVER. Its token comes from `flowbridge login URL` or FLOWBRIDGE_TOKEN"
)


@click.command()
def mcp() -> None:
    """Serve the admin API of a bridge as tools for an agent, by the Model Context Protocol.

    Your MCP client, such as Claude Code, starts this command and speaks to it on stdin and stdout.
    The agent can do what the scopes of the token permit. It reads; and it acts only by a proposal
    whose items were counted, and that it then agrees to. It needs the Python
    package mcp beside flowbridge (the extra `mcp`).

    \b
    flowbridge --server http://127.0.0.1:8081 mcp
    FLOWBRIDGE_SERVER=http://127.0.0.1:8081 flowbridge mcp
    claude mcp add flowbridge -- flowbridge --server http://127.0.0.1:8081 mcp
    """
    server = find_server()
    if server is None:
        raise click.UsageError(NO_SERVER)
    try:
        from bridge.cli.agents.stdio_server import serve_stdio
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("bridge"):
            raise
        raise SettingsError(
            "flowbridge mcp needs the Python package mcp: install it beside flowbridge, by"
            f" {sys.executable} -m pip install mcp, or pipx inject flowbridge mcp"
        ) from error
    from bridge.cli.agents.tool_session import ACTOR_PREFIX, ToolSession, read_token

    with open_admin_client(server, ACTOR_PREFIX) as client:
        token = read_token(client)
        session = ToolSession(client, token)
        scopes = ", ".join(list_scopes(token.scopes))
        output.say(
            f"flowbridge mcp: {client.server} (flowbridge {token.version}), token {token.name},"
            f" scopes {scopes}: {len(session.list_tools())} tools on stdin and stdout"
        )
        if Scope.ADMIN in token.scopes:
            output.say("note: no tool needs the scope admin: use a token with fewer scopes")
        if sys.stdin.isatty():
            output.say("note: an MCP client starts this command and speaks to it; Ctrl-C ends it")
        serve_stdio(session)
