"""demo: flowbridge in a temporary folder, shown with three events."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import click

from bridge.cli.command_settings import command_timings
from bridge.cli.numbers import BoundedNumber
from bridge.cli.ui import output
from bridge.core.errors import BridgeError
from bridge.services.records.event_records import EVENT

if TYPE_CHECKING:
    from bridge.cli.bridge.changes import BridgeChange, ChangeTail
    from bridge.cli.commands.demo.screen import Screen
    from bridge.config.settings import Settings
    from bridge.core.model import Reject
    from bridge.services.console_tickets import RenewedTicket
    from bridge.store.db.database import Database

SAMPLES = (("github", "issues"), ("stripe", "invoice.paid"), ("contact", "submission"))
ACTOR = "demo"  # of what is done in its console
WAIT_SECONDS = 30.0  # from the last answer until the demo fails
POLL_SECONDS = 0.03  # of the store


@click.command()
@click.option("--once", is_flag=True, help="Exit when the runs have ended, instead of staying up.")
@click.option(
    "--port",
    type=BoundedNumber(0, 65535),
    default=0,
    metavar="N",
    help="The port (default: a free one).",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help='Print {"events": […]} when every run has ended, then what `tail --json` prints.',
)
def demo(once: bool, port: int, as_json: bool) -> None:
    """See everything work, without any setup: no account, file or setting is used or changed.

    It sends events as GitHub, Stripe and a form would, shows each one until its run has ended, then
    keeps running so that you can try it, with a link to its console that works as long as it runs.
    Ctrl-C stops it and removes its temporary folder.

    \b
    flowbridge demo
    flowbridge demo --once --json | jq '.events[].deliveries[].outputs'
    """
    # before the imports, which take long
    click.echo("Starting flowbridge in a temporary folder…", err=True)
    from bridge.cli.commands.demo.screen import instructions, open_screen
    from bridge.cli.commands.init import template
    from bridge.cli.commands.tail import print_change, print_refused
    from bridge.runtime.demo_bridge import make_folder, run_bridge
    from bridge.services.console_tickets import make_login_url
    from bridge.system.logs import configure

    configure("error")
    files = {"routes.yaml": template("demo_routes.yaml"), "flows.py": template("flows.py")}
    with ExitStack() as stack:
        stack.enter_context(_ending_on_signals())
        up = False
        try:
            folder = stack.enter_context(make_folder())
            settings, child = stack.enter_context(
                run_bridge(folder, files, port, command_timings())
            )
            database = stack.enter_context(_store(settings))
            with open_screen(settings, as_json=as_json) as screen:
                well = _tell(settings, database, screen, as_json=as_json)
            if once:
                stack.close()
                sys.exit(0 if well else 1)
            changes = DemoChanges.begin(settings, database)
            ticket = _make_ticket(settings, database)
            url = make_login_url(settings.private_url, ticket.text) if ticket else None
            for line in instructions(settings, url):
                output.say(line) if as_json else output.answer(line)
            up = True
            say = ChangePrinters(
                partial(print_change, as_json=as_json),
                (lambda _: None) if as_json else print_refused,
            )
            _stay(changes, child, say, ticket)
        except KeyboardInterrupt:
            stack.close()
            click.echo("\nStopped; the temporary folder was removed.", err=True)
            sys.exit(0 if up else 130)


# -- what runs


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the demo like Ctrl-C."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _store(settings: Settings) -> Iterator[Database]:
    from bridge.store.db.database import Database

    database = Database.of(settings)
    try:
        yield database
    finally:
        database.close()


# -- output


def _tell(settings: Settings, database: Database, screen: Screen, *, as_json: bool) -> bool:
    """Send the events, follow them to the end of their runs, and return whether all ended well."""
    from bridge.services.demo_requests import DemoRequest, read_progress, send_request

    stories = [DemoRequest(source, type_) for source, type_ in SAMPLES]
    stories += [] if as_json else [DemoRequest("github", "issues", forged=True)]
    started = time.monotonic()
    screen.show(stories)
    for story in stories:
        send_request(settings, story)
        screen.show(stories)
    deadline = time.monotonic() + WAIT_SECONDS
    while not all(story.is_over for story in stories) and time.monotonic() < deadline:
        read_progress(database, stories)
        screen.show(stories)
        time.sleep(POLL_SECONDS)
    well = all(story.is_well for story in stories)
    screen.close(stories, time.monotonic() - started, well=well)
    if as_json:
        output.json_line(
            {
                "events": [
                    EVENT.write(story.event, deliveries=story.deliveries)
                    for story in stories
                    if story.event
                ]
            }
        )
    return well


@dataclass(frozen=True, slots=True)
class ChangePrinters:
    """The functions that print a change and a refused request."""

    change: Callable[[BridgeChange], None]
    refused: Callable[[Reject], None]


def _make_ticket(settings: Settings, database: Database) -> RenewedTicket | None:
    """Return a ticket of the console, renewed for the first time; null for a public address."""
    from bridge.config.addresses import is_loopback
    from bridge.core.scopes import Scope, expand_scopes
    from bridge.services.console_tickets import RenewedTicket

    if settings.private_bind is not None or not is_loopback(settings.bind[0]):
        return None
    ticket = RenewedTicket(database, expand_scopes({Scope.ADMIN}), ACTOR)
    ticket.renew(time.time())
    return ticket


@dataclass(slots=True)
class DemoChanges:
    """The changes and refused requests since it was made."""

    database: Database
    tail: ChangeTail
    began_at: float
    seen: set[str] = field(default_factory=set)

    @classmethod
    def begin(cls, settings: Settings, database: Database) -> DemoChanges:
        """Return those from now on. Call it before the demo says what to send."""
        from bridge.cli.bridge.changes import ChangeTail
        from bridge.cli.bridge.local_transport import LocalTransport

        transport = LocalTransport(None, settings, database)
        return cls(database, ChangeTail(transport, []), time.time())

    def print_new(self, say: ChangePrinters) -> None:
        """Print those that are new since the last call."""
        from bridge.store.inbound import rejects

        for change in self.tail.read_changes():
            say.change(change)
        stored_rejects = rejects.list_rejects(self.database, since=self.began_at)
        for reject in reversed(
            [candidate for candidate in stored_rejects if candidate.id not in self.seen]
        ):
            self.seen.add(reject.id)
            say.refused(reject)


def _stay(
    changes: DemoChanges, child: int, say: ChangePrinters, ticket: RenewedTicket | None
) -> None:
    """Print changes, and renew the ticket, until Ctrl-C or until the processes have ended."""
    from bridge.cli.commands.tail import POLL_SECONDS

    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if ticket is not None:
            ticket.renew(time.time())
        changes.print_new(say)
        time.sleep(POLL_SECONDS)
    raise BridgeError("flowbridge ended unexpectedly; the reason is above")
