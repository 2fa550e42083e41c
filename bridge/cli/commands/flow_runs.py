"""flows run, runs and kill: the runs of a platform's flows."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
import orjson

from bridge.cli.bridge.access import open_bridge
from bridge.cli.bridge.request_parts import quote_id
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output, tables
from bridge.cli.ui.run_progress import INTERRUPTED, describe_state, follow_run
from bridge.cli.ui.tables import Column
from bridge.core.errors import BridgeError
from bridge.core.model import JSON, RUN_ENDED, RunState
from bridge.core.status import OutcomeKind, RunReport
from bridge.services.platforms.platform_names import find_run
from bridge.services.records.flow_records import RUN_REPORT
from bridge.services.records.json_record import expect_shape, parse_time

if TYPE_CHECKING:
    from bridge.cli.bridge.client import Bridge
    from bridge.cli.bridge.transport import Shape

#: Keys of the API that `flows run --json` does not print.
START_EXTRAS = ("notes", "hint")
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
    inputs = _inputs(pairs, json_input)
    report = RunReport(state=None)
    interrupted = False
    with open_bridge(config) as bridge, expect_shape():
        if wait:
            bridge.get("/runs", {"flow": flow})  # refused where the platform has no runs
        answer = bridge.post("/runs", {"flow": flow, "inputs": inputs})
        notes, hint = (answer[name] for name in START_EXTRAS)
        started = {name: value for name, value in answer.items() if name not in START_EXTRAS}
        if not as_json:
            _say_start(started, notes, hint)
        platform, run_id = str(started["platform"]), started["run_id"]
        if wait and isinstance(run_id, str):
            run = shlex.quote(f"{platform}/{run_id}")
            parting = f"The run continues. To end it: flowbridge flows kill {run}"
            report, interrupted = _follow(bridge, platform, run_id, parting, quiet=as_json)
    if as_json:
        of_run = {"run_state": report.state, "outputs": report.outputs, "log": list(report.log)}
        output.json_line({**started, **of_run})
    elif report.state in RUN_ENDED:
        click.echo(output.indented(report.outputs))
    if interrupted:
        sys.exit(INTERRUPTED)
    is_started = started["outcome"] == OutcomeKind.STARTED
    sys.exit(0 if is_started and report.state in (None, RunState.DONE) else 1)


def _say_start(started: Shape, notes: Sequence[str], hint: str | None) -> None:
    for note in notes:
        output.say(f"Note: {note}")
    outcome = str(started["outcome"]) + (f": {started['detail']}" if started["detail"] else "")
    url, run_id = started["run_url"], started["run_id"]
    output.say(f"{outcome} {url}" if url else outcome)
    if run_id:
        output.answer(str(run_id))
    if hint:
        output.say(f"Error: {hint}")


def _inputs(pairs: tuple[str, ...], text: str | None) -> dict[str, JSON]:
    try:
        inputs = orjson.loads(text) if text is not None else {}
    except orjson.JSONDecodeError as error:
        raise click.UsageError(f"--json-input is not JSON: {error}") from None
    if not isinstance(inputs, dict):
        raise click.UsageError('--json-input must be an object, such as \'{"title": "Broken"}\'')
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--input {pair!r} is not NAME=VALUE")
        inputs[name] = value
    return inputs


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
    with open_bridge(config) as bridge, expect_shape():
        items = list(bridge.get("/runs", {"flow": flow})["items"])
        rows = [_run_row(run, time.time()) for run in items]
    if as_json:
        for run in items:
            output.json_line(run)
    elif not tables.print_table(RUN_COLUMNS, rows):
        output.say("The flow has no runs yet.")


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
    with open_bridge(config) as bridge, expect_shape():
        listed = bridge.get("/platforms")["items"]
        types = {row["name"]: row["type"] for row in listed if row["configured"]}
        runs = [find_run(types, name) for name in run_ids]
        codes = [_kill(bridge, *run, wait=wait, as_json=as_json) for run in runs]
    sys.exit(max(codes))


def _kill(bridge: Bridge, platform: str, run_id: str, *, wait: bool, as_json: bool) -> int:
    """Ask the platform to end a run, print the result, and return the exit code."""
    killed = bridge.post(f"{_path_of(platform, run_id)}/kill")
    is_killed, state = killed["killed"] is True, (killed["run_state"], killed["raw_state"])
    interrupted = False
    if is_killed and wait and state[0] not in RUN_ENDED:
        parting = "The platform was asked to end it."
        report, interrupted = _follow(bridge, platform, run_id, parting, quiet=as_json)
        state = (report.state, report.raw_state)
    if as_json:
        output.json_line({**killed, "run_state": state[0], "raw_state": state[1]})
    elif is_killed:
        output.answer(f"{platform}/{run_id} {describe_state(*state)}")
    else:
        output.say(f"Error: {platform}/{run_id}: {killed['detail']}")
    return INTERRUPTED if interrupted else 0 if is_killed else 1


def _follow(
    bridge: Bridge, platform: str, run_id: str, parting: str, *, quiet: bool
) -> tuple[RunReport, bool]:
    """Wait for a run; see `follow_run`."""

    def read() -> RunReport:
        try:
            return RUN_REPORT.parse(bridge.get(_path_of(platform, run_id)))
        except BridgeError as error:  # the wait goes on, as where a platform does not answer
            return RunReport(state=None, detail=str(error))

    return follow_run(f"{platform}/{run_id}", read, parting, quiet=quiet)


def _path_of(platform: str, run_id: str) -> str:
    return f"/runs/{quote_id(platform)}/{quote_id(run_id)}"
