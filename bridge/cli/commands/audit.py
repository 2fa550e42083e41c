"""audit: list logins, changes of tokens and the like, exports and downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.options import AS_JSON, SINCE, limit_option
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.audit import AuditAction
from bridge.services.records.bridge_records import AUDIT_ENTRY

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape

COLUMNS = (
    Column("at", whole=True),
    Column("actor"),
    Column("action", whole=True),
    Column("client", optional=True),
    Column("subject", spare=True),
)


@click.command()
@SINCE
@click.option(
    "--action",
    type=click.Choice([action.value for action in AuditAction]),
    help="Only of this action.",
)
@limit_option(50)
@AS_JSON
@click.pass_obj
def audit(
    config: str | None, /, since: float | None, action: str | None, limit: int, as_json: bool
) -> None:
    """List the audit log, newest first: logins, changes of tokens, holds and learned secrets, ended
    runs, exports and downloads.

    ACTOR is the user and host name, or FLOWBRIDGE_ACTOR; of a change over the admin API, its token,
    and CLIENT its address. The newest 10,000 entries are stored. What changed events and deliveries
    is in flowbridge operations.

    \b
    flowbridge audit --since 7d
    flowbridge audit --action token_added --json
    """
    with open_bridge(config) as bridge:
        entries = bridge.list_audit(since=since, action=action, limit=limit)
        if as_json:
            for entry in entries:
                output.json_line(entry)
        elif not tables.print_table(COLUMNS, map(_row, entries)):
            is_filtered = since is not None or action is not None
            output.say("No entries match." if is_filtered else "The audit log is empty.")


def _row(shape: Shape) -> tuple[str, ...]:
    entry = AUDIT_ENTRY.parse(shape)
    return (
        output.moment(entry.at),
        entry.actor,
        entry.action,
        entry.client or "",
        entry.subject or "",
    )
