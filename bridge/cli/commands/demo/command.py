"""demo: flowbridge in a temporary folder, shown with three events."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli.numbers import BoundedNumber
from bridge.cli.ui import output
from bridge.core.errors import BridgeError
from bridge.core.http_messages import Answer, Call, NoAnswer, Request
from bridge.core.model import Delivery, Event, Reject, RunState

if TYPE_CHECKING:
    from bridge.cli.commands.demo.screen import Screen
    from bridge.config.settings import Settings
    from bridge.runtime.startup import LoadedConfig
    from bridge.store.db.database import Database
    from bridge.system.wakeup import Wake

SAMPLES = (("github", "issues"), ("stripe", "invoice.paid"), ("contact", "submission"))
WAIT_SECONDS = 30.0  # until the demo fails
POLL_SECONDS = 0.03  # of the store


@dataclass(slots=True)
class DemoRequest:
    """One request of the demo, from its sending to the end of its runs."""

    source: str
    type: str
    forged: bool = False
    answer: Answer | None = None
    took: float = 0.0  # milliseconds
    event: Event | None = None
    deliveries: tuple[Delivery, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether all its runs have ended, or it was refused."""
        from bridge.services.delivery_states import is_over

        if self.forged or (self.answer is not None and self.answer.status != 202):
            return self.answer is not None
        return (
            self.event is not None and bool(self.deliveries) and all(map(is_over, self.deliveries))
        )

    @property
    def is_well(self) -> bool:
        """Whether it ended as expected."""
        if self.forged:
            return self.answer is not None and self.answer.status == 401
        return bool(self.deliveries) and all(
            one.run_state is RunState.DONE for one in self.deliveries
        )


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

    It starts flowbridge in a temporary folder with the local platform, sends events as GitHub,
    Stripe and a form would, shows each one until its run has ended, then keeps running so that you
    can try it. Ctrl-C stops it and removes the folder.

    \b
    flowbridge demo
    flowbridge demo --once --json | jq '.events[].deliveries[].outputs'
    """
    # before the imports, which take long
    click.echo("Starting flowbridge in a temporary folder…", err=True)
    from bridge.cli.commands.demo.screen import instructions, open_screen
    from bridge.cli.commands.tail import print_change, print_refused
    from bridge.system.logs import configure

    configure("error")
    with ExitStack() as stack:
        stack.enter_context(_ending_on_signals())
        up = False
        try:
            folder = Path(stack.enter_context(_throw_away()))
            settings, child = stack.enter_context(_running(folder, port))
            database = stack.enter_context(_store(settings))
            with open_screen(settings, as_json=as_json) as screen:
                well = _tell(settings, database, screen, as_json=as_json)
            if once:
                stack.close()
                sys.exit(0 if well else 1)
            for line in instructions(settings):
                output.say(line) if as_json else output.answer(line)
            up = True
            say = ChangePrinters(
                lambda at, change: print_change(database, at, change, as_json=as_json),
                (lambda _: None) if as_json else print_refused,
            )
            _stay(database, child, say)
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
def _throw_away() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="flowbridge-demo-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(folder: Path, port: int) -> Iterator[tuple[Settings, int]]:
    """Run the processes of `serve` on the folder, in a child process; yield the settings and its
    id.
    """
    from bridge.runtime import services
    from bridge.runtime.startup import load_config
    from bridge.system.wakeup import Wake

    settings, sockets = _settings(folder, port)
    loaded = load_config(settings)
    services.prepare_in_child(settings, loaded)
    child = os.fork()
    if child == 0:
        _supervise(settings, loaded, Wake(), sockets)
    for sock in sockets:
        sock.close()
    try:
        yield settings, child
    finally:
        _end(child)


def _settings(folder: Path, port: int) -> tuple[Settings, list[socket.socket]]:
    """Write the files of the folder; return settings from these files alone, and the sockets."""
    from bridge.cli.command_settings import command_timings
    from bridge.cli.commands.init import template
    from bridge.config.settings import load_settings
    from bridge.runtime.services import bind_sockets, with_bound_addresses

    (folder / "routes.yaml").write_text(template("demo_routes.yaml"), "utf-8")
    (folder / "flows.py").write_text(template("flows.py"), "utf-8")
    env = folder / ".env"
    env.touch(0o600)
    secret = secrets.token_hex(32)
    signing = f"whsec_{secrets.token_hex(16)}"
    text = (
        f"FLOWBRIDGE_DATA={folder / 'data'}\n"
        f"GITHUB_WEBHOOK_SECRET={secret}\n"
        f"STRIPE_WEBHOOK_SECRET={signing}\n"
    )
    env.write_text(text, "utf-8")
    routes = str(folder / "routes.yaml")
    bind_to = f"127.0.0.1:{port}"
    settings = load_settings({}, config=routes, bind=bind_to, timings=command_timings())
    settings = replace(settings, log="error")
    sockets = bind_sockets(settings)
    settings = with_bound_addresses(settings, sockets)
    bind = {"FLOWBRIDGE_BIND": f"127.0.0.1:{settings.bind[1]}"}
    # for commands in another terminal
    env.write_text(f"{text}FLOWBRIDGE_BIND={bind['FLOWBRIDGE_BIND']}\n", "utf-8")
    return replace(settings, environ={**settings.environ, **bind}), sockets


def _supervise(
    settings: Settings, loaded: LoadedConfig, wake: Wake, sockets: list[socket.socket]
) -> None:
    """Become the parent of the demo's processes; does not return."""
    from bridge.runtime import services
    from bridge.runtime.supervisor import Supervisor
    from bridge.system.linux_process import die_with_parent

    code = 1
    try:
        os.setpgid(0, 0)  # so that Ctrl-C reaches this one by its parent, in order
        die_with_parent()
        os.dup2(2, 1)  # stdout is the demo's own
        following = services.follow_config(settings, loaded, sockets)
        children = services.serve_processes(settings, loaded, following, wake, sockets)
        code = Supervisor(children, stop_seconds=settings.timings.stop_seconds).run()
    finally:
        os._exit(code)


def _end(child: int) -> None:
    """Stop the processes and wait for them, however often Ctrl-C is pressed meanwhile."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        return
    finally:
        signal.signal(signal.SIGINT, before)


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
    from bridge.monitoring.serializers import event_json

    stories = [DemoRequest(source, type_) for source, type_ in SAMPLES]
    stories += [] if as_json else [DemoRequest("github", "issues", forged=True)]
    started = time.monotonic()
    screen.show(stories)
    for story in stories:
        _send(settings, story)
        screen.show(stories)
    while not all(story.is_over for story in stories) and time.monotonic() < started + WAIT_SECONDS:
        _look(database, stories)
        screen.show(stories)
        time.sleep(POLL_SECONDS)
    well = all(story.is_well for story in stories)
    screen.close(stories, time.monotonic() - started, well=well)
    if as_json:
        output.json_line(
            {
                "events": [
                    event_json(story.event, story.deliveries) for story in stories if story.event
                ]
            }
        )
    return well


def _send(settings: Settings, story: DemoRequest) -> None:
    from bridge.system.http_client import HttpClient

    request = sample_request(settings, story.source, story.type, forged=story.forged)
    sender = HttpClient()
    started = time.monotonic()
    answer = sender.send(
        Call(method="POST", url=request.url, headers=request.headers, body=request.body),
        WAIT_SECONDS,
    )
    sender.close()
    if isinstance(answer, NoAnswer):
        raise BridgeError(f"the server of the demo does not answer: {answer.reason}")
    story.answer = answer
    story.took = (time.monotonic() - started) * 1000


def sample_request(settings: Settings, source: str, type_: str, *, forged: bool = False) -> Request:
    """Return a signed sample for a source of the demo."""
    from bridge.config.loader import load
    from bridge.services.samples.forgeries import Signer
    from bridge.services.samples.requests import make_sample

    known = load(settings.config, settings.environ).sources[source]
    signer = Signer(
        known.name, known.provider, known.scheme, known.secrets[0].value if known.secrets else ""
    )
    host, port = settings.bind
    return make_sample(
        signer,
        type_,
        f"http://{host}:{port}/hooks/{source}",
        "body" if forged else None,
        time.time(),
    )


def _look(database: Database, stories: list[DemoRequest]) -> None:
    import orjson

    from bridge.store.inbound import events

    for story in stories:
        if (
            story.event is None
            and not story.forged
            and story.answer is not None
            and story.answer.status == 202
        ):
            event = events.get(database, orjson.loads(story.answer.body)["event_id"])
            story.event = replace(event, body=b"", headers={})
    ids = [story.event.id for story in stories if story.event is not None]
    found = events.deliveries_of(database, ids)
    for story in stories:
        if story.event is not None:
            story.deliveries = tuple(found[story.event.id])


@dataclass(frozen=True, slots=True)
class ChangePrinters:
    """The functions that print a change and a refused request."""

    change: Callable[[float, Event | Delivery], None]
    refused: Callable[[Reject], None]


def _stay(database: Database, child: int, say: ChangePrinters) -> None:
    """Print changes until Ctrl-C, or until the processes have ended."""
    from bridge.cli.commands.tail import POLL_SECONDS
    from bridge.services.change_feed import ChangeFeed
    from bridge.store.inbound import rejects
    from bridge.store.queries.filters import Filters

    follower = ChangeFeed(database, Filters())
    began_at = time.time()
    seen = set[str]()
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        for at, change in follower.look():
            say.change(at, change)
        for one in reversed(
            [one for one in rejects.list_rejects(database, since=began_at) if one.id not in seen]
        ):
            seen.add(one.id)
            say.refused(one)
        time.sleep(POLL_SECONDS)
    raise BridgeError("flowbridge ended unexpectedly; the reason is above")
