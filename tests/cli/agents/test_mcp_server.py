"""`flowbridge mcp`, driven over stdio by the clients of the official SDKs.

Set FLOWBRIDGE_MCP_MODULES to a node_modules folder with @modelcontextprotocol/sdk, for the one in
TypeScript.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from agent_records import (
    HOSTILE_BODY,
    ROUTES,
    add_dead_delivery,
    open_session,
    read_marked,
    retry_of,
)
from both_ways import BothWays, serve_both_ways
from folders import CLIENTS, ROOT
from processes import PATIENCE, environment, eventually

MODULES = os.environ.get("FLOWBRIDGE_MCP_MODULES")
NODE = shutil.which("node")


@pytest.fixture(scope="module")
def sdk() -> Any:
    """The SDK of the protocol, imported when a test needs it: it is large."""
    return pytest.importorskip("mcp", reason="the extra `mcp` is not installed")


@pytest.fixture(scope="module")
def both(
    sdk: Any, tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[BothWays]:
    """A bridge whose worker looks for operations at each heartbeat."""
    folder = tmp_path_factory.mktemp("both")
    soon = {"heartbeat_seconds": 0.1}
    with serve_both_ways(folder, "serve", routes=ROUTES, timings=soon) as served:
        yield served


def talk(sdk: Any, both: BothWays, use: Callable[[Any], Awaitable[None]]) -> str:
    """Start the command as an MCP client does, and use it; return what it wrote to stderr."""
    log = both.home / "mcp.log"

    async def run() -> None:
        parameters = sdk.StdioServerParameters(
            command=sys.executable,
            args=["-m", "bridge", "--server", both.server, "mcp"],
            env={"FLOWBRIDGE_TOKEN": both.token, "PYTHONPATH": str(ROOT)},
            cwd=both.home,
        )
        with log.open("w") as stderr:
            async with (
                asyncio.timeout(2 * PATIENCE),
                sdk.Client(sdk.stdio_client(parameters, stderr)) as client,
            ):
                await use(client)

    asyncio.run(run())
    return log.read_text()


def text_of(result: Any) -> str:
    (block,) = result.content
    return str(block.text)


def test_an_agent_reads_proposes_and_acts(sdk: Any, both: BothWays) -> None:
    event_id = both.bridge.event(HOSTILE_BODY).json["event_id"]
    dead = add_dead_delivery(both)

    async def use(client: Any) -> None:
        tools = {one.name: one for one in (await client.list_tools()).tools}
        assert tools["list_events"].annotations.read_only_hint is True
        assert tools["agree_to_proposal"].annotations.destructive_hint is True
        assert tools["propose_operation"].annotations.destructive_hint is False

        shown = await client.call_tool("show_event", {"id": event_id})
        _, data = read_marked(text_of(shown))
        assert shown.structured_content["outside_data"] == data
        assert "yalper" in data["body"] and "\u202e" not in text_of(shown)

        refused = await client.call_tool("agree_to_proposal", {"proposal_id": dead})
        assert refused.is_error and "made no proposal" in text_of(refused)

        proposed = await client.call_tool("propose_operation", retry_of(dead))
        lead, data = read_marked(text_of(proposed))
        id_ = proposed.structured_content["proposal_id"]
        assert (data["state"], data["count"], data["examples"]) == ("proposed", 1, [dead])
        assert f"Proposal {id_}: 1 delivery to retry. Nothing has happened yet." in lead
        assert is_dead(both, dead)

        agreed = await client.call_tool("agree_to_proposal", {"proposal_id": id_})
        assert not agreed.is_error, text_of(agreed)
        while True:
            shown = await client.call_tool("show_operation", {"id": id_})
            operation = shown.structured_content["outside_data"]
            if operation["state"] == "done":
                break
            await asyncio.sleep(0.1)
        assert operation["done"] == 1 and operation["actor"].startswith("whole (agent of ")
        assert not is_dead(both, dead)

        again = await client.call_tool("agree_to_proposal", {"proposal_id": id_})
        assert again.is_error

        wrong = await client.call_tool("list_deliveries", {"status": "ded"})
        assert wrong.is_error and "did you mean dead?" in text_of(wrong)

    said = talk(sdk, both, use)
    assert f"{both.server} (flowbridge" in said and "scopes read, bodies, act" in said
    assert both.token not in said and both.token[-12:] not in said


def is_dead(both: BothWays, id_: str) -> bool:
    return both.bridge.count("delivery", f"id = '{id_}' AND status = 'dead'") == 1


def test_a_tool_beyond_the_scopes_is_neither_listed_nor_called(sdk: Any, both: BothWays) -> None:
    from bridge.cli.agents.stdio_server import build_server

    dead = add_dead_delivery(both)
    token = both.add_token("viewer", "viewer")

    async def use() -> None:
        async with sdk.Client(build_server(session)) as client:
            names = {one.name for one in (await client.list_tools()).tools}
            assert "list_events" in names
            assert not names & {"propose_operation", "agree_to_proposal", "read_event_body"}
            for name, arguments in (
                ("propose_operation", retry_of(dead)),
                ("agree_to_proposal", {"proposal_id": "act_1"}),
                ("read_event_body", {"id": "evt_1"}),
            ):
                refused = await client.call_tool(name, arguments)
                assert refused.is_error and "has only read" in text_of(refused)
                assert "flowbridge token add new-" in text_of(refused)

    with open_session(both, token) as session:
        asyncio.run(use())
    assert is_dead(both, dead)


# -- the client in TypeScript


@contextmanager
def typescript_client(both: BothWays) -> Iterator[Callable[..., Any]]:
    """Start the command by the SDK in TypeScript; yield a function that asks it."""
    server = [sys.executable, "-m", "bridge", "--server", both.server, "mcp"]
    with subprocess.Popen(
        [NODE or "", str(CLIENTS / "mcp_client.cjs"), MODULES or "", *server],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=both.home,
        env=environment(FLOWBRIDGE_TOKEN=both.token, PYTHONPATH=str(ROOT)),
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(what: str, **params: Any) -> Any:
            stdin.write(json.dumps({"what": what, "params": params}) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        try:
            yield ask
        finally:
            stdin.close()
            assert process.wait(PATIENCE) == 0


@pytest.mark.skipif(
    not (MODULES and NODE), reason="FLOWBRIDGE_MCP_MODULES names no folder of node's"
)
def test_the_typescript_client_reads_proposes_and_acts(both: BothWays) -> None:
    event_id = both.bridge.event(HOSTILE_BODY).json["event_id"]
    dead = add_dead_delivery(both)
    with typescript_client(both) as ask:
        assert ask("server")["name"] == "flowbridge"
        tools = {one["name"]: one for one in ask("tools")["tools"]}
        assert tools["list_events"]["annotations"]["readOnlyHint"] is True
        filters = tools["try_routes"]["inputSchema"]["properties"]["filters"]
        assert "type" not in filters["properties"]["where"]

        def call(name: str, **arguments: Any) -> tuple[bool, dict[str, Any]]:
            found = ask("call", name=name, arguments=arguments)
            return found.get("isError", False), found["structuredContent"]

        failed, shown = call("show_event", id=event_id)
        assert not failed and "yalper" in shown["outside_data"]["body"]
        failed, refused = call("agree_to_proposal", proposal_id=dead)
        assert failed and "made no proposal" in refused["flowbridge"]
        _, proposed = call("propose_operation", **retry_of(dead))
        assert proposed["count"] == 1 and is_dead(both, dead)
        failed, _ = call("agree_to_proposal", proposal_id=proposed["proposal_id"])
        assert not failed
        eventually(lambda: not is_dead(both, dead))
