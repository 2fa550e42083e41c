"""alerts: the alerts that are raised, and a test notification."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.command_settings import find_server, settings_of
from bridge.cli.numbers import BoundedNumber
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output, tables
from bridge.cli.ui.run_progress import INTERRUPTED
from bridge.cli.ui.tables import Column
from bridge.core.errors import BridgeError
from bridge.core.model import Status
from bridge.monitoring.alerts import make_test_notice
from bridge.services.notification_results import NotificationResult, wait_for_results
from bridge.services.records.event_records import EVENT
from bridge.services.records.json_record import expect_shape, require_time
from bridge.services.store_access import open_store
from bridge.services.usable_config import load_present
from bridge.store.inbound import events

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

COLUMNS = (
    Column("since", whole=True),
    Column("severity", whole=True),
    Column("state", whole=True),
    Column("notified", whole=True),
    Column("alert", spare=True),
)

#: By `Result.is_notified`: the word for it, and its colour.
NOTIFIED: Final = {
    True: ("notified", "green"),
    False: ("not notified", "red"),
    None: ("no result", "yellow"),
}
NO_ROUTE = "no route"  # subscribes to alerts, so no notification is sent


@click.group(invoke_without_command=True)
@AS_JSON
@click.pass_context
def alerts(ctx: click.Context, /, as_json: bool) -> None:
    """List the alerts that are raised or pending. A worker checks their conditions every 30
    seconds.

    An alert is an event of the source flowbridge, of type alert.raised or alert.resolved; a route
    sends it to a flow:

    \b
    - {name: tell-me, on: flowbridge alert.*, flow: local/send_email,
       inputs: {to: me@example.com, subject: "${body.summary}", text: "${body.what_to_do}"}}

    \b
    flowbridge alerts
    flowbridge alerts test
    flowbridge events --source flowbridge
    """
    if ctx.invoked_subcommand is not None:
        return
    with open_bridge(ctx.obj) as bridge:
        reply = bridge.list_alerts()
    with expect_shape():
        items = list(reply["items"])
        screen = reply["screen"]
        notifies = bool(screen["notifies"])
        rows = [_row(alert, screen) for alert in items]
    if as_json:
        for shape in items:
            output.json_line(shape)
    elif not tables.print_table(COLUMNS, rows):
        click.echo("No alert is raised.")
    if items and not notifies:
        file = "" if find_server() else f" in {settings_of(ctx.obj).config}"
        output.say(f"note: no notification is sent: no route{file} subscribes to alerts.")
        output.say(
            "      Add one with `on: flowbridge alert.*` (example: flowbridge alerts --help), then"
            " test it: flowbridge alerts test"
        )


def _row(alert: Shape, screen: Shape) -> tuple[str, ...]:
    notified = _notified(int(alert["notified"])) if screen["notifies"] else NO_ROUTE
    state = "over" if alert["over"] else str(alert["state"])
    since = output.utc(require_time(alert["since"]))
    return since, str(alert["severity"]), state, notified, str(alert["summary"])


def _notified(count: int) -> str:
    return "not yet" if not count else "once" if count == 1 else f"{count} times"


@alerts.command()
@click.option("--no-wait", is_flag=True, help="Do not wait for the result.")
@click.option(
    "--timeout",
    type=BoundedNumber(0, 3600),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="Wait at most this long for the result.",
)
@AS_JSON
@click.pass_obj
def test(config: str | None, /, no_wait: bool, timeout: int, as_json: bool) -> None:
    """Send a test through the routes that subscribe to alerts: an event alert.test, with deliveries
    like any other.

    The command waits for the result of each route. A worker must run. Exit code 1: no route matches
    the test, a notification was not delivered, or a result is not known in time.

    \b
    flowbridge alerts test
    flowbridge alerts test --no-wait
    """
    from bridge.store.db.notify import notify_workers
    from bridge.worker.maintenance.alerts import store_alert

    settings = settings_of(config)
    routes = load_present(settings)
    now = time.time()
    with open_store(settings) as database:
        if database is None:
            raise BridgeError("there is no database yet; start it: flowbridge serve")
        planned = database.write(
            lambda connection: store_alert(connection, make_test_notice(now), routes, now)
        )
        if not planned:
            click.echo(
                "No route matches alert.test; add one with `on: flowbridge alert.*` (see flowbridge"
                " alerts --help)"
            )
            sys.exit(1)
        notify_workers(database)
        event_id = planned[0].event_id
        count = output.number(len(planned), "delivery", "deliveries")
        results = [] if no_wait else _wait(database, event_id, routes, timeout)
        if as_json:
            output.json_line(
                EVENT.write(
                    events.get(database, event_id),
                    deliveries=events.deliveries_of(database, [event_id])[event_id],
                )
            )
    if no_wait:
        if not as_json:
            output.answer(f"{count} planned. Result: flowbridge show {output.ending(event_id)}")
        return
    if not as_json:
        _print_results(results)
    sent = [result for result in results if result.delivery.status is not Status.SHADOW]
    if sent and all(result.is_notified for result in sent):
        return
    goes_on = any(result.is_notified is None for result in results)
    text = "Deliveries without a result continue. See them" if goes_on else "See why"
    output.say(f"{text}: flowbridge show {output.ending(event_id)}")
    sys.exit(1)


def _wait(
    database: Database, event_id: str, routes: Config, seconds: float
) -> list[NotificationResult]:
    """Wait for the results of a test, and exit on Ctrl-C."""
    if seconds:
        output.say(f"Waiting for the result, at most {seconds:g} s…")
    try:
        return wait_for_results(
            database, event_id, routes, seconds, lambda wait: output.say(f"So far {wait.detail}")
        )
    except KeyboardInterrupt:
        output.say(f"The test continues. Result: flowbridge show {output.ending(event_id)}")
        sys.exit(INTERRUPTED)


def _print_results(results: Sequence[NotificationResult]) -> None:
    width = max(len(word) for word, _ in NOTIFIED.values()) + tables.COLUMN_GAP
    for result in results:
        word, colour = NOTIFIED[result.is_notified]
        detail = f": {output.clean(result.detail)}" if result.detail else ""
        what = output.clean(f"{result.delivery.route}{tables.ARROW}{result.delivery.flow}")
        click.echo(f"{click.style(word.ljust(width), fg=colour)}{what}{detail}")
