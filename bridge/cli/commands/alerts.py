"""alerts: what is raised, and a test of the way that alerts go."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.options import AS_JSON, opened, settings_of
from bridge.cli.ui import output
from bridge.cli.ui.output import Column
from bridge.config.settings import Settings
from bridge.core.alert import Alert
from bridge.core.errors import BridgeError
from bridge.monitoring.alerts import cleared_by, is_over, is_told, listed, proof
from bridge.monitoring.conditions import troubles
from bridge.monitoring.serializers import iso
from bridge.monitoring.status import overview

if TYPE_CHECKING:
    from bridge.store.db.database import Database

COLUMNS = (
    Column("since", whole=True),
    Column("severity", whole=True),
    Column("state", whole=True),
    Column("notified", whole=True),
    Column("alert", spare=True),
)
NO_ROUTE = "no route"  # takes alerts, so no notification is sent


@click.group(invoke_without_command=True)
@AS_JSON
@click.pass_context
def alerts(ctx: click.Context, /, as_json: bool) -> None:
    """List what is wrong by the last look of the worker, which looks every 30 seconds: alerts that
    are raised, and those to be.

    An alert is over where its condition is not there any more. The all-clear is sent after five
    minutes, should it come back.

    An alert is an event of the source flowbridge, of type alert.raised or alert.resolved; a route
    takes it to a flow:

    \b
    - {name: tell-me, on: flowbridge alert.*, flow: local/send_email,
       inputs: {to: me@example.com, subject: "${body.severity}: ${body.summary}", text: "${body.what_to_do}"}}

    \b
    flowbridge alerts
    flowbridge alerts test
    flowbridge events --source flowbridge
    """
    if ctx.invoked_subcommand is not None:
        return
    from bridge.store.queries import alerts as store

    known: list[Alert] = []
    over: dict[str, str] = {}
    settings = settings_of(ctx.obj)
    with opened(settings) as database:
        if database is not None:
            with database.read() as connection:
                known = listed(store.read(connection).values())
            over = _find_over(settings, database, known) if known else {}
    notifies = _notifies(settings)
    if as_json:
        for one in known:
            output.json_line(_shape(one, notifies=notifies, over=one.key in over))
    elif not known:
        click.echo("No alert is raised.")
    else:
        output.print_table(
            COLUMNS, [_row(one, over.get(one.key), notifies=notifies) for one in known]
        )
    if known and not notifies:
        output.say(
            f"note: no notification is sent, since no route in {settings.config} takes alerts."
        )
        output.say(
            "      Write one with `on: flowbridge alert.*` (flowbridge alerts --help has one), then"
            " try it: flowbridge alerts test"
        )


def _notifies(settings: Settings) -> bool:
    """Whether a route takes alerts, as far as routes.yaml can be read."""
    from bridge.config.loader import check

    config, _ = check(settings.config, settings.environ, strict_secrets=False)
    return config is None or is_told(config)


def _find_over(settings: Settings, database: Database, known: Sequence[Alert]) -> dict[str, str]:
    """Return the alerts whose condition is over, by their keys, each with what becomes of the
    alert.
    """
    now = overview(settings, database)
    present = {one.key for one in troubles(now)}
    works = any(one.role == "work" for one in now.processes)
    return {
        one.key: _end(one, now.at, works=works) for one in known if is_over(one, present, now.at)
    }


def _end(one: Alert, now: float, *, works: bool) -> str:
    """Say what becomes of an alert whose condition is over: it is told so if it was raised, else it
    is dropped.
    """
    until = cleared_by(one)
    when = (
        "once a worker runs"
        if not works
        else f"by {output.utc(until)}"
        if until > now
        else "in a moment"
    )
    if one.raised_at is not None:
        return f"over: the all-clear is sent {when}"
    return f"over before it was sent: it leaves this list {when}"


def _row(one: Alert, end: str | None, *, notifies: bool) -> tuple[str, ...]:
    notified = _notified(one) if notifies else NO_ROUTE
    state, what = (one.state, one.what) if end is None else ("over", f"{one.what} ({end})")
    return output.utc(one.since), one.severity, state, notified, what


def _notified(one: Alert) -> str:
    return "not yet" if not one.told else "once" if one.told == 1 else f"{one.told} times"


def _shape(one: Alert, *, notifies: bool, over: bool) -> dict[str, Any]:
    condition, _, subject = one.key.partition(":")
    return {
        "key": one.key,
        "condition": condition,
        "subject": subject or None,
        "severity": one.severity,
        "state": one.state,
        "over": over,
        "summary": one.what,
        "what_to_do": one.do,
        "since": iso(one.since),
        "told": one.told,
        "notified": one.told if notifies else 0,
        "told_at": iso(one.told_at),
    }


@alerts.command()
@click.pass_obj
def test(config: str | None, /) -> None:
    """Send a test through the routes that alerts take: an event alert.test, with deliveries as any
    other.

    A worker has to run. Exit code 1: no route takes it.

    \b
    flowbridge alerts test
    """
    from bridge.config.loader import load
    from bridge.worker.maintenance.alerts import keep

    settings = settings_of(config)
    routes = load(settings.config, settings.environ, strict_secrets=False)
    now = time.time()
    with opened(settings) as database:
        if database is None:
            raise BridgeError("there is no database yet; start it: flowbridge serve")
        count = database.write(lambda connection: keep(connection, proof(now), routes, now))
    if not count:
        click.echo(
            "No route takes alert.test; write one with `on: flowbridge alert.*` (see flowbridge"
            " alerts --help)"
        )
        sys.exit(1)
    click.echo(
        f"{output.number(count, 'delivery', 'deliveries')} planned: flowbridge deliveries --limit"
        f" {count}"
    )
