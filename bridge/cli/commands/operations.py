"""operations: list and show past replays, retries and the like, and resume an interrupted one."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from bridge.cli.actions.rate_option import RATE
from bridge.cli.actions.request import DRY_RUN, YES, OperationRequest
from bridge.cli.actions.run import resume_operation
from bridge.cli.bridge.access import open_bridge
from bridge.cli.numbers import BoundedNumber
from bridge.cli.options import AS_JSON, SINCE, limit_option
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.advice import name_command
from bridge.core.operations import OPEN_ITEMS, Operation, OperationStep, StepOutcome
from bridge.core.units import iso
from bridge.services.records.operation_records import OPERATION, STEP, read_state

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape

COLUMNS = (
    Column("began", whole=True),
    tables.ID_COLUMN,
    Column("actor"),
    Column("state", style=output.find_colour, whole=True),
    Column("done", style=output.find_colour, whole=True),
    Column("command", spare=True),
)
ITEM_COLUMNS = (
    tables.ID_COLUMN,
    Column("outcome", style=output.find_colour, whole=True),
    Column("details", spare=True),
)
OUTCOMES = (*(outcome.value for outcome in StepOutcome), OPEN_ITEMS)
MAX_SHOWN_IDS = 5
OPTION_NAMES = {
    "routes": "--with-routes",
    "to": "--as",
    "run_id": "--run-id",
    "force": "--force",
    "rate": "--rate",
    "limit": "--limit",
}


@click.group(invoke_without_command=True)
@SINCE
@click.option("--unfinished", is_flag=True, help="Only operations that are not finished.")
@limit_option(50)
@AS_JSON
@click.pass_context
def operations(
    ctx: click.Context, /, since: float | None, unfinished: bool, limit: int, as_json: bool
) -> None:
    """List operations on events and deliveries, newest first: who, when, which command, how many
    items, and how many are done.

    ACTOR is the user and host name, or FLOWBRIDGE_ACTOR; of an operation over the admin API, its
    token. STATE is proposed, expired, waiting, running, stopped or done. The items of an operation
    are stored before it begins: after Ctrl-C or a crash, it can be resumed, and does no item twice.

    \b
    flowbridge operations --since 1d
    flowbridge operations --unfinished
    flowbridge operations resume act_01jd2x
    """
    if ctx.invoked_subcommand is not None:
        return
    with open_bridge(ctx.obj) as bridge:
        shapes = bridge.list_operations(since=since, unfinished=unfinished, limit=limit)
        if as_json:
            for shape in shapes:
                output.json_line(shape)
        elif not tables.print_table(COLUMNS, map(_row, shapes)):
            output.say(
                "No operations"
                + (
                    " match."
                    if since or unfinished
                    else " yet: no event or delivery was changed by a command."
                )
            )


def _row(shape: Shape) -> tuple[str, ...]:
    operation = OPERATION.parse(shape)
    return (
        output.moment(operation.created_at),
        operation.id,
        operation.actor,
        read_state(shape),
        describe_progress(operation),
        format_command(operation),
    )


def describe_progress(operation: Operation) -> str:
    """Return how many items of an operation are done, in words."""
    if operation.count is None:
        return "never began"
    gone = (
        str(operation.count)
        if operation.finished_at
        else f"{operation.count - operation.left} of {operation.count}, unfinished"
    )
    return gone + (f", {operation.refused} refused" if operation.refused else "")


def format_command(operation: Operation) -> str:
    """Return the command line of an operation, with absolute times and the first of many ids."""
    request = operation.request
    filters = request.get("filters") or {}
    ids = request.get("ids") or ()
    shown_ids = list(ids[:MAX_SHOWN_IDS])
    is_cut = len(shown_ids) < (len(ids) if filters or ids else operation.count or 0)
    words = [*operation.command.split(), *shown_ids, *(["…"] if is_cut else [])]
    options = {**filters, **operation.options}
    if request.get("limit"):
        options["limit"] = request["limit"]
    if operation.command != "resolve":
        options.pop("to", None)
    if options.get("through") == options.get("route"):
        options.pop("through", None)
    for name, values in options.items():
        for value in values if isinstance(values, list) else [values]:
            option = OPTION_NAMES.get(name, f"--{name.replace('_', '-')}")
            words += [option] if value is True else [option, str(value)]
    return " ".join(word if word == "…" else shlex.quote(str(word)) for word in words)


@operations.command()
@click.argument("id_", metavar="OPERATION")
@click.option(
    "--only",
    type=click.Choice(OUTCOMES),
    help="Only items that are done, refused, or still open.",
)
@click.option(
    "--limit",
    type=BoundedNumber(0),
    default=50,
    show_default=True,
    metavar="N",
    help="The first N items; 0 for all.",
)
@AS_JSON
@click.pass_obj
def show(config: str | None, /, id_: str, only: str | None, limit: int, as_json: bool) -> None:
    """Show one operation with the outcome of each item. With --json the first line is the
    operation, every other line an item.

    \b
    flowbridge operations show act_01jd2x
    flowbridge operations show act_01jd2x --only refused --limit 0
    """
    with open_bridge(config) as bridge:
        shape = bridge.read_operation(id_)
        operation = OPERATION.parse(shape)
        items = bridge.list_items(operation.id, outcome=only, limit=limit)
        if as_json:
            output.json_line(shape)
            for item in items:
                output.json_line(item)
            return
        _print_act(operation, read_state(shape))
        count = tables.print_table(ITEM_COLUMNS, (_item_row(STEP.parse(item)) for item in items))
        total = {
            None: operation.count or 0,
            OPEN_ITEMS: operation.left,
            StepOutcome.DONE.value: operation.done,
            StepOutcome.REFUSED.value: operation.refused,
        }[only]
        if count < total:
            output.say(f"the first {count} of {total}; --limit 0 shows all")


def _print_act(operation: Operation, state: str) -> None:
    click.secho(output.clean(operation.id), bold=True)
    output.line("command", format_command(operation))
    output.line("actor", operation.actor)
    output.line("began", iso(operation.created_at))
    output.line("state", state)
    output.line("items", describe_progress(operation))
    output.line("agreed", iso(operation.agreed_at))
    if operation.count is not None and not operation.finished_at and operation.is_agreed:
        output.line("last done", iso(operation.last_progress_at))
        output.line("resume", name_command("operations resume", operation.id))
    output.line("finished", iso(operation.finished_at))
    for actor, at in operation.resumed:
        output.line("resumed", f"{iso(at)} by {actor}")
    if operation.count:
        click.echo()


def _item_row(item: OperationStep) -> tuple[str, ...]:
    became = item.problem or (
        f"{item.was} → {item.became}" if item.became else ", ".join(item.made)
    )
    return item.item_id, str(item.outcome or OPEN_ITEMS), became


@operations.command()
@click.argument("id_", metavar="OPERATION")
@RATE
@YES
@DRY_RUN
@AS_JSON
@click.pass_obj
def resume(
    config: str | None, /, id_: str, rate: str | None, yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Resume an operation that was interrupted.

    It continues with the items that are left, at the same rate unless another is given. A replay
    uses the current routes.yaml, unless it was started with --with-routes then.

    \b
    flowbridge operations resume act_01jd2x
    flowbridge operations resume act_01jd2x --rate 20/s --yes
    """
    request = OperationRequest(
        yes=yes, dry_run=dry_run, as_json=as_json, limit=0, rate=rate, chosen={}
    )
    resume_operation(config, id_, request)


@operations.command()
@click.argument("id_", metavar="OPERATION")
@AS_JSON
@click.pass_obj
def stop(config: str | None, /, id_: str, as_json: bool) -> None:
    """Stop an operation that was begun over the admin API or with --server.

    \b
    flowbridge operations stop act_01jd2x
    """
    with open_bridge(config) as bridge:
        shape = bridge.stop_operation(id_)
    if as_json:
        output.json_line(shape)
    else:
        operation = OPERATION.parse(shape)
        output.answer(f"{operation.id}  {read_state(shape)}: {describe_progress(operation)}")
