"""flows: the saved flows of a platform, their inputs and runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.commands.flow_runs import kill, run, runs
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.model import JSON
from bridge.services.records.json_record import expect_shape

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape

FLOW_COLUMNS = (
    Column("platform", whole=True),
    Column("flow", whole=True),
    Column("name", spare=True, optional=True),
    Column("description", optional=True),
)
INPUT_COLUMNS = (Column("name", whole=True), Column("type"), Column("description", spare=True))


@click.group()
def flows() -> None:
    """List the saved flows of a platform in routes.yaml, show their inputs and runs, start a run,
    end a run.

    FLOW is a name under `flows:` in routes.yaml, or PLATFORM/FLOW, such as local/echo. The local
    platform answers while `flowbridge serve` runs. A platform of type http has no list of flows and
    no runs.
    """


for command in (run, runs, kill):
    flows.add_command(command)


@flows.command("list")
@click.argument("platform", required=False)
@AS_JSON
@click.pass_obj
def list_(config: str | None, /, platform: str | None, as_json: bool) -> None:
    """List the flows of one platform, or of all that can list them.

    Exit code 1: a platform did not answer.

    \b
    flowbridge flows list
    flowbridge flows list gumloop --json
    """
    with open_bridge(config) as bridge, expect_shape():
        listed = bridge.get("/flows", {"platform": platform})
        items = list(listed["items"])
        problems = [str(problem) for problem in listed["problems"]]
        rows = [_flow_row(flow) for flow in items]
        if not listed["complete"]:
            problems.append("not all flows are listed: pass one platform")
    if as_json:
        for flow in items:
            output.json_line(flow)
    elif not tables.print_table(FLOW_COLUMNS, rows):
        output.say(
            "" if problems else "No flows. Save one on the platform, or add one to flows.py."
        )
    for problem in problems:
        output.say(f"Error: {problem}")
    sys.exit(1 if problems else 0)


def _flow_row(flow: Shape) -> tuple[str, ...]:
    id_ = str(flow["saved_item_id"])
    name = "" if flow["name"] == id_ else str(flow["name"])
    return str(flow["platform"]), id_, name, _first_line(flow["description"])


@flows.command()
@click.argument("flow")
@AS_JSON
@click.pass_obj
def inputs(config: str | None, /, flow: str, as_json: bool) -> None:
    """List the inputs of a flow: the names that `inputs:` of a route can set.

    \b
    flowbridge flows inputs local/append_jsonl
    flowbridge flows inputs triage --json
    """
    with open_bridge(config) as bridge, expect_shape():
        items = list(bridge.get("/flows/inputs", {"flow": flow})["items"])
        rows = [
            (str(node["name"]), str(node["type"] or ""), _first_line(node["description"]))
            for node in items
        ]
    if as_json:
        for node in items:
            output.json_line(node)
    elif not tables.print_table(INPUT_COLUMNS, rows):
        output.say("The flow declares no inputs.")


def _first_line(text: JSON) -> str:
    return str(text or "").strip().partition("\n")[0]
