"""flows run, runs and kill: the runs of a platform's flows."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
import orjson

from bridge.cli.options import AS_JSON
from bridge.cli.platforms import open_flows
from bridge.cli.ui import output, tables
from bridge.cli.ui.run_progress import INTERRUPTED, describe_state, follow_run
from bridge.cli.ui.tables import Column
from bridge.core.model import JSON, RUN_ENDED, RunState
from bridge.core.outcomes import OutcomeKind, RunReport
from bridge.services.records.json_record import expect_shape, parse_time

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape
    from bridge.services.flow_access import FlowAccess, StartedFlow

NO_DELIVERY = "no delivery"  # in the list of runs: started by another program, or by hand
RUN_COLUMNS = (
    Column("state", output.find_colour, whole=True),
    Column("started", whole=True),
    Column("took", whole=True),
    Column("run id", whole=True),
    Column("route"),
    Column("delivery", whole=True, short=output.ending),
)
WAIT = click.option(
    "--wait", is_flag=True, help="Wait until the run has ended, and show its progress."
)


@click.command()
@click.argument("flow")
@click.option(
    "--input",
    "pairs",
    metavar="NAME=VALUE",
    multiple=True,
    help="One input, as text. Repeatable.",
)
@click.option("--json-input", metavar="OBJECT", help="Inputs as a JSON object; --input adds more.")
@WAIT
@AS_JSON
@click.pass_obj
def run(
    config: str | None,
    /,
    flow: str,
    pairs: tuple[str, ...],
    json_input: str | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Start a flow by hand. flowbridge stores no event and no delivery for it.

    With --wait, its state and log are shown as they change, and its outputs at the end; Ctrl-C
    stops waiting, not the run. Exit code 1: the flow did not start, or the run did not end as done.

    \b
    flowbridge flows run local/echo --input name=Ada --wait
    flowbridge flows run triage --json-input '{"title": "Broken", "labels": ["bug"]}'
    """
    given = _inputs(pairs, json_input)
    report = RunReport(state=None)
    interrupted = False
    with open_flows(config) as flows:
        if wait:
            flows.check_runs(flow)
        started = flows.start_run(flow, given)
        if not as_json:
            _say_start(started)
        with expect_shape():
            platform, run_id = str(started.shape["platform"]), started.shape["run_id"]
        if wait and isinstance(run_id, str):
            run = shlex.quote(f"{platform}/{run_id}")
            parting = f"The run continues. To end it: flowbridge flows kill {run}"
            poll = flows.poll_run(platform, run_id)
            report, interrupted = follow_run(poll, parting, quiet=as_json)
    if as_json:
        of_run = {"run_state": report.state, "outputs": report.outputs, "log": list(report.log)}
        output.json_line({**started.shape, **of_run})
    elif report.state in RUN_ENDED:
        click.echo(output.indented(report.outputs))
    if interrupted:
        sys.exit(INTERRUPTED)
    is_started = started.shape["outcome"] == OutcomeKind.STARTED
    sys.exit(0 if is_started and report.state in (None, RunState.DONE) else 1)


def _say_start(started: StartedFlow) -> None:
    for note in started.notes:
        output.say(f"Note: {note}")
    shape = started.shape
    with expect_shape():
        said = str(shape["outcome"]) + (f": {shape['detail']}" if shape["detail"] else "")
        url, run_id = shape["run_url"], shape["run_id"]
    output.say(f"{said} {url}" if url else said)
    if run_id:
        output.answer(str(run_id))
    if started.hint:
        output.say(f"Error: {started.hint}")


def _inputs(pairs: tuple[str, ...], text: str | None) -> dict[str, JSON]:
    try:
        found = orjson.loads(text) if text is not None else {}
    except orjson.JSONDecodeError as error:
        raise click.UsageError(f"--json-input is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.UsageError('--json-input must be an object, such as \'{"title": "Broken"}\'')
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--input {pair!r} is not NAME=VALUE")
        found[name] = value
    return found


@click.command()
@click.argument("flow")
@AS_JSON
@click.pass_obj
def runs(config: str | None, /, flow: str, as_json: bool) -> None:
    """List the newest runs of a flow, at most ten, however they were started.

    \b
    flowbridge flows runs local/echo
    flowbridge flows runs triage --json | jq -r 'select(.run_state == "failed") | .run_id'
    """
    with open_flows(config) as flows:
        items, hint = flows.list_runs(flow)
    with expect_shape():
        rows = [_run_row(one, time.time()) for one in items]
    if as_json:
        for one in items:
            output.json_line(one)
    elif not tables.print_table(RUN_COLUMNS, rows):
        output.say(hint or "The flow has no runs yet.")


def _run_row(run: Shape, now: float) -> Sequence[object]:
    began, finished = parse_time(run["created_at"]), parse_time(run["finished_at"])
    ended = finished or (None if run["run_state"] in RUN_ENDED else now)
    took = None if began is None or ended is None else ended - began
    so_far = "" if finished or took is None else "…"
    return (
        describe_state(run["run_state"], run["raw_state"]),
        output.moment(began),
        output.span(took) + so_far,
        str(run["run_id"]),
        run["route"] or NO_DELIVERY,
        run["delivery_id"] or "",
    )


@click.command()
@click.argument("run_ids", metavar="RUN...", nargs=-1, required=True)
@WAIT
@AS_JSON
@click.pass_obj
def kill(config: str | None, /, run_ids: tuple[str, ...], wait: bool, as_json: bool) -> None:
    """End runs, each with all its subflow runs. RUN is PLATFORM/RUN_ID, or the id alone if only one
    platform has runs.

    Without --wait, the command returns as soon as the platform has accepted the request. Exit code
    1: a run could not be ended.

    \b
    flowbridge flows kill local/7Hq3bVtDnk2yXcN9wLpRsA
    flowbridge flows kill gumloop/7Hq3bVtDnk2yXcN9wLpRsA --wait
    """
    with open_flows(config) as flows:
        chosen = [flows.find_run(name) for name in run_ids]
        codes = [
            _kill(flows, platform, run_id, wait=wait, as_json=as_json)
            for platform, run_id in chosen
        ]
    sys.exit(max(codes))


def _kill(flows: FlowAccess, platform: str, run_id: str, *, wait: bool, as_json: bool) -> int:
    """Ask the platform to end a run, print the result, and return the exit code."""
    shape = flows.kill_run(platform, run_id)
    with expect_shape():
        is_killed, state = shape["killed"] is True, (shape["run_state"], shape["raw_state"])
    interrupted = False
    if is_killed and wait and state[0] not in RUN_ENDED:
        poll = flows.poll_run(platform, run_id)
        report, interrupted = follow_run(poll, "The platform was asked to end it.", quiet=as_json)
        state = (report.state, report.raw_state)
    if as_json:
        output.json_line({**shape, "run_state": state[0], "raw_state": state[1]})
    elif is_killed:
        output.answer(f"{platform}/{run_id} {describe_state(*state)}")
    else:
        output.say(f"Error: {platform}/{run_id}: {shape['detail']}")
    return INTERRUPTED if interrupted else 0 if is_killed else 1
