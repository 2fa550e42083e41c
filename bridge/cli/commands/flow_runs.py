"""flows run, runs and kill: the runs of a platform's flows."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click
import orjson

from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON
from bridge.cli.platforms import find_flow, find_run, load_config
from bridge.cli.ui import output, tables
from bridge.cli.ui.run_progress import INTERRUPTED, describe_state, follow_run
from bridge.cli.ui.tables import Column
from bridge.core.audit import AuditAction
from bridge.core.model import JSON, RUN_ENDED, RunState
from bridge.core.outcomes import Outcome, OutcomeKind, RunReport
from bridge.services import platform_queries as platforms
from bridge.services.audit import record_command
from bridge.services.flow_json import kill_json, run_json, start_json
from bridge.services.given_inputs import check_inputs

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.delivery.platforms.model import ListedRun
    from bridge.routing.model import Platform

RUN_COLUMNS = (
    Column("state", output.find_colour, whole=True),
    Column("started", whole=True),
    Column("took", whole=True),
    Column("run id", whole=True),
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
    platform, saved_item_id = find_flow(load_config(config), flow)
    if wait and not platforms.platform_type(platform).has_runs:
        raise click.UsageError(
            f"--wait: the platform {platform.name!r} ({platform.type}) has no runs to wait for"
        )
    given = _inputs(pairs, json_input)
    _check_inputs(platform, saved_item_id, given)
    outcome = platforms.start_run(platform, saved_item_id, given)
    if not as_json:
        _say_start(platform, saved_item_id, outcome)
    report = RunReport(state=None)
    interrupted = False
    if wait and outcome.run_id:
        run = shlex.quote(f"{platform.name}/{outcome.run_id}")
        parting = f"The run continues. To end it: flowbridge flows kill {run}"
        report, interrupted = follow_run(platform, outcome.run_id, parting, quiet=as_json)
    if as_json:
        output.json_line(start_json(platform.name, saved_item_id, outcome, report))
    elif report.state in RUN_ENDED:
        click.echo(output.indented(report.outputs))
    if interrupted:
        sys.exit(INTERRUPTED)
    sys.exit(
        0 if outcome.kind is OutcomeKind.STARTED and report.state in (None, RunState.DONE) else 1
    )


def _say_start(platform: Platform, saved_item_id: str, outcome: Outcome) -> None:
    said = outcome.kind.value + (f": {outcome.detail}" if outcome.detail else "")
    output.say(" ".join(filter(None, (said, outcome.run_url))))
    if outcome.run_id:
        output.answer(outcome.run_id)
    elif (
        outcome.kind is OutcomeKind.REJECTED
        and outcome.status_code in (400, 404)
        and (hint := platforms.explain_missing_flow(platform, saved_item_id))
    ):
        output.say(f"Error: {hint}")


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


def _check_inputs(platform: Platform, saved_item_id: str, given: Mapping[str, JSON]) -> None:
    """Raise a usage error where a required input is missing; note inputs that look misspelt."""
    found = check_inputs(platform, saved_item_id, given)
    for note in found.notes:
        output.say(f"Note: {note}")
    if found.missing:
        options = " ".join(f"--input {name}=…" for name in found.missing)
        raise click.UsageError(
            f"the flow {saved_item_id!r} requires {', '.join(found.missing)}: {options}"
        )


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
    platform, saved_item_id = find_flow(load_config(config), flow)
    found = platforms.list_runs(platform, saved_item_id)
    if as_json:
        for one in found:
            output.json_line(run_json(platform.name, one))
    elif not tables.print_table(RUN_COLUMNS, (_run_row(one, time.time()) for one in found)):
        output.say(
            platforms.explain_missing_flow(platform, saved_item_id) or "The flow has no runs yet."
        )


def _run_row(run: ListedRun, now: float) -> Sequence[object]:
    report = run.report
    ended = report.finished_at or (None if report.state in RUN_ENDED else now)
    took = None if report.created_at is None or ended is None else ended - report.created_at
    so_far = "" if report.finished_at or took is None else "…"
    return (
        describe_state(report),
        output.moment(report.created_at),
        output.span(took) + so_far,
        run.id,
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
    found = load_config(config)
    chosen = [find_run(found, name) for name in run_ids]
    settings = settings_of(config)
    codes = [
        _kill(settings, platform, run_id, wait=wait, as_json=as_json) for platform, run_id in chosen
    ]
    sys.exit(max(codes))


def _kill(settings: Settings, platform: Platform, run_id: str, *, wait: bool, as_json: bool) -> int:
    """Ask the platform to end a run, print the result, and return the exit code."""
    killed = platforms.kill_run(platform, run_id)
    if killed.accepted:
        record_command(settings, AuditAction.RUN_KILLED, f"{platform.name}/{run_id}")
    report = RunReport(state=None)
    interrupted = False
    if killed.accepted and wait:
        report, interrupted = follow_run(
            platform, run_id, "The platform was asked to end it.", quiet=as_json
        )
    elif killed.accepted:
        report = platforms.read_run(platform, run_id)
    if as_json:
        output.json_line(kill_json(platform.name, run_id, killed, report))
    elif killed.accepted:
        output.answer(f"{platform.name}/{run_id} {describe_state(report)}")
    else:
        output.say(f"Error: {platform.name}/{run_id}: {killed.detail}")
    return INTERRUPTED if interrupted else 0 if killed.accepted else 1
