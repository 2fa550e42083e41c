"""rejects: list requests that failed verification with the reasons, and readmit them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.actions.request import OperationRequest, operation_options
from bridge.cli.actions.run import run_operation
from bridge.cli.bridge.access import open_bridge
from bridge.cli.command_choices import write_choices
from bridge.cli.option_types import TimeParam
from bridge.cli.options import AS_JSON, SINCE, limit_option
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.services.records.event_records import REJECT
from bridge.services.records.json_record import expect_shape

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape

MAX_STEPS = 3  # that are printed below the list
COLUMNS = (
    Column("received", whole=True),
    tables.ID_COLUMN,
    Column("source"),
    Column("reason", style=output.find_colour),
    Column("why", spare=True),
)


@click.group(invoke_without_command=True)
@click.option("--source", metavar="NAME", help="Only from this source.")
@SINCE
@limit_option(50)
@AS_JSON
@click.pass_context
def rejects(
    ctx: click.Context, /, source: str | None, since: float | None, limit: int, as_json: bool
) -> None:
    """List requests that failed verification, newest first, with the most likely reason.

    The newest hundred of each source are stored. They start nothing unless they are readmitted.
    `flowbridge show ID` shows one.

    \b
    flowbridge rejects --source stripe --since 1h
    flowbridge rejects readmit --source stripe
    """
    if ctx.invoked_subcommand is not None:
        return
    with open_bridge(ctx.obj) as bridge:
        shapes = bridge.list_rejects(source=source, since=since, limit=limit)
        if as_json:
            for shape in shapes:
                output.json_line(shape)
            return
        steps: dict[str, None] = {}  # in the order of the list
        if not tables.print_table(COLUMNS, _note_steps(shapes, steps)):
            output.say(
                f"No {'matching ' if source or since is not None else ''}rejects are stored."
            )
        for step in [*steps][:MAX_STEPS]:
            output.say(f"Next: {step}")
        for note in bridge.transport.explain_unset(source):
            output.say(note)


def _note_steps(shapes: Iterable[Shape], steps: dict[str, None]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of rejects, and note the next step of each."""
    from bridge.services.rejects import describe_next_step

    for shape in shapes:
        yield _row(shape)
        if (step := describe_next_step(REJECT.parse(shape))) is not None:
            steps.setdefault(step.sentence)


def _row(shape: Shape) -> tuple[str, ...]:
    from bridge.services.rejects import list_reasons

    reject = REJECT.parse(shape)
    with expect_shape():
        reason = list_reasons(shape["diagnosis"])[0]
    why = f"readmitted as {', '.join(reject.event_ids)}" if reject.event_ids else reason
    return output.moment(reject.received_at), reject.id, reject.source, reject.reason, why


@rejects.command(epilog=write_choices("rejects readmit"))
@click.argument("ids", metavar="[REJECT]...", nargs=-1)
@click.option("--source", metavar="NAME", help="Only from this source.")
@click.option("--since", type=TimeParam(), metavar="TIME", help="Only since this time.")
@operation_options
@click.pass_obj
def readmit(config: str | None, /, ids: tuple[str, ...], **options: Any) -> None:
    """Verify rejects again, with the current routes.yaml and the time at which they arrived. Those
    that pass become events, once.

    Fix the secret first. With a filter, rejects that still fail are skipped; with ids, they are
    listed with the reason. A reject that contained a token or password is stored without it, and
    cannot be verified again. This is an operation: flowbridge operations shows who readmitted them.

    \b
    flowbridge rejects readmit --source stripe --dry-run
    flowbridge rejects readmit rej_01jd2x
    """
    options["yes"] = options["yes"] or bool(ids)  # ids are few, and named
    request = OperationRequest.of(options | {"limit": 0})
    if bool(ids) == request.is_filtered:
        raise click.UsageError("pass ids, or select by --source or --since")
    run_operation(config, "readmit", ids, request)
