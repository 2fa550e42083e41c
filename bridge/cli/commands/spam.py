"""spam: list submissions marked as spam, release them, or mark others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bridge.cli.actions.request import OperationRequest, operation_options, require_items
from bridge.cli.actions.run import run_operation
from bridge.cli.bridge.access import open_bridge
from bridge.cli.command_choices import write_choices
from bridge.cli.option_types import ExcerptParam
from bridge.cli.options import (
    AS_JSON,
    SINCE,
    SOURCE,
    UNTIL,
    add_options,
    limit_option,
)
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.services.records.event_records import EVENT

if TYPE_CHECKING:
    from bridge.core.model import Event

F = TypeVar("F", bound=Callable[..., Any])
COLUMNS = (
    Column("received", whole=True),
    tables.ID_COLUMN,
    Column("source"),
    Column("from"),
    Column("why", spare=True),
)


def _chosen(*, limit: int, reason: str) -> Callable[[F], F]:
    """Add the filters of these commands."""
    return add_options(
        SOURCE,
        click.option("--reason", type=ExcerptParam(), metavar="TEXT", help=reason),
        SINCE,
        UNTIL,
        limit_option(limit),
    )


@click.group(invoke_without_command=True)
@_chosen(limit=50, reason="Only if the spam reason contains TEXT (case-insensitive).")
@AS_JSON
@click.pass_context
def spam(ctx: click.Context, /, limit: int, as_json: bool, **filters: Any) -> None:
    """List submissions marked as spam, newest first, with the reason. They have no deliveries.

    The sender got the same answer as everyone else. Release legitimate submissions with flowbridge
    spam release.

    \b
    flowbridge spam --source contact --since 1d
    flowbridge spam --reason 'could not be checked'
    flowbridge spam release evt_01jd2x
    """
    if ctx.invoked_subcommand is not None:
        return
    with open_bridge(ctx.obj) as bridge:
        shapes = bridge.list_events({"type_": None, **filters, "spam": True}, limit)
        if as_json:
            for shape in shapes:
                output.json_line(shape)
        elif not tables.print_table(COLUMNS, (_row(EVENT.parse(event)) for event in shapes)):
            output.say(
                "No spam"
                + (" matches." if any(value is not None for value in filters.values()) else ".")
            )


def _row(event: Event) -> tuple[str, ...]:
    return (
        output.moment(event.received_at),
        event.id,
        event.source,
        event.client or "",
        event.spam or "",
    )


@spam.command(epilog=write_choices("spam release"))
@click.argument("events", metavar="[EVENT]...", nargs=-1)
@_chosen(limit=0, reason="Only if the spam reason contains TEXT (case-insensitive).")
@operation_options
@click.pass_obj
def release(config: str | None, /, events: tuple[str, ...], **options: Any) -> None:
    """Release events that are not spam: each is planned once with the current routes.yaml, as if it
    had just arrived.

    This is an operation: flowbridge operations shows who released them, and resumes an interrupted
    release.

    \b
    flowbridge spam release evt_01jd2x
    flowbridge spam release --source contact --reason 'could not be checked' --since 2h --dry-run
    """
    request = OperationRequest.of(options)
    require_items(events, request)
    run_operation(config, "spam release", events, request)


@spam.command()
@click.argument("events", metavar="EVENT...", nargs=-1, required=True)
@operation_options
@click.pass_obj
def mark(config: str | None, /, events: tuple[str, ...], **options: Any) -> None:
    """Mark events as spam. Their waiting deliveries are cancelled; flows that have started
    continue.

    \b
    flowbridge spam mark evt_01jd2x
    """
    run_operation(config, "spam mark", events, OperationRequest.of(options | {"limit": 0}))
